//! What a version may do at a moment: states with times, evaluated per call.
//!
//! Every signer of a fleet has the same file and evaluates it by its own clock, so that a rotation needs no
//! coordination: the next version is there, pending, before it signs, and the former one verifies on after that.
//! Clocks may differ by less than these leads without one refused signature.

use serde::Deserialize;

/// What a version may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Verifies; does not sign yet.
    Pending,
    /// Signs and verifies.
    Primary,
    /// Verifies.
    VerifyOnly,
    /// Does nothing. Where the configuration says so, its secret is not even read.
    Disabled,
}

/// What the configuration says of a version. Times are in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its state, as far as no time changes it.
    pub state: State,
    /// From when on a pending version is the primary one: the version that was so before only verifies then.
    pub primary_from: Option<u64>,
    /// From when on it is disabled.
    pub verify_until: Option<u64>,
}

impl Schedule {
    /// A state that no time changes.
    #[must_use]
    pub const fn always(state: State) -> Self {
        Self { state, primary_from: None, verify_until: None }
    }

    /// From when on it could be the primary: the configured primary always could. `None`: never.
    #[must_use]
    pub const fn takes_over(&self) -> Option<u64> {
        match self.state {
            State::Primary => Some(0),
            State::Pending => self.primary_from,
            State::VerifyOnly | State::Disabled => None,
        }
    }

    /// Whether it has taken over by `now`; another one may have done so since.
    #[must_use]
    pub fn has_taken_over(&self, now: u64) -> bool {
        self.takes_over().is_some_and(|from| from <= now)
    }

    /// What a version that is not the primary may do.
    #[must_use]
    pub fn beside_primary(&self, now: u64) -> State {
        if self.verify_until.is_some_and(|until| until <= now) {
            return State::Disabled;
        }
        match self.state {
            State::Disabled => State::Disabled,
            State::Pending if !self.has_taken_over(now) => State::Pending,
            State::Pending | State::Primary | State::VerifyOnly => State::VerifyOnly,
        }
    }
}

/// What is wrong with the schedules of a key: the place of the version, its option, and why. With none of these, exactly
/// one version is the primary at every moment, and it verifies.
#[must_use]
pub fn problems(schedules: &[Schedule]) -> Vec<(usize, &'static str, &'static str)> {
    let mut problems = Vec::new();
    for (place, schedule) in schedules.iter().enumerate() {
        let others = || schedules.iter().enumerate().filter(move |(other, _)| *other != place);
        if schedule.primary_from.is_some() && schedule.state != State::Pending {
            problems.push((place, "primary_from", "only for a pending version"));
        }
        if schedule.verify_until.is_some() && schedule.state == State::Disabled {
            problems.push((place, "verify_until", "not for a disabled version"));
        }
        let Some(from) = schedule.takes_over() else { continue };
        let is_pending = schedule.state == State::Pending;
        if is_pending && others().any(|(other, that)| other < place && that.takes_over() == Some(from)) {
            problems.push((place, "primary_from", "another version has this time"));
        }
        if let Some(until) = schedule.verify_until {
            let successor =
                others().filter_map(|(_, that)| that.takes_over()).any(|at| from < at && at <= until);
            if !successor {
                problems.push((place, "verify_until", "no other version has become the primary by then"));
            }
        }
    }
    problems
}
