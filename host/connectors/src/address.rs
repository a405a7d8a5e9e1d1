//! Whose address: which IP addresses may be dialed, by who named them.
//!
//! Data and pure functions. Not here: resolving names, our own listeners, dialing (see
//! [`crate::Network`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// Who named the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An operator, in a connection's settings: private and loopback addresses are allowed.
    Operator,
    /// A guest or an answer: an absolute URL that no connection covers, a redirect. Only public
    /// addresses are allowed.
    Guest,
}

/// Who may reach a range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Operators,
    Nobody,
}
use Who::{Nobody, Operators};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(head: [u16; 4], tail: [u16; 4], prefix: u8) -> Ipv6Net {
    let ([a, b, c, d], [e, f, g, h]) = (head, tail);
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

const O: [u16; 4] = [0; 4];

/// IPv4 ranges that are not simply public. The first that matches decides.
///
/// Source: the IANA IPv4 special-purpose registry and the metadata services of the large clouds.
const V4: &[(Ipv4Net, &str, Who)] = &[
    (v4(100, 100, 100, 200, 32), "a metadata service", Nobody), // Alibaba
    (v4(168, 63, 129, 16, 32), "a metadata service", Nobody),   // Azure
    (v4(192, 0, 0, 192, 32), "a metadata service", Nobody),     // Oracle
    (v4(169, 254, 0, 0, 16), "link-local, where metadata services are", Nobody),
    (v4(0, 0, 0, 0, 8), "unspecified", Nobody),
    (v4(10, 0, 0, 0, 8), "private", Operators),
    (v4(172, 16, 0, 0, 12), "private", Operators),
    (v4(192, 168, 0, 0, 16), "private", Operators),
    (v4(100, 64, 0, 0, 10), "private (carrier-grade NAT)", Operators),
    (v4(127, 0, 0, 0, 8), "loopback", Operators),
    (v4(192, 0, 0, 0, 24), "reserved for protocols", Nobody),
    (v4(192, 88, 99, 0, 24), "reserved for protocols", Nobody),
    (v4(192, 0, 2, 0, 24), "for documentation", Operators),
    (v4(198, 51, 100, 0, 24), "for documentation", Operators),
    (v4(203, 0, 113, 0, 24), "for documentation", Operators),
    (v4(198, 18, 0, 0, 15), "for benchmarks", Operators),
    (v4(224, 0, 0, 0, 4), "multicast", Nobody),
    (v4(255, 255, 255, 255, 32), "broadcast", Nobody),
    (v4(240, 0, 0, 0, 4), "reserved", Nobody),
];

/// IPv6 ranges, after those that hold an IPv4 address. The first that matches decides.
///
/// Source: the IANA IPv6 special-purpose registry and the metadata services of the large clouds.
const V6: &[(Ipv6Net, &str, Who)] = &[
    (v6([0xfd00, 0xec2, 0, 0], O, 32), "a metadata service", Nobody), // AWS
    (v6([0xfd20, 0xce, 0, 0], [0, 0, 0, 0x254], 128), "a metadata service", Nobody), // Google
    (v6(O, O, 128), "unspecified", Nobody),
    (v6(O, [0, 0, 0, 1], 128), "loopback", Operators),
    (v6([0xfc00, 0, 0, 0], O, 7), "private (unique local)", Operators),
    (v6([0xfec0, 0, 0, 0], O, 10), "private (site-local)", Operators),
    (v6([0xfe80, 0, 0, 0], O, 10), "link-local", Nobody),
    (v6([0xff00, 0, 0, 0], O, 8), "multicast", Nobody),
    (v6([0x2001, 0xdb8, 0, 0], O, 32), "for documentation", Operators),
    (v6([0x3fff, 0, 0, 0], O, 20), "for documentation", Operators),
    (v6([0x2001, 0, 0, 0], O, 23), "reserved for protocols", Nobody),
];

/// What is public in IPv6; all else is reserved.
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0], O, 3);

const MAPPED: Ipv6Net = v6(O, [0, 0xffff, 0, 0], 96);
const COMPATIBLE: Ipv6Net = v6(O, O, 96);
const TRANSLATED: Ipv6Net = v6(O, [0xffff, 0, 0, 0], 96);
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0], O, 96);
const NAT64_LOCAL: Ipv6Net = v6([0x64, 0xff9b, 1, 0], O, 48);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0], O, 16);
const TEREDO: Ipv6Net = v6([0x2001, 0, 0, 0], O, 32);

/// Names of metadata services: refused whatever they resolve to.
const METADATA_NAMES: &[&str] = &["metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"];

/// Why `address` may not be dialed for `origin`; none if it may.
#[must_use]
pub fn refused(address: IpAddr, origin: Origin) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refused_v4(address, origin),
        IpAddr::V6(address) => refused_v6(address, origin),
    }
}

fn decide(what: &'static str, who: Who, origin: Origin) -> Option<&'static str> {
    match (who, origin) {
        (Operators, Origin::Operator) => None,
        _ => Some(what),
    }
}

fn refused_v4(address: Ipv4Addr, origin: Origin) -> Option<&'static str> {
    let (_, what, who) = V4.iter().find(|(net, ..)| net.contains(&address))?;
    decide(what, *who, origin)
}

fn refused_v6(address: Ipv6Addr, origin: Origin) -> Option<&'static str> {
    if let Some((inner, way)) = embedded(address) {
        // Who reaches the outer address reaches the inner ones, so those are judged; and a guest
        // has no reason to write an address in such a way, so it is refused anyway.
        return match (inner.into_iter().find_map(|inner| refused_v4(inner, origin)), origin, way) {
            (Some(what), ..) => Some(what),
            (None, Origin::Operator, Way::Usual) => None,
            (None, ..) => Some("an IPv4 address inside an IPv6 address"),
        };
    }
    match V6.iter().find(|(net, ..)| net.contains(&address)) {
        Some((_, what, who)) => decide(what, *who, origin),
        None if GLOBAL_UNICAST.contains(&address) => None,
        None => Some("reserved"),
    }
}

/// Whether an address that holds an IPv4 address is of use to anybody today.
#[derive(Clone, Copy)]
enum Way {
    /// Mapped, or the NAT64 of an IPv6-only network.
    Usual,
    /// Deprecated, or a tunnel.
    Odd,
}

/// The IPv4 addresses that an IPv6 address stands for, if it does.
fn embedded(address: Ipv6Addr) -> Option<(Vec<Ipv4Addr>, Way)> {
    let o = address.octets();
    let at = |i: usize| Ipv4Addr::new(o[i], o[i + 1], o[i + 2], o[i + 3]);
    let (inner, way) = if MAPPED.contains(&address) || NAT64.contains(&address) {
        (vec![at(12)], Way::Usual)
    } else if NAT64_LOCAL.contains(&address) {
        // Behind a /48 the address lies around the byte that RFC 6052 keeps zero, behind a /96 at the end.
        (vec![at(12), Ipv4Addr::new(o[6], o[7], o[9], o[10])], Way::Odd)
    } else if TRANSLATED.contains(&address) {
        (vec![at(12)], Way::Odd)
    } else if COMPATIBLE.contains(&address) {
        if address.is_loopback() || address.is_unspecified() {
            return None;
        }
        (vec![at(12)], Way::Odd)
    } else if SIX_TO_FOUR.contains(&address) {
        (vec![at(2)], Way::Odd)
    } else if TEREDO.contains(&address) {
        // The server, and the client with its bits turned.
        (vec![at(4), Ipv4Addr::new(!o[12], !o[13], !o[14], !o[15])], Way::Odd)
    } else {
        return None;
    };
    Some((inner, way))
}

/// Reads an absolute URL as a guest or an answer wrote it, and refuses the forms that one reader
/// takes for another host than the next: the host must be written as it will be dialed.
///
/// # Errors
///
/// What is wrong, and how to write it.
pub fn read_guest_url(text: &str) -> Result<Url, String> {
    if let Some(odd) = text.chars().find(|c| c.is_control() || c.is_whitespace() || *c == '\\') {
        return Err(format!("the URL contains {odd:?}; encode it with a percent sign"));
    }
    let url = Url::parse(text).map_err(|e| format!("not an absolute URL: {e}"))?;
    check_form(&url, Origin::Guest)?;
    let authority = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    // What is left of the port: behind the bracket of an IPv6 address, else behind the first colon.
    let written = match authority.rfind(']') {
        Some(end) => &authority[..=end],
        None => authority.split(':').next().unwrap_or_default(),
    };
    let host = url.host_str().unwrap_or_default();
    if !written.eq_ignore_ascii_case(host) {
        return Err(format!("the host is not written as it is dialed; write `{host}`"));
    }
    Ok(url)
}

/// Checks all of a parsed URL that can be checked without looking its name up.
///
/// # Errors
///
/// What is wrong with it, and what would be right.
pub fn check_url(url: &Url, origin: Origin) -> Result<(), String> {
    check_form(url, origin)?;
    match url.host() {
        None => Ok(()),
        Some(Host::Domain(name)) => check_name(name),
        Some(Host::Ipv4(address)) => literal(address.into(), origin),
        Some(Host::Ipv6(address)) => literal(address.into(), origin),
    }
}

/// Checks a parsed URL, but for whose address it names: that is judged, and audited, when it is dialed.
///
/// # Errors
///
/// What is wrong with it, and what would be right.
pub fn check_form(url: &Url, origin: Origin) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the scheme is `{}`; only https and http can be called", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL holds a user name or password; credentials belong to a connection".into());
    }
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return Err("the URL has no host".into());
    };
    if origin == Origin::Guest && host.ends_with('.') {
        return Err(format!("the host `{host}` ends with a dot; write `{}`", host.trim_end_matches('.')));
    }
    if url.port() == Some(0) {
        return Err("the URL's port is 0, which nothing listens on".into());
    }
    Ok(())
}

fn literal(address: IpAddr, origin: Origin) -> Result<(), String> {
    refused(address, origin).map_or(Ok(()), |what| Err(format!("{address} must not be called: it is {what}")))
}

/// Checks a host name before it is looked up.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let plain = name.trim_end_matches('.');
    if METADATA_NAMES.iter().any(|known| plain.eq_ignore_ascii_case(known)) {
        return Err(format!("`{plain}` must not be called: it is a metadata service"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(addresses: &[&str], operator: bool, guest: bool) {
        for address in addresses {
            let ip: IpAddr = address.parse().unwrap();
            assert_eq!(refused(ip, Origin::Operator).is_none(), operator, "operator, {address}");
            assert_eq!(refused(ip, Origin::Guest).is_none(), guest, "guest, {address}");
        }
    }

    #[test]
    fn threat_030_private_addresses_are_for_operators() {
        check(
            &[
                "10.0.0.0",
                "10.255.255.255",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "100.64.0.1",
                "100.127.255.255",
                "127.0.0.1",
                "127.255.255.254",
                "198.18.0.1",
                "198.19.255.255",
                "192.0.2.1",
                "198.51.100.1",
                "203.0.113.1",
                "::1",
                "fc00::1",
                "fdff:ffff::1",
                "fec0::1",
                "2001:db8::1",
                "::ffff:10.0.0.1",
            ],
            true,
            false,
        );
    }

    #[test]
    fn threat_030_metadata_services_and_the_unroutable_are_for_nobody() {
        check(
            &[
                "169.254.169.254",
                "169.254.170.2",
                "169.254.0.23",
                "100.100.100.200",
                "168.63.129.16",
                "192.0.0.192",
                "192.0.0.1",
                "192.88.99.1",
                "0.0.0.0",
                "0.1.2.3",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.1",
                "255.255.255.255",
                "fd00:ec2::254",
                "fd20:ce::254",
                "fe80::1",
                "fe80::a9fe:a9fe",
                "febf::1",
                "::",
                "ff02::1",
                "2001:2::1",
                "100::1",
                "5f00::1",
                "4000::1",
                "fb00::1",
            ],
            false,
            false,
        );
    }

    #[test]
    fn threat_031_an_address_inside_an_address_is_seen() {
        check(
            &[
                "::ffff:169.254.169.254",
                "::169.254.169.254",
                "::127.0.0.1",
                "::ffff:0:169.254.169.254",
                "64:ff9b::169.254.169.254",
                "64:ff9b:1::169.254.169.254",
                "64:ff9b:1:a9fe:a9:fe00::",
                "2002:a9fe:a9fe::1",
                "2002:7f00:1::1",
                "2001:0:4136:e378:8000:63bf:5601:5601",
                "2001:0:a9fe:a9fe::1",
                "::ffff:0.0.0.0",
            ],
            false,
            false,
        );
        check(&["64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::10.0.0.1"], true, false);
        check(&["64:ff9b:1::8.8.8.8", "2002:808:808::1", "::8.8.8.8"], false, false);
    }

    #[test]
    fn public_addresses_are_for_all() {
        check(
            &["8.8.8.8", "93.184.216.34", "172.32.0.1", "100.63.255.255", "100.128.0.1", "126.0.0.1", "128.0.0.1"],
            true,
            true,
        );
        check(&["2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "2620:fe::fe", "3ffe::1"], true, true);
    }

    proptest! {
        #[test]
        fn threat_031_no_address_gains_by_being_wrapped(bits in any::<u32>()) {
            let [a, b, c, d] = bits.to_be_bytes();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let plain = Ipv4Addr::from(bits);
            let wrapped = [
                plain.to_ipv6_mapped(),
                plain.to_ipv6_compatible(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, 0, !high, !low),
            ];
            for wrapped in wrapped {
                prop_assert!(refused(wrapped.into(), Origin::Guest).is_some(), "guest, {}", wrapped);
                if refused(plain.into(), Origin::Operator).is_some() {
                    prop_assert!(refused(wrapped.into(), Origin::Operator).is_some(), "operator, {}", wrapped);
                }
            }
        }

        #[test]
        fn guests_never_reach_more_than_operators(bits in any::<u128>()) {
            let ip = IpAddr::V6(Ipv6Addr::from(bits));
            prop_assert!(refused(ip, Origin::Guest).is_some() || refused(ip, Origin::Operator).is_none());
        }
    }

    /// Where a URL as text ends: refused as text, or as the address it names.
    fn guest_may_call(text: &str) -> bool {
        read_guest_url(text).is_ok_and(|url| check_url(&url, Origin::Guest).is_ok())
    }

    #[test]
    fn threat_031_odd_ways_to_write_a_host_are_refused() {
        for text in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://134744072/",
            "http://0x08.8.8.8/",
            "http://008.8.8.8/",
            "http://[::ffff:169.254.169.254]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[::1]:80/",
            "http://example.com./",
            "http://127.0.0.1./",
            "http://user@example.com/",
            "http://example.com@169.254.169.254/",
            "http://user:secret@example.com/",
            "http://@example.com/",
            "http://example.com\\@evil.net/",
            "http:\\\\evil.net/",
            "http:/evil.net/",
            "http:evil.net",
            "http:///evil.net/",
            "http://exa\tmple.com/",
            "http://example.com\n/",
            " http://example.com/",
            "http://example.com /",
            "http://１２７.０.０.１/",
            "http://①②⑦.0.0.1/",
            "http://127。0。0。1/",
            "http://exämple.com/",
            "http://еxample.com/",
            "http://%31%32%37.0.0.1/",
            "http://ex%61mple.com/",
            "http://metadata.google.internal/",
            "http://xn--/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "example.com/path",
            "/path",
            "",
        ] {
            assert!(!guest_may_call(text), "{text:?} must be refused");
        }
        for text in [
            "https://api.example.com/v1/things?x=1#part",
            "https://API.example.com:8443",
            "http://8.8.8.8/",
            "http://[2606:4700::1111]:8080/x",
            "https://xn--exmple-cua.com/",
            "https://example.com/a@b:c",
        ] {
            assert!(guest_may_call(text), "{text:?} must be allowed: {:?}", read_guest_url(text));
        }
    }
}
