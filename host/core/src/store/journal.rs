//! Where journals are kept.
//!
//! - S20 An append is refused as `Superseded` unless its fence is the run's current one.
//! - S21 A run's chunks are numbered from 0 without a gap: an append that would leave one is refused
//!   as `Unavailable`, so that a lost result cannot be followed by a later intent.
//! - S22 Appends of one run are carried out in the order of the calls to `append`.
//! - S23 `load` gives back exactly what was appended, less what was cut.
//! - S24 An empty chunk needs the current fence and leaves no trace: its run records nothing.

use async_trait::async_trait;

use super::queue::Fence;
use super::{Reply, StoreError};
use crate::ids::RunId;
use crate::journal::Chunk;

/// See the module.
#[async_trait]
pub trait JournalStore: Send + Sync {
    /// Appends a chunk.
    ///
    /// # Errors
    ///
    /// `Superseded`, `DiskFull`, `Unavailable`, `Stopped`: nothing was appended.
    fn append(&self, fence: Fence, chunk: Chunk) -> Reply<()>;

    /// A run's chunks, in order.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn load(&self, run: RunId) -> Result<Vec<Chunk>, StoreError>;
}
