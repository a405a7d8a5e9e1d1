//! A connection's credential: what its settings say, and how it gets onto a request.
//!
//! The host adds it; a guest never holds it. Values are kept out of `Debug`, and marked sensitive
//! for the libraries below.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use jackfield_core::ports::connector::{Secrets, SettingProblem};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::client::Client;
use super::headers;
use super::settings::Settings;
use super::token::{Endpoint, OAuth2Setting, Tokens};
use crate::settings::Reader;
use crate::tls;

/// As in the settings: secrets by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CredentialSetting {
    None,
    Bearer { secret: String },
    Basic { user: String, secret: String },
    Header { name: String, secret: String, prefix: String },
    Query { name: String, secret: String },
    OAuth2(Box<OAuth2Setting>),
}

const TYPES: &str = "`none`, `bearer`, `basic`, `header`, `query` or `oauth2`";

impl CredentialSetting {
    /// Reads the table `credential`.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let kind = reader.required("type", TYPES)?;
        let setting = match kind {
            "none" => Self::None,
            "bearer" => Self::Bearer { secret: secret(reader)? },
            "basic" => {
                let user = reader.required("user", "`robot`").map(str::to_owned);
                if user.as_ref().is_some_and(|u| u.contains(':') || u.contains(char::is_control)) {
                    reader.problem("user", "cannot hold a colon or a control character in basic authentication");
                }
                let secret = secret(reader);
                Self::Basic { user: user?, secret: secret? }
            }
            "header" => {
                let name = reader.required("name", "`x-api-key`").map(str::to_ascii_lowercase);
                match &name {
                    Some(name) if HeaderName::try_from(name.as_str()).is_err() => {
                        reader.problem("name", "is no header name: letters, digits and `-`");
                    }
                    Some(name) if headers::is_hosts(name) => reader.problem("name", "is set by the host itself"),
                    _ => {}
                }
                let prefix = reader.text("prefix").unwrap_or_default().to_owned();
                if HeaderValue::try_from(prefix.as_str()).is_err() {
                    reader.problem("prefix", "holds a control character");
                }
                let secret = secret(reader);
                Self::Header { name: name?, secret: secret?, prefix }
            }
            "query" => {
                let name = reader.required("name", "`api_key`").map(str::to_owned);
                let secret = secret(reader);
                Self::Query { name: name?, secret: secret? }
            }
            "oauth2" => Self::OAuth2(Box::new(OAuth2Setting::read(reader)?)),
            other => {
                reader.problem("type", format!("`{other}` is not known; there are {TYPES}"));
                // The other keys belong to a type nobody knows: no second complaint about them.
                reader.pairs();
                return None;
            }
        };
        Some(setting)
    }

    /// The name of the secret it uses.
    pub(super) fn secret(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Bearer { secret }
            | Self::Basic { secret, .. }
            | Self::Header { secret, .. }
            | Self::Query { secret, .. } => Some(secret),
            Self::OAuth2(setting) => Some(&setting.secret),
        }
    }

    /// The header it sets, in lower case.
    pub(super) fn header(&self) -> Option<&str> {
        match self {
            Self::None | Self::Query { .. } => None,
            Self::Bearer { .. } | Self::Basic { .. } | Self::OAuth2(_) => Some("authorization"),
            Self::Header { name, .. } => Some(name),
        }
    }
}

fn secret(reader: &mut Reader<'_>) -> Option<String> {
    reader.required("secret", "`github-token`, the name of a secret").map(str::to_owned)
}

/// A credential with its secret.
pub(super) enum Credential {
    None,
    Header(HeaderName, HeaderValue),
    Query(String, SecretString),
    /// A token in the header `authorization`, which is asked for when it is needed.
    Token(Tokens),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

impl Credential {
    /// Puts a setting and the secret it names together. Where a token has to be asked for, that is done
    /// through `client`, for at most `limit`.
    ///
    /// # Errors
    ///
    /// The secret is not among `secrets`, or it cannot be put on the wire.
    pub(super) fn open(
        setting: &CredentialSetting,
        secrets: &Secrets,
        client: &Client,
        limit: Duration,
    ) -> Result<Self, SettingProblem> {
        let Some(name) = setting.secret() else { return Ok(Self::None) };
        let problem = |problem: String| SettingProblem { key: "credential.secret".into(), problem };
        let value =
            secrets.iter().find(|(known, _)| known == name).map(|(_, value)| value).ok_or_else(|| {
                problem(format!("the secret `{name}` is not set; set it with `jackfield secrets set`"))
            })?;
        let text = value.expose_secret();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(problem(format!("the secret `{name}` is empty or holds a line break or control character")));
        }
        let header = |name: HeaderName, value: String| {
            // A header's value cannot hold what was just refused, and nothing else is refused here.
            let mut value =
                HeaderValue::try_from(value).map_err(|_| problem("the secret cannot be put into a header".into()))?;
            value.set_sensitive(true);
            Ok(Self::Header(name, value))
        };
        match setting {
            CredentialSetting::None => Ok(Self::None),
            CredentialSetting::Bearer { .. } => header(AUTHORIZATION, format!("Bearer {text}")),
            CredentialSetting::Basic { user, .. } => {
                header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{user}:{text}"))))
            }
            CredentialSetting::Header { name, prefix, .. } => {
                let name = HeaderName::try_from(name.as_str()).map_err(|_| SettingProblem {
                    key: "credential.name".into(),
                    problem: "is no header name".into(),
                })?;
                header(name, format!("{prefix}{text}"))
            }
            CredentialSetting::Query { name, .. } => Ok(Self::Query(name.clone(), value.clone())),
            CredentialSetting::OAuth2(setting) => {
                Ok(Self::Token(Tokens::new(Endpoint::new(setting, value, client.clone(), limit))))
            }
        }
    }

    /// Puts it onto a request to the connection's own address. (A token is put there by whoever asked
    /// for it.)
    pub(super) fn apply(&self, url: &mut Url, headers: &mut HeaderMap) {
        match self {
            Self::None | Self::Token(_) => {}
            Self::Header(name, value) => {
                headers.insert(name.clone(), value.clone());
            }
            Self::Query(name, value) => {
                url.query_pairs_mut().append_pair(name, value.expose_secret());
            }
        }
    }

    /// Whether `url` already has the query parameter that is the credential's.
    pub(super) fn is_in(&self, url: &Url) -> bool {
        matches!(self, Self::Query(name, _) if url.query_pairs().any(|(key, _)| key == name.as_str()))
    }

    /// Takes the credential's query parameter out of a URL that the other side gave.
    pub(super) fn take_out(&self, url: &mut Url) {
        let Self::Query(name, _) = self else { return };
        if !self.is_in(url) {
            return;
        }
        let kept: Vec<(String, String)> =
            url.query_pairs().filter(|(key, _)| key != name.as_str()).map(|(k, v)| (k.into(), v.into())).collect();
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
    }
}

/// TLS towards the connection's own server, with the connection's certificate if it has one.
///
/// # Errors
///
/// A secret is missing, or what is given cannot be used.
pub(super) fn own_tls(settings: &Settings, secrets: &Secrets) -> Result<Arc<rustls::ClientConfig>, SettingProblem> {
    let problem = |key: &str, problem: String| SettingProblem { key: key.into(), problem };
    let Some(certificate) = &settings.certificate else {
        return tls::client(settings.ca.as_deref(), tls::HTTP).map_err(|text| problem("ca", text));
    };
    let name = &certificate.key;
    let key = secrets.iter().find(|(known, _)| known == name).map(|(_, value)| value).ok_or_else(|| {
        problem("tls.key", format!("the secret `{name}` is not set; set it with `jackfield secrets set {name}`"))
    })?;
    let identity = tls::Identity::read(&certificate.pem, key.expose_secret());
    let identity = identity.map_err(|text| problem("tls.key", format!("secret `{name}`: {text}")))?;
    tls::client_as(settings.ca.as_deref(), tls::HTTP, identity).map_err(|text| problem("tls", text))
}
