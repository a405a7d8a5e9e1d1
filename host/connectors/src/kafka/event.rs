//! Events of records.
//!
//! Not here: how records are taken and committed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jackfield_core::clock::Timestamp;
use jackfield_core::event::Event;
use jackfield_core::ports::source::Heard;
use rdkafka::message::{BorrowedMessage, Headers, Message};

use crate::broker;

/// A record of a topic that events call `source`.
pub(super) fn heard(source: &str, record: &BorrowedMessage<'_>) -> Heard {
    let mut own = vec![("partition", record.partition().to_string()), ("offset", record.offset().to_string())];
    let time = record.timestamp().to_millis();
    own.extend(time.map(|time| ("timestamp", time.to_string())));
    if record.payload().is_none() {
        own.push(("tombstone", "true".into()));
    }
    // A key that is no text is not what the event is about, and is not lost either.
    let subject = record.key().map(|key| std::str::from_utf8(key).map_err(|_| STANDARD.encode(key)));
    let subject = match subject {
        Some(Ok(text)) => Some(text.to_owned()),
        Some(Err(encoded)) => {
            own.push(("key-base64", encoded));
            None
        }
        None => None,
    };
    let mut content_type = None;
    let mut headers = Vec::new();
    for header in record.headers().into_iter().flat_map(|headers| headers.iter()) {
        let value = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
        if header.key.eq_ignore_ascii_case("content-type") {
            content_type = Some(value);
        } else {
            headers.push((header.key.to_owned(), value));
        }
    }
    let event = Event {
        id: format!("{}/{}", record.partition(), record.offset()),
        source: source.to_owned(),
        event_type: "jackfield.kafka".into(),
        subject,
        time: time.map(|time| Timestamp(time).to_string()),
        content_type,
        schema: None,
        extensions: Vec::new(),
        meta: broker::meta(own, headers.into_iter()),
        data: Bytes::copy_from_slice(record.payload().unwrap_or_default()),
    };
    Heard { event: Arc::new(event), dedupe: true }
}
