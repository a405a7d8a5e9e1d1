//! The ledger's metrics: families, their labels, and the one place that moves them.
//!
//! Labels come from closed sets and from names an operator made, never from a run, a URL or a
//! message. Not here: how they are served; see the server's metrics listener.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::breaker::Word;
use crate::clock::Timestamp;
use crate::grant::Capability;
use crate::ids::{ConnectionName, EnvironmentName, Scope};
use crate::outcome::{Outcome, Usage};
use crate::run::{RunState, Target};
use crate::store::queue::Depth;
use crate::store::schedules::Skip;

/// What stands for an integration or component that came after the last free series.
pub const OVERFLOW: &str = "overflow";

const SCOPE: [&str; 2] = ["environment", "integration"];
const SOURCE: [&str; 3] = ["environment", "integration", "trigger"];
const CONNECTION: [&str; 2] = ["environment", "connection"];
const COMPONENT: [&str; 3] = ["environment", "integration", "component"];

const SECONDS: [f64; 12] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0, 3600.0];
const START_SECONDS: [f64; 8] = [0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.02, 0.1];
const MEMORY_BYTES: [f64; 7] =
    [1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0, 134_217_728.0, 268_435_456.0, 1_073_741_824.0];

/// What became of a guest's call in the hatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// It was carried out, or the other side answered, whatever it answered.
    Ok,
    /// It was not carried out.
    Error,
    /// No grant.
    AccessDenied,
    /// Nobody can know.
    InDoubt,
    /// It was answered from the journal.
    Replayed,
}

impl CallResult {
    /// Its label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::AccessDenied => "access-denied",
            Self::InDoubt => "in-doubt",
            Self::Replayed => "replayed",
        }
    }
}

/// What became of an event that a trigger heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerResult {
    /// It is a run.
    Accepted,
    /// It was one already.
    Duplicate,
    /// It is not genuine, or too large, or malformed.
    Refused,
    /// The integration's queue is full.
    QueueFull,
    /// Too many in too short a time.
    RateLimited,
}

impl TriggerResult {
    /// Its label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::QueueFull => "queue-full",
            Self::RateLimited => "rate-limited",
        }
    }
}

/// The ledger's metric families.
pub struct Metrics {
    attempts: Capped<IntCounterVec>,
    runs: Capped<IntCounterVec>,
    run_duration: Capped<HistogramVec>,
    attempt_duration: Capped<HistogramVec>,
    instance_start: Capped<HistogramVec>,
    run_memory: Capped<HistogramVec>,
    run_cpu: Capped<prometheus::CounterVec>,
    host_calls: Capped<IntCounterVec>,
    egress: Capped<IntCounterVec>,
    ingress: Capped<IntCounterVec>,
    queue: QueueGauges,
    trigger_events: Capped<IntCounterVec>,
    emitted: Capped<IntCounterVec>,
    schedule_skipped: Capped<IntCounterVec>,
    connection_breaker: Capped<IntGaugeVec>,
    connection_held: Capped<IntCounterVec>,
    source_listening: Capped<IntGaugeVec>,
    source_lag: Capped<IntGaugeVec>,
    source_failures: Capped<IntCounterVec>,
    source_lost: Capped<IntCounterVec>,
    log_lines_dropped: Capped<IntCounterVec>,
    build_info: IntGaugeVec,
    store_commits: IntCounter,
    store_wal_bytes: IntGauge,
}

impl Metrics {
    /// Registers every family. One of them holds at most `max_series` label combinations; what comes
    /// later is counted for the integration and component [`OVERFLOW`].
    ///
    /// # Errors
    ///
    /// A family of the same name is registered already.
    pub fn register(registry: &Registry, max_series: usize) -> prometheus::Result<Arc<Self>> {
        let family = Family { registry, max_series };
        let with = |labels: &[&'static str]| [&COMPONENT[..], labels].concat();
        Ok(Arc::new(Self {
            attempts: family.counter("attempts_total", "Attempts by outcome.", &with(&["outcome"]))?,
            runs: family.counter(
                "runs_total",
                "Runs that became final or were parked, by state.",
                &with(&["state"]),
            )?,
            run_duration: family.histogram(
                "run_duration_seconds",
                "From the acceptance of a run to its final state.",
                &SECONDS,
            )?,
            attempt_duration: family.histogram("attempt_duration_seconds", "Wall time of an attempt.", &SECONDS)?,
            instance_start: family.histogram(
                "instance_start_seconds",
                "Time to make the fresh instance of an attempt.",
                &START_SECONDS,
            )?,
            run_memory: family.histogram(
                "run_memory_bytes",
                "The most memory that the guest of an attempt had.",
                &MEMORY_BYTES,
            )?,
            run_cpu: family.register(prometheus::CounterVec::new(
                opts("run_cpu_seconds_total", "CPU time of attempts."),
                &COMPONENT,
            )?)?,
            host_calls: family.counter(
                "host_calls_total",
                "Calls of guests by capability and result.",
                &with(&["capability", "result"]),
            )?,
            egress: family.counter("egress_bytes_total", "Bytes of request bodies sent for guests.", &COMPONENT)?,
            ingress: family.counter(
                "ingress_bytes_total",
                "Bytes of response bodies received for guests.",
                &COMPONENT,
            )?,
            queue: QueueGauges {
                ready: family.gauge("queue_ready", "Runs that wait to be attempted, due or not.")?,
                running: family.gauge("queue_running", "Runs in an attempt.")?,
                parked: family.gauge("queue_parked", "Runs that wait for a decision.")?,
                dead: family.gauge("dead_letters", "Runs that will not be attempted again on their own.")?,
                oldest: family.register(GaugeVec::new(
                    opts("queue_oldest_seconds", "For how long the oldest run that is due has been due."),
                    &SCOPE,
                )?)?,
                shown: Mutex::default(),
            },
            trigger_events: family.counter(
                "trigger_events_total",
                "Events heard by triggers, by kind of trigger and result.",
                &[&SCOPE[..], &["kind", "result"]].concat(),
            )?,
            emitted: family.counter(
                "events_emitted_total",
                "Events that guests emitted: heard by some trigger, by none, or ignored for a known id.",
                &with(&["result"]),
            )?,
            schedule_skipped: family.counter(
                "schedule_skipped_total",
                "Instants of schedules that became no run, by reason.",
                &[&SCOPE[..], &["reason"]].concat(),
            )?,
            connection_breaker: family.register(IntGaugeVec::new(
                opts("connection_breaker", "A connection's breaker: 0 closed, 1 half-open, 2 open, 3 paused."),
                &CONNECTION,
            )?)?,
            connection_held: family.counter(
                "connection_held_total",
                "Calls that a connection's breaker or pace sent back to the queue.",
                &CONNECTION,
            )?,
            source_listening: family.register(IntGaugeVec::new(
                opts("source_listening", "Whether a trigger that hears from another system listens: 1 if it does."),
                &SOURCE,
            )?)?,
            source_lag: family.register(IntGaugeVec::new(
                opts("source_lag_messages", "Messages that wait on the other side of a trigger, where it says so."),
                &SOURCE,
            )?)?,
            source_failures: family.counter(
                "source_failures_total",
                "Times that a trigger could not listen, or no longer.",
                &["environment", "integration", "kind"],
            )?,
            source_lost: family.counter(
                "source_lost_total",
                "What a trigger heard and could not take, or knows that it missed.",
                &["environment", "integration", "kind"],
            )?,
            log_lines_dropped: family.counter(
                "log_lines_dropped_total",
                "Lines of guests' logs that were not kept.",
                &COMPONENT,
            )?,
            build_info: family
                .plain(IntGaugeVec::new(opts("build_info", "What is running; always 1."), &["version", "engine"])?)?,
            store_commits: family
                .plain(IntCounter::with_opts(opts("store_commits_total", "Transactions committed by the store."))?)?,
            store_wal_bytes: family
                .plain(IntGauge::with_opts(opts("store_wal_bytes", "Size of the store's write-ahead log."))?)?,
        }))
    }

    /// An attempt ended.
    pub fn attempt(&self, target: &Target, outcome: &Outcome, usage: &Usage) {
        let [environment, integration, component] = names(target);
        let labels = [environment, integration, component];
        self.attempts.with([environment, integration, component, outcome.label()]).inc();
        self.attempt_duration.with(labels).observe(usage.wall.as_secs_f64());
        // An attempt that got no instance (host-fault) would only pull these down.
        if usage.memory_peak_bytes > 0 {
            self.instance_start.with(labels).observe(usage.start.as_secs_f64());
            #[expect(clippy::cast_precision_loss, reason = "a histogram's buckets are coarser than an f64")]
            self.run_memory.with(labels).observe(usage.memory_peak_bytes as f64);
        }
        self.run_cpu.with(labels).inc_by(usage.cpu.as_secs_f64());
        self.egress.with(labels).inc_by(usage.sent_bytes);
        self.ingress.with(labels).inc_by(usage.received_bytes);
    }

    /// A guest's call was answered.
    pub fn call(&self, target: &Target, capability: Capability, result: CallResult) {
        let [environment, integration, component] = names(target);
        self.host_calls.with([environment, integration, component, capability.name(), result.label()]).inc();
    }

    /// A run became final, or was parked, `took` after it was accepted.
    pub fn run_ended(&self, target: &Target, state: RunState, took: Duration) {
        let [environment, integration, component] = names(target);
        self.runs.with([environment, integration, component, state.label()]).inc();
        if state.is_final() {
            self.run_duration.with(names(target)).observe(took.as_secs_f64());
        }
    }

    /// How many runs are where, of all integrations; one that is not listed is gone.
    pub fn depths(&self, depths: &[Depth], now: Timestamp) {
        self.queue.show(depths, now);
    }

    /// A trigger of this kind (see [`crate::release::TriggerKind::label`]) heard an event.
    pub fn trigger(&self, scope: &Scope, kind: &str, result: TriggerResult) {
        self.triggers(scope, kind, result, 1);
    }

    /// So many events ended thus at a trigger.
    pub fn triggers(&self, scope: &Scope, kind: &str, result: TriggerResult, events: u64) {
        let labels = [scope.environment.as_str(), scope.integration.as_str(), kind, result.label()];
        self.trigger_events.with(labels).inc_by(events);
    }

    /// So many instants of a schedule became no run.
    pub fn skipped(&self, scope: &Scope, why: Skip, instants: u64) {
        let labels = [scope.environment.as_str(), scope.integration.as_str(), why.label()];
        self.schedule_skipped.with(labels).inc_by(instants);
    }

    /// Where the breaker of a connection is now.
    pub fn connection_breaker(&self, environment: &EnvironmentName, connection: &ConnectionName, word: Word) {
        let value = match word {
            Word::Closed => 0,
            Word::HalfOpen => 1,
            Word::Open => 2,
            Word::Paused => 3,
        };
        self.connection_breaker.with([environment.as_str(), connection.as_str()]).set(value);
    }

    /// A connection sent a call back to the queue.
    pub fn connection_held(&self, environment: &EnvironmentName, connection: &ConnectionName) {
        self.connection_held.with([environment.as_str(), connection.as_str()]).inc();
    }

    /// Whether a trigger that hears from another system listens.
    pub fn source_listening(&self, scope: &Scope, trigger: &str, listening: bool) {
        let labels = [scope.environment.as_str(), scope.integration.as_str(), trigger];
        self.source_listening.with(labels).set(listening.into());
    }

    /// How many messages wait on the other side of a trigger.
    pub fn source_lag(&self, scope: &Scope, trigger: &str, messages: u64) {
        let labels = [scope.environment.as_str(), scope.integration.as_str(), trigger];
        self.source_lag.with(labels).set(i64::try_from(messages).unwrap_or(i64::MAX));
    }

    /// A trigger of this kind could not listen.
    pub fn source_failed(&self, scope: &Scope, kind: &str) {
        self.source_failures.with([scope.environment.as_str(), scope.integration.as_str(), kind]).inc();
    }

    /// A trigger of this kind lost something.
    pub fn source_lost(&self, scope: &Scope, kind: &str) {
        self.source_lost.with([scope.environment.as_str(), scope.integration.as_str(), kind]).inc();
    }

    /// Lines of an attempt's log were not kept.
    pub fn log_lines_dropped(&self, target: &Target, lines: u64) {
        if lines > 0 {
            self.log_lines_dropped.with(names(target)).inc_by(lines);
        }
    }

    /// A component emitted events: so many were heard, unheard, or known by their id.
    pub fn emitted(&self, target: &Target, heard: u64, unheard: u64, known: u64) {
        let [environment, integration, component] = names(target);
        for (count, result) in [(heard, "heard"), (unheard, "unheard"), (known, "duplicate")] {
            if count > 0 {
                self.emitted.with([environment, integration, component, result]).inc_by(count);
            }
        }
    }

    /// What is running: the host's version and the engine's.
    pub fn build_info(&self, version: &str, engine: &str) {
        self.build_info.with_label_values(&[version, engine]).set(1);
    }

    /// The store committed so many transactions.
    pub fn store_commits(&self, transactions: u64) {
        self.store_commits.inc_by(transactions);
    }

    /// The size of the store's write-ahead log.
    pub fn store_wal_bytes(&self, bytes: u64) {
        self.store_wal_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

fn names(target: &Target) -> [&str; 3] {
    [target.environment.as_str(), target.integration.as_str(), target.component.as_str()]
}

/// The gauges of the queue. They are set, not added to, so what overflows is summed up before.
struct QueueGauges {
    ready: Capped<IntGaugeVec>,
    running: Capped<IntGaugeVec>,
    parked: Capped<IntGaugeVec>,
    dead: Capped<IntGaugeVec>,
    oldest: Capped<GaugeVec>,
    shown: Mutex<HashSet<[String; 2]>>,
}

#[derive(Default)]
struct Sum {
    ready: u64,
    running: u64,
    parked: u64,
    dead: u64,
    oldest: Duration,
}

impl QueueGauges {
    fn show(&self, depths: &[Depth], now: Timestamp) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let listed: HashSet<[&str; 2]> = depths.iter().map(|depth| scope_names(&depth.scope)).collect();
        shown.retain(|[environment, integration]| {
            let labels = [environment.as_str(), integration.as_str()];
            let stays = listed.contains(&labels);
            if !stays {
                self.each(|gauge| gauge.remove(labels));
            }
            stays
        });
        let mut sums: BTreeMap<[&str; 2], Sum> = BTreeMap::new();
        for depth in depths {
            let mut labels = scope_names(&depth.scope);
            self.ready.admit(&mut labels);
            let sum = sums.entry(labels).or_default();
            sum.ready += depth.queued;
            sum.running += depth.running;
            sum.parked += depth.parked;
            sum.dead += depth.dead;
            sum.oldest = sum.oldest.max(depth.oldest_due.map_or(Duration::ZERO, |due| now.since(due)));
        }
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (labels, sum) in sums {
            self.ready.vec.with_label_values(&labels).set(whole(sum.ready));
            self.running.vec.with_label_values(&labels).set(whole(sum.running));
            self.parked.vec.with_label_values(&labels).set(whole(sum.parked));
            self.dead.vec.with_label_values(&labels).set(whole(sum.dead));
            self.oldest.vec.with_label_values(&labels).set(sum.oldest.as_secs_f64());
            shown.insert(labels.map(String::from));
        }
    }

    fn each(&self, act: impl Fn(&dyn Removable)) {
        for gauge in [&self.ready, &self.running, &self.parked, &self.dead] {
            act(gauge);
        }
        act(&self.oldest);
    }
}

fn scope_names(scope: &Scope) -> [&str; 2] {
    [scope.environment.as_str(), scope.integration.as_str()]
}

/// A family with a cap on its label combinations.
struct Capped<V> {
    vec: V,
    max_series: usize,
    admitted: RwLock<HashSet<u64>>,
}

impl<B: MetricVecBuilder> Capped<MetricVec<B>> {
    /// The series of these labels, or the overflowing one. The first label is the environment, then
    /// come the integration and, in most families, the component.
    fn with<const N: usize>(&self, mut labels: [&str; N]) -> B::M {
        self.admit(&mut labels);
        self.vec.with_label_values(&labels)
    }
}

impl<V: Collector> Capped<V> {
    fn admit(&self, labels: &mut [&str]) {
        let key = key(labels);
        if self.admitted.read().unwrap_or_else(PoisonError::into_inner).contains(&key) {
            return;
        }
        let mut admitted = self.admitted.write().unwrap_or_else(PoisonError::into_inner);
        if admitted.len() < self.max_series {
            admitted.insert(key);
            return;
        }
        let descs = self.vec.desc();
        let names = descs.first().map_or(&[][..], |desc| &desc.variable_labels);
        for (name, label) in names.iter().zip(labels) {
            if matches!(name.as_str(), "integration" | "component" | "connection") {
                *label = OVERFLOW;
            }
        }
    }
}

/// A gauge family, whatever it counts in.
trait Removable {
    fn remove(&self, labels: [&str; 2]);
}

impl<B: MetricVecBuilder> Removable for Capped<MetricVec<B>> {
    fn remove(&self, labels: [&str; 2]) {
        self.admitted.write().unwrap_or_else(PoisonError::into_inner).remove(&key(&labels));
        // It may be one that overflowed, and then has no series of its own.
        let _ = self.vec.remove_label_values(&labels);
    }
}

fn key(labels: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    labels.hash(&mut hasher);
    hasher.finish()
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("jackfield")
}

struct Family<'a> {
    registry: &'a Registry,
    max_series: usize,
}

impl Family<'_> {
    fn plain<V: Collector + Clone + 'static>(&self, vec: V) -> prometheus::Result<V> {
        self.registry.register(Box::new(vec.clone()))?;
        Ok(vec)
    }

    fn register<V: Collector + Clone + 'static>(&self, vec: V) -> prometheus::Result<Capped<V>> {
        Ok(Capped { vec: self.plain(vec)?, max_series: self.max_series, admitted: RwLock::default() })
    }

    fn counter(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Capped<IntCounterVec>> {
        self.register(IntCounterVec::new(opts(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<Capped<IntGaugeVec>> {
        self.register(IntGaugeVec::new(opts(name, help), &SCOPE)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Capped<HistogramVec>> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.register(HistogramVec::new(opts, &COMPONENT)?)
    }
}

#[cfg(test)]
mod tests;
