//! The client address of a request, even behind proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// The address of a client. For IPv6 it is the /64 network, which usually belongs to one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddress(IpAddr);

impl ClientAddress {
    /// Returns the peer's address. If the peer is a trusted proxy, returns the last address in `X-Forwarded-For` that
    /// isn't one. Clients can forge the addresses before it.
    pub(crate) fn from_headers(peer: Option<SocketAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
        let mut address = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        let lines: Vec<&str> =
            headers.get_all("X-Forwarded-For").filter_map(|line| line.to_str().ok()).collect();
        let mut hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        while is_trusted(address) {
            match hops.next().and_then(parse_hop) {
                Some(hop) => address = hop,
                None => break,
            }
        }
        Self(to_network(address))
    }
}

impl std::fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses an entry of the header. Some proxies write the address with a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse())
        .ok()?;
    Some(address.to_canonical())
}

fn to_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn address(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            let value = HeaderValue::from_str(line).unwrap();
            headers.append(HeaderName::from_static("x-forwarded-for"), value);
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        ClientAddress::from_headers(Some(SocketAddr::new(peer.parse().unwrap(), 1)), &headers, &trusted)
            .to_string()
    }

    #[test]
    fn forwarded_address_counts_only_from_trusted_proxy() {
        for (peer, forwarded, expected) in [
            ("203.0.113.7", vec![], "203.0.113.7"),
            ("203.0.113.7", vec!["198.51.100.1"], "203.0.113.7"),
            ("10.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", vec!["1.2.3.4, 198.51.100.1, 10.0.0.9"], "198.51.100.1"),
            ("10.0.0.1", vec!["1.2.3.4", "198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", vec!["198.51.100.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("::ffff:10.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            ("fd00::1", vec!["[2001:db8:1:2:3:4:5:6]:443"], "2001:db8:1:2::"),
            ("2001:db8:1:2:3:4:5:6", vec![], "2001:db8:1:2::"),
        ] {
            assert_eq!(address(peer, &forwarded), expected, "{peer} {forwarded:?}");
        }
    }
}
