//! What people decide: that a run is cancelled, how a parked one goes on, what becomes of dead letters.
//!
//! Not here: many dead letters as a job, and a fresh start (`dead_letters.rs`).

use rusqlite::{OptionalExtension as _, params};

use super::fault::Fault;
use super::ledger::Ledger;
use super::queue::{Final, finish, known_target, place, state};
use super::ready::{Entry, InLine, LineId, Place};
use super::{events, journal};
use crate::gauntlet::crash_point;
use crate::ids::RunId;
use crate::journal::decide::{Doubt, Given, doubts, make_again, take_as_done};
use crate::run::{DecisionRecord, RunState, Target};
use crate::store::StoreError;
use crate::store::dead_letters::Onto;
use crate::store::queue::Decision;

/// Cancels a run, or notes the wish.
pub(super) fn cancel(ledger: &mut Ledger, run: RunId) -> Result<RunState, Fault> {
    let Some(entry) = ledger.ready.get(run).copied() else {
        let state = final_state(ledger, run)?;
        return Err(StoreError::Conflict(format!(
            "run {run} is {state}; only a run that is not final can be cancelled"
        ))
        .into());
    };
    if matches!(entry.place, Place::Running { .. }) {
        ledger.conn.prepare_cached("UPDATE queue SET cancel = 1 WHERE run = ?1")?.execute([run.to_bytes()])?;
        crash_point("cancel-before-commit");
        return Ok(RunState::Running);
    }
    let reason = Some("cancelled".into());
    finish(ledger, run, Final { state: RunState::Cancelled, outcome: None, reason, output: None, used: 0, crashes: 0 })
}

/// The state of a run that is in the history.
fn final_state(ledger: &Ledger, run: RunId) -> Result<RunState, Fault> {
    let mut select = ledger.conn.prepare_cached("SELECT state FROM history WHERE run = ?1")?;
    match select.query_row([run.to_bytes()], |row| row.get(0)).optional()? {
        Some(number) => state(number),
        None => Err(StoreError::Missing(format!("run {run}")).into()),
    }
}

/// Decides over a parked run.
pub(super) fn decide(ledger: &mut Ledger, run: RunId, decision: &Decision, who: &str) -> Result<RunState, Fault> {
    let entry = match ledger.ready.get(run).copied() {
        Some(entry) if entry.place == Place::Parked => entry,
        Some(_) => {
            return Err(StoreError::Conflict(format!("run {run} does not wait for a decision")).into());
        }
        None => {
            let state = final_state(ledger, run)?;
            return Err(StoreError::Conflict(format!("run {run} is {state}; it does not wait for a decision")).into());
        }
    };
    let conn = &ledger.conn;
    let chunks = journal::load(conn, run)?;
    let unreadable = |e: crate::journal::Corrupt| StoreError::Conflict(e.to_string());
    let doubts = doubts(&chunks).map_err(unreadable)?;
    let named = |doubt: &Doubt| format!("{} {}", doubt.what.capability, doubt.what.text);
    let mut record = DecisionRecord {
        at: ledger.now,
        who: who.into(),
        decision: decision.label().into(),
        call: None,
        what: doubts.iter().map(named).collect::<Vec<_>>().join(", "),
        result: None,
    };
    match decision {
        Decision::Fail => {
            record_decision(conn, run, &record)?;
            let mut select = ledger.conn.prepare_cached("SELECT reason FROM queue WHERE run = ?1")?;
            let why: Option<String> = select.query_row([run.to_bytes()], |row| row.get(0))?;
            drop(select);
            let reason = why.map_or_else(
                || "given up by a person's decision".into(),
                |why| format!("{why}; given up by a person's decision"),
            );
            let end = Final {
                state: RunState::DeadLettered,
                outcome: None,
                reason: Some(reason),
                output: None,
                used: 0,
                crashes: 0,
            };
            return finish(ledger, run, end);
        }
        Decision::Retry => {
            let clock = std::sync::Arc::clone(&ledger.options.clock);
            journal::rewrite(conn, run, &make_again(clock, &chunks).map_err(unreadable)?)?;
        }
        Decision::Skip(skipped) => {
            let given = Given { call: skipped.call, answer: &skipped.answer, who, at: ledger.now };
            let rewrite = take_as_done(&chunks, &given).map_err(unreadable)?.ok_or_else(|| {
                let call = skipped.call;
                StoreError::Conflict(format!("call {call} of run {run} is not in doubt"))
            })?;
            journal::rewrite(conn, run, &rewrite)?;
            record.call = Some(skipped.call);
            record.what = doubts.iter().find(|doubt| doubt.call == skipped.call).map(named).unwrap_or_default();
            record.result = Some(skipped.shown.clone());
        }
    }
    record_decision(conn, run, &record)?;
    if let Decision::Skip(skipped) = decision
        && let Some(left) = doubts.iter().find(|doubt| doubt.call != skipped.call)
    {
        let reason = format!("call {} may have happened: {}", left.call, named(left));
        conn.prepare_cached("UPDATE queue SET reason = ?2 WHERE run = ?1")?.execute(params![run.to_bytes(), reason])?;
        return Ok(RunState::NeedsDecision);
    }
    conn.prepare_cached("UPDATE queue SET state = 0, due = ?2, reason = NULL WHERE run = ?1")?
        .execute(params![run.to_bytes(), ledger.now.0])?;
    ledger.put(run, Some(Entry { place: Place::Ready { due: ledger.now }, ..entry }));
    crash_point("decide-before-commit");
    Ok(RunState::Queued)
}

fn record_decision(conn: &rusqlite::Connection, run: RunId, record: &DecisionRecord) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO decisions (run, place, record)
         SELECT ?1, coalesce(max(place), 0) + 1, ?2 FROM decisions WHERE run = ?1",
    )?
    .execute(params![run.to_bytes(), events::encode(record)?])?;
    Ok(())
}

/// What people do with dead letters, many at once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bulk {
    Resume,
    Discard,
}

/// Resumes or discards dead letters, once per `request`.
pub(super) fn bulk(ledger: &mut Ledger, what: Bulk, request: &str, runs: &[RunId]) -> Result<u64, Fault> {
    let request = match what {
        Bulk::Resume => format!("resume:{request}"),
        Bulk::Discard => format!("discard:{request}"),
    };
    let mut before = ledger.conn.prepare_cached("SELECT answer FROM requests WHERE request = ?1")?;
    if let Some(answer) = before.query_row([&request], |row| row.get::<_, i64>(0)).optional()? {
        return Ok(answer as u64);
    }
    drop(before);
    let mut seen = std::collections::HashSet::new();
    let mut done = 0_u64;
    for run in runs {
        if seen.insert(*run) {
            dead_letter(ledger, *run)?;
            match what {
                Bulk::Resume => resume(ledger, *run, None)?,
                Bulk::Discard => discard(ledger, *run)?,
            }
            done += 1;
        }
    }
    ledger.conn.prepare_cached("INSERT INTO requests (request, answer, at) VALUES (?1, ?2, ?3)")?.execute(params![
        request,
        done as i64,
        ledger.now.0
    ])?;
    Ok(done)
}

/// Fails unless a run is a dead letter.
pub(super) fn dead_letter(ledger: &Ledger, run: RunId) -> Result<(), Fault> {
    let state = if ledger.ready.holds(run) { None } else { Some(final_state(ledger, run)?) };
    match state {
        Some(RunState::DeadLettered) => Ok(()),
        Some(other) => Err(StoreError::Conflict(format!("run {run} is {other}, not a dead letter")).into()),
        None => Err(StoreError::Conflict(format!("run {run} is not final, so it is not a dead letter")).into()),
    }
}

/// Queues a dead letter again, on another version if it is to go on there.
pub(super) fn resume(ledger: &mut Ledger, run: RunId, onto: Option<Onto>) -> Result<(), Fault> {
    let id = run.to_bytes();
    let now = ledger.now;
    // It stands in line again: at its end, unless it held up the line.
    let mut select = ledger.conn.prepare_cached("SELECT line, blocks FROM history WHERE run = ?1")?;
    let (line, blocks): (Option<LineId>, bool) = select.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    drop(select);
    let line = line.map(|line| InLine { id: line, place: place(ledger, line, now), holds: blocks, blocks });
    // A run that took the host with it is tried alone again, from no deaths.
    let (target, fence, memory, concurrency, bytes, suspect) = ledger
        .conn
        .prepare_cached(
            "INSERT INTO queue (run, target, state, due, fence, accepted, window_start, begun, used, suspect,
                 memory, concurrency, bytes, last_outcome, depth, line, place, holds, blocks)
             SELECT run, target, 0, ?2, fence, accepted, ?2, begun, used, crashes > 0,
                 memory, concurrency, event_bytes, last_outcome, depth, line, ?3, blocks, blocks
             FROM history WHERE run = ?1 RETURNING target, fence, memory, concurrency, bytes, suspect",
        )?
        .query_row(params![id, now.0, line.map_or(0, |at| at.place)], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, u32>(3)?,
                row.get::<_, i64>(4)?,
                row.get::<_, bool>(5)?,
            ))
        })?;
    let held: i64 = ledger
        .conn
        .prepare_cached("DELETE FROM history WHERE run = ?1 RETURNING bytes")?
        .query_row([id], |row| row.get(0))?;
    crash_point("resume-before-commit");
    ledger.conn.prepare_cached("DELETE FROM outputs WHERE run = ?1")?.execute([id])?;
    let (target, memory, concurrency) = match onto {
        None => (target, memory, concurrency),
        Some(Onto { version, needs }) => {
            let moved = Target { version, ..known_target(ledger, target)?.target.clone() };
            let target = ledger.names.target_id(&ledger.conn, &moved)?;
            let memory = needs.memory_bytes as i64;
            ledger
                .conn
                .prepare_cached("UPDATE queue SET target = ?2, memory = ?3, concurrency = ?4 WHERE run = ?1")?
                .execute(params![id, target, memory, needs.concurrency])?;
            (target, memory, needs.concurrency)
        }
    };
    let known = known_target(ledger, target)?;
    let entry = Entry {
        scope: known.scope,
        component: known.component,
        target,
        place: Place::Ready { due: now },
        suspect,
        fence: fence as u64,
        chunks: 0,
        memory_bytes: memory as u64,
        concurrency,
        bytes: bytes as u64,
        line,
    };
    ledger.put(run, Some(entry));
    if let Some(at) = line.filter(|at| at.blocks) {
        ledger.block(at.id, run, false);
    }
    ledger.add_dead(entry.scope, -1, -held);
    Ok(())
}

/// Puts a dead letter away.
pub(super) fn discard(ledger: &mut Ledger, run: RunId) -> Result<(), Fault> {
    let (scope, environment, bytes, line): (i64, i64, i64, Option<LineId>) = ledger
        .conn
        .prepare_cached(
            "UPDATE history SET state = 7, finished = ?2 WHERE run = ?1
             RETURNING scope, environment, bytes, CASE WHEN blocks THEN line END",
        )?
        .query_row(params![run.to_bytes(), ledger.now.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    if let Some(line) = line {
        ledger.block(line, run, false);
    }
    ledger.add_dead(scope, -1, -bytes);
    ledger.add_kept(environment, 1, bytes);
    crash_point("discard-before-commit");
    Ok(())
}
