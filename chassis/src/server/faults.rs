//! What clients do wrong with their connections, in the log.
//!
//! Every client that can connect can cause these lines: of each cause there is one in [`INTERVAL`], with the number of those that
//! were left out before it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::broken::Broken;

/// The time between two lines of one cause.
const INTERVAL: Duration = Duration::from_secs(10);

/// The causes of a port that stand in the log.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<HashMap<&'static str, Last>>);

/// The last line of a cause.
#[derive(Debug)]
struct Last {
    at: Instant,
    left_out: u64,
}

impl Faults {
    /// Says why a connection ended before its time, if that is for the log.
    pub(super) fn log(&self, port: &'static str, peer: SocketAddr, error: &Broken) {
        let Some(cause) = error.cause() else {
            tracing::debug!(port, %peer, %error, "connection ended");
            return;
        };
        if let Some(left_out) = self.due(cause, Instant::now()) {
            tracing::warn!(port, %peer, %error, left_out, "connection refused: {cause}");
        }
    }

    /// How many were left out since the last line of this cause; `None`: this one is left out too.
    fn due(&self, cause: &'static str, now: Instant) -> Option<u64> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match causes.get_mut(cause) {
            Some(last) if now.saturating_duration_since(last.at) < INTERVAL => {
                last.left_out += 1;
                None
            }
            last => {
                let left_out = last.map_or(0, |last| last.left_out);
                causes.insert(cause, Last { at: now, left_out: 0 });
                Some(left_out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_cause_there_is_a_line_now_and_then() {
        let (faults, start) = (Faults::default(), Instant::now());
        assert_eq!(faults.due("a", start), Some(0));
        assert_eq!(faults.due("b", start), Some(0));
        for seconds in 1..10 {
            assert_eq!(faults.due("a", start + Duration::from_secs(seconds)), None);
        }
        assert_eq!(faults.due("a", start + INTERVAL), Some(9));
        assert_eq!(faults.due("a", start + INTERVAL), None);
        assert_eq!(faults.due("a", start + 3 * INTERVAL), Some(1));
        assert_eq!(faults.due("b", start + 3 * INTERVAL), Some(0));
    }
}
