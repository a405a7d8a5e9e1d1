//! Sealed secrets on disk. Nothing here can open one.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, params};

use super::{SqliteStore, names};
use crate::clock::Timestamp;
use crate::ids::{EnvironmentName, SecretName};
use crate::seal::{INSTALLATION_KEY, Place, Sealed, SecretAad};
use crate::store::secrets::{Reseal, SecretInfo, SecretStore};
use crate::store::{Reply, StoreError};

#[async_trait]
impl SecretStore for SqliteStore {
    fn set_secret(
        &self,
        environment: EnvironmentName,
        name: SecretName,
        version: u32,
        sealed: Sealed,
        now: Timestamp,
    ) -> Reply<()> {
        self.command(sealed.0.len(), move |ledger| {
            let id = ledger.names.environment(&environment)?;
            let mut select =
                ledger.conn.prepare_cached("SELECT version FROM secrets WHERE environment = ?1 AND name = ?2")?;
            let current: Option<u32> = select.query_row(params![id, name.as_str()], |row| row.get(0)).optional()?;
            let next = current.unwrap_or(0) + 1;
            if version != next {
                return Err(StoreError::Conflict(format!(
                    "secret `{name}` was set meanwhile: its next version is {next}, not {version}; set it again"
                ))
                .into());
            }
            ledger
                .conn
                .prepare_cached(
                    "INSERT INTO secrets (environment, name, version, sealed, set_at) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (environment, name) DO UPDATE
                     SET version = excluded.version, sealed = excluded.sealed, set_at = excluded.set_at",
                )?
                .execute(params![id, name.as_str(), version, sealed.0, now.0])?;
            Ok(())
        })
    }

    async fn secret(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> Result<Option<(u32, Sealed)>, StoreError> {
        let (environment, name) = (environment.clone(), name.clone());
        self.read(move |conn| {
            let mut select = conn.prepare_cached(
                "SELECT s.version, s.sealed FROM secrets s JOIN environments e ON e.id = s.environment
                 WHERE e.name = ?1 AND s.name = ?2",
            )?;
            let found =
                select.query_row([environment.as_str(), name.as_str()], |row| Ok((row.get(0)?, Sealed(row.get(1)?))));
            Ok(found.optional()?)
        })
        .await
    }

    async fn secrets(&self, environment: &EnvironmentName) -> Result<Vec<SecretInfo>, StoreError> {
        let environment = environment.clone();
        self.list(move |conn| {
            let id = names::find_environment(conn, &environment)?;
            let mut select =
                conn.prepare_cached("SELECT name, version, set_at FROM secrets WHERE environment = ?1 ORDER BY name")?;
            let mut rows = select.query([id])?;
            let mut secrets = Vec::new();
            while let Some(row) = rows.next()? {
                secrets.push(SecretInfo {
                    name: names::parse(row.get(0)?)?,
                    version: row.get(1)?,
                    set: Timestamp(row.get(2)?),
                });
            }
            Ok(secrets)
        })
        .await
    }

    fn remove_secret(&self, environment: EnvironmentName, name: SecretName) -> Reply<()> {
        self.freeing(move |ledger| {
            let id = ledger.names.environment(&environment)?;
            let gone = ledger
                .conn
                .prepare_cached("DELETE FROM secrets WHERE environment = ?1 AND name = ?2")?
                .execute(params![id, name.as_str()])?;
            if gone == 0 {
                return Err(StoreError::Missing(format!("secret `{name}` in {environment}")).into());
            }
            Ok(())
        })
    }

    fn reseal(&self, mut reseal: Reseal) -> Reply<u32> {
        self.command(0, move |ledger| {
            let mut select = ledger.conn.prepare_cached(
                "SELECT e.id, e.name, s.name, s.version, s.sealed
                 FROM secrets s JOIN environments e ON e.id = s.environment ORDER BY e.name, s.name",
            )?;
            let mut rows = select.query([])?;
            let mut fresh: Vec<(i64, String, Sealed)> = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, environment, name): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let place = Place::Secret(SecretAad { environment: &environment, name: &name, version: row.get(3)? });
                let sealed = reseal(&place, &Sealed(row.get(4)?)).map_err(|e| {
                    StoreError::Conflict(format!("secret `{name}` of {environment}: {e}; or remove it"))
                })?;
                fresh.push((id, name, sealed));
            }
            drop(rows);
            for (id, name, sealed) in &fresh {
                ledger
                    .conn
                    .prepare_cached("UPDATE secrets SET sealed = ?3 WHERE environment = ?1 AND name = ?2")?
                    .execute(params![id, name, sealed.0])?;
            }
            let mut count = fresh.len() as u32;
            let mut select = ledger.conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
            let installation: Option<Vec<u8>> = select.query_row([INSTALLATION_KEY], |row| row.get(0)).optional()?;
            if let Some(sealed) = installation {
                let sealed = reseal(&Place::Host(INSTALLATION_KEY), &Sealed(sealed))
                    .map_err(|e| StoreError::Conflict(format!("the installation key: {e}")))?;
                ledger
                    .conn
                    .prepare_cached("UPDATE meta SET value = ?2 WHERE key = ?1")?
                    .execute(params![INSTALLATION_KEY, sealed.0])?;
                count += 1;
            }
            Ok(count)
        })
    }
}
