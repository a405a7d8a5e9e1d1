//! What an http call was asked with, as the journal keeps it: for its hash, for people, for replays.
//!
//! Not here: what the host adds to it, such as its credential, which is kept nowhere.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use url::Url;

use super::encode_answer;
use crate::event::Attributes;
use crate::journal::{ArgumentHash, REQUEST_BYTES};
use crate::ports::http::HttpCall;

/// What stands for the value of a header in [`HIDDEN`].
const LEFT_OUT: &str = "[left out]";
/// Headers whose value is a credential, should a guest have one of its own: it is not kept.
const HIDDEN: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// A request as its guest made it. Stored; it only ever grows by fields that may be absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAsked {
    /// The method.
    #[serde(rename = "m")]
    pub method: String,
    /// The connection's name, or the origin of an absolute URL.
    #[serde(rename = "p")]
    pub place: String,
    /// The path below it, normalised.
    #[serde(rename = "u")]
    pub path: String,
    /// The query.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The guest's own headers, in its order.
    #[serde(rename = "h")]
    pub headers: Attributes,
    /// The size of the body, in bytes.
    #[serde(rename = "n")]
    pub body_bytes: u64,
    /// The body, unless it is too large to keep.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub body: Option<ByteBuf>,
}

/// With the body as it is: what is hashed, and then encoded with or without it.
pub(super) struct Asking {
    asked: HttpAsked,
    body: Bytes,
}

impl HttpAsked {
    /// What `call` asks of `place`.
    pub(super) fn of(place: String, url: &Url, path: &str, call: &HttpCall) -> Asking {
        let asked = Self {
            method: call.method.clone(),
            place,
            path: path.to_owned(),
            query: url.query().map(str::to_owned),
            headers: call.headers.clone(),
            body_bytes: call.body.len() as u64,
            body: None,
        };
        Asking { asked, body: call.body.clone() }
    }

    /// What the call is, for a person.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} {} {}", self.method, self.place, self.path)
    }

    /// Its hash; none if not all of it is kept.
    #[must_use]
    pub fn hash(&self) -> Option<ArgumentHash> {
        let hidden = self.headers.iter().any(|(name, value)| is_hidden(name) && value == LEFT_OUT);
        let whole = !hidden && (self.body_bytes == 0 || self.body.is_some());
        whole.then(|| self.hash_with(self.body.as_ref().map_or(&[], |body| body.as_slice())))
    }

    /// Covers method, URL, the guest's own headers and body; not what the host adds.
    fn hash_with(&self, body: &[u8]) -> ArgumentHash {
        let mut headers: Vec<(String, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
            .filter(|(name, _)| name != "traceparent" && name != "tracestate")
            .collect();
        headers.sort();
        let text = self.text();
        let parts = [
            self.method.as_bytes(),
            self.place.as_bytes(),
            text.as_bytes(),
            self.query.as_deref().unwrap_or_default().as_bytes(),
            body,
        ];
        let headers = headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        ArgumentHash::of(parts.into_iter().chain(headers))
    }
}

impl Asking {
    pub(super) fn hash(&self) -> ArgumentHash {
        self.asked.hash_with(&self.body)
    }

    /// As it is kept.
    pub(super) fn encode(self) -> Vec<u8> {
        let fits = self.body.len() <= REQUEST_BYTES;
        let body = (fits && !self.body.is_empty()).then(|| ByteBuf::from(Vec::from(self.body)));
        let mut asked = HttpAsked { body, ..self.asked };
        for (name, value) in &mut asked.headers {
            if is_hidden(name) {
                LEFT_OUT.clone_into(value);
            }
        }
        encode_answer(&asked)
    }
}

fn is_hidden(header: &str) -> bool {
    HIDDEN.iter().any(|hidden| header.eq_ignore_ascii_case(hidden))
}
