//! The hatch's http calls: which connection, what class, what the answer means.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{Begun, Hatch, HttpAsked, Stop};
use crate::clock::within;
use crate::gauntlet::{Bug, bug, crash_point};
use crate::grant::{Capability, HttpGrant, below};
use crate::ids::ConnectionName;
use crate::journal::{Class, LookUp, Verdict, What};
use crate::metrics::CallResult;
use crate::outside::Linked;
use crate::pace::{self, Gate, Permit};
use crate::ports::http::{Http, HttpAnswer, HttpCall, HttpError, HttpFailure, HttpRequest, HttpResponse};

/// How often a call in doubt that may be repeated is made, in all.
const TRIES: u32 = 3;
/// The pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

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
        let task = self.tasks.spawn(async move { hatch.http_call(call, request).await });
        task.await.unwrap_or_else(|panic| Err(self.end(Stop::HostFault(format!("the call's task ended: {panic}")))))
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
        let asked = HttpAsked::of(checked.place(), &checked.url, &checked.path, &request);
        let hash = asked.hash();
        let (generation, interrupted) =
            match self.look_up_asked(call, &checked.what, &hash, checked.class, || asked.encode())? {
                LookUp::Answered { verdict, answer, took_ms } => {
                    return self.replay::<HttpAnswer>(call, &checked.what, verdict, &answer, took_ms, shown);
                }
                LookUp::Fresh { generation } => (generation, false),
                LookUp::Interrupted { generation } => (generation, true),
            };
        let begun = Begun { call, what: checked.what.clone(), hash, class: checked.class, generation, interrupted };
        let started = self.outside.clock.monotonic();
        let (verdict, answer) = if begun.interrupted && begun.class == Class::Unkeyed {
            let text = "it was sent, and the host was interrupted before the answer came";
            (Verdict::InDoubt, Err(HttpError::InDoubt(text.into())))
        } else {
            self.exchange(&begun, &checked, &request).await?
        };
        let took = self.outside.clock.monotonic().saturating_sub(started);
        let result = match (&answer, verdict) {
            (_, Verdict::InDoubt) => CallResult::InDoubt,
            (Ok(_), _) => CallResult::Ok,
            (Err(_), _) => CallResult::Error,
        };
        self.outside.metrics.call(&self.info.target, Capability::Http, result);
        tracing::debug!(
            run = %self.info.fence.run, call, what = %begun.what.text,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), result = shown(&answer), "http call"
        );
        self.record(&begun, verdict, took, &answer, shown(&answer));
        Ok(answer)
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

    /// Intent, pace, and the exchange itself, repeated while it is in doubt and may be.
    async fn exchange(&self, begun: &Begun, checked: &Checked, call: &HttpCall) -> Result<(Verdict, HttpAnswer), Stop> {
        let both = async { (self.in_flight.acquire().await, self.shared_in_flight.acquire().await) };
        let Some((Ok(_one), Ok(_other))) = within(&*self.outside.clock, self.time_left(), both).await else {
            let text = "too many calls of this integration are in flight (limits.in_flight)";
            return Ok((Verdict::NotExecuted, Err(HttpError::Unavailable(text.into()))));
        };
        // Before the intent: a call that is held was never about to be sent.
        let mut permit = match &checked.gate {
            Some(gate) => Some(self.enter(gate).await?),
            None => None,
        };
        if begun.class != Class::Read && !begun.interrupted && !bug(Bug::NoIntent) {
            self.intend(begun).await?;
        }
        if begun.class != Class::Read && bug(Bug::ResultBeforeSend) {
            let made = Ok(HttpResponse { status: 200, headers: vec![], body: bytes::Bytes::new() });
            self.record::<HttpAnswer>(begun, Verdict::Done, Duration::ZERO, &made, "200".into());
        }
        let limit = call.timeout.unwrap_or(Duration::MAX).min(checked.port.timeout());
        let ends = self.outside.clock.monotonic() + limit.min(self.time_left());
        let hop = |to: &Url| match &checked.by {
            By::Connection(name) => checked
                .port
                .base()
                .and_then(|base| below(base, to))
                .is_some_and(|path| self.grants.http_by_connection(name, &call.method, &path).is_some()),
            By::Url => self.grants.http_by_url(to, &call.method).is_some(),
        };
        let mut tried = 0;
        loop {
            tried += 1;
            let left = ends.saturating_sub(self.outside.clock.monotonic());
            let request = HttpRequest {
                method: call.method.clone(),
                url: checked.url.clone(),
                headers: self.headers(begun, call),
                body: call.body.clone(),
                timeout: left,
                response_limit: self.limits.http_body_bytes,
                redirects: checked.redirects,
            };
            self.sent.fetch_add(call.body.len() as u64, std::sync::atomic::Ordering::Relaxed);
            let came = checked.port.send(request, &hop).await;
            crash_point("send-after");
            if let Ok(response) = &came {
                self.received.fetch_add(response.body.len() as u64, std::sync::atomic::Ordering::Relaxed);
            }
            if let Some(permit) = permit.take() {
                permit.report(pace::health(&came), pace::retry_after(&came, &*self.outside.clock));
            }
            let verdict = verdict(&came);
            let pause = FIRST_PAUSE * 2_u32.pow(tried - 1);
            let left = ends.saturating_sub(self.outside.clock.monotonic());
            if verdict != Verdict::InDoubt || begun.class == Class::Unkeyed || tried == TRIES || left <= pause {
                return Ok((verdict, answer(came, begun.class)));
            }
            self.outside.clock.sleep(pause).await;
            if let Some(gate) = &checked.gate {
                // Held now, after it was sent: what came is what there is to say.
                match gate.enter(left.saturating_sub(pause)).await {
                    Ok(again) => permit = Some(again),
                    Err(_) => return Ok((verdict, answer(came, begun.class))),
                }
            }
        }
    }

    /// Leave of the connection for a call that was not sent yet.
    async fn enter(&self, gate: &Arc<Gate>) -> Result<Permit, Stop> {
        match gate.enter(self.time_left()).await {
            Ok(permit) => Ok(permit),
            Err(held) => Err(self.end(Stop::Held {
                connection: gate.connection().clone(),
                back_in: held.back_in,
                why: held.why.to_string(),
            })),
        }
    }

    fn headers(&self, begun: &Begun, call: &HttpCall) -> Vec<(String, String)> {
        let mut headers = call.headers.clone();
        let has = |name: &str| call.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if matches!(call.method.as_str(), "POST" | "PATCH") && !has("idempotency-key") {
            let again = if bug(Bug::NewKeyOnRetry) { self.info.fence.number as u32 } else { 0 };
            let key = self.outside.call_key(self.info.fence.run, begun.call, begun.generation + again);
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
