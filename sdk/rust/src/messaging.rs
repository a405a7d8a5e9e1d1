//! Messages to brokers.

use std::time::Duration;

use serde::Serialize;

use crate::bindings::jackfield::plugin::messaging as host;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Attributes, Bytes, FromData};

/// Messages to broker connections of the manifest: NATS, Kafka, AMQP and so on. Messages are received by triggers.
///
/// A message that was published is not published again by a run that is tried again.
///
/// ```no_run
/// # fn example(cx: jackfield::Context) -> jackfield::Result<()> {
/// use jackfield::{Message, json};
///
/// cx.messaging.publish("events", Message::new("orders.paid").key("7").json(&json!({ "amount": 12 })))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Messaging {}

impl Messaging {
    /// Publishes a message and waits until the broker has confirmed it.
    ///
    /// # Errors
    ///
    /// The message was not published: [`ErrorKind::AccessDenied`] if the manifest does not grant its topic,
    /// [`ErrorKind::Refused`] if the broker does not know the topic or refused the message. After
    /// [`ErrorKind::Unavailable`] and [`ErrorKind::Timeout`] it may have been.
    #[track_caller]
    pub fn publish(&self, connection: &str, message: Message) -> Result<()> {
        self.publish_all(connection, [message])
    }

    /// Publishes up to 100 messages in order and waits until the broker has confirmed them. After an error the first ones
    /// may have been published.
    ///
    /// # Errors
    ///
    /// As [`Messaging::publish`].
    #[track_caller]
    pub fn publish_all(&self, connection: &str, messages: impl IntoIterator<Item = Message>) -> Result<()> {
        let mut ready = Vec::new();
        for message in messages {
            match message.problem {
                Some(problem) => return Err(problem),
                None => ready.push(message.inner),
            }
        }
        host::publish(connection, &ready).map_err(failed)
    }

    /// Publishes a message and waits for the reply to it, no longer than `limit`.
    ///
    /// # Errors
    ///
    /// As [`Messaging::publish`]; [`ErrorKind::Timeout`] if nobody replied in time.
    #[track_caller]
    pub fn request(&self, connection: &str, message: Message, limit: Duration) -> Result<Reply> {
        if let Some(problem) = message.problem {
            return Err(problem);
        }
        let limit = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        match host::request(connection, &message.inner, limit) {
            Ok(host::Message { topic, key, content_type, headers, data }) => {
                Ok(Reply { topic, key, content_type, headers: Attributes(headers), data: data.into() })
            }
            Err(error) => Err(failed(error)),
        }
    }
}

/// A message to be.
#[derive(Debug)]
#[must_use = "a message is not published before `Messaging::publish`"]
pub struct Message {
    inner: host::Message,
    problem: Option<Error>,
}

impl Message {
    /// A message to a topic, a subject or a routing key, in the broker's own spelling.
    pub fn new(topic: impl Into<String>) -> Self {
        let inner =
            host::Message { topic: topic.into(), key: None, content_type: None, headers: Vec::new(), data: Vec::new() };
        Self { inner, problem: None }
    }

    /// Sets the key: messages with equal keys stay in order, where the broker can do so.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.inner.key = Some(key.into());
        self
    }

    /// Sets the data to a value as JSON, and the media type, if none is set.
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(data) => {
                self.inner.data = data;
                self.inner.content_type.get_or_insert_with(|| "application/json".to_owned());
            }
            Err(error) => {
                self.problem = Some(Error::of(ErrorKind::Invalid, format_args!("the data is not JSON: {error}")));
            }
        }
        self
    }

    /// Sets the data. Say what it is with [`Message::content_type`].
    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.inner.data = data.into();
        self
    }

    /// Sets the media type of the data.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.inner.content_type = Some(content_type.into());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inner.headers.push((name.into(), value.into()));
        self
    }
}

/// A reply to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The topic that it came on.
    pub topic: String,
    /// Its key.
    pub key: Option<String>,
    /// The media type of the data.
    pub content_type: Option<String>,
    /// Its headers.
    pub headers: Attributes,
    /// The data.
    pub data: Bytes,
}

impl Reply {
    /// The data, read as JSON (or, into [`Bytes`], as it is).
    ///
    /// # Errors
    ///
    /// The data does not fit `T`.
    #[track_caller]
    pub fn json<T: FromData>(self) -> Result<T> {
        match T::from_data(self.data.into_vec()) {
            Ok(value) => Ok(value),
            Err(error) => Err(Error::new(format_args!("the reply is not as expected: {error}")).named("answer")),
        }
    }

    /// The data as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }
}

#[track_caller]
fn failed(error: host::Error) -> Error {
    let (kind, text) = match error {
        host::Error::AccessDenied(text) => (ErrorKind::AccessDenied, text),
        host::Error::Refused(text) => (ErrorKind::Refused, text),
        host::Error::Unavailable(text) => (ErrorKind::Unavailable, text),
        host::Error::Timeout(text) => (ErrorKind::Timeout, text),
        host::Error::TooLarge(text) => (ErrorKind::TooLarge, text),
    };
    Error::of(kind, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_it_is_told() {
        let Message { inner, problem } = Message::new("orders.paid").key("7").header("tenant", "acme").json(&[1, 2]);
        assert!(problem.is_none());
        assert_eq!((inner.topic.as_str(), inner.key.as_deref()), ("orders.paid", Some("7")));
        assert_eq!((inner.content_type.as_deref(), &inner.data[..]), (Some("application/json"), &b"[1,2]"[..]));
        assert_eq!(inner.headers, [("tenant".to_owned(), "acme".to_owned())]);
        let csv = Message::new("a").content_type("text/csv").data("a,b").inner;
        assert_eq!((csv.content_type.as_deref(), &csv.data[..]), (Some("text/csv"), &b"a,b"[..]));
        assert_eq!(Message::new("a").inner.content_type, None);
    }

    #[test]
    fn what_is_no_json_is_told_when_it_is_published() {
        let pairs = std::collections::BTreeMap::from([(vec![1], 2)]);
        let messages = [Message::new("a"), Message::new("b").json(&pairs)];
        assert_eq!(Messaging::default().publish_all("x", messages).unwrap_err().kind(), ErrorKind::Invalid);
        let asked = Messaging::default().request("x", Message::new("b").json(&pairs), Duration::from_secs(1));
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_reply_is_read_as_what_it_is() {
        let reply = |data: &[u8]| Reply {
            topic: "_inbox".into(),
            key: None,
            content_type: None,
            headers: Attributes::default(),
            data: data.to_vec().into(),
        };
        assert_eq!(reply(b"[1]").json::<Vec<u8>>().unwrap(), [1]);
        assert_eq!(reply("Zoë\u{2603}".as_bytes()).text(), "Zoë\u{2603}");
        let error = reply(b"no").json::<u32>().unwrap_err();
        assert!(error.message().starts_with("the reply is not as expected: ") && error.name() == "answer", "{error:?}");
    }

    #[test]
    fn every_refusal_keeps_its_kind() {
        assert!(!failed(host::Error::Refused("no such topic".into())).is_retryable());
        assert_eq!(failed(host::Error::Timeout("x".into())).kind(), ErrorKind::Timeout);
        assert!(failed(host::Error::Unavailable("x".into())).is_retryable());
    }
}
