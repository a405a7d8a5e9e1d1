//! An outage of the other side: attempts are not burnt while it lasts, and its end starts no storm.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jackfield_tests::api::{Api, ENVIRONMENT};
use jackfield_tests::host::Host;
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe::{self, checked_call};
use jackfield_tests::stubs::record::Record;
use jackfield_tests::stubs::server::{Answer, Api as Answers};
use jackfield_tests::stubs::{Fault, Kind, Stub, echo::Echo};
use jackfield_tests::wait;
use serde_json::{Value, json};

/// A server that is down when it is told to be, and remembers when it was asked.
#[derive(Clone, Default)]
struct Flaky {
    down: Arc<AtomicBool>,
    arrived: Arc<Mutex<Vec<(Instant, bool)>>>,
}

impl Flaky {
    fn arrived(&self) -> Vec<(Instant, bool)> {
        self.arrived.lock().unwrap().clone()
    }
}

impl Answers for Flaky {
    fn answer(&self, _: &Record, _: &str) -> Answer {
        let down = self.down.load(Ordering::SeqCst);
        self.arrived.lock().unwrap().push((Instant::now(), down));
        if down { Answer::json(503, &json!({})) } else { Answer::json(201, &json!({})) }
    }
}

async fn breaker(host: &Host) -> Value {
    host.api().get(&format!("/v1/environments/{ENVIRONMENT}/connections/target")).await["breaker"].clone()
}

/// Threat row 69: while the other side is away, runs wait for it without using up attempts; one call at a time looks
/// whether it is back; and when it is, they come one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn threat_069_an_outage_burns_no_attempts_and_its_end_starts_no_storm() {
    const RUNS: usize = 60;
    let flaky = Flaky::default();
    let (host, target) = tokio::join!(Host::start(), async { Stub::start(0, flaky.clone()).await.unwrap() });
    let settings = json!({
        "base_url": target.base(), "breaker": { "failures": 3, "first": "200ms", "longest": "1s" },
    });
    probe::connect_with(&host, settings).await;
    // Three attempts in all: without a breaker an outage of a second would use them up.
    let manifest = Manifest::probe()
        .set("component.probe.retry.first", "50ms")
        .set("component.probe.retry.longest", "100ms")
        .set("component.probe.retry.attempts", 3);
    probe::deploy(&host, &manifest).await;
    flaky.down.store(true, Ordering::SeqCst);
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(host.api().start(ENVIRONMENT, "probe", &json!([checked_call("POST", "/effect")])).await);
    }
    // Every run was sent back twice at least: several of its probes have found it down.
    let held = wait::until("the calls are held", wait::LONG, || async {
        let breaker = breaker(&host).await;
        (breaker["held"].as_u64() > Some(2 * RUNS as u64) && breaker["opened"].as_u64() > Some(3)).then_some(breaker)
    });
    let held = held.await;
    assert!(["open", "half-open"].contains(&held["state"].as_str().unwrap()), "{held}");
    let listed = host.command().args(["connections", "list"]).output().await.unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout);
    assert!(listed.contains("held (open)") || listed.contains("one probes"), "{listed}");
    assert!(
        host.metrics_text().await.contains("jackfield_connection_breaker{connection=\"target\",environment=\"dev\"}")
    );
    let waiting = host.api().runs_in("waiting").await;
    let reason = waiting.iter().filter_map(|run| run["reason"].as_str()).find(|reason| reason.starts_with("held: "));
    assert!(reason.is_some_and(|reason| reason.contains("connection `target`")), "{waiting:#?}");

    flaky.down.store(false, Ordering::SeqCst);
    let back = Instant::now();
    let mut attempts = 0;
    for run in &runs {
        let run = host.api().wait_for(run, &["succeeded", "dead-lettered", "needs-decision"]).await;
        assert_eq!(run["state"], "succeeded", "{}", Api::brief(&run));
        attempts += run["attempts"].as_u64().unwrap();
        assert!(run["attempts_made"].as_array().unwrap().iter().all(|a| a["outcome"] != "held"));
    }
    let arrived = flaky.arrived();
    let (failed, made): (Vec<_>, Vec<_>) = arrived.iter().partition(|(_, down)| *down);
    // Each attempt that counts made its call; each effect was made once.
    assert_eq!((attempts as usize, made.len()), (arrived.len(), RUNS));
    // At first as many fail as were under way, then one at a time, further and further apart.
    assert!(failed.len() <= 8 + 3 + 2 * held["opened"].as_u64().unwrap() as usize, "{} calls failed", failed.len());
    // No storm: never a third of all within a fifth of a second.
    let times: Vec<Instant> = made.iter().map(|(at, _)| *at).collect();
    let most = times
        .iter()
        .map(|from| times.iter().filter(|at| **at >= *from && **at - *from < Duration::from_millis(200)).count())
        .max()
        .unwrap();
    assert!(most <= RUNS / 3, "{most} calls within 200 ms of {RUNS}, {:?} after it was back", back.elapsed());
    assert_eq!(breaker(&host).await["state"], "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_side_asks_for_holds_for_every_run_of_the_connection() {
    let (host, target) = tokio::join!(Host::start(), async { Stub::start(0, Echo).await.unwrap() });
    probe::connect(&host, &target).await;
    probe::deploy(&host, &Manifest::probe().set("component.probe.retry.attempts", 2)).await;
    target.fail(Fault::next(Kind::too_many(Duration::from_secs(2))));
    let begun = Instant::now();
    let first = host.api().start(ENVIRONMENT, "probe", &json!([checked_call("POST", "/one")])).await;
    host.api().wait_for(&first, &["waiting"]).await;
    let second = host.api().start(ENVIRONMENT, "probe", &json!([checked_call("POST", "/two")])).await;
    for (run, attempts) in [(first, 2), (second, 1)] {
        let run = host.api().wait_for(&run, &["succeeded", "dead-lettered"]).await;
        assert_eq!((&run["state"], &run["attempts"]), (&json!("succeeded"), &json!(attempts)), "{}", Api::brief(&run));
    }
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(target.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connections_rate_is_shared_and_waited_for() {
    let flaky = Flaky::default();
    let (host, target) = tokio::join!(Host::start(), async { Stub::start(0, flaky.clone()).await.unwrap() });
    let settings = json!({ "base_url": target.base(), "pace": { "rate": "10/s", "burst": 2, "concurrency": 2 } });
    probe::connect_with(&host, settings).await;
    probe::deploy(&host, &Manifest::probe()).await;
    let steps = json!([checked_call("GET", "/1"), checked_call("GET", "/2"), checked_call("GET", "/3")]);
    let mut runs = Vec::new();
    for _ in 0..6 {
        runs.push(host.api().start(ENVIRONMENT, "probe", &steps).await);
    }
    for run in runs {
        let run = host.api().wait_for(&run, &["succeeded", "dead-lettered"]).await;
        assert_eq!((&run["state"], &run["attempts"]), (&json!("succeeded"), &json!(1)), "{}", Api::brief(&run));
    }
    let arrived: Vec<Instant> = flaky.arrived().iter().map(|(at, _)| *at).collect();
    assert_eq!(arrived.len(), 18);
    // Two at once, then a tenth of a second each: 16 more take 1.6 s (and a little less, as clocks are not one).
    assert!(arrived[17] - arrived[0] >= Duration::from_millis(1_400), "{:?}", arrived[17] - arrived[0]);
    // A setting that does not read is refused with its key.
    let path = format!("/v1/environments/{ENVIRONMENT}/connections/target");
    let wish = json!({ "kind": "http", "settings": { "base_url": target.base(), "pace": { "rate": "fast" } } });
    let request = host.api().request(reqwest::Method::PUT, &path).json(&wish);
    let refused = Api::send(request).await.unwrap();
    assert!(refused.told().contains("pace.rate"), "{:#}", refused.body);
}
