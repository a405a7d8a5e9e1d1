//! People: they release, cancel, decide, resume and discard, and believe what they are told.

use std::sync::Arc;

use jackfield_core::hatch::testing::{name, scope};
use jackfield_core::ids::RunId;
use jackfield_core::lock::locked;
use jackfield_core::run::RunState;
use jackfield_core::store::queue::{Decision, RunFilter};

use crate::simulation::host::{Host, Parts};
use crate::simulation::weather;
use crate::simulation::world::World;

/// What somebody was told.
#[derive(Debug)]
pub(crate) enum Told {
    /// A client offered an event, and it is this run, or was not taken.
    Offered(usize, Option<RunId>),
    /// A run was cancelled, or is to be.
    Cancelled(RunId, RunState),
    /// A request was carried out twice with different answers.
    Differs(String),
    /// A version is active: with schedules or without.
    Released(bool),
}

impl World {
    pub(crate) fn hears(&mut self, told: Told) {
        match told {
            Told::Offered(number, Some(run)) => {
                let client = &mut self.clients[number];
                self.ledger.say(format_args!("client {number} was told {run}"));
                match client.taken.replace(run) {
                    Some(before) if before != run => {
                        let id = client.id.clone();
                        self.ledger.broke(format!("I1: {id} was taken as run {before}, then as {run}"));
                    }
                    Some(_) => {}
                    // Its next offer is planned already: then it is one of those who send again.
                    None => self.ledger.say(format_args!("{} is taken", client.id)),
                }
            }
            Told::Offered(number, None) => self.ledger.say(format_args!("client {number} was sent away")),
            Told::Cancelled(run, state) => {
                self.ledger.say(format_args!("somebody was told that {run} is {state} and cancelled"));
                let mut book = self.ledger.book();
                let begun = book.fence(run);
                // A claim may be on its way to the executor: that attempt is stopped as it begins.
                let most = if state == RunState::Running { begun + 1 } else { begun };
                book.over.insert(run, most);
            }
            Told::Differs(what) => self.ledger.broke(what),
            Told::Released(schedules) => {
                self.ledger.say(format_args!("released, schedules: {schedules}"));
                self.unscheduled = !schedules;
            }
        }
    }

    fn up(&self) -> Option<(&Host, Parts)> {
        self.host.as_ref().and_then(|host| Some((host, host.parts()?.clone())))
    }

    /// Somebody releases another version.
    pub(crate) fn releases(&mut self, schedules: bool) {
        self.versions += 1;
        let number = self.versions;
        let Some((host, parts)) = self.up() else { return };
        self.ledger.say(format_args!("somebody releases {number}"));
        let told = Arc::clone(&self.told);
        host.spawn(async move {
            let (store, now) = (&parts.store, parts.clock.now());
            let done = async {
                store.add_artifact(weather::inspection(number), now).await?;
                let number = store.add_version(weather::version(number, schedules), now).await?;
                store.release(scope().environment, name("demo"), number, vec![], "a test".into(), now).await?;
                parts.releases.refresh().await
            };
            if done.await.is_ok() {
                locked(&told).push(Told::Released(schedules));
            }
        });
    }

    /// Somebody does one of the other things.
    pub(crate) fn person(&mut self) {
        self.requests += 1;
        let request = format!("request-{}", self.requests);
        let what = self.dice.between(0, 9);
        let retry = self.dice.chance(700);
        let pick = self.dice.throw();
        let runs: Vec<RunId> = self.clients.iter().filter_map(|client| client.taken).collect();
        let Some(some) = self.dice.pick(&runs).copied() else { return };
        let ledger = self.ledger.clone();
        let told = Arc::clone(&self.told);
        let Some((host, parts)) = self.up() else { return };
        ledger.say(format_args!("a person comes: {request} of kind {what}"));
        host.spawn(async move {
            let store = &parts.store;
            match what {
                0 | 1 => {
                    if let Ok(state) = parts.executor.cancel(some).await {
                        locked(&told).push(Told::Cancelled(some, state));
                    }
                }
                2..=4 => {
                    let Some(run) = one(&parts, RunState::NeedsDecision, pick).await else { return };
                    let decision = if retry { Decision::Retry } else { Decision::Fail };
                    ledger.say(format_args!("somebody decides {decision:?} over {run}"));
                    // Counted before: whether it was done may never be told.
                    *ledger.book().decided.entry(run).or_default() += 1;
                    let _told = store.decide(run, decision).await;
                }
                5..=8 => {
                    let Some(run) = one(&parts, RunState::DeadLettered, pick).await else { return };
                    ledger.say(format_args!("somebody resumes {run}"));
                    ledger.book().over.remove(&run);
                    let once = store.resume(request.clone(), vec![run]).await;
                    let again = store.resume(request, vec![run]).await;
                    if let (Ok(once), Ok(again)) = (once, again)
                        && once != again
                    {
                        locked(&told).push(Told::Differs(format!("I8: {run} was resumed {once} times, then {again}")));
                    }
                }
                _ => {
                    let Some(run) = one(&parts, RunState::DeadLettered, pick).await else { return };
                    ledger.say(format_args!("somebody discards {run}"));
                    let _told = store.discard(request, vec![run]).await;
                }
            }
        });
    }
}

/// A run in this state.
async fn one(parts: &Parts, state: RunState, pick: u64) -> Option<RunId> {
    let filter = RunFilter { state: Some(state), limit: 50, ..RunFilter::default() };
    let runs = parts.store.runs(filter).await.ok()?;
    let place = pick.checked_rem(runs.len() as u64)?;
    runs.get(place as usize).map(|run| run.id)
}
