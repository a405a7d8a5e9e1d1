//! The settings of a NATS connection and of a trigger on one, as checked.
//!
//! Not here: secrets' values, which come only when the connection is opened.

use std::time::Duration;

use jackfield_core::ports::connector::SettingProblem;
use serde_json::{Map, Value};

use crate::address;
use crate::broker;
use crate::settings::Reader;

const PORT: u16 = 4222;
const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
const ACK_WAIT: Duration = Duration::from_secs(30);
const SHORTEST_ACK_WAIT: Duration = Duration::from_secs(1);
const LONGEST_ACK_WAIT: Duration = Duration::from_secs(3600);
const MOST_SERVERS: usize = 16;
const MOST_SUBJECTS: usize = 64;
const LONGEST_SUBJECT: usize = 1024;

/// See the module; whoever holds one need not check again.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) servers: Vec<Server>,
    pub(super) credential: CredentialSetting,
    /// More authorities to trust, PEM text.
    pub(super) ca: Option<String>,
    /// The longest a call takes.
    pub(super) timeout: Duration,
    /// The longest to resolve, connect, agree on TLS and log in, for one server.
    pub(super) connect_timeout: Duration,
    /// What is published has to be confirmed by a stream.
    pub(super) jetstream: bool,
}

/// One of the servers of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// A name or an address, in brackets if IPv6.
    pub(super) host: String,
    pub(super) port: u16,
    /// Nothing but the greeting is read without TLS.
    pub(super) tls: bool,
}

/// How the host logs in; secrets by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CredentialSetting {
    None,
    Password { user: String, secret: String },
    Token { secret: String },
    Nkey { secret: String },
    Creds { secret: String },
}

const TYPES: &str = "`password`, `token`, `nkey`, `creds` or `none`";

impl CredentialSetting {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let kind = reader.text("type").map(str::to_owned);
        let user = reader.text("user").map(str::to_owned);
        let kind = match (kind, &user) {
            (Some(kind), _) => kind,
            // `{ user, secret }` can only mean one thing.
            (None, Some(_)) => "password".into(),
            (None, None) => reader.required("type", TYPES)?.to_owned(),
        };
        if kind == "none" {
            return Some(Self::None);
        }
        let secret = reader.required("secret", "`nats-password`, the name of a secret").map(str::to_owned);
        if kind != "password" && user.is_some() {
            reader.problem("user", format!("is part of a `password`; a `{kind}` has no user"));
        }
        match kind.as_str() {
            "password" => {
                let user = reader.required("user", "`app`").map(str::to_owned);
                Some(Self::Password { user: user?, secret: secret? })
            }
            "token" => Some(Self::Token { secret: secret? }),
            "nkey" => Some(Self::Nkey { secret: secret? }),
            "creds" => Some(Self::Creds { secret: secret? }),
            other => {
                reader.problem("type", format!("`{other}` is not known; there are {TYPES}"));
                None
            }
        }
    }

    /// The name of the secret.
    pub(super) fn secret(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Password { secret, .. } | Self::Token { secret } | Self::Nkey { secret } | Self::Creds { secret } => {
                Some(secret)
            }
        }
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
        let required = match reader.text("tls") {
            None => None,
            Some("require") => Some(true),
            Some("off") => Some(false),
            Some(other) => {
                reader.problem("tls", format!("`{other}` is not known; `require` or `off`"));
                None
            }
        };
        let servers = servers(&mut reader, required);
        let credential = reader.table("credential", CredentialSetting::read).unwrap_or(CredentialSetting::None);
        let ca = broker::ca(&mut reader);
        let timeout = reader.duration("timeout", TIMEOUT, LONGEST_TIMEOUT);
        let connect_timeout = reader.duration("connect_timeout", CONNECT_TIMEOUT, LONGEST_CONNECT_TIMEOUT);
        let jetstream = broker::flag(&mut reader, "jetstream", true);
        let problems = reader.finish();
        if problems.is_empty() {
            Ok(Self { servers, credential, ca, timeout, connect_timeout, jetstream })
        } else {
            Err(problems)
        }
    }
}

fn servers(reader: &mut Reader<'_>, tls: Option<bool>) -> Vec<Server> {
    const KEY: &str = "servers";
    let texts = broker::texts(reader, KEY);
    if texts.is_empty() {
        reader.problem(KEY, "is missing; for example `[\"nats://broker.example.com:4222\"]`");
    }
    if texts.len() > MOST_SERVERS {
        reader.problem(KEY, format!("has {} servers; at most {MOST_SERVERS}", texts.len()));
    }
    let mut servers = Vec::new();
    for text in texts {
        match server(&text, tls) {
            Ok(server) => servers.push(server),
            Err(problem) => reader.problem(KEY, problem),
        }
    }
    servers
}

fn server(text: &str, tls: Option<bool>) -> Result<Server, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
    // Not shown: it may hold a password.
    if rest.contains('@') {
        return Err("holds a user name or password; put them under `credential`, the password as a secret".into());
    }
    let scheme_tls = match scheme {
        "nats" => false,
        "tls" => true,
        other => return Err(format!("`{text}`: `{other}://` is not spoken; write `nats://` or `tls://`")),
    };
    if scheme_tls && tls == Some(false) {
        return Err(format!("`{text}` demands TLS, and `tls` is `off`"));
    }
    let (host, port) = broker::host_port(rest.trim_end_matches('/'), Some(PORT))
        .map_err(|problem| format!("`{text}` {problem}; write `nats://host:4222`"))?;
    if !host.starts_with('[') && host.parse::<std::net::IpAddr>().is_err() {
        address::check_name(&host).map_err(|problem| format!("`{text}`: {problem}"))?;
    }
    Ok(Server { host, port, tls: tls.unwrap_or(scheme_tls) })
}

/// What a trigger listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listening {
    /// To a stream, by a durable consumer: nothing is lost.
    Stream {
        stream: String,
        /// Those of its subjects that count; all if there are none.
        subjects: Vec<String>,
        /// A consumer that is made begins with what the stream holds already.
        all: bool,
        /// When the server thinks that what it delivered was lost.
        ack_wait: Duration,
    },
    /// To subjects alone: what is published while nobody listens is gone.
    Subjects(Vec<String>),
}

/// Reads what a manifest says of a trigger.
///
/// # Errors
///
/// Every problem found.
pub(super) fn trigger(map: &Map<String, Value>) -> Result<Listening, Vec<SettingProblem>> {
    let mut reader = Reader::new(map);
    let stream = reader.text("stream").map(str::to_owned);
    if let Some(name) = &stream
        && (name.is_empty() || name.contains(|c: char| c.is_whitespace() || ".*>/\\".contains(c) || c.is_control()))
    {
        reader.problem("stream", format!("`{name}` is no name of a stream: no spaces, dots, `*`, `>` or slashes"));
    }
    let subjects = broker::texts(&mut reader, "subjects");
    if subjects.len() > MOST_SUBJECTS {
        reader.problem("subjects", format!("has {}; at most {MOST_SUBJECTS}", subjects.len()));
    }
    for text in &subjects {
        if let Err(problem) = pattern(text) {
            reader.problem("subjects", format!("`{text}` {problem}"));
        }
    }
    let all = match reader.text("deliver") {
        None | Some("new") => false,
        Some("all") => true,
        Some(other) => {
            reader.problem("deliver", format!("`{other}` is not known; `new` or `all`"));
            false
        }
    };
    let ack_wait = reader.duration("ack_wait", ACK_WAIT, LONGEST_ACK_WAIT);
    if ack_wait < SHORTEST_ACK_WAIT {
        reader.problem("ack_wait", "is too short; at least 1s");
    }
    if stream.is_none() {
        if subjects.is_empty() {
            let problem = "is missing: name a `stream`, or the `subjects` to listen to without one (what is published \
                           while nobody listens is then lost)";
            reader.problem("stream", problem);
        }
        for key in ["deliver", "ack_wait"] {
            if map.contains_key(key) {
                reader.problem(key, "is about a stream, and no `stream` is named");
            }
        }
    }
    let problems = broker::finish_trigger(reader, map);
    match stream {
        _ if !problems.is_empty() => Err(problems),
        Some(stream) => Ok(Listening::Stream { stream, subjects, all, ack_wait }),
        None => Ok(Listening::Subjects(subjects)),
    }
}

/// Whether `text` is a subject to listen to: tokens with dots between; `*` for one, `>` for the rest.
fn pattern(text: &str) -> Result<(), String> {
    tokens(text)?;
    let mut tokens = text.split('.').peekable();
    while let Some(token) = tokens.next() {
        let rest = token == ">" && tokens.peek().is_none();
        if token.contains(['*', '>']) && token != "*" && !rest {
            return Err("has a `*` that is not a whole token, or a `>` that is not the last one".into());
        }
    }
    Ok(())
}

/// Whether `text` is a subject to publish to.
///
/// # Errors
///
/// Why not.
pub(super) fn subject(text: &str) -> Result<(), String> {
    tokens(text)?;
    if text.split('.').any(|token| token == "*" || token == ">") {
        return Err("has a wildcard: a message goes to one subject".into());
    }
    // A guest with leave for all subjects is still no administrator: streams are deleted by requests of `$JS.API`.
    if text.starts_with('$') && !text.starts_with("$KV.") && !text.starts_with("$O.") {
        return Err("is one of the server's own subjects, which are not published to".into());
    }
    Ok(())
}

fn tokens(text: &str) -> Result<(), String> {
    if text.len() > LONGEST_SUBJECT {
        return Err(format!("is longer than {LONGEST_SUBJECT} bytes"));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("has a space or a control character".into());
    }
    if text.split('.').any(str::is_empty) {
        return Err("is no subject: tokens with single dots between, such as `orders.new`".into());
    }
    Ok(())
}
