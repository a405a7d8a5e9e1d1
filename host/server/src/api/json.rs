//! JSON in and out: request bodies, path and query, each refused as a problem; answers escaped.
//!
//! serde_json escapes what JSON must. Data here comes from guests and strangers and is read in
//! terminals too, so every other control character is escaped as well.

use std::io;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{ApiError, body_error};

/// The largest JSON body of a route that does not say otherwise, in bytes.
pub(super) const BODY_BYTES: usize = 1 << 20;

/// What a route takes as its body.
pub(super) trait Wanted: DeserializeOwned {
    /// The most bytes.
    const LIMIT: usize = BODY_BYTES;
    /// Whether it holds a secret: what does not read is then not quoted.
    const SECRET: bool = false;
}

/// A request's JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<S: Sync, T: Wanted> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if !is_json(&request) {
            return Err(ApiError::MediaType("application/json"));
        }
        let bytes = read(request, T::LIMIT).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|e| {
            ApiError::BadRequest(if T::SECRET {
                format!("the body is not what this route takes (line {}, column {})", e.line(), e.column())
            } else {
                format!("the body is not what this route takes: {e}")
            })
        })
    }
}

fn is_json(request: &Request) -> bool {
    let Some(given) = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else { return false };
    given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

async fn read(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::TooLarge { limit_bytes: limit as u64 };
    if declared_length(&request).is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|e| {
        let over = std::error::Error::source(&e).is_some_and(|s| s.is::<http_body_util::LengthLimitError>());
        if over { too_large() } else { body_error(e) }
    })
}

/// What `content-length` says, if it is there.
pub(super) fn declared_length(request: &Request) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What a route's path names.
pub(super) struct At<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejected) => Err(ApiError::BadRequest(rejected.body_text())),
        }
    }
}

/// A route's query parameters.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejected) => Err(ApiError::BadRequest(rejected.body_text())),
        }
    }
}

/// An answer.
pub(super) struct Answer<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match to_vec(&self.0) {
            Ok(bytes) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response(),
            Err(error) => ApiError::internal(error).into_response(),
        }
    }
}

/// `value` as JSON in which no control character is left bare.
pub(super) fn to_vec<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Plain))?;
    Ok(out)
}

/// Compact JSON that a terminal may be shown.
struct Plain;

impl serde_json::ser::Formatter for Plain {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| acts(*c)) {
            writer.write_all(&fragment.as_bytes()[from..at])?;
            write!(writer, "\\u{:04x}", u32::from(c))?;
            from = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[from..])
    }
}

/// Whether a character does something instead of showing something: DEL, C1 controls, line and
/// paragraph separators, and what turns the direction of text.
const fn acts(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_087_no_control_character_leaves_bare() {
        let hostile: String =
            (0..0x100).filter_map(char::from_u32).chain("\u{2028}\u{202e}\u{feff}é漢😀<b>".chars()).collect();
        let bytes = to_vec(&serde_json::json!({ (hostile.clone()): [hostile] })).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(!text.chars().any(|c| c.is_control() || acts(c)), "{text:?}");
        assert!(text.contains("é漢😀"), "what shows is left alone");
        let back: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(back, serde_json::json!({ (hostile.clone()): [hostile] }), "and it reads back unchanged");
    }
}
