//! An error as the outside sees it: the one place where an error becomes a status code.
//!
//! A stable `code` and a kind sentence go out; the cause stays in, logged under the `id` that the
//! answer carries. Answered as `application/problem+json` (RFC 9457).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use jackfield_core::intake::IntakeError;
use jackfield_core::manifest;
use jackfield_core::ports::connector::SettingProblem;
use jackfield_core::store::StoreError;
use jackfield_core::store::admin::Right;
use jackfield_sandbox::code::CodeError;
use jackfield_sandbox::gate::Refusal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json;
use crate::listeners::BodyTooSlow;

/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Any cause, for the log alone.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a request was not carried out. A variant per answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request does not read.
    #[error("{0}")]
    BadRequest(String),
    /// No token, or none that is known.
    #[error("send `Authorization: Bearer jf_…` with a token of this host; `jackfield login` gets one")]
    Unauthenticated,
    /// The token is good and lacks a right.
    #[error("this token has no right `{}`; ask for one that has: jackfield tokens create NAME --rights {}", word(*.0), word(*.0))]
    Forbidden(Right),
    /// There is no such thing, or it is not for this caller: the same answer.
    #[error("there is no {0}")]
    NotFound(String),
    /// The path is known and the method is not.
    #[error("this path knows {0}, not that method")]
    Method(String),
    /// It is there, and its state does not allow this.
    #[error("{0}")]
    Conflict(String),
    /// The body is larger than this route takes.
    #[error("the body is larger than {limit_bytes} bytes, the most this route takes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The content type is missing or another one.
    #[error("send the body with `content-type: {0}`")]
    MediaType(&'static str),
    /// The body came too slowly, or stopped coming.
    #[error("the body came too slowly, or stopped coming")]
    TooSlow,
    /// Nothing was changed, because of all of these.
    #[error("{detail}")]
    Refused {
        /// What was refused.
        detail: String,
        /// Every reason.
        problems: Vec<ProblemItem>,
    },
    /// An upload that the gate or the compiler would not have.
    #[error("{text}")]
    Artifact {
        /// The gate's own code.
        code: &'static str,
        /// The gate's own words.
        text: String,
    },
    /// Too many at once or in a row.
    #[error("{what}")]
    TooMany {
        /// Of what, and the way out.
        what: String,
        /// When to come again.
        retry_after: Duration,
    },
    /// The queue of the integration is full.
    #[error("{text}")]
    QueueFull {
        /// Whose, and how full.
        text: String,
        /// When to come again.
        retry_after: Duration,
    },
    /// After a restore nothing starts until a person says so.
    #[error(
        "the host is held after a restore, and starts nothing: look at the open runs, then: jackfield restore --release-hold"
    )]
    Held,
    /// No space.
    #[error("the disk is full: nothing was stored; make room, and it goes on by itself")]
    DiskFull,
    /// It took longer than the route allows. What was begun goes on.
    #[error("no answer within {} s; a change that was begun is still being carried out", .0.as_secs())]
    Timeout(Duration),
    /// The store does not answer.
    #[error("the store does not answer just now; try again")]
    Unavailable(Cause),
    /// The host is on its way down.
    #[error("the host is stopping and takes no more changes")]
    Stopped(Cause),
    /// Ours.
    #[error("something went wrong in the host; its log says what, under this id")]
    Internal(Cause),
}

/// The word of a right, as tokens and the command line know it.
#[must_use]
pub const fn word(right: Right) -> &'static str {
    match right {
        Right::Read => "read",
        Right::Deploy => "deploy",
        Right::Secrets => "secrets",
        Right::Admin => "admin",
    }
}

/// One of the reasons of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemItem {
    /// The line of the manifest, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The key it is about, dotted: `component.sync.limits.memory`, `credential.secret`.
    pub key: String,
    /// What is wrong, and the way out. May have several lines.
    pub text: String,
}

impl From<manifest::Problem> for ProblemItem {
    fn from(p: manifest::Problem) -> Self {
        Self { line: p.line, key: p.key, text: p.text }
    }
}

impl From<SettingProblem> for ProblemItem {
    fn from(p: SettingProblem) -> Self {
        Self { line: None, key: p.key, text: p.problem }
    }
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:jackfield:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What programs go by: it never changes its meaning.
    pub code: String,
    /// What happened and the way out, for people.
    pub detail: String,
    /// Every single reason, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemItem>,
    /// What the host's own log calls this failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Problem {
    /// The answer's bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // A `Problem` is strings and numbers: serializing it into memory cannot fail.
        json::to_vec(self).unwrap_or_default()
    }
}

/// What an error response carries for the outermost layer, which gives it an id and logs the cause.
#[derive(Clone)]
pub(super) struct Failed {
    pub(super) problem: Problem,
    pub(super) cause: Option<std::sync::Arc<Cause>>,
}

impl ApiError {
    /// An error of ours.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// The same 404 for what is unknown and what is not for this caller.
    pub(super) fn no(what: &str, name: impl std::fmt::Display) -> Self {
        Self::NotFound(format!("{what} `{}`", jackfield_core::ids::shown(&name.to_string())))
    }

    fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request", "The request does not read"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "No valid token"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "The token lacks a right"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not-found", "No such thing"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Not this method"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict", "Its state does not allow this"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Not this content type"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow"),
            Self::Refused { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "refused", "Refused"),
            Self::Artifact { code, .. } => (StatusCode::UNPROCESSABLE_ENTITY, code, "The artifact was refused"),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests"),
            Self::QueueFull { .. } => (StatusCode::TOO_MANY_REQUESTS, "queue-full", "The queue is full"),
            Self::Held => (StatusCode::SERVICE_UNAVAILABLE, "held", "Held after a restore"),
            Self::DiskFull => (StatusCode::SERVICE_UNAVAILABLE, "disk-full", "The disk is full"),
            Self::Timeout(_) => (StatusCode::SERVICE_UNAVAILABLE, "timeout", "No answer in time"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again"),
            Self::Stopped(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping", "The host is stopping"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "A fault of the host"),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany { retry_after, .. } | Self::QueueFull { retry_after, .. } => Some(*retry_after),
            Self::DiskFull | Self::Unavailable(_) | Self::Stopped(_) => Some(Duration::from_secs(5)),
            _ => None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, title) = self.parts();
        let retry_after = self.retry_after();
        let detail = self.to_string();
        let mut allowed = HeaderValue::from_static("");
        let (problems, cause) = match self {
            Self::Method(methods) => {
                allowed = methods.parse().unwrap_or(allowed);
                (Vec::new(), None)
            }
            Self::Refused { problems, .. } => (problems, None),
            Self::Unavailable(cause) | Self::Stopped(cause) | Self::Internal(cause) => (Vec::new(), Some(cause)),
            _ => (Vec::new(), None),
        };
        let problem = Problem {
            kind: format!("urn:jackfield:problem:{code}"),
            title: title.into(),
            status: status.as_u16(),
            code: code.into(),
            detail,
            problems,
            id: None,
        };
        let mut response = (status, problem.to_bytes()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"jackfield\""));
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(ALLOW, allowed);
            }
            _ => {}
        }
        if let Some(after) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response.extensions_mut().insert(Failed { problem, cause: cause.map(std::sync::Arc::new) });
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Missing(what) => Self::NotFound(what),
            StoreError::Conflict(text) => Self::Conflict(text),
            StoreError::QueueFull(text) => Self::QueueFull { text, retry_after: Duration::from_secs(5) },
            StoreError::DiskFull => Self::DiskFull,
            e @ StoreError::Unavailable(_) => Self::Unavailable(e.into()),
            e @ StoreError::Stopped(_) => Self::Stopped(e.into()),
            // Only the executor holds fences: here it would be our mistake.
            e @ StoreError::Superseded { .. } => Self::internal(e),
        }
    }
}

impl From<IntakeError> for ApiError {
    fn from(e: IntakeError) -> Self {
        match e {
            IntakeError::NotFound => {
                Self::NotFound("active release or component of that name in this environment".into())
            }
            IntakeError::TooLarge { limit } => Self::TooLarge { limit_bytes: limit },
            IntakeError::QueueFull { text, retry_after } => Self::QueueFull { text, retry_after },
            IntakeError::DiskFull => Self::DiskFull,
            IntakeError::Unavailable(text) => Self::Unavailable(text.into()),
        }
    }
}

/// Why a request's body ended before it was whole.
pub(super) fn body_error(error: axum::Error) -> ApiError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if error.is::<BodyTooSlow>() {
            return ApiError::TooSlow;
        }
        cause = error.source();
    }
    ApiError::BadRequest("the body ended before it was whole".into())
}

impl From<CodeError> for ApiError {
    fn from(e: CodeError) -> Self {
        match e {
            CodeError::Refused(Refusal { code, text }) => Self::Artifact { code, text },
            CodeError::Missing(digest) => Self::no("artifact", digest),
            // ENOSPC: the code store hands on what the system said.
            CodeError::Fault(text) if text.contains("os error 28)") => Self::DiskFull,
            CodeError::Fault(text) => Self::internal(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: impl Into<ApiError>, status: u16, code: &str) -> Response {
        let response = error.into().into_response();
        assert_eq!(response.status(), status);
        let failed = response.extensions().get::<Failed>().expect("for the outermost layer");
        assert_eq!(failed.problem.code, code);
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        response
    }

    #[test]
    fn the_store_s_errors_have_their_answers() {
        check(StoreError::Missing("run".into()), 404, "not-found");
        check(StoreError::Conflict("it is final".into()), 409, "conflict");
        let full = check(StoreError::QueueFull("full".into()), 429, "queue-full");
        assert!(full.headers().contains_key(RETRY_AFTER));
        check(StoreError::DiskFull, 503, "disk-full");
        check(StoreError::Stopped("sync failed".into()), 503, "stopping");
        check(StoreError::Unavailable("x".into()), 503, "unavailable");
    }

    #[test]
    fn a_cause_is_not_sent() {
        let response = check(StoreError::Unavailable("/var/lib/jackfield/secret.db".into()), 503, "unavailable");
        let failed = response.extensions().get::<Failed>().unwrap();
        assert!(!failed.problem.detail.contains("secret.db"));
        assert!(failed.cause.as_ref().unwrap().to_string().contains("secret.db"), "it is kept for the log");
    }
}
