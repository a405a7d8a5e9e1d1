//! The checker: what must be true of the three logs and the database, whatever happened in between.
//!
//! Offline and pure: it looks at what was promised (the load's log), at what arrived outside (the ledger), and at
//! what the host kept. It knows the invariants I1 to I8 and I10, and nothing of how a host works.

use std::collections::{BTreeMap, BTreeSet};

use super::database::{self, Dump, Record, Run, done_call};
use super::load::Kind;
use super::log::{Kept, Said, Stop};
use super::verdict::{Figures, Verdict};
use crate::ledger::Entry;

/// The trigger that the load sends to.
const HOOK: &str = "hook";
/// The trigger that fires each second.
const TICK: &str = "tick";

/// All there is to look at.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What was promised and done, in order.
    pub said: Vec<Said>,
    /// What arrived outside.
    pub ledger: Vec<Entry>,
    /// What the host kept.
    pub dump: Dump,
}

/// Looks at everything.
#[must_use]
pub fn check(evidence: &Evidence) -> Verdict {
    let look = Look::new(evidence);
    let mut verdict = Verdict { figures: look.figures(), ..Verdict::default() };
    look.i1_accepted_is_one_run(&mut verdict);
    look.i2_done_once(&mut verdict);
    look.i3_same_key_or_once(&mut verdict);
    look.i4_one_owner(&mut verdict);
    look.i5_one_firing(&mut verdict);
    look.i6_the_same_again(&mut verdict);
    look.i7_dead_letters(&mut verdict);
    look.i8_nothing_disappears(&mut verdict);
    look.i10_drains(&mut verdict);
    verdict
}

struct Look<'a> {
    evidence: &'a Evidence,
    /// Arrivals by path.
    arrived: BTreeMap<&'a str, Vec<&'a Entry>>,
    /// Event to run, as acknowledged.
    accepted: BTreeMap<&'a str, &'a str>,
    /// Event to run, as the host has it.
    run_of: BTreeMap<&'a str, &'a str>,
    stops: Vec<&'a Stop>,
}

/// The path at the ledger of a call of an event.
fn path(kind: Kind, event: &str, part: &str) -> String {
    let place = if kind.connection() == "target" { "plain" } else { "keyed" };
    format!("/{place}/{event}/{part}")
}

/// The path at the ledger of a recorded call, if it is one of the load's.
fn path_of(what: &str) -> Option<String> {
    let mut words = what.split(' ');
    let (place, path) = match (words.next()?, words.next()?, words.next()?) {
        ("POST", "target", path) => ("plain", path),
        ("POST", "keyed", path) => ("keyed", path),
        _ => return None,
    };
    Some(format!("/{place}{path}"))
}

impl<'a> Look<'a> {
    fn new(evidence: &'a Evidence) -> Self {
        let mut arrived = BTreeMap::<&str, Vec<&Entry>>::new();
        for entry in &evidence.ledger {
            arrived.entry(&entry.path).or_default().push(entry);
        }
        let mut accepted = BTreeMap::new();
        let mut stops = Vec::new();
        for said in &evidence.said {
            match said {
                Said::Accepted { event, run } => drop(accepted.insert(event.as_str(), run.as_str())),
                Said::Stopped(stop) => stops.push(stop),
                _ => {}
            }
        }
        let runs = evidence.dump.runs.iter();
        let run_of = runs.filter_map(|(id, run)| Some((run.event.as_deref()?, id.as_str()))).collect();
        Self { evidence, arrived, accepted, run_of, stops }
    }

    fn runs(&self) -> &'a BTreeMap<String, Run> {
        &self.evidence.dump.runs
    }

    /// The load's own runs with their event and its kind.
    fn own(&self) -> impl Iterator<Item = (&'a str, &'a Run, &'a str, Kind)> {
        self.runs().iter().filter(|(_, run)| run.trigger == HOOK).filter_map(|(id, run)| {
            let event = run.event.as_deref()?;
            Some((id.as_str(), run, event, Kind::of(event)?))
        })
    }

    fn arrivals(&self, path: &str) -> &[&'a Entry] {
        self.arrived.get(path).map(Vec::as_slice).unwrap_or_default()
    }

    fn decisions(&self, run: &str) -> usize {
        let retry =
            |said: &&Said| matches!(said, Said::Decided { run: of, decision } if of == run && decision == "retry");
        self.evidence.said.iter().filter(retry).count()
    }

    fn figures(&self) -> Figures {
        let mut starts: Vec<u64> = self
            .evidence
            .said
            .iter()
            .filter_map(|said| if let Said::Started { took_ms, .. } = said { Some(*took_ms) } else { None })
            .collect();
        starts.sort_unstable();
        let part = |of: usize| starts.get((starts.len() * of / 100).min(starts.len().saturating_sub(1))).copied();
        let drained = |said: &Said| if let Said::Drained { took_ms } = said { *took_ms } else { None };
        let runs = self.runs().values();
        let in_state = |state| self.runs().values().filter(|run| run.state == state).count() as u64;
        let in_doubt = |run: &(&String, &Run)| {
            run.1.state == database::NEEDS_DECISION
                || self.evidence.said.iter().any(|said| matches!(said, Said::Decided { run: of, .. } if of == run.0))
        };
        Figures {
            deaths: self.stops.len() as u64,
            accepted: self.accepted.len() as u64,
            runs: self.runs().len() as u64,
            attempts: runs.map(|run| run.attempts.len() as u64).sum(),
            effects: self.arrived.len() as u64,
            repeated_keyed: self.evidence.ledger.iter().filter(|entry| entry.first != entry.number).count() as u64,
            in_doubt: self.runs().iter().filter(in_doubt).count() as u64,
            dead_letters: in_state(database::DEAD) + in_state(database::DISCARDED),
            starts: starts.len() as u64,
            start_median_ms: part(50).unwrap_or_default(),
            start_p99_ms: part(99).unwrap_or_default(),
            start_longest_ms: starts.last().copied().unwrap_or_default(),
            drained_ms: self.evidence.said.iter().rev().find_map(drained),
        }
    }

    fn i1_accepted_is_one_run(&self, verdict: &mut Verdict) {
        let finding = verdict.add("I1", "what was acknowledged is one run, and ends as its kind does, or is parked");
        for (event, run) in &self.accepted {
            let found = self.runs().get(*run);
            finding.look(found.is_some(), || format!("{event} was acknowledged as {run}, which is not there"));
            let is_its = found.is_none_or(|found| found.event.as_deref() == Some(event));
            finding.look(is_its, || format!("{run} is not the run of {event}"));
        }
        let mut by_event = BTreeMap::<(&str, &str), Vec<&str>>::new();
        for (id, run, event, kind) in self.own() {
            by_event.entry((&run.source, event)).or_default().push(id);
            use database::{CANCELLED, DEAD, DISCARDED, NEEDS_DECISION, SUCCEEDED};
            let fine: &[_] = match kind {
                Kind::Plain | Kind::Doubt => &[SUCCEEDED, NEEDS_DECISION, DEAD, DISCARDED],
                Kind::Dead => &[DEAD, DISCARDED],
                Kind::Cancel => &[SUCCEEDED, CANCELLED],
                _ => &[SUCCEEDED],
            };
            let reason = run.reason.as_deref().unwrap_or("no reason");
            finding.look(fine.contains(&run.state), || format!("{event} ({id}) is in state {}: {reason}", run.state));
        }
        for ((_, event), runs) in by_event {
            finding.look(runs.len() == 1, || format!("{event} became {} runs: {}", runs.len(), runs.join(", ")));
        }
    }

    fn i2_done_once(&self, verdict: &mut Verdict) {
        let finding = verdict.add("I2", "an effect whose success was recorded is there, and is never made again");
        // What was recorded when the host was gone did not arrive after that.
        let mut recorded = BTreeMap::<String, u64>::new();
        for stop in &self.stops {
            for what in stop.journals.iter().flat_map(|kept| &kept.done) {
                if let Some(path) = path_of(what) {
                    recorded.entry(path).or_insert(stop.ledger);
                }
            }
        }
        for (path, ledger) in &recorded {
            let last = self.arrivals(path).last().map_or(0, |entry| entry.number);
            finding
                .look(last <= *ledger, || format!("{path} arrived as entry {last}; it was recorded before {ledger}"));
        }
        let mut counted = BTreeMap::<String, u64>::new();
        for (id, run, event, kind) in self.own() {
            // A call is made when the result of the one before it is on disk.
            for pair in kind.calls().windows(2) {
                let (here, next) =
                    (self.arrivals(&path(kind, event, pair[0])), self.arrivals(&path(kind, event, pair[1])));
                if let (Some(last), Some(first)) = (here.last(), next.first()) {
                    finding.look(last.number < first.number, || {
                        format!("{event}: call {} came again after call {}", pair[0], pair[1])
                    });
                }
            }
            for what in run.records().filter_map(done_call) {
                match path_of(what) {
                    Some(path) => finding.look(!self.arrivals(&path).is_empty(), || {
                        format!("{id}: `{what}` is recorded as done and never arrived")
                    }),
                    None => {
                        if let Some(key) = what.strip_prefix("increment ") {
                            *counted.entry(key.to_owned()).or_default() += 1;
                        }
                    }
                }
            }
            if run.state == database::SUCCEEDED {
                for part in kind.calls() {
                    let path = path(kind, event, part);
                    let there = !self.arrivals(&path).is_empty();
                    finding.look(there, || format!("{event} succeeded, and {path} never arrived"));
                }
            }
        }
        for (key, runs) in &counted {
            let value = self.evidence.dump.kv.get(key).map_or("nothing", String::as_str);
            finding.look(value == runs.to_string(), || format!("{key} is {value}; {runs} runs recorded a count"));
        }
    }

    fn i3_same_key_or_once(&self, verdict: &mut Verdict) {
        let finding = verdict
            .add("I3", "a repeat carries the same key; what has none outside arrives once, unless a person decides");
        for (path, entries) in &self.arrived {
            let keys: BTreeSet<_> = entries.iter().map(|entry| &entry.key).collect();
            finding.look(keys.len() == 1 && entries[0].key.is_some(), || format!("{path} came with the keys {keys:?}"));
            let bodies: BTreeSet<_> = entries.iter().map(|entry| &entry.body).collect();
            finding.look(bodies.len() == 1, || format!("{path} came with different bodies"));
            if path.starts_with("/plain/") {
                let event = path.split('/').nth(2).unwrap_or_default();
                let allowed = 1 + self.run_of.get(event).map_or(0, |run| self.decisions(run));
                finding.look(entries.len() <= allowed, || format!("{path} arrived {} times", entries.len()));
            }
        }
    }

    fn i4_one_owner(&self, verdict: &mut Verdict) {
        let finding = verdict.add("I4", "attempts of a run follow each other, and each had a claim of its own");
        for (id, run) in self.runs() {
            let attempts = run.attempts.len() as i64;
            finding.look(attempts <= run.begun && run.begun <= run.fence, || {
                format!("{id}: {attempts} attempts ended, {} begun, {} claims", run.begun, run.fence)
            });
            let overlap = run.attempts.windows(2).find(|pair| pair[1].0 < pair[0].1);
            finding.look(overlap.is_none(), || format!("{id}: an attempt began before the one before it ended"));
            let gap = run.journal.iter().enumerate().find(|(place, chunk)| *place != chunk.number as usize);
            finding.look(gap.is_none(), || format!("{id}: chunk {} of its journal is missing", gap.map_or(0, |g| g.0)));
        }
    }

    fn i5_one_firing(&self, verdict: &mut Verdict) {
        let finding = verdict.add("I5", "each instant of a schedule is one run");
        let mut instants = BTreeMap::<i64, Vec<&str>>::new();
        for (id, run) in self.runs().iter().filter(|(_, run)| run.trigger == TICK) {
            let instant = run.event.as_deref().and_then(|id| id.parse::<jiff::Timestamp>().ok());
            finding.look(instant.is_some(), || format!("{id} has no instant"));
            instants.entry(instant.map_or(0, jiff::Timestamp::as_second)).or_default().push(id);
        }
        for (instant, runs) in &instants {
            finding.look(runs.len() == 1, || format!("{instant} became the runs {}", runs.join(", ")));
        }
        if let (Some((first, _)), Some((last, _))) = (instants.first_key_value(), instants.last_key_value()) {
            for instant in *first..=*last {
                finding.look(instants.contains_key(&instant), || format!("{instant} became no run"));
            }
        }
    }

    fn i6_the_same_again(&self, verdict: &mut Verdict) {
        let finding =
            verdict.add("I6", "what is recorded stays as it is but for a cut, and is what the guest was given");
        let mut before = BTreeMap::<(&str, u32), &Kept>::new();
        let mut same = |run: &'a str, number: u32, digest: &str, cut: bool, kept: Option<&'a Kept>| {
            if let Some(old) = before.get(&(run, number)) {
                let fine = old.digest == digest || cut;
                finding.look(fine, || format!("{run}: chunk {number} of its journal is another now"));
            }
            if let Some(kept) = kept {
                before.insert((run, number), kept);
            }
        };
        for kept in self.stops.iter().flat_map(|stop| &stop.journals) {
            // Whether a cut explains it is known at the end; until then any change of a run that was cut is let pass.
            let cut =
                self.runs().get(&kept.run).is_none_or(|run| run.records().any(|r| *r == Record::Cut) || was_cut(run));
            same(&kept.run, kept.number, &kept.digest, cut, Some(kept));
        }
        for (id, run) in self.runs() {
            let cut = run.records().any(|record| *record == Record::Cut) || was_cut(run);
            for chunk in &run.journal {
                same(id, chunk.number, &chunk.digest, cut, None);
            }
        }
        let full = self.evidence.said.contains(&Said::Full);
        for (id, run, event, kind) in self.own().filter(|(_, run, ..)| run.state == database::SUCCEEDED) {
            let given: Vec<serde_json::Value> =
                run.output.as_deref().and_then(|data| serde_json::from_slice(data).ok()).unwrap_or_default();
            let given: Vec<&str> = given.iter().filter_map(|step| step["body"].as_str()).collect();
            let recorded: Vec<String> = run
                .records()
                .filter_map(|record| match record {
                    Record::Result { what, verdict, body: Some(body), .. }
                        if path_of(what).is_some() && verdict == "done" =>
                    {
                        Some(String::from_utf8_lossy(body).into_owned())
                    }
                    _ => None,
                })
                .collect();
            let calls = kind.calls().len();
            finding
                .look(given.len() == calls, || format!("{event}: its output has {} of {calls} answers", given.len()));
            // On a full disk the last results may be lost: the run ends all the same, as it is not tried again.
            let same = if full { given.iter().zip(&recorded).all(|(a, b)| a == b) } else { given == recorded };
            finding.look(same, || format!("{id}: the guest had {given:?}, recorded is {recorded:?}"));
            for (part, body) in kind.calls().iter().zip(&given) {
                let first = self.arrivals(&path(kind, event, part)).first().map(|entry| entry.first);
                let told = serde_json::from_str::<serde_json::Value>(body).ok().and_then(|told| told["entry"].as_u64());
                // An unkeyed call that a person had made again is known by its key too.
                finding
                    .look(told == first, || format!("{event}: call {part} was given {told:?}, its entry is {first:?}"));
            }
        }
    }

    fn i7_dead_letters(&self, verdict: &mut Verdict) {
        let finding = verdict.add("I7", "a dead letter keeps its event, its journal and a reason");
        for (id, run) in self.runs().iter().filter(|(_, run)| run.state == database::DEAD) {
            finding.look(run.event.is_some(), || format!("{id} has lost its event"));
            finding.look(run.reason.as_deref().is_some_and(|why| !why.is_empty()), || format!("{id} has no reason"));
            let Some((event, kind)) = run.event.as_deref().and_then(|event| Some((event, Kind::of(event)?))) else {
                continue;
            };
            if kind == Kind::Dead {
                let path = path(kind, event, kind.calls()[0]);
                let kept = run.records().filter_map(done_call).any(|what| path_of(what).as_deref() == Some(&path));
                finding.look(kept, || format!("{id}: the call to {path} is not in its journal"));
            }
        }
    }

    fn i8_nothing_disappears(&self, verdict: &mut Verdict) {
        let finding = verdict.add("I8", "no change that was acknowledged disappears");
        let mut config = 0;
        for said in &self.evidence.said {
            match said {
                Said::Configured { value } => config = config.max(*value),
                Said::Stopped(stop) => {
                    let Stop { cycle, how, .. } = stop;
                    finding.look(stop.absent.is_empty(), || {
                        format!("cycle {cycle} ({how}): acknowledged and not there: {}", stop.absent.join(", "))
                    });
                    finding.look(stop.damaged.is_empty(), || {
                        format!("cycle {cycle} ({how}): artifacts not whole: {}", stop.damaged.join(", "))
                    });
                    let there = stop.config.unwrap_or_default();
                    finding
                        .look(there >= config, || format!("cycle {cycle} ({how}): setting {config} is {there} again"));
                }
                Said::Discarded { run } => {
                    let state = self.runs().get(run).map(|run| run.state);
                    finding
                        .look(state == Some(database::DISCARDED), || format!("{run} was discarded and is {state:?}"));
                }
                Said::Seen { run } => {
                    let state = self.runs().get(run).map(|run| run.state);
                    finding
                        .look(state == Some(database::SUCCEEDED), || format!("{run} had succeeded and is {state:?}"));
                }
                _ => {}
            }
        }
        finding.look(self.evidence.dump.damage.is_empty(), || self.evidence.dump.damage.join("; "));
    }

    fn i10_drains(&self, verdict: &mut Verdict) {
        let finding = verdict.add("I10", "after the storm the queue empties by itself");
        if !self.evidence.said.iter().any(|said| matches!(said, Said::Calm { .. })) {
            // Nobody waited for it.
            return;
        }
        let drained = self.evidence.said.iter().any(|said| matches!(said, Said::Drained { took_ms: Some(_) }));
        finding.look(drained, || "runs were still under way or waiting when the time was over".into());
        // The schedule goes on until the host stops: its last run may just have come.
        for (id, run) in self.runs().iter().filter(|(_, run)| run.trigger != TICK) {
            finding.look(run.state >= database::NEEDS_DECISION, || format!("{id} is in state {}", run.state));
        }
    }
}

/// Whether a run's journal was cut although no record says so: nothing had been begun behind the cut.
fn was_cut(run: &Run) -> bool {
    run.event
        .as_deref()
        .and_then(Kind::of)
        .is_none_or(|kind| matches!(kind, Kind::Cut | Kind::Dead | Kind::Plain | Kind::Doubt))
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
