//! Keys and values: what a guest asks for and what it is answered.
//!
//! The store fills this port for our own kv (`default`), in one transaction with the journal.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// One call, its keys and sizes already checked by [`KvCall::check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KvCall {
    /// The value of a key.
    Get(String),
    /// The values of several keys, as they were at one moment.
    GetMany(Vec<String>),
    /// Writes a key.
    Set(Assignment),
    /// Removes a key.
    Remove(String),
    /// Lists keys.
    Keys {
        /// They start with this.
        prefix: String,
        /// From the page before.
        cursor: Option<String>,
        /// At most so many.
        limit: u32,
    },
    /// Adds to a counter.
    Increment(Addition),
    /// Writes a key if its version is the one given, or if it does not exist.
    CompareAndSet {
        /// What is expected.
        expected: Condition,
        /// The new value.
        value: ByteBuf,
        /// Its time to live, in seconds.
        ttl_seconds: Option<u32>,
    },
    /// All in order, or none.
    Batch(Vec<KvOperation>),
}

/// A write of a batch, or a condition on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KvOperation {
    /// Write a key.
    Set(Assignment),
    /// Remove a key.
    Remove(String),
    /// Add to a counter.
    Increment(Addition),
    /// Go on only if the key has this version.
    Check(Condition),
}

/// A key and its new value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The key.
    pub key: String,
    /// The value.
    pub value: ByteBuf,
    /// Its time to live, in seconds.
    pub ttl_seconds: Option<u32>,
}

/// A counter and what to add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addition {
    /// The key.
    pub key: String,
    /// What to add.
    pub by: i64,
}

/// A key and the version it must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The key.
    pub key: String,
    /// None: it must not exist.
    pub version: Option<String>,
}

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvEntry {
    /// The value.
    pub value: ByteBuf,
    /// Changes with every write of the key; opaque.
    pub version: String,
}

/// What a call is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KvValue {
    /// To `get`.
    Entry(Option<KvEntry>),
    /// To `get-many`.
    Entries(Vec<Option<KvEntry>>),
    /// To `set`.
    Done,
    /// To `remove`, `compare-and-set` and `batch`.
    Flag(bool),
    /// To `keys`.
    Page {
        /// In ascending order of their bytes.
        keys: Vec<String>,
        /// For the next page.
        next: Option<String>,
    },
    /// To `increment`.
    Sum(i64),
}

/// Why a call failed, in the words of the WIT. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "error", content = "text")]
pub enum KvError {
    /// No grant; the text is the line to add. Never recorded.
    #[error("{0}")]
    AccessDenied(String),
    /// It breaks a limit, or the value is not a counter.
    #[error("{0}")]
    Invalid(String),
    /// The quota is used up.
    #[error("{0}")]
    Quota(String),
    /// The store does not answer.
    #[error("{0}")]
    Unavailable(String),
}

/// What the guest receives; what the journal keeps.
pub type KvAnswer = Result<KvValue, KvError>;
