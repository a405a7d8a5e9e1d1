//! What triggers heard from other systems: events and where to go on from, in one transaction.

use rusqlite::{OptionalExtension as _, params};

use super::fault::{Fault, bad_row};
use super::ledger::Ledger;
use super::packed::Packed;
use super::queue::{Final, Way, accept_one, finish};
use super::{SqliteStore, names, notices};
use crate::gauntlet::crash_point;
use crate::ids::{Scope, TriggerName};
use crate::run::RunState;
use crate::store::StoreError;
use crate::store::queue::{Accepted, SourceCursor};

/// Stores events as runs, all or none; those that cannot be handled, each with why, as dead letters.
pub(super) fn accept(
    ledger: &mut Ledger,
    batch: &[(Packed, Option<String>)],
    cursor: Option<&SourceCursor>,
) -> Result<Vec<Accepted>, Fault> {
    let mut answer = Vec::with_capacity(batch.len());
    for (run, unfit) in batch {
        let accepted = accept_one(ledger, run, Way { depth: 0, capped: true })?;
        if let (Accepted::New(id), Some(reason)) = (accepted, unfit) {
            let entry =
                ledger.ready.get(id).copied().ok_or_else(|| bad_row("a run that was just stored is not there"))?;
            notices::note(ledger, &entry, id, RunState::DeadLettered, None, reason)?;
            let end = Final { reason: Some(reason.clone()), ..Final::without_attempt(RunState::DeadLettered) };
            finish(ledger, id, end)?;
        }
        answer.push(accepted);
    }
    // Only now: a refusal of a later one takes all back.
    for ((Packed { run, .. }, unfit), accepted) in batch.iter().zip(&answer) {
        if unfit.is_none() && matches!(accepted, Accepted::New(_)) {
            ledger.recent.keep(run.id, &run.event);
        }
    }
    if let Some(SourceCursor { scope, trigger, cursor }) = cursor {
        let scope = ledger.names.scope(&ledger.conn, scope)?;
        ledger
            .conn
            .prepare_cached(
                "INSERT INTO source_cursors (scope, \"trigger\", cursor) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET cursor = excluded.cursor",
            )?
            .execute(params![scope, trigger.as_str(), cursor])?;
    }
    crash_point("accept-before-commit");
    Ok(answer)
}

/// The last cursor of a trigger.
pub(super) async fn cursor(
    store: &SqliteStore,
    scope: &Scope,
    trigger: &TriggerName,
) -> Result<Option<String>, StoreError> {
    let (scope, trigger) = (scope.clone(), trigger.clone());
    store
        .list(move |conn| {
            let Some(scope) = names::find_scope(conn, &scope)? else { return Ok(None) };
            let mut select =
                conn.prepare_cached("SELECT cursor FROM source_cursors WHERE scope = ?1 AND \"trigger\" = ?2")?;
            Ok(select.query_row(params![scope, trigger.as_str()], |row| row.get(0)).optional()?)
        })
        .await
}
