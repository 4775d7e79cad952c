//! Which addresses an origin may be on.
//!
//! An origin's host comes from the configuration, but what its name resolves to comes from DNS. The check is
//! made on the resolved addresses that are then connected to, so a name that is re-bound to an internal
//! address between check and use is refused as well.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether an address is one of the public Internet, by the IANA special-purpose registries.
///
/// An IPv6 address that carries an IPv4 address (mapped, compatible, 6to4, NAT64, Teredo, ISATAP) is never
/// public here: no origin needs one, and each has been a way around such checks.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0                                        // "this network"
        || a == 127                                 // loopback
        || address.is_private()
        || address.is_link_local()                  // cloud metadata services among them
        || (a == 100 && (64..128).contains(&b))     // shared address space (CGNAT)
        || (a == 192 && b == 0 && c == 0)           // IETF protocol assignments
        || (a == 192 && b == 88 && c == 99)         // 6to4 relays
        || (a == 198 && (b == 18 || b == 19))       // benchmarking
        || address.is_documentation()
        || a >= 224) // multicast, reserved, broadcast
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let global_unicast = segments[0] & 0xe000 == 0x2000; // 2000::/3 is all that IANA has given out
    let isatap = matches!(segments[4], 0x0000 | 0x0200) && segments[5] == 0x5efe;
    global_unicast
        && segments[0] != 0x2002                                        // 6to4
        && !(segments[0] == 0x2001 && segments[1] < 0x0200)             // Teredo and other protocol assignments
        && !(segments[0] == 0x2001 && segments[1] == 0x0db8)            // documentation
        && !(segments[0] == 0x3fff && segments[1] < 0x1000)             // documentation
        && !isatap
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// DNS has no address for it, or no answer.
    #[error("the host does not resolve: {0}")]
    Unresolved(#[from] io::Error),
    /// All its addresses are inside.
    #[error("the host is on a private address, {0}")]
    Private(IpAddr),
}

/// The resolver of an origin's HTTP client.
#[derive(Debug, Clone, Default)]
pub struct GuardedResolver {
    /// Whether addresses that are not public are answered.
    pub allow_private_network: bool,
    /// What was answered last: for the log, when a connection fails.
    last: Arc<Mutex<Vec<IpAddr>>>,
}

impl GuardedResolver {
    /// A resolver that answers with addresses that are not public, or does not.
    #[must_use]
    pub fn new(allow_private_network: bool) -> Self {
        Self { allow_private_network, last: Arc::default() }
    }

    /// The addresses of a name that may be connected to. Their port is 0.
    ///
    /// # Errors
    /// [`GuardError`].
    pub async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, GuardError> {
        let mut addresses = lookup(name).await?;
        let private = addresses.iter().map(SocketAddr::ip).find(|address| !is_public(*address));
        addresses.retain(|address| self.allow_private_network || is_public(address.ip()));
        if let (true, Some(private)) = (addresses.is_empty(), private) {
            return Err(GuardError::Private(private));
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            addresses.iter().map(SocketAddr::ip).collect();
        Ok(addresses)
    }

    /// What was answered last.
    #[must_use]
    pub fn last(&self) -> Vec<IpAddr> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

async fn lookup(name: &str) -> io::Result<Vec<SocketAddr>> {
    // RFC 6761, 6.3: names under `localhost` are this machine; not every C library knows. Virtual-host style
    // buckets of a local S3 server live on such names.
    if name == "localhost" || name.ends_with(".localhost") {
        return Ok(vec![
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        ]);
    }
    let addresses: Vec<_> = tokio::net::lookup_host((name, 0)).await?.collect();
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no address"));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.170",
            "198.18.0.1",
            "198.19.255.255",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "2001::1",
            "2001:db8::1",
            "2a00:1450::5efe:127.0.0.1",
            "2a00:1450::200:5efe:7f00:1",
            "100::1",
            "3fff::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "52.218.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "192.0.1.1",
            "2606:4700::1111",
            "2a00:1450:4001:81b::200e",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused() {
        for name in ["localhost", "bucket.s3.localhost"] {
            let error = GuardedResolver::new(false).addresses(name).await.unwrap_err();
            assert!(matches!(error, GuardError::Private(address) if address.is_loopback()), "{error}");
            let inside = GuardedResolver::new(true);
            assert!(inside.addresses(name).await.unwrap().iter().all(|address| address.ip().is_loopback()));
            assert_eq!(inside.last().len(), 2);
        }
        let error = GuardedResolver::new(false).addresses("no-such-host.invalid").await.unwrap_err();
        assert!(error.to_string().contains("does not resolve"), "{error}");
    }
}
