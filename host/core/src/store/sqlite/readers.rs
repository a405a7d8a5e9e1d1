//! Readers: a few connections that see the last committed state and cannot write.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::fault::Fault;
use crate::store::StoreError;

/// A query that takes longer is broken off: while it reads, the write-ahead log cannot shrink.
const LONGEST: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Readers {
    file: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// At most `count` connections on `file`, opened as they are needed.
    pub(super) fn new(file: PathBuf, count: usize) -> Self {
        Self { file, idle: Arc::default(), permits: Arc::new(Semaphore::new(count)) }
    }

    /// Reads in one snapshot.
    pub(super) async fn read<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let closed = || StoreError::Stopped("it was closed".into());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let (idle, file) = (Arc::clone(&self.idle), self.file.clone());
        let work = move || {
            let mut conn = match take(&idle) {
                Some(conn) => conn,
                None => open(&file)?,
            };
            let until = Instant::now() + LONGEST;
            conn.progress_handler(2_000, Some(move || Instant::now() > until))?;
            let snapshot = conn.unchecked_transaction()?;
            let answer = act(&snapshot);
            drop(snapshot);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            drop(permit);
            answer
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer.map_err(Fault::into_answer),
            Err(_) => Err(StoreError::Unavailable("a read broke off".into())),
        }
    }

    /// Lets nobody in any more and closes what is idle.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn take(idle: &Mutex<Vec<Connection>>) -> Option<Connection> {
    idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

pub(super) fn open(file: &std::path::Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file, flags)?;
    super::open::plan_once(&conn)?;
    conn.busy_timeout(LONGEST)?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;")?;
    Ok(conn)
}
