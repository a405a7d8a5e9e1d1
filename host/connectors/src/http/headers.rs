//! Headers: what a guest may set, and what it is told of those that came back.
//!
//! Not here: the credential's.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jackfield_core::event::Attributes;
use jackfield_core::ports::http::HttpFailure;

/// The most headers of a request.
pub(super) const MOST: usize = 128;
/// The most bytes of a request's headers, names and values together.
pub(super) const MOST_BYTES: usize = 64 * 1024;

/// Set by the host from the URL and the body, or about the connection between two machines only.
pub(super) const HOSTS: &[&str] = &[
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "http2-settings",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
];

/// Whether `name` (any case) is never the guest's or the operator's to set.
pub(super) fn is_hosts(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HOSTS.contains(&name.as_str()) || name.starts_with("proxy-")
}

/// Checks a method.
///
/// # Errors
///
/// It is no token, or one that is not a request to the server named.
pub(super) fn method(name: &str) -> Result<Method, HttpFailure> {
    match Method::from_bytes(name.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => Err(HttpFailure::Invalid(format!("the method {name} cannot be used"))),
        Ok(method) => Ok(method),
        Err(_) => Err(HttpFailure::Invalid("the method is no token; for example GET".into())),
    }
}

/// Checks a guest's headers before any library sees them.
///
/// # Errors
///
/// Too many, a name or value that cannot be put on the wire, or one of the `reserved`.
pub(super) fn checked(given: &Attributes, reserved: &[String]) -> Result<HeaderMap, HttpFailure> {
    let invalid = |text: String| Err(HttpFailure::Invalid(text));
    if given.len() > MOST {
        return invalid(format!("{} headers; at most {MOST} can be sent", given.len()));
    }
    let bytes: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MOST_BYTES {
        return invalid(format!("headers of {bytes} bytes; at most {MOST_BYTES} can be sent"));
    }
    let mut headers = HeaderMap::with_capacity(given.len() + 8);
    for (name, value) in given {
        let Ok(header) = HeaderName::try_from(name.as_str()) else {
            return invalid(format!("{name:?} is no header name"));
        };
        let Ok(value) = HeaderValue::try_from(value.as_str()) else {
            return invalid(format!("the value of the header `{header}` holds a line break or control character"));
        };
        if is_hosts(header.as_str()) || reserved.iter().any(|r| r == header.as_str()) {
            return invalid(format!("the header `{header}` is set by the host; leave it out"));
        }
        headers.append(header, value);
    }
    Ok(headers)
}

/// A response's headers for the guest: without those about the connection between two machines.
pub(super) fn answered(headers: &HeaderMap) -> Attributes {
    let named: Vec<String> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    headers
        .iter()
        .filter(|(name, _)| {
            let name = name.as_str();
            let about_the_connection = is_hosts(name) && name != "content-length";
            !about_the_connection && !named.iter().any(|n| n == name)
        })
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}
