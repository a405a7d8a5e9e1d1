//! What tests of connections say alike: a finding, and what a certificate tells of its end.
//!
//! Not here: what the test of one kind looks at.

use jackfield_core::clock::{Clock, SystemClock, Timestamp};
use jackfield_core::ports::connector::{Finding, SettingProblem};
use rustls::ClientConnection;

use crate::tls;

/// Certificates that end sooner are reported as a problem.
const WARN_DAYS: i64 = 14;

pub(crate) fn good(what: &str, detail: impl Into<String>) -> Finding {
    Finding { ok: true, what: what.into(), detail: detail.into() }
}

pub(crate) fn bad(what: &str, detail: impl Into<String>) -> Finding {
    Finding { ok: false, what: what.into(), detail: detail.into() }
}

pub(crate) fn as_finding(problem: &SettingProblem) -> Finding {
    bad("settings", problem.to_string())
}

/// What a session's certificate says about its end.
pub(crate) fn certificate(session: &ClientConnection) -> Finding {
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS 1.3",
    };
    let ends = session.peer_certificates().and_then(|chain| tls::not_after(chain.first()?));
    let Some(ends) = ends else { return good("tls", version) };
    let days = ends.since(SystemClock.now()).as_secs() / 86_400;
    let day = day(ends);
    let days = i64::try_from(days).unwrap_or(i64::MAX);
    if days < WARN_DAYS {
        bad("tls", format!("{version}, but the certificate ends in {days} days, on {day}; renew it"))
    } else {
        good("tls", format!("{version}, certificate valid {days} days, until {day}"))
    }
}

fn day(moment: Timestamp) -> String {
    moment.to_string().chars().take(10).collect()
}
