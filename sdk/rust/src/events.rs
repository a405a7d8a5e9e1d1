//! New events, for whoever listens.

use std::time::Duration;

use serde::Serialize;

use crate::bindings::jackfield::plugin::events as host;
use crate::error::{Error, ErrorKind, Result};

/// New events, for every trigger that listens for them, in any integration of the environment.
///
/// An event is stored before the call returns, and not taken back if the run fails afterwards. A run that is tried
/// again does not emit it again.
///
/// ```no_run
/// # fn example(cx: jackfield::Context) -> jackfield::Result<()> {
/// use jackfield::{Draft, json};
///
/// cx.events.emit(Draft::new("order.paid").subject("orders/7").json(&json!({ "amount": 12 })))?;
/// # Ok(())
/// # }
/// ```
///
/// Limits: 100 events a call, 1 MiB an event, 4 MiB a call.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Events {}

impl Events {
    /// Emits an event. Returns its id.
    ///
    /// # Errors
    ///
    /// The event was not accepted: [`ErrorKind::AccessDenied`] if the manifest does not grant its type,
    /// [`ErrorKind::Invalid`] if it cannot be emitted as it is or the chain of events is too deep,
    /// [`ErrorKind::Quota`] if a listener has too many events waiting.
    #[track_caller]
    pub fn emit(&self, draft: Draft) -> Result<String> {
        let mut ids = self.emit_all([draft])?;
        ids.pop().ok_or_else(|| Error::new("the host accepted an event without giving its id"))
    }

    /// Emits up to 100 events, all or none. Returns their ids, in their order.
    ///
    /// # Errors
    ///
    /// As [`Events::emit`].
    #[track_caller]
    pub fn emit_all(&self, drafts: impl IntoIterator<Item = Draft>) -> Result<Vec<String>> {
        let mut ready = Vec::new();
        for draft in drafts {
            match draft.problem {
                Some(problem) => return Err(problem),
                None => ready.push(draft.draft),
            }
        }
        host::emit(&ready).map_err(failed)
    }
}

/// An event to be. The host adds its source, which is the integration, and its time.
#[derive(Debug)]
#[must_use = "an event is not emitted before `Events::emit`"]
pub struct Draft {
    draft: host::Draft,
    problem: Option<Error>,
}

impl Draft {
    /// An event of this type, such as `order.paid`. Types that begin with `jackfield.` are the host's own.
    pub fn new(event_type: impl Into<String>) -> Self {
        Self {
            draft: host::Draft {
                id: None,
                event_type: event_type.into(),
                subject: None,
                content_type: None,
                schema: None,
                extensions: Vec::new(),
                data: Vec::new(),
                delay_seconds: 0,
            },
            problem: None,
        }
    }

    /// Sets the data to a value as JSON, and the content type, if none is set.
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(data) => {
                self.draft.data = data;
                self.draft.content_type.get_or_insert_with(|| "application/json".into());
            }
            Err(error) => {
                self.problem = Some(Error::of(ErrorKind::Invalid, format_args!("the data is not JSON: {error}")));
            }
        }
        self
    }

    /// Sets the data. Say what it is with [`Draft::content_type`].
    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.draft.data = data.into();
        self
    }

    /// Sets the media type of the data.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.draft.content_type = Some(content_type.into());
        self
    }

    /// Sets an id; otherwise the host makes one. An id that the integration has used in the last seven days is accepted
    /// and ignored.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.draft.id = Some(id.into());
        self
    }

    /// Sets what the event is about, such as `orders/7`.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.draft.subject = Some(subject.into());
        self
    }

    /// Sets CloudEvents `dataschema`, a URI.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.draft.schema = Some(schema.into());
        self
    }

    /// Adds an extension attribute; its name is of lower-case letters and digits.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.draft.extensions.push((name.into(), value.into()));
        self
    }

    /// Has the event delivered after this time (in whole seconds, never sooner), at most a year.
    pub fn after(mut self, delay: Duration) -> Self {
        let up = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
        self.draft.delay_seconds = u32::try_from(up).unwrap_or(u32::MAX);
        self
    }
}

#[track_caller]
fn failed(error: host::Error) -> Error {
    let (kind, text) = match error {
        host::Error::AccessDenied(text) => (ErrorKind::AccessDenied, text),
        host::Error::Invalid(text) => (ErrorKind::Invalid, text),
        host::Error::Quota(text) => (ErrorKind::Quota, text),
        host::Error::Unavailable(text) => (ErrorKind::Unavailable, text),
        host::Error::TooLarge(text) => (ErrorKind::TooLarge, text),
    };
    Error::of(kind, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_says_what_it_is_told() {
        let Draft { draft, problem } = Draft::new("order.paid")
            .id("7")
            .subject("orders/7")
            .schema("https://example.com/order")
            .extension("region", "eu")
            .after(Duration::from_millis(1_500))
            .json(&[1, 2]);
        assert!(problem.is_none());
        assert_eq!((draft.event_type.as_str(), draft.id.as_deref()), ("order.paid", Some("7")));
        assert_eq!((draft.content_type.as_deref(), &draft.data[..]), (Some("application/json"), &b"[1,2]"[..]));
        assert_eq!((draft.delay_seconds, draft.extensions.len()), (2, 1));
        let draft = Draft::new("a").content_type("application/vnd.a+json").json(&1).draft;
        assert_eq!(draft.content_type.as_deref(), Some("application/vnd.a+json"));
    }

    #[test]
    fn what_is_no_json_is_told_when_it_is_emitted() {
        let pairs = std::collections::BTreeMap::from([(vec![1], 2)]);
        let error = Events::default().emit_all([Draft::new("a"), Draft::new("b").json(&pairs)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().starts_with("the data is not JSON"), "{error}");
    }

    #[test]
    fn every_refusal_keeps_its_kind() {
        assert!(!failed(host::Error::TooLarge("x".into())).is_retryable());
        assert_eq!(failed(host::Error::Quota("x".into())).kind(), ErrorKind::Quota);
        assert!(failed(host::Error::Unavailable("x".into())).is_retryable());
    }
}
