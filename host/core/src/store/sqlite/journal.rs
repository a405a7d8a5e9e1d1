//! Journals on disk: chunks by run and number, each with a checksum.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::checksum::checksum;
use super::fault::Fault;
use super::ledger::Ledger;
use super::ready::{Entry, Place};
use crate::gauntlet::{Bug, bug, crash_point};
use crate::ids::RunId;
use crate::journal::decide::Rewrite;
use crate::journal::{Chunk, Cut};
use crate::store::journal::JournalStore;
use crate::store::queue::Fence;
use crate::store::{Reply, StoreError};

#[async_trait]
impl JournalStore for SqliteStore {
    fn append(&self, fence: Fence, chunk: Chunk) -> Reply<()> {
        let weight = chunk.bytes.len();
        self.command(weight, move |ledger| {
            owned(ledger, fence)?;
            append(ledger, fence.run, &chunk)
        })
    }

    async fn load(&self, run: RunId) -> Result<Vec<Chunk>, StoreError> {
        self.read(move |conn| load(conn, run)).await
    }
}

/// The entry of a run that this fence owns.
pub(super) fn owned(ledger: &Ledger, fence: Fence) -> Result<Entry, Fault> {
    match ledger.ready.get(fence.run) {
        Some(entry) if entry.fence == fence.number && matches!(entry.place, Place::Running { .. }) => Ok(*entry),
        Some(entry) if bug(Bug::NoFencing) => Ok(*entry),
        _ => Err(StoreError::Superseded { run: fence.run }.into()),
    }
}

/// Appends to the journal of a run that is in an attempt.
pub(super) fn append(ledger: &mut Ledger, run: RunId, chunk: &Chunk) -> Result<(), Fault> {
    let Some(entry) = ledger.ready.get(run).copied() else {
        return Err(StoreError::Superseded { run }.into());
    };
    if chunk.bytes.is_empty() {
        return Ok(());
    }
    if chunk.number != entry.chunks {
        return Err(gap(run, chunk.number, entry.chunks));
    }
    write(&ledger.conn, run, chunk)?;
    ledger.put(run, Some(Entry { chunks: entry.chunks + 1, ..entry }));
    Ok(())
}

fn gap(run: RunId, given: u32, next: u32) -> Fault {
    StoreError::Unavailable(format!("journal chunk {given} of run {run} does not follow: {next} is next")).into()
}

fn write(conn: &Connection, run: RunId, chunk: &Chunk) -> Result<(), Fault> {
    conn.prepare_cached("INSERT INTO journal (run, number, bytes, checksum) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![run.to_bytes(), chunk.number, chunk.bytes, checksum(&chunk.bytes)])?;
    Ok(())
}

/// Cuts a journal of `chunks` chunks.
pub(super) fn cut(conn: &Connection, run: RunId, chunks: u32, cut: &Cut) -> Result<(), Fault> {
    if cut.keep > chunks {
        return Err(gap(run, cut.keep, chunks));
    }
    conn.prepare_cached("DELETE FROM journal WHERE run = ?1 AND number >= ?2")?
        .execute(params![run.to_bytes(), cut.keep])?;
    crash_point("cut-before-commit");
    match &cut.then {
        Some(chunk) if chunk.number != cut.keep => Err(gap(run, chunk.number, cut.keep)),
        Some(chunk) => write(conn, run, chunk),
        None => Ok(()),
    }
}

/// Puts chunks in place of those behind the first `keep`.
pub(super) fn rewrite(conn: &Connection, run: RunId, rewrite: &Rewrite) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM journal WHERE run = ?1 AND number >= ?2")?
        .execute(params![run.to_bytes(), rewrite.keep])?;
    for (number, chunk) in (rewrite.keep..).zip(&rewrite.then) {
        if chunk.number != number {
            return Err(gap(run, chunk.number, number));
        }
        write(conn, run, chunk)?;
    }
    Ok(())
}

/// How many chunks a run's journal has.
pub(super) fn count(conn: &Connection, run: RunId) -> Result<u32, Fault> {
    let mut count = conn.prepare_cached("SELECT coalesce(max(number) + 1, 0) FROM journal WHERE run = ?1")?;
    Ok(count.query_row([run.to_bytes()], |row| row.get(0))?)
}

/// How many bytes they have.
pub(super) fn bytes(conn: &Connection, run: RunId) -> Result<i64, Fault> {
    let mut sum = conn.prepare_cached("SELECT coalesce(sum(length(bytes)), 0) FROM journal WHERE run = ?1")?;
    Ok(sum.query_row([run.to_bytes()], |row| row.get(0))?)
}

/// A run's chunks, in order, each checked.
pub(super) fn load(conn: &Connection, run: RunId) -> Result<Vec<Chunk>, Fault> {
    let mut select =
        conn.prepare_cached("SELECT number, bytes, checksum FROM journal WHERE run = ?1 ORDER BY number")?;
    let mut rows = select.query([run.to_bytes()])?;
    let mut chunks = Vec::new();
    while let Some(row) = rows.next()? {
        let chunk = Chunk { number: row.get(0)?, bytes: row.get(1)? };
        if checksum(&chunk.bytes) != row.get::<_, i64>(2)? {
            return Err(StoreError::Conflict(format!(
                "journal chunk {} of run {run} is damaged: its checksum does not match; restore a backup or discard the run",
                chunk.number
            ))
            .into());
        }
        chunks.push(chunk);
    }
    Ok(chunks)
}
