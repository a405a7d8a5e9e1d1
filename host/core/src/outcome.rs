//! How an attempt ended. Exactly one per attempt; a guest's failure is data, never our error.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Output;
use crate::limits::Limit;

/// Why the handler did not handle the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of error, such as `TypeError`; `rejected` when the handler rejected the event,
    /// `non-determinism` when a repeated attempt asked for something else than before.
    pub name: String,
    /// One sentence for a person.
    pub message: String,
    /// Stack trace, one frame per line, innermost first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// Whether a later attempt may succeed.
    pub retryable: bool,
    /// Not again before this has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

/// The clock that ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeLimit {
    /// `limits.timeout`
    Timeout,
    /// `limits.cpu`
    Cpu,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The handler answered.
    Succeeded {
        /// What it answered, if anything.
        output: Option<Output>,
    },
    /// The handler said so, or the SDK caught an exception.
    Failed(Failure),
    /// The guest trapped: a panic, an abort, a bad pointer.
    Trapped {
        /// The guest's own last words if it left any, else the engine's name of the trap.
        message: String,
        /// Frames of the guest, innermost first.
        frames: Vec<String>,
    },
    /// The attempt took too long.
    OutOfTime {
        /// Which clock.
        limit: TimeLimit,
        /// What it allowed.
        allowed: Duration,
    },
    /// The attempt asked for more memory than it may have.
    OutOfMemory {
        /// `limits.memory`, in bytes.
        limit_bytes: u64,
        /// What it would have had with the refused request, in bytes.
        wanted_bytes: u64,
    },
    /// The attempt used up a budget of calls or bytes.
    OverBudget {
        /// Which.
        limit: Limit,
        /// What it allowed.
        allowed: u64,
    },
    /// A call may have happened, and the attempt then ended badly: a person decides.
    InDoubt {
        /// The call's number.
        call: u32,
        /// What it was and what came back.
        what: String,
    },
    /// A person, or the host at its end, called it off.
    Cancelled,
    /// A connection let no call through: the run comes back to it. Uses up no attempt.
    Held {
        /// Which.
        connection: String,
        /// When to come back.
        back_in: Duration,
        /// Why.
        why: String,
    },
    /// Ours: store, disk, shutdown, a panic in the host. Uses up no attempt.
    HostFault {
        /// For the operator.
        message: String,
        /// The host panicked: the run is a suspect.
        panicked: bool,
    },
}

impl Outcome {
    /// The closed set of labels, in the order a person would list them.
    pub const LABELS: [&'static str; 10] = [
        "succeeded",
        "failed",
        "trapped",
        "out-of-time",
        "out-of-memory",
        "over-budget",
        "in-doubt",
        "cancelled",
        "held",
        "host-fault",
    ];

    /// Its word: the same in the database, the API, the command line and metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "succeeded",
            Self::Failed(_) => "failed",
            Self::Trapped { .. } => "trapped",
            Self::OutOfTime { .. } => "out-of-time",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::OverBudget { .. } => "over-budget",
            Self::InDoubt { .. } => "in-doubt",
            Self::Cancelled => "cancelled",
            Self::Held { .. } => "held",
            Self::HostFault { .. } => "host-fault",
        }
    }

    /// Whether the guest ended the attempt (well or badly), as opposed to the host or a person.
    ///
    /// Decides what a retry replays: after the guest's own ending the journal is cut, after an
    /// interruption it is served whole.
    #[must_use]
    pub const fn by_guest(&self) -> bool {
        !matches!(self, Self::Cancelled | Self::Held { .. } | Self::HostFault { .. })
    }

    /// One sentence: what happened, the limit and its setting.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Succeeded { .. } => "succeeded".into(),
            Self::Failed(f) => format!("{}: {}", f.name, f.message),
            Self::Trapped { message, .. } => message.clone(),
            Self::OutOfTime { limit: TimeLimit::Timeout, allowed } => {
                format!("ran longer than {allowed:?} (limits.timeout)")
            }
            Self::OutOfTime { limit: TimeLimit::Cpu, allowed } => {
                format!("used more than {allowed:?} of CPU (limits.cpu)")
            }
            Self::OutOfMemory { limit_bytes, wanted_bytes } => format!(
                "asked for {} MiB of memory; the limit is {} MiB (limits.memory)",
                wanted_bytes.div_ceil(1 << 20),
                limit_bytes >> 20
            ),
            Self::OverBudget { limit, allowed } => {
                format!("more than {allowed} {limit} ({})", limit.setting())
            }
            Self::InDoubt { call, what } => format!("call {call} may have happened: {what}"),
            Self::Cancelled => "cancelled".into(),
            Self::Held { connection, why, .. } => {
                format!("held: connection `{connection}` lets no call through for now: {why}")
            }
            Self::HostFault { message, .. } => message.clone(),
        }
    }
}

/// What an attempt used, for metrics and the run page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// From the first instruction to the outcome.
    pub wall: Duration,
    /// CPU of the guest and of the host functions it waited for without suspending.
    pub cpu: Duration,
    /// Making the instance.
    pub start: Duration,
    /// The most memory it had, in bytes.
    pub memory_peak_bytes: u64,
    /// Calls that reached the hatch, served from the journal ones included.
    pub calls: u32,
    /// Of these, those answered from the journal.
    pub replayed: u32,
    /// Bytes of request bodies sent out.
    pub sent_bytes: u64,
    /// Bytes of response bodies received.
    pub received_bytes: u64,
}
