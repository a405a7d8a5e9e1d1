//! Named objects in storage.

use std::collections::VecDeque;

use serde::Serialize;

use crate::bindings::jackfield::plugin::blob as host;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Attributes, Bytes};

/// Named objects in storage connections of the manifest: a directory, S3 and so on. An object is written and read as a
/// whole, or read in parts; a call carries at most 4 MiB, unless the manifest says otherwise.
///
/// ```no_run
/// # fn example(cx: jackfield::Context, pdf: Vec<u8>) -> jackfield::Result<()> {
/// use jackfield::Object;
///
/// cx.blob.put("invoices", Object::new("2026/7.pdf").content_type("application/pdf").data(pdf))?;
/// for object in cx.blob.list("invoices", "2026/") {
///     jackfield::log::info!("{}", object?.name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Blob {}

impl Blob {
    /// What is known of an object, or none if there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccessDenied`] if the manifest does not grant the name, [`ErrorKind::Invalid`] if it is not one,
    /// [`ErrorKind::Refused`] if the storage does not do it: the bucket is not there, or the credential may not.
    #[track_caller]
    pub fn stat(&self, connection: &str, name: &str) -> Result<Option<ObjectInfo>> {
        match host::stat(connection, name) {
            Ok(found) => Ok(found.map(ObjectInfo::from)),
            Err(error) => Err(failed(error)),
        }
    }

    /// An object's bytes, or none if there is none.
    ///
    /// # Errors
    ///
    /// As [`Blob::stat`]; [`ErrorKind::TooLarge`] if it is more than a call can carry: read it in parts.
    #[track_caller]
    pub fn get(&self, connection: &str, name: &str) -> Result<Option<Bytes>> {
        match host::get(connection, name, None) {
            Ok(found) => Ok(found.map(Bytes::from)),
            Err(error) => Err(failed(error)),
        }
    }

    /// A part of an object: `length` bytes from `offset` on, or as many as there are; none if there is no object.
    ///
    /// # Errors
    ///
    /// As [`Blob::get`]; [`ErrorKind::Invalid`] if the object ends before the part begins.
    #[track_caller]
    pub fn get_range(&self, connection: &str, name: &str, offset: u64, length: u32) -> Result<Option<Bytes>> {
        match host::get(connection, name, Some(host::Range { offset, length })) {
            Ok(found) => Ok(found.map(Bytes::from)),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes an object, over an earlier one of that name. Returns its etag.
    ///
    /// # Errors
    ///
    /// As [`Blob::stat`]; [`ErrorKind::TooLarge`] if it is more than a call can carry.
    #[track_caller]
    pub fn put(&self, connection: &str, object: Object) -> Result<String> {
        match object.problem {
            Some(problem) => Err(problem),
            None => host::put(connection, &object.inner).map_err(failed),
        }
    }

    /// Removes an object. No error if there is none.
    ///
    /// # Errors
    ///
    /// As [`Blob::stat`].
    #[track_caller]
    pub fn remove(&self, connection: &str, name: &str) -> Result<()> {
        host::remove(connection, name).map_err(failed)
    }

    /// The objects whose names start with `prefix`, in ascending order, read page by page as they are asked for. Objects
    /// written meanwhile may be missing.
    pub fn list(&self, connection: impl Into<String>, prefix: impl Into<String>) -> Objects {
        Objects { connection: connection.into(), prefix: prefix.into(), ready: VecDeque::new(), next: Next::First }
    }
}

/// An object to be written.
#[derive(Debug)]
#[must_use = "an object is not written before `Blob::put`"]
pub struct Object {
    inner: host::Object,
    problem: Option<Error>,
}

impl Object {
    /// An object of this name, such as `2026/7.pdf`.
    pub fn new(name: impl Into<String>) -> Self {
        let inner = host::Object { name: name.into(), content_type: None, metadata: Vec::new(), data: Vec::new() };
        Self { inner, problem: None }
    }

    /// Sets the bytes. Say what they are with [`Object::content_type`].
    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.inner.data = data.into();
        self
    }

    /// Sets the bytes to a value as JSON, and the media type, if none is set.
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(data) => {
                self.inner.data = data;
                self.inner.content_type.get_or_insert_with(|| "application/json".to_owned());
            }
            Err(error) => {
                self.problem = Some(Error::of(ErrorKind::Invalid, format_args!("the data is not JSON: {error}")));
            }
        }
        self
    }

    /// Sets the media type.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.inner.content_type = Some(content_type.into());
        self
    }

    /// Adds metadata of your own.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inner.metadata.push((name.into(), value.into()));
        self
    }
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// Its name.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// Its media type.
    pub content_type: Option<String>,
    /// When it was written, RFC 3339.
    pub modified: String,
    /// Changes when the content changes. Opaque.
    pub etag: String,
    /// Your own metadata. Empty in [`Blob::list`].
    pub metadata: Attributes,
}

impl From<host::ObjectInfo> for ObjectInfo {
    fn from(info: host::ObjectInfo) -> Self {
        let host::ObjectInfo { name, size, content_type, modified, etag, metadata } = info;
        Self { name, size, content_type, modified, etag, metadata: Attributes(metadata) }
    }
}

/// Objects, page by page. See [`Blob::list`].
#[derive(Debug)]
pub struct Objects {
    connection: String,
    prefix: String,
    ready: VecDeque<host::ObjectInfo>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    First,
    From(String),
    Nothing,
}

impl Iterator for Objects {
    type Item = Result<ObjectInfo>;

    fn next(&mut self) -> Option<Self::Item> {
        const PAGE: u32 = 1_000;
        loop {
            if let Some(info) = self.ready.pop_front() {
                return Some(Ok(info.into()));
            }
            let cursor = match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::First => None,
                Next::From(cursor) => Some(cursor),
                Next::Nothing => return None,
            };
            match host::list_objects(&self.connection, &self.prefix, cursor.as_deref(), PAGE) {
                Ok(page) => {
                    self.ready = page.objects.into();
                    self.next = page.next.map_or(Next::Nothing, Next::From);
                }
                Err(error) => return Some(Err(failed(error))),
            }
        }
    }
}

#[track_caller]
fn failed(error: host::Error) -> Error {
    let (kind, text) = match error {
        host::Error::AccessDenied(text) => (ErrorKind::AccessDenied, text),
        host::Error::Invalid(text) => (ErrorKind::Invalid, text),
        host::Error::Refused(text) => (ErrorKind::Refused, text),
        host::Error::Unavailable(text) => (ErrorKind::Unavailable, text),
        host::Error::TooLarge(text) => (ErrorKind::TooLarge, text),
    };
    Error::of(kind, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_says_what_it_is_told() {
        let Object { inner, problem } =
            Object::new("2026/ü.pdf").content_type("application/pdf").metadata("order", "7").data(vec![0, 255]);
        assert!(problem.is_none());
        assert_eq!((inner.name.as_str(), inner.content_type.as_deref()), ("2026/ü.pdf", Some("application/pdf")));
        assert_eq!((&inner.metadata[0].1, &inner.data[..]), (&"7".to_owned(), &[0, 255][..]));
        let json = Object::new("a").json(&[1]).inner;
        assert_eq!((json.content_type.as_deref(), &json.data[..]), (Some("application/json"), &b"[1]"[..]));
    }

    #[test]
    fn what_is_no_json_is_told_when_it_is_put() {
        let pairs = std::collections::BTreeMap::from([(vec![1], 2)]);
        let error = Blob::default().put("x", Object::new("a").json(&pairs)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }

    #[test]
    fn every_refusal_keeps_its_kind() {
        assert_eq!(failed(host::Error::Invalid("x".into())).kind(), ErrorKind::Invalid);
        assert_eq!(failed(host::Error::Refused("no bucket".into())).kind(), ErrorKind::Refused);
        assert!(!failed(host::Error::TooLarge("x".into())).is_retryable());
        assert!(failed(host::Error::Unavailable("x".into())).is_retryable());
    }
}
