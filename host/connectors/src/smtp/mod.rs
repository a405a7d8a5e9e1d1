//! The smtp plug: hands mails to one mail server.
//!
//! Not here: who may be written to, and sizes, which the hatch asked before it came here.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jackfield_core::grant::Capability;
use jackfield_core::ports::connector::{Connector, Finding, Opened, Secrets, SettingProblem};
use jackfield_core::ports::email::{Email, Mail};
use jackfield_core::ports::outward::{Failure, Sending};
use lettre::message::Mailbox;
use serde_json::{Map, Value};

mod address;
mod conversation;
mod message;
mod sessions;
mod settings;
mod test;

#[cfg(test)]
mod tests;

use self::sessions::{Credential, Sessions};
use self::settings::Settings;
use crate::address::Origin;
use crate::http::client::Dialer;
use crate::network::Network;
use crate::settings::secret;
use crate::tls;

/// The connector of kind `smtp`.
#[derive(Debug)]
pub struct SmtpConnector {
    network: Network,
}

impl SmtpConnector {
    /// Its connections dial through `network`.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        Self { network: network.clone() }
    }

    fn link(&self, settings: Settings, secrets: &Secrets) -> Result<Link, SettingProblem> {
        let tls =
            tls::client(settings.ca.as_deref(), &[]).map_err(|problem| SettingProblem { key: "ca".into(), problem })?;
        let (network, timeout) = (self.network.clone(), settings.connect_timeout);
        let dialer = Dialer { network, origin: Origin::Operator, tls, timeout };
        let credential = match settings.credential {
            None => None,
            Some(login) => {
                let password = secret(secrets, &login.secret)?.clone();
                Some(Credential { user: login.user, secret: login.secret, password })
            }
        };
        let server = (settings.host, settings.port);
        let sessions = Sessions::new(dialer, server, settings.security, credential, settings.pool);
        Ok(Link { sessions, sender: Sender::new(settings.sender), timeout: settings.timeout })
    }
}

#[async_trait]
impl Connector for SmtpConnector {
    fn kind(&self) -> &'static str {
        "smtp"
    }

    fn serves(&self) -> &'static [Capability] {
        &[Capability::Email]
    }

    fn check(&self, settings: &Map<String, Value>) -> Result<(), Vec<SettingProblem>> {
        Settings::read(settings).map(|_| ())
    }

    fn secrets(&self, settings: &Map<String, Value>) -> Vec<String> {
        let credential = Settings::read(settings).ok().and_then(|settings| settings.credential);
        credential.map(|login| login.secret).into_iter().collect()
    }

    fn open(&self, settings: &Map<String, Value>, secrets: &Secrets) -> Result<Opened, Vec<SettingProblem>> {
        let link = self.link(Settings::read(settings)?, secrets).map_err(|problem| vec![problem])?;
        Ok(Opened { email: Some(Arc::new(link)), ..Opened::default() })
    }

    fn offline(&self, _schema: Option<&str>, sender: Option<&str>) -> Opened {
        let sender = Sender::new(sender.and_then(|text| address::mailbox(text).ok()));
        Opened { email: Some(Arc::new(Offline { sender })), ..Opened::default() }
    }

    async fn test(&self, settings: &Map<String, Value>, secrets: &Secrets, limit: Duration) -> Vec<Finding> {
        test::test(self, settings, secrets, limit).await
    }
}

/// Who sends mails that name nobody.
struct Sender {
    mailbox: Option<Mailbox>,
    /// As an address alone.
    address: Option<String>,
}

impl Sender {
    fn new(mailbox: Option<Mailbox>) -> Self {
        let address = mailbox.as_ref().map(|mailbox| mailbox.email.to_string());
        Self { mailbox, address }
    }
}

/// An opened connection.
struct Link {
    sessions: Sessions,
    sender: Sender,
    timeout: Duration,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("host", &self.sessions.host).finish_non_exhaustive()
    }
}

impl Link {
    async fn hand_over(&self, mail: &message::Outgoing, ended: &AtomicBool) -> Result<(), Failure> {
        let _place = self.sessions.place().await;
        let mut conversation = self.sessions.get().await?;
        let sent = conversation.send(mail, ended).await;
        // After an answer the session is in order; after silence nobody knows.
        if !matches!(sent, Err(Failure::Broken { .. })) {
            self.sessions.keep(conversation);
        }
        sent
    }
}

#[async_trait]
impl Email for Link {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn sender(&self) -> Option<&str> {
        self.sender.address.as_deref()
    }

    fn address(&self, text: &str) -> Result<String, String> {
        address::mailbox(text).map(|mailbox| mailbox.email.to_string())
    }

    async fn send(&self, mail: &Mail, with: &Sending) -> Result<String, Failure> {
        let mail = message::compose(mail, self.sender.mailbox.as_ref(), &with.key).map_err(Failure::Invalid)?;
        let ended = AtomicBool::new(false);
        let sent = tokio::time::timeout(with.timeout, self.hand_over(&mail, &ended)).await;
        let sent = sent.unwrap_or_else(|_| {
            Err(match ended.load(Ordering::SeqCst) {
                true => {
                    Failure::Broken { message: "the mail was sent, and no answer came in time".into(), timed_out: true }
                }
                false => Failure::NotExecuted("the mail server did not take the mail in time".into()),
            })
        });
        sent.map(|()| mail.message_id).map_err(|failure| self.clean(failure))
    }
}

impl Link {
    fn clean(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Refused { code, message } => Failure::Refused { code, message: self.sessions.clean(&message) },
            Failure::NotExecuted(text) => Failure::NotExecuted(self.sessions.clean(&text)),
            other => other,
        }
    }
}

/// Reads addresses, and sends nothing.
struct Offline {
    sender: Sender,
}

#[async_trait]
impl Email for Offline {
    fn timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn sender(&self) -> Option<&str> {
        self.sender.address.as_deref()
    }

    fn address(&self, text: &str) -> Result<String, String> {
        address::mailbox(text).map(|mailbox| mailbox.email.to_string())
    }

    async fn send(&self, _: &Mail, _: &Sending) -> Result<String, Failure> {
        Err(Failure::NotExecuted("a recording is played: nothing is sent".into()))
    }
}
