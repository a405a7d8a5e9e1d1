//! Statements on databases.

mod rows;
mod value;

use serde::de::DeserializeOwned;

use crate::bindings::jackfield::plugin::sql as host;
use crate::error::{Error, ErrorKind, Result};

pub use rows::Json;
pub use value::Value;

/// The parameters of a statement, each made an [`sql::Value`](crate::sql::Value): numbers, texts, bytes, booleans, JSON,
/// options of these.
///
/// ```
/// let parameters = jackfield::params![7, "Zoë", None::<i64>];
/// assert_eq!(parameters[2], jackfield::sql::Value::Null);
/// ```
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { ::std::vec![$($crate::sql::Value::from($value)),*] };
}

/// Statements on database connections of the manifest. Parameters go apart from the text, which has the placeholders of the
/// database: `$1` in PostgreSQL, `?` elsewhere.
///
/// No transaction stays open between calls: what belongs together goes into one [`Sql::batch`]. What changed something and
/// succeeded is not done again: a run that is tried again gets the recorded answer.
///
/// ```no_run
/// # fn example(cx: jackfield::Context) -> jackfield::Result<()> {
/// use jackfield::params;
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     id: i64,
///     customer: String,
/// }
///
/// let found = cx.sql.query("ledger", "select id, customer from orders where paid = $1", params![false])?;
/// for order in found.rows::<Order>()? {
///     cx.sql.execute("ledger", "update orders set reminded = now() where id = $1", params![order.id])?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Sql {}

impl Sql {
    /// Runs one statement and returns its rows: at most 10,000 and 4 MiB, unless the manifest says otherwise.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Database`] if the database refused the statement: [`Error::code`] is its SQLSTATE.
    /// [`ErrorKind::TooLarge`] if there are more rows than the limit. [`ErrorKind::Conflict`] if the database gave up because
    /// of other transactions.
    #[track_caller]
    pub fn query(&self, connection: &str, text: &str, parameters: Vec<Value>) -> Result<Table> {
        match host::query(connection, &statement(text, parameters)) {
            Ok(table) => Ok(Table::new(table)),
            Err(error) => Err(failed(error)),
        }
    }

    /// Runs one statement for its effect.
    ///
    /// # Errors
    ///
    /// As [`Sql::query`]; and [`ErrorKind::InDoubt`] if the connection broke before the answer.
    #[track_caller]
    pub fn execute(&self, connection: &str, text: &str, parameters: Vec<Value>) -> Result<Change> {
        match host::execute(connection, &statement(text, parameters)) {
            Ok(change) => Ok(change.into()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Begins a batch: all its statements are done, or none.
    pub fn batch(&self, connection: impl Into<String>) -> Batch {
        Batch { connection: connection.into(), steps: Vec::new() }
    }
}

/// Statements that are done together, in one transaction. At most 100.
#[derive(Debug)]
#[must_use = "a batch is not done before `commit`"]
pub struct Batch {
    connection: String,
    steps: Vec<host::Step>,
}

impl Batch {
    /// Adds a statement.
    pub fn execute(self, text: &str, parameters: Vec<Value>) -> Self {
        self.step(text, parameters, None)
    }

    /// Adds a statement that must change exactly so many rows. If it changes another number, the whole batch is undone and
    /// fails with [`ErrorKind::Conflict`].
    pub fn execute_exactly(self, rows: u32, text: &str, parameters: Vec<Value>) -> Self {
        self.step(text, parameters, Some(rows))
    }

    fn step(mut self, text: &str, parameters: Vec<Value>, expect_rows: Option<u32>) -> Self {
        self.steps.push(host::Step { statement: statement(text, parameters), expect_rows });
        self
    }

    /// Does all statements in order, or none. What each of them did, in their order.
    ///
    /// # Errors
    ///
    /// As [`Sql::execute`].
    #[track_caller]
    pub fn commit(self) -> Result<Vec<Change>> {
        match host::batch(&self.connection, &self.steps) {
            Ok(changes) => Ok(changes.into_iter().map(Change::from).collect()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// What a statement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// How many rows it changed.
    pub rows: u32,
    /// The key that the database gave to the last inserted row, where it says so (MySQL, SQLite). Elsewhere use `returning`
    /// with [`Sql::query`].
    pub last_id: Option<i64>,
}

impl From<host::Change> for Change {
    fn from(host::Change { rows, last_id }: host::Change) -> Self {
        Self { rows, last_id }
    }
}

/// A column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The database's own name of its type, such as `timestamptz`.
    pub type_name: String,
}

/// The rows that a statement returned.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Table {
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// The rows, each with a value for every column. [`Table::rows`] reads them.
    pub values: Vec<Vec<Value>>,
}

impl Table {
    fn new(host::Table { columns, rows }: host::Table) -> Self {
        let columns = columns.into_iter().map(|host::Column { name, type_name }| Column { name, type_name }).collect();
        let values = rows.into_iter().map(|row| row.into_iter().map(Value::from).collect()).collect();
        Self { columns, values }
    }

    /// The rows as a type: a struct or a map takes the columns by their names, a tuple by their order, and a plain type the
    /// only column.
    ///
    /// Decimals, dates, times, UUIDs and JSON are text; [`Json`] reads the latter. A `bool` takes 0 and 1 too, which is what
    /// some databases have in its place.
    ///
    /// # Errors
    ///
    /// A row does not fit `T`: the error names the row and the column.
    #[track_caller]
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let mut read = Vec::with_capacity(self.values.len());
        for number in 0..self.values.len() {
            read.push(self.row(number)?);
        }
        Ok(read)
    }

    /// The first row as a type, or none if there are no rows.
    ///
    /// # Errors
    ///
    /// As [`Table::rows`].
    #[track_caller]
    pub fn first<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        if self.values.is_empty() { Ok(None) } else { self.row(0).map(Some) }
    }

    #[track_caller]
    fn row<T: DeserializeOwned>(&self, number: usize) -> Result<T> {
        match T::deserialize(rows::Row { columns: &self.columns, values: &self.values[number] }) {
            Ok(row) => Ok(row),
            Err(problem) => {
                let text = format_args!("row {} is not as expected: {problem}", number + 1).to_string();
                Err(Error::new(text).named("answer"))
            }
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

fn statement(text: &str, parameters: Vec<Value>) -> host::Statement {
    host::Statement { text: text.to_owned(), parameters: parameters.into_iter().map(Into::into).collect() }
}

#[track_caller]
fn failed(error: host::Error) -> Error {
    let (kind, text) = match error {
        host::Error::AccessDenied(text) => (ErrorKind::AccessDenied, text),
        host::Error::Database(host::DatabaseError { code, message }) => return Error::database(code, message),
        host::Error::Conflict(text) => (ErrorKind::Conflict, text),
        host::Error::Unavailable(text) => (ErrorKind::Unavailable, text),
        host::Error::Timeout(text) => (ErrorKind::Timeout, text),
        host::Error::InDoubt(text) => (ErrorKind::InDoubt, text),
        host::Error::TooLarge(text) => (ErrorKind::TooLarge, text),
    };
    Error::of(kind, text)
}

#[cfg(test)]
mod tests;
