//! The hatch's sql calls: what each statement does to which table, and whether that is granted.

use std::sync::Arc;
use std::time::Duration;

use super::outward::{Asked, Exchange, NotMade, Sent, told};
use super::{Hatch, On, Stop, encode_answer};
use crate::grant::Capability;
use crate::ids::{ConnectionName, shown as printable};
use crate::journal::{ArgumentHash, Class, What};
use crate::limits::SQL_STEPS;
use crate::pace::Gate;
use crate::ports::outward::{Failure, Sending};
use crate::ports::sql::{Sql, SqlAnswer, SqlCall, SqlDone, SqlError, SqlValue, Statement, Uses, Verb};

/// A call that passed its grant.
struct Checked {
    port: Arc<dyn Sql>,
    what: What,
    reads: bool,
    retry_in_doubt: bool,
    gate: Option<Arc<Gate>>,
}

impl Hatch {
    /// Makes a sql call, or hands over its recorded answer. It runs in a task of its own, and is recorded even if
    /// this future is dropped.
    ///
    /// # Errors
    ///
    /// The attempt must end.
    pub async fn sql(self: &Arc<Self>, call: u32, connection: String, request: SqlCall) -> Result<SqlAnswer, Stop> {
        let hatch = Arc::clone(self);
        self.in_a_task(async move { hatch.sql_call(call, &connection, request).await }).await
    }

    async fn sql_call(&self, call: u32, connection: &str, request: SqlCall) -> Result<SqlAnswer, Stop> {
        let checked = match self.check_sql(connection, &request) {
            Ok(checked) => checked,
            Err(refused) => {
                if let SqlError::AccessDenied(text) = &refused {
                    self.refuse(call, Capability::Sql, &label(connection, &request), text);
                }
                return Ok(Err(refused));
            }
        };
        let encoded = encode_answer(&On { connection, call: &request });
        let hash = ArgumentHash::of([encoded.as_slice()]);
        let class = if checked.reads { Class::Read } else { Class::Unkeyed };
        let exchange = SqlExchange {
            checked,
            bytes: encoded.len() as u64,
            limits: (self.limits.sql_bytes, self.limits.sql_rows),
            request,
        };
        self.carry_out(call, Asked { hash, class, request: || encoded }, &exchange).await
    }

    /// Limits, connection, grammar and grants: everything that can be said before anything is sent.
    fn check_sql(&self, connection: &str, request: &SqlCall) -> Result<Checked, SqlError> {
        let refused = |message: String| Err(SqlError::Database { code: String::new(), message });
        if let SqlCall::Batch(steps) = request
            && !(1..=SQL_STEPS).contains(&steps.len())
        {
            return refused(format!("a batch has 1 to {SQL_STEPS} statements; this one has {}", steps.len()));
        }
        let bytes: usize = request.statements().map(size).sum();
        if bytes as u64 > self.limits.sql_bytes {
            let limit = self.limits.sql_bytes;
            let text =
                format!("the statement with its parameters has {bytes} bytes; the limit is {limit} (limits.sql_bytes)");
            return Err(SqlError::TooLarge(text));
        }
        let name: ConnectionName = connection.parse().map_err(|_| not_granted(connection, Verb::Select, "orders"))?;
        let grants: Vec<_> = self.grants.sql.iter().filter(|grant| grant.connection == name).collect();
        let found = self.port(&name, "sql", |opened| opened.sql.clone());
        let Some((port, linked)) = found.filter(|_| !grants.is_empty()) else {
            return Err(not_granted(connection, Verb::Select, "orders"));
        };
        let port = port.map_err(SqlError::Unavailable)?;
        let mut uses = Uses::default();
        for statement in request.statements() {
            let of = port.uses(&statement.text).or_else(refused_by)?;
            uses.tables.extend(of.tables);
            uses.functions.extend(of.functions);
        }
        let schema = port.schema();
        for (verb, table) in &uses.tables {
            let granted = grants.iter().any(|grant| {
                grant.verbs.contains(verb) && grant.tables.iter().any(|pattern| pattern.matches(table, schema))
            });
            if !granted {
                return Err(not_granted(connection, *verb, table));
            }
        }
        for function in &uses.functions {
            let granted =
                grants.iter().any(|grant| grant.functions.iter().any(|pattern| pattern.matches(function, schema)));
            if !granted {
                return Err(SqlError::AccessDenied(format!(
                    "sql = [{{ connection = \"{}\", verbs = [\"select\"], tables = [], functions = [\"{}\"] }}]",
                    printable(connection),
                    printable(function)
                )));
            }
        }
        let reads = uses.only_reads();
        Ok(Checked {
            what: What { capability: Capability::Sql, text: label_of(connection, request, &uses) },
            reads,
            retry_in_doubt: grants.iter().any(|grant| grant.retry_in_doubt),
            gate: linked.gate.clone(),
            port,
        })
    }
}

struct SqlExchange {
    checked: Checked,
    bytes: u64,
    limits: (u64, u32),
    request: SqlCall,
}

impl Exchange for SqlExchange {
    type Answer = SqlAnswer;

    fn what(&self) -> &What {
        &self.checked.what
    }

    fn gate(&self) -> Option<&Arc<Gate>> {
        self.checked.gate.as_ref()
    }

    fn timeout(&self) -> Duration {
        self.checked.port.timeout()
    }

    fn sent_bytes(&self) -> u64 {
        self.bytes
    }

    fn most(&self) -> (u64, u32) {
        self.limits
    }

    async fn class(&self, within: Duration) -> Result<Class, Failure> {
        Ok(if self.checked.reads {
            Class::Read
        } else if self.checked.retry_in_doubt || self.checked.port.keyed(within).await? {
            Class::Repeatable
        } else {
            Class::Unkeyed
        })
    }

    async fn send(&self, with: Sending, class: Class) -> Sent<SqlAnswer> {
        let came = self.checked.port.run(&self.request, self.checked.reads, &with).await;
        told(came, |done| encode_answer(done).len() as u64, |failure| error(failure, class))
    }

    fn not_made(&self, why: NotMade) -> SqlAnswer {
        Err(match why {
            NotMade::Interrupted => {
                SqlError::InDoubt("it was sent, and the host was interrupted before the answer came".into())
            }
            NotMade::Failed(failure) => error(failure, Class::Read),
        })
    }

    fn shown(answer: &SqlAnswer) -> String {
        match answer {
            Ok(SqlDone::Table(table)) => format!("{} rows", table.rows.len()),
            Ok(SqlDone::Change(change)) => format!("{} changed", change.rows),
            Ok(SqlDone::Changes(changes)) => {
                format!("{} changed", changes.iter().map(|change| u64::from(change.rows)).sum::<u64>())
            }
            Err(SqlError::AccessDenied(_)) => "access-denied".into(),
            Err(SqlError::Database { code, .. }) if code.is_empty() => "refused".into(),
            Err(SqlError::Database { code, .. }) => format!("refused, {}", printable(code)),
            Err(SqlError::Conflict(_)) => "conflict".into(),
            Err(SqlError::Unavailable(_)) => "unavailable".into(),
            Err(SqlError::Timeout(_)) => "no answer".into(),
            Err(SqlError::InDoubt(_)) => "in doubt".into(),
            Err(SqlError::TooLarge(_)) => "too large".into(),
        }
    }

    fn is_ok(answer: &SqlAnswer) -> bool {
        answer.is_ok()
    }
}

fn error(failure: Failure, class: Class) -> SqlError {
    match failure {
        Failure::Denied(text) | Failure::NotExecuted(text) => SqlError::Unavailable(text),
        Failure::Invalid(message) => SqlError::Database { code: String::new(), message },
        Failure::Refused { code, message } => SqlError::Database { code, message },
        Failure::Conflict(text) => SqlError::Conflict(text),
        Failure::Broken { message, .. } if class == Class::Unkeyed => SqlError::InDoubt(message),
        Failure::Broken { message, .. } => SqlError::Timeout(message),
        Failure::TooLarge { message, .. } => SqlError::TooLarge(message),
    }
}

fn refused_by(message: String) -> Result<Uses, SqlError> {
    Err(SqlError::Database { code: String::new(), message })
}

fn not_granted(connection: &str, verb: Verb, table: &str) -> SqlError {
    SqlError::AccessDenied(format!(
        "sql = [{{ connection = \"{}\", verbs = [\"{}\"], tables = [\"{}\"] }}]",
        printable(connection),
        verb.label(),
        printable(table)
    ))
}

fn size(statement: &Statement) -> usize {
    let value = |value: &SqlValue| match value {
        SqlValue::Text(text) => text.len(),
        SqlValue::Bytes(bytes) => bytes.len(),
        SqlValue::Null | SqlValue::Boolean(_) => 1,
        SqlValue::Integer(_) | SqlValue::Float(_) => 8,
    };
    statement.text.len() + statement.parameters.iter().map(value).sum::<usize>()
}

const fn word(request: &SqlCall) -> &'static str {
    match request {
        SqlCall::Query(_) => "query",
        SqlCall::Execute(_) => "execute",
        SqlCall::Batch(_) => "batch",
    }
}

/// Of a call that was not read.
fn label(connection: &str, request: &SqlCall) -> String {
    format!("{} {}", word(request), printable(connection))
}

/// `query ledger select orders, items`: never the statement itself, which may hold what is private.
fn label_of(connection: &str, request: &SqlCall, uses: &Uses) -> String {
    const SHOWN: usize = 4;
    let mut text = label(connection, request);
    let mut before = None;
    for (at, (verb, table)) in uses.tables.iter().take(SHOWN).enumerate() {
        if before == Some(*verb) {
            text.push_str(", ");
        } else {
            text.push_str(if at == 0 { " " } else { "; " });
            text.push_str(verb.label());
            text.push(' ');
        }
        before = Some(*verb);
        text.push_str(&printable(table));
    }
    if uses.tables.len() > SHOWN {
        text.push_str(&format!(" and {} more", uses.tables.len() - SHOWN));
    }
    text
}
