//! The host's ledger in the other side's database: a write's key and answer, in the write's own transaction, so that a
//! write whose answer was lost can be asked for again.
//!
//! Not here: when a call is repeated, which the hatch decides.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jackfield_core::ports::outward::Failure;
use jackfield_core::ports::sql::{Change, Column, SqlDone, SqlValue, Table};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, error::SqlState};

use super::call::started;
use super::failure::{Stage, failure};
use super::session::Sessions;

/// The table's name, in the connection's schema.
pub(super) const TABLE: &str = "jackfield_ledger";

/// How long a look that did not find it counts.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How often rows that are too old are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(3600);

const LOOK: &str = "SELECT pg_catalog.has_table_privilege(c.oid, 'SELECT') \
    AND pg_catalog.has_table_privilege(c.oid, 'INSERT') AND pg_catalog.has_table_privilege(c.oid, 'UPDATE') \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')";

/// What is known of the table in one opened connection.
pub(super) struct Ledger {
    /// Quoted, with its schema.
    table: String,
    schema: String,
    known: Mutex<Known>,
}

#[derive(Clone, Copy)]
enum Known {
    Nothing,
    /// It was not there.
    Absent {
        until: Instant,
    },
    Installed {
        tidied: Option<Instant>,
    },
}

/// What the ledger says of a key.
pub(super) enum Noted {
    /// It is new, and noted in this transaction.
    Now,
    /// It was carried out before, with this answer.
    Before(SqlDone),
}

impl Ledger {
    pub(super) fn new(schema: &str) -> Self {
        let table = format!("\"{schema}\".{TABLE}");
        Self { table, schema: schema.to_owned(), known: Mutex::new(Known::Nothing) }
    }

    fn known(&self) -> Known {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Whether the table is there and may be used. Looks, if that is not known.
    pub(super) async fn is_installed(&self, sessions: &Sessions, deadline: Instant) -> Result<bool, Failure> {
        match self.known() {
            Known::Installed { .. } => return Ok(true),
            Known::Absent { until } if Instant::now() < until => return Ok(false),
            _ => {}
        }
        let looking = async {
            let lent = sessions.lend(deadline).await?;
            let found = self.look(&lent).await.map_err(|e| failure(&e, Stage::Writing))?;
            lent.give_back();
            Ok::<_, Failure>(found == Some(true))
        };
        let late = |_| Failure::NotExecuted("the database was not asked for jackfield_ledger in time".into());
        let installed = timeout_at(deadline, looking).await.map_err(late)??;
        self.learn(match installed {
            true => Known::Installed { tidied: None },
            false => Known::Absent { until: Instant::now() + LOOK_AGAIN },
        });
        Ok(installed)
    }

    /// Whether it may be used; none if it is not there.
    pub(super) async fn look(&self, client: &Client) -> Result<Option<bool>, Error> {
        let rows = client.query_typed(LOOK, &[(&self.schema, Type::TEXT), (&TABLE, Type::TEXT)]).await?;
        rows.first().map(|row| row.try_get(0)).transpose()
    }

    /// Notes a key, in the transaction of its write. Waits for another transaction that has the same.
    pub(super) async fn note(&self, client: &Client, key: &str) -> Result<u64, Error> {
        let text = format!("INSERT INTO {} (key, answer) VALUES ($1, '') ON CONFLICT DO NOTHING", self.table);
        client.execute_typed(&text, &[(&key, Type::TEXT)]).await
    }

    /// What it means that [`Ledger::note`] made so many rows.
    pub(super) async fn noted(&self, client: &Client, key: &str, made: u64) -> Result<Noted, Error> {
        if made == 1 {
            return Ok(Noted::Now);
        }
        let text = format!("SELECT answer FROM {} WHERE key = $1", self.table);
        let rows = client.query_typed(&text, &[(&key, Type::TEXT)]).await?;
        let answer: Option<Vec<u8>> = rows.first().map(|row| row.try_get(0)).transpose()?;
        // Without an answer it was not written by a call that came to its end.
        Ok(answer.and_then(|bytes| from_bytes(&bytes)).map_or(Noted::Now, Noted::Before))
    }

    /// Keeps the answer, in the same transaction.
    pub(super) async fn keep(&self, client: &Client, key: &str, done: &SqlDone) -> Result<u64, Error> {
        let text = format!("UPDATE {} SET answer = $2 WHERE key = $1", self.table);
        client.execute_typed(&text, &[(&key, Type::TEXT), (&to_bytes(done), Type::BYTEA)]).await
    }

    /// A failure to begin may be the ledger's: then it is looked for anew, and the text says so.
    pub(super) fn blamed(&self, error: &Error, failed: Failure) -> Failure {
        let gone = error.as_db_error().filter(|db| {
            let code = db.code();
            (*code == SqlState::UNDEFINED_TABLE || *code == SqlState::INSUFFICIENT_PRIVILEGE)
                && db.message().contains(TABLE)
        });
        match gone {
            Some(db) => {
                self.learn(Known::Nothing);
                Failure::NotExecuted(format!("the ledger table cannot be used any more: {}", db.message()))
            }
            None => failed,
        }
    }

    /// Removes rows that nobody asks for any more, now and then. Its answer is not waited for: it is nobody's call.
    pub(super) fn tidied(&self, client: &Client, now: Instant) {
        let due = match self.known() {
            Known::Installed { tidied: Some(last) } => last + TIDY_EVERY <= now,
            Known::Installed { tidied: None } => true,
            _ => false,
        };
        if due {
            self.learn(Known::Installed { tidied: Some(now) });
            let text = format!(
                "DELETE FROM {0} WHERE key IN (SELECT key FROM {0} WHERE at < now() - interval '30 days' LIMIT 10000)",
                self.table
            );
            drop(started(client.batch_execute(&text)));
        }
    }
}

/// An answer as it is kept: JSON, with what JSON lacks as objects of one key.
fn to_bytes(done: &SqlDone) -> Vec<u8> {
    let change = |c: &Change| json!([c.rows, c.last_id]);
    let value = match done {
        SqlDone::Change(c) => json!({ "change": change(c) }),
        SqlDone::Changes(all) => json!({ "changes": all.iter().map(change).collect::<Vec<_>>() }),
        SqlDone::Table(table) => {
            let columns: Vec<Value> = table.columns.iter().map(|c| json!([c.name, c.type_name])).collect();
            let rows: Vec<Vec<Value>> = table.rows.iter().map(|row| row.iter().map(kept).collect()).collect();
            json!({ "columns": columns, "rows": rows })
        }
    };
    value.to_string().into_bytes()
}

fn kept(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Boolean(b) => json!(b),
        SqlValue::Integer(i) => json!(i),
        // Its shortest exact text: JSON has no infinity, and reads 1.0 back as it likes.
        SqlValue::Float(f) => json!({ "f": format!("{f:?}") }),
        SqlValue::Text(text) => json!(text),
        SqlValue::Bytes(bytes) => json!({ "b": STANDARD.encode(bytes) }),
    }
}

/// None if it is no answer.
fn from_bytes(bytes: &[u8]) -> Option<SqlDone> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let change = |v: &Value| {
        let rows = u32::try_from(v.get(0)?.as_u64()?).ok()?;
        Some(Change { rows, last_id: v.get(1)?.as_i64() })
    };
    if let Some(one) = value.get("change") {
        return change(one).map(SqlDone::Change);
    }
    if let Some(all) = value.get("changes") {
        return all.as_array()?.iter().map(change).collect::<Option<_>>().map(SqlDone::Changes);
    }
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let column = |v: &Value| Some(Column { name: text(v.get(0)?)?, type_name: text(v.get(1)?)? });
    let columns = value.get("columns")?.as_array()?.iter().map(column).collect::<Option<_>>()?;
    let row = |v: &Value| v.as_array()?.iter().map(read).collect::<Option<Vec<_>>>();
    let rows = value.get("rows")?.as_array()?.iter().map(row).collect::<Option<_>>()?;
    Some(SqlDone::Table(Table { columns, rows }))
}

fn read(value: &Value) -> Option<SqlValue> {
    Some(match value {
        Value::Null => SqlValue::Null,
        Value::Bool(b) => SqlValue::Boolean(*b),
        Value::Number(n) => SqlValue::Integer(n.as_i64()?),
        Value::String(text) => SqlValue::Text(text.clone()),
        Value::Object(one) => match (one.get("f"), one.get("b")) {
            (Some(f), _) => SqlValue::Float(f.as_str()?.parse().ok()?),
            (_, Some(b)) => SqlValue::Bytes(STANDARD.decode(b.as_str()?).ok()?.into()),
            _ => return None,
        },
        Value::Array(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_kept() {
        let column = |name: &str| Column { name: name.into(), type_name: "x".into() };
        let row = vec![
            SqlValue::Null,
            SqlValue::Boolean(true),
            SqlValue::Integer(i64::MIN),
            SqlValue::Float(0.1 + 0.2),
            SqlValue::Float(f64::NEG_INFINITY),
            SqlValue::Float(-0.0),
            SqlValue::Text("{\"f\":\"1\"}".into()),
            SqlValue::Bytes(vec![0, 255].into()),
        ];
        for done in [
            SqlDone::Table(Table { columns: vec![column("a"), column("")], rows: vec![row, Vec::new()] }),
            SqlDone::Change(Change { rows: 7, last_id: Some(-1) }),
            SqlDone::Changes(vec![Change { rows: u32::MAX, last_id: None }]),
            SqlDone::Changes(Vec::new()),
        ] {
            assert_eq!(from_bytes(&to_bytes(&done)), Some(done));
        }
        let not_a_number = SqlDone::Table(Table { columns: Vec::new(), rows: vec![vec![SqlValue::Float(f64::NAN)]] });
        assert!(matches!(from_bytes(&to_bytes(&not_a_number)), Some(SqlDone::Table(t))
            if matches!(t.rows[0][0], SqlValue::Float(f) if f.is_nan())));
        assert_eq!(from_bytes(b""), None);
    }
}
