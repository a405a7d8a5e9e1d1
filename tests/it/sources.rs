//! Triggers that hear from real brokers and storages, killed again and again: nothing is lost, and what has an identity
//! becomes one run however often it is delivered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackfield_tests::api::ENVIRONMENT;
use jackfield_tests::env;
use jackfield_tests::host::{Host, Options};
use jackfield_tests::manifest::Manifest;
use jackfield_tests::probe;
use jackfield_tests::servers::server::{PASSWORD, USER};
use jackfield_tests::servers::{Kafka, Nats, S3, kafka, nats, s3};
use jackfield_tests::stubs::{Answer, Api, Record, Stub};
use jackfield_tests::wait;
use serde_json::{Value, json};

/// Seeds a bug in a development build of the host.
const BUG: &str = "JACKFIELD_GAUNTLET_BUG";
/// Messages between two blows.
const ROUND: usize = 60;

/// What a message does when it is handled: it counts itself.
fn message(number: usize) -> String {
    json!([{ "do": "kv", "op": "increment", "key": format!("seen/{number:05}"), "by": 1 }]).to_string()
}

/// The trigger of the fixture, on a connection called `far`.
fn manifest(kind: &str, trigger: &str, more: &str) -> Manifest {
    let probe = Manifest::probe().set("component.probe.limits.timeout", "5m");
    probe.set_toml("connections.far", &format!("{{ kind = \"{kind}\" }}")).add_toml(
        "trigger",
        &format!("{{ name = \"heard\", kind = \"{trigger}\", component = \"probe\", connection = \"far\", {more} }}"),
    )
}

async fn source(host: &Host) -> Value {
    let path = format!("/v1/environments/{ENVIRONMENT}/integrations/probe/triggers/heard");
    host.api().get(&path).await["source"].clone()
}

async fn listens(host: &Host) {
    let listening = || async { (source(host).await["listening"] == true).then_some(()) };
    wait::until("the trigger listens", wait::LONG, listening).await;
}

/// A counter that was counted up once, as the fixture shows it: the digit `1` in hex.
const ONCE: &str = "31";

/// How often each message was handled.
async fn counts(host: &Host) -> BTreeMap<String, String> {
    let run = probe::run(host, json!([{ "do": "kv", "op": "dump" }])).await;
    let dumped = &probe::answers(&run)[0];
    let entries = dumped.as_object().unwrap_or_else(|| panic!("{dumped:#}"));
    let seen = entries.iter().filter(|(key, _)| key.starts_with("seen/"));
    seen.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// Whether a message was handled.
async fn is_handled(host: &Host, number: usize) -> bool {
    let run = probe::run(host, json!([{ "do": "kv", "op": "get", "key": format!("seen/{number:05}") }])).await;
    !probe::answers(&run)[0].is_null()
}

/// Waits until so many messages were handled, and looks whether each was once.
async fn all_once(host: &Host, messages: usize) {
    // Thousands take a while to be counted.
    let limit = Duration::from_secs(if messages > 1_000 { 600 } else { 120 });
    let done = || async { (counts(host).await.len() >= messages).then_some(()) };
    wait::until(&format!("{messages} messages are handled"), limit, done).await;
    let counts = counts(host).await;
    let twice: Vec<_> = counts.iter().filter(|(_, count)| *count != ONCE).collect();
    assert!(twice.is_empty(), "handled more than once: {twice:?}");
    assert_eq!(counts.len(), messages);
}

/// How many kills of the host, and how many new starts of the other side.
fn blows() -> (usize, usize) {
    if env::variable("JACKFIELD_LONG").is_some() { (100, 20) } else { (3, 1) }
}

/// The host killed, and the other side started again, in the middle of work; `publish` sends the messages of a round.
async fn beaten<S>(
    host: &mut Host,
    far: &mut S,
    publish: impl AsyncFn(&S, std::ops::Range<usize>),
    restart: impl AsyncFn(&mut S),
) {
    let (kills, restarts) = blows();
    listens(host).await;
    let mut sent = 0;
    for blow in 0..kills + restarts {
        publish(far, sent..sent + ROUND).await;
        sent += ROUND;
        // Somewhere in the middle of the work.
        let working = || async { is_handled(host, sent - ROUND).await.then_some(()) };
        wait::until("some of it is handled", wait::LONG, working).await;
        // The starts of the other side are spread over the kills.
        if restarts > 0 && blow % (kills / restarts + 1) == kills / restarts {
            restart(far).await;
        } else {
            host.kill9().await;
            host.restart().await;
        }
    }
    publish(far, sent..sent + ROUND).await;
    sent += ROUND;
    all_once(host, sent).await;
}

/// Threat rows 56 and 80.
#[tokio::test(flavor = "multi_thread")]
async fn p1_threat_056_kafka_loses_nothing_and_repeats_nothing_over_kills() {
    let mut kafka = Kafka::start(kafka::Options::default()).await;
    let topic = kafka.topic(3).await;
    let mut host = Host::start().await;
    let settings = json!({ "brokers": [kafka.address().to_string()], "tls": "off" });
    host.api().set_connection(ENVIRONMENT, "far", "kafka", settings).await;
    let more = format!("topics = [\"{topic}\"], from = \"earliest\"");
    probe::deploy(&host, &manifest("kafka", "kafka", &more)).await;
    let publish = async |kafka: &Kafka, numbers: std::ops::Range<usize>| {
        let texts: Vec<_> = numbers.map(|number| (format!("k{}", number % 7), message(number))).collect();
        let records: Vec<_> = texts.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        kafka.produce(&topic, &records).await;
    };
    let restart = async |kafka: &mut Kafka| {
        kafka.kill().await;
        kafka.restart().await;
    };
    beaten(&mut host, &mut kafka, publish, restart).await;
}

async fn nats_connection(host: &Host, nats: &Nats) {
    host.api().set_secret(ENVIRONMENT, "nats-password", PASSWORD).await;
    let settings = json!({
        "servers": [format!("nats://{}", nats.address())],
        "credential": { "user": USER, "secret": "nats-password" },
    });
    host.api().set_connection(ENVIRONMENT, "far", "nats", settings).await;
}

/// Threat rows 56 and 81.
#[tokio::test(flavor = "multi_thread")]
async fn p1_threat_056_nats_streams_lose_nothing_and_repeat_nothing_over_kills() {
    let mut nats = Nats::start(nats::Options::default()).await;
    let stream = nats.stream().await;
    let mut host = Host::start().await;
    nats_connection(&host, &nats).await;
    let more = format!("stream = \"{stream}\", deliver = \"all\"");
    probe::deploy(&host, &manifest("nats", "nats", &more)).await;
    let publish = async |nats: &Nats, numbers: std::ops::Range<usize>| {
        for number in numbers {
            nats.publish(&format!("{stream}.orders"), message(number).as_bytes()).await;
        }
    };
    let restart = async |nats: &mut Nats| {
        nats.kill().await;
        nats.restart().await;
    };
    beaten(&mut host, &mut nats, publish, restart).await;
}

/// Threat row 56: the storage knows nothing of who has read what; the watermark is the host's own.
#[tokio::test(flavor = "multi_thread")]
async fn p1_threat_056_new_objects_are_heard_once_over_kills() {
    let mut storage = S3::start(s3::Options::default()).await;
    let bucket = storage.bucket().await;
    let mut host = Host::start().await;
    host.api().set_secret(ENVIRONMENT, "s3-secret", s3::SECRET_KEY).await;
    let settings = json!({
        "endpoint": storage.endpoint(), "region": s3::REGION, "bucket": bucket, "path_style": true,
        "credential": { "access_key": s3::ACCESS_KEY, "secret": "s3-secret" },
    });
    host.api().set_connection(ENVIRONMENT, "far", "s3", settings).await;
    probe::deploy(&host, &manifest("s3", "object", "every = \"1s\", from = \"all\"")).await;
    let publish = async |storage: &S3, numbers: std::ops::Range<usize>| {
        for number in numbers {
            storage.put(&bucket, &format!("in/{number:05}.json"), message(number).as_bytes()).await;
        }
    };
    let restart = async |storage: &mut S3| {
        storage.kill().await;
        storage.restart().await;
    };
    beaten(&mut host, &mut storage, publish, restart).await;
}

/// Files that are moved into a folder are heard once, and are gone when their runs are on disk.
#[tokio::test(flavor = "multi_thread")]
async fn p1_threat_084_files_are_heard_once_over_kills() {
    let inbox = tempfile::tempdir().unwrap();
    let (folder, outside) = (inbox.path().join("in"), inbox.path().join("being-written"));
    for path in [&folder, &outside] {
        std::fs::create_dir(path).unwrap();
    }
    let mut host = Host::options().set("connections.folders", folder.to_str().unwrap()).start().await;
    let settings = json!({ "path": folder.to_str().unwrap() });
    host.api().set_connection(ENVIRONMENT, "far", "folder", settings).await;
    let more = "pattern = \"*.json\", every = \"200ms\", ready = \"rename\", then = \"delete\"";
    probe::deploy(&host, &manifest("folder", "file", more)).await;
    let publish = async |(folder, outside): &(std::path::PathBuf, std::path::PathBuf),
                         numbers: std::ops::Range<usize>| {
        for number in numbers {
            let written = outside.join(format!("{number:05}"));
            std::fs::write(&written, message(number)).unwrap();
            std::fs::rename(&written, folder.join(format!("{number:05}.json"))).unwrap();
        }
    };
    let mut far = (folder.clone(), outside);
    beaten(&mut host, &mut far, publish, async |_| {}).await;
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A list over HTTP, as many systems have one: what has this key or a later one, so many at once.
#[derive(Clone, Default)]
struct Listing(Arc<Mutex<Vec<Value>>>);

impl Api for Listing {
    fn answer(&self, request: &Record, _: &str) -> Answer {
        let from = request.query.iter().find(|(name, _)| name == "from").map_or("", |(_, value)| value.as_str());
        let messages = self.0.lock().unwrap();
        let found = messages.iter().filter(|message| message[0]["key"].as_str().unwrap() >= from).take(25);
        Answer::json(200, &json!({ "messages": found.collect::<Vec<_>>() }))
    }
}

/// Threat row 56: the other side knows nothing of who has read what; the watermark is the host's own.
#[tokio::test(flavor = "multi_thread")]
async fn p1_threat_056_items_of_a_poll_are_heard_once_over_kills() {
    let listing = Listing::default();
    let mut stub = Some(Stub::start(0, listing.clone()).await.unwrap());
    let mut host = Host::start().await;
    let settings = json!({ "base_url": stub.as_ref().unwrap().base() });
    host.api().set_connection(ENVIRONMENT, "far", "http", settings).await;
    let more = "path = \"/messages?from={watermark}\", every = \"200ms\", items = \"/messages\", id = \"/0/key\", \
                watermark = \"/0/key\", start = \"seen/\"";
    let polls = manifest("http", "poll", more);
    let told = host.api().try_deploy(ENVIRONMENT, &polls.text(), &[("probe", &probe::wasm())]).await.told();
    let line = "http = [{ connection = \"far\", methods = [\"GET\"], paths = [\"/messages\"] }]";
    assert!(told.contains(line), "{told}");
    let granted = polls.set_toml("component.probe.grants.http", line.trim_start_matches("http = "));
    probe::deploy(&host, &granted).await;
    let publish = async |_: &Option<Stub>, numbers: std::ops::Range<usize>| {
        let messages = numbers.map(|number| serde_json::from_str(&message(number)).unwrap());
        listing.0.lock().unwrap().extend(messages);
    };
    let restart = async |stub: &mut Option<Stub>| {
        let port = stub.take().unwrap().port();
        let again = || async { Stub::start(port, listing.clone()).await.ok() };
        *stub = Some(wait::until("the port is free again", wait::LONG, again).await);
    };
    beaten(&mut host, &mut stub, publish, restart).await;
}

/// A full queue leaves the messages where they are, and what is held up is visible; then they come.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_leaves_messages_with_the_broker() {
    let nats = Nats::shared().await;
    let stream = nats.stream().await;
    let host = Host::options().set("queue.runs", "20").start().await;
    nats_connection(&host, nats).await;
    for number in 0..100 {
        let text = json!([{ "do": "sleep", "ms": 50 }, { "do": "kv", "op": "increment", "key": format!("seen/{number:05}"), "by": 1 }]);
        nats.publish(&format!("{stream}.orders"), text.to_string().as_bytes()).await;
    }
    probe::deploy(&host, &manifest("nats", "nats", &format!("stream = \"{stream}\", deliver = \"all\""))).await;
    let held = || async { source(&host).await["held"].as_str().map(str::to_owned) };
    let held = wait::until("the queue is full", wait::LONG, held).await;
    assert!(held.contains("queue.runs"), "{held}");
    // Until then a run by hand, which is how the messages are counted, would find the queue full as well.
    let heard = || async {
        (source(&host).await["heard"] == 100 && host.api().runs_in("queued").await.is_empty()).then_some(())
    };
    wait::until("all are heard, and nothing waits", wait::LONG, heard).await;
    all_once(&host, 100).await;
    assert!(source(&host).await["held"].is_null());
}

/// What is wrong with a trigger on a connection is said at the release, with the place; and what is wrong with its
/// connection where it is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_cannot_listen_says_why() {
    let host = Host::start().await;
    let wrong = manifest("nats", "kafka", "").text();
    let told = host.api().try_deploy(ENVIRONMENT, &wrong, &[("probe", &probe::wasm())]).await.told();
    assert!(told.contains("write `kind = \"nats\"`"), "{told}");
    let settings = json!({ "servers": ["nats://127.0.0.1:1"] });
    host.api().set_connection(ENVIRONMENT, "far", "nats", settings).await;
    probe::deploy(&host, &manifest("nats", "nats", "subjects = [\"a\"]")).await;
    let failed = || async { source(&host).await["last_error"]["text"].as_str().map(str::to_owned) };
    let text = wait::until("a failure", wait::LONG, failed).await;
    assert!(text.contains("127.0.0.1:1"), "{text}");
    assert_eq!(source(&host).await["listening"], false);
}

/// The tester is tested: a host that acknowledges before it stores loses what it heard when it is killed, and is found out.
#[tokio::test(flavor = "multi_thread")]
async fn the_seeded_bug_commit_first_is_found() {
    let nats = Nats::shared().await;
    let stream = nats.stream().await;
    let mut host = Host::options().variable(BUG, "commit-first").start().await;
    nats_connection(&host, nats).await;
    probe::deploy(&host, &manifest("nats", "nats", &format!("stream = \"{stream}\", deliver = \"all\""))).await;
    listens(&host).await;
    for number in 0..ROUND {
        nats.publish(&format!("{stream}.orders"), message(number).as_bytes()).await;
    }
    let consumers = || async {
        let listed = nats.api(&format!("CONSUMER.LIST.{stream}"), &json!({})).await;
        let consumer = &listed["consumers"][0];
        (consumer["num_pending"] == 0 && consumer["num_ack_pending"] == 0).then_some(())
    };
    wait::until("all is acknowledged", wait::LONG, consumers).await;
    host.kill9().await;
    host.restart_with(|options| Options { variables: vec![], ..options }).await;
    listens(&host).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let handled = counts(&host).await.len();
    assert!(handled < ROUND, "all {handled} are there: the bug was not found");
}
