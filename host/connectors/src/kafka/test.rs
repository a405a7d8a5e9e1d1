//! The test of a connection: looks at the brokers' addresses, reaches for each, logs in, and asks who the cluster is.
//!
//! Not here: whether an integration may use it.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::ports::connector::{Finding, Secrets};
use rustls_pki_types::ServerName;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::KafkaConnector;
use super::client::Cluster;
use super::publish::Link;
use super::settings::Broker;
use crate::address::Origin;
use crate::broker::{as_finding, bad, certificate, good};
use crate::tls;

/// Looks, for at most `limit`.
pub(super) async fn test(
    connector: &KafkaConnector,
    settings: &Map<String, Value>,
    secrets: &Secrets,
    limit: Duration,
) -> Vec<Finding> {
    let cluster = match connector.cluster(settings, secrets) {
        Ok(cluster) => cluster,
        Err(problems) => return problems.iter().map(as_finding).collect(),
    };
    let mut findings = Vec::new();
    if timeout(limit, look(cluster, limit, &mut findings)).await.is_err() {
        findings.push(bad("time", format!("the test was not finished within {}s", limit.as_secs_f32())));
    }
    findings
}

async fn look(cluster: Cluster, limit: Duration, findings: &mut Vec<Finding>) {
    let mut reached = false;
    for broker in &cluster.settings.brokers {
        reached |= reach(&cluster, broker, findings).await.is_some();
    }
    if !reached {
        return;
    }
    let (secret, deadline) = (cluster.secret.clone(), Instant::now() + limit);
    match Link::new(cluster).cluster(deadline).await {
        Ok((id, brokers)) => {
            findings.push(good(
                "credential",
                match secret {
                    Some(secret) => format!("accepted (secret {})", secret.name),
                    None => "none is set, and the brokers ask for none".into(),
                },
            ));
            findings.push(good("cluster", format!("{id}, brokers {}", brokers.join(", "))));
        }
        Err(failure) => findings.push(bad("credential", failure.to_string())),
    }
}

/// Looks at a broker up to TLS. None if it cannot be reached.
async fn reach(cluster: &Cluster, broker: &Broker, findings: &mut Vec<Finding>) -> Option<()> {
    let Broker { host, port } = broker;
    let addresses = match cluster.network.addresses(host, *port, Origin::Operator).await {
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
    let limit = cluster.settings.connect_timeout;
    let stream = match timeout(limit, cluster.network.connect(host, &addresses)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => {
            findings.push(bad("reachable", e.to_string()));
            return None;
        }
        Err(_) => {
            findings.push(bad("reachable", format!("`{host}:{port}` did not answer within {}s", limit.as_secs_f32())));
            return None;
        }
    };
    findings.push(good("reachable", format!("connected in {} ms", started.elapsed().as_millis())));
    if !cluster.settings.tls {
        findings.push(good("tls", "off: what is sent can be read on the way"));
        return Some(());
    }
    let finding = match tls::client(cluster.settings.ca.as_deref(), &[]) {
        Err(problem) => bad("ca", problem),
        Ok(config) => match ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned()) {
            Err(_) => bad("tls", format!("`{host}` is no name a certificate can hold")),
            Ok(name) => match timeout(limit, TlsConnector::from(Arc::clone(&config)).connect(name, stream)).await {
                Ok(Ok(stream)) => certificate(stream.get_ref().1.peer_certificates()),
                Ok(Err(e)) => {
                    bad("tls", format!("{e}; set `ca`, or write the broker's name as its certificate has it"))
                }
                Err(_) => bad("tls", "the broker did not agree on TLS in time"),
            },
        },
    };
    let trusted = finding.ok;
    findings.push(finding);
    trusted.then_some(())
}
