//! `[http]`: where and how URLs are answered over HTTP.

use std::{net::SocketAddr, time::Duration};

use safelight_chassis::{config::Section, http::Limits};

use super::{forwarded::Proxies, upload::STORE_TIME};
use crate::app::context::DEFAULT_DEADLINE;

/// How long the bytes of an upload may take to come unless configured: with the time to store them it is below the 90 s that a
/// request may take as a whole.
const DEFAULT_UPLOAD_DEADLINE: Duration = Duration::from_secs(60);
/// Longest `upload_deadline`: for as long a stalled client may hold its connection.
const MAX_UPLOAD_DEADLINE: Duration = Duration::from_secs(600);

/// What the HTTP door is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What the port bounds.
    pub limits: Limits,
    /// How long making one answer may take.
    pub deadline: Duration,
    /// How long the bytes of an upload may take to come.
    pub upload_deadline: Duration,
    /// Proxies that are believed.
    pub proxies: Proxies,
}

impl Config {
    /// The door at `listen`, with everything else as it is unless configured.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Self {
        // A target of twice the length that is accepted, and the usual cookies, are still answered by their name.
        let limits = Limits { max_header_list_size: 32 * 1024, ..Limits::DEFAULT };
        Self {
            listen,
            limits,
            deadline: DEFAULT_DEADLINE,
            upload_deadline: DEFAULT_UPLOAD_DEADLINE,
            proxies: Proxies::default(),
        }
    }

    /// Reads `[http]`.
    pub fn read(section: &mut Section) -> Self {
        let listen = section.optional("listen").unwrap_or_else(|| {
            section.error("listen", "is needed: an address and a port such as \"[::]:8080\"");
            SocketAddr::from(([0; 4], 0)) // never used
        });
        let mut config = Self::at(listen);
        config.limits.max_connections = section.or("max_connections", config.limits.max_connections);
        if config.limits.max_connections == 0 {
            section.error("max_connections", "must be at least 1");
        }
        config.deadline = section.duration("deadline").unwrap_or(config.deadline);
        if config.deadline.is_zero() || config.deadline >= config.limits.answer_timeout {
            section
                .error("deadline", "must be above 0s, and below the 90s that an answer may take as a whole");
        }
        config.upload_deadline = section.duration("upload_deadline").unwrap_or(config.upload_deadline);
        if config.upload_deadline.is_zero() || config.upload_deadline > MAX_UPLOAD_DEADLINE {
            section.error("upload_deadline", "must be above 0s, and at most 10m");
        }
        let longest = config.upload_deadline.saturating_add(STORE_TIME);
        config.limits.answer_timeout = config.limits.answer_timeout.max(longest);
        config.proxies = Proxies::read(section);
        config
    }
}

#[cfg(test)]
mod tests {
    use safelight_chassis::config;

    use super::*;

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let errors = config::read(
            "max_connections = 0\ndeadline = '2m'\nupload_deadline = '11m'\ntrusted_proxies = ['10.0.0.0/8', 'nginx', 1]\n\
             forwarded_headers = 'x-real-ip'\nport = 80\n",
            Config::read,
        );
        let errors = errors.unwrap_err().to_string();
        for key in [
            "listen",
            "max_connections",
            "deadline",
            "upload_deadline",
            "trusted_proxies",
            "forwarded_headers",
            "port",
        ] {
            assert!(errors.contains(key), "{key} not in\n{errors}");
        }
        assert!(
            config::read("listen = '[::]:8080'\ntrusted_proxies = ['10.0.0.1', 'fd00::/8']\n", Config::read)
                .is_ok()
        );
    }
}
