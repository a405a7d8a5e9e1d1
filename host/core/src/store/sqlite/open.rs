//! Opening: the folder's lock, the connection's settings, migrations, what an earlier boot left.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::watch;

use super::fault::{Fault, Reach};
use super::ledger::Ledger;
use super::readers::Readers;
use super::reserve::Reserve;
use super::writer::{Counters, Health, Line, Writer};
use super::{Inner, SqliteOptions, SqliteStore, backup, claims, migrate};
use crate::gauntlet::{Bug, bug, crash_point};

/// The size of a page in the database.
pub(super) const PAGE_BYTES: u32 = 4096;
/// 3.51.3: older ones have a flaw that can lose what was committed in the write-ahead log.
const OLDEST_SQLITE: i32 = 3_051_003;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the data folder {} is in use by another process; stop it first, or give this one a folder of its own", .0.display())]
    InUse(PathBuf),
    /// A newer program wrote it.
    #[error(
        "the database has schema {found}, and this version knows schemas up to {known}; start the newer version again, or restore the backup made before the update"
    )]
    Newer {
        /// Its schema.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// It was not made by the steps known here.
    #[error("schema step {number} of the database is not the one known here; it was written by another build")]
    Changed {
        /// Which.
        number: u32,
    },
    /// The linked library is too old.
    #[error("SQLite {found} is linked; {OLDEST_SQLITE} or newer is needed")]
    OldSqlite {
        /// Its version, as `3051003` for 3.51.3.
        found: i32,
    },
    /// A file could not be read or made.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: io::Error,
    },
    /// The database could not be read.
    #[error("the database could not be opened: {0}")]
    Database(String),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        Self::Database(fault.into_answer().to_string())
    }
}

/// See [`SqliteStore::open`].
pub(super) fn open(folder: &Path, options: SqliteOptions) -> Result<SqliteStore, OpenError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(OpenError::OldSqlite { found: rusqlite::version_number() });
    }
    let at = |path: &Path| {
        let path = path.to_owned();
        move |problem| OpenError::File { path, problem }
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
    let lock = lock(folder)?;
    let file = folder.join("jackfield.db");
    // Made here, so that it is nobody else's to read; the log and its index take its mode.
    let made = OpenOptions::new().create(true).append(true).mode(0o600).open(&file).map_err(at(&file))?;
    let fresh = made.metadata().map_err(at(&file))?.len() == 0;
    drop(made);
    sync_left(folder, &file)?;
    let mut conn = connect(&file, fresh)?;
    let now = options.clock.now();
    if !fresh
        && let Some(found) = migrate::version(&conn)?
        && let Some(last) = migrate::ALL.last()
        && found < last.number
    {
        let copy = folder.join(format!("jackfield.db.schema-{found}"));
        if !copy.exists() {
            backup::copy(&conn, &copy)?;
        }
    }
    migrate::migrate(&mut conn, migrate::ALL, now)?;

    let counters = Arc::new(Counters::default());
    let frames = Arc::clone(&counters);
    conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
        frames.wal_frames.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))?;
    let options = Arc::new(options);
    let mark = options.crash_mark.as_deref();
    let marked = mark.is_some_and(|mark| fs::metadata(mark).is_ok_and(|meta| meta.len() > 0));
    let mut reserve = if options.reserve { Reserve::new(folder.join("reserve")) } else { Reserve::none() };
    let mut ledger = Ledger::load(conn, Arc::clone(&options))?;
    if let Err(fault) = take_over(&mut ledger, marked) {
        // On a full disk the host must still start, or nobody could remove anything.
        match fault.reach() {
            Reach::Full if reserve.give_up() => {}
            Reach::Full => return Err(OpenError::Database("the disk is full".into())),
            Reach::Stop(text) => return Err(OpenError::Database(text)),
            Reach::Command(error) => return Err(OpenError::Database(error.to_string())),
        }
        ledger = Ledger::load(ledger.conn, Arc::clone(&options))?;
        take_over(&mut ledger, marked)?;
    }
    // Only now: what it said is on disk.
    if let Some(mark) = mark.filter(|_| marked) {
        OpenOptions::new().write(true).truncate(true).open(mark).map_err(at(mark))?;
    }

    let (line, inbox) = Line::new(None);
    let (health, watching) = watch::channel(Health::Working);
    let writer = Writer {
        ledger,
        inbox,
        reserve,
        health,
        counters: Arc::clone(&counters),
        lock: Some(lock),
        parked: VecDeque::new(),
        returned: Vec::new(),
        upkeep_at: None,
        carried: 0,
    };
    std::thread::Builder::new().name("store-writer".into()).spawn(move || writer.run()).map_err(at(folder))?;
    Ok(SqliteStore(Arc::new(Inner {
        line,
        health: watching,
        counters,
        quick: Some(Readers::new(file.clone(), 3)),
        slow: Some(Readers::new(file.clone(), 2)),
        options,
        file,
    })))
}

/// Takes over what is on disk, in one transaction.
pub(super) fn take_over(ledger: &mut Ledger, marked: bool) -> Result<(), Fault> {
    let done = ledger.conn.execute_batch("BEGIN IMMEDIATE").map_err(Fault::from).and_then(|()| {
        claims::take_over(ledger, marked)?;
        ledger.flush()?;
        crash_point("takeover-before-commit");
        ledger.conn.execute_batch("COMMIT")?;
        crash_point("takeover-after-commit");
        Ok(())
    });
    match done {
        Ok(()) => {
            ledger.committed();
            Ok(())
        }
        Err(fault) => {
            if !ledger.conn.is_autocommit() {
                ledger.conn.execute_batch("ROLLBACK")?;
            }
            Err(fault)
        }
    }
}

/// Puts on disk what a process that was killed had written to its log and not synced yet: it is read as committed from
/// now on, and what is answered from it must not vanish with the power.
fn sync_left(folder: &Path, file: &Path) -> Result<(), OpenError> {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    for path in [Path::new(&log), folder] {
        match File::open(path).and_then(|left| left.sync_all()) {
            Err(problem) if problem.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::File { path: path.to_owned(), problem });
            }
            _ => {}
        }
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|problem| OpenError::File { path: path.clone(), problem })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(problem)) => Err(OpenError::File { path, problem }),
    }
}

/// Has each statement planned once: else SQLite plans one with a range in it anew for every value.
pub(super) fn plan_once(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn connect(file: &Path, fresh: bool) -> Result<Connection, OpenError> {
    let conn = Connection::open(file)?;
    plan_once(&conn)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.set_prepared_statement_cache_capacity(256);
    if fresh {
        conn.execute_batch(&format!("PRAGMA page_size = {PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL;"))?;
    }
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -65536;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA trusted_schema = OFF;
         PRAGMA secure_delete = FAST;",
    )?;
    if bug(Bug::SyncNormal) {
        conn.execute_batch("PRAGMA synchronous = NORMAL")?;
    }
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::Database(format!(
            "journal mode is `{mode}`, not `wal`: the folder's file system lacks shared memory (a network share?)"
        )));
    }
    Ok(conn)
}
