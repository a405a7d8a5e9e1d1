//! The host as a whole: what the doors share.
//!
//! Built in [`build`], started and stopped in order in [`serve`]. Not here: what a door does.

pub mod build;
pub mod serve;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use jackfield_core::bulk::Bulk;
use jackfield_core::clock::{Clock, Rng, Timestamp};
use jackfield_core::executor::Executor;
use jackfield_core::intake::{Intake, Releases};
use jackfield_core::logs::Logs;
use jackfield_core::metrics::Metrics;
use jackfield_core::outside::Outside;
use jackfield_core::sources::Sources;
use jackfield_core::store::{Store, StoreError};
use jackfield_sandbox::code::CodeStore;

use crate::config::Config;
use crate::health::Health;
use crate::hold::Hold;
use crate::setup::SetupToken;
use crate::triggers::webhook::Hooks;

/// Everything the doors share.
pub struct Host {
    /// The checked configuration.
    pub config: Config,
    /// Runs, journals, releases, secrets, kv, tokens.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Connections and secrets, opened.
    pub outside: Arc<Outside>,
    /// What is active where.
    pub releases: Arc<Releases>,
    /// The way of an event into the queue.
    pub intake: Arc<Intake>,
    /// The triggers that hear from other systems.
    pub sources: Arc<Sources>,
    /// Whoever runs what is due.
    pub executor: Arc<Executor>,
    /// Whoever works through many dead letters.
    pub bulk: Arc<Bulk>,
    /// Artifacts and their compiled code.
    pub code: Arc<CodeStore>,
    /// Guest logs.
    pub logs: Arc<Logs>,
    /// The ledger's metrics.
    pub metrics: Arc<Metrics>,
    /// All metrics of this host.
    pub registry: prometheus::Registry,
    /// Addresses of webhooks.
    pub hooks: Hooks,
    /// Whether the host waits for a person after a restore.
    pub hold: Hold,
    /// The way to the first token.
    pub setup: SetupToken,
    /// Whether the host is ready, and why not.
    pub health: Health,
    /// When the host started.
    pub started: Timestamp,
    /// Where it listens; set once the listeners are bound.
    pub addresses: OnceLock<Addresses>,
}

/// The listeners' real addresses, also where the configuration says port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Addresses {
    /// Hooks.
    pub ingress: SocketAddr,
    /// The admin API.
    pub admin: SocketAddr,
    /// Metrics and health.
    pub metrics: SocketAddr,
}

impl Host {
    /// To be called after every release: refreshes what is active and which hooks lead to it.
    ///
    /// # Errors
    ///
    /// What the store answered; the release itself stands.
    pub async fn released(&self) -> Result<(), StoreError> {
        self.releases.refresh().await?;
        self.hooks.refresh(&*self.store).await
    }

    /// The address of a hook as the outside world sees it.
    #[must_use]
    pub fn hook_url(&self, token: &str) -> String {
        let base = match &self.config.ingress.url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => {
                let listen = self.addresses.get().map_or(self.config.ingress.listen, |addresses| addresses.ingress);
                base_url(listen, self.config.ingress.tls.is_some())
            }
        };
        format!("{base}/hooks/{token}")
    }
}

/// The base URL of a listener for somebody on this machine.
#[must_use]
pub fn base_url(mut address: SocketAddr, tls: bool) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    format!("{}://{address}", if tls { "https" } else { "http" })
}
