//! The ledger: the writer's connection and what it keeps in memory beside it.
//!
//! Memory follows the transaction: each change notes how it is undone, for a command's savepoint or
//! a whole batch that was rolled back. No SQL of a single command is here; see the files of its kind.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::SqliteOptions;
use super::fault::Fault;
use super::listeners::{Listeners, Own};
use super::names::Names;
use super::ready::{Entry, LineId, Ready, ScopeId};
use super::recent::Recent;
use crate::clock::Timestamp;
use crate::ids::RunId;

/// Counted per scope, kept on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) kv_bytes: i64,
    pub(super) dead: i64,
    pub(super) dead_bytes: i64,
}

/// Counted per environment, kept on disk: what retention looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) runs: i64,
    pub(super) bytes: i64,
}

enum Undo {
    Run(RunId, Option<Entry>),
    Tally(ScopeId, Tally),
    Kept(i64, Kept),
    Block(LineId, RunId, bool),
    Listeners((i64, ScopeId), Own),
}

/// See the module.
pub(super) struct Ledger {
    pub(super) conn: Connection,
    pub(super) options: Arc<SqliteOptions>,
    /// Of the batch under way.
    pub(super) now: Timestamp,
    pub(super) names: Names,
    pub(super) ready: Ready,
    pub(super) recent: Recent,
    /// Who hears events.
    pub(super) listeners: Listeners,
    /// The latest time at which a run was accepted or a place in line given: it does not go back with the clock.
    pub(super) latest: Timestamp,
    /// Scopes that met their cap and have not drained yet.
    pub(super) full: HashSet<ScopeId>,
    tallies: HashMap<ScopeId, Tally>,
    kept: HashMap<i64, Kept>,
    undo: Vec<Undo>,
    dirty_tallies: BTreeSet<ScopeId>,
    dirty_kept: BTreeSet<i64>,
    kv_version: i64,
    kv_version_dirty: bool,
}

impl Ledger {
    /// The ledger of an open, migrated database. Runs of an earlier boot are still as it left them.
    pub(super) fn load(conn: Connection, options: Arc<SqliteOptions>) -> Result<Self, Fault> {
        let mut ledger = Self {
            now: options.clock.now(),
            conn,
            options,
            names: Names::default(),
            ready: Ready::default(),
            recent: Recent::default(),
            listeners: Listeners::default(),
            latest: Timestamp::default(),
            full: HashSet::new(),
            tallies: HashMap::new(),
            kept: HashMap::new(),
            undo: Vec::new(),
            dirty_tallies: BTreeSet::new(),
            dirty_kept: BTreeSet::new(),
            kv_version: 0,
            kv_version_dirty: false,
        };
        ledger.names.load(&ledger.conn)?;
        ledger.listeners = Listeners::load(&ledger.conn)?;
        {
            let mut scopes = ledger.conn.prepare("SELECT id, kv_bytes, dead, dead_bytes FROM scopes")?;
            let mut rows = scopes.query([])?;
            while let Some(row) = rows.next()? {
                let tally = Tally { kv_bytes: row.get(1)?, dead: row.get(2)?, dead_bytes: row.get(3)? };
                ledger.tallies.insert(row.get(0)?, tally);
            }
            let mut environments = ledger.conn.prepare("SELECT id, kept_runs, kept_bytes FROM environments")?;
            let mut rows = environments.query([])?;
            while let Some(row) = rows.next()? {
                ledger.kept.insert(row.get(0)?, Kept { runs: row.get(1)?, bytes: row.get(2)? });
            }
            let mut version = ledger.conn.prepare("SELECT value FROM meta WHERE key = 'kv-version'")?;
            let mut rows = version.query([])?;
            if let Some(row) = rows.next()? {
                ledger.kv_version = i64::from_be_bytes(row.get(0)?);
            }
        }
        Ok(ledger)
    }

    /// Puts a run where `entry` says, or takes it away.
    pub(super) fn put(&mut self, run: RunId, entry: Option<Entry>) {
        let old = self.ready.put(run, entry);
        self.undo.push(Undo::Run(run, old));
    }

    /// A dead letter holds up its line, or does not any more.
    pub(super) fn block(&mut self, line: LineId, run: RunId, blocked: bool) {
        let old = self.ready.block(line, run, blocked);
        self.undo.push(Undo::Block(line, run, old));
    }

    /// Sets who hears events in a scope.
    pub(super) fn listen(&mut self, scope: (i64, ScopeId), own: Own) {
        let old = self.listeners.set(scope, own);
        self.undo.push(Undo::Listeners(scope, old));
    }

    /// What a scope has.
    pub(super) fn tally(&self, scope: ScopeId) -> Tally {
        self.tallies.get(&scope).copied().unwrap_or_default()
    }

    /// Sets what a scope has.
    pub(super) fn set_tally(&mut self, scope: ScopeId, tally: Tally) {
        let old = self.tallies.insert(scope, tally).unwrap_or_default();
        self.undo.push(Undo::Tally(scope, old));
        self.dirty_tallies.insert(scope);
    }

    /// Counts dead letters of a scope, and what they hold.
    pub(super) fn add_dead(&mut self, scope: ScopeId, by: i64, bytes: i64) {
        let tally = self.tally(scope);
        self.set_tally(scope, Tally { dead: tally.dead + by, dead_bytes: tally.dead_bytes + bytes, ..tally });
    }

    /// The scopes that have dead letters.
    pub(super) fn dead(&self) -> impl Iterator<Item = (ScopeId, i64)> + '_ {
        self.tallies.iter().filter(|(_, tally)| tally.dead > 0).map(|(scope, tally)| (*scope, tally.dead))
    }

    /// What an environment keeps of finished runs.
    pub(super) fn kept(&self, environment: i64) -> Kept {
        self.kept.get(&environment).copied().unwrap_or_default()
    }

    /// The environments.
    pub(super) fn environments(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.kept.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Counts finished runs of an environment.
    pub(super) fn add_kept(&mut self, environment: i64, runs: i64, bytes: i64) {
        let old = self.kept(environment);
        self.kept.insert(environment, Kept { runs: old.runs + runs, bytes: old.bytes + bytes });
        self.undo.push(Undo::Kept(environment, old));
        self.dirty_kept.insert(environment);
    }

    /// A version that no key of the store ever had.
    pub(super) fn next_kv_version(&mut self) -> i64 {
        self.kv_version += 1;
        self.kv_version_dirty = true;
        self.kv_version
    }

    /// How far memory is now, for [`Ledger::undo_to`].
    pub(super) fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Takes memory back to `mark`.
    pub(super) fn undo_to(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::Run(run, entry)) => drop(self.ready.put(run, entry)),
                Some(Undo::Tally(scope, tally)) => drop(self.tallies.insert(scope, tally)),
                Some(Undo::Kept(environment, kept)) => drop(self.kept.insert(environment, kept)),
                Some(Undo::Block(line, run, blocked)) => {
                    self.ready.block(line, run, blocked);
                }
                Some(Undo::Listeners(scope, own)) => drop(self.listeners.set(scope, own)),
                None => {}
            }
        }
    }

    /// Writes the counters that changed; part of every transaction that changed one.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        while let Some(scope) = self.dirty_tallies.pop_first() {
            let tally = self.tally(scope);
            self.conn
                .prepare_cached("UPDATE scopes SET kv_bytes = ?2, dead = ?3, dead_bytes = ?4 WHERE id = ?1")?
                .execute(params![scope, tally.kv_bytes, tally.dead, tally.dead_bytes])?;
        }
        while let Some(environment) = self.dirty_kept.pop_first() {
            let kept = self.kept(environment);
            self.conn
                .prepare_cached("UPDATE environments SET kept_runs = ?2, kept_bytes = ?3 WHERE id = ?1")?
                .execute(params![environment, kept.runs, kept.bytes])?;
        }
        if self.kv_version_dirty {
            self.conn
                .prepare_cached(
                    "INSERT INTO meta (key, value) VALUES ('kv-version', ?1)
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                )?
                .execute([self.kv_version.to_be_bytes()])?;
            self.kv_version_dirty = false;
        }
        Ok(())
    }

    /// The transaction is on disk.
    pub(super) fn committed(&mut self) {
        self.undo.clear();
        self.names.committed();
    }

    /// The transaction is gone.
    pub(super) fn rolled_back(&mut self) -> Result<(), Fault> {
        self.undo_to(0);
        self.dirty_tallies.clear();
        self.dirty_kept.clear();
        // Its event may not be on disk; what is there is read again.
        self.recent.clear();
        self.names.rolled_back(&self.conn)?;
        self.names.committed();
        Ok(())
    }
}
