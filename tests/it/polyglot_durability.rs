//! The promise of durability in every language: three calls, a kill, an outage, a refusal, a bug and its fix, and in
//! the end each call was made once.

use std::sync::atomic::{AtomicU32, Ordering};

use jackfield_tests::api::{Api, ENVIRONMENT};
use jackfield_tests::host::Host;
use jackfield_tests::stubs::{self, Answer, Fault, Kind, Record, Stub};
use jackfield_tests::{env, wait};
use serde_json::{Value, json};

/// A side that takes every order and numbers it.
struct Counter(&'static str, AtomicU32);

impl stubs::Api for Counter {
    fn answer(&self, _: &Record, _: &str) -> Answer {
        let number = self.1.fetch_add(1, Ordering::Relaxed) + 1;
        Answer::json(201, &json!({ "number": format!("{}-{number}", self.0) }))
    }
}

/// The last side: it fails, then refuses, then does what it is asked and says so in words of its own.
struct Parcels(AtomicU32);

/// As often as the host makes a call in one attempt whose outcome nobody knows.
const TRIES: u32 = 3;

impl stubs::Api for Parcels {
    fn answer(&self, request: &Record, _: &str) -> Answer {
        // The first one met the kill.
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0..=TRIES => Answer::json(500, &json!({ "seen": request.number })),
            n if n == TRIES + 1 => Answer::json(422, &json!({ "why": "no address" })),
            _ => Answer::json(201, &json!({ "id": "parcel-1" })),
        }
    }
}

fn numbers(side: &Stub) -> Vec<(Option<u16>, Option<String>)> {
    let key = |record: &Record| record.header("idempotency-key").map(str::to_owned);
    side.requests().iter().map(|record| (record.status, key(record))).collect()
}

async fn in_language(language: &str) {
    let folder = format!("tests/guests/thrice-{language}");
    let manifest = std::fs::read_to_string(env::repository(&folder).join("jackfield.toml")).unwrap();
    let wasm = env::guest(&format!("{folder}/dist/order.wasm"));
    let stock = Stub::start(0, Counter("stock", AtomicU32::new(0))).await.unwrap();
    let bank = Stub::start(0, Counter("bank", AtomicU32::new(0))).await.unwrap();
    let parcels = Stub::start(0, Parcels(AtomicU32::new(0))).await.unwrap();

    let mut host = Host::start().await;
    for (name, side, settings) in [
        ("stock", &stock, json!({})),
        ("bank", &bank, json!({})),
        ("parcels", &parcels, json!({ "idempotency": "header" })),
    ] {
        let mut settings = settings;
        settings["base_url"] = side.base().into();
        host.api().set_connection(ENVIRONMENT, name, "http", settings).await;
    }
    host.api().deploy(ENVIRONMENT, &manifest, &[("order", &wasm)]).await;

    // Killed after the second call: the third has arrived, and nobody knows what became of it.
    parcels.fail(Fault::next(Kind::Silence));
    let run = host.api().start(ENVIRONMENT, "thrice", &json!({ "order": "o-1" })).await;
    let arrived = || async { (!parcels.requests().is_empty()).then_some(()) };
    wait::until("the third call arrives", wait::LONG, arrived).await;
    assert_eq!((stock.requests().len(), bank.requests().len()), (1, 1), "{language}");
    host.kill9().await;
    host.restart().await;

    // It goes on by itself: an outage, a refusal, and a bug that no attempt gets past.
    let dead = host.api().wait_for(&run, &["dead-lettered", "succeeded", "needs-decision"]).await;
    let told = format!("{language}: {}", Api::brief(&dead));
    assert_eq!(dead["state"], "dead-lettered", "{told}");
    let reasons: Vec<_> =
        dead["attempts_made"].as_array().unwrap().iter().map(|a| a["reason"].as_str().unwrap_or_default()).collect();
    for part in ["parcel: 500", "parcel: 422"] {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "{part}: {told}");
    }
    let statuses: Vec<_> = numbers(&parcels).into_iter().filter_map(|(status, _)| status).collect();
    assert_eq!(statuses[..TRIES as usize], [500; TRIES as usize], "{told}");
    assert_eq!(statuses[TRIES as usize..], [422, 201], "{told}");

    // Resumed as it is, it meets the same answer and the same bug, and nothing is sent.
    let sent = parcels.requests().len();
    resume(&host, &run, json!({ "request": "as it is" })).await;
    let dead = host.api().wait_for(&run, &["dead-lettered", "succeeded", "needs-decision"]).await;
    assert_eq!((&dead["state"], parcels.requests().len()), (&json!("dead-lettered"), sent), "{told}");

    // The fix is a new version, and the run goes on with it.
    let fixed = manifest.replace("what was ordered", "what was ordered, whatever a side calls its number");
    host.api().deploy(ENVIRONMENT, &fixed, &[("order", &wasm)]).await;
    resume(&host, &run, json!({ "request": "fixed", "version": "active" })).await;
    let run = host.api().wait_for(&run, &["succeeded", "dead-lettered", "needs-decision"]).await;
    let told = format!("{language}: {}", Api::brief(&run));
    assert_eq!(run["state"], "succeeded", "{told}");
    assert_eq!(
        run["output"]["data"],
        json!({ "reservation": "stock-1", "charge": "bank-1", "parcel": "parcel-1" }),
        "{told}"
    );

    // Each successful call was made once; all that were made in its place carried its key.
    for side in [&stock, &bank] {
        assert_eq!(side.requests().len(), 1, "{told}");
    }
    let made = numbers(&parcels);
    assert_eq!(made.iter().filter(|(status, _)| *status == Some(201)).count(), 1, "{made:?}: {told}");
    assert!(made.iter().all(|(_, key)| key.is_some() && *key == made[0].1), "{made:?}: {told}");
    let bodies: Vec<Value> = parcels.requests().iter().map(Record::json).collect();
    assert!(bodies.iter().all(|body| *body == json!({ "order": "o-1", "charge": "bank-1" })), "{bodies:?}");
    let last = run["attempts_made"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["usage"]["replayed"], &run["version"]), (&json!(3), &json!(2)), "{told}");
}

async fn resume(host: &Host, run: &str, how: Value) {
    let mut body = how;
    body["runs"] = json!([run]);
    let resumed = host.api().post("/v1/dead-letters/resume", &body).await;
    assert_eq!((resumed.status, &resumed.body["resumed"]), (200, &json!(1)), "{:#}", resumed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p3_each_call_is_made_once_in_rust() {
    in_language("rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p3_each_call_is_made_once_in_typescript() {
    in_language("js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p3_each_call_is_made_once_in_python() {
    in_language("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p3_each_call_is_made_once_in_go() {
    in_language("go").await;
}
