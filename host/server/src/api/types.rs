//! What several resources send or take: times, payloads, attributes, durations.
//!
//! The command line reads answers into the same types. Not here: what one resource alone knows.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jackfield_core::clock::Timestamp;
use jackfield_core::event::Attributes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A moment: RFC 3339 in UTC, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, examples("2026-01-31T14:02:11.000Z"))]
pub struct Time(pub Timestamp);

impl From<Timestamp> for Time {
    fn from(t: Timestamp) -> Self {
        Self(t)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Timestamp::parse(&text).map(Self).map_err(de::Error::custom)
    }
}

/// A name and its value; lists of these keep their order, and a name may come twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attribute {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// Attributes as lists of named pairs.
#[must_use]
pub fn attributes(list: Attributes) -> Vec<Attribute> {
    list.into_iter().map(|(name, value)| Attribute { name, value }).collect()
}

/// Bytes in the first form that fits: JSON as JSON, text as text, anything else in base64.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Payload {
    /// The JSON value, if the bytes are JSON.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub data: Option<Value>,
    /// The text, if the bytes are UTF-8 and no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_text: Option<String>,
    /// The bytes in base64, if they are neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
}

/// An optional JSON value whose `null` is a value: absence is said by leaving the key out.
mod present {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    #[expect(clippy::ref_option, reason = "the signature serde asks for")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Value>, s: S) -> Result<S::Ok, S::Error> {
        value.serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
        Value::deserialize(d).map(Some)
    }
}

/// A payload that says too much or does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPayload {
    /// More than one form is given.
    #[error("give one of `data` (JSON), `data_text` and `data_base64`, not several")]
    Several,
    /// The base64 does not read.
    #[error("`data_base64` is not base64 (standard alphabet, with padding)")]
    Base64,
}

impl Payload {
    /// The bytes in the form that fits. No bytes are no payload.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        if let Some(value) = json_unchanged(bytes) {
            return Self { data: Some(value), ..Self::default() };
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { data_text: Some(text.into()), ..Self::default() },
            Err(_) => Self { data_base64: Some(BASE64_STANDARD.encode(bytes)), ..Self::default() },
        }
    }

    /// The bytes it stands for, and the content type that goes with its form; none if it is empty.
    ///
    /// # Errors
    ///
    /// See [`BadPayload`].
    pub fn bytes(&self) -> Result<Option<(Bytes, &'static str)>, BadPayload> {
        match (&self.data, &self.data_text, &self.data_base64) {
            (None, None, None) => Ok(None),
            // A `Value` has string keys alone: writing it into memory cannot fail.
            (Some(value), None, None) => {
                Ok(Some((serde_json::to_vec(value).unwrap_or_default().into(), "application/json")))
            }
            (None, Some(text), None) => Ok(Some((text.clone().into_bytes().into(), "text/plain; charset=utf-8"))),
            (None, None, Some(text)) => {
                let bytes = BASE64_STANDARD.decode(text).map_err(|_| BadPayload::Base64)?;
                Ok(Some((bytes.into(), "application/octet-stream")))
            }
            _ => Err(BadPayload::Several),
        }
    }
}

/// The JSON value of `bytes`, unless reading it as a value changes a number on the way.
fn json_unchanged(bytes: &[u8]) -> Option<Value> {
    fn exact(value: &Value) -> bool {
        match value {
            Value::Array(items) => items.iter().all(exact),
            Value::Object(members) => members.values().all(exact),
            // A float of this size may be an integer that was rounded.
            Value::Number(n) => {
                n.is_i64() || n.is_u64() || n.as_f64().is_some_and(|f| f.abs() < 9_007_199_254_740_992.0)
            }
            _ => true,
        }
    }
    serde_json::from_slice(bytes).ok().filter(exact)
}

/// `90`, `90s`, `15m`, `12h`, `30d`, `2w` or `250ms`: one whole number and a unit, seconds without.
///
/// # Errors
///
/// A sentence that says what would be right.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || {
        format!(
            "`{}` is not a duration: write a whole number and ms, s, m, h, d or w, such as 30d",
            jackfield_core::ids::shown(text)
        )
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| bad())?;
    let millis: u64 = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return Err(bad()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(bad)
}

/// Bytes as they are, in the description: a body that is no JSON.
pub(super) enum Binary {}

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        let binary = Some(SchemaFormat::KnownFormat(KnownFormat::Binary));
        ObjectBuilder::new().schema_type(Type::String).format(binary).into()
    }
}

impl ToSchema for Binary {}

/// An answer that says only that something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// Always true.
    pub removed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        let time = Time(Timestamp(1_767_225_600_123));
        assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-01-01T00:00:00.123Z\"");
        assert_eq!(serde_json::from_str::<Time>("\"2026-01-01T01:00:00.123+01:00\"").unwrap(), time);
        assert!(serde_json::from_str::<Time>("\"yesterday\"").is_err());
    }

    #[track_caller]
    fn payload(bytes: &[u8], expected: &str) {
        let payload = Payload::of(bytes);
        let json = serde_json::to_string(&payload).unwrap();
        assert_eq!(json, expected);
        let back: Payload = serde_json::from_str(&json).unwrap();
        assert_eq!(back, payload);
    }

    #[test]
    fn bytes_are_shown_in_the_form_that_fits() {
        payload(b"", "{}");
        payload(br#"{"b":1,"a":[null]}"#, r#"{"data":{"b":1,"a":[null]}}"#);
        payload(b"null", r#"{"data":null}"#);
        payload(b"hello", r#"{"data_text":"hello"}"#);
        payload(b"\xff\x00", r#"{"data_base64":"/wA="}"#);
    }

    #[test]
    fn a_number_that_json_would_round_stays_text() {
        payload(b"123456789012345678901234567890", r#"{"data_text":"123456789012345678901234567890"}"#);
        payload(b"18446744073709551615", r#"{"data":18446744073709551615}"#);
    }

    #[test]
    fn one_form_at_a_time_goes_in() {
        let read = |json: &str| serde_json::from_str::<Payload>(json).unwrap().bytes();
        assert_eq!(read("{}").unwrap(), None);
        assert_eq!(read(r#"{"data": {"a": 1}}"#).unwrap().unwrap().0, r#"{"a":1}"#);
        assert_eq!(read(r#"{"data": null}"#).unwrap().unwrap(), ("null".into(), "application/json"));
        assert_eq!(read(r#"{"data_text": "x"}"#).unwrap().unwrap().0, "x");
        assert_eq!(read(r#"{"data_base64": "/wA="}"#).unwrap().unwrap().0, &b"\xff\x00"[..]);
        assert_eq!(read(r#"{"data_base64": "?"}"#), Err(BadPayload::Base64));
        assert_eq!(read(r#"{"data": 1, "data_text": "x"}"#), Err(BadPayload::Several));
    }

    #[test]
    fn durations() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for bad in ["", "s", "-1s", "1.5h", "10 s", "1y", "99999999999999999w"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
