//! Dead letters on disk: acts, jobs and their steps.
//!
//! Not here: how one dead letter is queued again or put away (`decisions.rs`).

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::fault::{Fault, bad_row};
use super::history::{one, scopes};
use super::ledger::Ledger;
use super::packed::Packed;
use super::queue::Way;
use super::writer::all_or_nothing;
use super::{SqliteStore, decisions, events, queue};
use crate::ids::RunId;
use crate::order::Order;
use crate::run::{RunSummary, Target};
use crate::store::dead_letters::{Act, Acted, DeadFilter, DeadLetterStore, Job, JobState, Onto, Step, Verb};
use crate::store::queue::NewRun;
use crate::store::{Reply, StoreError};

/// The most a list gives.
const MOST: u32 = 1_000;

/// Does one thing with one dead letter.
fn act_on(ledger: &mut Ledger, run: RunId, act: &Act, who: &str) -> Result<Acted, Fault> {
    decisions::dead_letter(ledger, run)?;
    match act {
        Act::Resume { onto } => decisions::resume(ledger, run, *onto)?,
        Act::Discard => decisions::discard(ledger, run)?,
        Act::Fresh { id, onto, order } => {
            fresh(ledger, run, (*id, *onto, order.as_ref()), who)?;
            return Ok(Acted { run, fresh: Some(*id) });
        }
    }
    Ok(Acted { run, fresh: None })
}

/// Puts a dead letter away and has a new run of its event take its place.
fn fresh(
    ledger: &mut Ledger,
    run: RunId,
    (id, onto, order): (RunId, Onto, Option<&Order>),
    who: &str,
) -> Result<(), Fault> {
    let event = events::load(&ledger.conn, run)?;
    let event = event.ok_or_else(|| StoreError::Conflict(format!("the event of run {run} is not kept any more")))?;
    let mut select = ledger.conn.prepare_cached("SELECT target, depth FROM history WHERE run = ?1")?;
    let (target, depth): (i64, u32) = select.query_row([run.to_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    drop(select);
    let target = queue::known_target(ledger, target)?.target.clone();
    // First put away, then accepted: what it held counts no more when the new one asks for room.
    decisions::discard(ledger, run)?;
    let by = if who.is_empty() { String::new() } else { format!(" by {who}") };
    ledger
        .conn
        .prepare_cached("UPDATE history SET fresh = ?2, reason = coalesce(reason || '; ', '') || ?3 WHERE run = ?1")?
        .execute(params![run.to_bytes(), id.to_bytes(), format!("started fresh{by} as {id}")])?;
    let new = NewRun {
        id,
        target: Target { version: onto.version, ..target },
        order: order.and_then(|order| order.of(&event)),
        event: std::sync::Arc::new(event),
        dedupe: false,
        needs: onto.needs,
        due: ledger.now,
    };
    queue::accept_one(ledger, &Packed::of(new)?, Way { depth, capped: true })?;
    Ok(())
}

/// What was done with these by an earlier request.
fn as_before(ledger: &Ledger, acts: &[(RunId, Act)]) -> Result<Vec<Acted>, Fault> {
    let mut select = ledger.conn.prepare_cached("SELECT fresh FROM history WHERE run = ?1")?;
    let mut acted = Vec::with_capacity(acts.len());
    for (run, _) in acts {
        let fresh = select.query_row([run.to_bytes()], |row| row.get::<_, Option<[u8; 16]>>(0)).optional()?.flatten();
        acted.push(Acted { run: *run, fresh: fresh.map(RunId::from_bytes) });
    }
    Ok(acted)
}

fn act(ledger: &mut Ledger, request: &str, who: &str, acts: &[(RunId, Act)]) -> Result<Vec<Acted>, Fault> {
    let verb = match acts.first() {
        None => return Ok(Vec::new()),
        Some((_, Act::Resume { .. })) => Verb::Resume,
        Some((_, Act::Discard)) => Verb::Discard,
        Some((_, Act::Fresh { .. })) => Verb::Fresh,
    };
    let request = format!("{}:{request}", verb.label());
    let mut before = ledger.conn.prepare_cached("SELECT 1 FROM requests WHERE request = ?1")?;
    if before.query_row([&request], |_| Ok(())).optional()?.is_some() {
        return as_before(ledger, acts);
    }
    drop(before);
    let mut acted = Vec::with_capacity(acts.len());
    for (run, act) in acts {
        acted.push(act_on(ledger, *run, act, who)?);
    }
    ledger.conn.prepare_cached("INSERT INTO requests (request, answer, at) VALUES (?1, ?2, ?3)")?.execute(params![
        request,
        acted.len() as i64,
        ledger.now.0
    ])?;
    Ok(acted)
}

/// One look-up in the index of states for each scope: dead letters are few among millions of finished runs.
const MATCHING: &str = "FROM history q INDEXED BY history_by_state CROSS JOIN targets t ON t.id = q.target
     WHERE q.scope = :scope AND q.state = 5 AND q.run > :after
     AND (:component IS NULL OR t.component = :component)
     AND (:reason IS NULL OR instr(lower(coalesce(q.reason, '')), lower(:reason)) > 0)
     AND (:until IS NULL OR q.finished <= :until) AND (:since IS NULL OR q.finished >= :since)";

/// Asks `sql`, which ends in [`MATCHING`] and what may follow it, for each scope that the filter lets through.
fn each_scope(
    conn: &Connection,
    sql: &str,
    filter: &DeadFilter,
    after: Option<RunId>,
    mut read: impl FnMut(&Row<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let after = after.map_or_else(Vec::new, |run| run.to_bytes().to_vec());
    let mut select = conn.prepare_cached(sql)?;
    for scope in scopes(conn, filter.environment.as_ref(), filter.integration.as_ref())? {
        let mut rows = select.query(named_params! {
            ":scope": scope,
            ":after": after,
            ":component": filter.component.as_ref().map(|name| name.as_str()),
            ":reason": filter.reason,
            ":until": filter.until.map(|at| at.0),
            ":since": filter.since.map(|at| at.0),
        })?;
        while let Some(row) = rows.next()? {
            read(row)?;
        }
    }
    Ok(())
}

fn count(conn: &Connection, filter: &DeadFilter) -> Result<u64, Fault> {
    let mut count = 0;
    each_scope(conn, &format!("SELECT count(*) {MATCHING}"), filter, None, |row| {
        count += u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
        Ok(())
    })?;
    Ok(count)
}

fn found(conn: &Connection, filter: &DeadFilter, after: Option<RunId>, limit: u32) -> Result<Vec<RunSummary>, Fault> {
    let mut runs = Vec::new();
    let sql = format!("SELECT q.run {MATCHING} ORDER BY q.run LIMIT {limit}");
    each_scope(conn, &sql, filter, after, |row| {
        runs.push(RunId::from_bytes(row.get(0)?));
        Ok(())
    })?;
    runs.sort_unstable();
    runs.truncate(limit as usize);
    let mut summaries = Vec::with_capacity(runs.len());
    for run in runs {
        summaries.extend(one(conn, run)?);
    }
    Ok(summaries)
}

fn read_job(conn: &Connection, request: &str) -> Result<Option<Job>, Fault> {
    let mut select = conn.prepare_cached("SELECT job FROM jobs WHERE request = ?1")?;
    let text: Option<String> = select.query_row([request], |row| row.get(0)).optional()?;
    text.map(|text| parsed(&text)).transpose()
}

fn parsed(text: &str) -> Result<Job, Fault> {
    serde_json::from_str(text).map_err(|e| bad_row(&e.to_string()))
}

fn known_job(conn: &Connection, request: &str) -> Result<Job, Fault> {
    let known = read_job(conn, request)?;
    known.ok_or_else(|| StoreError::Missing(format!("job `{}`", crate::ids::shown(request))).into())
}

fn write_job(ledger: &Ledger, job: &Job) -> Result<(), Fault> {
    let text = serde_json::to_string(job).map_err(|e| StoreError::Unavailable(e.to_string()))?;
    ledger
        .conn
        .prepare_cached(
            "INSERT INTO jobs (request, job, open, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (request) DO UPDATE SET job = excluded.job, open = excluded.open, at = excluded.at",
        )?
        .execute(params![job.request, text, job.state == JobState::Running, job.ended.unwrap_or(job.asked).0])?;
    Ok(())
}

fn step(ledger: &mut Ledger, step: &Step) -> Result<Job, Fault> {
    let mut job = known_job(&ledger.conn, &step.request)?;
    if job.state != JobState::Running {
        return Err(StoreError::Conflict(format!("job `{}` does not run any more", job.request)).into());
    }
    for (run, act) in &step.acts {
        let who = job.who.clone();
        let done = all_or_nothing(ledger, |ledger| match act_on(ledger, *run, act, &who) {
            Ok(_) => Ok(Ok(())),
            Err(Fault::Refused(why @ (StoreError::Conflict(_) | StoreError::Missing(_)))) => Ok(Err(why.to_string())),
            Err(other) => Err(other),
        })?;
        match done {
            Ok(()) => job.done += 1,
            Err(why) => {
                job.skipped += 1;
                job.problem = Some(why);
            }
        }
    }
    for (run, why) in &step.skipped {
        job.skipped += 1;
        job.problem = Some(format!("run {run}: {why}"));
    }
    match step.cursor {
        Some(cursor) => job.cursor = Some(cursor),
        None => {
            job.state = JobState::Done;
            job.ended = Some(ledger.now);
        }
    }
    write_job(ledger, &job)?;
    Ok(job)
}

#[async_trait]
impl DeadLetterStore for SqliteStore {
    fn act(&self, request: String, who: String, acts: Vec<(RunId, Act)>) -> Reply<Vec<Acted>> {
        self.command(0, move |ledger| act(ledger, &request, &who, &acts))
    }

    fn add_job(&self, job: Job) -> Reply<Job> {
        self.command(0, move |ledger| {
            if let Some(known) = read_job(&ledger.conn, &job.request)? {
                return Ok(known);
            }
            write_job(ledger, &job)?;
            Ok(job.clone())
        })
    }

    fn step_job(&self, wanted: Step) -> Reply<Job> {
        self.command(0, move |ledger| step(ledger, &wanted))
    }

    fn stop_job(&self, request: String) -> Reply<Job> {
        self.command(0, move |ledger| {
            let mut job = known_job(&ledger.conn, &request)?;
            if job.state == JobState::Running {
                job.state = JobState::Stopped;
                job.ended = Some(ledger.now);
                write_job(ledger, &job)?;
            }
            Ok(job)
        })
    }

    async fn jobs(&self, open: bool, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.list(move |conn| {
            let mut select =
                conn.prepare_cached("SELECT job FROM jobs WHERE open >= ?1 ORDER BY open DESC, at DESC LIMIT ?2")?;
            let mut rows = select.query(params![open, limit.min(MOST)])?;
            let mut jobs = Vec::new();
            while let Some(row) = rows.next()? {
                jobs.push(parsed(&row.get::<_, String>(0)?)?);
            }
            Ok(jobs)
        })
        .await
    }

    async fn job(&self, request: &str) -> Result<Job, StoreError> {
        let request = request.to_owned();
        self.list(move |conn| known_job(conn, &request)).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadFilter,
        after: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<RunSummary>, StoreError> {
        let filter = filter.clone();
        self.list(move |conn| found(conn, &filter, after, limit.min(MOST))).await
    }

    async fn count_dead(&self, filter: &DeadFilter) -> Result<u64, StoreError> {
        let filter = filter.clone();
        self.list(move |conn| count(conn, &filter)).await
    }
}
