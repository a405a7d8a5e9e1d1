//! Dialing: a name is resolved once, every address is checked, and a checked one is connected to.
//!
//! Not here: TLS (`tls.rs`), and keeping connections (each plug's own pool).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::address::{self, Origin};
use crate::network::{Denied, Network};

/// How long an address gets before the next is tried beside it. Source: RFC 8305, section 5.
const STAGGER: Duration = Duration::from_millis(250);

/// The most addresses of a name that are tried. All are checked.
const MOST_TRIED: usize = 8;

/// Why there is no connection; nothing was sent.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The policy refused.
    #[error("{0}")]
    Denied(String),
    /// It did not work out.
    #[error("{0}")]
    Failed(String),
}

impl Network {
    /// Resolves `host` (a name, or an address, in brackets if IPv6), and checks what it stands for.
    /// One address that is refused refuses all: a name that points inside and outside is a trick or
    /// a mistake.
    pub(crate) async fn addresses(&self, host: &str, port: u16, origin: Origin) -> Result<Vec<SocketAddr>, DialError> {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let found = match literal {
            Ok(address) => vec![address],
            Err(_) => {
                if let Err(reason) = address::check_name(host) {
                    let denied = Denied { origin, host: host.into(), port, address: None, reason: reason.clone() };
                    self.denied(denied);
                    return Err(DialError::Denied(reason));
                }
                self.resolve(host).await.map_err(|e| DialError::Failed(unknown(host, &e)))?
            }
        };
        if found.is_empty() {
            return Err(DialError::Failed(format!("the name `{host}` has no address")));
        }
        let mut refusal = None;
        for &address in &found {
            if let Some(what) = self.refused(SocketAddr::new(address, port), origin) {
                let (host, address, reason) = (host.to_owned(), Some(address), what.to_owned());
                self.denied(Denied { origin, host, port, address, reason });
                refusal.get_or_insert(what);
            }
        }
        match refusal {
            None => Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()),
            Some(what) if literal_host(host) => {
                Err(DialError::Denied(format!("`{host}:{port}` must not be called: it is {what}")))
            }
            // The address itself is for the audit log: a guest could map a network with it.
            Some(what) => {
                Err(DialError::Denied(format!("`{host}:{port}` must not be called: one of its addresses is {what}")))
            }
        }
    }

    /// Connects to the first of `addresses` (checked, of `host`) that answers.
    pub(crate) async fn connect(&self, host: &str, addresses: &[SocketAddr]) -> Result<TcpStream, DialError> {
        let mut waiting = interleaved(addresses).into_iter().take(MOST_TRIED);
        let mut trying = FuturesUnordered::new();
        let mut last = None;
        loop {
            match waiting.next() {
                Some(address) => trying.push(TcpStream::connect(address)),
                None if trying.is_empty() => break,
                None => {}
            }
            let next = Instant::now() + STAGGER;
            let more = waiting.len() > 0;
            tokio::select! {
                Some(tried) = trying.next() => match tried {
                    Ok(stream) => {
                        // Requests are written whole: waiting to fill a packet only delays them.
                        let _ = stream.set_nodelay(true);
                        return Ok(stream);
                    }
                    Err(e) => last = Some(e),
                },
                () = sleep_until(next), if more => {}
            }
        }
        let port = addresses.first().map_or(0, SocketAddr::port);
        Err(DialError::Failed(not_connected(host, port, last.as_ref())))
    }
}

fn literal_host(host: &str) -> bool {
    host.starts_with('[') || host.parse::<IpAddr>().is_ok()
}

/// By turns IPv6 and IPv4, starting with the resolver's first choice.
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (mut these, mut those) = (Vec::new(), Vec::new());
    for address in addresses {
        if address.is_ipv6() == first.is_ipv6() { these.push(*address) } else { those.push(*address) }
    }
    let mut out = Vec::with_capacity(addresses.len());
    let mut those = those.into_iter();
    for address in these {
        out.push(address);
        out.extend(those.next());
    }
    out.extend(those);
    out
}

fn unknown(host: &str, error: &io::Error) -> String {
    format!("the name `{host}` cannot be resolved: {error}")
}

fn not_connected(host: &str, port: u16, error: Option<&io::Error>) -> String {
    match error {
        Some(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            format!("`{host}:{port}` refused the connection: nothing listens there")
        }
        Some(e) => format!("cannot connect to `{host}:{port}`: {e}"),
        None => format!("cannot connect to `{host}:{port}`"),
    }
}
