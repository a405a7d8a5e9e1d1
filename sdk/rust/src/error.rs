//! An error: why an event was not handled, and whether trying again may help.

use std::any::type_name;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::bindings::jackfield::plugin::types::{ErrorInfo, Failure};
use crate::soap::Fault;

/// The result of a handler, and of every call to the host.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, so far as a handler may want to decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Anything else; the usual case of an error of another library.
    Other,
    /// The event itself is wrong, and no later attempt can succeed.
    Rejected,
    /// The manifest does not grant the call. The message holds the line to add.
    AccessDenied,
    /// The call cannot be made as it is: a URL, a header, a key, a limit.
    Invalid,
    /// The other side, or the host's store, does not answer; nothing was changed.
    Unavailable,
    /// No answer in time, to a call that may safely be made again.
    Timeout,
    /// Sent and not answered: the call may have been carried out. If the attempt fails after
    /// this, the run waits for a person's decision.
    InDoubt,
    /// A request or a response body is larger than its limit.
    TooLarge,
    /// The integration's quota is used up.
    Quota,
    /// Others changed the same at the same time, or not as much was changed as was expected; trying again may help.
    Conflict,
    /// The database refused the statement; see [`Error::code`].
    Database,
    /// The broker, the storage or the mail server refused it, and will refuse it again.
    Refused,
    /// A SOAP service said that it failed; see [`Error::fault`].
    SoapFault,
    /// The other side answered with this status; see [`crate::http::Response::error_for_status`].
    Status(u16),
}

impl ErrorKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Other => "Error",
            Self::Rejected => "rejected",
            Self::AccessDenied => "access-denied",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::InDoubt => "in-doubt",
            Self::TooLarge => "too-large",
            Self::Quota => "quota",
            Self::Conflict => "conflict",
            Self::Database => "database",
            Self::Refused => "refused",
            Self::SoapFault => "soap-fault",
            Self::Status(_) => "http-status",
        }
    }

    /// Whether an error of this kind is worth another attempt, unless somebody says otherwise.
    const fn retryable(self) -> bool {
        match self {
            Self::Other | Self::Unavailable | Self::Timeout | Self::InDoubt | Self::Quota | Self::Conflict => true,
            Self::Rejected | Self::AccessDenied | Self::Invalid | Self::TooLarge | Self::Refused => false,
            // Their codes decide: see `Error::database` and `soap::fault`.
            Self::Database | Self::SoapFault => false,
            // "Too early", "too many" and "took too long" pass; other refusals do not.
            Self::Status(status) => matches!(status, 408 | 425 | 429) || status >= 500,
        }
    }
}

/// Why an event was not handled.
///
/// Any [`std::error::Error`] becomes one by `?`: its type gives the name, its text and those of its
/// sources the message. Unless it says otherwise, an error is worth another attempt.
///
/// Do not put secrets in the text: it is stored with the run.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    name: String,
    message: String,
    at: &'static Location<'static>,
    retryable: bool,
    retry_after: Option<Duration>,
    code: Option<String>,
    fault: Option<Fault>,
}

impl Error {
    /// An error with a text for a person; the run is tried again.
    #[track_caller]
    #[must_use]
    pub fn new(message: impl fmt::Display) -> Self {
        Self::of(ErrorKind::Other, message)
    }

    /// The event itself is wrong and no later attempt can succeed: it goes to the dead letters at
    /// once. The text is for the operator; a waiting caller does not see it.
    #[track_caller]
    #[must_use]
    pub fn rejected(message: impl fmt::Display) -> Self {
        Self::of(ErrorKind::Rejected, message)
    }

    #[track_caller]
    pub(crate) fn of(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Self(Box::new(Inner {
            kind,
            name: kind.name().to_owned(),
            message: message.to_string(),
            at: Location::caller(),
            retryable: kind.retryable(),
            retry_after: None,
            code: None,
            fault: None,
        }))
    }

    /// A database's refusal, by its SQLSTATE; empty if the database has none.
    #[track_caller]
    pub(crate) fn database(code: String, message: String) -> Self {
        if code.is_empty() {
            return Self::of(ErrorKind::Database, message);
        }
        // Connections, rollbacks, resources, locks, operators, the system: that may pass. A statement stays wrong.
        let passes = ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class));
        let mut error = Self::of(ErrorKind::Database, format_args!("{message} ({code})"));
        error.0.retryable = passes;
        error.0.code = Some(code);
        error
    }

    /// Sets the name equal failures are grouped by: a short constant.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.0.name = name.into();
        self
    }

    /// Puts what was being done before the message, as in `reading the request: no answer`.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.0.message = format!("{doing}: {}", self.0.message);
        self
    }

    /// No later attempt can succeed: the run goes to the dead letters at once.
    #[must_use]
    pub fn not_retryable(mut self) -> Self {
        self.0.retryable = false;
        self.0.retry_after = None;
        self
    }

    /// A later attempt may succeed.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// A later attempt may succeed, but not before `delay` has passed.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retryable = true;
        self.0.retry_after = Some(delay);
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name equal failures are grouped by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// One sentence for a person.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The database's SQLSTATE, such as `23505` for a value that must be unique; see [`ErrorKind::Database`].
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    pub(crate) fn with_fault(mut self, fault: Fault) -> Self {
        self.0.fault = Some(fault);
        self
    }

    /// What a SOAP service said; see [`ErrorKind::SoapFault`].
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.0.fault.as_ref()
    }

    /// Whether a later attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The shortest delay before the next attempt, if there is one.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.0.retry_after
    }

    pub(crate) fn into_failure(self) -> Failure {
        let Inner { kind, name, message, at, retryable, retry_after, code: _, fault: _ } = *self.0;
        if kind == ErrorKind::Rejected && !retryable {
            return Failure::Rejected(message);
        }
        Failure::Error(ErrorInfo {
            name,
            message,
            stack: Some(format!("at {at}")),
            retryable,
            retry_after_ms: retry_after.map(|delay| u32::try_from(delay.as_millis()).unwrap_or(u32::MAX)),
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (at {})", self.0.name, self.0.message, self.0.at)
    }
}

// `Error` is not a `std::error::Error` itself, or this would overlap with `From<T> for T`.
impl<E: std::error::Error> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Many libraries repeat their source in their own text.
            if !message.ends_with(&cause_text) {
                message = format!("{message}: {cause_text}");
            }
            source = cause.source();
        }
        Self::of(ErrorKind::Other, message).named(short_type_name(type_name::<E>()))
    }
}

/// `std::num::ParseIntError` → `ParseIntError`; `serde_json::error::Error` → `serde_json::Error`,
/// since half of all libraries call theirs `Error`.
fn short_type_name(full: &str) -> String {
    let path = full.split('<').next().unwrap_or(full);
    match (path.split_once("::"), path.rsplit_once("::")) {
        (Some((first, _)), Some((_, "Error"))) => format!("{first}::Error"),
        (_, Some((_, last))) => last.to_owned(),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARSE_LINE: u32 = line!() + 2;
    fn parse(text: &str) -> Result<u32> {
        Ok(text.parse::<u32>()?)
    }

    #[test]
    fn an_error_of_another_library_keeps_its_type_text_and_place() {
        let error = parse("x").unwrap_err();
        assert_eq!((error.name(), error.message()), ("ParseIntError", "invalid digit found in string"));
        assert!(error.is_retryable());
        let Failure::Error(info) = error.into_failure() else { panic!("not an error") };
        let stack = info.stack.unwrap();
        assert!(stack.starts_with("at ") && stack.contains(&format!("error.rs:{PARSE_LINE}:")), "{stack}");
    }

    #[test]
    fn sources_are_told_once() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError, &'static str);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.1)
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let cause = "x".parse::<u32>().unwrap_err();
        let told = "no number: invalid digit found in string";
        assert_eq!(Error::from(Outer(cause.clone(), "no number")).message(), told);
        assert_eq!(Error::from(Outer(cause, told)).message(), told);
    }

    #[test]
    fn libraries_that_call_their_error_error_keep_their_name() {
        let error = Error::from(serde_json::from_str::<u32>("x").unwrap_err());
        assert_eq!(error.name(), "serde_json::Error");
        assert_eq!(short_type_name("alloc::boxed::Box<dyn core::error::Error>"), "Box");
        assert_eq!(short_type_name("Plain"), "Plain");
    }

    #[test]
    fn a_rejection_is_final_unless_somebody_says_otherwise() {
        assert!(matches!(Error::rejected("no").into_failure(), Failure::Rejected(text) if text == "no"));
        let later = Error::rejected("no").retry_after(Duration::from_secs(2)).into_failure();
        assert!(matches!(later, Failure::Error(info) if info.retryable && info.retry_after_ms == Some(2000)));
    }

    #[track_caller]
    fn worth_retrying(kind: ErrorKind, expected: bool) {
        assert_eq!(Error::of(kind, "x").is_retryable(), expected, "{kind:?}");
    }

    #[test]
    fn what_is_worth_another_attempt() {
        for kind in [ErrorKind::Other, ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Conflict] {
            worth_retrying(kind, true);
        }
        for status in [408, 425, 429, 500, 503, 599] {
            worth_retrying(ErrorKind::Status(status), true);
        }
        for kind in [ErrorKind::AccessDenied, ErrorKind::Invalid, ErrorKind::TooLarge, ErrorKind::Rejected] {
            worth_retrying(kind, false);
        }
        for kind in [ErrorKind::Database, ErrorKind::Refused] {
            worth_retrying(kind, false);
        }
        for status in [301, 400, 401, 404, 409, 422] {
            worth_retrying(ErrorKind::Status(status), false);
        }
    }

    #[test]
    fn a_final_error_has_no_delay() {
        let error = Error::new("x").retry_after(Duration::from_secs(1)).not_retryable();
        assert!(!error.is_retryable() && error.delay().is_none());
    }

    #[test]
    fn a_delay_too_long_for_the_contract_is_the_longest_it_can_say() {
        let failure = Error::new("x").retry_after(Duration::from_secs(u64::MAX)).into_failure();
        assert!(matches!(failure, Failure::Error(info) if info.retry_after_ms == Some(u32::MAX)));
    }
}
