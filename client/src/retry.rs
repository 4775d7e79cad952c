//! How many second tries are left: a signer in trouble is not to be asked twice as often.

use std::sync::atomic::{AtomicU32, Ordering};

/// Tries left at the start and at most, in tenths: the tokens of gRFC A6, with its default sizes.
const FULL: u32 = 100;
/// What a failure costs, in tenths.
const FAILURE: u32 = 10;
/// What an answer gives back, in tenths.
const ANSWER: u32 = 1;

/// A budget that failures empty and answers fill. Below its half there are no second tries.
#[derive(Debug)]
pub(crate) struct Budget(AtomicU32);

impl Budget {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(FULL))
    }

    /// The signer answered, whatever it said.
    pub(crate) fn answered(&self) {
        self.change(|left| (left + ANSWER).min(FULL));
    }

    /// It did not; whether it may be asked again.
    pub(crate) fn failed(&self) -> bool {
        self.change(|left| left.saturating_sub(FAILURE)) > FULL / 2
    }

    fn change(&self, how: impl Fn(u32) -> u32) -> u32 {
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(how(left)));
        how(before.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_use_it_up_and_answers_bring_it_back() {
        let budget = Budget::new();
        let tries = (0..100).filter(|_| budget.failed()).count();
        assert_eq!(tries, 4, "half of ten, then none");
        for _ in 0..FULL / 2 + FAILURE {
            budget.answered();
        }
        assert!(!budget.failed(), "exactly the half is not more than it");
        for _ in 0..1_000 {
            budget.answered();
        }
        assert!(budget.failed());
    }
}
