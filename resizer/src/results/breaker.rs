//! Whether the result store is asked: not while it fails.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Failures one after the other that begin a pause.
const FAILURES: u32 = 3;
/// How long the store is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// Counts failures of the store.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Until when the store is left alone. Stays set until an attempt succeeds.
    paused_until: Option<Instant>,
}

/// Whether the store is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It is.
    Open,
    /// It is not.
    Paused,
    /// It is not, but it is time to find out whether it answers again: this caller is the one to try.
    Try,
}

impl Breaker {
    /// Asks whether the store is to be asked.
    #[must_use]
    pub fn gate(&self) -> Gate {
        self.gate_at(Instant::now())
    }

    fn gate_at(&self, now: Instant) -> Gate {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.paused_until {
            None => Gate::Open,
            Some(until) if now < until => Gate::Paused,
            Some(_) => {
                // One attempt for each pause.
                state.paused_until = Some(now + PAUSE);
                Gate::Try
            }
        }
    }

    /// The store did what it was asked. Answers whether that ends a pause.
    pub fn succeeded(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = 0;
        state.paused_until.take().is_some()
    }

    /// The store failed. Answers whether that begins a pause: then the cause is to be logged.
    pub fn failed(&self) -> bool {
        self.failed_at(Instant::now())
    }

    fn failed_at(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES {
            return false;
        }
        state.paused_until.replace(now + PAUSE).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_pause_and_one_attempt_at_a_time_ends_it() {
        let breaker = Breaker::default();
        let now = Instant::now();
        assert!(!breaker.failed_at(now) && !breaker.failed_at(now));
        assert!(!breaker.succeeded());
        assert!(!breaker.failed_at(now) && !breaker.failed_at(now));
        assert_eq!(breaker.gate_at(now), Gate::Open);
        assert!(breaker.failed_at(now), "it is said when it begins");
        assert!(!breaker.failed_at(now), "and once");
        assert_eq!(breaker.gate_at(now), Gate::Paused);
        let later = now + PAUSE;
        assert_eq!(breaker.gate_at(later), Gate::Try);
        assert_eq!(breaker.gate_at(later), Gate::Paused, "one attempt");
        assert!(!breaker.failed_at(later));
        assert_eq!(breaker.gate_at(later + PAUSE), Gate::Try);
        assert!(breaker.succeeded(), "its end is said");
        assert_eq!(breaker.gate_at(later), Gate::Open);
    }
}
