//! The trigger on subjects without a stream.

use jackfield_core::ports::source::SourceError;
use jackfield_tests::servers::nats::Options;
use jackfield_tests::servers::server::fresh_name;

use super::*;
use crate::testing::{Running, TestSink};

const NAME: &str = "dev/orders/new";

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_passing_become_events_once_for_all_nodes() {
    let nats = Nats::shared().await;
    let subject = fresh_name("passing");
    let trigger = json!({ "subjects": [format!("{subject}.a"), format!("{subject}.b.*")] });
    let sinks = [TestSink::new(), TestSink::new()];
    let running = sinks.each_ref().map(|sink| Running::begin(source(nats, trigger.clone()), sink, NAME));
    for sink in &sinks {
        sink.until_listening(1).await;
    }
    let link = open(nats, json!({ "jetstream": false }));
    for n in 0..50 {
        let messages = vec![message(&format!("{subject}.a"), b"a"), message(&format!("{subject}.b.{n}"), b"b")];
        publish(&link, "key", messages).await.unwrap();
    }
    let all = async {
        while sinks[0].count() + sinks[1].count() < 100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, all).await.unwrap();
    for running in running {
        running.stop().await.unwrap();
    }
    assert_eq!(sinks[0].count() + sinks[1].count(), 100, "each was heard by one of the two");
    let heard: Vec<_> = sinks.iter().flat_map(|sink| sink.accepted()).collect();
    assert!(heard.iter().all(|heard| !heard.dedupe && heard.event.source == "nats:core"));
    assert!(sinks.iter().all(|sink| sink.lost_ones().is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_081_what_may_have_been_missed_is_said() {
    let mut nats = Nats::start(Options::default()).await;
    let sink = TestSink::new();
    let running = Running::kept(source(&nats, json!({ "subjects": ["a"] })), &sink, NAME);
    sink.until_listening(1).await;
    nats.kill().await;
    nats.restart().await;
    sink.until_listening(2).await;
    let lost = sink.lost_ones();
    assert!(lost.len() == 1 && lost[0].1.contains("the connection was lost"), "{lost:?}");
    publish(&open(&nats, json!({ "jetstream": false })), "key", vec![message("a", b"1")]).await.unwrap();
    sink.until(1).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_081_a_full_queue_bounds_what_is_kept() {
    let nats = Nats::start(Options::default()).await;
    let sink = TestSink::new();
    sink.set_full(true);
    let running = Running::begin(source(&nats, json!({ "subjects": ["a"] })), &sink, NAME);
    sink.until_listening(1).await;
    let client = client(&nats).await;
    for _ in 0..40 {
        client.publish("a", vec![b'x'; 1 << 20].into()).await.unwrap();
        client.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    sink.set_full(false);
    sink.until(10).await;
    running.stop().await.unwrap();
    // 16 MiB wait at most, besides those the sink has.
    assert!((10..=20).contains(&sink.count()), "{} of 40 were kept", sink.count());
    let lost = sink.lost_ones();
    assert!(lost.iter().any(|(place, why)| place == "a" && why.contains("dropped")), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_may_not_be_heard_is_said() {
    let permissions = format!(
        "authorization {{ users: [ {{ user: \"{USER}\", password: \"{PASSWORD}\", \
         permissions: {{ subscribe: {{ deny: [\"secret.>\"] }} }} }} ] }}"
    );
    let nats = Nats::start(Options { settings: permissions, ..Options::default() }).await;
    let sink = TestSink::new();
    let mut running = Running::begin(source(&nats, json!({ "subjects": ["secret.plan"] })), &sink, NAME);
    let refused = running.ended().await.unwrap_err();
    assert!(matches!(&refused, SourceError::Refused(text) if text.contains("secret.plan")), "{refused:?}");
}
