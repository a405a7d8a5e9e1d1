//! The throttle on failed logins: how often a peer, and all peers together, may be wrong.
//!
//! It counts failures alone. A good token is never held up by somebody else's bad ones, so nobody
//! can lock an operator out; guessing is hopeless anyhow against 256 random bits, and this keeps
//! it cheap and out of the log.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Failures of one peer at once, then one every two seconds.
const PEER_BURST: u32 = 20;
const PEER_EVERY: Duration = Duration::from_secs(2);
/// Failures of all peers at once, and each second afterwards.
const ALL_BURST: u32 = 200;
const ALL_PER_SECOND: u32 = 20;
/// Peers remembered before those that have recovered are forgotten.
const PEERS: usize = 10_000;

/// Counts failed logins.
pub(super) struct Throttle {
    peer: DefaultKeyedRateLimiter<Peer>,
    all: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

/// Whose failures are counted together: an IPv4 address, or an IPv6 /64, which is one customer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Peer {
    Unknown,
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<Option<IpAddr>> for Peer {
    fn from(address: Option<IpAddr>) -> Self {
        match address.map(|a| a.to_canonical()) {
            None => Self::Unknown,
            Some(IpAddr::V4(a)) => Self::V4(a.octets()),
            Some(IpAddr::V6(a)) => {
                let mut prefix = [0; 8];
                prefix.copy_from_slice(&a.octets()[..8]);
                Self::V6(prefix)
            }
        }
    }
}

const fn positive(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => NonZeroU32::MIN,
    }
}

impl Throttle {
    pub(super) fn new() -> Self {
        // The period is a constant above zero, so there is a quota.
        let peer = Quota::with_period(PEER_EVERY).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        Self {
            peer: RateLimiter::hashmap(peer.allow_burst(positive(PEER_BURST))),
            all: RateLimiter::direct(Quota::per_second(positive(ALL_PER_SECOND)).allow_burst(positive(ALL_BURST))),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one failure of `peer`. `Err` says that there were too many, and when to come again.
    pub(super) fn failed(&self, peer: Option<IpAddr>) -> Result<(), Duration> {
        if self.peer.len() > PEERS {
            self.peer.retain_recent();
            self.peer.shrink_to_fit();
        }
        let now = self.clock.now();
        // The peer first: one that is over its own limit does not use up what all share.
        self.peer.check_key(&Peer::from(peer)).map_err(|not_until| not_until.wait_time_from(now))?;
        self.all.check().map_err(|not_until| not_until.wait_time_from(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_091_a_peer_is_cut_off_and_others_are_not() {
        let throttle = Throttle::new();
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..PEER_BURST {
            assert!(throttle.failed(Some(one)).is_ok());
        }
        let wait = throttle.failed(Some(one)).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= PEER_EVERY, "{wait:?}");
        assert!(throttle.failed(Some(other)).is_ok());
        assert!(throttle.failed(Some("::ffff:192.0.2.1".parse().unwrap())).is_err(), "the same peer, mapped");
    }

    #[test]
    fn threat_091_all_peers_together_have_a_limit_too() {
        let throttle = Throttle::new();
        let refused = (0..4 * ALL_BURST).filter(|n| {
            let address = std::net::Ipv6Addr::from_bits(u128::from(*n) << 64);
            throttle.failed(Some(address.into())).is_err()
        });
        assert!(refused.count() >= 2 * ALL_BURST as usize);
    }

    #[test]
    fn an_ipv6_customer_is_one_peer() {
        assert_eq!(
            Peer::from(Some("2001:db8::1".parse().unwrap())),
            Peer::from(Some("2001:db8::ffff:2".parse().unwrap()))
        );
        assert_ne!(
            Peer::from(Some("2001:db8::1".parse().unwrap())),
            Peer::from(Some("2001:db8:0:1::1".parse().unwrap()))
        );
    }
}
