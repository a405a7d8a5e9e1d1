//! Events and outputs, between our words and the guest's.

use jackfield_core::event::{Attributes, Event, Output};

use crate::bindings::handler;

/// The event's attributes, borrowed: what is copied is copied into the guest.
pub(super) struct Lowered<'a> {
    event: &'a Event,
    extensions: Vec<(&'a str, &'a str)>,
    meta: Vec<(&'a str, &'a str)>,
}

impl<'a> Lowered<'a> {
    pub(super) fn new(event: &'a Event) -> Self {
        Self { event, extensions: pairs(&event.extensions), meta: pairs(&event.meta) }
    }

    /// As the bindings want it.
    pub(super) fn event(&self) -> handler::Event<'_> {
        let event = self.event;
        handler::Event {
            id: &event.id,
            source: &event.source,
            event_type: &event.event_type,
            subject: event.subject.as_deref(),
            time: event.time.as_deref(),
            content_type: event.content_type.as_deref(),
            schema: event.schema.as_deref(),
            extensions: &self.extensions,
            meta: &self.meta,
            data: &event.data,
        }
    }
}

fn pairs(attributes: &Attributes) -> Vec<(&str, &str)> {
    attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// What a handler answered, in our words.
pub(super) fn lifted(output: handler::Output) -> Output {
    Output {
        status: output.status,
        content_type: output.content_type,
        headers: output.headers,
        data: output.data.into(),
    }
}
