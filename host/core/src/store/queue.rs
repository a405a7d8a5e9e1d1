//! The durable queue: what was accepted, who owns it, how it ended.
//!
//! - S1 `accept` is durable when it answers; a batch is accepted whole or not at all.
//! - S2 An event accepted before under the same (environment, integration, trigger, source, id) is
//!   answered with the first run, for seven days, whatever became of that run.
//! - S3 A run claimed by one owner is not handed to another until that owner settled it or is gone
//!   (SQLite: a later boot; Postgres: the lease has ended).
//! - S4 Each claim has a higher fencing number than the one before; `settle`, and every journal
//!   append and kv write, of an older number answers `Superseded` and changes nothing.
//! - S5 Claims go round-robin over (environment, integration), then by due time. None is handed out
//!   that is not due, whose component already runs `concurrency` attempts, or that does not fit `room`.
//! - S6 A settled run is in the state that its ending says, with the attempt recorded and the journal
//!   kept or cut, all in one transaction.
//! - S7 At the cap of its queue (count or bytes) an integration's `accept` answers `QueueFull`, until
//!   it has drained to 80 %; others are not affected.
//! - S8 Runs that were in an attempt when the host died are suspects: each is claimed alone, with
//!   nothing else running. A death that left its mark while a run was alone counts against it, and at
//!   three it is dead-lettered as `crashed-host`; a death without a mark never is.
//! - S9 `resume` and `discard` are idempotent by request id. `resume` keeps run id, journal and keys.
//! - S10 Retention removes finished runs with their journals, events and attempts; never dead letters,
//!   parked runs, or what they need.
//! - S11 A wish to cancel a running run survives a restart: it is not attempted again.
//! - S15 A run that is held (a connection lets no call through) is `waiting`: no attempt was used up and
//!   none is recorded, and its journal stays whole.
//! - S14 A decision is kept with the run: when, whose, what. `skip` puts the given answer into the
//!   journal in the same transaction; while another call is in doubt the run stays parked.
//! - S12 An integration whose dead letters hold as many bytes as they may is answered `QueueFull` until
//!   some were resumed or discarded; others are not affected.
//! - S13 Of the runs of one ordering key (in an environment, integration and trigger) one is claimed at a time, in the
//!   order in which they were accepted, or became due if they were to be delayed. One that was claimed goes on first:
//!   while it waits for its next attempt or for a person, no other is. A dead letter leaves its place, unless it is to
//!   block: then no other of its key is claimed until it is resumed, and over, or discarded.
//! - S16 `accept_heard` stores runs and the trigger's cursor in one transaction; one that nobody can handle is a dead
//!   letter at once, with its event, and does not hold up the others.
//!
//! Not here: when a run is tried again (see [`crate::retry`]); ownership across machines is the
//! backend's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Reply, StoreError};
use crate::clock::Timestamp;
use crate::event::{Event, Output};
use crate::ids::{EnvironmentName, IntegrationName, RunId, Scope, TriggerName};
use crate::journal::{Chunk, Cut};
use crate::order::InOrder;
use crate::run::{AttemptRecord, RunDetail, RunState, RunSummary, Target};

/// An event on its way to become a run.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The id it will have, unless it is a duplicate.
    pub id: RunId,
    /// What handles it.
    pub target: Target,
    /// The event.
    pub event: Arc<Event>,
    /// Whether (source, id) identifies the event: if not, it is never taken for a duplicate.
    pub dedupe: bool,
    /// What an attempt needs of the host.
    pub needs: Needs,
    /// Not before.
    pub due: Timestamp,
    /// Runs of the same trigger and key run one after the other.
    pub order: Option<InOrder>,
}

/// What a trigger heard from another system.
#[derive(Clone, Debug)]
pub struct HeardRun {
    /// The run.
    pub run: NewRun,
    /// Why it can be handled by nobody: it becomes a dead letter at once.
    pub unfit: Option<String>,
}

/// Where a trigger goes on from, in the other system's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCursor {
    /// Where.
    pub scope: Scope,
    /// The trigger.
    pub trigger: TriggerName,
    /// Opaque.
    pub cursor: String,
}

/// What an attempt needs of the host: the admission rules read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// `limits.memory`, reserved in full.
    pub memory_bytes: u64,
    /// `limits.concurrency` of the component.
    pub concurrency: u32,
}

/// What became of an offered event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is a run now.
    New(RunId),
    /// It was accepted before, as this run.
    Duplicate(RunId),
}

impl Accepted {
    /// The run, either way.
    #[must_use]
    pub const fn run(self) -> RunId {
        match self {
            Self::New(id) | Self::Duplicate(id) => id,
        }
    }
}

/// What the executor has free.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Attempts.
    pub slots: u32,
    /// Memory for guests.
    pub memory_bytes: u64,
}

/// Proof of ownership: what a write on a run's behalf must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The run.
    pub run: RunId,
    /// Grows with each claim.
    pub number: u64,
}

/// A run that one attempt may execute. Not `Clone`, and `settle` takes it by value: a claim is
/// settled once.
#[derive(Debug)]
pub struct Claim {
    /// Ownership.
    pub fence: Fence,
    /// What handles it.
    pub target: Target,
    /// The event.
    pub event: Arc<Event>,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// The number of this attempt, counted from 1; one released by the host is counted again.
    pub attempt: u32,
    /// Attempts that ended `failed`.
    pub failed: u32,
    /// Attempts that trapped or met a limit.
    pub hard: u32,
    /// Times the host released it, in a row.
    pub faults: u32,
    /// Whether earlier attempts may have left a journal.
    pub journaled: bool,
    /// What it was promised of the host.
    pub needs: Needs,
}

/// What becomes of the run, jitter already applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settle {
    /// Final.
    Succeeded,
    /// Final, unless resumed.
    DeadLettered {
        /// For a person.
        reason: String,
    },
    /// Final.
    Cancelled,
    /// `needs-decision`.
    Parked {
        /// For a person.
        reason: String,
    },
    /// `waiting`, until `due`.
    Waiting {
        /// When.
        due: Timestamp,
        /// The attempt trapped or met a limit, rather than failed.
        hard: bool,
    },
    /// `waiting` for a connection, until `due`; the attempt does not count and is not recorded.
    Held {
        /// When.
        due: Timestamp,
        /// For a person.
        reason: String,
    },
    /// `queued` again from `due`; the attempt does not count.
    Released {
        /// When.
        due: Timestamp,
        /// The host panicked: tried again alone.
        suspect: bool,
    },
}

/// What happens to the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalEnd {
    /// It stays, and this is added.
    Keep(Option<Chunk>),
    /// It is cut, so that what lies behind the last successful effect is made again.
    Cut(Cut),
}

/// An ended attempt and what follows.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The attempt.
    pub attempt: AttemptRecord,
    /// What the handler answered.
    pub output: Option<Output>,
    /// What becomes of the run.
    pub then: Settle,
    /// What becomes of the journal.
    pub journal: JournalEnd,
}

/// What a person says of a parked run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It did not happen, or may happen again: the call is made again, with the same key.
    Retry,
    /// It happened, or is to be taken as done: the run goes on with this result.
    Skip(Skipped),
    /// Give up: the run is dead-lettered.
    Fail,
}

impl Decision {
    /// Its word.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Skip(_) => "skip",
            Self::Fail => "fail",
        }
    }
}

/// The result that a person gives for a call in doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The call's number.
    pub call: u32,
    /// Encoded by its capability.
    pub answer: Vec<u8>,
    /// How the run page shows it.
    pub shown: String,
}

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// In this environment.
    pub environment: Option<EnvironmentName>,
    /// Of this integration.
    pub integration: Option<IntegrationName>,
    /// In this state.
    pub state: Option<RunState>,
    /// Older than this run: for the next page.
    pub before: Option<RunId>,
    /// At most so many, up to 1,000.
    pub limit: u32,
}

/// How many runs are where, of one integration in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    /// Which.
    pub scope: Scope,
    /// `queued` and `waiting`, due or not.
    pub queued: u64,
    /// In an attempt.
    pub running: u64,
    /// Parked.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
    /// Bytes of the events of queued and waiting runs.
    pub bytes: u64,
    /// When the oldest run that is due became due.
    pub oldest_due: Option<Timestamp>,
}

/// What retention may keep of succeeded, cancelled and discarded runs, per environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// At most so old.
    pub age: Duration,
    /// At most so many.
    pub runs: u64,
    /// At most so many bytes of events, outputs and journals.
    pub bytes: u64,
}

/// The durable queue. See the module for its promises.
#[async_trait]
pub trait RunQueue: Send + Sync {
    /// Stores events as runs.
    ///
    /// # Errors
    ///
    /// `QueueFull`, `DiskFull`, `Unavailable`, `Stopped`: nothing of the batch was stored.
    fn accept(&self, batch: Vec<NewRun>) -> Reply<Vec<Accepted>>;

    /// Stores what a trigger heard as runs, and where it goes on from.
    ///
    /// # Errors
    ///
    /// As [`RunQueue::accept`]: nothing was stored, and the cursor is where it was.
    fn accept_heard(&self, batch: Vec<HeardRun>, cursor: Option<SourceCursor>) -> Reply<Vec<Accepted>>;

    /// The last cursor of a trigger that hears from another system.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn source_cursor(&self, scope: &Scope, trigger: &TriggerName) -> Result<Option<String>, StoreError>;

    /// Waits until at least one run is due that fits `room`, and claims up to `room.slots`. Dropping
    /// the future gives back what it would have been handed.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Stopped`.
    fn claim(&self, room: Room) -> Reply<Vec<Claim>>;

    /// Ends an attempt. Gives the state the run is in now.
    ///
    /// # Errors
    ///
    /// `Superseded`: drop the work. `DiskFull`, `Unavailable`: the claim stays; settle again with the
    /// fence. `Stopped`.
    fn settle(&self, fence: Fence, ending: Ending) -> Reply<RunState>;

    /// Cancels a run: at once if it is not running; else the wish is stored and answered with
    /// `Running`, and whoever runs the attempt must stop it.
    ///
    /// # Errors
    ///
    /// `Missing`; `Conflict` if it is final.
    fn cancel(&self, run: RunId) -> Reply<RunState>;

    /// Decides over a parked run, in the name of `who`.
    ///
    /// # Errors
    ///
    /// `Missing`; `Conflict` if it is not parked, or the call is not in doubt.
    fn decide_as(&self, run: RunId, decision: Decision, who: String) -> Reply<RunState>;

    /// The same, in nobody's name.
    ///
    /// # Errors
    ///
    /// As `decide_as`.
    fn decide(&self, run: RunId, decision: Decision) -> Reply<RunState> {
        self.decide_as(run, decision, String::new())
    }

    /// Queues dead letters again. Answers how many were; a repeated `request` is answered as before.
    ///
    /// # Errors
    ///
    /// `Missing` or `Conflict` for the first run that is not a dead letter: none is resumed then.
    fn resume(&self, request: String, runs: Vec<RunId>) -> Reply<u64>;

    /// Puts dead letters away.
    ///
    /// # Errors
    ///
    /// As `resume`.
    fn discard(&self, request: String, runs: Vec<RunId>) -> Reply<u64>;

    /// One run, whole.
    ///
    /// # Errors
    ///
    /// `Missing`.
    async fn run(&self, run: RunId) -> Result<RunDetail, StoreError>;

    /// Runs, newest first.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunSummary>, StoreError>;

    /// The run ids that start with `prefix` (as a person types it), at most `limit`.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn runs_starting_with(&self, prefix: &str, limit: u32) -> Result<Vec<RunId>, StoreError>;

    /// How many runs are where.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn depths(&self) -> Result<Vec<Depth>, StoreError>;

    /// Removes what retention does not keep, in small transactions, and gives the space back.
    /// Answers how many runs went.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Stopped`.
    async fn retain(&self, retention: Retention) -> Result<u64, StoreError>;

    /// Something may have become due that a clock, not a command, made due: look again. For tests
    /// with a fake clock, and after the wall clock jumped.
    fn wake(&self);
}
