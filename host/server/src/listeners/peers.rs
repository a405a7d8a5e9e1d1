//! Peers: how many connections each has, and who the client behind a proxy is.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use ipnet::IpNet;

/// Counts connections, in total and by address.
pub(super) struct Peers {
    total: usize,
    per_ip: usize,
    trusted: Arc<[IpNet]>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    by_ip: HashMap<IpAddr, usize>,
}

impl Peers {
    pub(super) fn new(total: usize, per_ip: usize, trusted: Arc<[IpNet]>) -> Arc<Self> {
        Arc::new(Self { total, per_ip, trusted, counts: Mutex::default() })
    }

    /// A place for one more connection, unless a cap is met: the connection is then closed at once,
    /// since one that waits in line would keep others from being served.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let per_ip = if is_trusted(address, &self.trusted) { self.total } else { self.per_ip };
        let key = counted_as(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.by_ip.get(&key).copied().unwrap_or(0);
        if counts.total >= self.total || own >= per_ip {
            return None;
        }
        counts.total += 1;
        counts.by_ip.insert(key, own + 1);
        Some(Place { peers: self.clone(), key })
    }
}

/// One connection, as long as it lives.
pub(super) struct Place {
    peers: Arc<Peers>,
    key: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.peers.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        if let Some(own) = counts.by_ip.get_mut(&self.key) {
            *own -= 1;
            if *own == 0 {
                counts.by_ip.remove(&self.key);
            }
        }
    }
}

/// An IPv6 peer has a whole /64 to itself.
fn counted_as(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The client: the peer, or if it is a trusted proxy, the last address in `X-Forwarded-For` that is
/// not one. What stands further to the left the client could have written itself.
pub(super) fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> SocketAddr {
    let mut client = peer.ip().to_canonical();
    if trusted.is_empty() || !is_trusted(client, trusted) {
        return peer;
    }
    let hops = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).map(str::trim).collect();
    for hop in hops.iter().rev() {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(client, trusted) {
            break;
        }
    }
    SocketAddr::new(client, peer.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn threat_045_caps_in_total_and_by_address() {
        let peers = Peers::new(4, 2, Arc::from(["10.0.0.0/8".parse().unwrap()]));
        let one = peers.enter(ip("192.0.2.1")).unwrap();
        let _two = peers.enter(ip("::ffff:192.0.2.1")).unwrap();
        assert!(peers.enter(ip("192.0.2.1")).is_none(), "a third of one address");
        let _six = peers.enter(ip("2001:db8::1")).unwrap();
        let _seven = peers.enter(ip("2001:db8::2")).unwrap();
        assert!(peers.enter(ip("192.0.2.9")).is_none(), "a fifth in total");
        drop(one);
        assert!(peers.enter(ip("2001:db8::3")).is_none(), "a third of one /64");
        assert!(peers.enter(ip("192.0.2.1")).is_some(), "a place came free");
    }

    #[test]
    fn a_trusted_proxy_is_not_one_client() {
        let peers = Peers::new(4, 1, Arc::from(["10.0.0.0/8".parse().unwrap()]));
        let all: Vec<_> = (0..4).map_while(|_| peers.enter(ip("10.1.1.1"))).collect();
        assert_eq!(all.len(), 4);
        drop(all);
        assert!(peers.counts.lock().unwrap().by_ip.is_empty());
    }

    #[track_caller]
    fn client_is(peer: &str, forwarded: &[&str], expected: &str) {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        assert_eq!(client(SocketAddr::new(ip(peer), 9), &headers, &trusted).ip(), ip(expected));
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        client_is("192.0.2.1", &["198.51.100.1"], "192.0.2.1");
        client_is("10.1.1.1", &[], "10.1.1.1");
        client_is("10.1.1.1", &["198.51.100.1"], "198.51.100.1");
        client_is("10.1.1.1", &["127.0.0.1, 198.51.100.1, 10.2.2.2"], "198.51.100.1");
        client_is("10.1.1.1", &["127.0.0.1", "198.51.100.1"], "198.51.100.1");
        client_is("10.1.1.1", &["198.51.100.1, nonsense"], "10.1.1.1");
        client_is("10.1.1.1", &["10.3.3.3"], "10.3.3.3");
    }
}
