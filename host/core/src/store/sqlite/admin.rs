//! Tokens, the audit trail, the host's own values, and the store's own care.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::fault::{Fault, bad_row};
use super::ledger::Ledger;
use super::{SqliteStore, backup};
use crate::clock::Timestamp;
use crate::ids::TokenName;
use crate::store::admin::{AdminStore, AuditEntry, Token};
use crate::store::{Reply, StoreError};

#[async_trait]
impl AdminStore for SqliteStore {
    fn add_token(&self, token: Token, sha256: [u8; 32]) -> Reply<()> {
        self.command(0, move |ledger| {
            let mut select = ledger.conn.prepare_cached("SELECT 1 FROM tokens WHERE name = ?1")?;
            if select.exists([token.name.as_str()])? {
                return Err(StoreError::Conflict(format!(
                    "there is a token `{}` already; choose another name or revoke that one",
                    token.name
                ))
                .into());
            }
            ledger
                .conn
                .prepare_cached("INSERT INTO tokens (name, sha256, token) VALUES (?1, ?2, ?3)")?
                .execute(params![token.name.as_str(), sha256, to_json(&token)?])?;
            Ok(())
        })
    }

    async fn tokens(&self) -> Result<Vec<(Token, [u8; 32])>, StoreError> {
        self.list(|conn| {
            let mut select = conn.prepare_cached("SELECT token, sha256 FROM tokens ORDER BY name")?;
            let mut rows = select.query([])?;
            let mut tokens = Vec::new();
            while let Some(row) = rows.next()? {
                tokens.push((from_json(&row.get::<_, String>(0)?)?, row.get(1)?));
            }
            Ok(tokens)
        })
        .await
    }

    fn remove_token(&self, name: TokenName) -> Reply<()> {
        self.freeing(move |ledger| {
            let gone = ledger.conn.prepare_cached("DELETE FROM tokens WHERE name = ?1")?.execute([name.as_str()])?;
            if gone == 0 {
                return Err(StoreError::Missing(format!("token `{name}`")).into());
            }
            Ok(())
        })
    }

    fn audit(&self, at: Timestamp, who: String, action: String, detail: String) -> Reply<()> {
        self.command(detail.len(), move |ledger| add_entry(ledger, at, &who, &action, &detail))
    }

    async fn audit_trail(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.list(move |conn| {
            let mut select = conn.prepare_cached(
                "SELECT number, at, who, action, detail, hash FROM audit ORDER BY number DESC LIMIT ?1",
            )?;
            let mut rows = select.query([limit])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(AuditEntry {
                    number: row.get::<_, i64>(0)? as u64,
                    at: Timestamp(row.get(1)?),
                    who: row.get(2)?,
                    action: row.get(3)?,
                    detail: row.get(4)?,
                    hash: data_encoding::HEXLOWER.encode(&row.get::<_, [u8; 32]>(5)?),
                });
            }
            Ok(entries)
        })
        .await
    }

    async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_owned();
        self.read(move |conn| {
            let mut select = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
            Ok(select.query_row([key], |row| row.get(0)).optional()?)
        })
        .await
    }

    fn set_meta_once(&self, key: &'static str, value: Vec<u8>) -> Reply<Vec<u8>> {
        self.command(value.len(), move |ledger| {
            ledger
                .conn
                .prepare_cached("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING")?
                .execute(params![key, value])?;
            let mut select = ledger.conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
            Ok(select.query_row([key], |row| row.get(0))?)
        })
    }

    async fn backup(&self, file: &Path) -> Result<(), StoreError> {
        let file = file.to_owned();
        let database = self.0.file.clone();
        let work = move || {
            let conn = super::readers::open(&database)?;
            backup::copy(&conn, &file)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer.map_err(Fault::into_answer),
            Err(_) => Err(StoreError::Unavailable("the backup broke off".into())),
        }
    }

    fn writable(&self) -> Reply<()> {
        self.command(0, |ledger| {
            ledger
                .conn
                .prepare_cached(
                    "INSERT INTO meta (key, value) VALUES ('written', ?1)
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                )?
                .execute([ledger.now.0.to_be_bytes()])?;
            Ok(())
        })
    }

    async fn close(&self) {
        // An error says that the writer is gone already.
        let _ = self.0.line.close().await;
        for readers in [&self.0.quick, &self.0.slow].into_iter().flatten() {
            readers.close();
        }
    }
}

fn add_entry(ledger: &mut Ledger, at: Timestamp, who: &str, action: &str, detail: &str) -> Result<(), Fault> {
    let mut select = ledger.conn.prepare_cached("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")?;
    let last: Option<(i64, [u8; 32])> = select.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    drop(select);
    let (number, before) = last.map_or((1, [0; 32]), |(number, hash)| (number + 1, hash));
    let hash = chain(&before, number as u64, at, who, action, detail);
    ledger
        .conn
        .prepare_cached("INSERT INTO audit (number, at, who, action, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![number, at.0, who, action, detail, hash])?;
    Ok(())
}

/// The hash of an entry that follows one of hash `before`; 32 zeros before the first. Stored: it
/// never changes.
pub(super) fn chain(before: &[u8; 32], number: u64, at: Timestamp, who: &str, action: &str, detail: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(number.to_le_bytes());
    hash.update(at.0.to_le_bytes());
    for part in [who, action, detail] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// JSON, for what a person may want to read in the database.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| StoreError::Unavailable(format!("a value cannot be stored: {e}")).into())
}

/// Reads what [`to_json`] wrote.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|e| bad_row(&e.to_string()))
}
