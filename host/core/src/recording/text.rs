//! Bytes and pairs as a person reads and edits them.
//!
//! Whatever is written reads back to the same bytes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BadRecording;
use crate::event::Attributes;
use crate::redact::Redactor;

/// Bytes in the first form that fits: JSON as JSON if it is written compactly, UTF-8 as text, else base64.
/// Which form it is says the key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// A JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_text: Option<String>,
    /// Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
}

impl Data {
    /// Bytes in the form that fits. No bytes are no data.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Self { data_base64: Some(BASE64_STANDARD.encode(bytes)), ..Self::default() };
        };
        match serde_json::from_str::<Value>(text) {
            // `null` would read back as absent; and only what is written as it was is the same.
            Ok(value) if !value.is_null() && reads_back(&value, text) => Self { data: Some(value), ..Self::default() },
            _ => Self { data_text: Some(text.to_owned()), ..Self::default() },
        }
    }

    /// The bytes.
    ///
    /// # Errors
    ///
    /// Several forms at once, or bad base64.
    pub fn bytes(&self) -> Result<Bytes, BadRecording> {
        match (&self.data, &self.data_text, &self.data_base64) {
            (None, None, None) => Ok(Bytes::new()),
            (Some(value), None, None) => Ok(value.to_string().into()),
            (None, Some(text), None) => Ok(text.clone().into()),
            (None, None, Some(text)) => BASE64_STANDARD
                .decode(text)
                .map(Bytes::from)
                .map_err(|_| BadRecording("`data_base64` is not base64 (standard alphabet, with padding)".into())),
            _ => Err(BadRecording("give one of `data`, `data_text` and `data_base64`, not several".into())),
        }
    }
}

/// Whether a value is written as `text` and not otherwise.
fn reads_back(value: &Value, text: &str) -> bool {
    let written = value.to_string();
    written == text
}

/// A name and its value, such as a header: `"name: value"`, or in full where that would be read otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Pair {
    /// `name: value`
    Line(String),
    /// In full.
    Full {
        /// The name.
        name: String,
        /// The value.
        value: String,
    },
}

impl Pair {
    fn of(name: &str, value: &str) -> Self {
        let line = Self::Line(format!("{name}: {value}"));
        let same = line.split().is_some_and(|(n, v)| n == name && v == value);
        if same { line } else { Self::Full { name: name.into(), value: value.into() } }
    }

    fn split(&self) -> Option<(&str, &str)> {
        match self {
            Self::Line(line) => line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, ""))),
            Self::Full { name, value } => Some((name, value)),
        }
    }
}

/// Pairs as they are written, without the values of secrets.
#[must_use]
pub fn pairs(attributes: &Attributes, redactor: &Redactor) -> Vec<Pair> {
    attributes.iter().map(|(name, value)| Pair::of(&redactor.text(name), &redactor.text(value))).collect()
}

/// Pairs as they are used.
pub(super) fn attributes(pairs: &[Pair]) -> Result<Attributes, BadRecording> {
    let read = |pair: &Pair| match pair.split() {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(BadRecording(format!("{pair:?} is not `name: value`"))),
    };
    pairs.iter().map(read).collect()
}
