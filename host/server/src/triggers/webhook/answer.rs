//! What a webhook's sender is answered.
//!
//! Never a cause: names of hosts, tables and secrets stay in the log.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use jackfield_core::event::Output;
use jackfield_core::intake::Ended;
use jackfield_core::run::RunState;
use jackfield_core::store::queue::Accepted;
use serde_json::json;

/// Headers that an output cannot set: they belong to the connection, or would speak for the host
/// itself to a browser.
const NOT_THE_GUESTS: [&str; 19] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "content-type",
    "host",
    "date",
    "server",
    "set-cookie",
    "clear-site-data",
    "strict-transport-security",
    "alt-svc",
    "service-worker-allowed",
];

/// A request that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such hook, as far as anybody outside can tell.
    NotFound,
    /// Neither POST nor PUT.
    Method,
    /// Not genuine.
    NotGenuine,
    /// The body is over `limits.event`.
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The body stopped coming.
    TooSlow,
    /// It is not what it says it is.
    Malformed(String),
    /// Too many requests, or too many runs waiting.
    TooMany {
        /// Of what.
        what: &'static str,
        /// Worth trying again after this.
        retry_after: Duration,
    },
    /// `wait=` where it is not possible.
    NoWait(&'static str),
    /// The host cannot accept it now.
    Unavailable(&'static str),
}

/// The answer to a refused request.
#[must_use]
pub fn refused(refusal: &Refusal) -> Response<Body> {
    let (status, code, detail) = match refusal {
        Refusal::NotFound => (StatusCode::NOT_FOUND, "not-found", "there is no such hook".to_owned()),
        Refusal::Method => {
            (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "a hook takes POST and PUT".to_owned())
        }
        Refusal::NotGenuine => {
            (StatusCode::UNAUTHORIZED, "not-genuine", "the request could not be verified".to_owned())
        }
        Refusal::TooLarge { limit } => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("the body is larger than {limit} bytes (limits.event of the component)"),
        ),
        Refusal::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "the body came too slowly".to_owned()),
        Refusal::Malformed(text) => (StatusCode::BAD_REQUEST, "malformed", text.clone()),
        Refusal::TooMany { what, .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many", (*what).to_owned()),
        Refusal::NoWait(text) => (StatusCode::BAD_REQUEST, "no-wait", (*text).to_owned()),
        Refusal::Unavailable(text) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", (*text).to_owned()),
    };
    let mut response = problem(status, code, &detail);
    let headers = response.headers_mut();
    match refusal {
        Refusal::Method => {
            headers.insert(ALLOW, HeaderValue::from_static("POST, PUT"));
        }
        Refusal::TooMany { retry_after, .. } => {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(*retry_after)));
        }
        Refusal::Unavailable(_) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(5));
        }
        // What is left of the body is not worth reading.
        Refusal::TooLarge { .. } | Refusal::TooSlow => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// 202: it is on disk, as this run.
#[must_use]
pub fn accepted(accepted: Accepted) -> Response<Body> {
    let run = accepted.run().to_string();
    let body = match accepted {
        Accepted::New(_) => json!({ "run": run }),
        Accepted::Duplicate(_) => json!({ "run": run, "duplicate": true }),
    };
    with_body(StatusCode::ACCEPTED, "application/json", body.to_string().into())
}

/// The answer to a sender who waited and whose run ended in time; none if there is nothing to say but 202.
#[must_use]
pub fn ended(ended: Ended) -> Option<Response<Body>> {
    match ended.state {
        RunState::Succeeded => Some(output(ended.output.unwrap_or_default())),
        RunState::DeadLettered | RunState::Cancelled | RunState::Discarded => {
            Some(problem(StatusCode::BAD_GATEWAY, "run-failed", "the run did not succeed"))
        }
        // Parked: a person decides, so it is not over.
        _ => None,
    }
}

fn output(output: Output) -> Response<Body> {
    // 1xx and statuses that do not exist are no answers.
    let status = output.status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.filter(|status| (200..600).contains(&status.as_u16())).unwrap_or(StatusCode::OK);
    let content_type = output.content_type.as_deref().unwrap_or("application/octet-stream");
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::RESET_CONTENT);
    let data = if bodiless { Bytes::new() } else { output.data };
    let mut response = with_body(status, content_type, data);
    for (name, value) in &output.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str())) else {
            continue;
        };
        let for_browsers = ["access-control-", "sec-", "cross-origin-"].iter().any(|p| name.as_str().starts_with(p));
        if !NOT_THE_GUESTS.contains(&name.as_str()) && !for_browsers {
            response.headers_mut().append(name, value);
        }
    }
    // A page served from here must not run scripts under the host's own origin.
    let headers = response.headers_mut();
    headers.insert("content-security-policy", HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// `application/problem+json` without detail beyond one sentence.
#[must_use]
pub fn problem(status: StatusCode, code: &str, detail: &str) -> Response<Body> {
    let title = status.canonical_reason().unwrap_or("Error");
    let body =
        json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "code": code, "detail": detail });
    with_body(status, "application/problem+json", body.to_string().into())
}

fn with_body(status: StatusCode, content_type: &str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::try_from(content_type);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, content_type.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream")));
    response
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn succeeded(output: Output) -> Response<Body> {
        ended(Ended { state: RunState::Succeeded, output: Some(output), reason: None }).unwrap()
    }

    #[test]
    fn an_output_is_the_answer() {
        let response = succeeded(Output {
            status: Some(201),
            content_type: Some("text/plain".into()),
            headers: vec![("Location".into(), "/x".into()), ("x-a".into(), "1".into()), ("x-a".into(), "2".into())],
            data: "hi".into(),
        });
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["content-type"], "text/plain");
        assert_eq!(response.headers()["location"], "/x");
        assert_eq!(response.headers().get_all("x-a").iter().count(), 2);
        assert_eq!(succeeded(Output::default()).status(), 200);
    }

    #[test]
    fn an_output_cannot_take_over_connection_or_origin() {
        let names = ["Connection", "Transfer-Encoding", "Content-Length", "Set-Cookie", "Access-Control-Allow-Origin"];
        let mut headers: Vec<_> = names.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect();
        headers.push(("x-split".into(), "a\r\nset-cookie: b".into()));
        headers.push(("bad name".into(), "1".into()));
        headers.push(("content-security-policy".into(), "default-src *".into()));
        let content_type = Some("text/html\r\nx: y".into());
        let response = succeeded(Output { status: Some(101), content_type, headers, data: "x".into() });
        assert_eq!(response.status(), 200, "101 would hand the connection over");
        let names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "content-security-policy", "x-content-type-options"]);
        assert_eq!(response.headers()["content-type"], "application/octet-stream");
        assert_eq!(response.headers()["content-security-policy"], "sandbox; default-src 'none'");
    }

    #[test]
    fn a_failed_run_is_502_without_detail_and_a_parked_one_goes_on() {
        let reason = Some("password of db was wrong".to_owned());
        let failed = ended(Ended { state: RunState::DeadLettered, output: None, reason: reason.clone() }).unwrap();
        assert_eq!(failed.status(), 502);
        assert!(ended(Ended { state: RunState::NeedsDecision, output: None, reason }).is_none());
    }

    #[test]
    fn retry_after_is_never_zero() {
        for (duration, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (5000, "5")] {
            let retry_after = Duration::from_millis(duration);
            let response = refused(&Refusal::TooMany { what: "x", retry_after });
            assert_eq!(response.headers()["retry-after"], seconds);
        }
    }
}
