//! A fault: how a stub server fails the next requests.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::Record;

/// What goes wrong, with which requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Only requests of this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only requests whose path starts with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// So many requests.
    #[serde(default = "once")]
    pub times: u32,
    /// What they meet.
    #[serde(flatten)]
    pub kind: Kind,
}

fn once() -> u32 {
    1
}

/// What a request meets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Kind {
    /// Another status.
    Status {
        /// Which.
        status: u16,
        /// `retry-after`, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// Whether the request is carried out all the same.
        #[serde(default)]
        done: bool,
    },
    /// The right answer, late.
    Slow {
        /// How late, in milliseconds.
        ms: u64,
    },
    /// Carried out; the answer breaks off in the middle of its body.
    Cut,
    /// The connection ends without an answer.
    Reset {
        /// Whether the request is carried out first.
        #[serde(default)]
        done: bool,
    },
    /// Carried out; nothing is ever answered.
    Silence,
}

impl Fault {
    /// A fault that the next request meets, whatever it is.
    #[must_use]
    pub fn next(kind: Kind) -> Self {
        Self { method: None, path: None, times: 1, kind }
    }

    /// Only for requests of this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.into());
        self
    }

    /// For so many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    pub(super) fn concerns(&self, request: &Record) -> bool {
        self.times > 0
            && self.method.as_ref().is_none_or(|method| *method == request.method)
            && self.path.as_ref().is_none_or(|path| request.path.starts_with(path))
    }
}

impl Kind {
    /// A status that was answered instead of carrying the request out.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None, done: false }
    }

    /// "Too many requests", with the time to stay away.
    #[must_use]
    pub const fn too_many(retry_after: Duration) -> Self {
        Self::Status { status: 429, retry_after: Some(retry_after.as_secs()), done: false }
    }

    pub(super) fn carries_out(&self) -> bool {
        match self {
            Self::Status { done, .. } | Self::Reset { done } => *done,
            Self::Slow { .. } | Self::Cut | Self::Silence => true,
        }
    }
}
