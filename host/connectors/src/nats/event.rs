//! Events of messages.
//!
//! Not here: how messages are taken and acknowledged.

use std::sync::Arc;

use async_nats::Message;
use jackfield_core::clock::Timestamp;
use jackfield_core::event::Event;
use jackfield_core::ports::source::Heard;

use super::publish::taken_apart;
use crate::broker;

/// A message of a stream: told by its number in it.
pub(super) fn stored(source: &str, sequence: u64, published: Timestamp, message: &Message) -> Heard {
    let event = Event { time: Some(published.to_string()), ..event(source, sequence.to_string(), message) };
    Heard { event: Arc::new(event), dedupe: true }
}

/// A message that no stream holds: nothing tells it from another. `id` is new.
pub(super) fn passing(id: String, now: Timestamp, message: &Message) -> Heard {
    let event = Event { time: Some(now.to_string()), ..event("nats:core", id, message) };
    Heard { event: Arc::new(event), dedupe: false }
}

fn event(source: &str, id: String, message: &Message) -> Event {
    let (content_type, key, headers) = taken_apart(message.headers.as_ref());
    let own: Vec<(&'static str, String)> = key.map(|key| ("key", key)).into_iter().collect();
    Event {
        id,
        source: source.to_owned(),
        event_type: "jackfield.nats".into(),
        subject: Some(message.subject.to_string()),
        time: None,
        content_type,
        schema: None,
        extensions: Vec::new(),
        meta: broker::meta(own, headers.into_iter()),
        data: message.payload.clone(),
    }
}
