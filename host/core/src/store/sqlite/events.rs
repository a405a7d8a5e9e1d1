//! Events on disk: attributes and little data in one row, much data by its digest, shared.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::checksum::checksum;
use super::fault::{Fault, bad_row};
use crate::artifact::Digest;
use crate::event::Event;
use crate::ids::RunId;
use crate::store::StoreError;

/// Data up to this size stays in the event's row: rows come in the order of run ids, digests do not.
const INLINE: usize = 4096;

/// MessagePack with field names, as everything is stored that this program alone reads.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Fault> {
    rmp_serde::to_vec_named(value).map_err(|e| StoreError::Unavailable(format!("a value cannot be stored: {e}")).into())
}

/// Reads what [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    rmp_serde::from_slice(bytes).map_err(|e| bad_row(&e.to_string()))
}

/// An event as its row has it.
pub(super) struct Stored {
    row: Vec<u8>,
    checksum: i64,
    /// The digest of its data, if that has a row of its own.
    body: Option<Digest>,
}

impl Stored {
    /// Packs an event.
    pub(super) fn of(event: &Event) -> Result<Self, Fault> {
        let (row, body) = if event.data.len() <= INLINE {
            (encode(event)?, None)
        } else {
            (encode(&Event { data: Bytes::new(), ..event.clone() })?, Some(Digest::of(&event.data)))
        };
        Ok(Self { checksum: checksum(&row), row, body })
    }
}

/// Stores the event of a run, whose data is `data`.
pub(super) fn store(conn: &Connection, run: RunId, event: &Stored, data: &[u8]) -> Result<(), Fault> {
    let Stored { row, checksum, body } = event;
    let body = body.as_ref().map(Digest::as_bytes);
    conn.prepare_cached("INSERT INTO events (run, event, checksum, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![run.to_bytes(), row, checksum, body])?;
    if let Some(digest) = body {
        conn.prepare_cached(
            "INSERT INTO bodies (digest, uses, bytes) VALUES (?1, 1, ?2)
             ON CONFLICT (digest) DO UPDATE SET uses = uses + 1",
        )?
        .execute(params![digest, data])?;
    }
    Ok(())
}

/// The event of a run, if it is still there.
pub(super) fn load(conn: &Connection, run: RunId) -> Result<Option<Event>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT e.event, e.checksum, e.body, b.bytes FROM events e LEFT JOIN bodies b ON b.digest = e.body WHERE e.run = ?1",
    )?;
    let row = select
        .query_row([run.to_bytes()], |row| {
            let sum: i64 = row.get(1)?;
            Ok((row.get::<_, Vec<u8>>(0)?, sum, row.get::<_, Option<[u8; 32]>>(2)?, row.get::<_, Option<Vec<u8>>>(3)?))
        })
        .optional()?;
    let Some((event, sum, digest, data)) = row else { return Ok(None) };
    if checksum(&event) != sum {
        return Err(bad_row("an event does not match its checksum"));
    }
    let mut event: Event = decode(&event)?;
    if let Some(digest) = digest {
        let data = data.ok_or_else(|| bad_row("the data of an event is missing"))?;
        if Digest::of(&data) != Digest::from_bytes(digest) {
            return Err(bad_row("the data of an event does not match its digest"));
        }
        event.data = data.into();
    }
    Ok(Some(event))
}

/// Removes the event of a run, and its data if nobody else uses it.
pub(super) fn remove(conn: &Connection, run: RunId) -> Result<(), Fault> {
    let mut delete = conn.prepare_cached("DELETE FROM events WHERE run = ?1 RETURNING body")?;
    let body = delete.query_row([run.to_bytes()], |row| row.get::<_, Option<[u8; 32]>>(0)).optional()?.flatten();
    if let Some(digest) = body {
        conn.prepare_cached("UPDATE bodies SET uses = uses - 1 WHERE digest = ?1")?.execute([digest])?;
        conn.prepare_cached("DELETE FROM bodies WHERE digest = ?1 AND uses <= 0")?.execute([digest])?;
    }
    Ok(())
}
