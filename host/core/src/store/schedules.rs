//! How far each schedule is: the last instant that was dealt with, and what became of it.
//!
//! - S70 An instant becomes at most one run: `tick` moves the cursor over it and stores its run in one
//!   transaction, and only if the cursor is where the caller saw it and the timing the one it knows.
//! - S71 A cursor never moves back, whatever the clock does.
//! - S72 In its transaction a release gives a cursor, at its own time, to each schedule it adds; moves
//!   the cursor of one whose timing it changes up to its own time; takes away the cursor of one it
//!   removes; and leaves the others where they are.
//! - S73 While a run of the trigger is not final, a tick is recorded as skipped if its overlap is
//!   `skip`, and changes nothing if it is `queue`.
//! - S74 A tick that meets a full queue is recorded as skipped.
//! - S75 What was passed over since the last run is counted, and the last of it kept with its reason.
//!
//! Not here: which instants there are and which become runs (see [`crate::schedule`]).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::queue::NewRun;
use super::{Reply, StoreError};
use crate::clock::Timestamp;
use crate::ids::{RunId, Scope, TriggerName};
use crate::release::Overlap;

/// How far a schedule is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Where.
    pub scope: Scope,
    /// The trigger.
    pub trigger: TriggerName,
    /// See [`crate::release::TriggerKind::timing`].
    pub timing: String,
    /// Since when it is there, or has this timing.
    pub since: Timestamp,
    /// All instants up to here are dealt with.
    pub at: Timestamp,
    /// The last instant that became a run, and the run.
    pub fired: Option<(Timestamp, RunId)>,
    /// Instants after that one that became none.
    pub passed: u64,
    /// The last instant that became none, and why.
    pub skipped: Option<(Timestamp, Skip)>,
}

/// Why an instant became no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// The host got to it late, and the misfire policy passes over it.
    Late,
    /// An earlier run was not final.
    Overlap,
    /// The integration's queue was full.
    QueueFull,
}

impl Skip {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Late, Self::Overlap, Self::QueueFull];

    /// Its word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Overlap => "overlap",
            Self::QueueFull => "queue-full",
        }
    }
}

/// A step of a schedule: the instants in (`from`, `to`] are dealt with.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Where.
    pub scope: Scope,
    /// The trigger.
    pub trigger: TriggerName,
    /// The timing it was decided by.
    pub timing: String,
    /// Where the cursor was seen.
    pub from: Timestamp,
    /// Where it goes: an instant.
    pub to: Timestamp,
    /// What the instant `to` becomes; nothing if it is one of those passed over.
    pub run: Option<NewRun>,
    /// How many instants are passed over for being late, and the last of them.
    pub late: Option<(u64, Timestamp)>,
    /// Whether the run waits for earlier ones.
    pub overlap: Overlap,
}

/// What became of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticked {
    /// The instant is this run.
    Fired(RunId),
    /// It is none, and will not be one.
    Skipped(Skip),
    /// Nothing was changed: an earlier run is not final, and the tick is to wait.
    Waits,
    /// Nothing was changed: somebody else dealt with it, or the schedule is another one now.
    Stale,
}

/// See the module.
#[async_trait]
pub trait ScheduleStore: Send + Sync {
    /// Deals with an instant. Gives the cursor as it is then; none if there is none.
    ///
    /// # Errors
    ///
    /// `DiskFull`, `Unavailable`, `Stopped`: nothing was changed.
    fn tick(&self, tick: Tick) -> Reply<(Ticked, Option<Cursor>)>;

    /// Every cursor.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn cursors(&self) -> Result<Vec<Cursor>, StoreError>;
}
