//! Who is at the other end: the peer of the connection, or whom trusted proxies name.

#[cfg(feature = "fuzzing")]
pub(super) mod fuzz;

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;
use http::header::FORWARDED;
use ipnet::IpNet;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// Its address.
    pub(super) address: IpAddr,
    /// Whether it speaks TLS with us.
    pub(super) is_secure: bool,
}

/// Whether an address is in one of these networks; a mapped IPv4 address counts as what it is.
pub(super) fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address.to_canonical()))
}

/// What counts as one caller: an IPv4 address, or the /64 of an IPv6 address, of which one customer has 2^64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

/// Whose request it is: the peer's, and where that is a trusted proxy, the last one in `X-Forwarded-For` or `Forwarded` (RFC 7239) that is
/// no trusted proxy, read from the right, since what stands to the left of it is the caller's own claim. Where both fields are there and do
/// not agree, one of them is not the proxy's, and the request counts as the proxy's own.
pub(super) fn caller(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !is_in(trusted, peer) {
        return peer;
    }
    let usual = headers.get_all("x-forwarded-for").into_iter().rev().map(|value| value.to_str().unwrap_or("?"));
    let usual = usual.flat_map(|value| value.rsplit(',')).map(|item| address(item.trim()));
    let standard = headers.get_all(FORWARDED).into_iter().rev().map(|value| value.to_str().unwrap_or("?"));
    let standard = standard.flat_map(|value| value.rsplit(',')).map(for_of);
    match (beyond(peer, usual, trusted), beyond(peer, standard, trusted)) {
        (usual, None) => usual.unwrap_or(peer),
        (None, Some(standard)) => standard,
        (Some(usual), Some(standard)) if usual == standard => usual,
        _ => peer,
    }
}

/// The first hop that is not trusted; behind one that cannot be read nobody is believed. `None`: nothing is named.
fn beyond(peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut last = None;
    for hop in hops {
        let Some(hop) = hop else { return Some(last.unwrap_or(peer)) };
        if !is_in(trusted, hop) {
            return Some(hop);
        }
        last = Some(hop);
    }
    last
}

/// The `for` of one element of `Forwarded`.
fn for_of(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok();
    }
    let bare = text.parse().ok();
    bare.or_else(|| text.split_once(':')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_caller_is_an_address_or_a_network_of_64_bits() {
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{address}");
        }
    }

    #[test]
    fn only_what_trusted_proxies_added_is_believed() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let (usual, standard) = ("x-forwarded-for", "forwarded");
        for (peer, fields, expected) in [
            // nobody else is believed
            ("192.0.2.1", &[(usual, "198.51.100.7")][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[(usual, "198.51.100.7")], "198.51.100.7"),
            ("::ffff:10.0.0.1", &[(usual, "198.51.100.7")], "198.51.100.7"),
            // what stands to the left is the caller's claim
            ("10.0.0.1", &[(usual, "203.0.113.9, 198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[(usual, "203.0.113.9, 198.51.100.7, 10.2.0.1")], "198.51.100.7"),
            ("10.0.0.1", &[(usual, "203.0.113.9"), (usual, "198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[(usual, "10.9.9.9, 10.2.0.1")], "10.9.9.9"),
            // what cannot be read ends it
            ("10.0.0.1", &[(usual, "198.51.100.7, garbage, 10.2.0.1")], "10.2.0.1"),
            ("10.0.0.1", &[(usual, "garbage")], "10.0.0.1"),
            ("10.0.0.1", &[(usual, "")], "10.0.0.1"),
            ("10.0.0.1", &[(usual, "198.51.100.7:4711")], "198.51.100.7"),
            ("fd00::1", &[(usual, "[2001:db8::9]:443")], "2001:db8::9"),
            ("10.0.0.1", &[(usual, "2001:db8::9")], "2001:db8::9"),
            ("10.0.0.1", &[(standard, "for=203.0.113.9, for=198.51.100.7;proto=https")], "198.51.100.7"),
            ("10.0.0.1", &[(standard, "proto=https; For=\"[2001:db8::9]:4711\"")], "2001:db8::9"),
            ("10.0.0.1", &[(standard, "for=_hidden")], "10.0.0.1"),
            // a field that the proxy does not write is the caller's
            ("10.0.0.1", &[(usual, "203.0.113.9"), (standard, "for=198.51.100.7")], "10.0.0.1"),
            ("10.0.0.1", &[(usual, "198.51.100.7"), (standard, "for=198.51.100.7")], "198.51.100.7"),
        ] {
            let pair = |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
            let mut headers = HeaderMap::new();
            for (name, value) in fields.iter().map(pair) {
                headers.append(name, value);
            }
            let found = caller(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {fields:?}");
        }
    }
}
