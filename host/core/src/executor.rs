//! The executor: claims runs, has the sandbox make attempts, settles them.
//!
//! What happens to a run after an attempt is decided in [`crate::retry`]; who may claim what is the
//! store's; this file only carries it out, and reads like the sentence that describes it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, field, info, warn};

use crate::clock::{Clock, Rng, Timestamp, within};
use crate::event::Output;
use crate::gauntlet::{Bug, bug, crash_point};
use crate::hatch::{Closing, Hatch, Stop};
use crate::ids::{IntegrationName, RunId, VersionNumber};
use crate::intake::{Ended, Intake};
use crate::lock::locked;
use crate::metrics::Metrics;
use crate::outcome::{Failure, Outcome, Usage};
use crate::outside::Outside;
use crate::ports::sandbox::{HostFault, Sandbox, Work};
use crate::redact::Redactor;
use crate::release::Version;
use crate::retry::{NextStep, Progress, jittered, next_step};
use crate::run::{AttemptRecord, RunState, Target};
use crate::store::queue::{Claim, Ending, Fence, JournalEnd, Room, Settle};
use crate::store::{Store, StoreError};

/// Versions kept in memory: a run is pinned to one, and most are of the active ones.
const VERSIONS_KEPT: usize = 256;
/// The pause before a settle that the store could not take is tried again.
const SETTLE_AGAIN: Duration = Duration::from_millis(500);

/// What [`Executor::new`] takes.
pub struct ExecutorParts {
    /// The queue and the rest.
    pub store: Arc<dyn Store>,
    /// Makes attempts.
    pub sandbox: Arc<dyn Sandbox>,
    /// Opens hatches.
    pub outside: Arc<Outside>,
    /// Is told how runs end.
    pub intake: Arc<Intake>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub rng: Arc<dyn Rng>,
    /// Attempts at the same time.
    pub slots: u32,
    /// Memory for guests, in bytes: the limits of running attempts never add up to more.
    pub memory_bytes: u64,
}

/// See the module.
pub struct Executor {
    parts: ExecutorParts,
    running: Mutex<HashMap<RunId, Running>>,
    versions: Mutex<HashMap<(IntegrationName, VersionNumber), Arc<Version>>>,
    slots_free: AtomicU64,
    memory_free: AtomicU64,
    freed: Notify,
}

/// An attempt under way.
struct Running {
    stop: CancellationToken,
    /// A person cancelled the run; else a stop is the host's, and the run is released.
    cancelled: bool,
}

/// How an attempt went, as the sandbox or its absence tells.
struct Attempted {
    outcome: Outcome,
    usage: Usage,
    closing: Option<Closing>,
}

impl Executor {
    /// Puts it together; [`Executor::run`] starts it.
    #[must_use]
    pub fn new(parts: ExecutorParts) -> Arc<Self> {
        Arc::new(Self {
            slots_free: AtomicU64::new(parts.slots.into()),
            memory_free: AtomicU64::new(parts.memory_bytes),
            parts,
            running: Mutex::default(),
            versions: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Attempts under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        locked(&self.running).len()
    }

    /// Claims and executes runs until `stop`; then lets attempts run on for `grace` and releases those
    /// that are left, without using up an attempt.
    ///
    /// # Errors
    ///
    /// The store has stopped; the host must end.
    pub async fn run(self: &Arc<Self>, stop: CancellationToken, grace: Duration) -> Result<(), StoreError> {
        let mut attempts = JoinSet::new();
        let ended = loop {
            let room = Room {
                slots: u32::try_from(self.slots_free.load(Ordering::Acquire)).unwrap_or(u32::MAX),
                memory_bytes: self.memory_free.load(Ordering::Acquire),
            };
            if room.slots == 0 {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break Ok(()),
                    () = self.freed.notified() => {}
                }
                continue;
            }
            let claims = tokio::select! {
                biased;
                () = stop.cancelled() => break Ok(()),
                // An attempt ended: more fits now.
                () = self.freed.notified() => continue,
                claims = self.parts.store.claim(room) => claims,
            };
            match claims {
                Ok(claims) => {
                    for claim in claims {
                        self.start(claim, &mut attempts);
                    }
                }
                Err(StoreError::Stopped(why)) => break Err(StoreError::Stopped(why)),
                Err(problem) => {
                    warn!(%problem, "no run could be claimed; trying again");
                    self.parts.clock.sleep(SETTLE_AGAIN).await;
                }
            }
            while attempts.try_join_next().is_some() {}
        };
        let rest = async { while attempts.join_next().await.is_some() {} };
        if ended.is_ok() && within(&*self.parts.clock, grace, rest).await.is_none() {
            let left = self.in_flight();
            info!(left, "the grace time is over; the attempts left are released");
            for running in locked(&self.running).values() {
                running.stop.cancel();
            }
            while attempts.join_next().await.is_some() {}
        }
        ended
    }

    /// Cancels a run: at once if it waits, else by stopping its attempt.
    ///
    /// # Errors
    ///
    /// As [`crate::store::queue::RunQueue::cancel`].
    pub async fn cancel(&self, run: RunId) -> Result<RunState, StoreError> {
        let state = self.parts.store.cancel(run).await?;
        if state == RunState::Running {
            if let Some(running) = locked(&self.running).get_mut(&run) {
                running.cancelled = true;
                running.stop.cancel();
            }
        } else {
            self.parts.intake.ended(run, Ended { state, output: None, reason: Some("cancelled".into()) });
        }
        Ok(state)
    }

    fn start(self: &Arc<Self>, claim: Claim, attempts: &mut JoinSet<()>) {
        crash_point("claim-after-commit");
        let stop = CancellationToken::new();
        locked(&self.running).insert(claim.fence.run, Running { stop: stop.clone(), cancelled: false });
        self.slots_free.fetch_sub(1, Ordering::AcqRel);
        self.memory_free.fetch_sub(claim.needs.memory_bytes, Ordering::AcqRel);
        let executor = Arc::clone(self);
        attempts.spawn(async move {
            let (run, memory) = (claim.fence.run, claim.needs.memory_bytes);
            let span = tracing::info_span!(
                "run", environment = %claim.target.environment, integration = %claim.target.integration,
                component = %claim.target.component, run.id = %run, run.attempt = claim.attempt,
                outcome = field::Empty,
            );
            executor.attempt_and_settle(claim, stop).instrument(span).await;
            locked(&executor.running).remove(&run);
            executor.slots_free.fetch_add(1, Ordering::AcqRel);
            executor.memory_free.fetch_add(memory, Ordering::AcqRel);
            executor.freed.notify_one();
        });
    }

    /// One attempt, from claim to settle.
    async fn attempt_and_settle(self: &Arc<Self>, claim: Claim, stop: CancellationToken) {
        let started = self.parts.clock.now();
        let mut attempted = self.attempt(&claim, &stop).await;
        if attempted.outcome == Outcome::Cancelled && !self.cancelled(claim.fence.run) {
            let message = "the host stopped during the attempt".into();
            attempted.outcome = Outcome::HostFault { message, panicked: false };
        }
        self.parts.metrics.attempt(&claim.target, &attempted.outcome, &attempted.usage);
        report(&attempted.outcome);
        let ending = self.ending(&claim, started, attempted).await;
        self.settle(&claim, ending).await;
    }

    fn cancelled(&self, run: RunId) -> bool {
        locked(&self.running).get(&run).is_some_and(|running| running.cancelled)
    }

    /// Has the sandbox make the attempt. A panic of the host ends only this attempt.
    async fn attempt(&self, claim: &Claim, stop: &CancellationToken) -> Attempted {
        let made = std::panic::AssertUnwindSafe(self.make(claim, stop)).catch_unwind().await;
        match made {
            Ok(Ok(attempted)) => attempted,
            Ok(Err(HostFault(message))) => Attempted::fault(message, false),
            Err(_) => Attempted::fault("the host panicked in this attempt".into(), true),
        }
    }

    async fn make(&self, claim: &Claim, stop: &CancellationToken) -> Result<Attempted, HostFault> {
        let version = self.version(&claim.target).await?;
        let manifest = &version.manifest;
        let name = &claim.target.component;
        let (Some(component), Some(artifact)) = (manifest.components.get(name), version.artifacts.get(name)) else {
            return Err(HostFault(format!("version {} has no component `{name}`", version.number)));
        };
        let hatch = self.parts.outside.open(claim, manifest, component).await?;
        let work = Work {
            artifact: *artifact,
            event: Arc::clone(&claim.event),
            limits: component.limits,
            grants: Arc::clone(hatch.grants()),
            hatch: Arc::clone(&hatch),
            stop: stop.clone(),
        };
        let report = self.parts.sandbox.invoke(work).await;
        hatch.finish().await;
        let (outcome, mut usage) = match report {
            Ok(report) => (report.outcome, report.usage),
            Err(HostFault(message)) => (Outcome::HostFault { message, panicked: false }, Usage::default()),
        };
        let closing = hatch.closing();
        usage.calls = closing.issued;
        usage.replayed = closing.replayed;
        usage.sent_bytes = closing.sent_bytes;
        usage.received_bytes = closing.received_bytes;
        let outcome = redacted(settled(outcome, &hatch, &closing), hatch.redactor());
        Ok(Attempted { outcome, usage, closing: Some(closing) })
    }

    async fn version(&self, target: &Target) -> Result<Arc<Version>, HostFault> {
        let mut key = (target.integration.clone(), target.version);
        if bug(Bug::NotPinned)
            && let Some(active) = self.parts.intake.releases().active(&target.scope())
        {
            key.1 = active.version.number;
        }
        if let Some(version) = locked(&self.versions).get(&key) {
            return Ok(Arc::clone(version));
        }
        let version = self.parts.store.version(&key.0, key.1).await.map_err(|e| HostFault(e.to_string()))?;
        let version = Arc::new(version);
        let mut versions = locked(&self.versions);
        if versions.len() >= VERSIONS_KEPT {
            versions.clear();
        }
        versions.insert(key, Arc::clone(&version));
        Ok(version)
    }

    /// What is stored of the attempt, and what becomes of the run.
    async fn ending(&self, claim: &Claim, started: Timestamp, attempted: Attempted) -> Ending {
        let Attempted { outcome, usage, closing } = attempted;
        let now = self.parts.clock.now();
        let next = match self.version(&claim.target).await {
            Ok(version) => {
                let policy = version.manifest.components.get(&claim.target.component).map(|c| c.retry.clone());
                next_step(&policy.unwrap_or_default(), progress(claim, &outcome, now), &outcome)
            }
            // The policy cannot be read: the attempt's own ending says enough, at the default pace.
            Err(_) => next_step(&crate::retry::RetryPolicy::default(), progress(claim, &outcome, now), &outcome),
        };
        let hard = !matches!(outcome, Outcome::Failed(_));
        let then = self.then(next, now, hard, &outcome);
        let (tail, cut, calls, refused) = match closing {
            Some(closing) => (closing.tail, Some(closing.cut), closing.calls, closing.refused),
            None => (None, None, vec![], None),
        };
        let badly = matches!(then, Settle::Waiting { .. } | Settle::DeadLettered { .. });
        let journal = match cut {
            Some(cut) if outcome.by_guest() && badly => JournalEnd::Cut(cut),
            _ => JournalEnd::Keep(tail),
        };
        let stack = match &outcome {
            Outcome::Failed(Failure { stack, .. }) => stack.clone(),
            Outcome::Trapped { frames, .. } if !frames.is_empty() => Some(frames.join("\n")),
            _ => None,
        };
        let output = match &outcome {
            Outcome::Succeeded { output } => output.clone(),
            _ => None,
        };
        let reason = (!matches!(outcome, Outcome::Succeeded { .. })).then(|| outcome.reason());
        let attempt = AttemptRecord {
            number: claim.attempt,
            started,
            ended: now,
            outcome: outcome.label().into(),
            reason,
            stack,
            usage,
            refused,
            calls,
        };
        Ending { attempt, output, then, journal }
    }

    fn then(&self, next: NextStep, now: Timestamp, hard: bool, outcome: &Outcome) -> Settle {
        let mut random = [0; 8];
        self.parts.rng.fill(&mut random);
        let random = u64::from_le_bytes(random);
        match next {
            NextStep::Finish => Settle::Succeeded,
            NextStep::Cancel => Settle::Cancelled,
            NextStep::Park => Settle::Parked { reason: outcome.reason() },
            NextStep::DeadLetter { reason } => Settle::DeadLettered { reason },
            NextStep::Retry { at_least, delay } => {
                Settle::Waiting { due: now.plus(jittered(at_least, delay, random)), hard }
            }
            NextStep::Hold { at_least, delay } => {
                Settle::Held { due: now.plus(jittered(at_least, delay, random)), reason: outcome.reason() }
            }
            NextStep::Release { delay } => {
                let suspect = matches!(outcome, Outcome::HostFault { panicked: true, .. });
                Settle::Released { due: now.plus(jittered(Duration::ZERO, delay, random)), suspect }
            }
        }
    }

    /// Puts the ending on disk. A full disk or a busy store only makes it wait: the claim stays.
    async fn settle(&self, claim: &Claim, ending: Ending) {
        let fence: Fence = claim.fence;
        let (output, reason) = (ending.output.clone(), ending.attempt.reason.clone());
        crash_point("settle-before");
        loop {
            let settled = self.parts.store.settle(fence, ending.clone()).await;
            crash_point("settle-after-commit");
            match settled {
                Ok(state) => {
                    if state.is_final() || state == RunState::NeedsDecision {
                        let took = self.parts.clock.now().since(claim.accepted);
                        self.parts.metrics.run_ended(&claim.target, state, took);
                        self.parts.intake.ended(fence.run, Ended { state, output, reason });
                    }
                    return;
                }
                Err(StoreError::Superseded { run }) => {
                    info!(%run, "the run has another owner by now; this attempt's ending is dropped");
                    return;
                }
                Err(StoreError::Stopped(_)) => return,
                Err(problem) => {
                    warn!(%problem, "the ending of an attempt could not be stored; trying again");
                    self.parts.clock.sleep(SETTLE_AGAIN).await;
                }
            }
        }
    }
}

impl Attempted {
    fn fault(message: String, panicked: bool) -> Self {
        Self { outcome: Outcome::HostFault { message, panicked }, usage: Usage::default(), closing: None }
    }
}

/// The outcome once the hatch has been asked: a stop it ordered counts before what the guest made of
/// it, and a call in doubt parks a run whose attempt ended badly.
pub(crate) fn settled(outcome: Outcome, hatch: &Hatch, closing: &Closing) -> Outcome {
    let outcome = match hatch.stopped() {
        Some(Stop::OverBudget { limit, allowed }) => Outcome::OverBudget { limit, allowed },
        Some(Stop::NonDeterminism(other)) => Outcome::Failed(other.failure()),
        Some(Stop::HostFault(message)) => Outcome::HostFault { message, panicked: false },
        // A guest that did without the call it was not allowed to make has succeeded.
        Some(Stop::Held { .. }) if matches!(outcome, Outcome::Succeeded { .. } | Outcome::Cancelled) => outcome,
        Some(Stop::Held { connection, back_in, why }) => {
            Outcome::Held { connection: connection.to_string(), back_in, why }
        }
        None => outcome,
    };
    match (&outcome, &closing.in_doubt) {
        (Outcome::Succeeded { .. } | Outcome::Cancelled | Outcome::Held { .. } | Outcome::HostFault { .. }, _)
        | (_, None) => outcome,
        (_, Some((call, what))) => {
            Outcome::InDoubt { call: *call, what: format!("{what}; then the attempt ended: {}", outcome.reason()) }
        }
    }
}

pub(crate) fn redacted(outcome: Outcome, redactor: &Redactor) -> Outcome {
    let text = |s: String| redactor.text(&s).into_owned();
    match outcome {
        Outcome::Failed(f) => {
            Outcome::Failed(Failure { name: text(f.name), message: text(f.message), stack: f.stack.map(text), ..f })
        }
        Outcome::Trapped { message, frames } => {
            Outcome::Trapped { message: text(message), frames: frames.into_iter().map(text).collect() }
        }
        Outcome::Succeeded { output: Some(output) } => Outcome::Succeeded {
            output: Some(Output {
                headers: output.headers.into_iter().map(|(name, value)| (text(name), text(value))).collect(),
                data: redactor.bytes(output.data),
                ..output
            }),
        },
        Outcome::InDoubt { call, what } => Outcome::InDoubt { call, what: text(what) },
        other => other,
    }
}

fn progress(claim: &Claim, outcome: &Outcome, now: Timestamp) -> Progress {
    let failed = u32::from(matches!(outcome, Outcome::Failed(_)));
    let hard = u32::from(matches!(
        outcome,
        Outcome::Trapped { .. } | Outcome::OutOfTime { .. } | Outcome::OutOfMemory { .. } | Outcome::OverBudget { .. }
    ));
    let fault = u32::from(matches!(outcome, Outcome::HostFault { .. }));
    Progress {
        failed: claim.failed + failed,
        hard: claim.hard + hard,
        faults: claim.faults + fault,
        age: now.since(claim.accepted),
    }
}

/// One line per ending: a guest's failure is business as usual for us.
fn report(outcome: &Outcome) {
    Span::current().record("outcome", outcome.label());
    match outcome {
        Outcome::Succeeded { .. } => info!("run succeeded"),
        Outcome::InDoubt { call, .. } => warn!(call, "call {call} may have happened: the run waits for a decision"),
        Outcome::HostFault { message, panicked: true } => {
            tracing::error!(%message, "the host panicked; the run is tried again alone");
        }
        Outcome::HostFault { message, .. } => warn!(%message, "the attempt could not be made or ended"),
        other => info!("attempt ended: {}", other.label()),
    }
}

#[cfg(test)]
mod tests;
