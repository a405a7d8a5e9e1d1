//! Intake: where a trigger's event becomes a run, and where somebody may wait for its end.
//!
//! A trigger sees this and nothing else of the host. Nothing is acknowledged before it is on disk.
//! Not here: how an event was heard or known to be genuine.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::clock::{Clock, Rng};
use crate::event::{Event, Output};
use crate::gauntlet::crash_point;
use crate::ids::{ComponentName, RunId, Scope, TriggerName};
use crate::limits::Limits;
use crate::lock::locked;
use crate::metrics::{Metrics, TriggerResult};
use crate::ports::source::Heard;
use crate::release::Component;
use crate::run::{RunState, Target};
use crate::schedule::Schedule;
use crate::scheduler;
use crate::store::queue::{Accepted, HeardRun, Needs, NewRun, SourceCursor};
use crate::store::registry::Release;
use crate::store::{Store, StoreError};

/// The active releases, in memory: every accept sees the version before a switch or the one after.
pub struct Releases {
    store: Arc<dyn Store>,
    active: RwLock<BTreeMap<Scope, Arc<Release>>>,
    /// Counts how often they were read.
    version: watch::Sender<u64>,
}

impl Releases {
    /// Reads them from the store.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn load(store: Arc<dyn Store>) -> Result<Arc<Self>, StoreError> {
        let releases = Arc::new(Self { store, active: RwLock::default(), version: watch::channel(0).0 });
        releases.refresh().await?;
        Ok(releases)
    }

    /// Reads them again: something was released.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let active = self.store.releases().await?;
        let active = active.into_iter().map(|release| (scope(&release), Arc::new(release))).collect();
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = active;
        self.version.send_modify(|version| *version += 1);
        Ok(())
    }

    /// What is active.
    #[must_use]
    pub fn active(&self, scope: &Scope) -> Option<Arc<Release>> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).get(scope).cloned()
    }

    /// Another number after each change.
    #[must_use]
    pub fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// For whoever waits for a change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Everything that is active, by scope.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Release>> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

fn scope(release: &Release) -> Scope {
    Scope { environment: release.environment.clone(), integration: release.version.manifest.name.clone() }
}

/// An event on its way in.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The event.
    pub event: Event,
    /// Whether (source, id) identifies it.
    pub dedupe: bool,
}

/// Why an event was not accepted. Nothing was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// No active release has this trigger or component.
    #[error("nothing active here handles this event")]
    NotFound,
    /// The event is over `limits.event`.
    #[error("the event is larger than {limit} bytes (limits.event)")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The integration's queue is full.
    #[error("{text}")]
    QueueFull {
        /// Which cap, and its setting.
        text: String,
        /// Worth trying again after this.
        retry_after: Duration,
    },
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The store did not answer.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for IntakeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::QueueFull(text) => Self::QueueFull { text, retry_after: Duration::from_secs(5) },
            StoreError::DiskFull => Self::DiskFull,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// How a run ended, for somebody who waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Where it is: final, or parked.
    pub state: RunState,
    /// What the handler answered.
    pub output: Option<Output>,
    /// Why it is where it is.
    pub reason: Option<String>,
}

/// See the module.
pub struct Intake {
    store: Arc<dyn Store>,
    releases: Arc<Releases>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    metrics: Arc<Metrics>,
    waiting: Mutex<HashMap<RunId, watch::Sender<Option<Ended>>>>,
}

impl Intake {
    /// Puts it together.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        releases: Arc<Releases>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self { store, releases, clock, rng, metrics, waiting: Mutex::default() })
    }

    /// What is active.
    pub(crate) fn releases(&self) -> &Releases {
        &self.releases
    }

    /// Stores a trigger's events as runs of its component. Durable when it answers.
    ///
    /// # Errors
    ///
    /// Nothing of the batch was stored.
    pub async fn accept(
        &self,
        scope: &Scope,
        trigger: &TriggerName,
        batch: Vec<Incoming>,
    ) -> Result<Vec<Accepted>, IntakeError> {
        let release = self.releases.active(scope).ok_or(IntakeError::NotFound)?;
        let found = release.version.manifest.triggers.iter().find(|t| t.name == *trigger);
        let found = found.ok_or(IntakeError::NotFound)?;
        self.take(scope, &release, &found.component, trigger, found.kind.label(), batch).await
    }

    /// Stores an event that somebody made by hand. Without a component, the integration must have one
    /// alone.
    ///
    /// # Errors
    ///
    /// Nothing was stored.
    pub async fn manual(
        &self,
        scope: &Scope,
        component: Option<&ComponentName>,
        event: Event,
        dedupe: bool,
    ) -> Result<Accepted, IntakeError> {
        let release = self.releases.active(scope).ok_or(IntakeError::NotFound)?;
        let components = &release.version.manifest.components;
        let only = if components.len() == 1 { components.keys().next() } else { None };
        let component = component.or(only).ok_or(IntakeError::NotFound)?.clone();
        let trigger: TriggerName = "manual".parse().expect("a plain word is a name");
        let batch = vec![Incoming { event, dedupe }];
        let accepted = self.take(scope, &release, &component, &trigger, "manual", batch).await?;
        accepted.into_iter().next().ok_or_else(|| IntakeError::Unavailable("the store accepted nothing".into()))
    }

    /// Stores the event of a schedule, now, because somebody asked: it is not one of its instants.
    ///
    /// # Errors
    ///
    /// Nothing was stored. `NotFound`: it is no schedule, or not active.
    pub async fn fire(&self, scope: &Scope, trigger: &TriggerName) -> Result<Accepted, IntakeError> {
        let release = self.releases.active(scope).ok_or(IntakeError::NotFound)?;
        let found = release.version.manifest.triggers.iter().find(|t| t.name == *trigger);
        let found = found.ok_or(IntakeError::NotFound)?;
        let schedule = Schedule::of(&found.kind).and_then(Result::ok).ok_or(IntakeError::NotFound)?;
        let cursors = self.store.cursors().await?;
        let previous = cursors.into_iter().find(|cursor| cursor.scope == *scope && cursor.trigger == *trigger);
        let previous = previous.and_then(|cursor| cursor.fired).map(|(at, _)| at);
        let now = self.clock.now();
        let mut event = scheduler::event(scope, found, schedule.zone(), now, previous, 0);
        // Never the id of an instant.
        event.id = format!("by hand {}", RunId::new(&*self.clock, &*self.rng));
        let batch = vec![Incoming { event, dedupe: false }];
        let accepted = self.take(scope, &release, &found.component, trigger, found.kind.label(), batch).await?;
        accepted.into_iter().next().ok_or_else(|| IntakeError::Unavailable("the store accepted nothing".into()))
    }

    /// Stores what a trigger heard from another system, and where it goes on from. Durable when it answers. What is over
    /// `limits.event` becomes a dead letter without its data.
    ///
    /// # Errors
    ///
    /// Nothing was stored, and the cursor is where it was.
    pub async fn hear(
        &self,
        scope: &Scope,
        trigger: &TriggerName,
        heard: &[Heard],
        cursor: Option<&str>,
    ) -> Result<(), IntakeError> {
        let release = self.releases.active(scope).ok_or(IntakeError::NotFound)?;
        let found = release.version.manifest.triggers.iter().find(|t| t.name == *trigger);
        let found = found.ok_or(IntakeError::NotFound)?;
        let limit = self.event_bytes(scope, trigger);
        let mut batch = Vec::with_capacity(heard.len());
        for Heard { event, dedupe } in heard {
            let bytes = event.data.len() as u64;
            let unfit = (bytes > limit).then(|| {
                format!(
                    "the event has {bytes} bytes; the limit is {limit} (limits.event). It is at {} in {}, and was left there",
                    event.id, event.source
                )
            });
            let event = match &unfit {
                Some(_) => Arc::new(Event { data: Bytes::new(), ..Event::clone(event) }),
                None => Arc::clone(event),
            };
            let run = self.new_run(scope, &release, &found.component, trigger, event, *dedupe);
            batch.push(HeardRun { run: run.ok_or(IntakeError::NotFound)?, unfit });
        }
        let cursor = cursor.map(|cursor| SourceCursor {
            scope: scope.clone(),
            trigger: trigger.clone(),
            cursor: cursor.to_owned(),
        });
        let accepted = self.store.accept_heard(batch, cursor).await;
        crash_point("accept-after-commit");
        self.count(scope, found.kind.label(), accepted.as_deref());
        accepted.map(drop).map_err(IntakeError::from)
    }

    /// The last cursor of a trigger that hears from another system.
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub async fn source_cursor(&self, scope: &Scope, trigger: &TriggerName) -> Result<Option<String>, IntakeError> {
        Ok(self.store.source_cursor(scope, trigger).await?)
    }

    /// `limits.event` of the component that handles a trigger's events.
    #[must_use]
    pub fn event_bytes(&self, scope: &Scope, trigger: &TriggerName) -> u64 {
        let usual = Limits::default().event_bytes;
        let Some(release) = self.releases.active(scope) else { return usual };
        let manifest = &release.version.manifest;
        let found = manifest.triggers.iter().find(|found| found.name == *trigger);
        let component = found.and_then(|found| manifest.components.get(&found.component));
        component.map_or(usual, |component| component.limits.event_bytes)
    }

    /// A run of this event that is due now; none if the version has no such component.
    pub(crate) fn new_run(
        &self,
        scope: &Scope,
        release: &Release,
        component: &ComponentName,
        trigger: &TriggerName,
        event: Arc<Event>,
        dedupe: bool,
    ) -> Option<NewRun> {
        let manifest = &release.version.manifest;
        let limits = &manifest.components.get(component)?.limits;
        let found = manifest.triggers.iter().find(|found| found.name == *trigger);
        let order = found.and_then(|found| found.order.as_ref()).and_then(|order| order.of(&event));
        Some(NewRun {
            id: RunId::new(&*self.clock, &*self.rng),
            target: Target {
                environment: scope.environment.clone(),
                integration: scope.integration.clone(),
                version: release.version.number,
                component: component.clone(),
                trigger: trigger.clone(),
            },
            event,
            dedupe,
            needs: Needs { memory_bytes: limits.memory_bytes, concurrency: limits.concurrency },
            due: self.clock.now(),
            order,
        })
    }

    async fn take(
        &self,
        scope: &Scope,
        release: &Release,
        component: &ComponentName,
        trigger: &TriggerName,
        kind: &str,
        batch: Vec<Incoming>,
    ) -> Result<Vec<Accepted>, IntakeError> {
        let manifest = &release.version.manifest;
        let settings: &Component = manifest.components.get(component).ok_or(IntakeError::NotFound)?;
        let limit = settings.limits.event_bytes;
        if batch.iter().any(|incoming| incoming.event.data.len() as u64 > limit) {
            self.metrics.trigger(scope, kind, TriggerResult::Refused);
            return Err(IntakeError::TooLarge { limit });
        }
        let runs = batch
            .into_iter()
            .filter_map(|Incoming { event, dedupe }| {
                self.new_run(scope, release, component, trigger, Arc::new(event), dedupe)
            })
            .collect();
        let accepted = self.store.accept(runs).await;
        crash_point("accept-after-commit");
        self.count(scope, kind, accepted.as_deref());
        Ok(accepted?)
    }

    fn count(&self, scope: &Scope, kind: &str, accepted: Result<&[Accepted], &StoreError>) {
        match accepted {
            Ok(accepted) => {
                let new = accepted.iter().filter(|one| matches!(one, Accepted::New(_))).count() as u64;
                let known = accepted.len() as u64 - new;
                for (result, events) in [(TriggerResult::Accepted, new), (TriggerResult::Duplicate, known)] {
                    if events > 0 {
                        self.metrics.triggers(scope, kind, result, events);
                    }
                }
            }
            Err(StoreError::QueueFull(_)) => self.metrics.trigger(scope, kind, TriggerResult::QueueFull),
            Err(_) => self.metrics.trigger(scope, kind, TriggerResult::Refused),
        }
    }

    /// Waits until a run is final or parked; none if it is not within `limit`.
    pub async fn outcome(&self, run: RunId, limit: Duration) -> Option<Ended> {
        let mut told = {
            let mut waiting = locked(&self.waiting);
            waiting.entry(run).or_insert_with(|| watch::channel(None).0).subscribe()
        };
        // It may have ended before anybody listened.
        if let Ok(detail) = self.store.run(run).await
            && (detail.summary.state.is_final() || detail.summary.state == RunState::NeedsDecision)
        {
            drop(told);
            self.forget(run);
            return Some(Ended { state: detail.summary.state, output: detail.output, reason: detail.summary.reason });
        }
        let ended = tokio::select! {
            biased;
            ended = told.wait_for(Option::is_some) => ended.ok().and_then(|ended| ended.clone()),
            () = self.clock.sleep(limit) => None,
        };
        drop(told);
        self.forget(run);
        ended
    }

    /// Tells whoever waits for `run`. Called by the executor once the ending is on disk.
    pub fn ended(&self, run: RunId, ended: Ended) {
        if let Some(waiter) = locked(&self.waiting).remove(&run) {
            waiter.send_replace(Some(ended));
        }
    }

    fn forget(&self, run: RunId) {
        let mut waiting = locked(&self.waiting);
        if waiting.get(&run).is_some_and(|waiter| waiter.receiver_count() == 0) {
            waiting.remove(&run);
        }
    }
}
