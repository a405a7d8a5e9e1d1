//! The test of a connection: looks at its address, reaches for it, and lists one object.
//!
//! Not here: whether an integration may use it.

use std::time::Duration;

use jackfield_core::ports::connector::{Finding, Secrets};
use jackfield_core::ports::outward::Failure;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};

use super::S3Connector;
use super::bucket::Bucket;
use super::settings::Settings;
use crate::address::Origin;
use crate::findings::{as_finding, bad, certificate, good};
use crate::http::client::Stream;

/// Looks, for at most `limit`.
pub(super) async fn test(
    connector: &S3Connector,
    settings: &Map<String, Value>,
    secrets: &Secrets,
    limit: Duration,
) -> Vec<Finding> {
    let settings = match Settings::read(settings) {
        Ok(settings) => settings,
        Err(problems) => return problems.iter().map(as_finding).collect(),
    };
    let bucket = match connector.bucket(settings.clone(), secrets) {
        Ok(bucket) => bucket,
        Err(problem) => return vec![as_finding(&problem)],
    };
    let mut findings = Vec::new();
    if timeout(limit, look(connector, &settings, &bucket, limit, &mut findings)).await.is_err() {
        findings.push(bad("time", format!("the test was not finished within {}s", limit.as_secs_f32())));
    }
    findings
}

async fn look(
    connector: &S3Connector,
    settings: &Settings,
    bucket: &Bucket,
    limit: Duration,
    findings: &mut Vec<Finding>,
) {
    let (host, port, secure) = settings.server();
    match connector.network.addresses(&host, port, Origin::Operator).await {
        Ok(found) => {
            let shown: Vec<String> = found.iter().map(|a| a.ip().to_string()).collect();
            findings.push(good("address", format!("{host} → {}", shown.join(", "))));
        }
        Err(e) => return findings.push(bad("address", e.to_string())),
    }
    let dialer = match connector.dialer(settings) {
        Ok(dialer) => dialer,
        Err(problem) => return findings.push(as_finding(&problem)),
    };
    let started = Instant::now();
    match dialer.dial(&host, port, secure).await {
        Ok(stream) => {
            findings.push(good("reachable", format!("connected in {} ms", started.elapsed().as_millis())));
            match &stream {
                Stream::Tls(stream) => findings.push(certificate(stream.get_ref().1)),
                Stream::Plain(_) => findings.push(good("tls", "off: contents can be read on the way")),
            }
        }
        Err(e) => return findings.push(bad("reachable", e.to_string())),
    }
    match bucket.page("", None, 1, started + limit).await {
        Ok((page, _)) => {
            findings.push(good("credential", "accepted"));
            let below =
                if settings.prefix.is_empty() { String::new() } else { format!(", below `{}`", settings.prefix) };
            let holds = match page.objects.first() {
                Some(first) => format!("it can be listed{below}; the first object is `{}`", first.key),
                None => format!("it can be listed{below}; there is no object"),
            };
            findings.push(good("bucket", holds));
        }
        Err(Failure::Refused { code, message }) => {
            let way = match code.as_str() {
                "NoSuchBucket" => "make it, or mend `bucket`",
                "AccessDenied" | "403" => {
                    "the credential is known; it may not list (`s3:ListBucket`), and perhaps may read and write"
                }
                _ => "see the server's words",
            };
            findings.push(bad("bucket", format!("{message}; {way}")));
        }
        Err(e) => findings.push(bad("credential", e.to_string())),
    }
}
