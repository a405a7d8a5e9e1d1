//! Migrations: numbered SQL files, applied in order, once, forward only.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::open::OpenError;
use crate::artifact::Digest;
use crate::clock::Timestamp;
use crate::gauntlet::crash_point;

/// One step of the schema.
pub(super) struct Migration {
    pub(super) number: u32,
    pub(super) sql: &'static str,
}

/// All of them.
pub(super) const ALL: &[Migration] = &[
    Migration { number: 1, sql: include_str!("migrations/001_ledger.sql") },
    Migration { number: 2, sql: include_str!("migrations/002_schedules.sql") },
    Migration { number: 3, sql: include_str!("migrations/003_activations.sql") },
    Migration { number: 4, sql: include_str!("migrations/004_dead_bytes.sql") },
    Migration { number: 5, sql: include_str!("migrations/005_events.sql") },
    Migration { number: 6, sql: include_str!("migrations/006_operator.sql") },
    Migration { number: 7, sql: include_str!("migrations/007_sources.sql") },
];

/// The schema's number on disk; none for an empty file.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<Option<u32>> {
    let mut find = conn.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'")?;
    if find.query_row([], |_| Ok(())).optional()?.is_none() {
        return Ok(None);
    }
    conn.query_row("SELECT max(number) FROM migrations", [], |row| row.get(0))
}

/// Checks what was applied and applies the rest.
///
/// # Errors
///
/// The schema is newer than this program, or a file was changed after it was applied.
pub(super) fn migrate(conn: &mut Connection, all: &[Migration], now: Timestamp) -> Result<(), OpenError> {
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (
            number INTEGER PRIMARY KEY, checksum BLOB NOT NULL, at INTEGER NOT NULL
        ) STRICT",
    )?;
    let known = all.last().map_or(0, |last| last.number);
    let found = version(conn)?.unwrap_or(0);
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    for migration in all {
        let checksum = *Digest::of(migration.sql.as_bytes()).as_bytes();
        let applied: Option<[u8; 32]> = conn
            .query_row("SELECT checksum FROM migrations WHERE number = ?1", [migration.number], |row| row.get(0))
            .optional()?;
        match applied {
            Some(applied) if applied == checksum => {}
            Some(_) => return Err(OpenError::Changed { number: migration.number }),
            None => {
                let step = conn.transaction()?;
                step.execute_batch(migration.sql)?;
                step.execute(
                    "INSERT INTO migrations (number, checksum, at) VALUES (?1, ?2, ?3)",
                    params![migration.number, checksum, now.0],
                )?;
                crash_point("migrate-before-commit");
                step.commit()?;
            }
        }
    }
    Ok(())
}
