//! Upkeep: what is forgotten with time, and the care of the database file itself.

use rusqlite::{Connection, params};

use super::fault::Fault;
use super::ledger::Ledger;
use super::queue::DEDUPE;

/// Rows forgotten in one transaction, at most, per table.
const STEP: i64 = 500;

/// Forgets some of what is too old: identities of events, requests, expired keys. Gives how many rows.
pub(super) fn forget_some(ledger: &mut Ledger) -> Result<u64, Fault> {
    let old = ledger.now.minus(DEDUPE).0;
    let mut gone = ledger
        .conn
        .prepare_cached("DELETE FROM dedupe WHERE key IN (SELECT key FROM dedupe WHERE at < ?1 ORDER BY at LIMIT ?2)")?
        .execute(params![old, STEP])?;
    gone += ledger
        .conn
        .prepare_cached(
            "DELETE FROM requests WHERE request IN (SELECT request FROM requests WHERE at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![old, STEP])?;
    gone += ledger
        .conn
        .prepare_cached(
            "DELETE FROM jobs WHERE request IN (SELECT request FROM jobs WHERE open = 0 AND at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![old, STEP])?;
    Ok(gone as u64 + super::kv::forget_expired(ledger, None, STEP)?)
}

/// Carries the log's pages over into the database, as far as nobody still reads older ones.
pub(super) fn checkpoint(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Carries everything over and empties the log, for an orderly end.
pub(super) fn close(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Gives up to `pages` free pages back to the file system; gives how many are left to give.
pub(super) fn shrink(conn: &Connection, pages: u32) -> Result<u64, Fault> {
    conn.execute_batch(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let free: i64 = conn.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    Ok(free as u64)
}
