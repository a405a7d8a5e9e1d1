//! An event: the attributes of CloudEvents 1.0, what else the trigger heard, and bytes.
//!
//! The bytes are opaque: nothing in the host parses them, whatever their content type says.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Name and value pairs. Order is kept and a name may occur more than once.
pub type Attributes = Vec<(String, String)>;

/// One event, as a trigger made it and as the guest receives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Unique together with `source`; the same for a redelivery of the same event.
    pub id: String,
    /// Where it comes from, a URI reference such as `/hooks/servicenow-to-github/announced`.
    pub source: String,
    /// CloudEvents `type`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about, within `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The media type of `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// CloudEvents `dataschema`, a URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Extension attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Attributes,
    /// What does not fit an attribute: a webhook's method, path, query, headers. Never a credential.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meta: Attributes,
    /// The data as it arrived.
    #[serde(default)]
    pub data: Bytes,
}

impl Event {
    /// Its size for limits and quotas, in bytes: the data and every attribute.
    #[must_use]
    pub fn size(&self) -> usize {
        let pairs = |list: &Attributes| list.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
        let optional = [&self.subject, &self.time, &self.content_type, &self.schema];
        self.data.len()
            + self.id.len()
            + self.source.len()
            + self.event_type.len()
            + optional.iter().map(|o| o.as_ref().map_or(0, String::len)).sum::<usize>()
            + pairs(&self.extensions)
            + pairs(&self.meta)
    }
}

/// What a handler answered. Stored with the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// HTTP status for a webhook that responds; 200 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The media type of `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Response or message headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Attributes,
    /// The answer's body.
    #[serde(default)]
    pub data: Bytes,
}
