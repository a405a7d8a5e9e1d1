//! HTTP calls: what a guest asks for, what a connector is given, and what came back.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::event::Attributes;
use crate::ids::ConnectionName;

/// A request as the guest made it: nothing checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// By connection, or none for an absolute URL.
    pub connection: Option<ConnectionName>,
    /// The method, as given.
    pub method: String,
    /// Path and query with a connection, else an absolute URL; as given.
    pub url: String,
    /// Headers, in order.
    pub headers: Attributes,
    /// The body.
    pub body: Bytes,
    /// The guest's own time limit.
    pub timeout: Option<Duration>,
    /// How many redirects the guest wants followed.
    pub max_redirects: u32,
}

/// A request that the hatch checked, ready for the connector.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// In capitals, a token.
    pub method: String,
    /// Where to, parsed once: the connector connects to exactly this.
    pub url: Url,
    /// The guest's headers, then the host's (`idempotency-key`, `traceparent`).
    pub headers: Attributes,
    /// The body.
    pub body: Bytes,
    /// The whole exchange ends within this.
    pub timeout: Duration,
    /// The most bytes of a response body, counted after decompression.
    pub response_limit: u64,
    /// Redirects to follow, each hop checked with `hop`.
    pub redirects: u32,
}

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// Names in lower case; bytes that are not UTF-8 replaced.
    pub headers: Attributes,
    /// Decoded if it came compressed.
    #[serde(with = "serde_bytes_bytes")]
    pub body: Bytes,
}

/// `Bytes` as a byte string, not a list of numbers.
mod serde_bytes_bytes {
    use bytes::Bytes;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, s: S) -> Result<S::Ok, S::Error> {
        serde_bytes::serialize(bytes.as_ref(), s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Bytes, D::Error> {
        serde_bytes::deserialize::<Vec<u8>, D>(d).map(Bytes::from)
    }
}

/// Why there is no response to hand over, in the words of the WIT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "error", content = "text")]
pub enum HttpError {
    /// No grant; the text is the line to add. Never recorded.
    AccessDenied(String),
    /// It cannot be sent as it is. Never recorded: it is refused again in the same way.
    Invalid(String),
    /// Not carried out.
    Unavailable(String),
    /// No complete response in time, to a request that may be made again.
    Timeout(String),
    /// Sent, and no usable answer came.
    InDoubt(String),
    /// A body over its limit.
    TooLarge(String),
}

/// What the guest receives; what the journal keeps.
pub type HttpAnswer = Result<HttpResponse, HttpError>;

/// What became of a request, as the connector saw it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// The address policy refused the destination; nothing was sent.
    #[error("{0}")]
    Denied(String),
    /// It cannot be put on the wire: a header, a method; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// No byte was sent: the name is unknown, the connection refused, TLS failed.
    #[error("{0}")]
    NotSent(String),
    /// A byte was sent and no whole response came: reset, cut, time over.
    #[error("{message}")]
    Broken {
        /// What happened.
        message: String,
        /// It was the time.
        timed_out: bool,
    },
    /// The response's status line came, and its body is over the limit.
    #[error("the response (status {status}) is larger than {limit} bytes (limits.http_body)")]
    TooLarge {
        /// The status that came.
        status: u16,
        /// The limit, in bytes.
        limit: u64,
    },
}

/// Whether a hop of a redirect is allowed: the grant is asked again for each.
pub type HopCheck<'a> = &'a (dyn Fn(&Url) -> bool + Send + Sync);

/// An opened http connection, or the bare one for URLs granted without a connection.
#[async_trait]
pub trait Http: Send + Sync {
    /// Its base URL; none for the bare one.
    fn base(&self) -> Option<&Url>;

    /// Whether the other side honours `Idempotency-Key`, as the operator declared.
    fn keyed(&self) -> bool;

    /// Its time limit for a call.
    fn timeout(&self) -> Duration;

    /// Headers that are the host's here, in lower case, such as the credential's: a guest that
    /// sets one is told `invalid`.
    fn reserved_headers(&self) -> &[String];

    /// Makes the exchange, with the connection's credential, once. Never repeats by itself once a
    /// byte was sent, but after an answer 401 (which says that it was not carried out) if a credential
    /// that is asked for, such as an access token, has meanwhile been replaced.
    async fn send(&self, request: HttpRequest, hop: HopCheck<'_>) -> Result<HttpResponse, HttpFailure>;
}
