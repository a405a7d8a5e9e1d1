//! The trigger: each object is heard once.

use jackfield_core::ports::source::{Source, SourceError};

use super::*;
use crate::testing::{Running, TestSink};

fn source(settings: &Value, trigger: Value) -> Arc<dyn Source> {
    let connector = S3Connector::new(&Network::default());
    connector.source(settings.as_object().unwrap(), &secrets(SECRET_KEY), trigger.as_object().unwrap()).unwrap()
}

fn listen(settings: &Value, sink: &Arc<TestSink>, trigger: Value) -> Running {
    Running::begin(source(settings, trigger), sink, "prod/invoices/incoming")
}

fn subjects(sink: &TestSink) -> Vec<String> {
    sink.accepted().iter().map(|heard| heard.event.subject.clone().unwrap()).collect()
}

async fn some_looks() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_become_events() {
    let (server, bucket, blob) = fresh().await;
    let settings = settings(&server.endpoint(), &bucket);
    put(&blob, object("in/old.csv", b"old")).await.unwrap();
    // Times of objects are in whole seconds.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let sink = TestSink::new();
    let trigger = json!({ "every": "50ms", "prefix": "in/", "pattern": "*.csv" });
    let running = listen(&settings, &sink, trigger.clone());
    sink.until_listening(1).await;
    let written = Object { content_type: Some("text/csv".into()), ..object("in/new.csv", b"1;2") };
    let etag = put(&blob, written).await.unwrap();
    put(&blob, object("in/not.txt", b"")).await.unwrap();
    put(&blob, object("in/sub/deeper.csv", b"")).await.unwrap();
    put(&blob, object("elsewhere.csv", b"")).await.unwrap();
    sink.until(1).await;
    let event = sink.accepted()[0].event.clone();
    assert_eq!(
        (event.event_type.as_str(), event.source.as_str()),
        ("jackfield.object", format!("s3:{bucket}").as_str())
    );
    assert_eq!((event.id.as_str(), &event.data[..]), (format!("in/new.csv {etag}").as_str(), &b"1;2"[..]));
    assert_eq!((event.subject.as_deref(), event.content_type.as_deref()), (Some("in/new.csv"), Some("text/csv")));
    assert!(sink.accepted()[0].dedupe);
    // Changed, it is another event.
    put(&blob, object("in/new.csv", b"1;2;3")).await.unwrap();
    sink.until(2).await;
    some_looks().await;
    running.stop().await.unwrap();
    assert_eq!(subjects(&sink), ["in/new.csv", "in/new.csv"]);

    // What came while nobody listened is heard; nothing else again.
    put(&blob, object("in/0-away.csv", &vec![b'x'; 1024 * 1024 + 1])).await.unwrap();
    let running = listen(&settings, &sink, trigger);
    sink.until(3).await;
    some_looks().await;
    running.stop().await.unwrap();
    assert_eq!((sink.count(), sink.lost_ones().len()), (3, 0));
    let large = sink.accepted()[2].event.clone();
    let reference: Value = serde_json::from_slice(&large.data).unwrap();
    assert_eq!((&reference["bucket"], &reference["key"]), (&json!(bucket), &json!("in/0-away.csv")));
    assert_eq!(reference["size"], 1024 * 1024 + 1);
    assert!(large.meta.contains(&("reference".into(), "true".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_below_the_connections_prefix_are_as_calls_say_them() {
    let (server, bucket, _) = fresh().await;
    let mut settings = settings(&server.endpoint(), &bucket);
    settings["prefix"] = "base".into();
    server.put(&bucket, "base/in/a", b"x").await;
    server.put(&bucket, "in/a", b"x").await;
    server.put(&bucket, "base/in/folder/", b"").await;
    let sink = TestSink::new();
    let running = listen(&settings, &sink, json!({ "every": "50ms", "from": "all", "prefix": "in/" }));
    sink.until(1).await;
    some_looks().await;
    running.stop().await.unwrap();
    let heard = sink.accepted();
    assert_eq!((heard.len(), heard[0].event.subject.as_deref()), (1, Some("in/a")));
    assert!(heard[0].event.id.starts_with("base/in/a "), "{}", heard[0].event.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_objects_than_a_page_are_all_heard_also_when_it_is_killed() {
    const OBJECTS: usize = 1_200;
    let (server, bucket, blob) = fresh().await;
    let settings = settings(&server.endpoint(), &bucket);
    let mut putting = JoinSet::new();
    for part in 0..8 {
        let blob = Arc::clone(&blob);
        putting.spawn(async move {
            for n in (part..OBJECTS).step_by(8) {
                put(&blob, object(&format!("o{n:04}"), n.to_string().as_bytes())).await.unwrap();
            }
        });
    }
    putting.join_all().await;
    let sink = TestSink::new();
    let trigger = json!({ "every": "50ms", "from": "all" });
    // Dies after the first batch is on disk, and before it knows.
    sink.set_silent(true);
    let running = listen(&settings, &sink, trigger.clone());
    sink.until(1).await;
    running.abort().await;
    sink.set_silent(false);
    assert!(sink.count() < OBJECTS);
    let running = listen(&settings, &sink, trigger.clone());
    sink.until_distinct(OBJECTS).await;
    some_looks().await;
    running.stop().await.unwrap();
    let running = listen(&settings, &sink, trigger);
    put(&blob, object("p", b"last")).await.unwrap();
    sink.until_distinct(OBJECTS + 1).await;
    some_looks().await;
    running.stop().await.unwrap();
    // The batch that it died over is read once more, and has the same ids; the rest is not.
    assert!(sink.count() <= OBJECTS + 1 + 200, "{}", sink.count());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_under_load_loses_nothing() {
    let mut server = S3::start(Options::default()).await;
    let bucket = server.bucket().await;
    let settings = settings(&server.endpoint(), &bucket);
    let blob = open(&settings);
    let sink = TestSink::new();
    let running = Running::kept(source(&settings, json!({ "every": "20ms" })), &sink, "prod/invoices/incoming");
    sink.until_listening(1).await;
    let mut written = 0;
    for round in 0..3 {
        for n in 0..40 {
            put(&blob, object(&format!("{round}-{n}"), b"x")).await.unwrap();
            written += 1;
        }
        server.kill().await;
        server.restart().await;
    }
    sink.until_distinct(written).await;
    running.stop().await.unwrap();
    assert!(sink.lost_ones().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_waited_for_and_a_stop_is_orderly() {
    let (server, bucket, blob) = fresh().await;
    let settings = settings(&server.endpoint(), &bucket);
    put(&blob, object("a", b"x")).await.unwrap();
    let sink = TestSink::new();
    sink.set_full(true);
    let running = listen(&settings, &sink, json!({ "every": "50ms", "from": "all" }));
    sink.until_waiting().await;
    sink.set_full(false);
    sink.until(1).await;
    running.stop().await.unwrap();
    assert_eq!(sink.last_lag(), 0);

    let ended = listen(&super::settings(&server.endpoint(), "no-such-bucket"), &sink, json!({})).ended().await;
    assert!(matches!(&ended, Err(SourceError::Refused(why)) if why.contains("NoSuchBucket")), "{ended:?}");
}
