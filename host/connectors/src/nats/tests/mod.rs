//! The NATS plug against a real server: works, refused, limit hit, peer dies and returns; and its triggers.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::ports::connector::{Connector, Secrets};
use jackfield_core::ports::messaging::{Message, Messaging, MessagingCall};
use jackfield_core::ports::outward::{Failure, Sending};
use jackfield_core::ports::source::Source;
use jackfield_tests::servers::Nats;
use jackfield_tests::servers::server::{PASSWORD, USER};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::NatsConnector;
use crate::Network;

mod addresses;
mod contract;
mod passing;
mod settings;
mod stream;

/// Longer than any call here takes.
const LONG: Duration = Duration::from_secs(30);

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no table"),
    }
}

fn connector() -> NatsConnector {
    NatsConnector::new(&Network::default())
}

fn secrets(value: &str) -> Secrets {
    vec![("app-password".into(), SecretString::from(value.to_owned()))]
}

/// Settings for a server, with `more` of them.
fn settings(nats: &Nats, more: Value) -> Map<String, Value> {
    let mut settings = map(json!({
        "servers": [format!("nats://{}", nats.address())],
        "credential": { "user": USER, "secret": "app-password" },
    }));
    settings.extend(map(more));
    settings
}

fn open(nats: &Nats, more: Value) -> Arc<dyn Messaging> {
    open_with(&connector(), &settings(nats, more), PASSWORD)
}

fn open_with(connector: &NatsConnector, settings: &Map<String, Value>, password: &str) -> Arc<dyn Messaging> {
    connector.open(settings, &secrets(password)).unwrap().messaging.unwrap()
}

fn source(nats: &Nats, trigger: Value) -> Arc<dyn Source> {
    connector().source(&settings(nats, json!({})), &secrets(PASSWORD), &map(trigger)).unwrap()
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

/// A client of another's, to look from outside.
async fn client(nats: &Nats) -> async_nats::Client {
    let options = async_nats::ConnectOptions::with_user_and_password(USER.into(), PASSWORD.into());
    options.connect(format!("nats://{}", nats.address())).await.unwrap()
}
