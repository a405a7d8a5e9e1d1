//! Dead letters: what people do with them, one by one and in bulk.
//!
//! - S95 A dead letter resumed on another version is that version's from then on, with its needs; id,
//!   journal and keys stay.
//! - S96 Started fresh, a dead letter is put away and a new run of the same event takes its place, in one
//!   transaction. A repeated request is answered with the same run.
//! - S97 What one request asks for is done for all its runs or for none, once.
//! - S98 A job is stored once per request. A step's runs and its progress are one transaction: after a
//!   crash the job goes on behind the last step that was stored, and no run is taken twice.
//! - S99 A run that a step cannot take (it is no dead letter any more, say) is counted as skipped, and
//!   the others go on.
//!
//! Not here: which version is meant and at what pace (see [`crate::bulk`]).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::queue::Needs;
use super::{Reply, StoreError};
use crate::clock::Timestamp;
use crate::ids::{ComponentName, EnvironmentName, IntegrationName, RunId, VersionNumber};
use crate::order::Order;
use crate::run::RunSummary;

/// The version that a run is to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Onto {
    /// Its number. The version is stored and has the run's component.
    pub version: VersionNumber,
    /// What an attempt of it needs.
    pub needs: Needs,
}

/// What is done with a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is attempted again: same run, same journal, same keys.
    Resume {
        /// On another version than its own.
        onto: Option<Onto>,
    },
    /// It is put away.
    Discard,
    /// It is put away, and its event becomes a new run.
    Fresh {
        /// The new run.
        id: RunId,
        /// Its version.
        onto: Onto,
        /// How its trigger orders runs in that version.
        order: Option<Order>,
    },
}

/// What was done with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acted {
    /// The dead letter.
    pub run: RunId,
    /// The run that took its place.
    pub fresh: Option<RunId>,
}

/// The verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// See [`Act::Resume`].
    Resume,
    /// See [`Act::Discard`].
    Discard,
    /// See [`Act::Fresh`].
    Fresh,
}

impl Verb {
    /// Its word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Discard => "discard",
            Self::Fresh => "fresh",
        }
    }
}

/// Which dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadFilter {
    /// In this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Of this integration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationName>,
    /// Of this component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentName>,
    /// Whose reason holds this text, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Dead at this moment or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Dead at this moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// The version that somebody wishes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionWish {
    /// The one that is active when it comes to it.
    Active,
    /// This one.
    Number(VersionNumber),
}

impl std::str::FromStr for VersionWish {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<VersionNumber>() {
            Ok(number) if number > 0 => Ok(Self::Number(number)),
            _ if text == "active" => Ok(Self::Active),
            _ => Err(format!("`{}` is no version: write its number, or `active`", crate::ids::shown(text))),
        }
    }
}

impl std::fmt::Display for VersionWish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Active => f.write_str("active"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// It goes on.
    Running,
    /// It is through.
    Done,
    /// A person stopped it.
    Stopped,
}

/// Something that is done with many dead letters, by the host itself, at a rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The id of the request that asked for it.
    pub request: String,
    /// What is done.
    pub verb: Verb,
    /// With which.
    pub filter: DeadFilter,
    /// On which version; none for each run's own (a fresh one: the active one).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionWish>,
    /// So many runs a minute.
    pub per_minute: u32,
    /// The name of the token that asked.
    pub who: String,
    /// When. What became a dead letter later is not concerned.
    pub asked: Timestamp,
    /// Where it is.
    pub state: JobState,
    /// How many runs it concerned when it was asked for.
    pub total: u64,
    /// How many were taken.
    pub done: u64,
    /// How many could not be.
    pub skipped: u64,
    /// The last run it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<RunId>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Why the last run that was skipped was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One step of a job.
#[derive(Clone, Debug)]
pub struct Step {
    /// Whose.
    pub request: String,
    /// What is done with which run.
    pub acts: Vec<(RunId, Act)>,
    /// Runs that nothing can be done with, and why not.
    pub skipped: Vec<(RunId, String)>,
    /// The last run of the step; none if there was none left.
    pub cursor: Option<RunId>,
}

/// See the module.
#[async_trait]
pub trait DeadLetterStore: Send + Sync {
    /// Does something with dead letters, in the name of `who`. All acts are of one verb.
    ///
    /// # Errors
    ///
    /// `Missing` or `Conflict` for the first run that is not a dead letter, `QueueFull`: nothing is done then.
    fn act(&self, request: String, who: String, acts: Vec<(RunId, Act)>) -> Reply<Vec<Acted>>;

    /// Stores a job; one of the same request is answered as it is now.
    ///
    /// # Errors
    ///
    /// `DiskFull`, `Unavailable`, `Stopped`.
    fn add_job(&self, job: Job) -> Reply<Job>;

    /// Carries out a step of a job that runs; one without a cursor is its last.
    ///
    /// # Errors
    ///
    /// `Missing`; `Conflict` if it does not run any more; `QueueFull`: nothing of the step was done, come back.
    fn step_job(&self, step: Step) -> Reply<Job>;

    /// Stops a job. One that is over stays as it is.
    ///
    /// # Errors
    ///
    /// `Missing`.
    fn stop_job(&self, request: String) -> Reply<Job>;

    /// Jobs, newest first; with `open` only those that run.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn jobs(&self, open: bool, limit: u32) -> Result<Vec<Job>, StoreError>;

    /// A job.
    ///
    /// # Errors
    ///
    /// `Missing`.
    async fn job(&self, request: &str) -> Result<Job, StoreError>;

    /// Dead letters, oldest first, behind `after`.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn dead_letters(
        &self,
        filter: &DeadFilter,
        after: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<RunSummary>, StoreError>;

    /// How many there are.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn count_dead(&self, filter: &DeadFilter) -> Result<u64, StoreError>;
}
