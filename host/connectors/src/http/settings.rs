//! The settings of an http connection, as checked.
//!
//! Not here: secrets' values, which come only when the connection is opened.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jackfield_core::ports::connector::SettingProblem;
use serde_json::{Map, Value};
use url::Url;

use super::credential::CredentialSetting;
use super::headers;
use crate::address::{self, Origin};
use crate::settings::Reader;
use crate::tls;

/// A call's time limit if `timeout` is not set.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
/// The time to resolve, connect and shake hands if `connect_timeout` is not set.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// See the module; whoever holds one need not check again.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) base: Url,
    pub(super) credential: CredentialSetting,
    /// Set on every request, in place of the guest's.
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    /// The other side honours `Idempotency-Key`.
    pub(super) keyed: bool,
    /// More authorities to trust, PEM text.
    pub(super) ca: Option<String>,
    /// Shown to a server that asks for a certificate.
    pub(super) certificate: Option<Certificate>,
    /// The harmless request that proves the credential in a connection test.
    pub(super) test: Option<TestRequest>,
}

/// A client's certificate; its key is the secret of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// PEM text, with its chain.
    pub(super) pem: String,
    pub(super) key: String,
}

impl Certificate {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let pem =
            reader.required("certificate", "PEM text, `-----BEGIN CERTIFICATE-----` and so on").map(str::to_owned);
        if let Some(Err(problem)) = pem.as_deref().map(tls::certificates) {
            reader.problem("certificate", problem);
        }
        let key = reader.required("key", "`partner-key`, the name of a secret").map(str::to_owned);
        if key.as_ref().is_some_and(|key| key.contains("-----")) {
            reader.problem("key", "is a key itself; put it into a secret, and write the secret's name");
        }
        Some(Self { pem: pem?, key: key? })
    }
}

/// `GET /user`: a request that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TestRequest {
    pub(super) method: String,
    /// Below the base.
    pub(super) path: String,
}

impl TestRequest {
    /// What may be sent without changing anything on the other side.
    const METHODS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

    fn read(text: &str) -> Result<Self, String> {
        match text.split_once(' ') {
            Some((method, path)) if Self::METHODS.contains(&method) && path.starts_with('/') => {
                Ok(Self { method: method.into(), path: path.into() })
            }
            _ => Err(format!(
                "write a method that changes nothing ({}) and a path below `base_url`, such as `GET /user`",
                Self::METHODS.join(", ")
            )),
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
        let base = base(&mut reader);
        let credential = match reader.table("credential", CredentialSetting::read) {
            Some(credential) => credential,
            None => CredentialSetting::None,
        };
        let headers = reader.table("headers", |r| Some(fixed(r, &credential))).unwrap_or_default();
        let timeout = reader.duration("timeout", TIMEOUT, LONGEST_TIMEOUT);
        let connect_timeout = reader.duration("connect_timeout", CONNECT_TIMEOUT, LONGEST_CONNECT_TIMEOUT);
        let keyed = match reader.text("idempotency") {
            None | Some("none") => false,
            Some("header") => true,
            Some(other) => {
                let problem = format!(
                    "`{other}` is not known; `header` if the other side honours `Idempotency-Key`, else `none`"
                );
                reader.problem("idempotency", problem);
                false
            }
        };
        let ca = reader.ca();
        let certificate = reader.table("tls", Certificate::read);
        if certificate.is_some() && base.as_ref().is_some_and(|base| base.scheme() != "https") {
            reader.problem("tls", "is of no use without TLS: write `base_url` with https");
        }
        let test = match reader.text("test").map(TestRequest::read).transpose() {
            Ok(test) => test,
            Err(problem) => {
                reader.problem("test", problem);
                None
            }
        };
        let problems = reader.finish();
        match base {
            Some(base) if problems.is_empty() => {
                Ok(Self { base, credential, headers, timeout, connect_timeout, keyed, ca, certificate, test })
            }
            _ => Err(problems),
        }
    }
}

fn base(reader: &mut Reader<'_>) -> Option<Url> {
    const KEY: &str = "base_url";
    let text = reader.required(KEY, "`https://api.example.com`")?;
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(e) => {
            reader.problem(KEY, format!("`{text}` is not an absolute URL ({e}); for example https://api.example.com"));
            return None;
        }
    };
    // Not shown: it may hold a password.
    if !url.username().is_empty() || url.password().is_some() {
        reader.problem(KEY, "holds a user name or password; put them under `credential`, the password as a secret");
        return None;
    }
    if let Err(problem) = address::check_url(&url, Origin::Operator) {
        reader.problem(KEY, problem);
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        reader.problem(KEY, "has a query or a fragment; a fixed query parameter is a `credential` of type `query`");
        return None;
    }
    Some(url)
}

fn fixed(reader: &mut Reader<'_>, credential: &CredentialSetting) -> HeaderMap {
    let mut fixed = HeaderMap::new();
    for (name, value) in reader.pairs() {
        let parsed = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        let Some((header, value)) = parsed else {
            reader.problem(name, "is no header: letters, digits and `-` in the name, no line breaks in the value");
            continue;
        };
        if headers::is_hosts(header.as_str()) {
            reader.problem(name, "is set by the host itself");
        } else if credential.header().is_some_and(|theirs| header.as_str().eq_ignore_ascii_case(theirs)) {
            reader.problem(name, "is the credential's header; set it in one place");
        } else if header == http::header::AUTHORIZATION {
            reader.problem(name, "is a credential: use `credential`, which keeps it as a secret");
        } else {
            fixed.append(header, value);
        }
    }
    fixed
}
