//! Events that guests make, and those of the ends of runs: from the run that makes one to those that hear it.
//!
//! - S80 Emitted events, the runs they become and the call's journal record are one transaction; a superseded fence
//!   writes none of them. They stay, whatever becomes of the run that emitted them.
//! - S81 An event becomes a run of every trigger that listens for it in an active release of the environment, of the
//!   version that is active then, due after its delay. One that nobody hears is accepted all the same.
//! - S82 An id that the integration has given an event in the environment in the last seven days is accepted and
//!   ignored.
//! - S83 An event is one deeper than the event of the run that emits it. Past [`EVENT_DEPTH`] it is refused.
//! - S84 If one listener's queue takes no more, `emit` answers `Quota` and none of its events is accepted.
//! - S85 The end of a run, and its parking, is an event in the transaction that ends or parks it, whoever ends it, if
//!   some trigger listens for it; the queue's caps do not apply to it. It is none past [`EVENT_DEPTH`], nor if the run
//!   handled such an event itself.
//! - S86 An event that is larger than its listener's component takes becomes a dead letter there.
//!
//! Not here: what may be emitted (see [`crate::grant`]) and who hears what (see [`crate::listen`]).
//!
//! [`EVENT_DEPTH`]: crate::limits::EVENT_DEPTH

use super::Reply;
use super::kv::LocalCall;
use super::queue::Fence;
use crate::ids::Scope;
use crate::ports::events::{Draft, EventsAnswer};

/// What became of emitted events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// What the guest is answered, and what the journal keeps.
    pub answer: EventsAnswer,
    /// Where each run was made that came of them.
    pub delivered: Vec<Scope>,
    /// How many of them nobody heard.
    pub unheard: u32,
    /// How many were ignored, because their id was known.
    pub known: u32,
}

/// See the module.
pub trait EventStore: Send + Sync {
    /// Accepts events and records the answer. The record's answer is [`crate::hatch::encode_answer`] of
    /// [`Emitted::answer`]; its verdict is `Done` if an event was accepted or ignored, else `Refused`.
    ///
    /// # Errors
    ///
    /// `Superseded`, `DiskFull`, `Unavailable`, `Stopped`: nothing was accepted or recorded.
    fn emit(&self, fence: Fence, drafts: Vec<Draft>, local: LocalCall) -> Reply<Emitted>;
}
