//! The SQLite store: one process, one writer thread, a few readers.
//!
//! Read `queue.rs`, then `ready.rs`, `claims.rs` and `writer.rs`. Not here: what the rules are (see
//! the traits), and how a store on several machines keeps them.

mod admin;
mod backup;
mod checksum;
mod claims;
mod dead_letters;
mod decisions;
mod emit;
mod events;
mod fault;
mod heard;
mod history;
mod journal;
mod kv;
mod ledger;
mod listeners;
mod migrate;
mod names;
mod notices;
mod open;
mod packed;
mod queue;
mod readers;
mod ready;
mod recent;
mod registry;
mod reserve;
mod runs;
mod schedules;
mod secrets;
#[cfg(any(test, feature = "test-support"))]
pub mod stepped;
mod upkeep;
mod writer;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

pub use open::OpenError;

use self::fault::Fault;
use self::ledger::Ledger;
use self::readers::Readers;
use self::writer::{Counters, Health, Line};
use super::{Reply, StoreError};
use crate::clock::{Clock, Rng};
use crate::limits;

/// What a store needs to know.
#[derive(Clone)]
pub struct SqliteOptions {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub rng: Arc<dyn Rng>,
    /// Queued and waiting runs of an integration in an environment.
    pub queue_runs: u64,
    /// Bytes of their events.
    pub queue_bytes: u64,
    /// What the dead letters of an integration may hold in an environment, in bytes.
    pub dead_bytes: u64,
    /// What an integration may keep in kv in an environment, in bytes.
    pub kv_bytes: u64,
    /// A file that a dying process leaves not empty when a signal such as SIGSEGV ended it; emptied
    /// when it was read.
    pub crash_mark: Option<PathBuf>,
    /// Whether to keep a file that is given up when the disk is full.
    pub reserve: bool,
}

impl SqliteOptions {
    /// The defaults.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self {
            clock,
            rng,
            queue_runs: limits::QUEUE_RUNS,
            queue_bytes: limits::QUEUE_BYTES,
            dead_bytes: limits::DEAD_BYTES,
            kv_bytes: limits::KV_STORED_BYTES,
            crash_mark: None,
            reserve: true,
        }
    }
}

/// What the store counts, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounters {
    /// Transactions that were synced.
    pub commits: u64,
    /// Commands that were carried out or refused.
    pub commands: u64,
    /// Bytes in the write-ahead log that are in use, about.
    pub wal_bytes: u64,
}

/// See the module. A clone is another handle on the same store.
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

struct Inner {
    line: Arc<Line>,
    health: watch::Receiver<Health>,
    counters: Arc<Counters>,
    /// For guests' calls: these must not wait for somebody's list. Without them, what reads stands in
    /// line like what writes.
    quick: Option<Readers>,
    /// For lists.
    slow: Option<Readers>,
    options: Arc<SqliteOptions>,
    file: PathBuf,
}

impl SqliteStore {
    /// Opens the store in `folder`, made if it is not there. Runs that an earlier process left in an
    /// attempt are suspects from now on.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: another process has it, it is of a newer version, or it cannot be read.
    pub fn open(folder: &Path, options: SqliteOptions) -> Result<Self, OpenError> {
        open::open(folder, options)
    }

    /// Returns when the store stopped by itself, with why: the host must end then, with an error.
    /// Never returns while the store works or when it was closed.
    pub fn stopped(&self) -> impl Future<Output = String> + Send + use<> {
        let mut health = self.0.health.clone();
        async move {
            let why = match health.wait_for(|health| matches!(health, Health::Failed(_))).await.as_deref() {
                Ok(Health::Failed(why)) => Some(why.clone()),
                _ => None,
            };
            match why {
                Some(why) => why,
                None => std::future::pending().await,
            }
        }
    }

    /// What it counts.
    #[must_use]
    pub fn counters(&self) -> StoreCounters {
        let counters = &self.0.counters;
        StoreCounters {
            commits: counters.commits.load(Ordering::Relaxed),
            commands: counters.commands.load(Ordering::Relaxed),
            wal_bytes: counters.wal_frames.load(Ordering::Relaxed) * (u64::from(open::PAGE_BYTES) + 24),
        }
    }

    /// Reads the whole database and gives what is wrong with it, at most 20 findings; none if it is
    /// sound. Takes as long as reading the file does.
    ///
    /// # Errors
    ///
    /// `Unavailable`: it cannot be read at all.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let file = self.0.file.clone();
        let work = move || -> Result<Vec<String>, Fault> {
            let conn = readers::open(&file)?;
            let mut check = conn.prepare("PRAGMA quick_check(20)")?;
            let found: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(found.into_iter().filter(|finding| finding != "ok").collect())
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer.map_err(Fault::into_answer),
            Err(_) => Err(StoreError::Unavailable("the check broke off".into())),
        }
    }

    /// Puts a command in line.
    fn command<T, F>(&self, weight: usize, act: F) -> Reply<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Ledger) -> Result<T, Fault> + Send + 'static,
    {
        self.reply(self.0.line.submit(weight, false, act))
    }

    /// Puts a command in line that frees space.
    fn freeing<T, F>(&self, act: F) -> Reply<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Ledger) -> Result<T, Fault> + Send + 'static,
    {
        self.reply(self.0.line.submit(0, true, act))
    }

    fn reply<T: Send + 'static>(&self, receiver: oneshot::Receiver<Result<T, StoreError>>) -> Reply<T> {
        let health = self.0.health.clone();
        Box::pin(async move {
            match receiver.await {
                Ok(answer) => answer,
                Err(_) => Err(why_stopped(&health)),
            }
        })
    }

    /// Reads in a snapshot, beside the writer, for a guest or an attempt.
    async fn read<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.look(self.0.quick.as_ref(), act).await
    }

    /// The same for a list.
    async fn list<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.look(self.0.slow.as_ref(), act).await
    }

    async fn look<T, F>(&self, readers: Option<&Readers>, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let Some(readers) = readers else {
            let mut act = Some(act);
            let once = || StoreError::Unavailable("it was read already".into());
            return self.command(0, move |ledger| act.take().ok_or_else(once)?(&ledger.conn)).await;
        };
        readers.read(act).await
    }
}

fn why_stopped(health: &watch::Receiver<Health>) -> StoreError {
    StoreError::Stopped(match &*health.borrow() {
        Health::Failed(why) => why.clone(),
        Health::Working | Health::Closed => "it was closed".into(),
    })
}

#[cfg(test)]
mod tests;
