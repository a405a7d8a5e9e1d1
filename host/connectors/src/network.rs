//! The network as every dialing connector shares it: whose address, our own listeners, the resolver
//! and who is told of a refusal.
//!
//! Not here: the table of addresses ([`crate::address`]) and how a connection is made (`dial.rs`).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use crate::address::{self, Origin};

/// Looks names up.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Every address of `name`, in the order they should be tried.
    ///
    /// # Errors
    ///
    /// The name is unknown, or nobody answers.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|a| a.ip()).collect())
    }
}

/// A destination that was refused, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Who named it.
    pub origin: Origin,
    /// The host, as in the URL.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The address it stands for; none if the URL or the name alone was enough.
    pub address: Option<IpAddr>,
    /// Why: the kind of address, or what is wrong with the URL.
    pub reason: String,
}

/// Told of each refusal; the host writes an audit entry. Must not block.
pub type Audit = Arc<dyn Fn(Denied) + Send + Sync>;

/// See the module. A handle: clones share the listeners.
#[derive(Clone)]
pub struct Network {
    resolver: Arc<dyn Resolve>,
    audit: Audit,
    own: Arc<RwLock<Vec<SocketAddr>>>,
    strict: bool,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("own", &self.own).field("strict", &self.strict).finish_non_exhaustive()
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new(Arc::new(SystemResolver), Arc::new(|_| {}))
    }
}

impl Network {
    /// Looks names up with `resolver` and tells `audit` of each refusal. No own listeners yet.
    #[must_use]
    pub fn new(resolver: Arc<dyn Resolve>, audit: Audit) -> Self {
        Self { resolver, audit, own: Arc::default(), strict: false }
    }

    /// The same network for an environment with `private_addresses = "deny"`: what an operator
    /// names is judged as if a guest had named it.
    #[must_use]
    pub fn strict(&self) -> Self {
        Self { strict: true, ..self.clone() }
    }

    /// Says where this host itself listens: nothing dials there. Replaces what was said before.
    pub fn set_own_listeners(&self, listeners: Vec<SocketAddr>) {
        *self.own.write().unwrap_or_else(PoisonError::into_inner) = listeners;
    }

    /// `Origin::Guest` if this network is strict.
    pub(crate) fn judged_as(&self, origin: Origin) -> Origin {
        if self.strict { Origin::Guest } else { origin }
    }

    /// Why `address` may not be dialed; none if it may.
    pub(crate) fn refused(&self, address: SocketAddr, origin: Origin) -> Option<&'static str> {
        if self.is_own(address) {
            return Some("a listener of this host");
        }
        address::refused(address.ip(), self.judged_as(origin))
    }

    /// The addresses of `name` as the resolver gives them; nothing checked.
    pub(crate) async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.resolver.resolve(name).await
    }

    /// Tells the audit log.
    pub(crate) fn denied(&self, denied: Denied) {
        tracing::info!(host = denied.host, port = denied.port, reason = denied.reason, "refused to connect");
        (self.audit)(denied);
    }

    fn is_own(&self, to: SocketAddr) -> bool {
        let ip = to.ip().to_canonical();
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        own.iter().filter(|own| own.port() == to.port()).any(|own| {
            let at = own.ip().to_canonical();
            at == ip
                || (at.is_loopback() && ip.is_loopback())
                || (at.is_unspecified() && (ip.is_loopback() || ip.is_unspecified() || is_local(ip)))
        })
    }
}

/// Whether `ip` is an address of this machine: only those can be bound. (Where the system was told
/// to bind any, all count as local: too strict rather than too lax.)
fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}
