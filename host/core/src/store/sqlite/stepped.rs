//! The writer by hand: the same store over a database in memory, whose writer works when it is told to.
//!
//! For the simulation and for tests of what happens between two commits. Nothing of what the store
//! decides is here: only its thread, its files and the readers beside the writer are left out.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use super::fault::Fault;
use super::ledger::Ledger;
use super::reserve::Reserve;
use super::writer::{Counters, Health, Line, Order, Writer, refuse};
use super::{Inner, OpenError, SqliteOptions, SqliteStore, journal, migrate, open};
use crate::ids::RunId;
use crate::journal::Chunk;
use crate::store::StoreError;

const AWAY: &str = "it is only away within a reboot";

/// How a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// On disk, and everybody is told.
    Done,
    /// It fails: nothing of it is on disk, and everybody is told.
    Refused,
    /// On disk, and nobody is told: whoever asked cannot know.
    Unanswered,
}

/// See the module. Outlives the processes that use the store, as a disk does.
pub struct ByHand {
    /// Always there but within [`ByHand::reboot`].
    writer: Option<Writer>,
    options: Arc<SqliteOptions>,
    failing: Arc<AtomicBool>,
}

impl SqliteStore {
    /// An empty store in memory. `bell` is rung whenever something is put in line.
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::open`], but for files.
    pub fn by_hand(
        options: SqliteOptions,
        bell: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Self, ByHand), OpenError> {
        let mut conn = Connection::open_in_memory()?;
        conn.set_prepared_statement_cache_capacity(256);
        conn.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;")?;
        migrate::migrate(&mut conn, migrate::ALL, options.clock.now())?;
        let failing = Arc::new(AtomicBool::new(false));
        let fails = Arc::clone(&failing);
        conn.commit_hook(Some(move || fails.load(Ordering::SeqCst)))?;
        let options = Arc::new(options);
        let (line, inbox) = Line::new(Some(Box::new(bell)));
        let (health, watching) = watch::channel(Health::Working);
        let counters = Arc::new(Counters::default());
        let writer = Writer {
            ledger: Ledger::load(conn, Arc::clone(&options))?,
            inbox,
            reserve: Reserve::none(),
            health,
            counters: Arc::clone(&counters),
            lock: None,
            parked: VecDeque::new(),
            returned: Vec::new(),
            upkeep_at: None,
            carried: 0,
        };
        let store = Self(Arc::new(Inner {
            line,
            health: watching,
            counters,
            quick: None,
            slow: None,
            options: Arc::clone(&options),
            file: PathBuf::new(),
        }));
        Ok((store, ByHand { writer: Some(writer), options, failing }))
    }
}

impl ByHand {
    /// Carries out what is in line, in one transaction, and hands due runs to whoever waits for them.
    ///
    /// # Panics
    ///
    /// The store stopped by itself: in memory it has no reason to.
    pub fn step(&mut self, commit: Commit) {
        let failing = Arc::clone(&self.failing);
        let writer = self.writer();
        let (mut orders, mut closed) = (Vec::new(), None);
        let first = writer.inbox.receiver.try_recv().ok();
        writer.take(first, &mut orders, &mut closed);
        writer.counters.commands.fetch_add(orders.len() as u64, Ordering::Relaxed);
        writer.ledger.now = writer.ledger.options.clock.now();
        failing.store(commit == Commit::Refused, Ordering::SeqCst);
        let active = !orders.is_empty();
        let done = match commit {
            Commit::Unanswered => unanswered(writer, orders),
            Commit::Done | Commit::Refused => writer.batch(orders),
        };
        failing.store(false, Ordering::SeqCst);
        let writer = self.writer();
        done.and_then(|()| if active { writer.forget() } else { Ok(()) }).expect("memory does not fail");
    }

    /// How long the writer would wait for a command before it looks at the clock; for ever if nobody
    /// waits for a run.
    pub fn patience(&mut self) -> Option<Duration> {
        self.writer().patience()
    }

    /// Lets the database grow no further, as a full disk does, or lets it grow again.
    ///
    /// # Panics
    ///
    /// The database does not answer.
    pub fn set_full(&mut self, full: bool) {
        let conn = &self.writer().ledger.conn;
        let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("memory does not fail");
        let most = if full { pages } else { 1 << 30 };
        conn.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(())).expect("memory does not fail");
    }

    /// The journals of all runs that are not final, as they are on disk.
    ///
    /// # Panics
    ///
    /// One does not read.
    #[must_use]
    pub fn journals(&self) -> Vec<(RunId, Vec<Chunk>)> {
        let conn = &self.writer.as_ref().expect(AWAY).ledger.conn;
        let read = || -> Result<Vec<_>, Fault> {
            let mut select = conn.prepare_cached("SELECT run FROM queue ORDER BY run")?;
            let runs: Vec<[u8; 16]> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let chunks = |run| Ok((run, journal::load(conn, run)?));
            runs.into_iter().map(|run| chunks(RunId::from_bytes(run))).collect()
        };
        read().unwrap_or_else(|fault| panic!("{:?}", fault.into_answer()))
    }

    /// How many runs wait, are in an attempt, and are parked.
    #[must_use]
    pub fn open_runs(&self) -> (u64, u64, u64) {
        let scopes = self.writer.as_ref().expect(AWAY).ledger.ready.scopes();
        scopes.fold((0, 0, 0), |sum, (_, count)| (sum.0 + count.ready, sum.1 + count.running, sum.2 + count.parked))
    }

    /// The process that used the store is gone and the next one opens it: what was in line and what was
    /// in memory is lost, what is committed is not. `marked`: it died of a signal that a guest may have
    /// caused.
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::open`], but for files.
    pub fn reboot(&mut self, marked: bool) -> Result<(), OpenError> {
        let writer = self.writer.take().expect("it is put back below");
        while writer.inbox.receiver.try_recv().is_ok() {}
        let Writer { ledger, inbox, reserve, health, counters, lock, .. } = writer;
        let mut ledger = Ledger::load(ledger.conn, Arc::clone(&self.options))?;
        open::take_over(&mut ledger, marked)?;
        let (parked, returned, upkeep_at, carried) = (VecDeque::new(), Vec::new(), None, 0);
        self.writer =
            Some(Writer { ledger, inbox, reserve, health, counters, lock, parked, returned, upkeep_at, carried });
        Ok(())
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().expect(AWAY)
    }
}

/// As [`Writer::batch`], but that the answers to what was carried out are lost.
fn unanswered(writer: &mut Writer, mut orders: Vec<Order>) -> Result<(), String> {
    match writer.transaction(&mut orders) {
        Ok(answered) => {
            refuse(orders, &StoreError::Unavailable("the answer was lost".into()));
            writer.hand_out(answered);
            Ok(())
        }
        // Nothing was done, and what is told of it is the truth.
        Err(_) => {
            refuse(orders, &StoreError::Unavailable("the store was not reached".into()));
            Ok(())
        }
    }
}
