//! What is told of runs, finished and unfinished, and which of the finished are kept.

use std::cmp::Reverse;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use serde::Deserialize;

use super::events;
use super::fault::Fault;
use super::ledger::Ledger;
use super::names::parse;
use super::queue::{state, state_number};
use crate::clock::Timestamp;
use crate::ids::{EnvironmentName, IntegrationName, RunId};
use crate::run::{RunDetail, RunState, RunSummary, Target};
use crate::store::StoreError;
use crate::store::queue::{Depth, Retention, RunFilter};

/// The most a list gives.
const MOST: u32 = 1_000;
/// Runs removed in one transaction.
const STEP: u32 = 200;

// The joins are CROSS so that the runs are the outer loop: they are read in order, and few.
const UNFINISHED: &str = "
    SELECT q.run, e.name, i.name, t.version, t.component, t.\"trigger\", q.state, q.accepted,
        CASE WHEN q.state IN (0, 2) THEN q.due END, NULL, q.begun, q.last_outcome, q.reason, v.event
    FROM queue q CROSS JOIN targets t ON t.id = q.target CROSS JOIN scopes s ON s.id = t.scope
    CROSS JOIN environments e ON e.id = s.environment CROSS JOIN integrations i ON i.id = s.integration
    LEFT JOIN events v ON v.run = q.run";
const FINISHED: &str = "
    SELECT q.run, e.name, i.name, t.version, t.component, t.\"trigger\", q.state, q.accepted,
        NULL, q.finished, q.begun, q.last_outcome, q.reason, v.event
    FROM history q CROSS JOIN targets t ON t.id = q.target CROSS JOIN scopes s ON s.id = t.scope
    CROSS JOIN environments e ON e.id = s.environment CROSS JOIN integrations i ON i.id = s.integration
    LEFT JOIN events v ON v.run = q.run";

/// What a list shows of an event.
#[derive(Default, Deserialize)]
struct EventLabel {
    id: String,
    #[serde(default)]
    subject: Option<String>,
}

fn summary(row: &Row<'_>) -> Result<RunSummary, Fault> {
    let event: Option<Vec<u8>> = row.get(13)?;
    // A damaged event must not hide the run.
    let label: EventLabel = event.and_then(|event| rmp_serde::from_slice(&event).ok()).unwrap_or_default();
    Ok(RunSummary {
        id: RunId::from_bytes(row.get(0)?),
        target: Target {
            environment: parse(row.get(1)?)?,
            integration: parse(row.get(2)?)?,
            version: row.get(3)?,
            component: parse(row.get(4)?)?,
            trigger: parse(row.get(5)?)?,
        },
        state: state(row.get(6)?)?,
        accepted: Timestamp(row.get(7)?),
        due: row.get::<_, Option<i64>>(8)?.map(Timestamp),
        finished: row.get::<_, Option<i64>>(9)?.map(Timestamp),
        attempts: row.get(10)?,
        last_outcome: row.get(11)?,
        reason: row.get(12)?,
        event_id: label.id,
        event_subject: label.subject,
    })
}

/// A run as lists show it.
pub(super) fn one(conn: &Connection, run: RunId) -> Result<Option<RunSummary>, Fault> {
    for table in [UNFINISHED, FINISHED] {
        let mut select = conn.prepare_cached(&format!("{table} WHERE q.run = ?1"))?;
        let mut rows = select.query([run.to_bytes()])?;
        if let Some(row) = rows.next()? {
            return summary(row).map(Some);
        }
    }
    Ok(None)
}

/// A run with all that is kept of it.
pub(super) fn detail(conn: &Connection, run: RunId) -> Result<RunDetail, Fault> {
    let mut summary = one(conn, run)?.ok_or_else(|| StoreError::Missing(format!("run {run}")))?;
    if summary.reason.is_none() {
        summary.reason = behind(conn, run)?;
    }
    let mut select = conn.prepare_cached("SELECT output FROM outputs WHERE run = ?1")?;
    let output: Option<Vec<u8>> = select.query_row([run.to_bytes()], |row| row.get(0)).optional()?;
    let mut select = conn.prepare_cached("SELECT record FROM attempts WHERE run = ?1 ORDER BY place")?;
    let mut rows = select.query([run.to_bytes()])?;
    let mut attempts_made = Vec::new();
    while let Some(row) = rows.next()? {
        attempts_made.push(events::decode(&row.get::<_, Vec<u8>>(0)?)?);
    }
    // A damaged event must not hide what happened to the run.
    let event = match events::load(conn, run) {
        Ok(event) => event,
        Err(Fault::Refused(_)) => None,
        Err(fault) => return Err(fault),
    };
    let mut select = conn.prepare_cached("SELECT record FROM decisions WHERE run = ?1 ORDER BY place")?;
    let mut rows = select.query([run.to_bytes()])?;
    let mut decisions = Vec::new();
    while let Some(row) = rows.next()? {
        decisions.push(events::decode(&row.get::<_, Vec<u8>>(0)?)?);
    }
    let mut select = conn.prepare_cached("SELECT fresh FROM history WHERE run = ?1")?;
    let fresh = select.query_row([run.to_bytes()], |row| row.get::<_, Option<[u8; 16]>>(0)).optional()?.flatten();
    let output = output.map(|output| events::decode(&output)).transpose()?;
    Ok(RunDetail { summary, event, output, attempts_made, decisions, fresh: fresh.map(RunId::from_bytes) })
}

/// Which run of the same ordering key one waits for, if it does, as a sentence.
fn behind(conn: &Connection, run: RunId) -> Result<Option<String>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT line, place FROM queue WHERE run = ?1 AND state IN (0, 2) AND line IS NOT NULL AND holds = 0",
    )?;
    let at = select.query_row([run.to_bytes()], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)));
    let Some((line, place)) = at.optional()? else { return Ok(None) };
    let mut select = conn.prepare_cached(
        "SELECT run, state FROM (SELECT run, state, 2 AS rank, 0 AS place FROM history
             WHERE line = ?1 AND state = 5 AND blocks = 1
         UNION ALL SELECT run, state, holds, place FROM queue WHERE line = ?1 AND (holds = 1 OR place < ?2))
         ORDER BY rank DESC, place LIMIT 1",
    )?;
    let first = select.query_row(params![line, place], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?))).optional()?;
    let Some((first, number)) = first else { return Ok(None) };
    let (first, state) = (RunId::from_bytes(first), state(number)?);
    Ok(Some(format!("waits for run {first} of the same ordering key, which is {state}")))
}

/// Runs, newest first.
pub(super) fn list(conn: &Connection, filter: &RunFilter) -> Result<Vec<RunSummary>, Fault> {
    let limit = filter.limit.min(MOST);
    let mut runs = Vec::new();
    if filter.state.is_none_or(|state| !state.is_final()) {
        runs = rows(conn, UNFINISHED, filter, limit)?;
    }
    if filter.state.is_none_or(RunState::is_final) {
        let any = filter.environment.is_none() && filter.integration.is_none() && filter.state.is_none();
        if any {
            runs.extend(rows(conn, FINISHED, filter, limit)?);
        } else {
            for run in finished(conn, filter, limit)? {
                runs.extend(one(conn, run)?);
            }
        }
    }
    runs.sort_by_key(|run| Reverse(run.id));
    runs.truncate(limit as usize);
    Ok(runs)
}

fn rows(conn: &Connection, table: &str, filter: &RunFilter, limit: u32) -> Result<Vec<RunSummary>, Fault> {
    let mut select = conn.prepare_cached(&format!(
        "{table} WHERE q.run < :before AND (:environment IS NULL OR e.name = :environment)
         AND (:integration IS NULL OR i.name = :integration) AND (:state IS NULL OR q.state = :state)
         ORDER BY q.run DESC LIMIT :limit"
    ))?;
    let mut rows = select.query(named_params! {
        ":before": before(filter),
        ":environment": filter.environment.as_ref().map(|name| name.as_str()),
        ":integration": filter.integration.as_ref().map(|name| name.as_str()),
        ":state": filter.state.map(state_number),
        ":limit": limit,
    })?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(summary(row)?);
    }
    Ok(runs)
}

/// What sorts after every run, or the run the page before ended with.
fn before(filter: &RunFilter) -> Vec<u8> {
    filter.before.map_or_else(|| vec![0xff; 17], |run| run.to_bytes().to_vec())
}

/// The newest finished runs that a filter by scope or state lets through: one look-up in the index
/// for each scope and state, so that few among millions are found at once.
fn finished(conn: &Connection, filter: &RunFilter, limit: u32) -> Result<Vec<RunId>, Fault> {
    let scopes = scopes(conn, filter.environment.as_ref(), filter.integration.as_ref())?;
    let states = RunState::ALL.into_iter().filter(|state| state.is_final());
    let states: Vec<i64> =
        states.filter(|state| filter.state.is_none_or(|wanted| wanted == *state)).map(state_number).collect();
    let mut select = conn.prepare_cached(
        "SELECT run FROM history WHERE scope = ?1 AND state = ?2 AND run < ?3 ORDER BY run DESC LIMIT ?4",
    )?;
    let before = before(filter);
    let mut found = Vec::new();
    for scope in scopes {
        for state in &states {
            let mut rows = select.query(params![scope, state, before, limit])?;
            while let Some(row) = rows.next()? {
                found.push(RunId::from_bytes(row.get(0)?));
            }
        }
        if found.len() > 8 * MOST as usize {
            newest(&mut found, limit);
        }
    }
    newest(&mut found, limit);
    Ok(found)
}

/// The scopes of an environment, of an integration, or all.
pub(super) fn scopes(
    conn: &Connection,
    environment: Option<&EnvironmentName>,
    integration: Option<&IntegrationName>,
) -> Result<Vec<i64>, Fault> {
    let mut scopes = conn.prepare_cached(
        "SELECT s.id FROM scopes s JOIN environments e ON e.id = s.environment
         JOIN integrations i ON i.id = s.integration
         WHERE (?1 IS NULL OR e.name = ?1) AND (?2 IS NULL OR i.name = ?2)",
    )?;
    let names = params![environment.map(EnvironmentName::as_str), integration.map(IntegrationName::as_str)];
    Ok(scopes.query_map(names, |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn newest(runs: &mut Vec<RunId>, limit: u32) {
    runs.sort_by_key(|run| Reverse(*run));
    runs.truncate(limit as usize);
}

/// The runs whose text starts with `prefix`, oldest first.
pub(super) fn starting_with(conn: &Connection, prefix: &str, limit: u32) -> Result<Vec<RunId>, Fault> {
    let padded = |with: &str| format!("{prefix}{}", with.repeat(26_usize.saturating_sub(prefix.len())));
    let (Ok(from), Ok(to)) = (padded("0").parse::<RunId>(), last(prefix, &padded).parse::<RunId>()) else {
        return Ok(Vec::new());
    };
    let mut select = conn.prepare_cached(
        "SELECT run FROM queue WHERE run BETWEEN ?1 AND ?2
         UNION ALL SELECT run FROM history WHERE run BETWEEN ?1 AND ?2 ORDER BY run LIMIT ?3",
    )?;
    let runs = select.query_map(params![from.to_bytes(), to.to_bytes(), limit.min(MOST)], |row| row.get(0))?;
    Ok(runs.map(|run| run.map(RunId::from_bytes)).collect::<Result<_, _>>()?)
}

/// The largest id that starts with `prefix`: the first of 26 digits holds three bits only.
fn last(prefix: &str, padded: &dyn Fn(&str) -> String) -> String {
    if prefix.is_empty() { format!("7{}", "Z".repeat(25)) } else { padded("Z") }
}

/// How many runs are where.
pub(super) fn depths(ledger: &Ledger) -> Vec<Depth> {
    let oldest = ledger.ready.oldest_due(ledger.now);
    let mut ids: std::collections::BTreeSet<i64> = ledger.ready.scopes().map(|(scope, _)| scope).collect();
    ids.extend(ledger.dead().map(|(scope, _)| scope));
    let mut depths = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(scope) = ledger.names.scope_name(id) else { continue };
        let count = ledger.ready.count(id);
        depths.push(Depth {
            scope: scope.clone(),
            queued: count.ready,
            running: count.running,
            parked: count.parked,
            dead: u64::try_from(ledger.tally(id).dead).unwrap_or(0),
            bytes: count.ready_bytes,
            oldest_due: oldest.get(&id).copied(),
        });
    }
    depths.sort_by(|a, b| a.scope.cmp(&b.scope));
    depths
}

/// Removes some of what retention does not keep in an environment, oldest first; gives how many went.
pub(super) fn retain_some(ledger: &mut Ledger, environment: i64, retention: Retention) -> Result<u64, Fault> {
    let old = ledger.now.minus(retention.age).0;
    let mut select = ledger.conn.prepare_cached(
        "SELECT run, finished, bytes FROM history WHERE environment = ?1 AND state IN (4, 6, 7)
         ORDER BY finished LIMIT ?2",
    )?;
    let oldest: Vec<(RunId, i64, i64)> = select
        .query_map(params![environment, STEP], |row| Ok((RunId::from_bytes(row.get(0)?), row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    drop(select);
    let mut gone = 0;
    for (run, finished, bytes) in oldest {
        let kept = ledger.kept(environment);
        let many = u64::try_from(kept.runs).unwrap_or(0) > retention.runs;
        let much = u64::try_from(kept.bytes).unwrap_or(0) > retention.bytes;
        if finished >= old && !many && !much {
            break;
        }
        remove(&ledger.conn, run)?;
        ledger.add_kept(environment, -1, -bytes);
        gone += 1;
    }
    Ok(gone)
}

/// Removes a finished run with all that is kept of it.
fn remove(conn: &Connection, run: RunId) -> Result<(), Fault> {
    events::remove(conn, run)?;
    for sql in [
        "DELETE FROM journal WHERE run = ?1",
        "DELETE FROM attempts WHERE run = ?1",
        "DELETE FROM outputs WHERE run = ?1",
        "DELETE FROM decisions WHERE run = ?1",
        "DELETE FROM history WHERE run = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([Value::Blob(run.to_bytes().to_vec())])?;
    }
    Ok(())
}
