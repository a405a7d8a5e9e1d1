//! `sql`: statements on a database connection.

use jackfield_core::hatch::Stop;
use jackfield_core::ports::sql::{Change, SqlCall, SqlDone, SqlError, SqlValue, Statement, Step, Table};
use serde_bytes::ByteBuf;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::plugin::sql;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    sql::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl State {
    /// Makes the call and takes out what its function returns.
    async fn sql<T>(
        &mut self,
        connection: String,
        call: SqlCall,
        take: impl FnOnce(SqlDone) -> Option<T>,
    ) -> Result<Result<T, sql::Error>> {
        let number = self.hatch.number()?;
        match self.hatch.sql(number, connection, call).await? {
            Ok(done) => match take(done) {
                Some(taken) => Ok(Ok(taken)),
                None => Err(self.other_answer("sql", number).into()),
            },
            Err(refused) => Ok(Err(error(refused))),
        }
    }

    /// An answer that fits another function: the host's fault.
    pub(super) fn other_answer(&self, interface: &str, number: u32) -> Stop {
        self.hatch.end(Stop::HostFault(format!("{interface} call {number} has the answer to another question")))
    }
}

impl sql::Host for State {
    async fn query(&mut self, connection: String, text: sql::Statement) -> Result<Result<sql::Table, sql::Error>> {
        self.sql(connection, SqlCall::Query(statement(text)), |done| match done {
            SqlDone::Table(found) => Some(table(found)),
            _ => None,
        })
        .await
    }

    async fn execute(&mut self, connection: String, text: sql::Statement) -> Result<Result<sql::Change, sql::Error>> {
        self.sql(connection, SqlCall::Execute(statement(text)), |done| match done {
            SqlDone::Change(did) => Some(change(did)),
            _ => None,
        })
        .await
    }

    async fn batch(
        &mut self,
        connection: String,
        steps: Vec<sql::Step>,
    ) -> Result<Result<Vec<sql::Change>, sql::Error>> {
        let step = |step: sql::Step| Step { statement: statement(step.statement), expect_rows: step.expect_rows };
        self.sql(connection, SqlCall::Batch(steps.into_iter().map(step).collect()), |done| match done {
            SqlDone::Changes(did) => Some(did.into_iter().map(change).collect()),
            _ => None,
        })
        .await
    }
}

fn statement(statement: sql::Statement) -> Statement {
    let parameters = statement.parameters.into_iter().map(parameter).collect();
    Statement { text: statement.text, parameters }
}

fn parameter(value: sql::Value) -> SqlValue {
    match value {
        sql::Value::Null => SqlValue::Null,
        sql::Value::Boolean(flag) => SqlValue::Boolean(flag),
        sql::Value::Integer(whole) => SqlValue::Integer(whole),
        sql::Value::Float(number) => SqlValue::Float(number),
        sql::Value::Text(text) => SqlValue::Text(text),
        sql::Value::Bytes(bytes) => SqlValue::Bytes(ByteBuf::from(bytes)),
    }
}

fn value(value: SqlValue) -> sql::Value {
    match value {
        SqlValue::Null => sql::Value::Null,
        SqlValue::Boolean(flag) => sql::Value::Boolean(flag),
        SqlValue::Integer(whole) => sql::Value::Integer(whole),
        SqlValue::Float(number) => sql::Value::Float(number),
        SqlValue::Text(text) => sql::Value::Text(text),
        SqlValue::Bytes(bytes) => sql::Value::Bytes(bytes.into_vec()),
    }
}

fn table(table: Table) -> sql::Table {
    let columns = table.columns.into_iter();
    sql::Table {
        columns: columns.map(|column| sql::Column { name: column.name, type_name: column.type_name }).collect(),
        rows: table.rows.into_iter().map(|row| row.into_iter().map(value).collect()).collect(),
    }
}

fn change(change: Change) -> sql::Change {
    sql::Change { rows: change.rows, last_id: change.last_id }
}

fn error(error: SqlError) -> sql::Error {
    match error {
        SqlError::AccessDenied(text) => sql::Error::AccessDenied(text),
        SqlError::Database { code, message } => sql::Error::Database(sql::DatabaseError { code, message }),
        SqlError::Conflict(text) => sql::Error::Conflict(text),
        SqlError::Unavailable(text) => sql::Error::Unavailable(text),
        SqlError::Timeout(text) => sql::Error::Timeout(text),
        SqlError::InDoubt(text) => sql::Error::InDoubt(text),
        SqlError::TooLarge(text) => sql::Error::TooLarge(text),
    }
}
