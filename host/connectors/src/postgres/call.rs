//! A call: its transaction from BEGIN to its end, in as few round trips as it takes.
//!
//! Not here: the pool (`session.rs`), values (`values/`), and the ledger's own statements (`ledger.rs`).

use std::collections::HashMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::TryStreamExt;
use jackfield_core::ports::outward::{Failure, Sending};
use jackfield_core::ports::sql::{Change, Column, SqlCall, SqlDone, Statement, Step, Table};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::{Client, Error, Statement as Prepared};

use super::Link;
use super::failure::{Stage, failure, is_alive, out_of_time};
use super::ledger::Noted;
use super::session::Lent;
use super::values::{self, Parameter};

/// The server's own clock ends a statement so much earlier than ours ends the call: then the session can be kept.
const MARGIN: Duration = Duration::from_millis(50);

/// The protocol counts a statement's parameters in two bytes.
const MOST_PARAMETERS: usize = 65_535;

/// Makes a call.
pub(super) async fn run(link: &Link, call: &SqlCall, reads: bool, with: &Sending) -> Result<SqlDone, Failure> {
    for statement in call.statements() {
        if statement.text.contains('\0') {
            return Err(Failure::Invalid("the statement holds a zero byte".into()));
        }
        if statement.parameters.len() > MOST_PARAMETERS {
            let given = statement.parameters.len();
            return Err(Failure::Invalid(format!("{given} parameters are too many; at most {MOST_PARAMETERS}")));
        }
    }
    if call.statements().next().is_none() {
        return Ok(SqlDone::Changes(Vec::new()));
    }
    let deadline = Instant::now() + with.timeout;
    let progress = Progress::default();
    let made = Made { link, call, reads, with, deadline, progress: &progress };
    match timeout_at(deadline, made.carried_out()).await {
        Ok(answer) => answer,
        Err(_) => {
            let late = format!("the call was not finished within {}", shown(with.timeout));
            Err(match progress.stage() {
                None => Failure::NotExecuted(format!("{late}: no session was ready")),
                Some(stage) => out_of_time(&late, stage),
            })
        }
    }
}

fn shown(time: Duration) -> String {
    format!("{}s", time.as_secs_f32())
}

/// How far a call has come, readable also after it was dropped.
#[derive(Default)]
struct Progress(AtomicU8);

impl Progress {
    fn reach(&self, stage: Stage) {
        let number = match stage {
            Stage::Reading => 1,
            Stage::Writing => 2,
            Stage::Committing => 3,
        };
        self.0.store(number, Ordering::Relaxed);
    }

    fn stage(&self) -> Option<Stage> {
        [None, Some(Stage::Reading), Some(Stage::Writing), Some(Stage::Committing)]
            [usize::from(self.0.load(Ordering::Relaxed))]
    }
}

/// A call being made.
struct Made<'a> {
    link: &'a Link,
    call: &'a SqlCall,
    reads: bool,
    with: &'a Sending,
    deadline: Instant,
    progress: &'a Progress,
}

/// A transaction that was begun, with the call's statements prepared in it, each text once.
struct Begun {
    lent: Lent,
    prepared: HashMap<String, Prepared>,
    /// What the ledger knows, if it is used.
    noted: Option<Noted>,
}

/// Why a call ends within its transaction.
enum End {
    /// The session may be kept.
    Kept(Failure),
    /// Rows are still under way in it.
    Midway(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Kept(failure)
    }
}

impl Made<'_> {
    fn stage(&self) -> Stage {
        if self.reads { Stage::Reading } else { Stage::Writing }
    }

    async fn carried_out(&self) -> Result<SqlDone, Failure> {
        let ledger = !self.reads && self.link.ledger.is_installed(&self.link.sessions, self.deadline).await?;
        let begun = self.begun(ledger).await?;
        if let Some(Noted::Before(answer)) = &begun.noted {
            let answer = answer.clone();
            begun.lent.undo();
            return Ok(answer);
        }
        match self.within(&begun).await {
            Ok(done) if self.reads => {
                begun.lent.undo();
                Ok(done)
            }
            Ok(done) => self.committed(begun.lent, ledger, done).await,
            Err(End::Kept(failure)) => {
                begun.lent.undo();
                Err(failure)
            }
            Err(End::Midway(failure)) => Err(failure),
        }
    }

    /// Begins, in one round trip. A session that turns out to be dead is replaced: nothing can have come of it.
    async fn begun(&self, ledger: bool) -> Result<Begun, Failure> {
        loop {
            let mut lent = self.link.sessions.lend(self.deadline).await?;
            self.progress.reach(self.stage());
            let error = match self.begun_in(&mut lent, ledger).await {
                Ok((prepared, noted)) => return Ok(Begun { lent, prepared, noted }),
                Err(error) => error,
            };
            let kept = is_alive(&error) && !lent.is_unclean();
            let dead = lent.used() && !kept;
            let failed = lent.failed(&error, self.stage());
            if kept {
                lent.undo();
            }
            if !dead {
                return Err(self.link.ledger.blamed(&error, failed));
            }
        }
    }

    async fn begun_in(
        &self,
        lent: &mut Lent,
        ledger: bool,
    ) -> Result<(HashMap<String, Prepared>, Option<Noted>), Error> {
        let left = self.deadline.saturating_duration_since(Instant::now()).saturating_sub(MARGIN);
        let millis = left.as_millis().max(1);
        // A lock that is not had is told as such, before the time is over.
        let lock = (millis * 9 / 10).max(1);
        let mode = if self.reads { "READ ONLY" } else { "READ WRITE" };
        let schema = &self.link.sessions.settings().schema;
        let begin = format!(
            "BEGIN {mode}; SET LOCAL search_path TO \"{schema}\", pg_temp; \
             SET LOCAL statement_timeout TO {millis}; SET LOCAL lock_timeout TO {lock}"
        );
        let client = lent.client();
        let client: &Client = &client;
        let begin = started(client.batch_execute(&begin));
        let noting = match ledger {
            true => Some(started(self.link.ledger.note(client, &self.with.key))),
            false => None,
        };
        let mut preparing = Vec::new();
        let mut seen: HashMap<&str, ()> = HashMap::new();
        for text in self.call.statements().map(|s| s.text.as_str()) {
            if seen.insert(text, ()).is_none() {
                preparing.push((text, started(client.prepare(text))));
            }
        }
        lent.cleaned().await?;
        begin.answer().await?;
        let noted = match noting {
            Some(noting) => Some(self.link.ledger.noted(client, &self.with.key, noting.answer().await?).await?),
            None => None,
        };
        let mut prepared = HashMap::new();
        for (text, preparing) in preparing {
            prepared.insert(text.to_owned(), preparing.answer().await?);
        }
        Ok((prepared, noted))
    }

    /// What the call does between BEGIN and its end.
    async fn within(&self, begun: &Begun) -> Result<SqlDone, End> {
        match self.call {
            SqlCall::Query(statement) => self.table(begun, statement).await.map(SqlDone::Table),
            SqlCall::Execute(statement) => {
                let prepared = ready(begun, statement)?;
                let rows = begun.lent.execute_raw(prepared, Parameter::all(&statement.parameters)).await;
                let rows = rows.map_err(|e| begun.lent.failed(&e, self.stage()))?;
                // The server counts what a SELECT reads; it changed nothing.
                Ok(SqlDone::Change(change(if self.reads { 0 } else { rows })))
            }
            SqlCall::Batch(steps) => Ok(SqlDone::Changes(self.changes(begun, steps).await?)),
        }
    }

    /// Rows, counted as they arrive.
    async fn table(&self, begun: &Begun, statement: &Statement) -> Result<Table, End> {
        let prepared = ready(begun, statement)?;
        let columns = prepared.columns().iter().map(|column| {
            values::readable(column)?;
            Ok(Column { name: column.name().to_owned(), type_name: column.type_().name().to_owned() })
        });
        let columns = columns.collect::<Result<Vec<_>, String>>().map_err(Failure::Invalid)?;
        let rows = begun.lent.query_raw(prepared, Parameter::all(&statement.parameters)).await;
        let failed = |e: Error| begun.lent.failed(&e, self.stage());
        let mut arriving = pin!(rows.map_err(failed)?);
        let (mut rows, mut bytes) = (Vec::new(), 0_u64);
        while let Some(row) = arriving.try_next().await.map_err(failed)? {
            if rows.len() >= self.with.answer_rows as usize {
                let most = self.with.answer_rows;
                return Err(End::Midway(too_large(format!("the answer has more than {most} rows (limits.sql_rows)"))));
            }
            let read = values::row(&row).map_err(|text| End::Midway(Failure::Invalid(text)))?;
            // As they came or as they are handed on, whichever is more.
            bytes += values::size(&read).max(row.raw_size_bytes() as u64);
            if bytes > self.with.answer_bytes {
                let most = self.with.answer_bytes;
                return Err(End::Midway(too_large(format!(
                    "the answer has more than {most} bytes (limits.sql_bytes)"
                ))));
            }
            rows.push(read);
        }
        Ok(Table { columns, rows })
    }

    /// The steps of a batch, sent one after the other without waiting: the server keeps their order, and carries nothing
    /// out after one that failed.
    async fn changes(&self, begun: &Begun, steps: &[Step]) -> Result<Vec<Change>, Failure> {
        let count = steps.len();
        let mut under_way = Vec::with_capacity(count);
        for (i, step) in steps.iter().enumerate() {
            let prepared = ready(begun, &step.statement).map_err(|f| at_step(f, i + 1, count))?;
            let parameters = Parameter::all(&step.statement.parameters);
            under_way.push(started(begun.lent.execute_raw(prepared, parameters)));
        }
        let mut changes = Vec::with_capacity(count);
        for (i, (answer, step)) in under_way.into_iter().zip(steps).enumerate() {
            let rows = answer.answer().await.map_err(|e| at_step(begun.lent.failed(&e, self.stage()), i + 1, count))?;
            let made = change(rows);
            if let Some(expected) = step.expect_rows.filter(|expected| *expected != made.rows) {
                let (step, rows) = (i + 1, made.rows);
                let text = format!("step {step} of {count} changed {rows} rows, {expected} expected: all was undone");
                return Err(Failure::Conflict(text));
            }
            changes.push(if self.reads { change(0) } else { made });
        }
        Ok(changes)
    }

    async fn committed(&self, lent: Lent, ledger: bool, done: SqlDone) -> Result<SqlDone, Failure> {
        self.commit(&lent, ledger, &done).await?;
        if ledger {
            self.link.ledger.tidied(&lent, Instant::now());
        }
        lent.give_back();
        Ok(done)
    }

    /// The answer into the ledger, and COMMIT, in one round trip.
    async fn commit(&self, client: &Client, ledger: bool, done: &SqlDone) -> Result<(), Failure> {
        let kept = match ledger {
            true => Some(started(self.link.ledger.keep(client, &self.with.key, done))),
            false => None,
        };
        self.progress.reach(Stage::Committing);
        let commit = started(client.batch_execute("COMMIT"));
        if let Some(kept) = kept {
            // Refused, it makes a ROLLBACK of the COMMIT that follows it.
            let stage = |e: &Error| if e.as_db_error().is_some() { Stage::Writing } else { Stage::Committing };
            let rows = kept.answer().await.map_err(|e| failure(&e, stage(&e)))?;
            if rows != 1 {
                let message = "the row in jackfield_ledger vanished before COMMIT; it may have been carried out";
                return Err(Failure::Broken { message: message.into(), timed_out: false });
            }
        }
        commit.answer().await.map_err(|e| failure(&e, Stage::Committing))
    }
}

/// A statement as prepared, if the parameters are as many as it has.
fn ready<'a>(begun: &'a Begun, statement: &Statement) -> Result<&'a Prepared, Failure> {
    let prepared = begun.prepared.get(&statement.text).expect("every text of the call was prepared");
    let (has, given) = (prepared.params().len(), statement.parameters.len());
    if has == given {
        Ok(prepared)
    } else {
        Err(Failure::Invalid(format!("the statement has {has} parameters ($1 …), {given} were given")))
    }
}

fn change(rows: u64) -> Change {
    Change { rows: u32::try_from(rows).unwrap_or(u32::MAX), last_id: None }
}

fn too_large(message: String) -> Failure {
    Failure::TooLarge { message, sent: false }
}

/// Says which step it was.
fn at_step(failure: Failure, step: usize, of: usize) -> Failure {
    let told = |text: String| format!("step {step} of {of}: {text}");
    match failure {
        Failure::Denied(text) => Failure::Denied(told(text)),
        Failure::Invalid(text) => Failure::Invalid(told(text)),
        Failure::NotExecuted(text) => Failure::NotExecuted(told(text)),
        Failure::Refused { code, message } => Failure::Refused { code, message: told(message) },
        Failure::Conflict(text) => Failure::Conflict(told(text)),
        Failure::Broken { message, timed_out } => Failure::Broken { message: told(message), timed_out },
        Failure::TooLarge { message, sent } => Failure::TooLarge { message: told(message), sent },
    }
}

/// A request that is on its way; its answer is waited for later.
pub(super) enum Started<F: Future> {
    Answered(F::Output),
    Waiting(Pin<Box<F>>),
}

/// Sends a request of the client library: it does so when it is first polled, and requests arrive in the order in which
/// they were sent.
pub(super) fn started<F: Future>(request: F) -> Started<F> {
    let mut request = Box::pin(request);
    // Nobody need be woken: whoever wants the answer polls again.
    match request.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Started::Answered(answer),
        Poll::Pending => Started::Waiting(request),
    }
}

impl<F: Future> Started<F> {
    pub(super) async fn answer(self) -> F::Output {
        match self {
            Self::Answered(answer) => answer,
            Self::Waiting(request) => request.await,
        }
    }
}
