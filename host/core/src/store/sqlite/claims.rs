//! Claims: due runs handed to an owner, and what an earlier boot left in an attempt.

use std::sync::{Arc, Weak};

use rusqlite::params;

use super::fault::{Fault, bad_row};
use super::ledger::Ledger;
use super::queue::{CRASHES, Final, crashed_host, entry_of_row, finish, record_attempt};
use super::ready::{Entry, InLine, LineId, Place};
use super::writer::Line;
use super::{events, journal, notices};
use crate::clock::Timestamp;
use crate::gauntlet::crash_point;
use crate::ids::RunId;
use crate::outcome::Usage;
use crate::run::{AttemptRecord, RunState};
use crate::store::queue::{Claim, Fence, Needs, Room};

/// Claims on their way to whoever asked. Dropped before they are taken, they are given back.
pub(super) struct Handed {
    claims: Vec<Claim>,
    line: Weak<Line>,
}

impl Handed {
    pub(super) fn new(claims: Vec<Claim>, line: Weak<Line>) -> Self {
        Self { claims, line }
    }

    /// Takes them: from here on the caller owns them.
    pub(super) fn take(mut self) -> Vec<Claim> {
        std::mem::take(&mut self.claims)
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if self.claims.is_empty() {
            return;
        }
        let fences: Vec<Fence> = self.claims.iter().map(|claim| claim.fence).collect();
        if let Some(line) = self.line.upgrade() {
            line.give_back(fences);
        }
    }
}

/// Claims up to `room.slots` runs that are due and fit, in the transaction under way; `begin` is
/// called before the first.
pub(super) fn claim(
    ledger: &mut Ledger,
    room: Room,
    begin: &mut dyn FnMut(&Ledger) -> Result<(), Fault>,
) -> Result<Vec<Claim>, Fault> {
    let mut claims = Vec::new();
    let mut memory_bytes = room.memory_bytes;
    while (claims.len() as u64) < u64::from(room.slots) {
        let Some(run) = ledger.ready.pick(ledger.now, memory_bytes) else { break };
        begin(ledger)?;
        if let Some(claim) = claim_one(ledger, run)? {
            memory_bytes -= claim.needs.memory_bytes.min(memory_bytes);
            claims.push(claim);
        }
    }
    Ok(claims)
}

/// Claims one run. None if its event cannot be read: it is dead-lettered, and the others go on.
fn claim_one(ledger: &mut Ledger, run: RunId) -> Result<Option<Claim>, Fault> {
    let entry = *ledger.ready.get(run).ok_or_else(|| bad_row("a picked run is not there"))?;
    let event = match ledger.recent.get(run) {
        Some(event) => event,
        None => match events::load(&ledger.conn, run) {
            Ok(Some(event)) => Arc::new(event),
            Ok(None) => return quarantine(ledger, run, "its event is missing"),
            Err(Fault::Refused(error)) => return quarantine(ledger, run, &error.to_string()),
            Err(Fault::Sql(error)) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
                return quarantine(ledger, run, &error.to_string());
            }
            Err(error) => return Err(error),
        },
    };
    // The owner, the attempt and whether it is alone are on disk before the attempt starts: one that
    // takes the whole process down must still be known.
    let alone = entry.suspect;
    // Two statements: RETURNING would make a table in memory for each claim.
    let mut select = ledger.conn.prepare_cached(
        "SELECT fence + 1, window_start, used, failed, hard, faults, begun + held FROM queue WHERE run = ?1",
    )?;
    let target = ledger.names.target(entry.target).ok_or_else(|| bad_row("a run's target has no names"))?;
    let (claim, begun) = select.query_row([run.to_bytes()], |row| {
        let claim = Claim {
            fence: Fence { run, number: row.get::<_, i64>(0)? as u64 },
            target: target.target.clone(),
            event: Arc::clone(&event),
            accepted: Timestamp(row.get(1)?),
            attempt: row.get::<_, u32>(2)? + 1,
            failed: row.get(3)?,
            hard: row.get(4)?,
            faults: row.get(5)?,
            journaled: false,
            needs: Needs { memory_bytes: entry.memory_bytes, concurrency: entry.concurrency },
        };
        Ok((claim, row.get::<_, u32>(6)?))
    })?;
    drop(select);
    ledger
        .conn
        .prepare_cached(
            "UPDATE queue SET state = 1, fence = ?2, begun = begun + 1, started = ?3, alone = ?4 WHERE run = ?1",
        )?
        .execute(params![run.to_bytes(), claim.fence.number as i64, ledger.now.0, alone])?;
    let line = match entry.line {
        Some(at) if !at.holds => {
            ledger.conn.prepare_cached("UPDATE queue SET holds = 1 WHERE run = ?1")?.execute([run.to_bytes()])?;
            Some(InLine { holds: true, ..at })
        }
        line => line,
    };
    crash_point("claim-before-commit");
    ledger.recent.forget(run);
    let chunks = if begun > 0 { journal::count(&ledger.conn, run)? } else { 0 };
    let place = Place::Running { alone };
    ledger.put(run, Some(Entry { place, fence: claim.fence.number, chunks, line, ..entry }));
    Ok(Some(Claim { journaled: chunks > 0, ..claim }))
}

fn quarantine(ledger: &mut Ledger, run: RunId, problem: &str) -> Result<Option<Claim>, Fault> {
    tracing::error!(%run, problem, "a run cannot be read and is put aside");
    let why = format!("this run cannot be read: {problem}");
    if let Some(entry) = ledger.ready.get(run).copied() {
        notices::note(ledger, &entry, run, RunState::DeadLettered, None, &why)?;
    }
    let reason = Some(why);
    finish(
        ledger,
        run,
        Final { state: RunState::DeadLettered, outcome: None, reason, output: None, used: 0, crashes: 0 },
    )?;
    Ok(None)
}

/// Puts claimed runs back whose claimer went away before it had them.
pub(super) fn give_back(ledger: &mut Ledger, fences: &[Fence]) -> Result<(), Fault> {
    for fence in fences {
        let Ok(entry) = journal::owned(ledger, *fence) else { continue };
        let mut update = ledger.conn.prepare_cached(
            "UPDATE queue SET state = CASE WHEN used > 0 AND faults = 0 THEN 2 ELSE 0 END, begun = begun - 1, alone = 0
             WHERE run = ?1 RETURNING due",
        )?;
        let due = Timestamp(update.query_row([fence.run.to_bytes()], |row| row.get(0))?);
        drop(update);
        ledger.put(fence.run, Some(Entry { place: Place::Ready { due }, ..entry }));
    }
    Ok(())
}

/// Takes over what is on disk: runs in an attempt of an earlier boot become suspects, or final.
///
/// `marked`: the process that ran them died of a signal that a guest may have caused.
pub(super) fn take_over(ledger: &mut Ledger, marked: bool) -> Result<(), Fault> {
    let mut running = Vec::new();
    let mut latest = ledger.latest;
    {
        let mut select = ledger.conn.prepare("SELECT * FROM queue")?;
        let mut rows = select.query([])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let (run, entry) = entry_of_row(ledger, row)?;
            latest = latest.max(Timestamp(row.get("accepted")?));
            if let Place::Running { alone } = entry.place {
                running.push(Left {
                    run,
                    alone,
                    cancel: row.get("cancel")?,
                    crashes: row.get("crashes")?,
                    used: row.get("used")?,
                    started: Timestamp(row.get("started")?),
                });
            }
            entries.push((run, entry));
        }
        drop(rows);
        drop(select);
        for (run, entry) in entries {
            ledger.put(run, Some(entry));
        }
    }
    ledger.latest = latest;
    {
        let mut select = ledger.conn.prepare("SELECT line, run FROM history WHERE state = 5 AND blocks = 1")?;
        let blocking: Vec<(Option<LineId>, [u8; 16])> =
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        drop(select);
        for (line, run) in blocking {
            if let Some(line) = line {
                ledger.block(line, RunId::from_bytes(run), true);
            }
        }
    }
    for left in running {
        settle_left(ledger, &left, marked)?;
    }
    let full: Vec<_> = ledger
        .ready
        .scopes()
        .filter(|(_, count)| {
            count.ready >= ledger.options.queue_runs || count.ready_bytes >= ledger.options.queue_bytes
        })
        .map(|(scope, _)| scope)
        .collect();
    ledger.full.extend(full);
    Ok(())
}

struct Left {
    run: RunId,
    alone: bool,
    cancel: bool,
    crashes: i64,
    used: u32,
    started: Timestamp,
}

fn settle_left(ledger: &mut Ledger, left: &Left, marked: bool) -> Result<(), Fault> {
    let run = left.run;
    let crashed = left.alone && marked;
    let what = if crashed { "the host died of a fault in this attempt" } else { "the host ended during this attempt" };
    let attempt = AttemptRecord {
        number: left.used + 1,
        started: left.started,
        ended: ledger.now,
        outcome: "host-fault".into(),
        reason: Some(what.into()),
        stack: None,
        usage: Usage::default(),
        refused: None,
        calls: Vec::new(),
    };
    record_attempt(ledger, run, &attempt)?;
    let outcome = Some("host-fault");
    let end = |state, reason, crashes| Final { state, outcome, reason: Some(reason), output: None, used: 0, crashes };
    if left.cancel {
        finish(ledger, run, end(RunState::Cancelled, "cancelled".into(), u32::from(crashed)))?;
        return Ok(());
    }
    if crashed && left.crashes + 1 >= CRASHES {
        if let Some(entry) = ledger.ready.get(run).copied() {
            notices::note(ledger, &entry, run, RunState::DeadLettered, outcome, &crashed_host())?;
        }
        finish(ledger, run, end(RunState::DeadLettered, crashed_host(), 1))?;
        return Ok(());
    }
    ledger
        .conn
        .prepare_cached(
            "UPDATE queue SET state = 0, suspect = 1, alone = 0, crashes = crashes + ?2, last_outcome = ?3, reason = ?4
             WHERE run = ?1",
        )?
        .execute(params![run.to_bytes(), i64::from(crashed), outcome, what])?;
    let mut select = ledger.conn.prepare_cached("SELECT * FROM queue WHERE run = ?1")?;
    let mut rows = select.query([run.to_bytes()])?;
    let row = rows.next()?.ok_or_else(|| bad_row("a run vanished while it was taken over"))?;
    let (_, entry) = entry_of_row(ledger, row)?;
    drop(rows);
    drop(select);
    ledger.put(run, Some(entry));
    Ok(())
}
