//! The Kafka plug against a real broker: works, refused, limit hit, peer dies and returns; and its trigger.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::ports::connector::{Connector, Secrets};
use jackfield_core::ports::messaging::{Message, Messaging, MessagingCall};
use jackfield_core::ports::outward::{Failure, Sending};
use jackfield_core::ports::source::Source;
use jackfield_tests::servers::kafka::Record;
use jackfield_tests::servers::server::{PASSWORD, USER};
use jackfield_tests::servers::{Kafka, tls};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::KafkaConnector;
use crate::Network;

mod addresses;
mod contract;
mod hostile;
mod settings;
mod trigger;

/// Longer than any call here takes.
const LONG: Duration = Duration::from_secs(60);

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no table"),
    }
}

fn connector() -> KafkaConnector {
    KafkaConnector::new(&Network::default())
}

fn secrets(value: &str) -> Secrets {
    vec![("app-password".into(), SecretString::from(value.to_owned()))]
}

/// Settings for the listener without TLS, with `more` of them.
fn plain(kafka: &Kafka, more: Value) -> Map<String, Value> {
    let mut settings = map(
        json!({ "brokers": [kafka.address().to_string()], "tls": "off", "timeout": "60s", "connect_timeout": "30s" }),
    );
    settings.extend(map(more));
    settings
}

/// Settings for the listener with TLS and a password, with `more` of them.
fn secure(kafka: &Kafka, more: Value) -> Map<String, Value> {
    let mut settings = map(json!({
        "brokers": [kafka.tls_address().to_string()],
        "credential": { "user": USER, "secret": "app-password" },
        "ca": tls::files().ca,
    }));
    settings.extend(map(more));
    settings
}

fn open(settings: &Map<String, Value>) -> Arc<dyn Messaging> {
    open_with(&connector(), settings, PASSWORD)
}

fn open_with(connector: &KafkaConnector, settings: &Map<String, Value>, password: &str) -> Arc<dyn Messaging> {
    connector.open(settings, &secrets(password)).unwrap().messaging.unwrap()
}

fn source(kafka: &Kafka, trigger: Value) -> Arc<dyn Source> {
    connector().source(&plain(kafka, json!({})), &secrets(PASSWORD), &map(trigger)).unwrap()
}

fn message(topic: &str, data: impl AsRef<[u8]>) -> Message {
    let data = data.as_ref().to_vec().into();
    Message { topic: topic.into(), key: None, content_type: None, headers: Vec::new(), data }
}

fn sending(key: &str) -> Sending {
    Sending { key: key.into(), timeout: LONG, answer_bytes: 1024 * 1024, answer_rows: 1 }
}

async fn publish(link: &Arc<dyn Messaging>, key: &str, messages: Vec<Message>) -> Result<(), Failure> {
    let done = link.run(&MessagingCall::Publish(messages), &sending(key)).await?;
    assert_eq!(done, None);
    Ok(())
}

/// All records of a topic. The broker's own consumer gives up early on a machine that is busy: then it is asked again.
async fn records(kafka: &Kafka, topic: &str) -> Vec<Record> {
    let all: i64 = kafka.ends(topic).await.iter().sum();
    for _ in 0..10 {
        let records = kafka.records(topic).await;
        if records.len() as i64 == all {
            return records;
        }
    }
    panic!("{topic} has {all} records, and they do not come");
}

/// Publishes numbers, in calls of a hundred.
async fn fill(link: &Arc<dyn Messaging>, topic: &str, numbers: std::ops::Range<usize>) {
    let numbers: Vec<usize> = numbers.collect();
    for some in numbers.chunks(100) {
        let messages = some.iter().map(|n| Message { key: Some(n.to_string()), ..message(topic, n.to_string()) });
        publish(link, &format!("fill-{}", some[0]), messages.collect()).await.unwrap();
    }
}
