//! An output: what a handler answers. Stored with the run.

use serde::Serialize;

use crate::bindings::jackfield::plugin::types;
use crate::error::Result;

/// What a handler answers.
///
/// A webhook whose trigger says `respond = true` answers with it: status, headers and body. For other
/// triggers it is what the run page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    status: Option<u16>,
    content_type: Option<String>,
    headers: Vec<(String, String)>,
    data: Vec<u8>,
}

impl Output {
    /// Bytes of a media type.
    #[must_use]
    pub fn new(content_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self { content_type: Some(content_type.into()), data: data.into(), ..Self::default() }
    }

    /// A value as JSON.
    ///
    /// # Errors
    ///
    /// The value cannot be written as JSON: a map whose keys are not text, for instance.
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Ok(Self::new("application/json", serde_json::to_vec(value)?))
    }

    /// Plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", text.into())
    }

    /// No body, only a status.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self::default().status(status)
    }

    /// Sets the HTTP status; 200 if nobody does.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl From<Output> for types::Output {
    fn from(output: Output) -> Self {
        let Output { status, content_type, headers, data } = output;
        Self { status, content_type, headers, data }
    }
}

/// What a handler may return when all went well: an [`Output`], an `Option` of one, or `()`.
pub trait IntoOutput {
    /// The output, if there is one.
    fn into_output(self) -> Option<Output>;
}

impl IntoOutput for Output {
    fn into_output(self) -> Option<Output> {
        Some(self)
    }
}

impl IntoOutput for Option<Output> {
    fn into_output(self) -> Option<Output> {
        self
    }
}

impl IntoOutput for () {
    fn into_output(self) -> Option<Output> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_says_what_it_is() {
        let output: types::Output =
            Output::json(&serde_json::json!({"a": 1})).unwrap().status(201).header("x-a", "b").into();
        assert_eq!(output.status, Some(201));
        assert_eq!(output.content_type.as_deref(), Some("application/json"));
        assert_eq!(output.headers, [("x-a".to_owned(), "b".to_owned())]);
        assert_eq!(output.data, br#"{"a":1}"#);
        assert_eq!(types::Output::from(Output::text("ä")).data, "ä".as_bytes());
        assert_eq!(types::Output::from(Output::empty(204)).content_type, None);
    }

    #[test]
    fn what_cannot_be_json_is_an_error() {
        let pairs = std::collections::BTreeMap::from([(vec![1], 2)]);
        assert!(Output::json(&pairs).is_err());
    }
}
