//! The trigger on topics.

use std::collections::BTreeSet;

use jackfield_core::ports::source::SourceError;
use jackfield_tests::servers::kafka::Options;
use tokio::task::JoinSet;

use super::*;
use crate::testing::{Running, TestSink};

const NAME: &str = "dev/orders/new";
const GROUP: &str = "jackfield.dev.orders.new";

/// A source that has to poll often; its group is its own.
fn hurried(kafka: &Kafka, topic: &str, group: &str) -> Arc<dyn Source> {
    let trigger = map(json!({ "topics": [topic], "group": group, "from": "earliest" }));
    let mut source = connector().topics(&plain(kafka, json!({})), &secrets(PASSWORD), &trigger).unwrap();
    source.most_poll = Duration::from_secs(6);
    Arc::new(source)
}

fn values(sink: &TestSink) -> BTreeSet<String> {
    sink.accepted().iter().map(|heard| String::from_utf8(heard.event.data.to_vec()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_become_events() {
    let kafka = Kafka::start(Options::default()).await;
    let topic = kafka.topic(1).await;
    let link = open(&plain(&kafka, json!({})));
    publish(&link, "key", vec![message(&topic, "before")]).await.unwrap();
    let sink = TestSink::new();
    let running = Running::begin(source(&kafka, json!({ "topics": [topic] })), &sink, NAME);
    sink.until_listening(1).await;
    let sent = Message {
        key: Some("k".into()),
        content_type: Some("text/plain".into()),
        headers: vec![("x-a".into(), "1".into()), ("offset".into(), "forged".into())],
        ..message(&topic, "hello")
    };
    publish(&link, "call", vec![sent]).await.unwrap();
    // A deleted key.
    kafka
        .tool(
            "org.apache.kafka.tools.ConsoleProducer",
            &[
                "--topic",
                &topic,
                "--reader-property",
                "parse.key=true",
                "--reader-property",
                "key.separator=|",
                "--reader-property",
                "null.marker=NULL",
            ],
            "gone|NULL\n",
        )
        .await;
    sink.until(2).await;
    running.stop().await.unwrap();
    let heard = sink.accepted();
    assert!(heard.iter().all(|heard| heard.dedupe));
    let event = &heard[0].event;
    let parts: Vec<&str> = event.source.split('/').collect();
    assert!(parts.len() == 3 && parts[0].starts_with("kafka:") && parts[0].len() == 28, "{}", event.source);
    assert!(parts[1] == topic && parts[2].len() == 22, "{}", event.source);
    assert_eq!((event.id.as_str(), event.event_type.as_str()), ("0/1", "jackfield.kafka"));
    assert_eq!((event.subject.as_deref(), event.content_type.as_deref()), (Some("k"), Some("text/plain")));
    assert_eq!(&event.data[..], b"hello");
    let meta: Vec<(&str, &str)> = event.meta.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(meta[..2], [("partition", "0"), ("offset", "1")]);
    assert_eq!(meta[3..], [("x-a", "1"), ("jackfield-key", "call-0")]);
    assert!(meta[2].0 == "timestamp" && event.time.is_some());
    let gone = &heard[1].event;
    assert_eq!((gone.subject.as_deref(), gone.data.len()), (Some("gone"), 0));
    assert!(gone.meta.contains(&("tombstone".into(), "true".into())), "{:?}", gone.meta);
    assert_eq!(kafka.committed(GROUP, &topic).await, [Some(3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_latest_is_decided_once() {
    let kafka = Kafka::start(Options::default()).await;
    let topic = kafka.topic(2).await;
    let link = open(&plain(&kafka, json!({})));
    fill(&link, &topic, 0..20).await;
    let sink = TestSink::new();
    // It hears nothing, and ends: what comes then is for the next run all the same.
    let running = Running::begin(source(&kafka, json!({ "topics": [topic] })), &sink, NAME);
    sink.until_listening(1).await;
    running.stop().await.unwrap();
    assert_eq!(sink.count(), 0);
    fill(&link, &topic, 20..30).await;
    let running = Running::begin(source(&kafka, json!({ "topics": [topic] })), &sink, NAME);
    sink.until(10).await;
    running.stop().await.unwrap();
    assert_eq!(values(&sink), (20..30).map(|n| n.to_string()).collect());
    assert_eq!(sink.count(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_056_killed_between_accept_and_commit() {
    let kafka = Kafka::shared().await;
    let topic = kafka.topic(1).await;
    let link = open(&plain(kafka, json!({})));
    fill(&link, &topic, 0..5).await;
    let sink = TestSink::new();
    let trigger = json!({ "topics": [topic], "group": "killed", "from": "earliest" });
    sink.set_silent(true);
    let running = Running::begin(source(kafka, trigger.clone()), &sink, NAME);
    sink.until(5).await;
    running.abort().await;
    assert_eq!(kafka.committed("killed", &topic).await, [None]);
    sink.set_silent(false);
    let running = Running::begin(source(kafka, trigger), &sink, NAME);
    sink.until(10).await;
    running.stop().await.unwrap();
    assert_eq!(sink.distinct().len(), 5, "the same (source, id) again");
    assert_eq!(kafka.committed("killed", &topic).await, [Some(5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_080_a_sink_that_waits_longer_than_a_member_may_be_silent() {
    let kafka = Kafka::shared().await;
    let topic = kafka.topic(2).await;
    let link = open(&plain(kafka, json!({})));
    fill(&link, &topic, 0..3000).await;
    let sink = TestSink::new();
    sink.set_full(true);
    let running = Running::begin(hurried(kafka, &topic, "waits"), &sink, NAME);
    sink.until_waiting().await;
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(kafka.committed("waits", &topic).await, [None, None], "nothing is committed before it is accepted");
    assert_eq!(sink.last_lag(), 3000);
    sink.set_full(false);
    sink.until(3000).await;
    running.stop().await.unwrap();
    assert_eq!((sink.count(), sink.distinct().len()), (3000, 3000), "the group never took it for dead");
    let committed: i64 = kafka.committed("waits", &topic).await.into_iter().flatten().sum();
    assert_eq!(committed, 3000);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_080_a_rebalance_in_the_middle_of_work() {
    let kafka = Kafka::shared().await;
    let topic = kafka.topic(4).await;
    let link = open(&plain(kafka, json!({})));
    fill(&link, &topic, 0..2000).await;
    let sinks = [TestSink::new(), TestSink::new()];
    // The first has all partitions, a batch that waits, and one more behind it, when the second comes.
    sinks[0].set_full(true);
    let one = Running::begin(hurried(kafka, &topic, "rebalanced"), &sinks[0], NAME);
    sinks[0].until_waiting().await;
    let other = Running::begin(hurried(kafka, &topic, "rebalanced"), &sinks[1], NAME);
    sinks[1].until_listening(1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    sinks[0].set_full(false);
    fill(&link, &topic, 2000..4000).await;
    let all = async || {
        let both = || values(&sinks[0]).union(&values(&sinks[1])).count();
        while both() < 4000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(60), all()).await;
    assert!(came.is_ok(), "{} and {} of 4000", values(&sinks[0]).len(), values(&sinks[1]).len());
    assert!(sinks.iter().all(|sink| sink.count() > 0), "both worked");
    other.stop().await.unwrap();
    one.stop().await.unwrap();
    // One may have been heard by both, under one id: the host makes one run of it.
    let distinct: BTreeSet<_> = sinks.iter().flat_map(|sink| sink.distinct()).collect();
    assert_eq!(distinct.len(), 4000);
    let committed: i64 = kafka.committed("rebalanced", &topic).await.into_iter().flatten().sum();
    assert_eq!(committed, 4000);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_081_broker_killed_under_load() {
    let mut kafka = Kafka::start(Options::default()).await;
    let topic = kafka.topic(3).await;
    let sink = TestSink::new();
    let trigger = json!({ "topics": [topic], "from": "earliest" });
    let running = Running::kept(source(&kafka, trigger), &sink, NAME);
    sink.until_listening(1).await;
    let link = open(&plain(&kafka, json!({ "connect_timeout": "2s" })));
    let mut calls = JoinSet::new();
    for caller in 0..4 {
        let (link, topic) = (Arc::clone(&link), topic.clone());
        calls.spawn(async move {
            for n in 0..100 {
                let name = format!("{caller}-{n}");
                while publish(&link, &name, vec![message(&topic, &name)]).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
    }
    sink.until(100).await;
    kafka.kill().await;
    kafka.restart().await;
    calls.join_all().await;
    let all = async || {
        while values(&sink).len() < 400 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(60), all()).await;
    assert!(came.is_ok(), "{} of 400", values(&sink).len());
    running.stop().await.unwrap();
    let ends: i64 = kafka.ends(&topic).await.iter().sum();
    assert_eq!(sink.distinct().len() as i64, ends, "each record under one id");
    assert_eq!(kafka.committed(GROUP, &topic).await.into_iter().flatten().sum::<i64>(), ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_082_the_topic_moves_on_over_what_is_too_large() {
    let most = (40 << 20).to_string();
    let settings = ["message.max.bytes", "replica.fetch.max.bytes", "socket.request.max.bytes"];
    let kafka = Kafka::start(Options { settings: settings.map(|key| (key.into(), most.clone())).into() }).await;
    let topic = kafka.topic(1).await;
    let link = open(&plain(&kafka, json!({})));
    for size in [10, 2 << 20, 17 << 20, 10] {
        publish(&link, &format!("k{size}"), vec![message(&topic, vec![b'x'; size])]).await.unwrap();
    }
    let sink = TestSink::new();
    let trigger = json!({ "topics": [topic], "from": "earliest" });
    let running = Running::begin(source(&kafka, trigger), &sink, NAME);
    sink.until(3).await;
    running.stop().await.unwrap();
    assert_eq!(sink.accepted().iter().map(|h| h.event.data.len()).collect::<Vec<_>>(), [10, 2 << 20, 10]);
    let lost = sink.lost_ones();
    assert!(lost.len() == 1 && lost[0].0.ends_with(" 0/2") && lost[0].1.contains("17825792 bytes"), "{lost:?}");
    assert_eq!(kafka.committed(GROUP, &topic).await, [Some(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_is_another() {
    let kafka = Kafka::start(Options::default()).await;
    let topic = kafka.topic(1).await;
    let link = open(&plain(&kafka, json!({})));
    fill(&link, &topic, 0..10).await;
    let sink = TestSink::new();
    let trigger = json!({ "topics": [topic], "from": "earliest" });
    let running = Running::kept(source(&kafka, trigger), &sink, NAME);
    sink.until(10).await;
    let tool = "org.apache.kafka.tools.TopicCommand";
    kafka.tool(tool, &["--delete", "--topic", &topic], "").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    kafka.tool(tool, &["--create", "--topic", &topic, "--partitions", "1"], "").await;
    let link = open(&plain(&kafka, json!({})));
    while publish(&link, "anew", vec![message(&topic, "anew")]).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sink.until_distinct(11).await;
    running.stop().await.unwrap();
    let last = sink.accepted().pop().unwrap().event;
    assert_eq!((last.id.as_str(), &last.data[..]), ("0/0", &b"anew"[..]));
    assert_ne!(last.source, sink.accepted()[0].event.source);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_to_mend_is_said() {
    let kafka = Kafka::shared().await;
    let sink = TestSink::new();
    let mut running = Running::begin(source(kafka, json!({ "topics": ["nowhere"] })), &sink, NAME);
    let refused = running.ended().await.unwrap_err();
    assert!(matches!(&refused, SourceError::Refused(text) if text.contains("`nowhere`")), "{refused:?}");
    let trigger = map(json!({ "topics": ["a"] }));
    let wrong = connector().source(&secure(kafka, json!({})), &secrets("guessed"), &trigger).unwrap();
    let refused = Running::begin(wrong, &sink, NAME).ended().await.unwrap_err();
    assert!(matches!(&refused, SourceError::Refused(text) if text.contains("`app-password`")), "{refused:?}");
}
