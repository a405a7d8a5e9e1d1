//! Notices: that a run of an integration was dead-lettered or parked, to be told outside.
//!
//! - S90 Where an environment has somewhere to tell it, a run that becomes a dead letter by itself, or is
//!   parked, is noted in the transaction that makes it so. Elsewhere nothing is noted.
//! - S91 There is one notice per integration and kind, however many runs it is about: it counts them and
//!   names the latest.
//! - S92 A notice that was told of `n` runs is about the others from then on, not before a pause has passed;
//!   one that could not be told stays as it is.
//! - S93 A notice holds no word of a guest: neither event data nor the text of a failure.
//!
//! Not here: how it is told (see [`crate::notify`]).

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Reply, StoreError};
use crate::clock::Timestamp;
use crate::ids::{ComponentName, ConnectionName, EnvironmentName, RunId, Scope};
use crate::run::RunState;

/// Runs of one integration are told of at most so often.
pub const PAUSE: Duration = Duration::from_secs(30);

/// Where the notices of an environment go: a request to a connection of the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyTarget {
    /// A connection of kind `http`.
    pub connection: ConnectionName,
    /// The path and query below its base URL.
    pub path: String,
}

/// A notice to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whose runs.
    pub scope: Scope,
    /// What became of them: `dead-lettered` or `needs-decision`.
    pub state: RunState,
    /// How many.
    pub count: u64,
    /// The latest.
    pub run: RunId,
    /// Its component.
    pub component: ComponentName,
    /// Why it is where it is.
    pub reason: String,
    /// Since when there was something to tell.
    pub since: Timestamp,
    /// Tries that failed.
    pub tries: u32,
    /// Where to tell it.
    pub target: NotifyTarget,
}

/// See the module.
#[async_trait]
pub trait NoticeStore: Send + Sync {
    /// Sets where the notices of an environment go; with none, nowhere, and what waits is forgotten.
    ///
    /// # Errors
    ///
    /// `Missing` environment.
    fn set_notify(&self, environment: EnvironmentName, target: Option<NotifyTarget>) -> Reply<()>;

    /// Where the notices of an environment go.
    ///
    /// # Errors
    ///
    /// `Missing` environment.
    async fn notify_target(&self, environment: &EnvironmentName) -> Result<Option<NotifyTarget>, StoreError>;

    /// The notices that are due.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn notices(&self, now: Timestamp) -> Result<Vec<Notice>, StoreError>;

    /// A notice was told.
    ///
    /// # Errors
    ///
    /// `DiskFull`, `Unavailable`, `Stopped`: it is told once more.
    fn told(&self, notice: Notice) -> Reply<()>;

    /// A notice could not be told: again at `due`.
    ///
    /// # Errors
    ///
    /// `DiskFull`, `Unavailable`, `Stopped`.
    fn not_told(&self, notice: Notice, problem: String, due: Timestamp) -> Reply<()>;
}
