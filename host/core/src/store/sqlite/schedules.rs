//! The cursors of schedules, on disk.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::fault::{Fault, bad_row};
use super::ledger::Ledger;
use super::names::parse;
use super::packed::Packed;
use super::ready::ScopeId;
use super::{SqliteStore, queue};
use crate::clock::Timestamp;
use crate::gauntlet::{Bug, bug, crash_point};
use crate::ids::{RunId, Scope, TriggerName};
use crate::release::{Overlap, Trigger};
use crate::store::queue::NewRun;
use crate::store::schedules::{Cursor, ScheduleStore, Skip, Tick, Ticked};
use crate::store::{Reply, StoreError};

const COLUMNS: &str = "\"trigger\", timing, since, cursor, fired, run, passed, skipped, why";

#[async_trait]
impl ScheduleStore for SqliteStore {
    fn tick(&self, tick: Tick) -> Reply<(Ticked, Option<Cursor>)> {
        let weight = tick.run.as_ref().map_or(0, |run| run.event.size()) + 256;
        self.command(weight, move |ledger| self::tick(ledger, &tick))
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, StoreError> {
        self.list(|conn| {
            let mut select = conn.prepare_cached(&format!(
                "SELECT {COLUMNS}, e.name, i.name FROM schedules c JOIN scopes s ON s.id = c.scope
                 JOIN environments e ON e.id = s.environment JOIN integrations i ON i.id = s.integration
                 ORDER BY e.name, i.name, \"trigger\""
            ))?;
            let mut rows = select.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let scope = Scope { environment: parse(row.get(9)?)?, integration: parse(row.get(10)?)? };
                all.push(cursor(row, scope)?);
            }
            Ok(all)
        })
        .await
    }
}

fn cursor(row: &Row<'_>, scope: Scope) -> Result<Cursor, Fault> {
    let fired: Option<i64> = row.get(4)?;
    let run: Option<[u8; 16]> = row.get(5)?;
    let skipped: Option<i64> = row.get(7)?;
    let why: Option<String> = row.get(8)?;
    let why = match why {
        None => None,
        Some(why) => {
            let known = Skip::ALL.into_iter().find(|skip| skip.label() == why);
            Some(known.ok_or_else(|| bad_row("an instant was skipped for a reason that is not known"))?)
        }
    };
    Ok(Cursor {
        scope,
        trigger: parse(row.get(0)?)?,
        timing: row.get(1)?,
        since: Timestamp(row.get(2)?),
        at: Timestamp(row.get(3)?),
        fired: fired.zip(run).map(|(at, run)| (Timestamp(at), RunId::from_bytes(run))),
        passed: u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
        skipped: skipped.zip(why).map(|(at, why)| (Timestamp(at), why)),
    })
}

fn one(conn: &Connection, scope: ScopeId, of: &Scope, trigger: &TriggerName) -> Result<Option<Cursor>, Fault> {
    let mut select =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM schedules WHERE scope = ?1 AND \"trigger\" = ?2"))?;
    let mut rows = select.query(params![scope, trigger.as_str()])?;
    rows.next()?.map(|row| cursor(row, of.clone())).transpose()
}

/// A release was made: its schedules, and no others, have a cursor.
pub(super) fn released(conn: &Connection, scope: ScopeId, triggers: &[Trigger], now: Timestamp) -> Result<(), Fault> {
    let mut select = conn.prepare_cached("SELECT \"trigger\", timing FROM schedules WHERE scope = ?1")?;
    let known: Vec<(String, String)> =
        select.query_map([scope], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (name, _) in &known {
        let stays = triggers.iter().any(|trigger| trigger.name.as_str() == name && trigger.kind.timing().is_some());
        if !stays {
            conn.prepare_cached("DELETE FROM schedules WHERE scope = ?1 AND \"trigger\" = ?2")?
                .execute(params![scope, name])?;
        }
    }
    for trigger in triggers {
        let Some(timing) = trigger.kind.timing() else { continue };
        if known.iter().any(|(name, known)| name == trigger.name.as_str() && *known == timing) {
            continue;
        }
        // Nothing before the change becomes a run; a cursor that is ahead of the clock stays there.
        conn.prepare_cached(
            "INSERT INTO schedules (scope, \"trigger\", timing, since, cursor) VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT (scope, \"trigger\") DO UPDATE SET timing = excluded.timing, since = excluded.since,
                 cursor = max(cursor, excluded.cursor)",
        )?
        .execute(params![scope, trigger.name.as_str(), timing, now.0])?;
    }
    Ok(())
}

fn tick(ledger: &mut Ledger, tick: &Tick) -> Result<(Ticked, Option<Cursor>), Fault> {
    let scope = ledger.names.scope(&ledger.conn, &tick.scope)?;
    let seen = one(&ledger.conn, scope, &tick.scope, &tick.trigger)?;
    let follows = |seen: &Cursor| seen.at == tick.from && seen.timing == tick.timing && tick.to > seen.at;
    let Some(seen) = seen.filter(|seen| follows(seen) || bug(Bug::CronKeyMissing)) else {
        return Ok((Ticked::Stale, one(&ledger.conn, scope, &tick.scope, &tick.trigger)?));
    };
    let ticked = match &tick.run {
        None => Ticked::Skipped(Skip::Late),
        Some(run) => start(ledger, scope, tick, run)?,
    };
    let mut now = Cursor { at: tick.to, ..seen.clone() };
    if let Some((count, last)) = tick.late {
        now.passed = now.passed.saturating_add(count);
        now.skipped = Some((last, Skip::Late));
    }
    match ticked {
        Ticked::Waits | Ticked::Stale => return Ok((ticked, Some(seen))),
        Ticked::Fired(run) => {
            now.fired = Some((tick.to, run));
            now.passed = 0;
        }
        Ticked::Skipped(why) => {
            if tick.run.is_some() {
                now.passed = now.passed.saturating_add(1);
            }
            now.skipped = Some((tick.to, why));
        }
    }
    ledger
        .conn
        .prepare_cached(
            "UPDATE schedules SET cursor = ?3, fired = ?4, run = ?5, passed = ?6, skipped = ?7, why = ?8
             WHERE scope = ?1 AND \"trigger\" = ?2",
        )?
        .execute(params![
            scope,
            tick.trigger.as_str(),
            now.at.0,
            now.fired.map(|(at, _)| at.0),
            now.fired.map(|(_, run)| run.to_bytes()),
            i64::try_from(now.passed).unwrap_or(i64::MAX),
            now.skipped.map(|(at, _)| at.0),
            now.skipped.map(|(_, why)| why.label()),
        ])?;
    crash_point("tick-before-commit");
    Ok((ticked, Some(now)))
}

/// Stores the run, unless something is in its way.
fn start(ledger: &mut Ledger, scope: ScopeId, tick: &Tick, run: &NewRun) -> Result<Ticked, Fault> {
    let busy = tick.overlap != Overlap::Allow
        && ledger.names.targets_of(scope, &tick.trigger).any(|target| ledger.ready.has_of(target));
    if busy {
        return Ok(if tick.overlap == Overlap::Queue { Ticked::Waits } else { Ticked::Skipped(Skip::Overlap) });
    }
    match queue::admit(ledger, scope, &run.target, run.event.size() as u64) {
        Ok(()) => {}
        Err(Fault::Refused(StoreError::QueueFull(_))) => return Ok(Ticked::Skipped(Skip::QueueFull)),
        Err(fault) => return Err(fault),
    }
    let accepted = queue::accept(ledger, &[Packed::of(run.clone())?])?;
    let accepted = accepted.first().ok_or_else(|| bad_row("one run was stored as none"))?;
    Ok(Ticked::Fired(accepted.run()))
}
