//! Redirects: where the next hop leads, and whether it may be taken.
//!
//! Not here: the grant (asked by the caller's `hop`) and the addresses (checked when dialing).

use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use jackfield_core::ports::http::HttpFailure;
use url::Url;

use crate::address;

/// The next hop of a response, or none if it is no redirect that can be followed.
///
/// # Errors
///
/// `Denied`: it leads to something that is never called, or from https to http.
pub(super) fn next(
    method: &Method,
    from: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Url>, HttpFailure> {
    let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    if !is_redirect || !matches!(*method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let denied = |why: String| HttpFailure::Denied(format!("a redirect is not followed: {why}"));
    let location = location.to_str().map_err(|_| denied("its location is no text".into()))?;
    let mut to = if location.contains("://") || location.starts_with("//") || location.contains('\\') {
        let absolute = match location.strip_prefix("//") {
            Some(rest) => format!("{}://{rest}", from.scheme()),
            None => location.to_owned(),
        };
        match from.join(location) {
            // Also a relative location can hold `://`, in its query.
            Ok(to) if same_server(&to, from) && !location.contains('\\') => to,
            _ => address::read_guest_url(&absolute).map_err(denied)?,
        }
    } else {
        from.join(location).map_err(|e| denied(format!("its location is no URL: {e}")))?
    };
    to.set_fragment(None);
    if !matches!(to.scheme(), "http" | "https") {
        return Err(denied(format!("its scheme is `{}`", to.scheme())));
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err(denied("its location holds a user name or password".into()));
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(denied("it leads from https to http".into()));
    }
    Ok(Some(to))
}

/// Whether two URLs have equal scheme, host and port.
pub(super) fn same_server(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}
