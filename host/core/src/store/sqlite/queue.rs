//! The queue: events become runs here, and attempts end here.
//!
//! Not here: which run is claimed next (`ready.rs`), how it is claimed (`claims.rs`), what people do with
//! runs (`decisions.rs`), what is told of them (`history.rs`).

use rusqlite::params;

use super::fault::{Fault, bad_row};
use super::ledger::Ledger;
use super::names::KnownTarget;
use super::packed::{Packed, hashed};
use super::ready::{Entry, InLine, LineId, Place, ScopeId};
use super::{emit, events, journal, notices};
use crate::clock::Timestamp;
use crate::gauntlet::crash_point;
use crate::ids::RunId;
use crate::run::{AttemptRecord, RunState, Target};
use crate::store::StoreError;
use crate::store::queue::{Accepted, Ending, Fence, JournalEnd, Settle};

/// How long an accepted event is known.
pub(super) const DEDUPE: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);
/// So many deaths of the host while a run was alone, and it is not tried again.
pub(super) const CRASHES: i64 = 3;

/// A state as it is stored.
pub(super) const fn state_number(state: RunState) -> i64 {
    match state {
        RunState::Queued => 0,
        RunState::Running => 1,
        RunState::Waiting => 2,
        RunState::NeedsDecision => 3,
        RunState::Succeeded => 4,
        RunState::DeadLettered => 5,
        RunState::Cancelled => 6,
        RunState::Discarded => 7,
    }
}

/// A stored state.
pub(super) fn state(number: i64) -> Result<RunState, Fault> {
    RunState::ALL
        .into_iter()
        .find(|state| state_number(*state) == number)
        .ok_or_else(|| bad_row("a run is in a state that is not known"))
}

/// Stores events as runs: all or none.
pub(super) fn accept(ledger: &mut Ledger, batch: &[Packed]) -> Result<Vec<Accepted>, Fault> {
    let mut answer = Vec::with_capacity(batch.len());
    for packed in batch {
        answer.push(accept_one(ledger, packed, Way { depth: 0, capped: true })?);
    }
    // Only now: a refusal of a later one takes all back.
    let soon = ledger.now.plus(std::time::Duration::from_secs(1));
    for (Packed { run: new, .. }, accepted) in batch.iter().zip(&answer) {
        if matches!(accepted, Accepted::New(_)) && new.due <= soon {
            ledger.recent.keep(new.id, &new.event);
        }
    }
    crash_point("accept-before-commit");
    Ok(answer)
}

/// How an event came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// How many events led to it, each made by a run of the one before.
    pub(super) depth: u32,
    /// Whether the caps of the queue hold for it.
    pub(super) capped: bool,
}

/// Stores one event as a run.
pub(super) fn accept_one(ledger: &mut Ledger, packed: &Packed, way: Way) -> Result<Accepted, Fault> {
    let Packed { run: new, event, identity, bytes } = packed;
    let (now, bytes) = (ledger.now, *bytes);
    if let Some(identity) = identity
        && let Some(first) = known(ledger, identity, new.id)?
    {
        return Ok(Accepted::Duplicate(first));
    }
    let target = ledger.names.target_id(&ledger.conn, &new.target)?;
    let known = ledger.names.target(target).ok_or_else(|| bad_row("a target has no names"))?;
    let (scope, component) = (known.scope, known.component);
    if way.capped {
        admit(ledger, scope, &new.target, bytes)?;
    }
    let id = new.id.to_bytes();
    events::store(&ledger.conn, new.id, event, &new.event.data)?;
    let needs = new.needs;
    let line = new.order.as_ref().map(|order| {
        let id = line(&new.target, &order.key);
        InLine { id, place: place(ledger, id, new.due), holds: false, blocks: order.block }
    });
    ledger
        .conn
        .prepare_cached(
            "INSERT INTO queue (run, target, state, due, accepted, window_start, memory, concurrency, bytes, depth, line,
                 place, blocks)
             VALUES (?1, ?2, 0, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            id,
            target,
            new.due.0,
            now.0,
            needs.memory_bytes as i64,
            needs.concurrency,
            bytes as i64,
            way.depth,
            line.map(|at| at.id),
            line.map_or(0, |at| at.place),
            line.is_some_and(|at| at.blocks),
        ])?;
    let entry = Entry {
        scope,
        component,
        target,
        place: Place::Ready { due: new.due },
        suspect: false,
        fence: 0,
        chunks: 0,
        memory_bytes: needs.memory_bytes,
        concurrency: needs.concurrency,
        bytes,
        line,
    };
    ledger.put(new.id, Some(entry));
    Ok(Accepted::New(new.id))
}

/// The run that the event of this identity became before, if it did; else it is noted as `run`.
fn known(ledger: &Ledger, identity: &[u8], run: RunId) -> Result<Option<RunId>, Fault> {
    let forgotten = ledger.now.minus(DEDUPE);
    let noted = ledger
        .conn
        .prepare_cached(
            "INSERT INTO dedupe (key, run, at) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET run = excluded.run, at = excluded.at WHERE at < ?4",
        )?
        .execute(params![identity, run.to_bytes(), ledger.now.0, forgotten.0])?;
    if noted == 1 {
        return Ok(None);
    }
    let mut first = ledger.conn.prepare_cached("SELECT run FROM dedupe WHERE key = ?1")?;
    Ok(Some(RunId::from_bytes(first.query_row([identity], |row| row.get(0))?)))
}

/// The line of an ordering key. Stored; it never changes.
fn line(target: &Target, key: &str) -> LineId {
    let hash = hashed([target.environment.as_str(), target.integration.as_str(), target.trigger.as_str(), key]);
    hash.first_chunk().copied().unwrap_or_default()
}

/// A place in a line for a run that is due then: behind all that were accepted before and are due, also if the clock
/// was set back since.
pub(super) fn place(ledger: &mut Ledger, line: LineId, due: Timestamp) -> i64 {
    ledger.latest = ledger.latest.max(ledger.now);
    let at = if due <= ledger.now { ledger.latest } else { due };
    ledger.ready.place_in(line, at)
}

/// Whether a scope's queue takes one more. Once full, it must drain to four fifths first, so that
/// whoever offers again finds room for more than one.
pub(super) fn admit(ledger: &mut Ledger, scope: ScopeId, target: &Target, bytes: u64) -> Result<(), Fault> {
    let (held, held_cap) = (ledger.tally(scope).dead_bytes, ledger.options.dead_bytes);
    if u64::try_from(held).unwrap_or(0) >= held_cap {
        let Target { environment, integration, .. } = target;
        let text = format!(
            "the dead letters of {} hold {held} bytes of events, outputs and journals; their cap is {held_cap}. Resume or \
             discard some: jackfield deadletters list --env {environment} --integration {integration}",
            target.scope()
        );
        return Err(StoreError::QueueFull(text).into());
    }
    let count = ledger.ready.count(scope);
    let (runs_cap, bytes_cap) = (ledger.options.queue_runs, ledger.options.queue_bytes);
    let drained = |have: u64, cap: u64| u128::from(have) * 5 <= u128::from(cap) * 4;
    if ledger.full.contains(&scope) && drained(count.ready, runs_cap) && drained(count.ready_bytes, bytes_cap) {
        ledger.full.remove(&scope);
    }
    let too_many = count.ready + 1 > runs_cap;
    let too_large = count.ready_bytes + bytes > bytes_cap;
    if too_many || too_large {
        ledger.full.insert(scope);
    }
    if !ledger.full.contains(&scope) {
        return Ok(());
    }
    let (have, cap, what, setting) = if too_large || (!too_many && !drained(count.ready_bytes, bytes_cap)) {
        (count.ready_bytes, bytes_cap, "bytes of events", "queue.bytes")
    } else {
        (count.ready, runs_cap, "runs", "queue.runs")
    };
    let text = format!(
        "the queue of {} holds {have} {what}; its cap is {cap} ({setting}), and it takes more once it has drained to 80 %",
        target.scope()
    );
    Err(StoreError::QueueFull(text).into())
}

/// Ends an attempt.
pub(super) fn settle(ledger: &mut Ledger, fence: Fence, ending: &Ending) -> Result<RunState, Fault> {
    let run = fence.run;
    let entry = journal::owned(ledger, fence)?;
    match &ending.journal {
        // If a chunk before these was lost (the disk was full for a moment), the log ends there, as
        // if the host had died there: what follows is left out, and the run can still end.
        JournalEnd::Keep(Some(chunk)) if chunk.number == entry.chunks => journal::append(ledger, run, chunk)?,
        JournalEnd::Cut(cut) if cut.keep <= entry.chunks => journal::cut(&ledger.conn, run, entry.chunks, cut)?,
        JournalEnd::Keep(_) | JournalEnd::Cut(_) => {}
    }
    let held = matches!(ending.then, Settle::Held { .. });
    if !held {
        record_attempt(ledger, run, &ending.attempt)?;
    }
    crash_point("settle-before-commit");
    let outcome = Some(ending.attempt.outcome.as_str());
    let end = |state, reason: Option<String>| Final {
        state,
        outcome,
        reason,
        output: ending.output.as_ref(),
        used: 1,
        crashes: 0,
    };
    let cancelled = || end(RunState::Cancelled, Some("cancelled".into()));
    match &ending.then {
        Settle::Succeeded => finish(ledger, run, end(RunState::Succeeded, None)),
        Settle::DeadLettered { reason } => {
            notices::note(ledger, &entry, run, RunState::DeadLettered, outcome, reason)?;
            finish(ledger, run, end(RunState::DeadLettered, Some(reason.clone())))
        }
        Settle::Cancelled => finish(ledger, run, cancelled()),
        Settle::Parked { reason } => {
            if wish_to_cancel(ledger, run)? {
                return finish(ledger, run, cancelled());
            }
            ledger
                .conn
                .prepare_cached(
                    "UPDATE queue SET state = 3, used = used + 1, faults = 0, suspect = 0, alone = 0,
                     last_outcome = ?2, reason = ?3 WHERE run = ?1",
                )?
                .execute(params![run.to_bytes(), outcome, reason])?;
            notices::note(ledger, &entry, run, RunState::NeedsDecision, outcome, reason)?;
            ledger.put(run, Some(Entry { place: Place::Parked, suspect: false, ..entry }));
            emit::ended(ledger, run, &entry, RunState::NeedsDecision, outcome, Some(reason))?;
            crash_point("park-before-commit");
            Ok(RunState::NeedsDecision)
        }
        Settle::Waiting { due, hard } => {
            if wish_to_cancel(ledger, run)? {
                return finish(ledger, run, cancelled());
            }
            ledger
                .conn
                .prepare_cached(
                    "UPDATE queue SET state = 2, due = ?2, used = used + 1, faults = 0, suspect = 0, alone = 0,
                     hard = hard + ?3, failed = failed + 1 - ?3, last_outcome = ?4, reason = ?5 WHERE run = ?1",
                )?
                .execute(params![run.to_bytes(), due.0, i64::from(*hard), outcome, ending.attempt.reason])?;
            ledger.put(run, Some(Entry { place: Place::Ready { due: *due }, suspect: false, ..entry }));
            crash_point("retry-before-commit");
            Ok(RunState::Waiting)
        }
        Settle::Held { due, reason } => {
            if wish_to_cancel(ledger, run)? {
                return finish(ledger, run, Final { used: 0, ..cancelled() });
            }
            ledger
                .conn
                .prepare_cached(
                    "UPDATE queue SET state = 2, due = ?2, begun = begun - 1, held = held + 1, faults = 0,
                     suspect = 0, alone = 0, last_outcome = ?3, reason = ?4 WHERE run = ?1",
                )?
                .execute(params![run.to_bytes(), due.0, outcome, reason])?;
            ledger.put(run, Some(Entry { place: Place::Ready { due: *due }, suspect: false, ..entry }));
            Ok(RunState::Waiting)
        }
        Settle::Released { due, suspect } => {
            if wish_to_cancel(ledger, run)? {
                return finish(ledger, run, cancelled());
            }
            let crashed = *suspect && entry.place == (Place::Running { alone: true });
            if crashed && crashes(ledger, run)? + 1 >= CRASHES {
                notices::note(ledger, &entry, run, RunState::DeadLettered, outcome, &crashed_host())?;
                return finish(
                    ledger,
                    run,
                    Final { used: 0, crashes: 1, ..end(RunState::DeadLettered, Some(crashed_host())) },
                );
            }
            ledger
                .conn
                .prepare_cached(
                    "UPDATE queue SET state = 0, due = ?2, faults = faults + 1, suspect = ?3, alone = 0,
                     crashes = crashes + ?4, last_outcome = ?5, reason = ?6 WHERE run = ?1",
                )?
                .execute(params![run.to_bytes(), due.0, suspect, i64::from(crashed), outcome, ending.attempt.reason])?;
            ledger.put(run, Some(Entry { place: Place::Ready { due: *due }, suspect: *suspect, ..entry }));
            Ok(RunState::Queued)
        }
    }
}

/// Why a run that took the host with it is not tried again.
pub(super) fn crashed_host() -> String {
    format!("crashed-host: the host died {CRASHES} times while this run was its only one")
}

fn wish_to_cancel(ledger: &Ledger, run: RunId) -> Result<bool, Fault> {
    let mut select = ledger.conn.prepare_cached("SELECT cancel FROM queue WHERE run = ?1")?;
    Ok(select.query_row([run.to_bytes()], |row| row.get(0))?)
}

fn crashes(ledger: &Ledger, run: RunId) -> Result<i64, Fault> {
    let mut select = ledger.conn.prepare_cached("SELECT crashes FROM queue WHERE run = ?1")?;
    Ok(select.query_row([run.to_bytes()], |row| row.get(0))?)
}

/// Stores an ended attempt of a run that is in the queue table.
pub(super) fn record_attempt(ledger: &Ledger, run: RunId, attempt: &AttemptRecord) -> Result<(), Fault> {
    let record = events::encode(attempt)?;
    ledger
        .conn
        .prepare_cached("INSERT INTO attempts (run, place, record) SELECT run, begun, ?2 FROM queue WHERE run = ?1")?
        .execute(params![run.to_bytes(), record])?;
    Ok(())
}

/// How a run becomes final.
pub(super) struct Final<'a> {
    pub(super) state: RunState,
    pub(super) outcome: Option<&'a str>,
    pub(super) reason: Option<String>,
    pub(super) output: Option<&'a crate::event::Output>,
    /// Attempts used up by this.
    pub(super) used: u32,
    /// Deaths of the host added by this.
    pub(super) crashes: u32,
}

impl Final<'_> {
    /// An end that is not that of an attempt.
    pub(super) const fn without_attempt(state: RunState) -> Self {
        Self { state, outcome: None, reason: None, output: None, used: 0, crashes: 0 }
    }
}

/// Moves a run from the queue to the history.
pub(super) fn finish(ledger: &mut Ledger, run: RunId, end: Final<'_>) -> Result<RunState, Fault> {
    let Some(entry) = ledger.ready.get(run).copied() else {
        return Err(StoreError::Superseded { run }.into());
    };
    let id = run.to_bytes();
    let environment = known_target(ledger, entry.target)?.environment;
    emit::ended(ledger, run, &entry, end.state, end.outcome, end.reason.as_deref())?;
    let mut extra = journal::bytes(&ledger.conn, run)?;
    if let Some(output) = end.output {
        let output = events::encode(output)?;
        extra += output.len() as i64;
        ledger
            .conn
            .prepare_cached("INSERT OR REPLACE INTO outputs (run, output) VALUES (?1, ?2)")?
            .execute(params![id, output])?;
    }
    ledger
        .conn
        .prepare_cached(
            "INSERT INTO history (run, target, scope, environment, state, fence, accepted, finished, begun, used,
                 crashes, memory, concurrency, event_bytes, bytes, last_outcome, reason, depth, line, blocks)
             SELECT run, target, ?2, ?3, ?4, fence, accepted, ?5, begun, used + ?6,
                 crashes + ?7, memory, concurrency, bytes, bytes + ?8, coalesce(?9, last_outcome), ?10, depth, line, blocks
             FROM queue WHERE run = ?1",
        )?
        .execute(params![
            id,
            entry.scope,
            environment,
            state_number(end.state),
            ledger.now.0,
            end.used,
            end.crashes,
            extra,
            end.outcome,
            end.reason
        ])?;
    crash_point("finish-half-way");
    ledger.conn.prepare_cached("DELETE FROM queue WHERE run = ?1")?.execute([id])?;
    ledger.put(run, None);
    ledger.recent.forget(run);
    if end.state == RunState::DeadLettered {
        if let Some(at) = entry.line.filter(|at| at.blocks) {
            ledger.block(at.id, run, true);
        }
        ledger.add_dead(entry.scope, 1, entry.bytes as i64 + extra);
    } else {
        ledger.add_kept(environment, 1, entry.bytes as i64 + extra);
    }
    Ok(end.state)
}

pub(super) fn known_target(ledger: &Ledger, target: i64) -> Result<&KnownTarget, Fault> {
    ledger.names.target(target).ok_or_else(|| bad_row("a run's target has no names"))
}

/// The entry of an unfinished run as its row has it.
pub(super) fn entry_of_row(ledger: &Ledger, row: &rusqlite::Row<'_>) -> Result<(RunId, Entry), Fault> {
    let target: i64 = row.get("target")?;
    let known = known_target(ledger, target)?;
    let place = match state(row.get("state")?)? {
        RunState::Running => Place::Running { alone: row.get("alone")? },
        RunState::NeedsDecision => Place::Parked,
        _ => Place::Ready { due: Timestamp(row.get("due")?) },
    };
    let entry = Entry {
        scope: known.scope,
        component: known.component,
        target,
        place,
        suspect: row.get("suspect")?,
        fence: row.get::<_, i64>("fence")? as u64,
        chunks: 0,
        memory_bytes: row.get::<_, i64>("memory")? as u64,
        concurrency: row.get("concurrency")?,
        bytes: row.get::<_, i64>("bytes")? as u64,
        line: match row.get::<_, Option<LineId>>("line")? {
            Some(id) => {
                Some(InLine { id, place: row.get("place")?, holds: row.get("holds")?, blocks: row.get("blocks")? })
            }
            None => None,
        },
    };
    Ok((RunId::from_bytes(row.get("run")?), entry))
}
