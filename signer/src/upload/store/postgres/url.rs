//! Where to connect, and whether what goes there is encrypted.
//!
//! Encrypted is what goes to a server whose name was verified. `sslmode=require` and `verify-full` are one here, and
//! stricter than libpq's `require`, which takes any certificate: whoever can read the wire can also answer on it.
//! `prefer` is plaintext and for this machine alone, and `disable` is plaintext that somebody asked for.

use rustls_pki_types::ServerName;
use tokio_postgres::{
    Config,
    config::{ChannelBinding, Host, SslMode, SslNegotiation},
};

/// Why a URL is not one to connect to. None shows any of it: there is a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not PostgreSQL's syntax.
    #[error(
        "is not a PostgreSQL connection URL, or has an option that is not known here (`sslmode` is `disable`, `prefer`, \
         `require` or `verify-full`), or not one address in `hostaddr` for each host"
    )]
    Malformed,
    /// No host in it.
    #[error("names no host")]
    NoHost,
    /// TLS is asked for, and no authority is known to sign the server's certificate.
    #[error("asks for TLS: name the authority of the server's certificate in `ca_file`")]
    NoAuthority,
    /// An authority is given, and the URL does not ask for TLS.
    #[error("does not ask for TLS, so `ca_file` would mean nothing: add `sslmode=verify-full`")]
    NoTls,
    /// TLS is asked for, and what is connected to has no name that a certificate could have.
    #[error(
        "asks for TLS and names no host: a certificate is for the name in `host`, and Unix sockets have no TLS"
    )]
    NoName,
    /// Channel binding is asked for.
    #[error("asks for channel binding, which is not supported: the server's certificate is verified")]
    ChannelBinding,
    /// TLS without asking for it first is asked for, which servers take only with ALPN.
    #[error("asks for `sslnegotiation=direct`, which is not supported")]
    Direct,
    /// The host is another machine, and the URL does not say that this is meant.
    #[error(
        "names a host that is not this machine, to which nothing would be encrypted: add `sslmode=verify-full` and \
         `ca_file`, or `sslmode=disable` if the network between is trusted"
    )]
    Plaintext,
}

/// Reads a URL (or libpq's `key=value` form), and decides about TLS: with an authority its server's certificate is verified,
/// without one there is no TLS.
pub(super) fn read(url: &str, has_authority: bool) -> Result<Config, UrlError> {
    let mut config = parse(url)?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(UrlError::NoHost);
    }
    let (hosts, addresses) = (config.get_hosts().len(), config.get_hostaddrs().len());
    if hosts > 0 && addresses > 0 && hosts != addresses {
        return Err(UrlError::Malformed);
    }
    match (config.get_ssl_mode(), has_authority) {
        (SslMode::Disable | SslMode::Prefer, true) => return Err(UrlError::NoTls),
        (SslMode::Disable, false) => {}
        (SslMode::Prefer, false) if is_local(&config) => {
            // tokio-postgres asks the server for TLS wherever that is allowed, only to do without.
            config.ssl_mode(SslMode::Disable);
        }
        (SslMode::Prefer, false) => return Err(UrlError::Plaintext),
        (_, false) => return Err(UrlError::NoAuthority),
        (_, true) if !has_names(&config) => return Err(UrlError::NoName),
        (_, true) => {}
    }
    if config.get_channel_binding() == ChannelBinding::Require {
        return Err(UrlError::ChannelBinding);
    }
    if config.get_ssl_negotiation() == SslNegotiation::Direct {
        return Err(UrlError::Direct);
    }
    Ok(config)
}

/// Reads a URL. tokio-postgres does not know `verify-full`, which is what it means by `require` once rustls verifies.
fn parse(url: &str) -> Result<Config, UrlError> {
    url.parse()
        .or_else(|_| url.replace("sslmode=verify-full", "sslmode=require").parse())
        .map_err(|_| UrlError::Malformed)
}

/// Whether every host has a name, or an address, that a certificate can be for.
fn has_names(config: &Config) -> bool {
    let hosts = config.get_hosts();
    !hosts.is_empty()
        && hosts.iter().all(|host| matches!(host, Host::Tcp(name) if ServerName::try_from(&**name).is_ok()))
}

/// Whether every host is a Unix socket or a loopback address, of which nothing leaves the machine.
fn is_local(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|addr| addr.is_loopback())
        }
    });
    // Where addresses are given, they are what is connected to.
    hosts && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_in_plaintext_unasked() {
        let error = |url: &str| read(url, false).err();
        for url in [
            "postgres://user:pw@127.0.0.1/db",
            "postgres://user:pw@localhost:5433/db",
            "postgres://user:pw@[::1]/db",
            "postgres://user@%2Fvar%2Frun%2Fpostgresql/db",
            "host=/tmp user=a",
            "postgres://user:pw@db.internal/db?sslmode=disable",
        ] {
            assert_eq!(error(url), None, "{url}");
        }
        for (url, expected) in [
            ("postgres://user:pw@db.internal/db", UrlError::Plaintext),
            ("postgres://user:pw@10.0.0.1/db", UrlError::Plaintext),
            ("postgres://user:pw@localhost,db.internal/db", UrlError::Plaintext),
            ("host=localhost hostaddr=10.0.0.1 user=a", UrlError::Plaintext),
            ("postgres://user:pw@localhost/db?host=db.internal", UrlError::Plaintext),
            ("postgres://user:pw@%2Ftmp/db?hostaddr=10.0.0.1", UrlError::Plaintext),
            ("postgres://user:pw@[::ffff:10.0.0.1]/db", UrlError::Plaintext),
            ("postgres://user:pw@localhost/db?sslmode=require", UrlError::NoAuthority),
            ("postgres://user:pw@db.internal/db?sslmode=verify-full", UrlError::NoAuthority),
            ("postgres://user:pw@localhost/db?channel_binding=require", UrlError::ChannelBinding),
            ("postgres://user:pw@localhost/db?sslmode=verify-ca", UrlError::Malformed),
            ("postgres:///db?user=a", UrlError::NoHost),
            ("mysql://user:pw@localhost/db", UrlError::Malformed),
            ("", UrlError::NoHost),
        ] {
            assert_eq!(error(url), Some(expected), "{url}");
        }
    }

    #[test]
    fn tls_is_for_a_name() {
        let error = |url: &str| read(url, true).err();
        for url in [
            "postgres://user:pw@db.internal/db?sslmode=require",
            "postgres://user:pw@db.internal,other.internal/db?sslmode=verify-full&connect_timeout=1",
            "host=db.internal hostaddr=10.0.0.1 user=a sslmode=verify-full",
            "postgres://user:pw@[2001:db8::1]/db?sslmode=require",
        ] {
            assert_eq!(error(url), None, "{url}");
        }
        for (url, expected) in [
            ("postgres://user:pw@db.internal/db", UrlError::NoTls),
            ("postgres://user:pw@localhost/db", UrlError::NoTls),
            ("postgres://user:pw@db.internal/db?sslmode=disable", UrlError::NoTls),
            ("hostaddr=10.0.0.1 user=a sslmode=require", UrlError::NoName),
            ("host=/tmp user=a sslmode=require", UrlError::NoName),
            ("host='not a name' user=a sslmode=require", UrlError::NoName),
            ("postgres://u@db.internal/db?sslmode=require&channel_binding=require", UrlError::ChannelBinding),
            ("postgres://u@db.internal/db?sslmode=require&sslnegotiation=direct", UrlError::Direct),
            ("postgres://u@a,b/db?sslmode=require&hostaddr=10.0.0.1", UrlError::Malformed),
            ("postgres://u@a/db?sslmode=require&sslmode=disable", UrlError::NoTls),
            ("postgres://u@a/db?sslmode=verify-full&sslmode=prefer", UrlError::NoTls),
            ("postgres://u@%2Ftmp/db?sslmode=require&hostaddr=10.0.0.1", UrlError::NoName),
        ] {
            assert_eq!(error(url), Some(expected), "{url}");
        }
    }
}
