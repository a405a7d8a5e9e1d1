//! A run: one event to be handled by one component version. It owns attempts and a journal.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::event::{Event, Output};
use crate::ids::{ComponentName, EnvironmentName, IntegrationName, RunId, Scope, TriggerName, VersionNumber};
use crate::journal::CallSummary;
use crate::outcome::Usage;

/// Where a run is. The same words in the database, the API, the command line and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Due, or due soon, for the first time or after the host gave it back.
    Queued,
    /// In an attempt.
    Running,
    /// For its next attempt.
    Waiting,
    /// Parked: a call may have happened, a person decides.
    NeedsDecision,
    /// Final.
    Succeeded,
    /// Final unless resumed: it will not be attempted again on its own.
    DeadLettered,
    /// Final.
    Cancelled,
    /// Final: a dead letter a person put away.
    Discarded,
}

impl RunState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::NeedsDecision,
        Self::Succeeded,
        Self::DeadLettered,
        Self::Cancelled,
        Self::Discarded,
    ];

    /// Its word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::NeedsDecision => "needs-decision",
            Self::Succeeded => "succeeded",
            Self::DeadLettered => "dead-lettered",
            Self::Cancelled => "cancelled",
            Self::Discarded => "discarded",
        }
    }

    /// Whether nothing more happens to it by itself or by a decision. A dead letter counts.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::DeadLettered | Self::Cancelled | Self::Discarded)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

impl FromStr for RunState {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|state| state.label() == s).ok_or_else(|| {
            let words: Vec<_> = Self::ALL.iter().map(|s| s.label()).collect();
            format!("`{}` is not a state; states are {}", crate::ids::shown(s), words.join(", "))
        })
    }
}

/// The component of a version that handles a run, where, and what started it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The environment.
    pub environment: EnvironmentName,
    /// The integration.
    pub integration: IntegrationName,
    /// The version that accepted the event; the run is pinned to it.
    pub version: VersionNumber,
    /// The component.
    pub component: ComponentName,
    /// The trigger; `manual` for a run somebody started by hand.
    pub trigger: TriggerName,
}

impl Target {
    /// The integration in its environment.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { environment: self.environment.clone(), integration: self.integration.clone() }
    }
}

/// A run as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub id: RunId,
    /// What handles it.
    #[serde(flatten)]
    pub target: Target,
    /// Where it is.
    pub state: RunState,
    /// When the event was on disk.
    pub accepted: Timestamp,
    /// When it is due next, while it is `queued` or `waiting`.
    pub due: Option<Timestamp>,
    /// When it became final.
    pub finished: Option<Timestamp>,
    /// Attempts begun.
    pub attempts: u32,
    /// How the last attempt ended.
    pub last_outcome: Option<String>,
    /// Why it is where it is, for a person.
    pub reason: Option<String>,
    /// The event's id.
    pub event_id: String,
    /// What the event is about, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_subject: Option<String>,
}

/// An ended attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Counted from 1.
    pub number: u32,
    /// When it began.
    pub started: Timestamp,
    /// When its outcome was known.
    pub ended: Timestamp,
    /// The outcome's word.
    pub outcome: String,
    /// One sentence.
    pub reason: Option<String>,
    /// Frames or a stack, one per line.
    pub stack: Option<String>,
    /// What it used.
    pub usage: Usage,
    /// The last call that was refused for want of a grant.
    pub refused: Option<String>,
    /// Its calls, in the guest's order; the first 200.
    #[serde(default)]
    pub calls: Vec<CallSummary>,
}

/// A run with all that is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunDetail {
    /// As lists show it.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// The event; absent once retention or `redact` removed it.
    pub event: Option<Event>,
    /// What the handler answered.
    pub output: Option<Output>,
    /// Its attempts, oldest first.
    pub attempts_made: Vec<AttemptRecord>,
    /// What people decided over its calls in doubt, oldest first.
    pub decisions: Vec<DecisionRecord>,
    /// The run that took its place, if it was started fresh.
    pub fresh: Option<RunId>,
}

/// What a person decided over a call in doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// When.
    pub at: Timestamp,
    /// The name of the token.
    pub who: String,
    /// `retry`, `skip` or `fail`.
    pub decision: String,
    /// The call; none if the decision was about all that were in doubt.
    pub call: Option<u32>,
    /// What the call was, or were.
    pub what: String,
    /// The result that was given for it, as the run page shows results.
    pub result: Option<String>,
}
