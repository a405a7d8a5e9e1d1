//! Recent events: those accepted a moment ago, so that a claim need not read them again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event::Event;
use crate::ids::RunId;

/// So many bytes of events at most.
const ROOM: usize = 64 * 1024 * 1024;
/// What an event costs beside its bytes.
const OVERHEAD: usize = 512;

/// See the module. When it is full, later events are read from disk.
#[derive(Default)]
pub(super) struct Recent {
    events: HashMap<RunId, Arc<Event>>,
    bytes: usize,
}

impl Recent {
    /// Keeps an event if there is room.
    pub(super) fn keep(&mut self, run: RunId, event: &Arc<Event>) {
        let bytes = event.size() + OVERHEAD;
        if self.bytes + bytes <= ROOM && self.events.insert(run, Arc::clone(event)).is_none() {
            self.bytes += bytes;
        }
    }

    /// Looks at an event.
    pub(super) fn get(&self, run: RunId) -> Option<Arc<Event>> {
        self.events.get(&run).cloned()
    }

    /// Lets go of an event.
    pub(super) fn forget(&mut self, run: RunId) {
        if let Some(event) = self.events.remove(&run) {
            self.bytes -= event.size() + OVERHEAD;
        }
    }

    /// Lets go of all.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }
}
