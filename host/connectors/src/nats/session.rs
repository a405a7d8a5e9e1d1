//! A session: one connection to one server, dialed to an address that was checked, and logged in.
//!
//! The client library resolves names and reconnects by itself. Here it is given nothing to resolve: it gets the addresses
//! that were checked, and verifies the certificate for the server's name. When its connection is lost the session is over:
//! the next one looks the name up and checks anew. Servers that a server advertises are never dialed.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError};
use jackfield_core::ports::connector::{Secrets, SettingProblem};
use jackfield_core::ports::outward::Failure;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::settings::{CredentialSetting, Server, Settings};
use super::tls::Verified;
use crate::address::Origin;
use crate::broker::Opened;
use crate::dial::DialError;
use crate::network::Network;

/// How often the server is asked whether it is still there; the third unanswered question ends the session.
const PING: Duration = Duration::from_secs(10);

/// The most messages that wait in the client library for whoever listens; those after them are dropped, and said so.
const CAPACITY: usize = 1024;

/// The most addresses of a server that are tried.
const MOST_TRIED: usize = 8;

/// The most refusals that are remembered: those of calls under way.
const MOST_REFUSALS: usize = 64;

/// Why there is no session; nothing was published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSession {
    /// The address policy refused.
    #[error("{0}")]
    Denied(String),
    /// The server does not let us in.
    #[error("{0}")]
    Login(String),
    /// It did not work out.
    #[error("{0}")]
    Failed(String),
}

impl From<NoSession> for Failure {
    fn from(none: NoSession) -> Self {
        match none {
            NoSession::Denied(text) => Self::Denied(text),
            NoSession::Login(text) | NoSession::Failed(text) => Self::NotExecuted(text),
        }
    }
}

/// How the host logs in, with the secret's value.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    setting: CredentialSetting,
    secret: Option<Opened>,
}

impl Credential {
    /// Puts a setting and the secret it names together.
    ///
    /// # Errors
    ///
    /// The secret is missing, or is not what the setting says.
    pub(super) fn open(setting: &CredentialSetting, secrets: &Secrets) -> Result<Self, SettingProblem> {
        let secret = setting.secret().map(|name| Opened::of(name, secrets)).transpose()?;
        let credential = Self { setting: setting.clone(), secret };
        credential
            .apply(ConnectOptions::new())
            .map_err(|problem| SettingProblem { key: "credential.secret".into(), problem })?;
        Ok(credential)
    }

    fn apply(&self, options: ConnectOptions) -> Result<ConnectOptions, String> {
        let Some(secret) = &self.secret else { return Ok(options) };
        let (name, value) = (&secret.name, secret.expose());
        Ok(match &self.setting {
            CredentialSetting::None => options,
            CredentialSetting::Password { user, .. } => options.user_and_password(user.clone(), value.to_owned()),
            CredentialSetting::Token { .. } => options.token(value.to_owned()),
            CredentialSetting::Nkey { .. } => {
                // The library would find out only when it logs in, and print what it was given.
                if !value.trim().starts_with('S') || value.trim().len() != 58 {
                    return Err(format!(
                        "the secret `{name}` is no nkey seed: 58 letters and digits, `SU…` for a user"
                    ));
                }
                options.nkey(value.trim().to_owned())
            }
            CredentialSetting::Creds { .. } => options
                .credentials(value)
                .map_err(|_| format!("the secret `{name}` is no text of a `.creds` file with its JWT and its seed"))?,
        })
    }

    /// The name of the secret, if there is one.
    pub(super) fn secret(&self) -> Option<&str> {
        self.secret.as_ref().map(|secret| secret.name.as_str())
    }

    /// What to look at when the server says no.
    fn blame(&self) -> String {
        match &self.secret {
            Some(secret) => format!(
                "it does not accept the connection's credential: check `credential` and the secret `{}`",
                secret.name
            ),
            None => "it wants a credential: set `credential`".into(),
        }
    }
}

/// What a server refused on a connection, besides answers: it says so in passing, some time after the message.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    said: Mutex<Vec<String>>,
    changed: watch::Sender<u64>,
}

impl Refusals {
    fn add(&self, text: String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= MOST_REFUSALS {
            said.remove(0);
        }
        said.push(text);
        self.changed.send_modify(|n| *n += 1);
    }

    /// What it refused last.
    pub(super) fn last(&self) -> Option<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    fn about(&self, subject: &str) -> Option<String> {
        let quoted = format!("\"{subject}\"");
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let at = said.iter().position(|text| text.contains(&quoted))?;
        Some(said.remove(at))
    }

    /// Returns when the server refused something about `subject`.
    pub(super) async fn refused(&self, subject: &str) -> String {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(text) = self.about(subject) {
                return text;
            }
            if changed.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// See the module.
pub(super) struct Session {
    pub(super) client: Client,
    /// The connection is lost.
    pub(super) gone: CancellationToken,
    /// What the server said no to.
    pub(super) refusals: Arc<Refusals>,
    /// How many times messages were dropped because nobody took them.
    pub(super) slow: watch::Receiver<u64>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("gone", &self.gone.is_cancelled()).finish_non_exhaustive()
    }
}

/// Makes sessions of one connection.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) network: Network,
    pub(super) settings: Settings,
    pub(super) credential: Credential,
    /// Where the next attempt begins: not always with the same server.
    turn: AtomicUsize,
}

impl Dialer {
    pub(super) fn new(network: Network, settings: Settings, credential: Credential) -> Self {
        Self { network, settings, credential, turn: AtomicUsize::new(0) }
    }

    /// Connects to the first server that lets us in. `name` is what it will know us by.
    pub(super) async fn session(&self, name: &str) -> Result<Session, NoSession> {
        let servers = &self.settings.servers;
        let begin = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut last = None;
        for i in 0..servers.len() {
            let server = &servers[(begin + i) % servers.len()];
            match self.connect(server, name).await {
                Ok(session) => return Ok(session),
                Err(none) => last = Some(none),
            }
        }
        Err(last.unwrap_or_else(|| NoSession::Failed("no server is named".into())))
    }

    /// Connects to `server`.
    pub(super) async fn connect(&self, server: &Server, name: &str) -> Result<Session, NoSession> {
        let (host, port) = (&server.host, server.port);
        let limit = self.settings.connect_timeout;
        let late = || NoSession::Failed(format!("`{host}:{port}` did not let us in within {}s", limit.as_secs_f32()));
        let begun = Instant::now();
        let found = timeout(limit, self.network.addresses(host, port, Origin::Operator)).await.map_err(|_| late())?;
        let addresses = found.map_err(|error| match error {
            DialError::Denied(text) => NoSession::Denied(text),
            DialError::Failed(text) => NoSession::Failed(text),
        })?;
        let addresses: Vec<SocketAddr> = addresses.into_iter().take(MOST_TRIED).collect();
        let verified = Verified::new(host, self.settings.ca.as_deref()).map_err(NoSession::Failed)?;
        let refusals = Arc::new(Refusals::default());
        let gone = CancellationToken::new();
        let (dropped, slow) = watch::channel(0);
        let heard = (gone.clone(), Arc::clone(&refusals), Arc::new(dropped));
        let options = ConnectOptions::new()
            .name(name)
            .ignore_discovered_servers()
            .retain_servers_order()
            .max_reconnects(addresses.len())
            .connection_timeout(limit.saturating_sub(begun.elapsed()).max(Duration::from_millis(1)))
            .ping_interval(PING)
            .request_timeout(None)
            .subscription_capacity(CAPACITY)
            .require_tls(server.tls)
            .tls_client_config(verified.config())
            .event_callback(move |event| {
                let (gone, refusals, dropped) = heard.clone();
                async move { hear(&event, &gone, &refusals, &dropped) }
            });
        let options = self.credential.apply(options).map_err(NoSession::Login)?;
        let urls: Result<Vec<ServerAddr>, _> = addresses.iter().map(|a| format!("nats://{a}").parse()).collect();
        let urls = urls.map_err(|e| NoSession::Failed(e.to_string()))?;
        match timeout(limit, options.connect(urls)).await {
            Ok(Ok(client)) => Ok(Session { client, gone, refusals, slow }),
            Ok(Err(error)) => Err(match error.kind() {
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                    NoSession::Login(format!("`{host}:{port}` does not let us in: {}", self.credential.blame()))
                }
                _ => NoSession::Failed(
                    verified.explain(&format!("cannot connect to `{host}:{port}`: {}", causes(&error))),
                ),
            }),
            Err(_) => Err(late()),
        }
    }
}

fn hear(event: &Event, gone: &CancellationToken, refusals: &Refusals, dropped: &watch::Sender<u64>) {
    match event {
        Event::Disconnected | Event::Closed => gone.cancel(),
        Event::ServerError(ServerError::Other(text)) => {
            tracing::debug!(text, "a NATS server refuses something");
            refusals.add(text.clone());
        }
        Event::SlowConsumer(_) => dropped.send_modify(|n| *n += 1),
        other => tracing::debug!(event = %other, "NATS"),
    }
}

/// An error with its causes.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
