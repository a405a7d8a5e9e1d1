//! SQL calls: what a guest asks for, what a statement does, and what came back.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::outward::{Failure, Sending};

/// A value in a row or a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlValue {
    /// NULL.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// Text; also decimals, dates, times, UUIDs, JSON and arrays, in the database's text form.
    Text(String),
    /// Bytes.
    Bytes(ByteBuf),
}

/// A statement and its parameters, which are never part of the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// With the placeholders of the database.
    pub text: String,
    /// In their order.
    pub parameters: Vec<SqlValue>,
}

/// A statement of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The statement.
    pub statement: Statement,
    /// If it changes another number of rows, the whole batch is undone.
    pub expect_rows: Option<u32>,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlCall {
    /// One statement, for its rows.
    Query(Statement),
    /// One statement, for its effect.
    Execute(Statement),
    /// Statements in one transaction.
    Batch(Vec<Step>),
}

impl SqlCall {
    /// Its statements, in their order.
    pub fn statements(&self) -> impl Iterator<Item = &Statement> {
        let (one, many) = match self {
            Self::Query(statement) | Self::Execute(statement) => (Some(statement), &[][..]),
            Self::Batch(steps) => (None, steps.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|step| &step.statement))
    }
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The database's own name of its type.
    pub type_name: String,
}

/// Rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// Each with as many values as there are columns.
    pub rows: Vec<Vec<SqlValue>>,
}

/// What a statement did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Rows it changed.
    pub rows: u32,
    /// The key given to the last inserted row, where the database says so.
    pub last_id: Option<i64>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlDone {
    /// To a query.
    Table(Table),
    /// To an execute.
    Change(Change),
    /// To a batch, one for each step.
    Changes(Vec<Change>),
}

/// Why a call failed, in the words of the WIT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "error", content = "text")]
pub enum SqlError {
    /// No grant; the text is the line to add. Never recorded.
    AccessDenied(String),
    /// The database refused the statement.
    Database {
        /// SQLSTATE; empty if the database has none.
        code: String,
        /// In its words.
        message: String,
    },
    /// It was undone.
    Conflict(String),
    /// Not carried out.
    Unavailable(String),
    /// No answer in time, to what may be asked again.
    Timeout(String),
    /// Sent, and no answer came.
    InDoubt(String),
    /// More rows or bytes than the limit.
    TooLarge(String),
}

/// What the guest receives; what the journal keeps.
pub type SqlAnswer = Result<SqlDone, SqlError>;

/// What a statement does to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Reads rows.
    Select,
    /// Adds rows.
    Insert,
    /// Changes rows, or locks them.
    Update,
    /// Removes rows.
    Delete,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// Its word, as in a manifest.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// What a statement uses, as the grammar of its database reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Verbs and tables, as the statement names them: unquoted names in lower case, schema and name
    /// joined by a dot, the schema only if it is written.
    pub tables: BTreeSet<(Verb, String)>,
    /// Functions that are not known to be harmless, named likewise.
    pub functions: BTreeSet<String>,
}

impl Uses {
    /// Whether it changes nothing: no verb but `select`, and no function that nobody knows.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        self.functions.is_empty() && self.tables.iter().all(|(verb, _)| *verb == Verb::Select)
    }
}

/// An opened database connection.
#[async_trait]
pub trait Sql: Send + Sync {
    /// What a statement uses.
    ///
    /// # Errors
    ///
    /// It cannot be read, is more than one, or is of a kind that is not offered: why, and what is.
    fn uses(&self, text: &str) -> Result<Uses, String>;

    /// The schema of names that are written without one.
    fn schema(&self) -> &str;

    /// Its time limit for a call.
    fn timeout(&self) -> Duration;

    /// Whether a write can be asked for again under the same key: the host's ledger table is installed.
    /// Asked before a write is announced; may look once and remember.
    ///
    /// # Errors
    ///
    /// The database cannot be asked.
    async fn keyed(&self, within: Duration) -> Result<bool, Failure>;

    /// Makes the call, once. `reads` says that no statement of it changes anything: it runs where nothing can be changed.
    /// A write under a key that was carried out before is not carried out again: its answer is given.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    async fn run(&self, call: &SqlCall, reads: bool, with: &Sending) -> Result<SqlDone, Failure>;
}
