//! The hatch's http calls: which connection, what class, what the answer means.
//!
//! Not here: the way of the call itself, which is every capability's (`outward.rs`).

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::outward::{Asked, Exchange, NotMade, Sent};
use super::{Hatch, HttpAsked, Stop};
use crate::grant::{Capability, HttpGrant, below};
use crate::ids::ConnectionName;
use crate::journal::{Class, Verdict, What};
use crate::outside::Linked;
use crate::pace::{self, Gate};
use crate::ports::http::{Http, HttpAnswer, HttpCall, HttpError, HttpFailure, HttpRequest, HttpResponse};
use crate::ports::outward::{Failure, Sending};

/// A call that passed its grant.
struct Checked {
    port: Arc<dyn Http>,
    url: Url,
    /// Below the connection's base URL, or below the origin.
    path: String,
    what: What,
    class: Class,
    redirects: u32,
    by: By,
    /// Of a connection: what is shared by all runs that use it.
    gate: Option<Arc<Gate>>,
}

/// Which grant allowed it: asked again for each hop of a redirect.
enum By {
    Connection(ConnectionName),
    Url,
}

impl Checked {
    fn place(&self) -> String {
        place(&self.by, &self.url)
    }
}

/// By connection only the part below it counts: an operator may move the base URL.
fn place(by: &By, url: &Url) -> String {
    match by {
        By::Connection(name) => name.to_string(),
        By::Url => url.origin().ascii_serialization(),
    }
}

impl Hatch {
    /// Makes an HTTP call, or hands over its recorded answer.
    ///
    /// It runs in a task of its own and is recorded even if this future is dropped.
    ///
    /// # Errors
    ///
    /// The attempt must end.
    pub async fn http(self: &Arc<Self>, call: u32, request: HttpCall) -> Result<HttpAnswer, Stop> {
        let hatch = Arc::clone(self);
        self.in_a_task(async move { hatch.http_call(call, request).await }).await
    }

    async fn http_call(&self, call: u32, request: HttpCall) -> Result<HttpAnswer, Stop> {
        let checked = match self.check(&request) {
            Ok(checked) => checked,
            Err(refused) => {
                if let HttpError::AccessDenied(text) = &refused {
                    self.refuse(call, Capability::Http, &label(&request), text);
                }
                return Ok(Err(refused));
            }
        };
        let asking = HttpAsked::of(checked.place(), &checked.url, &checked.path, &request);
        let asked = Asked { hash: asking.hash(), class: checked.class, request: || asking.encode() };
        self.carry_out(call, asked, &HttpExchange { hatch: self, checked, request: &request }).await
    }

    /// Grant, connection, and everything that can be said before anything is sent.
    fn check(&self, request: &HttpCall) -> Result<Checked, HttpError> {
        let invalid = |text: String| Err(HttpError::Invalid(text));
        let method = request.method.as_str();
        if method.is_empty() || method.len() > 32 || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
            return invalid(format!("method `{}`: use capitals, such as GET", crate::ids::shown(method)));
        }
        if method == "CONNECT" || method == "TRACE" {
            return invalid(format!("method {method} is not offered"));
        }
        if request.body.len() as u64 > self.limits.http_body_bytes {
            return Err(HttpError::TooLarge(format!(
                "the request body has {} bytes; the limit is {} (limits.http_body)",
                request.body.len(),
                self.limits.http_body_bytes
            )));
        }
        // A parser that forgives these would check one URL and send another.
        if let Some(bad) = request.url.chars().find(|c| c.is_control() || *c == '\\' || *c == ' ' || *c == '#') {
            return invalid(format!("url: {bad:?} must be percent-encoded"));
        }
        let (name, linked, url, path) = match &request.connection {
            Some(name) => {
                let Some((_, linked)) = self.linked.iter().find(|(known, _)| known == name) else {
                    return Err(HttpError::AccessDenied(line_for(name.as_str(), method, &request.url)));
                };
                let (url, path) = join(linked, &request.url)?;
                (Some(name.clone()), Some(linked), url, path)
            }
            None => self.find_by_url(&request.url)?,
        };
        let gate = linked.and_then(|linked| linked.gate.clone());
        let (grant, port, by) = match (name, linked) {
            (Some(name), Some(linked)) => {
                let Some(grant) = self.grants.http_by_connection(&name, method, &path) else {
                    return Err(HttpError::AccessDenied(line_for(name.as_str(), method, &path)));
                };
                (grant, linked.http()?, By::Connection(name))
            }
            _ => {
                let Some(grant) = self.grants.http_by_url(&url, method) else {
                    let origin = url.origin().ascii_serialization();
                    return Err(HttpError::AccessDenied(format!(
                        "http = [{{ url = \"{origin}\", methods = [\"{method}\"], paths = [\"{}\"] }}]",
                        url.path()
                    )));
                };
                (grant, Arc::clone(&self.outside.bare_http), By::Url)
            }
        };
        for (header, _) in &request.headers {
            let header = header.to_ascii_lowercase();
            if port.reserved_headers().contains(&header) {
                return invalid(format!("header `{}` is the host's to set", crate::ids::shown(&header)));
            }
        }
        let place = place(&by, &url);
        Ok(Checked {
            what: What { capability: Capability::Http, text: format!("{method} {place} {path}") },
            class: class(method, port.keyed(), grant),
            redirects: if matches!(method, "GET" | "HEAD") { grant.redirects.min(request.max_redirects) } else { 0 },
            port,
            url,
            path,
            by,
            gate,
        })
    }

    /// The connection that an absolute URL belongs to, if one covers it.
    #[expect(clippy::type_complexity, reason = "the four things its one caller takes apart at once")]
    fn find_by_url(&self, text: &str) -> Result<(Option<ConnectionName>, Option<&Linked>, Url, String), HttpError> {
        let url = Url::parse(text).map_err(|e| HttpError::Invalid(format!("url: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(HttpError::Invalid("url: only http: and https: URLs can be called".into()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HttpError::Invalid("url: a URL must not name a user; use a connection".into()));
        }
        for (name, linked) in &self.linked {
            let base = linked.opened.as_ref().ok().and_then(|o| o.http.as_ref()).and_then(|h| h.base());
            if let Some(path) = base.and_then(|base| below(base, &url)) {
                return Ok((Some(name.clone()), Some(linked), url, path));
            }
        }
        let path = url.path().to_owned();
        Ok((None, None, url, path))
    }
}

/// A request that passed its grant.
struct HttpExchange<'a> {
    hatch: &'a Hatch,
    checked: Checked,
    request: &'a HttpCall,
}

impl Exchange for HttpExchange<'_> {
    type Answer = HttpAnswer;

    fn what(&self) -> &What {
        &self.checked.what
    }

    fn gate(&self) -> Option<&Arc<Gate>> {
        self.checked.gate.as_ref()
    }

    fn timeout(&self) -> Duration {
        self.request.timeout.unwrap_or(Duration::MAX).min(self.checked.port.timeout())
    }

    fn sent_bytes(&self) -> u64 {
        self.request.body.len() as u64
    }

    fn most(&self) -> (u64, u32) {
        (self.hatch.limits.http_body_bytes, 0)
    }

    async fn class(&self, _: Duration) -> Result<Class, Failure> {
        Ok(self.checked.class)
    }

    async fn send(&self, with: Sending, class: Class) -> Sent<HttpAnswer> {
        let Self { hatch, checked, request } = self;
        let hop = |to: &Url| match &checked.by {
            By::Connection(name) => checked
                .port
                .base()
                .and_then(|base| below(base, to))
                .is_some_and(|path| hatch.grants.http_by_connection(name, &request.method, &path).is_some()),
            By::Url => hatch.grants.http_by_url(to, &request.method).is_some(),
        };
        let sent = HttpRequest {
            method: request.method.clone(),
            url: checked.url.clone(),
            headers: hatch.headers(with.key, request),
            body: request.body.clone(),
            timeout: with.timeout,
            response_limit: with.answer_bytes,
            redirects: checked.redirects,
        };
        let came = checked.port.send(sent, &hop).await;
        Sent {
            verdict: verdict(&came),
            health: pace::health(&came),
            retry_after: pace::retry_after(&came, &*hatch.outside.clock),
            received_bytes: came.as_ref().map_or(0, |response| response.body.len() as u64),
            answer: answer(came, class),
        }
    }

    fn not_made(&self, why: NotMade) -> HttpAnswer {
        match why {
            NotMade::Interrupted => {
                let text = "it was sent, and the host was interrupted before the answer came";
                Err(HttpError::InDoubt(text.into()))
            }
            NotMade::Failed(failure) => Err(HttpError::Unavailable(failure.to_string())),
        }
    }

    fn shown(answer: &HttpAnswer) -> String {
        shown(answer)
    }

    fn is_ok(answer: &HttpAnswer) -> bool {
        answer.is_ok()
    }

    fn made_up() -> Option<HttpAnswer> {
        Some(Ok(HttpResponse { status: 200, headers: vec![], body: bytes::Bytes::new() }))
    }
}

impl Hatch {
    fn headers(&self, key: String, call: &HttpCall) -> Vec<(String, String)> {
        let mut headers = call.headers.clone();
        let has = |name: &str| call.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if matches!(call.method.as_str(), "POST" | "PATCH") && !has("idempotency-key") {
            headers.push(("idempotency-key".into(), key));
        }
        if !has("traceparent") {
            headers.push(("traceparent".into(), self.info.traceparent.clone()));
        }
        headers
    }
}

/// The full URL of a path and query below a connection's base, and the path below it, normalised.
fn join(linked: &Linked, path: &str) -> Result<(Url, String), HttpError> {
    let http = linked.http()?;
    let base = http.base().ok_or_else(|| HttpError::Unavailable("the connection has no base URL".into()))?;
    if !path.starts_with('/') {
        return Err(HttpError::Invalid("url: with a connection, a path and query starting with `/`".into()));
    }
    let joined = format!("{}{path}", base.as_str().trim_end_matches('/'));
    let url = Url::parse(&joined).map_err(|e| HttpError::Invalid(format!("url: {e}")))?;
    match below(base, &url) {
        Some(path) => Ok((url, path)),
        None => Err(HttpError::Invalid("url: the path leaves the connection's base URL".into())),
    }
}

fn label(request: &HttpCall) -> String {
    let place = request.connection.as_ref().map_or("", |name| name.as_str());
    let path = request.url.split(['?', '#']).next().unwrap_or_default();
    format!("{} {place} {}", crate::ids::shown(&request.method), crate::ids::shown(path))
}

fn line_for(connection: &str, method: &str, path: &str) -> String {
    let path = crate::ids::shown(path.split('?').next().unwrap_or(path));
    format!("http = [{{ connection = \"{connection}\", methods = [\"{method}\"], paths = [\"{path}\"] }}]")
}

/// What repeating this call would mean.
fn class(method: &str, keyed: bool, grant: &HttpGrant) -> Class {
    match method {
        "GET" | "HEAD" | "OPTIONS" => Class::Read,
        "PUT" | "DELETE" => Class::Repeatable,
        _ if keyed || grant.retry_in_doubt => Class::Repeatable,
        _ => Class::Unkeyed,
    }
}

/// What became of the call: the table of the promises.
fn verdict(came: &Result<HttpResponse, HttpFailure>) -> Verdict {
    match came {
        Ok(response) => by_status(response.status),
        Err(HttpFailure::TooLarge { status, .. }) => by_status(*status),
        Err(HttpFailure::Denied(_) | HttpFailure::Invalid(_) | HttpFailure::NotSent(_)) => Verdict::NotExecuted,
        Err(HttpFailure::Broken { .. }) => Verdict::InDoubt,
    }
}

/// What became of a call that a guest was given this answer to.
pub(crate) fn verdict_of(answer: &HttpAnswer) -> Verdict {
    match answer {
        Ok(response) => by_status(response.status),
        Err(HttpError::InDoubt(_) | HttpError::Timeout(_)) => Verdict::InDoubt,
        Err(_) => Verdict::NotExecuted,
    }
}

fn by_status(status: u16) -> Verdict {
    match status {
        408 | 425 | 429 | 503 => Verdict::NotExecuted,
        400..=499 => Verdict::Refused,
        500.. => Verdict::InDoubt,
        _ => Verdict::Done,
    }
}

fn answer(came: Result<HttpResponse, HttpFailure>, class: Class) -> HttpAnswer {
    came.map_err(|failure| match failure {
        HttpFailure::Denied(text) => HttpError::AccessDenied(text),
        HttpFailure::Invalid(text) => HttpError::Invalid(text),
        HttpFailure::NotSent(text) => HttpError::Unavailable(text),
        HttpFailure::TooLarge { .. } => HttpError::TooLarge(failure.to_string()),
        HttpFailure::Broken { message, .. } if class == Class::Unkeyed => HttpError::InDoubt(message),
        HttpFailure::Broken { message, .. } => HttpError::Timeout(message),
    })
}

fn shown(answer: &HttpAnswer) -> String {
    match answer {
        Ok(response) => response.status.to_string(),
        Err(HttpError::AccessDenied(_)) => "access-denied".into(),
        Err(HttpError::Invalid(_)) => "invalid".into(),
        Err(HttpError::Unavailable(_)) => "unavailable".into(),
        Err(HttpError::Timeout(_)) => "no answer".into(),
        Err(HttpError::InDoubt(_)) => "in doubt".into(),
        Err(HttpError::TooLarge(_)) => "too large".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(status: u16, expected: Verdict) {
        let response = HttpResponse { status, headers: vec![], body: bytes::Bytes::new() };
        assert_eq!(verdict(&Ok(response)), expected, "{status}");
        assert_eq!(verdict(&Err(HttpFailure::TooLarge { status, limit: 1 })), expected, "{status}, too large");
    }

    #[test]
    fn p3_the_table_of_what_came_back() {
        for status in [200, 201, 204, 301, 304] {
            becomes(status, Verdict::Done);
        }
        for status in [400, 401, 404, 409, 422] {
            becomes(status, Verdict::Refused);
        }
        for status in [408, 425, 429, 503] {
            becomes(status, Verdict::NotExecuted);
        }
        for status in [500, 501, 502, 504, 599] {
            becomes(status, Verdict::InDoubt);
        }
        assert_eq!(verdict(&Err(HttpFailure::NotSent("refused".into()))), Verdict::NotExecuted);
        for timed_out in [true, false] {
            let broken = HttpFailure::Broken { message: "reset".into(), timed_out };
            assert_eq!(verdict(&Err(broken)), Verdict::InDoubt);
        }
    }
}
