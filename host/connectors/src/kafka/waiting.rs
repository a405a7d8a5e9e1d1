//! Records that were taken up and are not with the sink yet.
//!
//! Not here: when that is asked, and what is committed then (`source.rs`).

use jackfield_core::ports::source::Heard;
use tokio::time::Instant;

use super::group::Partition;
use crate::broker;

/// A record that was taken up.
pub(super) struct Taken {
    pub(super) partition: Partition,
    pub(super) offset: i64,
    /// Since when its partition was ours.
    pub(super) since: u64,
    /// None if it is too large to be an event.
    pub(super) event: Option<Heard>,
}

/// Records that are not with the sink yet.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) taken: Vec<Taken>,
    bytes: usize,
    /// When the first and the last of them came.
    came: Option<(Instant, Instant)>,
}

impl Waiting {
    /// Whether no more is to be taken up until these are handed over.
    pub(super) fn is_full(&self) -> bool {
        self.taken.len() >= broker::BATCH || self.bytes >= broker::BATCH_BYTES
    }

    /// When they are to be handed over; none if there is nothing.
    pub(super) fn due(&self) -> Option<Instant> {
        let (first, last) = self.came?;
        Some(if self.is_full() { first } else { (first + broker::GATHER).min(last + broker::PAUSE) })
    }

    /// Takes one up.
    pub(super) fn add(&mut self, taken: Taken) {
        self.bytes += taken.event.as_ref().map_or(0, |heard| heard.event.data.len());
        self.taken.push(taken);
        let now = Instant::now();
        self.came = Some((self.came.map_or(now, |(first, _)| first), now));
    }
}
