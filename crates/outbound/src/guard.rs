//! Protection against server-side request forgery (SSRF).
//!
//! An endpoint's URL must not lead to hosts that only this machine can reach: its own services, its network, or its
//! cloud's metadata service. The guard therefore checks every address after DNS resolution. The client connects only
//! to the checked addresses, so DNS rebinding has no effect.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The maximum length of an endpoint's URL, in bytes.
const URL_LEN_MAX: usize = 2000;

/// IPv4 networks outside the public internet: IANA's registry of special-purpose addresses, and multicast.
const FORBIDDEN_V4: &[(Ipv4Addr, u8)] = &[
    // "This network"; on Linux, 0.0.0.0 is this machine.
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Carrier-grade NAT (RFC 6598).
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local; cloud metadata services use 169.254.169.254.
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

/// IPv6 networks within `2000::/3` that aren't the public internet. Addresses outside `2000::/3` are forbidden anyway:
/// loopback, link-local, unique-local, multicast, and embedded IPv4 addresses.
const FORBIDDEN_V6: &[(Ipv6Addr, u8)] = &[
    // IETF protocol assignments, including Teredo (RFC 4380), which embeds an IPv4 address.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Global unicast addresses.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// 6to4 (RFC 3056), with an IPv4 address in the second and third group.
const SIX_TO_FOUR: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// NAT64 (RFC 6052), with an IPv4 address in the last two groups.
const NAT64: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// The URL schemes that endpoints may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schemes {
    /// Only `https`.
    HttpsOnly,
    /// `https` and `http`, for test mode.
    HttpAllowed,
}

/// The reason why an endpoint can't have a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The text isn't a URL, or is too long.
    #[error("must be a URL of at most {URL_LEN_MAX} characters")]
    Invalid,
    /// The scheme isn't allowed.
    #[error("must begin with https://")]
    Scheme,
    /// The URL contains a username or a password.
    #[error("must not contain a username or a password")]
    Credentials,
    /// The host is an address outside the public internet and the allowed networks.
    #[error("must be on the public internet, or in a network of QUITTANCE_WEBHOOK_ALLOW_NETWORKS")]
    Address,
}

/// The addresses and URLs that messages may be sent to.
#[derive(Debug, Clone)]
pub struct Guard {
    schemes: Schemes,
    allowed: Arc<[IpNet]>,
}

impl Guard {
    /// Creates a guard that allows the public internet and these networks.
    #[must_use]
    pub fn new(schemes: Schemes, allowed: Vec<IpNet>) -> Self {
        Self { schemes, allowed: allowed.into() }
    }

    /// Creates a guard that also allows `http` and this machine, for use with the sandbox.
    #[must_use]
    pub fn for_sandbox(mut allowed: Vec<IpNet>) -> Self {
        allowed.extend([
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        ]);
        Self::new(Schemes::HttpAllowed, allowed)
    }

    /// Parses an endpoint's URL and checks it. A host name isn't resolved here; its addresses are checked for each
    /// connection.
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
        // The parser normalizes the notations of an address, such as `0x7f.1` for 127.0.0.1.
        let address = match url.host() {
            None => return Err(UrlError::Invalid),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        };
        if address.is_some_and(|address| !self.allows(address)) {
            return Err(UrlError::Address);
        }
        Ok(url)
    }

    /// Returns true if connections to this address are allowed.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.allowed.iter().any(|network| network.contains(&address)) {
            return true;
        }
        match address {
            IpAddr::V4(address) => is_public_v4(address),
            IpAddr::V6(address) => match embedded_v4(address) {
                Some(inner) => self.allows(IpAddr::V4(inner)),
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

/// Returns the IPv4 address embedded in a NAT64 or 6to4 address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
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

/// Resolves host names to addresses.
pub trait Resolver: Send + Sync + 'static {
    /// Returns the current addresses of a host.
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}

/// The reason why a host name has no usable address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResolveError {
    /// The name has no address.
    Unresolved,
    /// The name has only forbidden addresses.
    Forbidden,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresolved => "the host name has no address",
            Self::Forbidden => "the host name has only forbidden addresses",
        })
    }
}

impl std::error::Error for ResolveError {}

/// Resolves names for the HTTP client to allowed addresses. The client connects to no other address.
pub(crate) struct GuardedResolver {
    pub(crate) guard: Guard,
    pub(crate) resolver: Arc<dyn Resolver>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        let resolving = self.resolver.resolve(name.as_str());
        async move {
            let found = resolving.await.map_err(|_| ResolveError::Unresolved)?;
            if found.is_empty() {
                return Err(ResolveError::Unresolved.into());
            }
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| guard.allows(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if allowed.is_empty() {
                return Err(ResolveError::Forbidden.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        }
        .boxed()
    }
}
