//! The test of a connection: reaches for each server, reads its greeting, agrees on TLS, logs in.
//!
//! Not here: whether an integration may use it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use jackfield_core::ports::connector::{Finding, Secrets};
use rustls_pki_types::ServerName;
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::NatsConnector;
use super::session::{Dialer, causes};
use super::settings::Server;
use super::tls::Verified;
use crate::address::Origin;
use crate::broker::{as_finding, bad, certificate, good};

/// The longest greeting of a server.
const LONGEST_GREETING: usize = 64 * 1024;

/// Looks, for at most `limit`.
pub(super) async fn test(
    connector: &NatsConnector,
    settings: &Map<String, Value>,
    secrets: &Secrets,
    limit: Duration,
) -> Vec<Finding> {
    let dialer = match connector.dialer(settings, secrets) {
        Ok(dialer) => dialer,
        Err(problems) => return problems.iter().map(as_finding).collect(),
    };
    let mut findings = Vec::new();
    if timeout(limit, look(&dialer, &mut findings)).await.is_err() {
        findings.push(bad("time", format!("the test was not finished within {}s", limit.as_secs_f32())));
    }
    findings
}

async fn look(dialer: &Dialer, findings: &mut Vec<Finding>) {
    for server in &dialer.settings.servers {
        if reach(dialer, server, findings).await.is_none() {
            continue;
        }
        match dialer.connect(server, "jackfield connection test").await {
            Ok(session) => {
                let said = match dialer.credential.secret() {
                    Some(secret) => format!("accepted (secret {secret})"),
                    None => "none is set, and the server asks for none".into(),
                };
                findings.push(good("credential", said));
                if dialer.settings.jetstream {
                    findings.push(streams(&session.client).await);
                }
            }
            Err(none) => findings.push(bad("credential", none.to_string())),
        }
    }
}

/// Whether streams can confirm what is published.
async fn streams(client: &async_nats::Client) -> Finding {
    match jetstream::new(client.clone()).query_account().await {
        Ok(account) => good("jetstream", format!("{} streams", account.streams)),
        Err(error) => bad(
            "jetstream",
            format!(
                "{}; what is published could not be confirmed: set `jetstream = false` to publish all the same, at most once",
                causes(&error)
            ),
        ),
    }
}

/// Looks at a server up to TLS. None if it cannot be reached.
async fn reach(dialer: &Dialer, server: &Server, findings: &mut Vec<Finding>) -> Option<()> {
    let (host, port) = (&server.host, server.port);
    let addresses = match dialer.network.addresses(host, port, Origin::Operator).await {
        Ok(found) => {
            let shown: Vec<String> = found.iter().map(|a| a.ip().to_string()).collect();
            findings.push(good("address", format!("{host} → {}", shown.join(", "))));
            found
        }
        Err(e) => {
            findings.push(bad("address", e.to_string()));
            return None;
        }
    };
    let started = Instant::now();
    let limit = dialer.settings.connect_timeout;
    let reached = timeout(limit, async {
        let mut stream = dialer.network.connect(host, &addresses).await.map_err(|e| e.to_string())?;
        let greeting = greeting(&mut stream).await.map_err(|e| format!("`{host}:{port}` is no NATS server: {e}"))?;
        Ok::<_, String>((stream, greeting))
    });
    let (stream, greeting) = match reached.await {
        Ok(Ok(reached)) => reached,
        Ok(Err(problem)) => {
            findings.push(bad("reachable", problem));
            return None;
        }
        Err(_) => {
            let problem = format!("`{host}:{port}` did not greet us within {}s", limit.as_secs_f32());
            findings.push(bad("reachable", problem));
            return None;
        }
    };
    let version = greeting.get("version").and_then(Value::as_str).unwrap_or("unknown");
    let took = started.elapsed().as_millis();
    findings.push(good("reachable", format!("NATS server {version}, connected in {took} ms")));
    if server.tls || greeting.get("tls_required").and_then(Value::as_bool) == Some(true) {
        let finding = tls(dialer, host, stream).await;
        let trusted = finding.ok;
        findings.push(finding);
        trusted.then_some(())
    } else {
        findings.push(good("tls", "off: what is sent can be read on the way"));
        Some(())
    }
}

async fn tls(dialer: &Dialer, host: &str, stream: TcpStream) -> Finding {
    let verified = match Verified::new(host, dialer.settings.ca.as_deref()) {
        Ok(verified) => verified,
        Err(problem) => return bad("ca", problem),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let Ok(name) = ServerName::try_from(bare) else { return bad("tls", format!("`{host}` is no server name")) };
    let connecting = TlsConnector::from(Arc::new(verified.config())).connect(name, stream);
    match timeout(dialer.settings.connect_timeout, connecting).await {
        Ok(Ok(stream)) => certificate(stream.get_ref().1.peer_certificates()),
        Ok(Err(e)) => bad("tls", verified.explain(&e.to_string())),
        Err(_) => bad("tls", "the server did not agree on TLS in time"),
    }
}

/// What a server says first: `INFO` and JSON.
async fn greeting(stream: &mut TcpStream) -> io::Result<Value> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        if line.len() > LONGEST_GREETING {
            return Err(io::Error::other("its greeting is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    let text = line.strip_prefix(b"INFO ").ok_or_else(|| io::Error::other("it does not begin with `INFO`"))?;
    stream.flush().await?;
    serde_json::from_slice(text).map_err(io::Error::other)
}
