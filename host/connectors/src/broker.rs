//! What the plugs of message brokers have in common: lists in settings, what a test found, headers of a message, and
//! how much of a stream is taken up at once.
//!
//! Not here: anything of one broker's protocol.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jackfield_core::breaker;
use jackfield_core::clock::{Clock, SystemClock, Timestamp};
use jackfield_core::event::Attributes;
use jackfield_core::ports::connector::{self, Finding, Secrets, SettingProblem};
use jackfield_core::ports::messaging::{Message, Messaging, MessagingCall};
use jackfield_core::ports::outward::{Failure, Sending};
use rustls_pki_types::CertificateDer;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::settings::Reader;
use crate::tls;

/// The most messages a trigger hands to its sink at once.
pub(crate) const BATCH: usize = 500;

/// A trigger hands over what it has once it is so many bytes.
pub(crate) const BATCH_BYTES: usize = 1024 * 1024;

/// The longest a trigger gathers messages before it hands them over.
pub(crate) const GATHER: Duration = Duration::from_millis(20);

/// When no message came for so long, what was gathered is handed over.
pub(crate) const PAUSE: Duration = Duration::from_millis(2);

/// A message that carries more is not handed over at all.
pub(crate) const LARGEST: usize = 16 * 1024 * 1024;

/// How often a trigger tells the broker that it still works on what it has, and how many wait.
pub(crate) const STILL_THERE: Duration = Duration::from_secs(10);

/// How long a sink may still take after it was told to stop, before what it is given is left for the next run.
pub(crate) const LEAVE: Duration = Duration::from_secs(10);

/// The most header fields of a message that is published.
const MOST_HEADERS: usize = 128;

/// The most bytes of them together.
const MOST_HEADER_BYTES: usize = 64 * 1024;

/// Certificates that end sooner are reported as a problem.
const WARN_DAYS: u64 = 14;

/// A connection while a recording is played: every answer is in the recording.
pub(crate) fn offline() -> connector::Opened {
    connector::Opened { messaging: Some(Arc::new(Offline)), ..connector::Opened::default() }
}

struct Offline;

#[async_trait]
impl Messaging for Offline {
    fn timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Never reached: the journal of a playback is closed.
    async fn run(&self, _: &MessagingCall, _: &Sending) -> Result<Option<Message>, Failure> {
        Err(Failure::NotExecuted("nothing is sent while a recording is played".into()))
    }
}

/// An opened secret, and the name it goes by: only the name is shown.
#[derive(Clone)]
pub(crate) struct Opened {
    /// As the settings say.
    pub(crate) name: String,
    value: SecretString,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Opened").field(&self.name).finish()
    }
}

impl Opened {
    /// The value of the secret `name`.
    ///
    /// # Errors
    ///
    /// It is not among `secrets`, or empty.
    pub(crate) fn of(name: &str, secrets: &Secrets) -> Result<Self, SettingProblem> {
        let found = secrets.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let problem = |problem: String| SettingProblem { key: "credential.secret".into(), problem };
        match found {
            None => Err(problem(format!("the secret `{name}` is not set; set it with `jackfield secrets set`"))),
            Some(value) if value.expose_secret().is_empty() => Err(problem(format!("the secret `{name}` is empty"))),
            Some(value) => Ok(Self { name: name.to_owned(), value: value.clone() }),
        }
    }

    /// The value.
    pub(crate) fn expose(&self) -> &str {
        self.value.expose_secret()
    }
}

/// Texts under `key`: a list, or one text with spaces or commas between.
pub(crate) fn texts(reader: &mut Reader<'_>, key: &'static str) -> Vec<String> {
    let split = |text: &str| -> Vec<String> {
        text.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    match reader.value(key) {
        None => Vec::new(),
        Some(Value::String(text)) => split(text),
        Some(Value::Array(items)) => {
            let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            texts.unwrap_or_else(|| {
                reader.problem(key, "should be a list of texts");
                Vec::new()
            })
        }
        Some(_) => {
            reader.problem(key, "should be a list of texts");
            Vec::new()
        }
    }
}

/// Yes or no under `key`; also as text, as a command line gives it.
pub(crate) fn flag(reader: &mut Reader<'_>, key: &'static str, default: bool) -> bool {
    match reader.value(key) {
        None => default,
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) if text == "true" || text == "false" => text == "true",
        Some(other) => {
            reader.problem(key, format!("is {other}, should be true or false"));
            default
        }
    }
}

/// PEM text of authorities under `ca`.
pub(crate) fn ca(reader: &mut Reader<'_>) -> Option<String> {
    let ca = reader.text("ca").map(str::to_owned);
    if let Some(Err(problem)) = ca.as_deref().map(tls::certificates) {
        reader.problem("ca", problem);
    }
    ca
}

/// All problems of a trigger's settings. The [`Reader`] also knows what only connections have.
pub(crate) fn finish_trigger(mut reader: Reader<'_>, trigger: &Map<String, Value>) -> Vec<SettingProblem> {
    for key in breaker::settings::KEYS {
        if trigger.contains_key(key) {
            reader.problem(key, "is a setting of a connection, not of a trigger");
        }
    }
    reader.finish()
}

/// Splits `host:port` or `[v6]:port`.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn host_port(text: &str, default: Option<u16>) -> Result<(String, u16), String> {
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address has colons of its own, and is in brackets.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port = match (port, default) {
        (Some(port), _) => port.parse().map_err(|_| format!("`{port}` is no port"))?,
        (None, Some(default)) => default,
        (None, None) => return Err("has no port".into()),
    };
    let bad = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':'));
    if host.is_empty() || host.contains(bad) || port == 0 {
        return Err("is no host name or address and port".into());
    }
    Ok((host.to_owned(), port))
}

/// Refuses headers that cannot be put on the wire.
///
/// # Errors
///
/// [`Failure::Invalid`].
pub(crate) fn check_headers(message: &Message) -> Result<(), Failure> {
    let bytes: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if message.headers.len() > MOST_HEADERS || bytes > MOST_HEADER_BYTES {
        return Err(Failure::Invalid(format!(
            "a message has {} headers of {bytes} bytes; at most {MOST_HEADERS} and {MOST_HEADER_BYTES}",
            message.headers.len()
        )));
    }
    for (name, value) in &message.headers {
        let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        if !named || value.contains(['\r', '\n', '\0']) {
            return Err(Failure::Invalid(format!(
                "the header `{}` cannot be sent: no spaces, colons or control characters in its name, no line breaks in \
                 its value",
                name.escape_debug()
            )));
        }
    }
    Ok(())
}

/// What an event says of a message beside its attributes: `own`, then its headers. A header cannot pass for one of the
/// host's own.
pub(crate) fn meta(own: Vec<(&'static str, String)>, headers: impl Iterator<Item = (String, String)>) -> Attributes {
    let names: Vec<&'static str> = own.iter().map(|(name, _)| *name).collect();
    let mut meta: Attributes = own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    meta.extend(headers.filter(|(name, _)| !names.contains(&name.as_str())));
    meta
}

/// As it should be.
pub(crate) fn good(what: &str, detail: impl Into<String>) -> Finding {
    Finding { ok: true, what: what.into(), detail: detail.into() }
}

/// Not as it should be.
pub(crate) fn bad(what: &str, detail: impl Into<String>) -> Finding {
    Finding { ok: false, what: what.into(), detail: detail.into() }
}

/// A problem of the settings as a test tells it.
pub(crate) fn as_finding(problem: &SettingProblem) -> Finding {
    bad("settings", problem.to_string())
}

/// What a server's certificate says about its end.
pub(crate) fn certificate(chain: Option<&[CertificateDer<'_>]>) -> Finding {
    let Some(ends) = chain.and_then(|chain| tls::not_after(chain.first()?)) else {
        return good("tls", "the certificate is trusted");
    };
    let days = ends.since(SystemClock.now()).as_secs() / 86_400;
    let day = day(ends);
    if days < WARN_DAYS {
        bad("tls", format!("the certificate ends in {days} days, on {day}; renew it"))
    } else {
        good("tls", format!("certificate valid {days} days, until {day}"))
    }
}

fn day(moment: Timestamp) -> String {
    moment.to_string().chars().take(10).collect()
}

/// One failure for a call whose messages fared as `each` says, in order.
///
/// # Errors
///
/// The first one's, if all failed for certain; else [`Failure::Broken`], since some were published or may have been.
pub(crate) fn together(each: Vec<Result<(), Failure>>) -> Result<(), Failure> {
    let all = each.len();
    let certain = |failure: &Failure| !matches!(failure, Failure::Broken { .. } | Failure::TooLarge { sent: true, .. });
    let published = each.iter().filter(|result| result.is_ok()).count();
    let open = each.iter().any(|result| result.as_ref().is_err_and(|failure| !certain(failure)));
    let timed_out = each.iter().any(|result| matches!(result, Err(Failure::Broken { timed_out: true, .. })));
    let Some((index, first)) = each.into_iter().enumerate().find_map(|(i, result)| Some((i, result.err()?))) else {
        return Ok(());
    };
    if all == 1 || (published == 0 && !open) {
        return Err(first);
    }
    let message = format!("{published} of {all} messages are confirmed; message {}: {first}", index + 1);
    Err(Failure::Broken { message, timed_out })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        let of = |text: &str| host_port(text, Some(4222)).unwrap();
        assert_eq!(of("broker"), ("broker".into(), 4222));
        assert_eq!(of("broker:1"), ("broker".into(), 1));
        assert_eq!(of("[::1]:9"), ("[::1]".into(), 9));
        assert_eq!(of("[::1]"), ("[::1]".into(), 4222));
        for wrong in ["", ":1", "a:b", "a:0", "a:70000", "user@host", "a b", "host/path"] {
            assert!(host_port(wrong, Some(1)).is_err(), "{wrong}");
        }
        assert!(host_port("broker", None).is_err());
    }

    #[test]
    fn a_call_is_broken_once_a_message_may_be_out() {
        let refused = || Err(Failure::Refused { code: "1".into(), message: "no".into() });
        let broken = || Err(Failure::Broken { message: "cut".into(), timed_out: true });
        assert_eq!(together(vec![Ok(()), Ok(())]), Ok(()));
        assert_eq!(together(vec![refused()]), refused());
        assert_eq!(together(vec![refused(), refused()]), refused());
        assert_eq!(together(vec![broken()]), broken());
        for some in [vec![Ok(()), refused()], vec![refused(), broken()]] {
            assert!(matches!(together(some), Err(Failure::Broken { .. })));
        }
    }

    #[test]
    fn a_header_cannot_pass_for_ours() {
        let theirs = [("offset", "7"), ("x", "1"), ("x", "2")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let meta = meta(vec![("offset", "3".into())], theirs.into_iter());
        let expected = [("offset", "3"), ("x", "1"), ("x", "2")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(meta, expected);
    }
}
