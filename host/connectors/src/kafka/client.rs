//! What every client of a cluster has in common: its configuration, what it hears in passing, and whose address may be
//! dialed.
//!
//! The client library resolves and dials by itself. So every broker that is named in the settings is checked before a client
//! is made, and every broker that an answer names is checked as soon as it is known; a client that knows one that is refused
//! is given up.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jackfield_core::ports::connector::{Secrets, SettingProblem};
use jackfield_core::ports::outward::Failure;
use jackfield_core::ports::source::SourceError;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use tokio::sync::watch;

use super::settings::{Broker, Settings};
use crate::address::Origin;
use crate::broker::Opened;
use crate::dial::DialError;
use crate::network::Network;
use crate::tls;

/// How often the library tells what it knows: also of brokers that it would dial.
const TELLS: Duration = Duration::from_secs(2);

/// Why there is no client; nothing was published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoClient {
    /// The address policy refused.
    #[error("{0}")]
    Denied(String),
    /// No broker lets us in, until a person mends it.
    #[error("{0}")]
    Login(String),
    /// It did not work out.
    #[error("{0}")]
    Failed(String),
}

impl From<NoClient> for Failure {
    fn from(none: NoClient) -> Self {
        match none {
            NoClient::Denied(text) => Self::Denied(text),
            NoClient::Login(text) | NoClient::Failed(text) => Self::NotExecuted(text),
        }
    }
}

impl From<NoClient> for SourceError {
    fn from(none: NoClient) -> Self {
        match none {
            NoClient::Denied(text) | NoClient::Login(text) => Self::Refused(text),
            NoClient::Failed(text) => Self::Lost(text),
        }
    }
}

/// What is known of a cluster before there is a client of it.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) network: Network,
    pub(super) settings: Settings,
    pub(super) secret: Option<Opened>,
}

impl Cluster {
    /// Puts settings and the secret they name together.
    ///
    /// # Errors
    ///
    /// The secret is missing.
    pub(super) fn new(network: Network, settings: Settings, secrets: &Secrets) -> Result<Self, SettingProblem> {
        let secret = settings.credential.as_ref().map(|c| Opened::of(&c.secret, secrets)).transpose()?;
        Ok(Self { network, settings, secret })
    }

    /// What every client is configured with.
    pub(super) fn config(&self) -> ClientConfig {
        let settings = &self.settings;
        let brokers: Vec<String> = settings.brokers.iter().map(|b| format!("{}:{}", b.host, b.port)).collect();
        let protocol = match (settings.tls, &settings.credential) {
            (true, Some(_)) => "sasl_ssl",
            (true, None) => "ssl",
            (false, Some(_)) => "sasl_plaintext",
            (false, None) => "plaintext",
        };
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers.join(","))
            .set("client.id", &settings.client_id)
            .set("security.protocol", protocol)
            .set("allow.auto.create.topics", "false")
            // What a broker says of itself and of what was published is short.
            .set("receive.message.max.bytes", "8388608")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.connection.setup.timeout.ms", settings.connect_timeout.as_millis().max(1000).to_string())
            .set("statistics.interval.ms", TELLS.as_millis().to_string())
            // What the library has to say goes to `Heard::log`, which is quiet.
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        if settings.tls {
            let own = settings.ca.as_deref().unwrap_or_default();
            config.set("ssl.ca.pem", format!("{}{own}", system_roots()));
        }
        if let (Some(credential), Some(secret)) = (&settings.credential, &self.secret) {
            config
                .set("sasl.mechanism", credential.mechanism)
                .set("sasl.username", &credential.user)
                .set("sasl.password", secret.expose());
        }
        config
    }

    /// Whether the brokers of the settings may be dialed. One that cannot be resolved just now is no harm while there are
    /// others.
    pub(super) async fn check_own(&self) -> Result<(), NoClient> {
        let mut unknown = None;
        let mut known = false;
        for Broker { host, port } in &self.settings.brokers {
            match self.network.addresses(host, *port, Origin::Operator).await {
                Ok(_) => known = true,
                Err(DialError::Denied(text)) => return Err(NoClient::Denied(text)),
                Err(DialError::Failed(text)) => unknown = Some(text),
            }
        }
        match unknown {
            Some(text) if !known => Err(NoClient::Failed(text)),
            _ => Ok(()),
        }
    }

    /// Whether brokers that an answer named may be dialed: as what the operator named, if it is on one of the hosts of the
    /// settings; else as what a stranger named.
    pub(super) async fn check_advertised(&self, brokers: &BTreeSet<Broker>) -> Result<(), NoClient> {
        for Broker { host, port } in brokers {
            let own = self.settings.brokers.iter().any(|own| own.host.eq_ignore_ascii_case(host));
            let origin = if own { Origin::Operator } else { Origin::Guest };
            match self.network.addresses(host, *port, origin).await {
                // What cannot be resolved is not dialed either.
                Ok(_) | Err(DialError::Failed(_)) => {}
                Err(DialError::Denied(text)) => {
                    return Err(NoClient::Denied(format!(
                        "the cluster names a broker that may not be dialed: {text}; if it is meant, add `{host}:{port}` \
                         to `brokers`"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Ends when an answer names a broker that may not be dialed, with why; the library waits for such a broker in vain.
    pub(super) async fn refused(&self, heard: &Heard) -> NoClient {
        let mut brokers = heard.brokers();
        loop {
            let named = brokers.borrow_and_update().clone();
            if let Err(refused) = self.check_advertised(&named).await {
                return refused;
            }
            if brokers.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What to do about `error`, which a client met; `heard` knows what it met on the way.
    pub(super) fn explain(&self, what: &str, error: &str, heard: &Heard) -> NoClient {
        match heard.trouble() {
            Some(Trouble::Login) => NoClient::Login(match &self.secret {
                Some(secret) => format!(
                    "the brokers do not accept the connection's credential: check `credential` and the secret `{}`",
                    secret.name
                ),
                None => "the brokers want a credential: set `credential`".into(),
            }),
            Some(Trouble::Tls(said)) => NoClient::Failed(format!(
                "no TLS with the brokers: {said}; set `ca` to the authority that signed their certificate, and write their \
                 names as it has them"
            )),
            Some(Trouble::Other(said)) => NoClient::Failed(format!("{what}: {said}")),
            None if error.is_empty() => NoClient::Failed(what.to_owned()),
            None => NoClient::Failed(format!("{what}: {error}")),
        }
    }
}

/// The system's authorities as PEM text: the library's own OpenSSL knows none.
fn system_roots() -> &'static str {
    static ROOTS: OnceLock<String> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut pem = String::new();
        for certificate in tls::system_certificates() {
            pem.push_str("-----BEGIN CERTIFICATE-----\n");
            let text = STANDARD.encode(certificate);
            for line in text.as_bytes().chunks(64) {
                pem.extend(line.iter().map(|&b| char::from(b)));
                pem.push('\n');
            }
            pem.push_str("-----END CERTIFICATE-----\n");
        }
        pem
    })
}

/// What keeps a client from its brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// They do not let us in.
    Login,
    /// They and we do not agree on TLS.
    Tls(String),
    /// Something else.
    Other(String),
}

/// What a client hears in passing.
pub(super) struct Heard {
    trouble: watch::Sender<Option<Trouble>>,
    brokers: watch::Sender<BTreeSet<Broker>>,
    /// High watermarks, and where the library is, by topic and partition.
    marks: watch::Sender<Vec<Mark>>,
    down: watch::Sender<bool>,
}

/// How far a partition goes, and how far the group has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) end: i64,
    pub(super) at: i64,
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heard").field("trouble", &*self.trouble.borrow()).finish_non_exhaustive()
    }
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            trouble: watch::Sender::new(None),
            brokers: watch::Sender::default(),
            marks: watch::Sender::default(),
            down: watch::Sender::new(false),
        }
    }
}

impl Heard {
    /// What was in the way last.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.borrow().clone()
    }

    /// Forgets it: something worked.
    pub(super) fn works(&self) {
        self.trouble.send_replace(None);
        self.down.send_replace(false);
    }

    /// No broker is connected, as far as the library knows.
    pub(super) fn is_down(&self) -> bool {
        *self.down.borrow()
    }

    /// Whether no broker will let us in, whatever time there is.
    pub(super) fn is_hopeless(&self) -> bool {
        matches!(*self.trouble.borrow(), Some(Trouble::Login | Trouble::Tls(_)))
    }

    /// Returns when it is clear that no broker will let us in, whatever time there is.
    pub(super) async fn hopeless(&self) {
        let mut trouble = self.trouble.subscribe();
        let hopeless = |trouble: &Option<Trouble>| matches!(trouble, Some(Trouble::Login | Trouble::Tls(_)));
        if trouble.wait_for(hopeless).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The brokers the library knows of, as they change.
    pub(super) fn brokers(&self) -> watch::Receiver<BTreeSet<Broker>> {
        self.brokers.subscribe()
    }

    /// How far partitions go.
    pub(super) fn marks(&self) -> Vec<Mark> {
        self.marks.borrow().clone()
    }
}

impl ClientContext for Heard {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        // Dirty ends of connections are told again and again: nobody but a developer wants them.
        tracing::debug!(?level, fac, text, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) => {
                self.trouble.send_replace(Some(Trouble::Login));
            }
            Some(RDKafkaErrorCode::SSL) => {
                self.trouble.send_replace(Some(Trouble::Tls(bare(reason))));
            }
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                self.down.send_replace(true);
            }
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve) => {
                self.trouble.send_modify(|trouble| {
                    // A certificate that is refused also ends the connection: the first word says more.
                    if !matches!(trouble, Some(Trouble::Login | Trouble::Tls(_))) {
                        *trouble = Some(Trouble::Other(bare(reason)));
                    }
                });
            }
            _ => {}
        }
    }

    fn stats(&self, statistics: Statistics) {
        let known = !statistics.brokers.is_empty();
        self.down.send_replace(known && !statistics.brokers.values().any(|broker| broker.state == "UP"));
        let named = statistics.brokers.values().filter(|broker| broker.nodeid >= 0);
        let named: BTreeSet<Broker> = named.filter_map(|broker| read_node(&broker.nodename)).collect();
        self.brokers.send_if_modified(|known| {
            let new = *known != named;
            if new {
                known.clone_from(&named);
            }
            new
        });
        let mut marks = Vec::new();
        for topic in statistics.topics.values() {
            // Partition -1 is the library's own, for what has no partition yet.
            for partition in topic.partitions.values().filter(|p| p.partition >= 0 && p.hi_offset >= 0) {
                let at = [partition.committed_offset, partition.next_offset];
                let at = at.into_iter().find(|at| *at >= 0).unwrap_or(partition.hi_offset);
                let (topic, partition, end) = (topic.topic.clone(), partition.partition, partition.hi_offset);
                marks.push(Mark { topic, partition, end, at });
            }
        }
        self.marks.send_replace(marks);
    }
}

/// A broker as the library writes it.
pub(super) fn read_node(text: &str) -> Option<Broker> {
    let (host, port) = text.rsplit_once(':')?;
    Some(Broker { host: host.to_owned(), port: port.parse().ok()? })
}

/// A reason without what the library puts before it: `sasl_ssl://host:port/1: `.
fn bare(reason: &str) -> String {
    let text = reason.split_once(": ").filter(|(before, _)| before.contains("://")).map_or(reason, |(_, after)| after);
    text.split(" (after ").next().unwrap_or(text).to_owned()
}
