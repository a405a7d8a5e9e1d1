//! A run on its way in, with all that can be worked out before the writer has its turn: everybody waits for that one thread.
//!
//! Not here: what the writer decides and stores (`queue.rs`).

use sha2::{Digest as _, Sha256};

use super::events;
use super::fault::Fault;
use crate::event::Event;
use crate::run::Target;
use crate::store::queue::NewRun;

/// See the module.
pub(super) struct Packed {
    pub(super) run: NewRun,
    pub(super) event: events::Stored,
    /// What its event is known by, if (source, id) identifies it.
    pub(super) identity: Option<Vec<u8>>,
    /// Of its event.
    pub(super) bytes: u64,
}

impl Packed {
    /// Packs a run.
    pub(super) fn of(run: NewRun) -> Result<Self, Fault> {
        Ok(Self {
            event: events::Stored::of(&run.event)?,
            identity: run.dedupe.then(|| identity(&run.target, &run.event)),
            bytes: run.event.size() as u64,
            run,
        })
    }
}

/// (environment, integration, trigger, source, id) as one key. Stored; it never changes.
///
/// The id stays as it is behind a hash of the rest: ids that count up, as offsets do, lie side by side, and a batch of them
/// touches few pages. A long one is a hash, too.
fn identity(target: &Target, event: &Event) -> Vec<u8> {
    const WHERE: usize = 16;
    const LONGEST: usize = 200;
    let place =
        hashed([target.environment.as_str(), target.integration.as_str(), target.trigger.as_str(), &event.source]);
    let id = event.id.as_bytes();
    let mut key = Vec::with_capacity(WHERE + 1 + LONGEST);
    key.extend_from_slice(&place[..WHERE]);
    if id.len() <= LONGEST {
        key.push(0);
        key.extend_from_slice(id);
    } else {
        key.push(1);
        key.extend_from_slice(&hashed([&event.id]));
    }
    key
}

/// Several texts as one key. Stored; it never changes.
pub(super) fn hashed<const N: usize>(parts: [&str; N]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
