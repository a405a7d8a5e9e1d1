//! A record: one request as a stub server received it, and what it answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counted from 1.
    pub number: u64,
    /// The method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers, names in lower case; several of one name joined by a comma.
    pub headers: BTreeMap<String, String>,
    /// The body as text; bytes that are not UTF-8 replaced.
    pub body: String,
    /// The SHA-256 of the body, in hex.
    pub sha256: String,
    /// The status that was answered; none if no answer was sent.
    pub status: Option<u16>,
    /// Whether the request was carried out, whatever was answered.
    pub done: bool,
}

impl Record {
    /// A header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first value of a query parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}
