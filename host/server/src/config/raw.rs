//! The configuration exactly as written: nothing checked but names and types.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) data: String,
    pub(super) master_key_file: String,
    pub(super) ingress: Ingress,
    pub(super) admin: Admin,
    pub(super) metrics: Metrics,
    pub(super) listeners: Listeners,
    pub(super) executor: Executor,
    pub(super) queue: Queue,
    pub(super) retention: Retention,
    pub(super) network: Network,
    pub(super) connections: Connections,
    pub(super) log: Log,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ingress {
    pub(super) listen: String,
    pub(super) url: String,
    pub(super) tls: Tls,
    pub(super) trusted_proxies: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) listen: String,
    pub(super) tls: Tls,
    pub(super) public: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metrics {
    pub(super) listen: String,
    pub(super) max_series: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) cert: String,
    pub(super) key: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listeners {
    pub(super) connections: i64,
    pub(super) connections_per_ip: i64,
    pub(super) header_timeout: String,
    pub(super) header_bytes: String,
    pub(super) headers: i64,
    pub(super) body_timeout: String,
    pub(super) body_rate: String,
    pub(super) idle_timeout: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Executor {
    pub(super) slots: String,
    pub(super) memory: String,
    pub(super) drain: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Queue {
    pub(super) runs: i64,
    pub(super) bytes: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retention {
    pub(super) age: String,
    pub(super) runs: i64,
    pub(super) bytes: String,
    pub(super) logs: LogRetention,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogRetention {
    pub(super) age: String,
    pub(super) bytes: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    pub(super) private_addresses: String,
    pub(super) environments: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Connections {
    pub(super) folders: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) level: String,
    pub(super) format: String,
}
