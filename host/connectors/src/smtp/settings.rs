//! The settings of an smtp connection, as checked.
//!
//! Not here: secrets' values, which come only when the connection is opened.

use std::time::Duration;

use jackfield_core::ports::connector::SettingProblem;
use lettre::message::Mailbox;
use serde_json::{Map, Value};

use super::address;
use crate::settings::Reader;

const TIMEOUT: Duration = Duration::from_secs(60);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// In the clear at first, and with TLS before anything is told.
    StartTls,
    /// With TLS from the first byte.
    Tls,
    /// Never.
    Off,
}

/// Who logs in; the password is the secret of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) secret: String,
}

/// See the module; whoever holds one need not check again.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    /// More authorities to trust, PEM text.
    pub(super) ca: Option<String>,
    pub(super) credential: Option<Login>,
    /// The sender of mails that name none.
    pub(super) sender: Option<Mailbox>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    /// The most sessions at once.
    pub(super) pool: u16,
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
        let security = security(&mut reader);
        let port = match security {
            Security::Tls => 465,
            Security::StartTls | Security::Off => 587,
        };
        let port = reader.whole("port", port, 1..=u16::MAX);
        let ca = reader.ca();
        if ca.is_some() && security == Security::Off {
            reader.problem("ca", "is of no use with `tls = \"off\"`: leave one of them out");
        }
        let credential = reader.table("credential", |reader| {
            let user = reader.required("user", "`robot@example.com`").map(str::to_owned);
            if user.as_ref().is_some_and(|user| user.contains(char::is_control)) {
                reader.problem("user", "holds a control character");
            }
            let secret = reader.required("secret", "`mail-password`, the name of a secret").map(str::to_owned);
            Some(Login { user: user?, secret: secret? })
        });
        let sender = match reader.text("sender").map(address::mailbox).transpose() {
            Ok(sender) => sender,
            Err(problem) => {
                reader.problem("sender", problem);
                None
            }
        };
        let timeout = reader.duration("timeout", TIMEOUT, LONGEST_TIMEOUT);
        let connect_timeout = reader.duration("connect_timeout", CONNECT_TIMEOUT, LONGEST_CONNECT_TIMEOUT);
        let pool = reader.whole("pool", 4, 1..=64);
        let problems = reader.finish();
        match host {
            Some(host) if problems.is_empty() => {
                Ok(Self { host, port, security, ca, credential, sender, timeout, connect_timeout, pool })
            }
            _ => Err(problems),
        }
    }
}

fn host(reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.required("host", "`smtp.example.com`")?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<std::net::IpAddr>().is_ok() {
        return Some(bare.to_owned());
    }
    match url::Host::parse(text) {
        Ok(url::Host::Domain(domain)) => Some(domain),
        _ => {
            reader.problem("host", format!("`{text}` is no host name; write the name alone, such as smtp.example.com"));
            None
        }
    }
}

fn security(reader: &mut Reader<'_>) -> Security {
    match reader.text("tls") {
        None | Some("starttls") => Security::StartTls,
        Some("tls") => Security::Tls,
        Some("off") => Security::Off,
        Some(other) => {
            let problem = format!(
                "`{other}` is not known; `starttls`, `tls` (from the first byte, mostly port 465), or `off` if mails and \
                 the password may be read on the way"
            );
            reader.problem("tls", problem);
            Security::StartTls
        }
    }
}
