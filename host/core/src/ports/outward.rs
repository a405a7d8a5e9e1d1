//! What calls on connections have in common: what a connector is given beside the call, and how it can fail.
//!
//! Not here: `http`, whose failures are told by status; see [`super::http`].

use std::time::Duration;

/// What a connector is given beside the call itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The call's idempotency key: the same however often it is made. Letters and digits.
    pub key: String,
    /// The whole call ends within this.
    pub timeout: Duration,
    /// The most bytes of an answer, counted as they arrive.
    pub answer_bytes: u64,
    /// The most rows of an answer, counted as they arrive.
    pub answer_rows: u32,
}

/// Why a call has no answer, as the connector saw it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The address policy refused the destination; nothing was sent.
    #[error("{0}")]
    Denied(String),
    /// It cannot be sent as it is; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// It was not carried out, and may be later: nobody there, no way in, too busy.
    #[error("{0}")]
    NotExecuted(String),
    /// The other side refused it, and will again; it was not carried out.
    #[error("{message}")]
    Refused {
        /// The other side's own code; empty if it has none.
        code: String,
        /// In its words.
        message: String,
    },
    /// It was undone because of others, or because it did not do what was expected.
    #[error("{0}")]
    Conflict(String),
    /// It was sent, and no whole answer came: cut, reset, time over. It may have been carried out.
    #[error("{message}")]
    Broken {
        /// What happened.
        message: String,
        /// It was the time.
        timed_out: bool,
    },
    /// More than may be sent or received. If `sent`, it was carried out, and the answer is what is too large.
    #[error("{message}")]
    TooLarge {
        /// The limit, the value and the setting.
        message: String,
        /// Whether it may have been carried out.
        sent: bool,
    },
}
