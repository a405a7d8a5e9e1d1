//! HTTP calls to other systems. Credentials are the host's: a handler never sees one.

mod multipart;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::bindings::jackfield::plugin::http as host;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Attributes, Bytes, FromData};

pub use multipart::Part;
use multipart::multipart;

/// Calls to other systems over HTTP. Bodies are held in memory, 4 MiB unless the manifest says otherwise.
///
/// A call names a connection of the manifest and a path below its base URL; the host adds the
/// credential. A request that changed something and succeeded is never made again: a run that is
/// tried again gets the recorded response.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Http {}

macro_rules! methods {
    ($($name:ident $for_url:ident $method:literal;)*) => {$(
        #[doc = concat!("Begins a ", $method, " of `path`, which starts with `/`, on a connection.")]
        pub fn $name(&self, connection: impl Into<String>, path: impl Into<String>) -> Request {
            self.request($method, connection, path)
        }

        #[doc = concat!("Begins a ", $method, " of an absolute URL: it must lie below a granted connection or a granted URL.")]
        pub fn $for_url(&self, url: impl Into<String>) -> Request {
            self.request_url($method, url)
        }
    )*};
}

impl Http {
    methods! {
        get get_url "GET";
        head head_url "HEAD";
        post post_url "POST";
        put put_url "PUT";
        patch patch_url "PATCH";
        delete delete_url "DELETE";
    }

    /// Begins a request with any method, in capitals.
    pub fn request(
        &self,
        method: impl Into<String>,
        connection: impl Into<String>,
        path: impl Into<String>,
    ) -> Request {
        Request::new(method.into(), Some(connection.into()), path.into())
    }

    /// Begins a request to an absolute URL with any method, in capitals.
    pub fn request_url(&self, method: impl Into<String>, url: impl Into<String>) -> Request {
        Request::new(method.into(), None, url.into())
    }
}

/// A request that is being put together; nothing happens before [`Request::send`].
#[derive(Debug)]
#[must_use = "a request is not made before `send`"]
pub struct Request {
    inner: host::Request,
    // A body that cannot be written is told by `send`, so that a request is one chain of calls.
    problem: Option<Error>,
}

impl Request {
    fn new(method: String, connection: Option<String>, url: String) -> Self {
        let inner = host::Request {
            connection,
            method,
            url,
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: None,
            max_redirects: 0,
        };
        Self { inner, problem: None }
    }

    /// Adds a header. The headers of the credential, `host`, `content-length` and `connection` are the
    /// host's: setting one makes the request invalid.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inner.headers.push((name.into(), value.into()));
        self
    }

    /// Adds `name=value` to the query, percent-encoded.
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        let url = &mut self.inner.url;
        url.push(if url.contains('?') { '&' } else { '?' });
        encode(url, name);
        url.push('=');
        encode(url, &value.to_string());
        self
    }

    /// Sets the body to a value as JSON, and the content type, if none is set.
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body_of("application/json", body),
            Err(error) => {
                self.problem = Some(Error::of(ErrorKind::Invalid, format_args!("the body is not JSON: {error}")));
                self
            }
        }
    }

    /// Sets the body to pairs as a form sends them, and the content type, if none is set.
    pub fn form<'a>(self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut body = String::new();
        for (name, value) in pairs {
            if !body.is_empty() {
                body.push('&');
            }
            encode(&mut body, name);
            body.push('=');
            encode(&mut body, value);
        }
        self.body_of("application/x-www-form-urlencoded", body.into_bytes())
    }

    /// Sets the body to fields as a form with files sends them, `multipart/form-data`, and the content type, if none is set.
    pub fn multipart(self, parts: impl IntoIterator<Item = Part>) -> Self {
        let (body, boundary) = multipart(parts);
        self.body_of(&format!("multipart/form-data; boundary={boundary}"), body)
    }

    /// Sets the body. Say what it is with a `content-type` header.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.inner.body = body.into();
        self
    }

    fn body_of(mut self, content_type: &str, body: Vec<u8>) -> Self {
        if !self.inner.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            self.inner.headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        self.inner.body = body;
        self
    }

    /// Waits no longer than this for the whole response. Otherwise the connection's own limit holds.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.inner.timeout_ms = Some(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Follows up to `most` redirects: GET and HEAD only, and never more than the grant allows.
    /// Otherwise the redirect itself is the response.
    pub fn redirects(mut self, most: u32) -> Self {
        self.inner.max_redirects = most;
        self
    }

    /// Sends the request and waits for the whole response.
    ///
    /// # Errors
    ///
    /// There is no response; [`Error::kind`] says why. A response of status 400 or above is not an
    /// error, unless [`Response::error_for_status`] makes it one.
    #[track_caller]
    pub fn send(self) -> Result<Response> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let what = what(&self.inner);
        match host::send(&self.inner) {
            Ok(host::Response { status, headers, body }) => {
                Ok(Response { status, headers: Attributes(headers), body: body.into(), what })
            }
            Err(error) => {
                let (kind, text) = match error {
                    host::Error::AccessDenied(text) => (ErrorKind::AccessDenied, text),
                    host::Error::Invalid(text) => (ErrorKind::Invalid, text),
                    host::Error::Unavailable(text) => (ErrorKind::Unavailable, text),
                    host::Error::Timeout(text) => (ErrorKind::Timeout, text),
                    host::Error::InDoubt(text) => (ErrorKind::InDoubt, text),
                    host::Error::TooLarge(text) => (ErrorKind::TooLarge, text),
                };
                Err(Error::of(kind, format_args!("{what}: {text}")))
            }
        }
    }
}

/// What a request is, for a message: never its query, which may hold what is nobody's business.
fn what(request: &host::Request) -> String {
    let path = request.url.split(['?', '#']).next().unwrap_or_default();
    match &request.connection {
        Some(connection) => format!("{} {connection} {path}", request.method),
        None => format!("{} {path}", request.method),
    }
}

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Attributes,
    /// Its body, decoded if it came compressed.
    pub body: Bytes,
    what: String,
}

impl Response {
    #[cfg(test)]
    pub(crate) fn made(status: u16, body: &str, what: &str) -> Self {
        Self { status, headers: Attributes::default(), body: Vec::from(body).into(), what: what.into() }
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Whether the status is 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, read as JSON (or, into [`Bytes`], as it is).
    ///
    /// # Errors
    ///
    /// The body does not fit `T`.
    #[track_caller]
    pub fn json<T: FromData>(self) -> Result<T> {
        let what = self.what;
        match T::from_data(self.body.into_vec()) {
            Ok(value) => Ok(value),
            Err(error) => {
                Err(Error::new(format_args!("{what}: the answer is not as expected: {error}")).named("answer"))
            }
        }
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Makes an error of any status but 200 to 299.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Status`], with the begin of the body. Worth another attempt are 5xx, 408, 425 and
    /// 429; with `retry-after` not before that. Not worth it are other refusals: the other side will
    /// refuse them again.
    #[track_caller]
    pub fn error_for_status(self) -> Result<Self> {
        if self.is_success() {
            return Ok(self);
        }
        let mut text = format!("{}: {}", self.what, self.status);
        let said = excerpt(&self.body);
        if !said.is_empty() {
            text.push_str(": ");
            text.push_str(&said);
        }
        let error = Error::of(ErrorKind::Status(self.status), text);
        match retry_after(&self.headers) {
            Some(delay) if error.is_retryable() => Err(error.retry_after(delay)),
            _ => Err(error),
        }
    }
}

/// The begin of a body that is text, on one line.
fn excerpt(body: &[u8]) -> String {
    const LONGEST: usize = 200;
    let Ok(text) = std::str::from_utf8(body) else { return String::new() };
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// How long the other side asks us to stay away. A date is measured from the response's own date: the
/// two clocks are then the same one.
fn retry_after(headers: &Attributes) -> Option<Duration> {
    let value = headers.get("retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(value)?;
    let now = http_date(headers.get("date")?.trim())?;
    Some(Duration::from_secs(until.saturating_sub(now)))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, the one form of date that is still sent.
fn http_date(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(", ")?;
    let mut parts = rest.strip_suffix(" GMT")?.split([' ', ':']);
    let number = |parts: &mut dyn Iterator<Item = &str>| parts.next()?.parse::<u64>().ok();
    let parts: &mut dyn Iterator<Item = &str> = &mut parts;
    let day = number(parts)?;
    let month = parts.next()?;
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        .iter()
        .position(|m| *m == month)?;
    let year = number(parts)?;
    let (hour, minute, second) = (number(parts)?, number(parts)?, number(parts)?);
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Days before a month of a year that begins in March, so that the leap day is its last.
    let (y, m) = if month < 2 { (year - 1, month as u64 + 10) } else { (year, month as u64 - 2) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    const DAYS_TO_1970: u64 = 719_468;
    Some((days.checked_sub(DAYS_TO_1970)?) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Percent-encodes for a query or a form: all but the characters that mean nothing there.
fn encode(into: &mut String, text: &str) {
    use fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        Response {
            status,
            headers: Attributes(headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()),
            body: Vec::from(body).into(),
            what: "GET github /user".into(),
        }
    }

    #[test]
    fn a_request_is_what_its_chain_says() {
        let request = Http::default()
            .post("github", "/repos/acme/app/issues?a=1")
            .query("q", "number=FR 1042&ä")
            .header("x-a", "b")
            .json(&serde_json::json!({"title": "x"}))
            .timeout(Duration::from_secs(3))
            .redirects(2)
            .inner;
        assert_eq!(request.connection.as_deref(), Some("github"));
        assert_eq!(request.url, "/repos/acme/app/issues?a=1&q=number%3DFR%201042%26%C3%A4");
        assert_eq!(
            request.headers,
            [("x-a".into(), "b".into()), ("content-type".into(), "application/json".into())] as [(String, String); 2]
        );
        assert_eq!((request.timeout_ms, request.max_redirects), (Some(3000), 2));
        assert_eq!(request.body, br#"{"title":"x"}"#);
    }

    #[test]
    fn a_content_type_that_is_set_stays() {
        let request = Http::default().post("x", "/").header("Content-Type", "application/vnd.x+json").json(&1).inner;
        assert_eq!(request.headers.len(), 1);
        let form = Http::default().post_url("https://x/").form([("a b", "c&d"), ("e", "")]).inner;
        assert_eq!(form.body, b"a%20b=c%26d&e=");
        assert_eq!(form.connection, None);
    }

    #[test]
    fn a_body_that_cannot_be_written_is_told_by_send() {
        let pairs = std::collections::BTreeMap::from([(vec![1], 2)]);
        let error = Http::default().post("x", "/").json(&pairs).send().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_message_has_no_query() {
        let request = Http::default().get("x", "/a").query("token", "t").inner;
        assert_eq!(what(&request), "GET x /a");
    }

    #[test]
    fn refusals_are_final_and_breakdowns_are_not() {
        let refused = response(422, &[], "{\n  \"message\": \"no\"\n}").error_for_status().unwrap_err();
        assert_eq!(refused.message(), "GET github /user: 422: { \"message\": \"no\" }");
        assert_eq!((refused.kind(), refused.is_retryable()), (ErrorKind::Status(422), false));
        assert!(response(500, &[], "").error_for_status().unwrap_err().is_retryable());
        assert!(response(204, &[], "").error_for_status().is_ok());
        assert!(response(302, &[], "").error_for_status().is_err());
    }

    #[track_caller]
    fn delay(status: u16, headers: &[(&str, &str)], expected: Option<u64>) {
        let error = response(status, headers, "").error_for_status().unwrap_err();
        assert_eq!(error.delay(), expected.map(Duration::from_secs));
    }

    #[test]
    fn retry_after_is_honoured_where_a_retry_makes_sense() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        delay(429, &[("retry-after", "7")], Some(7));
        delay(503, &[("retry-after", " 120 ")], Some(120));
        delay(503, &[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"), date], Some(60));
        delay(503, &[("retry-after", "Sun, 06 Nov 1994 08:48:37 GMT"), date], Some(0));
        delay(503, &[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], None);
        for nonsense in ["", "-1", "soon", "Sun, 99 Foo 1994 08:50:37 GMT", "1e3"] {
            delay(503, &[("retry-after", nonsense), date], None);
        }
        delay(404, &[("retry-after", "7")], None);
    }

    #[test]
    fn dates_are_counted_across_leap_days() {
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
        assert_eq!(http_date("Fri, 01 Mar 2024 00:00:00 GMT"), Some(1_709_251_200));
    }

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        assert_eq!(excerpt(b"a\r\n  b"), "a b");
        assert_eq!(excerpt(&[0xff]), "");
        assert_eq!(excerpt("ä".repeat(500).as_bytes()).chars().count(), 201);
    }
}
