//! The end of an hour: what is in the store, against what everybody was told.

use std::collections::{HashMap, HashSet};

use jackfield_core::artifact::Digest;
use jackfield_core::ids::RunId;
use jackfield_core::journal::{self, Record, Verdict};
use jackfield_core::run::{RunDetail, RunState};
use jackfield_core::store::queue::RunFilter;

use crate::simulation::guest::{Program, Step};
use crate::simulation::world::World;

/// A run and its journal.
type Whole = (RunDetail, Vec<journal::Chunk>, Digest);

impl World {
    /// Looks at everything once nothing moves any more.
    pub(crate) fn check(&mut self) {
        let all = self.all();
        let ledger = self.ledger.clone();
        let mut known: HashMap<RunId, &Whole> = HashMap::new();
        let mut instants = HashSet::new();
        for whole in &all {
            let run = &whole.0;
            let id = run.summary.id;
            known.insert(id, whole);
            self.check_run(whole);
            let trigger = &run.summary.target.trigger;
            if !instants.insert((trigger.clone(), run.summary.event_id.clone())) {
                let rule = if matches!(trigger.as_str(), "beat" | "tick") { "I5" } else { "I1" };
                ledger.broke(format!("{rule}: {} of {trigger} became more than one run", run.summary.event_id));
            }
        }
        for client in &self.clients {
            let Some(run) = client.taken else { continue };
            match known.get(&run).map(|whole| &whole.0) {
                None => ledger.broke(format!("I1: run {run} of {} was acknowledged and is lost", client.id)),
                Some(detail) if detail.event.as_ref().is_none_or(|event| event.data != client.data.as_bytes()) => {
                    ledger.broke(format!("I7: run {run} does not have the data of {}", client.id));
                }
                Some(_) => {}
            }
        }
        let states = |of: RunState| all.iter().filter(|whole| whole.0.summary.state == of).count();
        ledger.say(format_args!(
            "in the end: {} runs, {} succeeded, {} dead letters, {} parked",
            all.len(),
            states(RunState::Succeeded),
            states(RunState::DeadLettered),
            states(RunState::NeedsDecision)
        ));
    }

    fn all(&mut self) -> Vec<Whole> {
        self.ask(|parts| async move {
            let store = &parts.store;
            let mut all = Vec::new();
            let mut before = None;
            loop {
                let filter = RunFilter { before, limit: 1_000, ..RunFilter::default() };
                let page = store.runs(filter).await.expect("it reads");
                let Some(last) = page.last() else { return all };
                before = Some(last.id);
                for run in page {
                    let target = &run.target;
                    let version = store.version(&target.integration, target.version).await.expect("it reads");
                    let artifact = version.artifacts[&target.component];
                    let journal = store.load(run.id).await.expect("it reads");
                    all.push((store.run(run.id).await.expect("it reads"), journal, artifact));
                }
            }
        })
    }

    fn check_run(&self, (run, chunks, artifact): &Whole) {
        let (id, state) = (run.summary.id, run.summary.state);
        let broke = |what: String| self.ledger.broke(what);
        if !state.is_final() && state != RunState::NeedsDecision {
            broke(format!("I10: run {id} is still {state}"));
        }
        if run.event.is_none() {
            broke(format!("I7: run {id} has lost its event"));
        }
        let dead = matches!(state, RunState::DeadLettered | RunState::NeedsDecision);
        if dead && run.summary.reason.is_none() {
            broke(format!("I7: run {id} is {state} for no reason"));
        }
        if dead {
            let records = chunks.iter().flat_map(|chunk| journal::decode(chunk).expect("a journal reads"));
            let kept: HashSet<u32> = records
                .filter_map(|record| match record {
                    Record::Result { call, verdict: Verdict::Done, .. } => Some(call),
                    _ => None,
                })
                .collect();
            for call in self.ledger.recorded(id) {
                if !kept.contains(&call) {
                    broke(format!("I7: run {id} is {state}, and its journal has lost call {call}"));
                }
            }
        }
        let book = self.ledger.book();
        // A person's word takes the place of an answer: what the guest asks next may follow from it.
        let fickle = book.fickle.contains(&id) || book.decided.contains_key(&id);
        drop(book);
        for attempt in &run.attempts_made {
            let reason = attempt.reason.as_deref().unwrap_or_default();
            if !fickle && reason.starts_with("non-determinism") {
                broke(format!("I6: run {id} observed something else when it was repeated: {reason}"));
            }
        }
        if state == RunState::Succeeded
            && let Some(event) = &run.event
        {
            self.check_effects(id, &Program::of(&String::from_utf8_lossy(&event.data), number(*artifact)));
        }
    }

    /// Whatever a run that succeeded asked for was done.
    fn check_effects(&self, run: RunId, program: &Program) {
        if program.stubborn {
            return;
        }
        let mut call = 0;
        for step in &program.steps {
            let effect = match step {
                Step::Nap(_) | Step::Clock => continue,
                Step::Post { .. } | Step::Put | Step::Both => true,
                Step::Get | Step::Count => false,
            };
            call += 1;
            if effect && !self.ledger.book().effects.contains_key(&(run, call)) {
                self.ledger.broke(format!("I1: run {run} succeeded, and its call {call} was never made"));
            }
            call += u32::from(*step == Step::Both);
        }
    }
}

/// As a guest sees its artifact.
pub(crate) fn number(artifact: Digest) -> u64 {
    u64::from_le_bytes(artifact.as_bytes()[..8].try_into().expect("eight bytes"))
}
