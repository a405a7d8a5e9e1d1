//! Our own key-value store: `default`, shared by the components of an integration in an environment.
//!
//! - S30 A write and its journal record are one transaction; a superseded fence writes neither.
//! - S31 Keys of one (environment, integration) are seen by no other, whatever their text.
//! - S32 A value whose time is over is not there, for every operation.
//! - S33 `batch` does all or nothing; `check` compares versions; a version changes with every write.
//! - S34 What would exceed the quota answers `Quota` and changes nothing.

use async_trait::async_trait;

use super::queue::Fence;
use super::{Reply, StoreError};
use crate::ids::Scope;
use crate::journal::{ArgumentHash, Chunk, What};
use crate::ports::kv::{KvAnswer, KvCall};

/// The journal side of a write: the store adds the result's record to `chunk` (see
/// [`crate::journal::encode_result`]) and appends it in the same transaction.
#[derive(Clone, Debug)]
pub struct LocalCall {
    /// Begun with what was buffered.
    pub chunk: Chunk,
    /// The call's number.
    pub call: u32,
    /// What it is.
    pub what: What,
    /// Its arguments.
    pub hash: ArgumentHash,
}

/// See the module.
#[async_trait]
pub trait KvStore: Send + Sync {
    /// Answers `get`, `get-many` and `keys`.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Stopped`.
    async fn kv_read(&self, scope: &Scope, call: &KvCall) -> Result<KvAnswer, StoreError>;

    /// Carries out a write and records its answer. The record's answer is
    /// [`crate::hatch::encode_answer`] of the value this replies with; its verdict is `Done` if
    /// something was changed, else `Refused`.
    ///
    /// # Errors
    ///
    /// `Superseded`, `DiskFull`, `Unavailable`, `Stopped`: nothing was written or recorded.
    fn kv_write(&self, fence: Fence, scope: Scope, call: KvCall, local: LocalCall) -> Reply<KvAnswer>;
}
