//! Keys and values: each write in one transaction with its journal record.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_bytes::ByteBuf;

use super::fault::Fault;
use super::ledger::{Ledger, Tally};
use super::ready::ScopeId;
use super::writer::all_or_nothing;
use super::{SqliteStore, journal, names};
use crate::clock::Timestamp;
use crate::gauntlet::crash_point;
use crate::hatch::{encode_answer, kv_verdict};
use crate::ids::{Scope, shown};
use crate::journal::encode_result;
use crate::limits;
use crate::ports::kv::{Addition, Assignment, Condition, KvAnswer, KvCall, KvEntry, KvError, KvOperation, KvValue};
use crate::store::kv::{KvStore, LocalCall};
use crate::store::queue::Fence;
use crate::store::{Reply, StoreError};

#[async_trait]
impl KvStore for SqliteStore {
    async fn kv_read(&self, scope: &Scope, call: &KvCall) -> Result<KvAnswer, StoreError> {
        let (scope, call, now) = (scope.clone(), call.clone(), self.0.options.clock.now());
        self.read(move |conn| {
            let scope = names::find_scope(conn, &scope)?.unwrap_or(0);
            read(conn, scope, &call, now)
        })
        .await
    }

    fn kv_write(&self, fence: Fence, scope: Scope, call: KvCall, local: LocalCall) -> Reply<KvAnswer> {
        let weight = weight(&call) + local.chunk.bytes.len();
        self.command(weight, move |ledger| {
            journal::owned(ledger, fence)?;
            let id = ledger.names.scope(&ledger.conn, &scope)?;
            // A refused write must leave nothing behind, and its refusal is recorded all the same.
            let answer = all_or_nothing(ledger, |ledger| write(ledger, id, &scope, &call))?;
            let answer = match answer {
                Ok(value) | Err(Refusal::Answer(value)) => Ok(value),
                Err(Refusal::Error(error)) => Err(error),
            };
            // The hatch notes the same verdict in the attempt's own journal.
            let verdict = kv_verdict(&answer);
            let mut chunk = local.chunk.clone();
            encode_result(&mut chunk, local.call, local.what.clone(), local.hash, verdict, &encode_answer(&answer));
            journal::append(ledger, fence.run, &chunk)?;
            crash_point("kv-before-commit");
            Ok(answer)
        })
    }
}

fn weight(call: &KvCall) -> usize {
    match call {
        KvCall::Set(set) => set.value.len(),
        KvCall::CompareAndSet { value, .. } => value.len(),
        KvCall::Batch(all) => {
            all.iter().map(|op| if let KvOperation::Set(set) = op { set.value.len() } else { 16 }).sum()
        }
        _ => 16,
    }
}

fn entry(conn: &Connection, scope: ScopeId, key: &str, now: Timestamp) -> Result<Option<KvEntry>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT value, version FROM kv WHERE scope = ?1 AND key = ?2 AND (expires IS NULL OR expires > ?3)",
    )?;
    let entry = select.query_row(params![scope, key.as_bytes(), now.0], |row| {
        let version: i64 = row.get(1)?;
        Ok(KvEntry { value: ByteBuf::from(row.get::<_, Vec<u8>>(0)?), version: version.to_string() })
    });
    Ok(entry.optional()?)
}

fn read(conn: &Connection, scope: ScopeId, call: &KvCall, now: Timestamp) -> Result<KvAnswer, Fault> {
    Ok(Ok(match call {
        KvCall::Get(key) => KvValue::Entry(entry(conn, scope, key, now)?),
        KvCall::GetMany(keys) => {
            KvValue::Entries(keys.iter().map(|key| entry(conn, scope, key, now)).collect::<Result<_, _>>()?)
        }
        KvCall::Keys { prefix, cursor, limit } => {
            keys(conn, scope, prefix, cursor.as_deref(), (*limit).clamp(1, limits::KV_PAGE), now)?
        }
        KvCall::Set(_) | KvCall::Remove(_) | KvCall::Increment(_) | KvCall::CompareAndSet { .. } | KvCall::Batch(_) => {
            return Ok(Err(KvError::Unavailable("a write was asked of the reading side".into())));
        }
    }))
}

fn keys(
    conn: &Connection,
    scope: ScopeId,
    prefix: &str,
    cursor: Option<&str>,
    limit: u32,
    now: Timestamp,
) -> Result<KvValue, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT key FROM kv WHERE scope = ?1 AND key >= ?2 AND key > ?3 AND (expires IS NULL OR expires > ?4)
         ORDER BY key",
    )?;
    // No key is empty, so every key is greater than the cursor before the first page.
    let mut rows = select.query(params![scope, prefix.as_bytes(), cursor.unwrap_or_default().as_bytes(), now.0])?;
    let mut keys: Vec<String> = Vec::new();
    while let Some(row) = rows.next()? {
        let key: Vec<u8> = row.get(0)?;
        let Ok(key) = String::from_utf8(key) else { continue };
        if !key.starts_with(prefix) {
            break;
        }
        if keys.len() as u64 == u64::from(limit) {
            return Ok(KvValue::Page { next: keys.last().cloned(), keys });
        }
        keys.push(key);
    }
    Ok(KvValue::Page { keys, next: None })
}

/// Why nothing was written.
enum Refusal {
    Answer(KvValue),
    Error(KvError),
}

type Written<T> = Result<Result<T, Refusal>, Fault>;

fn write(ledger: &mut Ledger, id: ScopeId, scope: &Scope, call: &KvCall) -> Written<KvValue> {
    match call {
        KvCall::Set(assignment) => Ok(set(ledger, id, scope, assignment)?.map(|()| KvValue::Done)),
        KvCall::Remove(key) => Ok(Ok(KvValue::Flag(remove(ledger, id, key)?))),
        KvCall::Increment(addition) => Ok(increment(ledger, id, scope, addition)?.map(KvValue::Sum)),
        KvCall::CompareAndSet { expected, value, ttl_seconds } => {
            if !holds(ledger, id, expected)? {
                return Ok(Err(Refusal::Answer(KvValue::Flag(false))));
            }
            let assignment = Assignment { key: expected.key.clone(), value: value.clone(), ttl_seconds: *ttl_seconds };
            Ok(set(ledger, id, scope, &assignment)?.map(|()| KvValue::Flag(true)))
        }
        KvCall::Batch(operations) => {
            for operation in operations {
                let done = match operation {
                    KvOperation::Set(assignment) => set(ledger, id, scope, assignment)?,
                    KvOperation::Remove(key) => {
                        remove(ledger, id, key)?;
                        Ok(())
                    }
                    KvOperation::Increment(addition) => increment(ledger, id, scope, addition)?.map(drop),
                    KvOperation::Check(condition) if holds(ledger, id, condition)? => Ok(()),
                    KvOperation::Check(_) => Err(Refusal::Answer(KvValue::Flag(false))),
                };
                if let Err(refusal) = done {
                    return Ok(Err(refusal));
                }
            }
            Ok(Ok(KvValue::Flag(true)))
        }
        KvCall::Get(_) | KvCall::GetMany(_) | KvCall::Keys { .. } => {
            Ok(read(&ledger.conn, id, call, ledger.now)?.map_err(Refusal::Error))
        }
    }
}

fn holds(ledger: &Ledger, scope: ScopeId, condition: &Condition) -> Result<bool, Fault> {
    let found = entry(&ledger.conn, scope, &condition.key, ledger.now)?;
    Ok(found.map(|entry| entry.version) == condition.version)
}

fn set(ledger: &mut Ledger, id: ScopeId, scope: &Scope, assignment: &Assignment) -> Written<()> {
    let ttl = assignment.ttl_seconds.map(|seconds| std::time::Duration::from_secs(seconds.into()));
    let expires = ttl.map(|ttl| ledger.now.plus(ttl).0);
    put(ledger, id, scope, &assignment.key, &assignment.value, expires)
}

fn put(ledger: &mut Ledger, id: ScopeId, scope: &Scope, key: &str, value: &[u8], expires: Option<i64>) -> Written<()> {
    let size = (key.len() + value.len()) as i64;
    let mut growth = size - stored(ledger, id, key)?;
    let cap = i64::try_from(ledger.options.kv_bytes).unwrap_or(i64::MAX);
    if growth > 0 && ledger.tally(id).kv_bytes + growth > cap {
        // What nobody can see any more must not be in the way.
        while ledger.tally(id).kv_bytes + growth > cap && forget_expired(ledger, Some(id), 1_000)? > 0 {
            growth = size - stored(ledger, id, key)?;
        }
        let used = ledger.tally(id).kv_bytes;
        if used + growth > cap {
            return Ok(Err(Refusal::Error(KvError::Quota(format!(
                "the keys and values of {scope} use {used} of {cap} bytes (the quota of an integration); this write needs {growth} more"
            )))));
        }
    }
    let version = ledger.next_kv_version();
    ledger
        .conn
        .prepare_cached(
            "INSERT INTO kv (scope, key, version, expires, value) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (scope, key) DO UPDATE
             SET version = excluded.version, expires = excluded.expires, value = excluded.value",
        )?
        .execute(params![id, key.as_bytes(), version, expires, value])?;
    add_bytes(ledger, id, growth);
    Ok(Ok(()))
}

/// What a key takes on disk, expired or not.
fn stored(ledger: &Ledger, scope: ScopeId, key: &str) -> Result<i64, Fault> {
    let mut select =
        ledger.conn.prepare_cached("SELECT length(key) + length(value) FROM kv WHERE scope = ?1 AND key = ?2")?;
    Ok(select.query_row(params![scope, key.as_bytes()], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn add_bytes(ledger: &mut Ledger, scope: ScopeId, bytes: i64) {
    let tally = ledger.tally(scope);
    ledger.set_tally(scope, Tally { kv_bytes: tally.kv_bytes + bytes, ..tally });
}

/// Removes a key; whether there was something to remove, as a reader would see it.
fn remove(ledger: &mut Ledger, scope: ScopeId, key: &str) -> Result<bool, Fault> {
    let mut delete = ledger.conn.prepare_cached(
        "DELETE FROM kv WHERE scope = ?1 AND key = ?2 RETURNING length(key) + length(value), expires",
    )?;
    let gone = delete
        .query_row(params![scope, key.as_bytes()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))
        .optional()?;
    drop(delete);
    let Some((bytes, expires)) = gone else { return Ok(false) };
    add_bytes(ledger, scope, -bytes);
    Ok(expires.is_none_or(|expires| expires > ledger.now.0))
}

fn increment(ledger: &mut Ledger, id: ScopeId, scope: &Scope, addition: &Addition) -> Written<i64> {
    let Addition { key, by } = addition;
    let mut select = ledger.conn.prepare_cached(
        "SELECT value, expires FROM kv WHERE scope = ?1 AND key = ?2 AND (expires IS NULL OR expires > ?3)",
    )?;
    let found = select
        .query_row(params![id, key.as_bytes(), ledger.now.0], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<i64>>(1)?))
        })
        .optional()?;
    drop(select);
    let invalid =
        |problem: &str| Ok(Err(Refusal::Error(KvError::Invalid(format!("the value of `{}` {problem}", shown(key))))));
    let (before, expires) = match found {
        None => (0, None),
        Some((value, expires)) => {
            let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse::<i64>().ok());
            let Some(number) = number else {
                return invalid("is not a counter: a counter is a whole number in decimal digits");
            };
            (number, expires)
        }
    };
    let Some(sum) = before.checked_add(*by) else {
        return invalid("would leave the range of 64-bit whole numbers");
    };
    Ok(put(ledger, id, scope, key, sum.to_string().as_bytes(), expires)?.map(|()| sum))
}

/// Removes some keys whose time is over, of one scope or of all; gives how many.
pub(super) fn forget_expired(ledger: &mut Ledger, scope: Option<ScopeId>, limit: i64) -> Result<u64, Fault> {
    let mut select = ledger.conn.prepare_cached(
        "SELECT scope, key, length(key) + length(value) FROM kv
         WHERE expires IS NOT NULL AND expires <= ?1 AND (?2 IS NULL OR scope = ?2) ORDER BY expires LIMIT ?3",
    )?;
    let expired: Vec<(i64, Vec<u8>, i64)> = select
        .query_map(params![ledger.now.0, scope, limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    drop(select);
    for (scope, key, bytes) in &expired {
        ledger.conn.prepare_cached("DELETE FROM kv WHERE scope = ?1 AND key = ?2")?.execute(params![scope, key])?;
        add_bytes(ledger, *scope, -bytes);
    }
    Ok(expired.len() as u64)
}
