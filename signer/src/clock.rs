//! What time it is. `service/` asks, and the tasks that sweep and refresh.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// A clock in Unix seconds: the system's, or one that is set by hand.
#[derive(Clone, Debug)]
pub struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still, until [`Clock::set`]. Its clones show the same time.
    #[must_use]
    pub fn fixed(now: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(now))))
    }

    /// Sets a fixed clock and all its clones. The system's clock is left alone.
    pub fn set(&self, now: u64) {
        if let Some(fixed) = &self.0 {
            fixed.store(now, Ordering::Relaxed);
        }
    }

    /// The time in Unix seconds; 0 before 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        match &self.0 {
            Some(fixed) => fixed.load(Ordering::Relaxed),
            None => SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_shows_what_it_was_set_to() {
        let clock = Clock::fixed(1_700_000_000);
        let clone = clock.clone();
        assert_eq!(clone.now(), 1_700_000_000);
        clock.set(5);
        assert_eq!(clone.now(), 5);
    }

    #[test]
    fn the_system_clock_runs_and_cannot_be_set() {
        let clock = Clock::system();
        clock.set(5);
        assert!(clock.now() > 1_700_000_000);
    }
}
