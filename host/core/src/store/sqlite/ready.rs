//! The ready index: which run is claimed next. All unfinished runs in memory, by id and by due time.
//!
//! It decides and counts; it neither reads the clock nor knows SQL. Every change goes through
//! [`Ready::put`], which gives back what was there before, so that a change is undone by putting that.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use self::lines::Lines;
pub(super) use self::lines::{InLine, LineId};
use crate::clock::Timestamp;
use crate::ids::RunId;

mod lines;

/// An integration in an environment, as a number.
pub(super) type ScopeId = i64;
/// A component of one scope, as a number; the same in all its versions.
pub(super) type ComponentId = u32;

/// So many due runs of one component are looked at for one that fits: versions differ in their needs.
const LOOK: usize = 64;

/// Where an unfinished run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Queued or waiting.
    Ready {
        /// Not before.
        due: Timestamp,
    },
    /// In an attempt.
    Running {
        /// With nothing beside it.
        alone: bool,
    },
    /// A person decides.
    Parked,
}

/// An unfinished run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) scope: ScopeId,
    pub(super) component: ComponentId,
    pub(super) target: i64,
    pub(super) place: Place,
    pub(super) suspect: bool,
    pub(super) fence: u64,
    /// Chunks of its journal; known while it runs.
    pub(super) chunks: u32,
    pub(super) memory_bytes: u64,
    pub(super) concurrency: u32,
    /// Of its event.
    pub(super) bytes: u64,
    /// Where it stands among those of its ordering key, if it has one.
    pub(super) line: Option<InLine>,
}

/// What one scope has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) ready: u64,
    pub(super) ready_bytes: u64,
    pub(super) running: u64,
    pub(super) parked: u64,
}

type Line = BTreeSet<(Timestamp, RunId)>;

#[derive(Default)]
struct Component {
    scope: ScopeId,
    line: Line,
    running: u32,
    filed: Filed,
}

/// In which of the two lists of components this one is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Filed {
    #[default]
    Nowhere,
    Ripe,
    Future(Timestamp),
}

/// See the module.
#[derive(Default)]
pub(super) struct Ready {
    runs: HashMap<RunId, Entry>,
    counts: BTreeMap<ScopeId, Count>,
    components: HashMap<ComponentId, Component>,
    // How many runs each target has.
    targets: HashMap<i64, u32>,
    // Components whose first run is due (as of `horizon`), by scope, and those whose first is not.
    ripe: BTreeSet<(ScopeId, ComponentId)>,
    future: BTreeSet<(Timestamp, ComponentId)>,
    suspects: Line,
    lines: Lines,
    running: u64,
    running_alone: u64,
    horizon: Timestamp,
    served: ScopeId,
}

impl Ready {
    /// What is known of a run.
    pub(super) fn get(&self, run: RunId) -> Option<&Entry> {
        self.runs.get(&run)
    }

    /// Whether a target has unfinished runs.
    pub(super) fn has_of(&self, target: i64) -> bool {
        self.targets.contains_key(&target)
    }

    /// What a scope has.
    pub(super) fn count(&self, scope: ScopeId) -> Count {
        self.counts.get(&scope).copied().unwrap_or_default()
    }

    /// The scopes that have unfinished runs.
    pub(super) fn scopes(&self) -> impl Iterator<Item = (ScopeId, Count)> + '_ {
        self.counts.iter().map(|(scope, count)| (*scope, *count))
    }

    /// When the first due run of each scope became due, for those that have one.
    pub(super) fn oldest_due(&self, now: Timestamp) -> HashMap<ScopeId, Timestamp> {
        let mut oldest: HashMap<ScopeId, Timestamp> = HashMap::new();
        let mut note = |scope: ScopeId, due: Timestamp| {
            if due <= now {
                oldest.entry(scope).and_modify(|known| *known = due.min(*known)).or_insert(due);
            }
        };
        for component in self.components.values() {
            if let Some((due, _)) = component.line.first() {
                note(component.scope, *due);
            }
        }
        for (due, run) in &self.suspects {
            note(self.runs[run].scope, *due);
        }
        oldest
    }

    /// Puts a run where `entry` says, or takes it away; gives back what was there.
    pub(super) fn put(&mut self, run: RunId, entry: Option<Entry>) -> Option<Entry> {
        let old = match entry {
            Some(entry) => self.runs.insert(run, entry),
            None => self.runs.remove(&run),
        };
        if let Some(old) = &old {
            self.unlink(run, old);
        }
        if let Some(new) = &entry {
            self.link(run, new);
        }
        self.count_target(old.as_ref(), entry.as_ref());
        let mut turned = None;
        for line in [old.as_ref(), entry.as_ref()].into_iter().flatten().filter_map(|entry| entry.line) {
            if turned != Some(line.id) {
                self.turn(line.id);
                turned = Some(line.id);
            }
        }
        for touched in [old.as_ref(), entry.as_ref()].into_iter().flatten() {
            self.file(touched.component);
            if self.counts.get(&touched.scope) == Some(&Count::default()) {
                self.counts.remove(&touched.scope);
            }
        }
        old
    }

    /// A run seldom changes its target while it is unfinished, so mostly this has nothing to do.
    fn count_target(&mut self, old: Option<&Entry>, new: Option<&Entry>) {
        let (old, new) = (old.map(|entry| entry.target), new.map(|entry| entry.target));
        if old == new {
            return;
        }
        if let Some(new) = new {
            *self.targets.entry(new).or_default() += 1;
        }
        if let Some(old) = old
            && let Some(count) = self.targets.get_mut(&old)
        {
            *count -= 1;
            if *count == 0 {
                self.targets.remove(&old);
            }
        }
    }

    fn link(&mut self, run: RunId, entry: &Entry) {
        let count = self.counts.entry(entry.scope).or_default();
        let component = self.components.entry(entry.component).or_default();
        component.scope = entry.scope;
        match entry.place {
            Place::Ready { due } => {
                count.ready += 1;
                count.ready_bytes += entry.bytes;
                // One that stands in a line is found when its turn has come.
                if entry.line.is_none() {
                    let line = if entry.suspect { &mut self.suspects } else { &mut component.line };
                    line.insert((due, run));
                }
            }
            Place::Running { alone } => {
                count.running += 1;
                component.running += 1;
                self.running += 1;
                self.running_alone += u64::from(alone);
            }
            Place::Parked => count.parked += 1,
        }
        if let Some(at) = entry.line {
            self.lines.join(run, at);
        }
    }

    fn unlink(&mut self, run: RunId, entry: &Entry) {
        let count = self.counts.entry(entry.scope).or_default();
        let component = self.components.entry(entry.component).or_default();
        let found = entry.line.is_none_or(|at| self.lines.leave(run, at));
        match entry.place {
            Place::Ready { due } => {
                count.ready -= 1;
                count.ready_bytes -= entry.bytes;
                if found {
                    let line = if entry.suspect { &mut self.suspects } else { &mut component.line };
                    line.remove(&(due, run));
                }
            }
            Place::Running { alone } => {
                count.running -= 1;
                component.running -= 1;
                self.running -= 1;
                self.running_alone -= u64::from(alone);
            }
            Place::Parked => count.parked -= 1,
        }
    }

    /// Whose turn it is in a line may have changed: hides one and shows another.
    fn turn(&mut self, id: LineId) {
        let Some((hidden, front)) = self.lines.turn(id) else { return };
        if let Some(entry) = hidden.and_then(|run| self.runs.get(&run).copied()) {
            self.find(hidden, &entry, false);
        }
        let front = front.and_then(|run| self.runs.get(&run).copied().map(|entry| (run, entry)));
        // One that runs, or waits for a person, is at the front and nobody's to claim.
        let front = front.filter(|(_, entry)| matches!(entry.place, Place::Ready { .. }));
        self.lines.show(id, front.map(|(run, _)| run));
        if let Some((run, entry)) = front {
            self.find(Some(run), &entry, true);
        }
    }

    /// Puts a run that stands in a line among those that can be claimed, or takes it from there.
    fn find(&mut self, run: Option<RunId>, entry: &Entry, shown: bool) {
        let (Some(run), Place::Ready { due }) = (run, entry.place) else { return };
        let component = self.components.entry(entry.component).or_default();
        component.scope = entry.scope;
        let line = if entry.suspect { &mut self.suspects } else { &mut component.line };
        if shown {
            line.insert((due, run));
        } else {
            line.remove(&(due, run));
        }
        self.file(entry.component);
    }

    /// A dead letter holds up its line, or does not any more. Gives what was so before.
    pub(super) fn block(&mut self, line: LineId, run: RunId, blocked: bool) -> bool {
        let before = self.lines.block(line, run, blocked);
        self.turn(line);
        before
    }

    /// A place in a line behind all whose time is up to `at`.
    pub(super) fn place_in(&self, line: LineId, at: Timestamp) -> i64 {
        self.lines.place(line, at)
    }

    fn file(&mut self, id: ComponentId) {
        let Some(component) = self.components.get_mut(&id) else { return };
        let filed = match component.line.first() {
            None => Filed::Nowhere,
            Some((due, _)) if *due <= self.horizon => Filed::Ripe,
            Some((due, _)) => Filed::Future(*due),
        };
        if filed != component.filed {
            match component.filed {
                Filed::Nowhere => {}
                Filed::Ripe => drop(self.ripe.remove(&(component.scope, id))),
                Filed::Future(due) => drop(self.future.remove(&(due, id))),
            }
            match filed {
                Filed::Nowhere => {}
                Filed::Ripe => drop(self.ripe.insert((component.scope, id))),
                Filed::Future(due) => drop(self.future.insert((due, id))),
            }
            component.filed = filed;
        }
        if component.line.is_empty() && component.running == 0 {
            self.components.remove(&id);
        }
    }

    /// The run to claim next: the caller puts it as running before it asks again.
    ///
    /// Suspects go first and alone; the others in turn by scope, within a scope by due time.
    pub(super) fn pick(&mut self, now: Timestamp, memory_bytes: u64) -> Option<RunId> {
        self.horizon = now;
        while let Some((due, id)) = self.future.first().copied()
            && due <= now
        {
            self.file(id);
        }
        if self.running_alone > 0 {
            return None;
        }
        let mut suspects = self.suspects.iter().take_while(|(due, _)| *due <= now).peekable();
        if suspects.peek().is_some() {
            if self.running > 0 {
                return None;
            }
            // One that fits nowhere must not hold up everybody else.
            if let Some((_, run)) = suspects.find(|(_, run)| self.runs[run].memory_bytes <= memory_bytes) {
                return Some(*run);
            }
        }
        let after = (Bound::Excluded((self.served, ComponentId::MAX)), Bound::Unbounded);
        let until = (Bound::Unbounded, Bound::Included((self.served, ComponentId::MAX)));
        let mut best: Option<(ScopeId, Timestamp, RunId)> = None;
        for (scope, id) in self.ripe.range(after).chain(self.ripe.range(until)) {
            if best.is_some_and(|(found, ..)| found != *scope) {
                break;
            }
            if let Some((due, run)) = self.first_that_fits(*id, now, memory_bytes)
                && best.is_none_or(|(_, best_due, best_run)| (due, run) < (best_due, best_run))
            {
                best = Some((*scope, due, run));
            }
        }
        let (scope, _, run) = best?;
        self.served = scope;
        Some(run)
    }

    fn first_that_fits(&self, id: ComponentId, now: Timestamp, memory_bytes: u64) -> Option<(Timestamp, RunId)> {
        let component = self.components.get(&id)?;
        component.line.iter().take(LOOK).take_while(|(due, _)| *due <= now).copied().find(|(_, run)| {
            let entry = &self.runs[run];
            component.running < entry.concurrency && entry.memory_bytes <= memory_bytes
        })
    }

    /// When the next run that is not due yet becomes due.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let later = (Bound::Excluded((now, RunId::from_bytes([0xff; 16]))), Bound::Unbounded);
        let suspect = self.suspects.range(later).next().map(|(due, _)| *due);
        let other = self.future.first().map(|(due, _)| *due);
        [suspect, other].into_iter().flatten().min()
    }

    /// Whether a run of this id is unfinished.
    pub(super) fn holds(&self, run: RunId) -> bool {
        self.runs.contains_key(&run)
    }
}

#[cfg(test)]
mod tests;
