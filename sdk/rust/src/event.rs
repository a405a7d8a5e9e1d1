//! An event: what happened outside, as the handler receives it.

use std::any::TypeId;
use std::fmt;
use std::ops::Deref;

use serde::de::DeserializeOwned;

use crate::bindings::jackfield::plugin::types;
use crate::error::{Error, Result};

/// One event: the attributes of CloudEvents 1.0, and data.
///
/// `T` is what the handler makes of the data: a type that serde reads from JSON, `()` if the data
/// does not matter, or [`Bytes`] for the data as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<T = Bytes> {
    /// Unique together with `source`. A retry of the same event has the same id.
    pub id: String,
    /// Where it comes from, such as `/hooks/servicenow-to-github/announced`.
    pub source: String,
    /// CloudEvents `type`, such as `com.github.issues`.
    pub event_type: String,
    /// What it is about, within `source`.
    pub subject: Option<String>,
    /// When it happened, RFC 3339.
    pub time: Option<String>,
    /// The media type of the data.
    pub content_type: Option<String>,
    /// CloudEvents `dataschema`, a URI.
    pub schema: Option<String>,
    /// Extension attributes.
    pub extensions: Attributes,
    /// What the trigger heard besides: a webhook's method, path, query and headers, a message's
    /// headers. Never credentials or signatures.
    pub meta: Attributes,
    /// The data.
    pub data: T,
}

impl<T: FromData> Event<T> {
    /// The event as the handler wants it.
    ///
    /// # Errors
    ///
    /// The data is not a `T`: the event is rejected, since it will be the same the next time.
    pub(crate) fn read(raw: types::Event) -> Result<Self> {
        Ok(Self {
            data: T::from_data(raw.data)
                .map_err(|e| Error::rejected(format_args!("the event's data is not what the handler expects: {e}")))?,
            id: raw.id,
            source: raw.source,
            event_type: raw.event_type,
            subject: raw.subject,
            time: raw.time,
            content_type: raw.content_type,
            schema: raw.schema,
            extensions: Attributes(raw.extensions),
            meta: Attributes(raw.meta),
        })
    }
}

/// What can be read from data: a body, a value of a key, an event.
///
/// Implemented for every type that serde can read (from JSON; no data at all reads like `null`), for
/// `()`, which takes anything, and for [`Bytes`].
pub trait FromData: Sized {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// The data does not fit the type.
    fn from_data(data: Vec<u8>) -> Result<Self, serde_json::Error>;
}

impl<T: DeserializeOwned + 'static> FromData for T {
    fn from_data(data: Vec<u8>) -> Result<Self, serde_json::Error> {
        let anything_goes = TypeId::of::<T>() == TypeId::of::<()>();
        serde_json::from_slice(if data.is_empty() || anything_goes { b"null" } else { &data })
    }
}

impl FromData for Bytes {
    fn from_data(data: Vec<u8>) -> Result<Self, serde_json::Error> {
        Ok(Self(data))
    }
}

/// Bytes as they came.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// The bytes as text, if they are UTF-8.
    ///
    /// # Errors
    ///
    /// They are not.
    pub fn text(&self) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(&self.0)
    }

    /// The bytes.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        bytes.0
    }
}

// A body in a log line is shown as text, if it is text: a list of numbers helps nobody.
impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "{} bytes", self.0.len()),
        }
    }
}

/// Name and value pairs. Order is kept, and a name may occur more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub Vec<(String, String)>);

impl Attributes {
    /// The first value of a name. Case does not matter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// Every value of a name. Case does not matter.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn raw(data: &str) -> types::Event {
        types::Event {
            id: "1".into(),
            source: "/manual".into(),
            event_type: "jackfield.manual".into(),
            subject: None,
            time: None,
            content_type: None,
            schema: None,
            extensions: vec![],
            meta: vec![("Method".into(), "POST".into()), ("x".into(), "1".into()), ("X".into(), "2".into())],
            data: data.into(),
        }
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Request {
        number: String,
    }

    #[test]
    fn json_becomes_the_handlers_type() {
        let event = Event::<Request>::read(raw(r#"{"number":"FR-1042","more":1}"#)).unwrap();
        assert_eq!(event.data, Request { number: "FR-1042".into() });
    }

    #[test]
    fn data_that_does_not_fit_is_rejected_with_the_place() {
        for bad in ["", "{}", "{\"number\":1}", "no json", "\u{0}"] {
            let error = Event::<Request>::read(raw(bad)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected, "{bad:?}");
        }
        let text = Event::<Request>::read(raw("{\"no\":1}")).unwrap_err().to_string();
        assert!(text.contains("missing field `number`"), "{text}");
    }

    #[test]
    fn nobody_has_to_read_the_data() {
        for data in ["", "{}", "\u{1f}\u{8b}"] {
            assert!(Event::<()>::read(raw(data)).is_ok());
            assert_eq!(&*Event::<Bytes>::read(raw(data)).unwrap().data, data.as_bytes());
        }
        assert_eq!(Event::<Option<Request>>::read(raw("")).unwrap().data, None);
        assert_eq!(Event::<serde_json::Value>::read(raw("")).unwrap().data, serde_json::Value::Null);
    }

    #[test]
    fn names_have_no_case_and_values_an_order() {
        let meta = Event::<()>::read(raw("")).unwrap().meta;
        assert_eq!(meta.get("method"), Some("POST"));
        assert_eq!(meta.get_all("x").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(meta.get("y"), None);
    }
}
