//! The manual trigger: somebody asks for a run.

use bytes::Bytes;
use jackfield_core::event::Event;
use uuid::Uuid;

/// CloudEvents `source` of every event made by hand.
pub const SOURCE: &str = "/manual";
/// Its `type`, unless the person gives another.
pub const TYPE: &str = "jackfield.manual";

/// What a person may say of an event.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Names the request: asked again under it, the first run is the answer.
    pub request: Option<String>,
    /// CloudEvents `type`.
    pub event_type: Option<String>,
    /// CloudEvents `subject`.
    pub subject: Option<String>,
    /// The media type of the data.
    pub content_type: Option<String>,
    /// The data.
    pub data: Bytes,
}

/// The event, and whether its id tells a repeated request.
#[must_use]
pub fn event(asked: Asked) -> (Event, bool) {
    let dedupe = asked.request.is_some();
    let event = Event {
        id: asked.request.unwrap_or_else(|| Uuid::now_v7().to_string()),
        source: SOURCE.into(),
        event_type: asked.event_type.unwrap_or_else(|| TYPE.into()),
        subject: asked.subject,
        time: None,
        content_type: asked.content_type,
        schema: None,
        extensions: Vec::new(),
        meta: Vec::new(),
        data: asked.data,
    };
    (event, dedupe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_request_is_the_same_event_again() {
        let named = Asked { request: Some("r1".into()), ..Asked::default() };
        let (first, dedupe) = event(named.clone());
        assert!(dedupe);
        assert_eq!(first, event(named).0);

        let (first, dedupe) = event(Asked::default());
        assert!(!dedupe);
        assert_ne!(first.id, event(Asked::default()).0.id);
        assert_eq!((first.source.as_str(), first.event_type.as_str()), ("/manual", "jackfield.manual"));
    }
}
