//! What the server bounds.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::Duration,
};

use safelight_chassis::server::Limits;

/// Where the signer listens unless `--listen` says otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 50051));

/// What the signer's server bounds, HTTP/2 included.
#[must_use]
pub const fn limits() -> Limits {
    Limits {
        // As many as clients open before they have heard of a limit (RFC 9113, section 6.5.2): with less, a burst on a
        // new connection is refused.
        max_concurrent_streams: 100,
        // 128 × a batch of 512 KiB that is being received: 64 MiB. Handlers never wait, but at most 64 for the
        // store of upload tokens: more at once are only more uploads that dawdle.
        max_calls: 128,
        // Holds a URL of the greatest length (8 KiB) with room for the rest. A batch of 512 KiB takes 52 round
        // trips of a window: 26 ms at 0.5 ms each.
        stream_window: 10 * 1024,
        // 100 × 10 KiB: no unread call stalls its neighbours.
        connection_window: 1024 * 1024,
        // An answer is a URL; a batch may fill it again and again.
        max_send_buffer: 10 * 1024,
        // As many as streams.
        max_pending_accept_reset_streams: 100,
        // Nothing here takes milliseconds: whoever has waited 2 s has given up.
        default_deadline: Duration::from_secs(2),
        max_deadline: Duration::from_secs(2),
        // Five times `max_deadline`.
        max_connection_age_grace: Duration::from_secs(10),
        ..Limits::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_deadlines_fit_together() {
        let limits = limits();
        assert!(limits.connection_window >= limits.max_concurrent_streams * limits.stream_window);
        assert!(limits.max_connection_age_grace > limits.max_deadline);
        assert!(limits.default_deadline <= limits.max_deadline);
    }
}
