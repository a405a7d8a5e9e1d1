//! What a failure of the client library or of the server means for a call.
//!
//! Not here: whether a call's COMMIT was sent, which only the call knows.

use std::error::Error as _;
use std::io;

use jackfield_core::ports::outward::Failure;
use tokio_postgres::error::{DbError, ErrorPosition, Severity};
use tokio_postgres::{Error, error::SqlState};

use super::settings::Settings;
use crate::dial::DialError;

/// How far a call had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In a transaction that only reads.
    Reading,
    /// In a transaction whose COMMIT was not sent: the server undoes it, whatever became of the session.
    Writing,
    /// The COMMIT was sent.
    Committing,
}

/// The failure of a call that had come to `stage`.
pub(super) fn failure(error: &Error, stage: Stage) -> Failure {
    match error.as_db_error() {
        Some(db) => of_server(db, stage),
        None => cut(&causes(error), stage),
    }
}

/// The session broke.
fn cut(why: &str, stage: Stage) -> Failure {
    match stage {
        Stage::Committing => Failure::Broken {
            message: format!("the session broke after COMMIT was sent and before it was answered ({why})"),
            timed_out: false,
        },
        _ => Failure::NotExecuted(format!("the session broke before COMMIT: nothing was changed ({why})")),
    }
}

fn of_server(db: &DbError, stage: Stage) -> Failure {
    let code = db.code();
    let text = described(db);
    // It answered COMMIT and then ended the session: it does not say what became of it. An ERROR does: undone.
    if *code == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN || (stage == Stage::Committing && is_fatal(db)) {
        return Failure::Broken { message: text, timed_out: false };
    }
    let class = &code.code()[..2.min(code.code().len())];
    match class {
        _ if *code == SqlState::QUERY_CANCELED => out_of_time(&text, stage),
        _ if *code == SqlState::LOCK_NOT_AVAILABLE => Failure::Conflict(text),
        "40" => Failure::Conflict(text),
        // Lost; out of connections, memory, disk; told to end by an operator.
        "08" | "53" => Failure::NotExecuted(text),
        "57" => Failure::NotExecuted(text),
        // Idle for too long within a transaction.
        _ if matches!(code.code(), "25P03" | "25P04") => Failure::NotExecuted(text),
        _ => Failure::Refused { code: code.code().to_owned(), message: text },
    }
}

/// Whether the server ended the session with it.
fn is_fatal(db: &DbError) -> bool {
    !matches!(db.parsed_severity(), Some(Severity::Error) | None)
}

/// Whether the session outlived an error.
pub(super) fn is_alive(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| !is_fatal(db))
}

/// The time was over, by the server's clock or by ours.
pub(super) fn out_of_time(what: &str, stage: Stage) -> Failure {
    match stage {
        Stage::Writing => Failure::NotExecuted(format!("{what}; nothing was changed")),
        _ => Failure::Broken { message: what.to_owned(), timed_out: true },
    }
}

/// Why there is no session.
#[derive(Debug)]
pub(super) enum NotOpened {
    /// There is no way to the server.
    Dial(DialError),
    /// The server, or what speaks there, did not let us in.
    Server(Error),
}

impl From<DialError> for NotOpened {
    fn from(error: DialError) -> Self {
        Self::Dial(error)
    }
}

/// A session could not be had.
pub(super) fn not_opened(why: &NotOpened, settings: &Settings) -> Failure {
    let at = format!("`{}:{}`", settings.host, settings.port);
    let error = match why {
        NotOpened::Dial(DialError::Denied(text)) => return Failure::Denied(text.clone()),
        NotOpened::Dial(DialError::Failed(text)) => return Failure::NotExecuted(text.clone()),
        NotOpened::Server(error) => error,
    };
    let text = match error.as_db_error() {
        Some(db) if db.code().code().starts_with("28") => {
            format!("{at} does not accept the connection's credential ({}): {}", whose(settings), db.message())
        }
        Some(db) => format!("{at} gives no session: {}", described(db)),
        None => unopened(error, settings, &at),
    };
    Failure::NotExecuted(text)
}

fn unopened(error: &Error, settings: &Settings, at: &str) -> String {
    let kind = error.to_string();
    if kind.contains("authentication") {
        return format!("logging in to {at} failed ({}): {}", whose(settings), causes(error));
    }
    if find::<io::Error>(error).and_then(io::Error::get_ref).is_some_and(|e| e.is::<rustls::Error>()) {
        return format!("TLS with {at} failed: {}", of_tls(error));
    }
    if kind.contains("TLS") {
        let way = "set `tls = \"off\"` only if the network in between is trusted";
        return format!("TLS with {at} failed: {}; {way}", causes(error));
    }
    format!("{at} gave no session: {}", causes(error))
}

fn whose(settings: &Settings) -> String {
    format!("user `{}`, secret `{}`", settings.user, settings.secret)
}

fn of_tls(error: &Error) -> String {
    find::<io::Error>(error).map_or_else(|| causes(error), tls_explained)
}

/// A TLS failure with the way out, where there is a usual one.
pub(super) fn tls_explained(error: &io::Error) -> String {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer};
    use rustls::Error as Tls;
    match error.get_ref().and_then(|e| e.downcast_ref::<Tls>()) {
        Some(Tls::InvalidCertificate(UnknownIssuer)) => {
            "its certificate is from an authority that is not trusted here; if it is yours, set `ca`".into()
        }
        Some(Tls::InvalidCertificate(Expired | ExpiredContext { .. })) => "its certificate has expired".into(),
        Some(Tls::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
            "its certificate is for another name than `host`".into()
        }
        _ => error.to_string(),
    }
}

/// A server's words, with what helps to find the place.
fn described(db: &DbError) -> String {
    let mut text = db.message().to_owned();
    let mut add = |what: &str, value: Option<&str>| {
        if let Some(value) = value {
            text.push_str(&format!("; {what}{value}"));
        }
    };
    add("", db.detail());
    add("constraint ", db.constraint());
    add("hint: ", db.hint());
    if let Some(ErrorPosition::Original(at)) = db.position() {
        add("at character ", Some(&at.to_string()));
    }
    text
}

fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

/// The first error of a kind among an error and its sources, also of those that an I/O error wraps.
fn find<E: std::error::Error + 'static>(error: &Error) -> Option<&E> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|e| e as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    None
}

/// Whether a person has to change something before it works: a credential, a name, a right.
pub(super) fn is_for_a_person(why: &NotOpened) -> bool {
    let error = match why {
        NotOpened::Dial(dial) => return matches!(dial, DialError::Denied(_)),
        NotOpened::Server(error) => error,
    };
    if let Some(db) = error.as_db_error() {
        return ["28", "3D", "42"].iter().any(|class| db.code().code().starts_with(class));
    }
    error.to_string().contains("authentication") || error.to_string().contains("TLS")
}
