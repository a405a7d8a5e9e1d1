//! The postgres plug against a real PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::ports::connector::{Connector, Finding, Secrets};
use jackfield_core::ports::outward::{Failure, Sending};
use jackfield_core::ports::sql::{Change, Sql, SqlCall, SqlDone, SqlValue, Statement, Step, Table};
use jackfield_tests::servers::Postgres;
use jackfield_tests::servers::server::{PASSWORD, USER};
use jackfield_tests::servers::tls;
use serde_json::{Map, Value, json};

use super::PostgresConnector;
use crate::Network;

mod contract;
mod hidden;
mod ledger;
mod listen;
mod settings;
mod speed;
mod threats;
mod uses;
mod values;

/// Far longer than anything here takes, for what must not hang.
const SOON: Duration = Duration::from_secs(20);

/// The secret that tests name.
const SECRET: &str = "db-password";

fn secrets(password: &str) -> Secrets {
    vec![(SECRET.into(), password.to_owned().into())]
}

/// Settings for a database of a server, with changes.
fn settings(server: &Postgres, database: &str, changes: Value) -> Map<String, Value> {
    let mut settings = json!({
        "host": "127.0.0.1",
        "port": server.address().port(),
        "database": database,
        "credential": { "user": USER, "secret": SECRET },
        "tls": "off",
    });
    let settings = settings.as_object_mut().unwrap();
    for (key, value) in changes.as_object().unwrap() {
        settings.insert(key.clone(), value.clone());
    }
    settings.clone()
}

fn open(network: &Network, settings: &Map<String, Value>) -> Arc<dyn Sql> {
    PostgresConnector::new(network).open(settings, &secrets(PASSWORD)).unwrap().sql.unwrap()
}

/// A connection to a database of a server.
fn opened(server: &Postgres, database: &str) -> Arc<dyn Sql> {
    open(&Network::default(), &settings(server, database, json!({})))
}

/// A database with what `ddl` makes, which belongs to the user.
async fn database(server: &Postgres, ddl: &str) -> String {
    let database = server.database().await;
    server.sql(&database, &format!("set role {USER}; {ddl}")).await;
    database
}

fn sending() -> Sending {
    Sending { key: "k".into(), timeout: SOON, answer_bytes: 4 * 1024 * 1024, answer_rows: 10_000 }
}

fn statement(text: &str, parameters: &[SqlValue]) -> Statement {
    Statement { text: text.into(), parameters: parameters.to_vec() }
}

fn query(text: &str, parameters: &[SqlValue]) -> SqlCall {
    SqlCall::Query(statement(text, parameters))
}

fn execute(text: &str, parameters: &[SqlValue]) -> SqlCall {
    SqlCall::Execute(statement(text, parameters))
}

fn step(text: &str, parameters: &[SqlValue], expect_rows: Option<u32>) -> Step {
    Step { statement: statement(text, parameters), expect_rows }
}

fn int(value: i64) -> SqlValue {
    SqlValue::Integer(value)
}

fn text(value: &str) -> SqlValue {
    SqlValue::Text(value.into())
}

/// A read, as the hatch makes it.
async fn read(link: &Arc<dyn Sql>, text: &str) -> Result<Table, Failure> {
    match link.run(&query(text, &[]), true, &sending()).await? {
        SqlDone::Table(table) => Ok(table),
        other => panic!("{other:?}"),
    }
}

/// A write, as the hatch makes it.
async fn write(link: &Arc<dyn Sql>, text: &str, parameters: &[SqlValue]) -> Result<u32, Failure> {
    match link.run(&execute(text, parameters), false, &sending()).await? {
        SqlDone::Change(Change { rows, last_id: None }) => Ok(rows),
        other => panic!("{other:?}"),
    }
}

/// The only value of the only row.
async fn one(link: &Arc<dyn Sql>, text: &str) -> SqlValue {
    let mut table = read(link, text).await.unwrap();
    assert_eq!((table.rows.len(), table.columns.len()), (1, 1), "{text}");
    table.rows.remove(0).remove(0)
}

/// What our sessions of a database do, as the server says: none is in a transaction or busy, soon.
async fn all_idle(server: &Postgres, database: &str) {
    let sql = format!(
        "select count(*) from pg_stat_activity where application_name = 'jackfield' and datname = '{database}' and state <> 'idle'"
    );
    for _ in 0..200 {
        if server.sql("postgres", &sql).await == "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let all = format!("select pid, state, query from pg_stat_activity where datname = '{database}'");
    panic!("a session does not come to rest: {}", server.sql("postgres", &all).await);
}
