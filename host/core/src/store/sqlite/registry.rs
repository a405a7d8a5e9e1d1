//! What was released where, on disk.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::Value;

use super::SqliteStore;
use super::admin::{from_json, to_json};
use super::fault::Fault;
use super::ledger::Ledger;
use super::names::{self, find_environment, find_integration, parse};
use super::{listeners, schedules};
use crate::artifact::{Digest, Inspection};
use crate::clock::Timestamp;
use crate::gauntlet::crash_point;
use crate::ids::{ConfigName, ConnectionName, EnvironmentName, IntegrationName, Scope, TriggerName, VersionNumber};
use crate::release::Version;
use crate::store::registry::{Activation, Binding, Connection as Link, Hook, Kept, Registry, Release};
use crate::store::{Reply, StoreError};

const SCOPES: &str = "scopes s JOIN environments e ON e.id = s.environment
    JOIN integrations i ON i.id = s.integration";

#[async_trait]
impl Registry for SqliteStore {
    async fn environments(&self) -> Result<Vec<EnvironmentName>, StoreError> {
        self.list(|conn| every(conn, "SELECT name FROM environments ORDER BY name", &[], |row| parse(row.get(0)?)))
            .await
    }

    fn add_artifact(&self, inspection: Inspection, now: Timestamp) -> Reply<()> {
        self.command(0, move |ledger| {
            ledger
                .conn
                .prepare_cached(
                    "INSERT INTO artifacts (digest, inspection, added) VALUES (?1, ?2, ?3)
                     ON CONFLICT (digest) DO UPDATE SET inspection = excluded.inspection",
                )?
                .execute(params![inspection.digest.as_bytes(), to_json(&inspection)?, now.0])?;
            Ok(())
        })
    }

    async fn artifact(&self, digest: Digest) -> Result<Option<Inspection>, StoreError> {
        self.read(move |conn| {
            let mut select = conn.prepare_cached("SELECT inspection FROM artifacts WHERE digest = ?1")?;
            let found: Option<String> = select.query_row([digest.as_bytes()], |row| row.get(0)).optional()?;
            found.map(|text| from_json(&text)).transpose()
        })
        .await
    }

    fn add_version(&self, version: Version, now: Timestamp) -> Reply<VersionNumber> {
        self.command(0, move |ledger| add_version(&ledger.conn, &version, now))
    }

    async fn version(&self, integration: &IntegrationName, number: VersionNumber) -> Result<Version, StoreError> {
        let integration = integration.clone();
        self.read(move |conn| version(conn, &integration, number)).await
    }

    async fn versions(&self, integration: &IntegrationName, limit: u32) -> Result<Vec<Kept>, StoreError> {
        let integration = integration.clone();
        self.list(move |conn| {
            let sql = "SELECT v.version, v.added FROM versions v JOIN integrations i ON i.id = v.integration
                       WHERE i.name = ?1 ORDER BY v.number DESC LIMIT ?2";
            every(conn, sql, &[&integration.as_str(), &limit], |row| {
                Ok(Kept { version: from_json(&row.get::<_, String>(0)?)?, added: Timestamp(row.get(1)?) })
            })
        })
        .await
    }

    async fn activations(&self, integration: &IntegrationName, limit: u32) -> Result<Vec<Activation>, StoreError> {
        let integration = integration.clone();
        self.list(move |conn| {
            let sql = format!(
                "SELECT e.name, a.version, a.at, a.who FROM {SCOPES} JOIN activations a ON a.scope = s.id
                 WHERE i.name = ?1 AND a.place > (SELECT max(place) FROM activations WHERE scope = s.id) - ?2
                 ORDER BY a.at DESC, e.name, a.place DESC"
            );
            every(conn, &sql, &[&integration.as_str(), &limit], |row| {
                Ok(Activation {
                    environment: parse(row.get(0)?)?,
                    number: row.get(1)?,
                    at: Timestamp(row.get(2)?),
                    who: row.get(3)?,
                })
            })
        })
        .await
    }

    fn release(
        &self,
        environment: EnvironmentName,
        integration: IntegrationName,
        number: VersionNumber,
        hooks: Vec<(TriggerName, String)>,
        who: String,
        now: Timestamp,
    ) -> Reply<()> {
        self.command(0, move |ledger| {
            let place = ledger.names.environment(&environment)?;
            let version = version(&ledger.conn, &integration, number)?;
            let scope = Scope { environment: environment.clone(), integration: integration.clone() };
            let id = ledger.names.scope(&ledger.conn, &scope)?;
            let changed = ledger
                .conn
                .prepare_cached(
                    "INSERT INTO releases (scope, version, since) VALUES (?1, ?2, ?3)
                     ON CONFLICT (scope) DO UPDATE SET version = excluded.version, since = excluded.since
                     WHERE version <> excluded.version",
                )?
                .execute(params![id, number, now.0])?;
            schedules::released(&ledger.conn, id, &version.manifest.triggers, now)?;
            ledger.listen((place, id), listeners::of(&environment, &version));
            crash_point("release-before-commit");
            if changed > 0 {
                ledger
                    .conn
                    .prepare_cached(
                        "INSERT INTO activations (scope, place, version, at, who)
                         SELECT ?1, coalesce(max(place), 0) + 1, ?2, ?3, ?4 FROM activations WHERE scope = ?1",
                    )?
                    .execute(params![id, number, now.0, who])?;
            }
            for (trigger, token) in &hooks {
                ledger
                    .conn
                    .prepare_cached(
                        "INSERT INTO hooks (scope, \"trigger\", token) VALUES (?1, ?2, ?3)
                         ON CONFLICT (scope, \"trigger\") DO NOTHING",
                    )?
                    .execute(params![id, trigger.as_str(), token])?;
            }
            Ok(())
        })
    }

    async fn releases(&self) -> Result<Vec<Release>, StoreError> {
        self.list(|conn| {
            let sql = format!(
                "SELECT e.name, v.version, r.since FROM {SCOPES} JOIN releases r ON r.scope = s.id
                 JOIN versions v ON v.integration = s.integration AND v.number = r.version ORDER BY e.name, i.name"
            );
            every(conn, &sql, &[], |row| {
                Ok(Release {
                    environment: parse(row.get(0)?)?,
                    version: from_json(&row.get::<_, String>(1)?)?,
                    since: Timestamp(row.get(2)?),
                })
            })
        })
        .await
    }

    async fn hooks(&self) -> Result<Vec<Hook>, StoreError> {
        self.list(|conn| {
            let sql = format!(
                "SELECT e.name, i.name, h.\"trigger\", h.token FROM {SCOPES} JOIN hooks h ON h.scope = s.id
                 ORDER BY e.name, i.name, h.\"trigger\""
            );
            every(conn, &sql, &[], |row| {
                Ok(Hook {
                    scope: Scope { environment: parse(row.get(0)?)?, integration: parse(row.get(1)?)? },
                    trigger: parse(row.get(2)?)?,
                    token: row.get(3)?,
                })
            })
        })
        .await
    }

    fn set_connection(&self, environment: EnvironmentName, connection: Link) -> Reply<()> {
        self.command(0, move |ledger| {
            let id = ledger.names.environment(&environment)?;
            ledger
                .conn
                .prepare_cached(
                    "INSERT INTO connections (environment, name, connection) VALUES (?1, ?2, ?3)
                     ON CONFLICT (environment, name) DO UPDATE SET connection = excluded.connection",
                )?
                .execute(params![id, connection.name.as_str(), to_json(&connection)?])?;
            Ok(())
        })
    }

    async fn connections(&self, environment: &EnvironmentName) -> Result<Vec<Link>, StoreError> {
        let environment = environment.clone();
        self.list(move |conn| {
            let id = find_environment(conn, &environment)?;
            let sql = "SELECT connection FROM connections WHERE environment = ?1 ORDER BY name";
            every(conn, sql, &[&id], |row| from_json(&row.get::<_, String>(0)?))
        })
        .await
    }

    fn remove_connection(&self, environment: EnvironmentName, name: ConnectionName) -> Reply<()> {
        self.freeing(move |ledger| {
            let id = ledger.names.environment(&environment)?;
            let gone = ledger
                .conn
                .prepare_cached("DELETE FROM connections WHERE environment = ?1 AND name = ?2")?
                .execute(params![id, name.as_str()])?;
            if gone == 0 {
                return Err(StoreError::Missing(format!("connection `{name}` in {environment}")).into());
            }
            Ok(())
        })
    }

    fn bind(&self, binding: Binding) -> Reply<()> {
        self.command(0, move |ledger| {
            let id = scope(ledger, &binding.scope)?;
            ledger
                .conn
                .prepare_cached(
                    "INSERT INTO bindings (scope, name, connection) VALUES (?1, ?2, ?3)
                     ON CONFLICT (scope, name) DO UPDATE SET connection = excluded.connection",
                )?
                .execute(params![id, binding.name.as_str(), binding.connection.as_str()])?;
            Ok(())
        })
    }

    async fn bindings(&self, environment: &EnvironmentName) -> Result<Vec<Binding>, StoreError> {
        let environment = environment.clone();
        self.list(move |conn| {
            let sql = format!(
                "SELECT i.name, b.name, b.connection FROM {SCOPES} JOIN bindings b ON b.scope = s.id
                 WHERE e.name = ?1 ORDER BY i.name, b.name"
            );
            every(conn, &sql, &[&environment.as_str()], |row| {
                Ok(Binding {
                    scope: Scope { environment: environment.clone(), integration: parse(row.get(0)?)? },
                    name: parse(row.get(1)?)?,
                    connection: parse(row.get(2)?)?,
                })
            })
        })
        .await
    }

    fn set_config(&self, of: Scope, name: ConfigName, value: Option<Value>) -> Reply<()> {
        self.command(0, move |ledger| {
            let id = scope(ledger, &of)?;
            let Some(value) = &value else {
                ledger
                    .conn
                    .prepare_cached("DELETE FROM config WHERE scope = ?1 AND name = ?2")?
                    .execute(params![id, name.as_str()])?;
                return Ok(());
            };
            ledger
                .conn
                .prepare_cached(
                    "INSERT INTO config (scope, name, value) VALUES (?1, ?2, ?3)
                     ON CONFLICT (scope, name) DO UPDATE SET value = excluded.value",
                )?
                .execute(params![id, name.as_str(), to_json(value)?])?;
            Ok(())
        })
    }

    async fn config(&self, scope: &Scope) -> Result<Vec<(ConfigName, Value)>, StoreError> {
        let scope = scope.clone();
        self.list(move |conn| {
            let id = names::find_scope(conn, &scope)?.unwrap_or(0);
            let sql = "SELECT name, value FROM config WHERE scope = ?1 ORDER BY name";
            every(conn, sql, &[&id], |row| Ok((parse(row.get(0)?)?, from_json(&row.get::<_, String>(1)?)?)))
        })
        .await
    }
}

/// Every row of a query.
fn every<T>(
    conn: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    read: impl Fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query(values)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

fn scope(ledger: &mut Ledger, scope: &Scope) -> Result<i64, Fault> {
    ledger.names.scope(&ledger.conn, scope)
}

fn version(conn: &Connection, integration: &IntegrationName, number: VersionNumber) -> Result<Version, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT v.version FROM versions v JOIN integrations i ON i.id = v.integration
         WHERE i.name = ?1 AND v.number = ?2",
    )?;
    let found: Option<String> = select.query_row(params![integration.as_str(), number], |row| row.get(0)).optional()?;
    match found {
        Some(text) => from_json(&text),
        None => Err(StoreError::Missing(format!("version {number} of `{integration}`")).into()),
    }
}

fn add_version(conn: &Connection, version: &Version, now: Timestamp) -> Result<VersionNumber, Fault> {
    for (component, digest) in &version.artifacts {
        let mut select = conn.prepare_cached("SELECT 1 FROM artifacts WHERE digest = ?1")?;
        if !select.exists([digest.as_bytes()])? {
            return Err(StoreError::Missing(format!("artifact {digest} of component `{component}`")).into());
        }
    }
    let integration = match find_integration(conn, &version.manifest.name)? {
        Some(id) => id,
        None => names::integration(conn, &version.manifest.name)?,
    };
    let mut select =
        conn.prepare_cached("SELECT version FROM versions WHERE integration = ?1 ORDER BY number DESC LIMIT 1")?;
    let newest: Option<String> = select.query_row([integration], |row| row.get(0)).optional()?;
    let newest: Option<Version> = newest.map(|text| from_json(&text)).transpose()?;
    let number = newest.as_ref().map_or(1, |newest| newest.number + 1);
    if let Some(newest) = newest
        && newest.manifest == version.manifest
        && newest.artifacts == version.artifacts
    {
        return Ok(newest.number);
    }
    let version = Version { number, ..version.clone() };
    conn.prepare_cached("INSERT INTO versions (integration, number, version, added) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![integration, number, to_json(&version)?, now.0])?;
    Ok(number)
}
