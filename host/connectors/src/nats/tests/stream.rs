//! The trigger on a stream.

use async_nats::jetstream;
use jackfield_core::ports::source::SourceError;
use jackfield_tests::servers::nats::Options;
use jackfield_tests::servers::server::fresh_name;
use tokio::task::JoinSet;

use super::*;
use crate::testing::{Running, TestSink};

const NAME: &str = "dev/orders/new";

async fn info(nats: &Nats, stream: &str) -> Value {
    nats.api(&format!("CONSUMER.INFO.{stream}.jackfield_dev_orders_new"), &json!({})).await
}

/// Publishes messages with these numbers, as many at a time as the client likes.
async fn fill(nats: &Nats, subject: &str, count: usize) {
    let context = jetstream::new(client(nats).await);
    for begin in (0..count).step_by(1000) {
        let mut acks = Vec::new();
        for n in begin..count.min(begin + 1000) {
            acks.push(context.publish(subject.to_owned(), n.to_string().into()).await.unwrap());
        }
        for ack in acks {
            ack.await.unwrap();
        }
    }
}

/// A stream in memory, for many messages.
async fn in_memory(nats: &Nats) -> String {
    let name = fresh_name("memory");
    let stream = json!({ "name": name, "subjects": [format!("{name}.>")], "storage": "memory" });
    nats.api(&format!("STREAM.CREATE.{name}"), &stream).await;
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_become_events() {
    let nats = Nats::shared().await;
    let stream = nats.stream().await;
    nats.publish(&format!("{stream}.before"), b"before").await;
    let sink = TestSink::new();
    let trigger = json!({ "stream": stream, "subjects": [format!("{stream}.new.*"), format!("{stream}.big")] });
    let running = Running::begin(source(nats, trigger), &sink, NAME);
    sink.until_listening(1).await;

    let link = open(nats, json!({}));
    let sent = Message {
        key: Some("k".into()),
        content_type: Some("text/plain".into()),
        headers: vec![("X-A".into(), "1".into()), ("key".into(), "forged".into())],
        ..message(&format!("{stream}.new.one"), b"hello")
    };
    publish(&link, "call", vec![sent, message(&format!("{stream}.old.x"), b"not asked for")]).await.unwrap();
    sink.until(1).await;
    let heard = sink.accepted().remove(0);
    assert!(heard.dedupe);
    let event = heard.event;
    let created = nats.api(&format!("STREAM.INFO.{stream}"), &json!({})).await["created"].as_str().unwrap().to_owned();
    assert_eq!(event.source, format!("nats:{stream}/{}Z", &created[..23]));
    assert_eq!((event.id.as_str(), event.event_type.as_str()), ("2", "jackfield.nats"));
    assert_eq!(event.subject.as_deref(), Some(format!("{stream}.new.one").as_str()));
    assert_eq!(event.content_type.as_deref(), Some("text/plain"));
    assert_eq!(&event.data[..], b"hello");
    assert!(event.time.is_some());
    let meta = [("key", "k"), ("Nats-Msg-Id", "call-0"), ("X-A", "1")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(event.meta, meta);
    running.stop().await.unwrap();
    assert_eq!(sink.count(), 1);
    let info = info(nats, &stream).await;
    assert_eq!(info["num_ack_pending"], 0);
    assert_eq!((&info["config"]["ack_policy"], &info["config"]["max_ack_pending"]), (&json!("explicit"), &json!(1000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_is_brought_up_to_date_and_keeps_its_place() {
    let nats = Nats::shared().await;
    let stream = nats.stream().await;
    nats.publish(&format!("{stream}.a"), b"1").await;
    let sink = TestSink::new();
    let running = Running::begin(source(nats, json!({ "stream": stream, "deliver": "all" })), &sink, NAME);
    sink.until(1).await;
    running.stop().await.unwrap();
    nats.publish(&format!("{stream}.a"), b"2").await;
    nats.publish(&format!("{stream}.b"), b"3").await;
    // Other subjects, another wait; `deliver` is for a consumer that is made.
    let again = json!({ "stream": stream, "subjects": [format!("{stream}.b")], "ack_wait": "7s" });
    let running = Running::begin(source(nats, again), &sink, NAME);
    sink.until(2).await;
    running.stop().await.unwrap();
    let data: Vec<Vec<u8>> = sink.accepted().into_iter().map(|h| h.event.data.to_vec()).collect();
    assert_eq!(data, [b"1", b"3"]);
    assert_eq!(info(nats, &stream).await["config"]["ack_wait"], 7_000_000_000_u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_056_killed_between_accept_and_acknowledgement() {
    let nats = Nats::shared().await;
    let stream = nats.stream().await;
    let sink = TestSink::new();
    let trigger = json!({ "stream": stream, "deliver": "all", "ack_wait": "1s" });
    for n in 0..5 {
        nats.publish(&format!("{stream}.a"), n.to_string().as_bytes()).await;
    }
    sink.set_silent(true);
    let running = Running::begin(source(nats, trigger.clone()), &sink, NAME);
    sink.until(5).await;
    running.abort().await;
    sink.set_silent(false);
    let running = Running::begin(source(nats, trigger), &sink, NAME);
    sink.until(10).await;
    running.stop().await.unwrap();
    assert_eq!(sink.distinct().len(), 5, "the same (source, id) again");
    assert_eq!(info(nats, &stream).await["num_ack_pending"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_081_broker_killed_under_load() {
    let mut nats = Nats::start(Options::default()).await;
    let stream = nats.stream().await;
    let subject = format!("{stream}.a");
    let sink = TestSink::new();
    let running = Running::kept(source(&nats, json!({ "stream": stream, "ack_wait": "1s" })), &sink, NAME);
    sink.until_listening(1).await;
    let link = open(&nats, json!({}));
    let mut calls = JoinSet::new();
    for caller in 0..4 {
        let (link, subject) = (Arc::clone(&link), subject.clone());
        calls.spawn(async move {
            for n in 0..100 {
                let name = format!("{caller}-{n}");
                while publish(&link, &name, vec![message(&subject, &name)]).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
    sink.until(50).await;
    nats.kill().await;
    nats.restart().await;
    calls.join_all().await;
    // Each was published until it was confirmed, under one id: the stream has each once.
    sink.until_distinct(400).await;
    // A message whose acknowledgement went down with the server comes once more, and is acknowledged then.
    let settled = async {
        while info(&nats, &stream).await["num_ack_pending"] != 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LONG, settled).await.expect("the server still waits for an acknowledgement");
    running.stop().await.unwrap();
    let data: std::collections::BTreeSet<Vec<u8>> =
        sink.accepted().into_iter().map(|h| h.event.data.to_vec()).collect();
    assert_eq!((data.len(), sink.distinct().len()), (400, 400));
    let info = info(&nats, &stream).await;
    assert_eq!((&info["num_ack_pending"], &info["num_pending"]), (&json!(0), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_081_prefetch_flood() {
    const WAITING: usize = 100_000;
    let nats = Nats::start(Options::default()).await;
    let stream = in_memory(&nats).await;
    fill(&nats, &format!("{stream}.a"), WAITING).await;
    let sink = TestSink::new();
    sink.set_full(true);
    let running = Running::begin(source(&nats, json!({ "stream": stream, "deliver": "all" })), &sink, NAME);
    sink.until_waiting().await;
    // A moment in which all of them could come.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let held = info(&nats, &stream).await["num_ack_pending"].as_u64().unwrap();
    assert!((1..=500).contains(&held), "{held} messages are on this side");
    assert_eq!(sink.last_lag(), WAITING as u64);
    sink.set_full(false);
    sink.until(WAITING).await;
    running.stop().await.unwrap();
    assert_eq!((sink.count(), sink.distinct().len()), (WAITING, WAITING));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_queue_is_full_nothing_is_delivered_twice() {
    let nats = Nats::shared().await;
    let stream = nats.stream().await;
    for n in 0..3 {
        nats.publish(&format!("{stream}.a"), n.to_string().as_bytes()).await;
    }
    let sink = TestSink::new();
    sink.set_full(true);
    let trigger = json!({ "stream": stream, "deliver": "all", "ack_wait": "1s" });
    let running = Running::begin(source(nats, trigger), &sink, NAME);
    sink.until_waiting().await;
    // Longer than the server waits for an acknowledgement, and than a pull lasts.
    tokio::time::sleep(Duration::from_secs(7)).await;
    sink.set_full(false);
    sink.until(3).await;
    nats.publish(&format!("{stream}.a"), b"3").await;
    sink.until(4).await;
    running.stop().await.unwrap();
    assert_eq!(sink.count(), 4);
    assert_eq!(info(nats, &stream).await["num_redelivered"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_082_the_stream_moves_on_over_what_is_too_large() {
    let nats = Nats::start(Options { settings: "max_payload: 32MB".into(), ..Options::default() }).await;
    let stream = nats.stream().await;
    let context = jetstream::new(client(&nats).await);
    for size in [10, 2 << 20, 5 << 20, 17 << 20, 10] {
        context.publish(format!("{stream}.a"), vec![b'x'; size].into()).await.unwrap().await.unwrap();
    }
    let sink = TestSink::new();
    let running = Running::begin(source(&nats, json!({ "stream": stream, "deliver": "all" })), &sink, NAME);
    sink.until(4).await;
    running.stop().await.unwrap();
    let sizes: Vec<usize> = sink.accepted().iter().map(|h| h.event.data.len()).collect();
    assert_eq!(sizes, [10, 2 << 20, 5 << 20, 10]);
    let lost = sink.lost_ones();
    assert!(lost.len() == 1 && lost[0].0.contains(" 4 (") && lost[0].1.contains("17825792 bytes"), "{lost:?}");
    assert_eq!(info(&nats, &stream).await["num_ack_pending"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_leaves_what_was_not_accepted_for_the_next_at_once() {
    let nats = Nats::shared().await;
    let stream = in_memory(nats).await;
    fill(nats, &format!("{stream}.a"), 2000).await;
    let sink = TestSink::new();
    // The server would wait an hour for what it delivered.
    let trigger = json!({ "stream": stream, "deliver": "all", "ack_wait": "1h" });
    let running = Running::begin(source(nats, trigger.clone()), &sink, NAME);
    sink.until(500).await;
    running.stop().await.unwrap();
    let before = sink.count();
    let running = Running::begin(source(nats, trigger), &sink, NAME);
    sink.until_distinct(2000).await;
    running.stop().await.unwrap();
    assert_eq!(sink.count(), 2000, "{before} were accepted at first; none again");
    assert_eq!(info(nats, &stream).await["num_ack_pending"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_share_the_work_and_a_stream_made_anew_is_another() {
    let nats = Nats::shared().await;
    let stream = in_memory(nats).await;
    let trigger = json!({ "stream": stream, "deliver": "all", "ack_wait": "1s" });
    let sinks = [TestSink::new(), TestSink::new()];
    let running = sinks.each_ref().map(|sink| Running::kept(source(nats, trigger.clone()), sink, NAME));
    for sink in &sinks {
        sink.until_listening(1).await;
    }
    fill(nats, &format!("{stream}.a"), 3000).await;
    let all = async || {
        while sinks[0].count() + sinks[1].count() < 3000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, all()).await.unwrap();
    let both: std::collections::BTreeSet<_> = sinks.iter().flat_map(|sink| sink.distinct()).collect();
    assert_eq!((both.len(), sinks[0].count() + sinks[1].count()), (3000, 3000));
    let [one, other] = running;
    one.stop().await.unwrap();

    nats.api(&format!("STREAM.DELETE.{stream}"), &json!({})).await;
    let again = json!({ "name": stream, "subjects": [format!("{stream}.>")], "storage": "memory" });
    nats.api(&format!("STREAM.CREATE.{stream}"), &again).await;
    let (sink, before) = (&sinks[1], sinks[1].count());
    nats.publish(&format!("{stream}.a"), b"anew").await;
    sink.until(before + 1).await;
    let last = sink.accepted().pop().unwrap().event;
    assert_eq!(last.id, "1");
    assert!(!both.contains(&(last.source.clone(), last.id.clone())), "{}", last.source);
    other.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_to_mend_is_said() {
    let nats = Nats::shared().await;
    let sink = TestSink::new();
    let mut running = Running::begin(source(nats, json!({ "stream": "NOWHERE" })), &sink, NAME);
    let refused = running.ended().await.unwrap_err();
    assert!(matches!(&refused, SourceError::Refused(text) if text.contains("nats stream add NOWHERE")), "{refused:?}");
    let wrong =
        connector().source(&settings(nats, json!({})), &secrets("guessed"), &map(json!({ "stream": "A" }))).unwrap();
    let refused = Running::begin(wrong, &sink, NAME).ended().await.unwrap_err();
    assert!(matches!(&refused, SourceError::Refused(text) if text.contains("`app-password`")), "{refused:?}");
}
