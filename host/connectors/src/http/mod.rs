//! The http plug: connections to one base URL with a credential, and bare calls without.
//!
//! Not here: grants, budgets and the journal, which the hatch asked before it came here.

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use async_trait::async_trait;
use jackfield_core::grant::{Capability, Grants};
use jackfield_core::ids::ConnectionName;
use jackfield_core::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem, TriggerWord};
use jackfield_core::ports::http::Http;
use jackfield_core::ports::source::Source;
use jackfield_core::redact::Redactor;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

mod body;
pub(crate) mod client;
mod credential;
mod headers;
mod link;
mod poll;
mod redirect;
mod settings;
mod test;
mod token;

#[cfg(test)]
mod tests;

use self::client::{Client, Dialer};
use self::credential::{Credential, own_tls};
use self::link::Link;
use self::poll::{Poll, Wanted};
use self::settings::Settings;
use crate::address::Origin;
use crate::network::Network;
use crate::tls;

/// The longest pause between two pieces of a response's body.
const IDLE: Duration = Duration::from_secs(30);

/// The connector of kind `http`.
#[derive(Debug)]
pub struct HttpConnector {
    network: Network,
}

impl HttpConnector {
    /// Its connections dial through `network`.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        Self { network: network.clone() }
    }

    fn link(&self, settings: Settings, secrets: &Secrets) -> Result<Link, SettingProblem> {
        let tls = own_tls(&settings, secrets)?;
        let plain_tls = match (&settings.ca, &settings.certificate) {
            (None, None) => Arc::clone(&tls),
            // Who answers with a redirect does not choose that the operator's own authority vouches, or to whom the
            // connection's certificate is shown.
            _ => tls::client(None, tls::HTTP).map_err(|problem| SettingProblem { key: "ca".into(), problem })?,
        };
        let dialer =
            |origin, tls| Dialer { network: self.network.clone(), origin, tls, timeout: settings.connect_timeout };
        let own = Client::new(dialer(Origin::Operator, tls));
        let credential = Credential::open(&settings.credential, secrets, &own, settings.timeout)?;
        let named = settings.credential.secret();
        let values = secrets.iter().filter(|(name, _)| Some(name.as_str()) == named).map(|(_, v)| v.expose_secret());
        Ok(Link {
            network: self.network.clone(),
            redactor: Redactor::new(values),
            reserved: reserved(&settings),
            own: Some(own),
            foreign: Client::new(dialer(Origin::Guest, plain_tls)),
            base: Some(settings.base),
            keyed: settings.keyed,
            timeout: settings.timeout,
            idle: IDLE,
            fixed: settings.headers,
            credential,
        })
    }
}

/// The headers a guest cannot set on a connection.
fn reserved(settings: &Settings) -> Vec<String> {
    let mut reserved: Vec<String> = headers::HOSTS.iter().map(|name| (*name).to_owned()).collect();
    if let Some(header) = settings.credential.header() {
        reserved.push(header.to_owned());
    }
    if settings.credential.secret().is_some() && settings.credential.header() != Some("authorization") {
        reserved.push("authorization".to_owned());
    }
    reserved
}

#[async_trait]
impl Connector for HttpConnector {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn serves(&self) -> &'static [Capability] {
        &[Capability::Http]
    }

    fn check(&self, settings: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Settings::read(settings).map(|_| ())
    }

    fn secrets(&self, settings: &Map<String, Value>) -> Vec<String> {
        let Ok(settings) = Settings::read(settings) else { return Vec::new() };
        let mut names: Vec<String> = settings.credential.secret().map(str::to_owned).into_iter().collect();
        names.extend(settings.certificate.map(|certificate| certificate.key));
        names.dedup();
        names
    }

    fn open(&self, settings: &Map<String, Value>, secrets: &Secrets) -> Result<Opened, Vec<SettingProblem>> {
        let link = self.link(Settings::read(settings)?, secrets).map_err(|problem| vec![problem])?;
        Ok(Opened { http: Some(Arc::new(link)), ..Opened::default() })
    }

    async fn test(&self, settings: &Map<String, Value>, secrets: &Secrets, limit: Duration) -> Vec<Finding> {
        test::test(self, settings, secrets, limit).await
    }

    fn trigger(&self) -> Option<TriggerWord> {
        Some(TriggerWord { kind: "poll", example: poll::EXAMPLE })
    }

    fn check_trigger(&self, trigger: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Wanted::read(trigger).map(|_| ())
    }

    fn check_reach(
        &self,
        connection: &ConnectionName,
        trigger: &Map<String, Value>,
        grants: &Grants,
    ) -> Result<(), Vec<SettingProblem>> {
        Wanted::read(trigger)?.check_reach(connection, grants).map_err(|problem| vec![problem])
    }

    fn source(
        &self,
        settings: &Map<String, Value>,
        secrets: &Secrets,
        trigger: &Map<String, Value>,
    ) -> Result<Arc<dyn Source>, Vec<SettingProblem>> {
        let link = self.link(Settings::read(settings)?, secrets).map_err(|problem| vec![problem])?;
        Ok(Arc::new(Poll::new(link, Wanted::read(trigger)?)))
    }
}

/// The port for URLs that are granted without a connection: no credential, public addresses only.
#[must_use]
pub fn bare(network: &Network) -> Arc<dyn Http> {
    let tls = tls::client(None, tls::HTTP).expect("the system's authorities were accepted one by one");
    let timeout = settings::CONNECT_TIMEOUT;
    let dialer = Dialer { network: network.clone(), origin: Origin::Guest, tls, timeout };
    Arc::new(Link {
        network: network.clone(),
        redactor: Redactor::none(),
        reserved: headers::HOSTS.iter().map(|name| (*name).to_owned()).collect(),
        own: None,
        foreign: Client::new(dialer),
        base: None,
        keyed: false,
        timeout: settings::TIMEOUT,
        idle: IDLE,
        fixed: HeaderMap::new(),
        credential: Credential::None,
    })
}
