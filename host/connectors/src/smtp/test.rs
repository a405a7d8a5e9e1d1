//! The test of a connection: looks at its address, makes a session, logs in, and sends nothing.
//!
//! Not here: whether an integration may use it.

use std::time::Duration;

use jackfield_core::ports::connector::{Finding, Secrets};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};

use super::sessions::Step;
use super::settings::{Security, Settings};
use super::{Link, SmtpConnector};
use crate::address::Origin;
use crate::findings::{as_finding, bad, certificate, good};
use crate::http::client::Stream;

/// Looks, for at most `limit`.
pub(super) async fn test(
    connector: &SmtpConnector,
    settings: &Map<String, Value>,
    secrets: &Secrets,
    limit: Duration,
) -> Vec<Finding> {
    let settings = match Settings::read(settings) {
        Ok(settings) => settings,
        Err(problems) => return problems.iter().map(as_finding).collect(),
    };
    let link = match connector.link(settings.clone(), secrets) {
        Ok(link) => link,
        Err(problem) => return vec![as_finding(&problem)],
    };
    let mut findings = Vec::new();
    if timeout(limit, look(connector, &settings, &link, &mut findings)).await.is_err() {
        findings.push(bad("time", format!("the test was not finished within {}s", limit.as_secs_f32())));
    }
    findings
}

async fn look(connector: &SmtpConnector, settings: &Settings, link: &Link, findings: &mut Vec<Finding>) {
    let (host, port) = (settings.host.as_str(), settings.port);
    match connector.network.addresses(host, port, Origin::Operator).await {
        Ok(found) => {
            let shown: Vec<String> = found.iter().map(|a| a.ip().to_string()).collect();
            findings.push(good("address", format!("{host} → {}", shown.join(", "))));
        }
        Err(e) => return findings.push(bad("address", e.to_string())),
    }
    let started = Instant::now();
    // What the next failure is about.
    let mut next = "reachable";
    let made = link
        .sessions
        .make(&mut |step, stream| match step {
            Step::Connected => {
                findings.push(good("reachable", format!("connected in {} ms", started.elapsed().as_millis())));
                next = match settings.security {
                    Security::StartTls => "tls",
                    Security::Off if settings.credential.is_some() => "credential",
                    Security::Tls | Security::Off => "session",
                };
            }
            Step::Secured => {
                if let Stream::Tls(stream) = stream {
                    findings.push(certificate(stream.get_ref().1));
                }
                next = if settings.credential.is_some() { "credential" } else { "session" };
            }
            Step::LoggedIn => {
                findings.push(good("credential", "accepted: the server took the login"));
                next = "session";
            }
        })
        .await;
    match made {
        Err(e) => findings.push(bad(next, e.to_string())),
        Ok(conversation) => {
            if settings.security == Security::Off {
                findings.push(good("tls", "off: mails, and the password, can be read on the way"));
            }
            if settings.credential.is_none() {
                findings.push(good("credential", "none: the server has to take mails without a login"));
            }
            let size = match conversation.offers.size {
                Some(bytes) => format!("it takes mails of at most {bytes} bytes"),
                None => "it names no limit for mails".into(),
            };
            findings.push(good("session", format!("{size}; none was sent")));
            conversation.leave().await;
        }
    }
}
