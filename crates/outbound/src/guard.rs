//! Where messages may go.
//!
//! Whoever may set the URL of an endpoint must not reach through us what only this machine can reach: its own
//! services, the network it stands in, the metadata service of its cloud. So every address is looked at, after the
//! name is resolved, and the connection is made to the addresses that were looked at and to no others: a name that
//! means something else a moment later gains nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The longest URL of an endpoint.
const URL_LEN_MAX: usize = 2000;

/// IPv4 networks that are not the public internet (IANA's registry of special-purpose addresses, and multicast).
const FORBIDDEN_V4: &[(Ipv4Addr, u8)] = &[
    // This network; on Linux it means this machine.
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared by the customers of a provider (RFC 6598).
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local; metadata services of clouds are at 169.254.169.254.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, reserved, broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// IPv6 networks within the global unicast addresses that are not the public internet. All that is outside `2000::/3`
/// is forbidden anyway: loopback, link-local, unique-local, multicast, and IPv4 addresses in disguise.
const FORBIDDEN_V6: &[(Ipv6Addr, u8)] = &[
    // IETF protocol assignments, Teredo (RFC 4380) among them: it hides an IPv4 address.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Global unicast.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// 6to4 (RFC 3056): an IPv4 address in the second and third group.
const SIX_TO_FOUR: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// NAT64 (RFC 6052): an IPv4 address in the last two groups.
const NAT64: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// How messages may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schemes {
    /// Encrypted only.
    HttpsOnly,
    /// Also in the clear, where no money is real.
    HttpAllowed,
}

/// Why a URL can not be an endpoint's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is none, or too long.
    #[error("must be a URL of at most {URL_LEN_MAX} characters")]
    Invalid,
    /// It is not encrypted, or no HTTP at all.
    #[error("must begin with https://")]
    Scheme,
    /// It has a user name or a password in it.
    #[error("must have no user name or password in it")]
    Credentials,
    /// It names an address that is not on the public internet.
    #[error("must be on the public internet, or in a network of QUITTANCE_WEBHOOK_ALLOW_NETWORKS")]
    Address,
}

/// Says where messages may go.
#[derive(Debug, Clone)]
pub struct Guard {
    schemes: Schemes,
    allowed: Arc<[IpNet]>,
}

impl Guard {
    /// A guard that lets messages go to the public internet, and to these networks.
    #[must_use]
    pub fn new(schemes: Schemes, allowed: Vec<IpNet>) -> Self {
        Self { schemes, allowed: allowed.into() }
    }

    /// A guard that also lets messages go to this machine: for the sandbox, where no money is real.
    #[must_use]
    pub fn for_sandbox(mut allowed: Vec<IpNet>) -> Self {
        allowed.extend([
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        ]);
        Self::new(Schemes::HttpAllowed, allowed)
    }

    /// The URL, if it may be an endpoint's. A name in it is not resolved here: what it means is looked at whenever a
    /// connection is made.
    pub fn check_url(&self, text: &str) -> Result<Url, UrlError> {
        if text.len() > URL_LEN_MAX {
            return Err(UrlError::Invalid);
        }
        let url = Url::parse(text).map_err(|_| UrlError::Invalid)?;
        match (url.scheme(), self.schemes) {
            ("https", _) | ("http", Schemes::HttpAllowed) => {}
            _ => return Err(UrlError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials);
        }
        // The parser has made one form of the many that an address can be written in.
        let address = match url.host() {
            None => return Err(UrlError::Invalid),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        };
        if address.is_some_and(|address| !self.may_reach(address)) {
            return Err(UrlError::Address);
        }
        Ok(url)
    }

    /// Whether a connection to this address may be made.
    #[must_use]
    pub fn may_reach(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.allowed.iter().any(|network| network.contains(&address)) {
            return true;
        }
        match address {
            IpAddr::V4(address) => is_public_v4(address),
            IpAddr::V6(address) => match embedded(address) {
                Some(inner) => self.may_reach(IpAddr::V4(inner)),
                None => is_public_v6(address),
            },
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !FORBIDDEN_V4.iter().any(|(network, length)| Ipv4Net::new_assert(*network, *length).contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within =
        |(network, length): &(Ipv6Addr, u8)| Ipv6Net::new_assert(*network, *length).contains(&address);
    within(&GLOBAL_V6) && !FORBIDDEN_V6.iter().any(within)
}

/// The IPv4 address that an IPv6 address leads to.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let within = |(network, length): (Ipv6Addr, u8)| Ipv6Net::new_assert(network, length).contains(&address);
    let octets = address.octets();
    let at =
        |place: usize| Ipv4Addr::new(octets[place], octets[place + 1], octets[place + 2], octets[place + 3]);
    if within(NAT64) {
        Some(at(12))
    } else if within(SIX_TO_FOUR) {
        Some(at(2))
    } else {
        None
    }
}

/// Finds the addresses of a host: a service of somebody else's.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of this host now.
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// Asks whom the system asks.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}

/// Why there is no address to connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResolveError {
    /// The name has none.
    Unresolved,
    /// It has none that may be reached.
    Forbidden,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresolved => "the host name has no address",
            Self::Forbidden => "the host name has no address that may be reached",
        })
    }
}

impl std::error::Error for ResolveError {}

/// Resolves names for the HTTP client, to addresses that may be reached. The client connects to what this returns.
pub(crate) struct GuardedResolver {
    pub(crate) guard: Guard,
    pub(crate) lookup: Arc<dyn Resolver>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        let looking = self.lookup.lookup(name.as_str());
        async move {
            let found = looking.await.map_err(|_| ResolveError::Unresolved)?;
            if found.is_empty() {
                return Err(ResolveError::Unresolved.into());
            }
            let reachable: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| guard.may_reach(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if reachable.is_empty() {
                return Err(ResolveError::Forbidden.into());
            }
            Ok(Box::new(reachable.into_iter()) as Addrs)
        }
        .boxed()
    }
}
