//! The scheduler over a real store, in virtual time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Scheduler;
use crate::artifact::{Digest, Inspection};
use crate::clock::fake::{FakeClock, FakeRng};
use crate::clock::{Clock as _, Rng as _, Timestamp};
use crate::hatch::testing::{name, scope};
use crate::ids::RunId;
use crate::intake::{Intake, IntakeError, Releases};
use crate::metrics::Metrics;
use crate::release::{Component, Cron, Interval, Manifest, Misfire, Overlap, Trigger, TriggerKind, Version};
use crate::schedule::Schedule;
use crate::store::promises::{ROOM, success};
use crate::store::queue::{RunFilter, RunQueue as _};
use crate::store::registry::Registry as _;
use crate::store::schedules::{Cursor, ScheduleStore as _, Skip};
use crate::store::sqlite::{SqliteOptions, SqliteStore};

/// One host: what is gone when it dies is here, but for the clock.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<FakeClock>,
    rng: Arc<FakeRng>,
    store: SqliteStore,
    releases: Arc<Releases>,
    intake: Arc<Intake>,
    metrics: Arc<Metrics>,
    registry: prometheus::Registry,
}

impl World {
    /// A host whose clock stands at `start`, with these triggers released.
    async fn new(start: &str, triggers: Vec<Trigger>) -> Self {
        let clock = Arc::new(FakeClock::default());
        clock.set_wall(at(start));
        let world = Self::open(tempfile::tempdir().unwrap(), clock, Arc::new(FakeRng::new(1))).await;
        world.release(triggers).await;
        world
    }

    async fn open(folder: tempfile::TempDir, clock: Arc<FakeClock>, rng: Arc<FakeRng>) -> Self {
        let store = SqliteStore::open(folder.path(), SqliteOptions::new(clock.clone(), rng.clone())).unwrap();
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry, 100).unwrap();
        let releases = Releases::load(Arc::new(store.clone())).await.unwrap();
        let intake =
            Intake::new(Arc::new(store.clone()), releases.clone(), clock.clone(), rng.clone(), metrics.clone());
        Self { folder, clock, rng, store, releases, intake, metrics, registry }
    }

    /// The host dies and starts again.
    async fn restarted(self) -> Self {
        crate::store::admin::AdminStore::close(&self.store).await;
        Self::open(self.folder, self.clock, self.rng).await
    }

    async fn release(&self, triggers: Vec<Trigger>) {
        let digest = Digest::of(b"main");
        let inspection = Inspection {
            digest,
            size: 4,
            needs: vec![],
            imports: vec![],
            exports: vec![],
            unknown_imports: vec![],
            handles_events: true,
            handles_requests: false,
            producers: vec![],
        };
        let component = Component {
            source: "main.wasm".into(),
            limits: Default::default(),
            retry: Default::default(),
            grants: Default::default(),
            build: None,
            durability: Default::default(),
        };
        let manifest = Manifest {
            name: name("demo"),
            description: String::new(),
            connections: Default::default(),
            triggers,
            components: [(name("main"), component)].into(),
        };
        let now = self.clock.now();
        self.store.add_artifact(inspection, now).await.unwrap();
        let version = Version { number: 0, manifest, artifacts: [(name("main"), digest)].into() };
        let number = self.store.add_version(version, now).await.unwrap();
        self.store.release(name("dev"), name("demo"), number, vec![], "tester".into(), now).await.unwrap();
        self.releases.refresh().await.unwrap();
    }

    fn scheduler(&self) -> Scheduler {
        let store = Arc::new(self.store.clone());
        Scheduler::new(store, self.releases.clone(), self.intake.clone(), self.metrics.clone(), self.clock.clone())
    }

    /// Moves the clock on to `to`, and lets a scheduler deal with what is due.
    async fn pass_at(&self, scheduler: &mut Scheduler, to: &str) {
        self.clock.set_wall(at(to));
        scheduler.pass().await.unwrap();
    }

    /// The ids of all runs' events of a trigger, in the order in which they were stored.
    async fn fired(&self, trigger: &str) -> Vec<String> {
        let mut all = Vec::new();
        let mut before = None;
        loop {
            let page = self.store.runs(RunFilter { before, limit: 1_000, ..RunFilter::default() }).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            all.extend(page.into_iter().filter(|run| run.target.trigger.as_str() == trigger));
        }
        all.sort_by_key(|run| (run.accepted, run.event_id.clone()));
        all.into_iter().map(|run| run.event_id).collect()
    }

    async fn cursor(&self, trigger: &str) -> Cursor {
        self.store.cursors().await.unwrap().into_iter().find(|c| c.trigger.as_str() == trigger).unwrap()
    }

    /// The data of the event of the trigger's last run.
    async fn data(&self, trigger: &str) -> Value {
        let (_, run) = self.cursor(trigger).await.fired.unwrap();
        serde_json::from_slice(&self.store.run(run).await.unwrap().event.unwrap().data).unwrap()
    }

    /// Has everything that is queued succeed.
    async fn finish_all(&self) {
        for claim in self.store.claim(ROOM).await.unwrap() {
            let ending = success(&claim);
            self.store.settle(claim.fence, ending).await.unwrap();
        }
    }

    fn skips(&self, why: Skip) -> u64 {
        let families = self.registry.gather();
        let skipped = families.iter().find(|family| family.name() == "jackfield_schedule_skipped_total");
        let of = |metric: &&prometheus::proto::Metric| metric.get_label().iter().any(|l| l.value() == why.label());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        skipped.and_then(|family| family.get_metric().iter().find(of)).map_or(0, |m| m.get_counter().get_value() as u64)
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn cron(trigger: &str, schedule: &str, misfire: Misfire, overlap: Overlap) -> Trigger {
    let kind =
        TriggerKind::Cron(Cron { schedule: schedule.into(), timezone: "Europe/Berlin".into(), misfire, overlap });
    Trigger { name: name(trigger), component: name("main"), kind, order: None }
}

fn full(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| at(text).to_string()).collect()
}

#[tokio::test]
async fn an_event_says_which_instant_it_is() {
    let world =
        World::new("2027-03-27T12:00:00Z", vec![cron("nightly", "30 2 * * *", Misfire::Once, Overlap::Allow)]).await;
    let mut scheduler = world.scheduler();
    world.pass_at(&mut scheduler, "2027-03-28T00:59:59.999Z").await;
    assert!(world.fired("nightly").await.is_empty(), "nothing is due");
    world.pass_at(&mut scheduler, "2027-03-28T01:00:00.004Z").await;
    let (_, run) = world.cursor("nightly").await.fired.unwrap();
    let event = world.store.run(run).await.unwrap().event.unwrap();
    assert_eq!(event.id, "2027-03-28T01:00:00.000Z");
    assert_eq!(event.time.as_deref(), Some("2027-03-28T01:00:00.000Z"));
    assert_eq!((event.source.as_str(), event.event_type.as_str()), ("/schedules/demo/nightly", "jackfield.cron"));
    assert_eq!(event.content_type.as_deref(), Some("application/json"));
    let data =
        json!({ "scheduled": "2027-03-28T01:00:00.000Z", "zone": "Europe/Berlin", "previous": null, "missed": 0 });
    assert_eq!(serde_json::from_slice::<Value>(&event.data).unwrap(), data);
    world.pass_at(&mut scheduler, "2027-03-29T00:30:00Z").await;
    assert_eq!(world.data("nightly").await["previous"], "2027-03-28T01:00:00.000Z");
}

/// P5: whatever the clock does, however often the host starts again and whatever is released in
/// between, each instant since the first release is one run, and no other time is.
#[tokio::test]
async fn p5_one_firing_whatever_the_clock_does() {
    for seed in 0..4 {
        let dice = FakeRng::new(seed);
        let roll = |most: i64| {
            let mut bytes = [0; 8];
            dice.fill(&mut bytes);
            i64::from_le_bytes(bytes).rem_euclid(most)
        };
        // Over a change of the clock in either direction.
        let start = ["2027-03-27T10:00:00Z", "2027-10-30T10:00:00Z"][usize::try_from(seed % 2).unwrap()];
        let hourly = || cron("hourly", "15,45 * * * *", Misfire::All(1_000), Overlap::Allow);
        let other = |n| cron("other", ["0 4 * * *", "0 5 * * *"][n], Misfire::Once, Overlap::Skip);
        let mut world = World::new(start, vec![hourly(), other(0)]).await;
        let mut scheduler = world.scheduler();
        let mut latest = world.clock.now();
        for step in 0..40 {
            match roll(8) {
                0 => world.clock.set_wall(world.clock.now().minus(Duration::from_secs(3600))),
                1 => world.clock.set_wall(world.clock.now().plus(Duration::from_secs(24 * 3600))),
                2 => {
                    world = world.restarted().await;
                    scheduler = world.scheduler();
                }
                3 => world.release(vec![hourly(), other(step % 2)]).await,
                _ => {}
            }
            world.clock.set_wall(Timestamp(world.clock.now().0 + roll(3 * 3600 * 1_000)));
            scheduler.pass().await.unwrap();
            latest = latest.max(world.clock.now());
        }
        let schedule = Schedule::cron("15,45 * * * *", "Europe/Berlin").unwrap();
        let expected: BTreeSet<String> = std::iter::successors(schedule.next(at(start)), |last| schedule.next(*last))
            .take_while(|instant| *instant <= latest)
            .map(|instant| instant.to_string())
            .collect();
        let fired = world.fired("hourly").await;
        assert_eq!(fired.len(), expected.len(), "seed {seed}: an instant fired twice, or not");
        assert_eq!(fired.into_iter().collect::<BTreeSet<_>>(), expected, "seed {seed}");
    }
}

/// Threat row 77: the clock jumps.
#[tokio::test]
async fn threat_077_a_clock_that_jumps_fires_nothing_twice() {
    let triggers = vec![
        cron("once", "*/10 * * * *", Misfire::Once, Overlap::Allow),
        cron("skip", "*/10 * * * *", Misfire::Skip, Overlap::Allow),
        cron("all", "*/10 * * * *", Misfire::All(3), Overlap::Allow),
    ];
    let world = World::new("2026-06-01T11:55:00Z", triggers).await;
    let mut scheduler = world.scheduler();
    world.pass_at(&mut scheduler, "2026-06-01T12:00:00Z").await;
    // Back an hour: nothing until the clock has passed where it was, and no instant again.
    for minute in ["11:00", "11:10", "11:59", "12:00", "12:09"] {
        world.pass_at(&mut scheduler, &format!("2026-06-01T{minute}:00Z")).await;
        // A restart does not make it forget.
        scheduler = world.scheduler();
    }
    for trigger in ["once", "skip", "all"] {
        assert_eq!(world.fired(trigger).await, full(&["2026-06-01T12:00:00Z"]), "{trigger}");
    }
    world.pass_at(&mut scheduler, "2026-06-01T12:10:00Z").await;
    // Forward a day: the policy.
    world.pass_at(&mut scheduler, "2026-06-02T12:15:00Z").await;
    let before = ["2026-06-01T12:00:00Z", "2026-06-01T12:10:00Z"];
    let with = |more: &[&str]| full(&[&before, more].concat());
    assert_eq!(world.fired("skip").await, with(&[]));
    assert_eq!(world.fired("once").await, with(&["2026-06-02T12:10:00Z"]));
    let three = ["2026-06-02T11:50:00Z", "2026-06-02T12:00:00Z", "2026-06-02T12:10:00Z"];
    assert_eq!(world.fired("all").await, with(&three));
    assert_eq!(world.data("once").await["missed"], 143);
    assert_eq!(world.data("once").await["previous"], "2026-06-01T12:10:00.000Z");
    assert_eq!(world.data("all").await["missed"], 0, "the one before it has its own run");
    assert_eq!(world.cursor("skip").await.passed, 144);
    assert_eq!(world.skips(Skip::Late), 143 + 144 + 141);
    // And back that day.
    world.pass_at(&mut scheduler, "2026-06-01T12:30:00Z").await;
    world.pass_at(&mut scheduler, "2026-06-02T12:19:00Z").await;
    assert_eq!(world.fired("once").await.len(), 3);
    world.pass_at(&mut scheduler, "2026-06-02T12:20:00Z").await;
    assert_eq!(world.fired("once").await.len(), 4);
    assert_eq!(world.data("skip").await["missed"], 144);
}

/// Threat row 76: two schedulers over one store, and restarts, at each of a thousand ticks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_076_two_schedulers_one_store() {
    const TICKS: usize = 1_000;
    let every = Interval { every: Duration::from_secs(1), misfire: Misfire::Once, overlap: Overlap::Allow };
    let kind = TriggerKind::Interval(every);
    let interval = Trigger { name: name("tick"), component: name("main"), kind, order: None };
    let mut world = World::new("2026-01-01T00:00:00Z", vec![interval]).await;
    let start = world.clock.now();
    let (mut one, mut other) = (world.scheduler(), world.scheduler());
    for tick in 1..=TICKS {
        world.clock.advance(Duration::from_secs(1));
        match tick % 100 {
            // One of the two is new, the other has been away for some ticks.
            30 => one = world.scheduler(),
            60..70 => {
                one.pass().await.unwrap();
                continue;
            }
            90 => {
                world = world.restarted().await;
                (one, other) = (world.scheduler(), world.scheduler());
            }
            _ => {}
        }
        let passed = tokio::join!(async { one.pass().await }, async { other.pass().await },);
        assert_eq!(passed, (Ok(()), Ok(())));
    }
    let expected: Vec<String> =
        (1..=TICKS as u64).map(|tick| start.plus(Duration::from_secs(tick)).to_string()).collect();
    assert_eq!(world.fired("tick").await, expected);
}

/// Threat row 79: the host was down for ten hours, and comes back to a trigger that fires each second.
#[tokio::test]
async fn threat_079_ten_hours_down() {
    let seconds = "* * * * * *";
    let triggers = vec![
        cron("usual", seconds, Misfire::default(), Overlap::default()),
        cron("all", seconds, Misfire::All(5), Overlap::Allow),
        cron("skip", seconds, Misfire::Skip, Overlap::Skip),
        cron("queue", seconds, Misfire::All(5), Overlap::Queue),
    ];
    let world = World::new("2026-01-01T00:00:00.500Z", triggers).await;
    let world = world.restarted().await;
    let mut scheduler = world.scheduler();
    world.pass_at(&mut scheduler, "2026-01-01T10:00:00Z").await;
    assert_eq!(world.fired("usual").await, full(&["2026-01-01T10:00:00Z"]));
    assert_eq!(world.data("usual").await["missed"], 35_999);
    assert_eq!(world.fired("all").await.len(), 5);
    assert_eq!(world.fired("skip").await, full(&["2026-01-01T09:59:00Z"]), "what is on time does not overlap either");
    assert_eq!(world.fired("queue").await, full(&["2026-01-01T09:59:56Z"]));
    scheduler.pass().await.unwrap();
    let runs = world.store.runs(RunFilter { limit: 1_000, ..RunFilter::default() }).await.unwrap();
    assert_eq!(runs.len(), 1 + 5 + 1 + 1, "a second look starts nothing");
}

#[tokio::test]
async fn what_overlaps_is_skipped_or_waits() {
    let triggers = vec![
        cron("skip", "* * * * *", Misfire::Once, Overlap::Skip),
        cron("queue", "* * * * *", Misfire::Once, Overlap::Queue),
        cron("each", "* * * * *", Misfire::All(10), Overlap::Queue),
    ];
    let world = World::new("2026-01-01T00:00:30Z", triggers).await;
    let mut scheduler = world.scheduler();
    for minute in 1..=4 {
        world.pass_at(&mut scheduler, &format!("2026-01-01T00:0{minute}:00Z")).await;
    }
    let first = full(&["2026-01-01T00:01:00Z"]);
    for trigger in ["skip", "queue", "each"] {
        assert_eq!(world.fired(trigger).await, first, "{trigger}");
    }
    let skip = world.cursor("skip").await;
    assert_eq!((skip.passed, skip.skipped), (3, Some((at("2026-01-01T00:04:00Z"), Skip::Overlap))));
    assert_eq!(world.skips(Skip::Overlap), 3);
    assert_eq!(world.cursor("queue").await.at, at("2026-01-01T00:01:00Z"), "it waits");
    // A restart, and the earlier runs end: what waited goes on, late as the policy says.
    let world = world.restarted().await;
    let mut scheduler = world.scheduler();
    world.finish_all().await;
    world.pass_at(&mut scheduler, "2026-01-01T00:04:30Z").await;
    assert_eq!(world.fired("skip").await, first);
    assert_eq!(world.fired("queue").await, full(&["2026-01-01T00:01:00Z", "2026-01-01T00:04:00Z"]));
    assert_eq!(world.data("queue").await["missed"], 2);
    assert_eq!(world.fired("each").await, full(&["2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"]));
    for more in ["2026-01-01T00:03:00Z", "2026-01-01T00:04:00Z"] {
        world.finish_all().await;
        scheduler.pass().await.unwrap();
        assert_eq!(world.fired("each").await.last(), full(&[more]).last(), "one after another");
    }
}

#[tokio::test]
async fn a_run_by_hand_takes_no_instants_place() {
    let world =
        World::new("2026-01-01T00:00:30Z", vec![cron("sweep", "* * * * *", Misfire::Once, Overlap::Allow)]).await;
    let mut scheduler = world.scheduler();
    world.pass_at(&mut scheduler, "2026-01-01T00:01:00Z").await;
    let before = world.cursor("sweep").await;
    let runs: Vec<RunId> = [
        world.intake.fire(&scope(), &name("sweep")).await.unwrap().run(),
        world.intake.fire(&scope(), &name("sweep")).await.unwrap().run(),
    ]
    .into();
    assert_ne!(runs[0], runs[1], "each time it is another run");
    assert_eq!(world.cursor("sweep").await, before);
    let event = world.store.run(runs[0]).await.unwrap().event.unwrap();
    assert!(event.id.starts_with("by hand "), "{}", event.id);
    let data: Value = serde_json::from_slice(&event.data).unwrap();
    assert_eq!(
        (&data["scheduled"], &data["previous"]),
        (&json!("2026-01-01T00:01:00.000Z"), &json!("2026-01-01T00:01:00.000Z"))
    );
    world.pass_at(&mut scheduler, "2026-01-01T00:02:00Z").await;
    assert_eq!(world.cursor("sweep").await.fired.unwrap().0, at("2026-01-01T00:02:00Z"));
    assert_eq!(world.intake.fire(&scope(), &name("nobody")).await, Err(IntakeError::NotFound));
}

#[tokio::test]
async fn a_release_takes_effect_at_once_and_from_then_on() {
    let world = World::new("2026-01-01T00:00:30Z", vec![]).await;
    let stop = CancellationToken::new();
    let mut working = tokio::task::JoinSet::new();
    working.spawn(world.scheduler().run(stop.clone()));
    let until = async |fired: &[&str]| {
        let wanted = full(fired);
        for _ in 0..500 {
            if world.fired("sweep").await == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}, not {wanted:?}", world.fired("sweep").await);
    };
    // Added an hour later: nothing of that hour.
    world.clock.set_wall(at("2026-01-01T01:00:30Z"));
    let sweep = |schedule| vec![cron("sweep", schedule, Misfire::All(100), Overlap::Allow)];
    world.release(sweep("* * * * *")).await;
    world.clock.advance(Duration::from_secs(30));
    until(&["2026-01-01T01:01:00Z"]).await;
    // Changed: nothing of what the new one would have had before.
    world.clock.set_wall(at("2026-01-01T01:01:45Z"));
    world.release(sweep("30 * * * * *")).await;
    world.clock.advance(Duration::from_secs(45));
    until(&["2026-01-01T01:01:00Z", "2026-01-01T01:02:30Z"]).await;
    // Removed, and an hour later added again.
    world.release(vec![]).await;
    world.clock.set_wall(at("2026-01-01T02:02:45Z"));
    world.release(sweep("30 * * * * *")).await;
    world.clock.advance(Duration::from_secs(45));
    until(&["2026-01-01T01:01:00Z", "2026-01-01T01:02:30Z", "2026-01-01T02:03:30Z"]).await;
    stop.cancel();
    assert_eq!(working.join_next().await.unwrap().unwrap(), Ok(()));
}
