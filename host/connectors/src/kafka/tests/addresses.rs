//! Whose address: what is dialed, and what is not.

use jackfield_core::ports::source::SourceError;
use jackfield_tests::servers::kafka::Options;

use super::*;
use crate::testing::{Running, TestSink};
use crate::tests::{Names, network};

#[tokio::test(flavor = "multi_thread")]
async fn threat_037_where_nobody_may_go() {
    let kafka = Kafka::shared().await;
    let topic = kafka.topic(1).await;
    let (net, audited) = network(Names::default().with("meta.example", &["169.254.169.254"]));
    let once = async |net: &Network, brokers: String| {
        let link = open_with(&KafkaConnector::new(net), &plain(kafka, json!({ "brokers": brokers })), PASSWORD);
        publish(&link, "key", vec![message(&topic, "1")]).await
    };
    for brokers in ["169.254.169.254:9092".to_owned(), format!("meta.example:9092,{}", kafka.address())] {
        let denied = once(&net, brokers).await.unwrap_err();
        assert!(matches!(denied, Failure::Denied(_)), "{denied:?}");
    }
    once(&net, kafka.address().to_string()).await.unwrap();
    let denied = once(&net.strict(), kafka.address().to_string()).await.unwrap_err();
    assert!(matches!(denied, Failure::Denied(_)), "{denied:?}");
    net.set_own_listeners(vec![kafka.address()]);
    let denied = once(&net, kafka.address().to_string()).await.unwrap_err();
    assert!(matches!(denied, Failure::Denied(_)), "{denied:?}");
    assert_eq!(audited.lock().unwrap().len(), 4);
}

/// A broker that says it is reached at `address`.
async fn advertising(address: &str) -> Kafka {
    let settings = vec![("advertised.listeners".to_owned(), address.to_owned())];
    Kafka::start(Options { settings }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_037_a_broker_that_the_cluster_names_is_checked() {
    // What cannot be dialed from where the broker is named does not keep it from answering.
    let kafka = advertising("PLAINTEXT://169.254.169.254:9092,SASL://127.0.0.1:1").await;
    let (net, audited) = network(Names::default());
    let plug = KafkaConnector::new(&net);
    let link = open_with(&plug, &plain(&kafka, json!({})), PASSWORD);
    let denied = publish(&link, "key", vec![message("a", "1")]).await.unwrap_err();
    let Failure::Denied(text) = &denied else { panic!("{denied:?}") };
    assert!(text.contains("169.254.169.254:9092"), "{text}");
    assert!(audited.lock().unwrap().iter().any(|denied| denied.host == "169.254.169.254"));

    let sink = TestSink::new();
    let trigger = map(json!({ "topics": ["a"] }));
    let source = plug.source(&plain(&kafka, json!({})), &secrets(PASSWORD), &trigger).unwrap();
    let refused = Running::begin(source, &sink, "dev/a/b").ended().await.unwrap_err();
    assert!(matches!(&refused, SourceError::Refused(text) if text.contains("169.254.169.254")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_037_an_inner_broker_that_only_the_cluster_names_is_refused() {
    // `localhost` is not among the settings' hosts: an answer names it, and answers do not lead inside.
    let kafka = advertising("PLAINTEXT://localhost:9092,SASL://127.0.0.1:1").await;
    let (net, _) = network(Names::default().with("localhost", &["127.0.0.1"]));
    let link = open_with(&KafkaConnector::new(&net), &plain(&kafka, json!({})), PASSWORD);
    let denied = publish(&link, "key", vec![message("a", "1")]).await.unwrap_err();
    assert!(
        matches!(&denied, Failure::Denied(text) if text.contains("add `localhost:9092` to `brokers`")),
        "{denied:?}"
    );
}
