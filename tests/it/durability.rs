//! Durability: the host is killed again and again, and an independent ledger tells what really happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jackfield_tests::host::{Host, post_hook};
use jackfield_tests::ledger::{Entry, Process};
use jackfield_tests::manifest::Manifest;
use jackfield_tests::{env, probe, wait};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Calls to the ledger that each event makes.
const STEPS: u32 = 3;

fn manifest() -> Manifest {
    let methods = r#"methods = ["POST"], paths = ["/**"]"#;
    Manifest::probe()
        .set_toml("trigger.0.rate", "{ per_second = 100000, burst = 100000 }")
        .set("trigger.0.id_header", "x-event-id")
        .set_toml("connections.keyed", r#"{ kind = "http" }"#)
        .set_toml(
            "component.probe.grants.http",
            &format!(r#"[{{ connection = "target", {methods} }}, {{ connection = "keyed", {methods} }}]"#),
        )
        .set_toml("component.probe.retry", r#"{ first = "10ms", longest = "100ms", for = "1h" }"#)
}

/// Three calls and a count. Whatever is asked for is asked for in the same order again.
fn steps(connection: &str, event: &str) -> Value {
    let call = |step: u32| {
        let url = format!("/{event}/{step}");
        json!({ "do": "call", "connection": connection, "method": "POST", "url": url, "json": { "event": event }, "check": true })
    };
    json!([call(1), { "do": "kv", "op": "increment", "key": format!("count/{connection}"), "by": 1 }, call(2), call(3)])
}

/// What was sent, and what was acknowledged.
#[derive(Default)]
struct Sent {
    /// Event to run.
    runs: BTreeMap<String, String>,
    /// Sent, and not acknowledged: a sender sends them again.
    open: BTreeSet<String>,
}

fn connection_of(event: &str) -> &'static str {
    if event.starts_with("keyed") { "keyed" } else { "target" }
}

/// Sends every open event at once, until the host dies or all are acknowledged.
async fn send(url: &str, sent: &mut Sent) {
    let mut sending = JoinSet::new();
    for event in sent.open.clone() {
        let url = url.to_owned();
        sending.spawn(async move {
            let headers = [("x-event-id".to_owned(), event.clone())];
            let answered = post_hook(&url, &headers, steps(connection_of(&event), &event).to_string()).await;
            match answered {
                Ok((202, _, body)) => Some((event, body["run"].as_str().unwrap().to_owned())),
                // A host that is dying: nothing was promised.
                _ => None,
            }
        });
    }
    for (event, run) in sending.join_all().await.into_iter().flatten() {
        sent.open.remove(&event);
        let before = sent.runs.insert(event.clone(), run.clone());
        assert!(before.is_none_or(|before| before == run), "event {event} became two runs");
    }
}

/// Promises 1 to 3: what was accepted is never lost, and no successful call is made twice, wherever the host dies.
#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_fifty_kills_lose_nothing_and_repeat_nothing() {
    let kills: u32 = if env::variable("JACKFIELD_LONG").is_some() { 500 } else { 50 };
    let folder = tempfile::tempdir().unwrap();
    let ledger = Process::start(env!("CARGO_BIN_EXE_ledger"), folder.path().join("ledger")).await;
    // A little slow, so that a kill meets calls under way.
    ledger.delay(3).await;
    let mut host = Host::start().await;
    // A path of their own each: which of two equal addresses an absolute URL meant would be a guess.
    probe::connect_with(&host, json!({ "base_url": format!("{}/plain", ledger.base()) })).await;
    let keyed = json!({ "base_url": format!("{}/keyed", ledger.base()), "idempotency": "header" });
    host.api().set_connection("dev", "keyed", "http", keyed).await;
    probe::deploy(&host, &manifest()).await;

    let mut sent = Sent::default();
    for kill in 0..kills {
        for n in 0..4 {
            sent.open.insert(format!("keyed-{kill}-{n}"));
            sent.open.insert(format!("plain-{kill}-{n}"));
        }
        let url = host.hook("dev", "probe", "hook").await;
        let sending = send(&url, &mut sent);
        // Every fourth kill comes while events are accepted. The others wait until so many calls have come, then
        // some milliseconds more: somewhere between a claim, a call, its result and the settle of a run.
        let (calls, moment) =
            (if kill % 4 == 0 { 0 } else { kill as usize % 7 + 1 }, Duration::from_millis(u64::from(kill * 7 % 13)));
        let wanted = ledger.count() + calls;
        let killing = async {
            let come = || async { (ledger.count() >= wanted).then_some(()) };
            wait::until("calls come", wait::LONG, come).await;
            tokio::time::sleep(moment).await;
            host.kill9().await;
        };
        tokio::join!(sending, killing);
        host.restart().await;
    }
    let url = host.hook("dev", "probe", "hook").await;
    while !sent.open.is_empty() {
        send(&url, &mut sent).await;
    }
    let events = sent.runs.len();
    assert_eq!(events, (kills * 8) as usize);

    // Everything ends, or waits visibly for a person.
    let limit = Duration::from_secs(300);
    let settled = || async {
        for state in ["queued", "running", "waiting"] {
            if !host.api().runs_in(state).await.is_empty() {
                return None;
            }
        }
        Some(())
    };
    wait::until("every run ends or is parked", limit, settled).await;
    let entries = ledger.entries();
    let parked: Vec<String> =
        host.api().runs_in("needs-decision").await.iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect();
    for (event, run) in &sent.runs {
        let run = host.api().run(run).await;
        let state = run["state"].as_str().unwrap();
        let told = jackfield_tests::api::Api::brief(&run);
        match connection_of(event) {
            "keyed" => assert_eq!(state, "succeeded", "{event}: {told}"),
            _ => assert!(state == "succeeded" || state == "needs-decision", "{event}: {told}"),
        }
    }
    nothing_was_repeated(&entries, &sent);
    // All this proves something only if kills met calls under way.
    let repeated = entries.iter().filter(|entry| entry.first != entry.number).count();
    let told = format!("{kills} kills: {repeated} keyed calls made again, {} unkeyed ones in doubt", parked.len());
    assert!(repeated > 0 && !parked.is_empty(), "too few kills met a call between its effect and its result: {told}");
    println!("{told}");
    let unkeyed = entries.iter().filter(|e| e.path.starts_with("/plain/"));
    let mut paths: Vec<_> = unkeyed.map(|e| e.path.as_str()).collect();
    let all = paths.len();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), all, "a call that nobody may repeat arrived twice");

    // The person says: make them again. They carry the key they had.
    for run in &parked {
        let decided = host.api().post(&format!("/v1/runs/{run}/decide"), &json!({ "decision": "retry" })).await;
        assert_eq!(decided.status, 200, "{:#}", decided.body);
    }
    for run in sent.runs.values() {
        let run = host.api().wait_for(run, &["succeeded", "dead-lettered"]).await;
        assert_eq!(run["state"], "succeeded", "{}", jackfield_tests::api::Api::brief(&run));
    }
    let entries = ledger.entries();
    nothing_was_repeated(&entries, &sent);
    let effects: BTreeSet<u64> = entries.iter().map(|entry| entry.first).collect();
    assert_eq!(effects.len(), events * STEPS as usize, "each effect has one key, and each key is one effect");

    // Our own store counted each run once.
    for connection in ["keyed", "target"] {
        let run = probe::run(&host, json!([{ "do": "kv", "op": "get", "key": format!("count/{connection}") }])).await;
        assert_eq!(probe::answers(&run)[0]["value"], events / 2, "count/{connection}");
    }
}

fn nothing_was_repeated(entries: &[Entry], sent: &Sent) {
    let mut by_path: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        by_path.entry(&entry.path).or_default().push(entry);
    }
    for (path, arrived) in &by_path {
        let keys: BTreeSet<_> = arrived.iter().map(|entry| &entry.key).collect();
        assert_eq!(keys.len(), 1, "{path} came with {keys:?}");
        assert!(arrived[0].key.is_some(), "{path} came without a key");
        let bodies: BTreeSet<_> = arrived.iter().map(|entry| &entry.body).collect();
        assert_eq!(bodies.len(), 1, "{path} came with different bodies");
    }
    for event in sent.runs.keys() {
        for step in 1..STEPS {
            let arrived = |step: u32| {
                let kind = if connection_of(event) == "keyed" { "keyed" } else { "plain" };
                by_path.get(format!("/{kind}/{event}/{step}").as_str()).map(Vec::as_slice).unwrap_or_default()
            };
            let (here, next) = (arrived(step), arrived(step + 1));
            // The next call is made only when this one's result is on disk: from then on it is not made again.
            if let (Some(last), Some(first)) = (here.last(), next.first()) {
                let told = format!("{event}: call {step} came again after call {} had come", step + 1);
                assert!(last.number < first.number, "{told}");
            }
        }
    }
}

/// SIGTERM while work goes on: runs are released without using up an attempt, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_gives_runs_back() {
    let mut host = Host::options().set("executor.drain", "300ms").start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let id = host.api().start("dev", "probe", &json!([{ "do": "sleep", "ms": 2_000 }, { "do": "echo" }])).await;
    host.api().wait_for(&id, &["running"]).await;
    let begun = std::time::Instant::now();
    let status = host.stop().await;
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    host.restart().await;
    let run = host.api().wait_for(&id, &["succeeded", "dead-lettered"]).await;
    assert_eq!(run["state"], "succeeded", "{}", jackfield_tests::api::Api::brief(&run));
    let outcomes: Vec<_> =
        run["attempts_made"].as_array().unwrap().iter().map(|a| a["outcome"].as_str().unwrap()).collect();
    assert!(outcomes.iter().all(|o| ["succeeded", "host-fault"].contains(o)), "{outcomes:?}");
}

/// Settings, secrets, connections, releases and tokens are there again after a kill.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_survives_a_kill() {
    let mut host = Host::start().await;
    let api = host.api();
    api.set_secret("dev", "one", "a secret of some length").await;
    api.set_connection("dev", "target", "http", json!({ "base_url": "http://127.0.0.1:9" })).await;
    probe::deploy(&host, &Manifest::probe()).await;
    api.set_config("dev", "probe", "setting", json!({ "a": [1, 2] })).await;
    let before = [
        api.get("/v1/environments/dev/secrets").await,
        api.get("/v1/environments/dev/connections").await,
        api.get("/v1/environments/dev/releases").await,
        api.get("/v1/tokens").await,
    ];
    host.kill9().await;
    host.restart().await;
    let api = host.api();
    let after = [
        api.get("/v1/environments/dev/secrets").await,
        api.get("/v1/environments/dev/connections").await,
        api.get("/v1/environments/dev/releases").await,
        api.get("/v1/tokens").await,
    ];
    assert_eq!(before, after);
    let run = probe::run(&host, json!([{ "do": "config", "name": "setting" }])).await;
    assert_eq!(probe::answers(&run)[0], r#"{"a":[1,2]}"#);
}
