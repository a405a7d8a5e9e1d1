//! The triggers that hear from other systems: each listens as long as it is released, and is started again when it fails.
//!
//! A source's events reach the queue through its [`Sink`]; what it acknowledges to the other side is on disk by then.
//! Not here: how a system is listened to (its connector), and what becomes of an event ([`crate::intake`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, Timestamp};
use crate::gauntlet::{Bug, bug};
use crate::grant::Grants;
use crate::ids::{Scope, TriggerName};
use crate::intake::{Intake, IntakeError};
use crate::lock::locked;
use crate::metrics::Metrics;
use crate::outside::Outside;
use crate::ports::source::{Heard, Sink, SinkError, SourceContext, SourceError};
use crate::release::{SourceTrigger, TriggerKind};
use crate::store::registry::Release;

/// The pause after a first failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause where a person has to mend something.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause that another side may ask for.
const LONGEST_WISH: Duration = Duration::from_secs(3600);
/// A source that listened so long is well: its next failure is a first one.
const WELL: Duration = Duration::from_secs(60);
/// How long a source gets to leave in order.
const GRACE: Duration = Duration::from_secs(10);
/// A queue that is full, or a store that does not answer, is asked again after this.
const AGAIN: Duration = Duration::from_millis(500);
/// With a bug seeded: so long after they were acknowledged messages are stored.
const LATE: Duration = Duration::from_millis(700);

/// Which trigger.
type Place = (Scope, TriggerName);

/// How a source is, for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceView {
    /// Whether it listens now.
    pub listening: bool,
    /// Since when it listens, or tries to.
    pub since: Option<Timestamp>,
    /// Why events wait on the other side, if they are made to: the queue is full.
    pub held: Option<String>,
    /// Messages that wait on the other side, as far as it says.
    pub lag: Option<u64>,
    /// Events that became runs since the host started.
    pub heard: u64,
    /// When the last one did.
    pub last_heard: Option<Timestamp>,
    /// What was heard and could not become an event, or is known to be lost.
    pub lost: u64,
    /// The last failure, and when: also one that is over.
    pub last_error: Option<(Timestamp, String)>,
}

/// See the module.
pub struct Sources {
    intake: Arc<Intake>,
    outside: Arc<Outside>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    views: Arc<Mutex<BTreeMap<Place, Arc<Mutex<SourceView>>>>>,
}

/// One that was started, and what it was started with.
struct Running {
    stop: CancellationToken,
    trigger: SourceTrigger,
    grants: Grants,
    /// Of the environment's connections.
    generation: u64,
}

impl Sources {
    /// Puts it together; nothing listens yet.
    #[must_use]
    pub fn new(intake: Arc<Intake>, outside: Arc<Outside>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { intake, outside, clock, metrics, views: Arc::default() })
    }

    /// How a trigger's source is; none if it has none, or the host holds.
    #[must_use]
    pub fn view(&self, scope: &Scope, trigger: &TriggerName) -> Option<SourceView> {
        let views = locked(&self.views);
        views.get(&(scope.clone(), trigger.clone())).map(|view| locked(view).clone())
    }

    /// Listens, for all that is released, until told to stop; then each leaves in order.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut releases, mut connections) = (self.intake.releases().changes(), self.outside.changes());
        let mut running: BTreeMap<Place, Running> = BTreeMap::new();
        let tasks = TaskTracker::new();
        while !stop.is_cancelled() {
            self.reconcile(&mut running, &tasks);
            tokio::select! {
                () = stop.cancelled() => {}
                changed = releases.changed() => if changed.is_err() { break },
                changed = connections.changed() => if changed.is_err() { break },
            }
        }
        for one in running.values() {
            one.stop.cancel();
        }
        tasks.close();
        tasks.wait().await;
        locked(&self.views).clear();
    }

    /// Starts what is new, stops what is gone, starts again what has changed.
    fn reconcile(&self, running: &mut BTreeMap<Place, Running>, tasks: &TaskTracker) {
        let mut wanted: BTreeMap<Place, (Arc<Release>, SourceTrigger, Grants, u64)> = BTreeMap::new();
        for release in self.intake.releases().all() {
            let integration = release.version.manifest.name.clone();
            let scope = Scope { environment: release.environment.clone(), integration };
            let generation = self.outside.generation(&scope.environment);
            for trigger in &release.version.manifest.triggers {
                if let TriggerKind::Source(source) = &trigger.kind {
                    let place = (scope.clone(), trigger.name.clone());
                    let component = release.version.manifest.components.get(&trigger.component);
                    let grants = component.map(|component| component.grants.clone()).unwrap_or_default();
                    wanted.insert(place, (Arc::clone(&release), source.clone(), grants, generation));
                }
            }
        }
        running.retain(|place, one| {
            let same = wanted.get(place).is_some_and(|(_, trigger, grants, generation)| {
                *trigger == one.trigger && *grants == one.grants && *generation == one.generation
            });
            if !same {
                one.stop.cancel();
                if !wanted.contains_key(place) {
                    locked(&self.views).remove(place);
                }
            }
            same
        });
        for (place, (release, trigger, grants, generation)) in wanted {
            if running.contains_key(&place) {
                continue;
            }
            let stop = CancellationToken::new();
            let view = Arc::clone(locked(&self.views).entry(place.clone()).or_default());
            let listener = Listener {
                place: place.clone(),
                trigger: trigger.clone(),
                grants: grants.clone(),
                intake: Arc::clone(&self.intake),
                outside: Arc::clone(&self.outside),
                clock: Arc::clone(&self.clock),
                metrics: Arc::clone(&self.metrics),
                stop: stop.clone(),
                view,
                late: tasks.clone(),
            };
            tasks.spawn(listener.run(release));
            running.insert(place, Running { stop, trigger, grants, generation });
        }
    }
}

/// One trigger's way from the other side into the queue.
struct Listener {
    place: Place,
    trigger: SourceTrigger,
    grants: Grants,
    intake: Arc<Intake>,
    outside: Arc<Outside>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    view: Arc<Mutex<SourceView>>,
    /// What a seeded bug puts off.
    late: TaskTracker,
}

impl Listener {
    async fn run(self, release: Arc<Release>) {
        let listener = Arc::new(self);
        let mut pause = FIRST_PAUSE;
        while !listener.stop.is_cancelled() {
            let began = listener.clock.monotonic();
            listener.show(|view| view.since = Some(listener.clock.now()));
            let ended = listener.listen(&release).await;
            listener.show(|view| {
                view.listening = false;
                view.held = None;
            });
            listener.tell(false);
            let (why, at_least) = match ended {
                Ok(()) | Err(SourceError::Stopped(SinkError::Stopped)) => {
                    if listener.stop.is_cancelled() {
                        return;
                    }
                    ("it ended by itself".to_owned(), Duration::ZERO)
                }
                Err(SourceError::Lost(why)) => (why, Duration::ZERO),
                Err(SourceError::Later { why, after }) => (why, after.min(LONGEST_WISH)),
                Err(SourceError::Refused(why)) => (why, PATIENCE),
            };
            if listener.clock.monotonic().saturating_sub(began) >= WELL {
                pause = FIRST_PAUSE;
            }
            let wait = pause.max(at_least);
            listener.failed(&why, wait);
            listener.stop.run_until_cancelled(listener.clock.sleep(wait)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Listens until it is told to stop, or fails.
    async fn listen(self: &Arc<Self>, release: &Release) -> Result<(), SourceError> {
        let (scope, trigger) = &self.place;
        let opened = self.outside.source(scope, &release.version.manifest, &self.trigger, &self.grants).await;
        let source = match opened {
            Ok(Ok(source)) => source,
            Ok(Err(why)) => return Err(SourceError::Refused(why)),
            Err(store) => return Err(SourceError::Lost(store.to_string())),
        };
        let context = SourceContext {
            sink: Arc::clone(self) as Arc<dyn Sink>,
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            name: format!("{}/{}/{trigger}", scope.environment, scope.integration),
            connection: self.trigger.connection.clone(),
            grants: self.grants.clone(),
        };
        let run = source.run(context);
        tokio::pin!(run);
        tokio::select! {
            ended = &mut run => ended,
            () = self.stop.cancelled() => {
                let patience = self.clock.sleep(GRACE);
                tokio::select! {
                    ended = &mut run => ended,
                    () = patience => Ok(()),
                }
            }
        }
    }

    fn failed(&self, why: &str, pause: Duration) {
        let (scope, trigger) = &self.place;
        let (environment, integration) = (&scope.environment, &scope.integration);
        tracing::warn!(
            %environment, %integration, %trigger, why, again_in_s = pause.as_secs(), "a trigger does not listen"
        );
        self.metrics.source_failed(scope, &self.trigger.on);
        self.show(|view| view.last_error = Some((self.clock.now(), why.to_owned())));
    }

    fn show(&self, change: impl FnOnce(&mut SourceView)) {
        change(&mut locked(&self.view));
    }

    fn stored(&self, events: u64) {
        self.show(|view| {
            view.held = None;
            if events > 0 {
                view.heard += events;
                view.last_heard = Some(self.clock.now());
            }
        });
    }

    fn tell(&self, listening: bool) {
        self.metrics.source_listening(&self.place.0, self.place.1.as_str(), listening);
    }
}

#[async_trait]
impl Sink for Listener {
    async fn accept(&self, heard: Vec<Heard>, cursor: Option<String>) -> Result<(), SinkError> {
        let (scope, trigger) = &self.place;
        if bug(Bug::CommitFirst) {
            let (intake, place, clock) = (Arc::clone(&self.intake), self.place.clone(), Arc::clone(&self.clock));
            self.late.spawn(async move {
                clock.sleep(LATE).await;
                let _ = intake.hear(&place.0, &place.1, &heard, cursor.as_deref()).await;
            });
            return Ok(());
        }
        let (mut from, mut most) = (0, heard.len().max(1));
        loop {
            if self.stop.is_cancelled() {
                return Err(SinkError::Stopped);
            }
            let to = heard.len().min(from + most);
            let last = to == heard.len();
            let cursor = cursor.as_deref().filter(|_| last);
            let again = match self.intake.hear(scope, trigger, &heard[from..to], cursor).await {
                Ok(()) => {
                    self.stored((to - from) as u64);
                    if last {
                        return Ok(());
                    }
                    from = to;
                    continue;
                }
                Err(IntakeError::NotFound) => return Err(SinkError::Stopped),
                Err(error @ IntakeError::QueueFull { .. }) => {
                    self.show(|view| view.held = Some(error.to_string()));
                    // A queue may have room for some of them, and never for all at once.
                    most = (most / 2).max(1);
                    AGAIN
                }
                Err(error) => {
                    self.show(|view| view.held = Some(error.to_string()));
                    AGAIN * 4
                }
            };
            self.stop.run_until_cancelled(self.clock.sleep(again)).await;
        }
    }

    async fn cursor(&self) -> Result<Option<String>, SinkError> {
        loop {
            if self.stop.is_cancelled() {
                return Err(SinkError::Stopped);
            }
            match self.intake.source_cursor(&self.place.0, &self.place.1).await {
                Ok(cursor) => return Ok(cursor),
                Err(error) => self.show(|view| view.held = Some(error.to_string())),
            }
            self.stop.run_until_cancelled(self.clock.sleep(AGAIN * 4)).await;
        }
    }

    fn event_bytes(&self) -> u64 {
        self.intake.event_bytes(&self.place.0, &self.place.1)
    }

    fn listening(&self) {
        self.show(|view| {
            view.listening = true;
            view.since = Some(self.clock.now());
        });
        self.tell(true);
    }

    fn lag(&self, messages: u64) {
        self.show(|view| view.lag = Some(messages));
        self.metrics.source_lag(&self.place.0, self.place.1.as_str(), messages);
    }

    fn lost(&self, position: &str, why: &str) {
        let (scope, trigger) = &self.place;
        let (environment, integration) = (&scope.environment, &scope.integration);
        tracing::warn!(%environment, %integration, %trigger, position, why, "a trigger lost something");
        self.metrics.source_lost(scope, &self.trigger.on);
        let text = format!("{position}: {why}");
        self.show(|view| {
            view.lost += 1;
            view.last_error = Some((self.clock.now(), text));
        });
    }
}

#[cfg(test)]
mod tests;
