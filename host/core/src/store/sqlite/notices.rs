//! Notices on disk: noted with what they are about, told by somebody else.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, params};

use super::fault::{Fault, bad_row};
use super::ledger::Ledger;
use super::names::{find_environment, parse};
use super::queue::{known_target, state, state_number};
use super::ready::Entry;
use super::{SqliteStore, names};
use crate::clock::Timestamp;
use crate::ids::{EnvironmentName, RunId, Scope};
use crate::notify::without_a_guests_words;
use crate::run::RunState;
use crate::store::notices::{Notice, NoticeStore, NotifyTarget, PAUSE};
use crate::store::{Reply, StoreError};

/// Notices that are handed out at once.
const SOME: u32 = 100;

/// Notes what became of a run, if its environment has somewhere to tell it.
pub(super) fn note(
    ledger: &Ledger,
    entry: &Entry,
    run: RunId,
    became: RunState,
    outcome: Option<&str>,
    reason: &str,
) -> Result<(), Fault> {
    let known = known_target(ledger, entry.target)?;
    let mut find = ledger.conn.prepare_cached("SELECT 1 FROM notify WHERE environment = ?1")?;
    if find.query_row([known.environment], |_| Ok(())).optional()?.is_none() {
        return Ok(());
    }
    ledger
        .conn
        .prepare_cached(
            "INSERT INTO notices (scope, state, count, run, component, reason, since, due)
             VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?6)
             ON CONFLICT (scope, state) DO UPDATE SET count = count + 1,
                 run = excluded.run, component = excluded.component, reason = excluded.reason,
                 since = CASE WHEN count = 0 THEN excluded.since ELSE since END,
                 due = max(due, excluded.due)",
        )?
        .execute(params![
            entry.scope,
            state_number(became),
            run.to_bytes(),
            known.target.component.as_str(),
            without_a_guests_words(outcome, reason),
            ledger.now.0
        ])?;
    Ok(())
}

fn target(text: &str) -> Result<NotifyTarget, Fault> {
    serde_json::from_str(text).map_err(|e| bad_row(&e.to_string()))
}

#[async_trait]
impl NoticeStore for SqliteStore {
    fn set_notify(&self, environment: EnvironmentName, target: Option<NotifyTarget>) -> Reply<()> {
        self.command(0, move |ledger| {
            let id = ledger.names.environment(&environment)?;
            match &target {
                None => {
                    ledger.conn.prepare_cached("DELETE FROM notify WHERE environment = ?1")?.execute([id])?;
                    ledger
                        .conn
                        .prepare_cached(
                            "DELETE FROM notices WHERE scope IN (SELECT id FROM scopes WHERE environment = ?1)",
                        )?
                        .execute([id])?;
                }
                Some(target) => {
                    let text = serde_json::to_string(target).map_err(|e| StoreError::Unavailable(e.to_string()))?;
                    ledger
                        .conn
                        .prepare_cached(
                            "INSERT INTO notify (environment, target) VALUES (?1, ?2)
                             ON CONFLICT (environment) DO UPDATE SET target = excluded.target",
                        )?
                        .execute(params![id, text])?;
                }
            }
            Ok(())
        })
    }

    async fn notify_target(&self, environment: &EnvironmentName) -> Result<Option<NotifyTarget>, StoreError> {
        let environment = environment.clone();
        self.list(move |conn| {
            let id = find_environment(conn, &environment)?;
            let mut find = conn.prepare_cached("SELECT target FROM notify WHERE environment = ?1")?;
            let text: Option<String> = find.query_row([id], |row| row.get(0)).optional()?;
            text.map(|text| target(&text)).transpose()
        })
        .await
    }

    async fn notices(&self, now: Timestamp) -> Result<Vec<Notice>, StoreError> {
        self.list(move |conn| {
            let mut select = conn.prepare_cached(
                "SELECT e.name, i.name, n.state, n.count, n.run, n.component, n.reason, n.since, n.tries, t.target
                 FROM notices n JOIN scopes s ON s.id = n.scope JOIN environments e ON e.id = s.environment
                 JOIN integrations i ON i.id = s.integration JOIN notify t ON t.environment = s.environment
                 WHERE n.count > 0 AND n.due <= ?1 ORDER BY n.due LIMIT ?2",
            )?;
            let mut rows = select.query(params![now.0, SOME])?;
            let mut notices = Vec::new();
            while let Some(row) = rows.next()? {
                notices.push(Notice {
                    scope: Scope { environment: parse(row.get(0)?)?, integration: parse(row.get(1)?)? },
                    state: state(row.get(2)?)?,
                    count: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
                    run: RunId::from_bytes(row.get(4)?),
                    component: parse(row.get(5)?)?,
                    reason: row.get(6)?,
                    since: Timestamp(row.get(7)?),
                    tries: row.get(8)?,
                    target: target(&row.get::<_, String>(9)?)?,
                });
            }
            Ok(notices)
        })
        .await
    }

    fn told(&self, notice: Notice) -> Reply<()> {
        self.command(0, move |ledger| {
            let Some(scope) = names::find_scope(&ledger.conn, &notice.scope)? else { return Ok(()) };
            // What came meanwhile is left: the notice names the latest of them.
            ledger
                .conn
                .prepare_cached(
                    "UPDATE notices SET count = max(count - ?3, 0), due = ?4, tries = 0, problem = NULL
                     WHERE scope = ?1 AND state = ?2",
                )?
                .execute(params![
                    scope,
                    state_number(notice.state),
                    i64::try_from(notice.count).unwrap_or(i64::MAX),
                    ledger.now.plus(PAUSE).0
                ])?;
            Ok(())
        })
    }

    fn not_told(&self, notice: Notice, problem: String, due: Timestamp) -> Reply<()> {
        self.command(0, move |ledger| {
            let Some(scope) = names::find_scope(&ledger.conn, &notice.scope)? else { return Ok(()) };
            ledger
                .conn
                .prepare_cached(
                    "UPDATE notices SET tries = tries + 1, due = ?3, problem = ?4 WHERE scope = ?1 AND state = ?2",
                )?
                .execute(params![scope, state_number(notice.state), due.0, problem])?;
            Ok(())
        })
    }
}
