//! Events that guests make: what a guest hands over and what it is answered.
//!
//! The store fills this port, in one transaction with the journal (see [`crate::store::events`]).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::clock::Timestamp;
use crate::event::{Attributes, Event};
use crate::ids::{IntegrationName, RunId};

/// An event to be. The host adds its source and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// None: the host makes one.
    pub id: Option<String>,
    /// CloudEvents `type`.
    pub event_type: String,
    /// What it is about.
    pub subject: Option<String>,
    /// The media type of `data`.
    pub content_type: Option<String>,
    /// CloudEvents `dataschema`.
    pub schema: Option<String>,
    /// Extension attributes.
    pub extensions: Attributes,
    /// The data.
    pub data: ByteBuf,
    /// Not delivered before so many seconds have passed.
    pub delay_seconds: u32,
}

/// What an event comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The integration that makes it.
    pub integration: &'a IntegrationName,
    /// The run that does.
    pub run: RunId,
    /// How many events led to this one, itself included.
    pub depth: u32,
}

impl Draft {
    /// Its size for limits, in bytes: the data and every attribute.
    #[must_use]
    pub fn size(&self) -> usize {
        let optional = [&self.id, &self.subject, &self.content_type, &self.schema];
        self.data.len()
            + self.event_type.len()
            + optional.iter().map(|text| text.as_ref().map_or(0, String::len)).sum::<usize>()
            + self.extensions.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }

    /// The event it becomes.
    #[must_use]
    pub fn event(&self, id: String, origin: Origin<'_>, now: Timestamp) -> Event {
        Event {
            id,
            source: source(origin.integration),
            event_type: self.event_type.clone(),
            subject: self.subject.clone(),
            time: Some(now.to_string()),
            content_type: self.content_type.clone(),
            schema: self.schema.clone(),
            extensions: self.extensions.clone(),
            meta: meta(origin),
            data: self.data.to_vec().into(),
        }
    }
}

/// The source of events that an integration makes, and of those about its runs.
#[must_use]
pub fn source(integration: &IntegrationName) -> String {
    format!("/integrations/{integration}")
}

/// What the host says of an event that came from a run.
#[must_use]
pub fn meta(origin: Origin<'_>) -> Attributes {
    vec![("run".into(), origin.run.to_string()), ("depth".into(), origin.depth.to_string())]
}

/// Why no event was accepted, in the words of the WIT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "error", content = "text")]
pub enum EventsError {
    /// No grant; the text is the line to add. Never recorded.
    #[error("{0}")]
    AccessDenied(String),
    /// An attribute is not valid, or the chain of events is too deep.
    #[error("{0}")]
    Invalid(String),
    /// Too many events wait already.
    #[error("{0}")]
    Quota(String),
    /// The store does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// Over a limit of size.
    #[error("{0}")]
    TooLarge(String),
}

/// The ids of the events; what the journal keeps.
pub type EventsAnswer = Result<Vec<String>, EventsError>;
