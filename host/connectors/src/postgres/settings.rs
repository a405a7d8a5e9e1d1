//! The settings of a postgres connection and of its trigger, as checked.
//!
//! Not here: secrets' values, which come only when the connection is opened.

use std::time::Duration;

use jackfield_core::ports::connector::SettingProblem;
use serde_json::{Map, Value};

use crate::settings::Reader;
use crate::tls;

/// A call's time limit if `timeout` is not set.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
/// The time to resolve, connect, shake hands and log in if `connect_timeout` is not set.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// The schema of names that are written without one, if `schema` is not set.
pub(super) const SCHEMA: &str = "public";
const PORT: u16 = 5432;
const POOL: u16 = 8;
const MOST_SESSIONS: u16 = 256;
/// PostgreSQL cuts names after so many bytes.
pub(super) const LONGEST_NAME: usize = 63;
/// The most channels a trigger listens to.
const MOST_CHANNELS: usize = 64;

/// See the module; whoever holds one need not check again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) user: String,
    /// The secret that holds the password, by name.
    pub(super) secret: String,
    /// Whether the session is over TLS, with the server's certificate verified.
    pub(super) tls: bool,
    /// More authorities to trust, PEM text.
    pub(super) ca: Option<String>,
    /// The schema of names that are written without one.
    pub(super) schema: String,
    /// The most sessions at the same time.
    pub(super) pool: u16,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
}

impl Settings {
    /// Reads settings as an operator wrote them.
    ///
    /// # Errors
    ///
    /// Every problem found.
    pub(super) fn read(map: &Map<String, Value>) -> Result<Self, Vec<SettingProblem>> {
        let mut reader = Reader::new(map);
        let host = host(&mut reader);
        let port = whole(&mut reader, "port", PORT, u16::MAX);
        let database = reader.required("database", "`shop`").map(str::to_owned);
        name(&mut reader, "database", database.as_deref());
        let credential = reader.table("credential", |r| {
            let user = r.required("user", "`app`").map(str::to_owned);
            name(r, "user", user.as_deref());
            let secret = r.required("secret", "`db-password`, the name of a secret").map(str::to_owned);
            Some((user?, secret?))
        });
        if !map.contains_key("credential") {
            reader.problem(
                "credential",
                "is missing; it names a role and a secret: { user = \"app\", secret = \"db-password\" }",
            );
        }
        let tls = match reader.text("tls") {
            None | Some("require") => true,
            Some("off") => false,
            Some(other) => {
                let problem = format!("`{other}` is not known; `require`, with a verified certificate, or `off`");
                reader.problem("tls", problem);
                true
            }
        };
        let ca = reader.text("ca").map(str::to_owned);
        if let Some(Err(problem)) = ca.as_deref().map(tls::certificates) {
            reader.problem("ca", problem);
        }
        if ca.is_some() && !tls {
            reader.problem("ca", "is of no use with `tls = \"off\"`; leave one of them out");
        }
        let schema = reader.text("schema").unwrap_or(SCHEMA).to_owned();
        if schema.is_empty() || schema.contains(['.', '"', '\0']) {
            reader.problem("schema", "is the name of one schema, without dots or quotes, such as `public`");
        }
        name(&mut reader, "schema", Some(&schema));
        let pool = whole(&mut reader, "pool", POOL, MOST_SESSIONS);
        let timeout = reader.duration("timeout", TIMEOUT, LONGEST_TIMEOUT);
        let connect_timeout = reader.duration("connect_timeout", CONNECT_TIMEOUT, LONGEST_CONNECT_TIMEOUT);
        let problems = reader.finish();
        match (host, database, credential) {
            (Some(host), Some(database), Some((user, secret))) if problems.is_empty() => {
                Ok(Self { host, port, database, user, secret, tls, ca, schema, pool, timeout, connect_timeout })
            }
            _ => Err(problems),
        }
    }
}

fn host(reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.required("host", "`db.example.com`")?;
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if text.contains("://") || text.contains('@') {
        // Not shown: it may hold a password.
        reader.problem("host", "is a URL; give its parts as `host`, `port`, `database` and `credential`");
        return None;
    }
    if !bare.chars().all(fits) || (bare.contains(':') && bare.parse::<std::net::Ipv6Addr>().is_err()) {
        reader.problem("host", format!("`{text}` is neither a name nor an address; a port goes into `port`"));
        return None;
    }
    Some(bare.to_owned())
}

fn name(reader: &mut Reader<'_>, key: &'static str, name: Option<&str>) {
    match name {
        Some(name) if name.len() > LONGEST_NAME => {
            reader.problem(key, format!("has {} bytes; PostgreSQL's names have at most {LONGEST_NAME}", name.len()));
        }
        Some(name) if name.contains(char::is_control) => reader.problem(key, "holds a control character"),
        _ => {}
    }
}

/// A whole number from 1 to `most`; also as text, which is how a command line gives it.
fn whole(reader: &mut Reader<'_>, key: &'static str, default: u16, most: u16) -> u16 {
    let Some(value) = reader.value(key) else { return default };
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    match number.and_then(|n| u16::try_from(n).ok()).filter(|n| (1..=most).contains(n)) {
        Some(number) => number,
        None => {
            reader.problem(key, format!("is {value}, should be a whole number from 1 to {most}"));
            default
        }
    }
}

/// What a manifest says of a trigger: the channels it listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) channels: Vec<String>,
}

impl Listening {
    /// Reads a trigger's keys.
    ///
    /// # Errors
    ///
    /// Every problem found.
    pub(super) fn read(map: &Map<String, Value>) -> Result<Self, Vec<SettingProblem>> {
        const KEY: &str = "listen";
        let mut reader = Reader::new(map);
        let mut channels: Vec<String> = Vec::new();
        match reader.value(KEY) {
            Some(Value::String(one)) => channels.push(one.clone()),
            Some(Value::Array(many)) if many.iter().all(Value::is_string) => {
                channels.extend(many.iter().filter_map(|v| v.as_str().map(str::to_owned)));
            }
            Some(_) => reader.problem(KEY, "should be a list of channels, such as [\"orders\"]"),
            None => {}
        }
        if channels.is_empty() {
            reader.problem(KEY, "names no channel; for example [\"orders\"], for NOTIFY orders");
        }
        if channels.len() > MOST_CHANNELS {
            reader.problem(KEY, format!("names {} channels, at most {MOST_CHANNELS} are listened to", channels.len()));
        }
        for (i, channel) in channels.iter().enumerate() {
            if channel.is_empty() || channel.len() > LONGEST_NAME || channel.contains('\0') {
                reader.problem(KEY, format!("`{channel}` is no channel: names have 1 to {LONGEST_NAME} bytes"));
            }
            if channels[..i].contains(channel) {
                reader.problem(KEY, format!("names `{channel}` twice"));
            }
        }
        let problems = reader.finish();
        if problems.is_empty() { Ok(Self { channels }) } else { Err(problems) }
    }
}
