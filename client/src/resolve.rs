//! From the endpoint's name to the addresses that stand for it: all pods, if it is a headless Service.

use std::{io, net::SocketAddr, pin::Pin};

use tokio::net::lookup_host;

/// Addresses of a host, later.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Finds addresses. The system's resolver does ([`Dns`]), unless another one is given.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `host` now, with this port. An error leaves those that were found before.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// The system's resolver: hosts file, DNS, search domains.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dns;

impl Resolve for Dns {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
    }
}
