//! The settings of a Kafka connection and of a trigger on one, as checked.
//!
//! Not here: secrets' values, which come only when the connection is opened.

use std::net::IpAddr;
use std::time::Duration;

use jackfield_core::ports::connector::SettingProblem;
use serde_json::{Map, Value};

use crate::address;
use crate::broker;
use crate::settings::Reader;

const TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
const MOST_BROKERS: usize = 100;
const MOST_TOPICS: usize = 64;
const LONGEST_TOPIC: usize = 249;

/// See the module; whoever holds one need not check again.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) brokers: Vec<Broker>,
    pub(super) credential: Option<CredentialSetting>,
    pub(super) tls: bool,
    /// More authorities to trust, PEM text.
    pub(super) ca: Option<String>,
    /// The longest a call takes.
    pub(super) timeout: Duration,
    /// The longest until some broker has let us in.
    pub(super) connect_timeout: Duration,
    /// What brokers know us by.
    pub(super) client_id: String,
}

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Broker {
    /// A name or an address, in brackets if IPv6.
    pub(super) host: String,
    pub(super) port: u16,
}

/// A user, and the name of the secret that proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CredentialSetting {
    pub(super) user: String,
    pub(super) secret: String,
    /// As the library spells it.
    pub(super) mechanism: &'static str,
}

const MECHANISMS: [(&str, &str); 3] =
    [("scram-sha-256", "SCRAM-SHA-256"), ("scram-sha-512", "SCRAM-SHA-512"), ("plain", "PLAIN")];

impl CredentialSetting {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let user = reader.required("user", "`app`").map(str::to_owned);
        let secret = reader.required("secret", "`kafka-password`, the name of a secret").map(str::to_owned);
        let named = reader.text("mechanism").unwrap_or("scram-sha-256").to_owned();
        let mechanism = MECHANISMS.iter().find(|(name, _)| *name == named).map(|(_, mechanism)| *mechanism);
        if mechanism.is_none() {
            let known = MECHANISMS.map(|(name, _)| format!("`{name}`")).join(", ");
            reader.problem("mechanism", format!("`{named}` is not known; there are {known}"));
        }
        Some(Self { user: user?, secret: secret?, mechanism: mechanism? })
    }
}

impl Settings {
    /// Reads settings as an operator wrote them.
    ///
    /// # Errors
    ///
    /// Every problem found.
    pub(super) fn read(map: &Map<String, Value>) -> Result<Self, Vec<SettingProblem>> {
        let mut reader = Reader::new(map);
        let brokers = brokers(&mut reader);
        let credential = reader.table("credential", CredentialSetting::read);
        let tls = match reader.text("tls") {
            None | Some("require") => true,
            Some("off") => false,
            Some(other) => {
                reader.problem("tls", format!("`{other}` is not known; `require` or `off`"));
                true
            }
        };
        if !tls && credential.as_ref().is_some_and(|credential| credential.mechanism == "PLAIN") {
            reader.problem(
                "tls",
                "is `off`, and `plain` would send the password for everybody to read; use scram, or TLS",
            );
        }
        let ca = broker::ca(&mut reader);
        let timeout = reader.duration("timeout", TIMEOUT, LONGEST_TIMEOUT);
        let connect_timeout = reader.duration("connect_timeout", CONNECT_TIMEOUT, LONGEST_CONNECT_TIMEOUT);
        let client_id = reader.text("client_id").unwrap_or("jackfield").to_owned();
        if client_id.is_empty() || client_id.len() > 255 || client_id.contains(char::is_control) {
            reader.problem("client_id", "is empty, longer than 255 bytes, or has a control character");
        }
        let problems = reader.finish();
        if problems.is_empty() {
            Ok(Self { brokers, credential, tls, ca, timeout, connect_timeout, client_id })
        } else {
            Err(problems)
        }
    }
}

fn brokers(reader: &mut Reader<'_>) -> Vec<Broker> {
    const KEY: &str = "brokers";
    let texts = broker::texts(reader, KEY);
    if texts.is_empty() {
        reader.problem(KEY, "is missing; for example `[\"kafka.example.com:9092\"]`");
    }
    if texts.len() > MOST_BROKERS {
        reader.problem(KEY, format!("has {} brokers; at most {MOST_BROKERS}", texts.len()));
    }
    let mut brokers = Vec::new();
    for text in texts {
        match read_broker(&text) {
            Ok(broker) => brokers.push(broker),
            Err(problem) => reader.problem(KEY, problem),
        }
    }
    brokers
}

fn read_broker(text: &str) -> Result<Broker, String> {
    // Not shown: it may hold a password.
    if text.contains('@') {
        return Err("holds a user name or password; put them under `credential`, the password as a secret".into());
    }
    let (host, port) =
        broker::host_port(text, None).map_err(|problem| format!("`{text}` {problem}; write `host:9092`"))?;
    if !host.starts_with('[') && host.parse::<IpAddr>().is_err() {
        address::check_name(&host).map_err(|problem| format!("`{text}`: {problem}"))?;
    }
    Ok(Broker { host, port })
}

/// What a trigger listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) topics: Vec<String>,
    /// The consumer group; by the trigger's name if none.
    pub(super) group: Option<String>,
    /// A group that is new begins with what the topics hold already.
    pub(super) earliest: bool,
}

/// Reads what a manifest says of a trigger.
///
/// # Errors
///
/// Every problem found.
pub(super) fn trigger(map: &Map<String, Value>) -> Result<Listening, Vec<SettingProblem>> {
    let mut reader = Reader::new(map);
    let topics = broker::texts(&mut reader, "topics");
    if topics.is_empty() {
        reader.problem("topics", "is missing; for example `[\"orders\"]`");
    }
    if topics.len() > MOST_TOPICS {
        reader.problem("topics", format!("has {}; at most {MOST_TOPICS}", topics.len()));
    }
    for text in &topics {
        if let Err(problem) = topic(text) {
            reader.problem("topics", format!("`{text}` {problem}"));
        }
    }
    let group = reader.text("group").map(str::to_owned);
    if group.as_ref().is_some_and(|group| group.is_empty() || group.len() > 255 || group.contains(char::is_control)) {
        reader.problem("group", "is empty, longer than 255 bytes, or has a control character");
    }
    let earliest = match reader.text("from") {
        None | Some("latest") => false,
        Some("earliest") => true,
        Some(other) => {
            reader.problem("from", format!("`{other}` is not known; `latest` or `earliest`"));
            false
        }
    };
    let problems = broker::finish_trigger(reader, map);
    if problems.is_empty() { Ok(Listening { topics, group, earliest }) } else { Err(problems) }
}

/// Whether `text` is the name of a topic that we may be about.
///
/// # Errors
///
/// Why not.
pub(super) fn topic(text: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.is_empty() || text.len() > LONGEST_TOPIC || !text.bytes().all(allowed) || text == "." || text == ".." {
        return Err(format!("is no name of a topic: up to {LONGEST_TOPIC} letters, digits, `.`, `_` and `-`"));
    }
    if text.starts_with("__") {
        return Err("is one of the cluster's own topics".into());
    }
    Ok(())
}
