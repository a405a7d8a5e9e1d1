//! Objects in storage: what a guest reads and writes.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::outward::{Failure, Sending};
use crate::event::Attributes;

/// A call. Names are as the guest gave them, checked: not empty, at most 1,024 bytes, no control character, no
/// empty part and no `.` or `..` between slashes, no slash at either end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobCall {
    /// What is known of an object.
    Stat(String),
    /// Its bytes, or a part of them.
    Get {
        /// Of which.
        name: String,
        /// The part: where it begins, and how long it is at most, in bytes.
        range: Option<(u64, u32)>,
    },
    /// Writes an object, over an earlier one.
    Put(Object),
    /// Removes an object, if it is there.
    Remove(String),
    /// Lists objects, by name in ascending order.
    List {
        /// Their names start with this; may be empty, and need not end at a slash.
        prefix: String,
        /// Where an earlier page ended.
        cursor: Option<String>,
        /// The most of them.
        limit: u32,
    },
}

impl BlobCall {
    /// The object it is about, or the prefix, and whether it writes.
    #[must_use]
    pub fn place(&self) -> (&str, bool) {
        match self {
            Self::Stat(name) | Self::Get { name, .. } => (name, false),
            Self::List { prefix, .. } => (prefix, false),
            Self::Put(object) => (&object.name, true),
            Self::Remove(name) => (name, true),
        }
    }
}

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// What the data is.
    pub content_type: Option<String>,
    /// The user's own.
    pub metadata: Attributes,
    /// The data.
    pub data: ByteBuf,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectInfo {
    /// Its name.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// What it is said to be.
    pub content_type: Option<String>,
    /// RFC 3339, UTC.
    pub modified: String,
    /// Changes when the content changes. Opaque.
    pub etag: String,
    /// The user's own; empty in a list.
    pub metadata: Attributes,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobDone {
    /// To `stat`.
    Info(Option<ObjectInfo>),
    /// To `get`.
    Data(Option<ByteBuf>),
    /// To `put`: the etag.
    Written(String),
    /// To `remove`.
    Removed,
    /// To `list`.
    Page {
        /// What was found.
        objects: Vec<ObjectInfo>,
        /// Where to go on; none on the last page.
        next: Option<String>,
    },
}

/// Why a call failed, in the words of the WIT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "error", content = "text")]
pub enum BlobError {
    /// No grant; the text is the line to add. Never recorded.
    AccessDenied(String),
    /// The name or the range is not valid.
    Invalid(String),
    /// The storage does not do it.
    Refused(String),
    /// It cannot be reached.
    Unavailable(String),
    /// More than a call can carry.
    TooLarge(String),
}

/// What the guest receives; what the journal keeps.
pub type BlobAnswer = Result<BlobDone, BlobError>;

/// An opened storage connection.
#[async_trait]
pub trait Blob: Send + Sync {
    /// Its time limit for a call.
    fn timeout(&self) -> Duration;

    /// Makes the call. A `get` of an object that is larger than `with.answer_bytes` is `TooLarge`, before it is read.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    async fn run(&self, call: &BlobCall, with: &Sending) -> Result<BlobDone, Failure>;
}
