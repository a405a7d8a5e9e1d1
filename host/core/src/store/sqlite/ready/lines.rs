//! Lines: runs of one ordering key, one behind the other. At most one of a line may be claimed.
//!
//! It knows places, not due times, and neither counts nor claims; see [`super::Ready`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::Timestamp;
use crate::ids::RunId;

/// A line's number: a hash of environment, integration, trigger and key.
pub(in super::super) type LineId = [u8; 16];

/// Places of one millisecond.
const PLACES: i64 = 1 << 20;

/// Where a run stands in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct InLine {
    pub(in super::super) id: LineId,
    /// Unique in the line: the lower, the sooner.
    pub(in super::super) place: i64,
    /// It was claimed before: it goes on first, whatever its place.
    pub(in super::super) holds: bool,
    /// As a dead letter it would hold up the line.
    pub(in super::super) blocks: bool,
}

#[derive(Default)]
struct Line {
    members: BTreeMap<i64, RunId>,
    current: Option<RunId>,
    /// Dead letters that hold it up.
    blocked: BTreeSet<RunId>,
    /// The one that may be claimed, if it is to be found among those that wait.
    shown: Option<RunId>,
}

impl Line {
    fn front(&self) -> Option<RunId> {
        if self.blocked.is_empty() { self.current.or_else(|| self.members.values().next().copied()) } else { None }
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Lines(HashMap<LineId, Line>);

impl Lines {
    /// Whether there is no line.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A run joins its line.
    pub(super) fn join(&mut self, run: RunId, at: InLine) {
        let line = self.0.entry(at.id).or_default();
        line.members.insert(at.place, run);
        if at.holds {
            line.current = Some(run);
        }
    }

    /// A run leaves its line; whether it was the one shown.
    pub(super) fn leave(&mut self, run: RunId, at: InLine) -> bool {
        let Some(line) = self.0.get_mut(&at.id) else { return false };
        line.members.remove(&at.place);
        if line.current == Some(run) {
            line.current = None;
        }
        let shown = line.shown == Some(run);
        if shown {
            line.shown = None;
        }
        shown
    }

    /// Who was shown and who is at the front now, if that is not the same. A line that nobody stands in is gone.
    pub(super) fn turn(&mut self, id: LineId) -> Option<(Option<RunId>, Option<RunId>)> {
        let line = self.0.get(&id)?;
        let change = (line.shown, line.front());
        if line.members.is_empty() && line.blocked.is_empty() {
            self.0.remove(&id);
        }
        (change.0 != change.1).then_some(change)
    }

    /// Says who is shown.
    pub(super) fn show(&mut self, id: LineId, run: Option<RunId>) {
        if let Some(line) = self.0.get_mut(&id) {
            line.shown = run;
        }
    }

    /// A dead letter holds up its line, or does not any more. Gives what was so before.
    pub(super) fn block(&mut self, id: LineId, run: RunId, blocked: bool) -> bool {
        let line = self.0.entry(id).or_default();
        if blocked { !line.blocked.insert(run) } else { line.blocked.remove(&run) }
    }

    /// A place behind all whose time is up to `at`.
    pub(super) fn place(&self, id: LineId, at: Timestamp) -> i64 {
        let base = at.0.saturating_mul(PLACES);
        let last = self.0.get(&id).and_then(|line| line.members.range(..base.saturating_add(PLACES)).next_back());
        last.map_or(base, |(place, _)| base.max(place + 1))
    }
}
