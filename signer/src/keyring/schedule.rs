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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyring::{Version, VersionInfo, Versions};

    fn versions(schedules: &[Schedule]) -> Option<Versions<()>> {
        if !problems(schedules).is_empty() {
            return None;
        }
        let version = |(place, schedule): (usize, &Schedule)| {
            let info = VersionInfo {
                id: u32::try_from(place).unwrap() + 1,
                schedule: *schedule,
                identifier: None,
                public_key: None,
                fingerprint: String::new(),
            };
            Version { info, material: () }
        };
        let (first, others): (Vec<_>, Vec<_>) = schedules
            .iter()
            .enumerate()
            .map(version)
            .partition(|version| version.info.schedule.state == State::Primary);
        let first = first.into_iter().next()?;
        let (disabled, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|version| version.info.schedule.state == State::Disabled);
        Some(Versions::new(first, others, disabled.into_iter().map(|version| version.info).collect()))
    }

    fn any_schedule() -> impl Strategy<Value = Schedule> {
        let state = prop_oneof![Just(State::Pending), Just(State::VerifyOnly), Just(State::Disabled)];
        (state, proptest::option::of(0..50_u64), proptest::option::of(0..50_u64)).prop_map(
            |(state, primary_from, verify_until)| Schedule {
                state,
                primary_from: primary_from.filter(|_| state == State::Pending),
                verify_until: verify_until.filter(|_| state != State::Disabled),
            },
        )
    }

    proptest! {
        #[test]
        fn at_every_moment_exactly_one_version_is_the_primary_and_it_verifies(
            others in proptest::collection::vec(any_schedule(), 0..7),
            until in proptest::option::of(0..50_u64),
            place in 0..7_usize,
        ) {
            let mut schedules = others;
            let primary = Schedule { verify_until: until, ..Schedule::always(State::Primary) };
            schedules.insert(place.min(schedules.len()), primary);
            let Some(versions) = versions(&schedules) else { return Ok(()) };
            for now in 0..60 {
                let states = versions.states(now);
                let primaries: Vec<_> =
                    states.iter().filter(|(_, state)| *state == State::Primary).map(|(info, _)| info.id).collect();
                prop_assert_eq!(&primaries, &[versions.primary(now).info.id]);
                // Only the primary is spared by its time: and it never has to be, for another one has taken over by then.
                let primary = versions.primary(now).info.schedule;
                prop_assert!(primary.verify_until.is_none_or(|until| now < until));
                let eligible: Vec<_> = versions.eligible(now).map(|version| version.info.id).collect();
                prop_assert_eq!(eligible[0], primaries[0]);
                let verifying = states.iter().filter(|(_, state)| *state != State::Disabled).count();
                prop_assert_eq!(eligible.len(), verifying);
            }
        }

        /// What one signer signs, every other verifies, as long as it is presented within its life and the clocks of the
        /// two differ by less than the lead, and both have the file.
        #[test]
        fn a_rotation_has_no_gap_with_clocks_apart_by_less_than_the_lead(
            life in 1..100_u64,
            lead in 1..30_u64,
            apart in 0..30_u64,
            ahead in any::<bool>(),
            signed_at in 0..200_u64,
            age in 0..100_u64,
        ) {
            prop_assume!(apart < lead && age < life);
            // Handed out by 0 + lead, as `rotate` plans it.
            let start = 1000;
            let from = start + lead;
            let schedules = [
                Schedule { verify_until: Some(from + life + lead), ..Schedule::always(State::Primary) },
                Schedule { primary_from: Some(from), ..Schedule::always(State::Pending) },
            ];
            let versions = versions(&schedules).unwrap();
            let signed_at = start + signed_at;
            let presented_at = if ahead { signed_at + age + apart } else { (signed_at + age).saturating_sub(apart) };
            let signer = versions.primary(signed_at).info.id;
            let verifies = versions.eligible(presented_at).any(|version| version.info.id == signer);
            prop_assert!(verifies, "version {} signed at {}, presented at {}", signer, signed_at, presented_at);
        }
    }

    #[test]
    fn what_does_not_fit_together() {
        let pending = |from| Schedule { primary_from: from, ..Schedule::always(State::Pending) };
        let primary = |until| Schedule { verify_until: until, ..Schedule::always(State::Primary) };
        for (schedules, expected) in [
            (vec![primary(None), pending(Some(5)), pending(None)], vec![]),
            (vec![primary(Some(5)), pending(Some(5))], vec![]),
            (
                vec![primary(Some(4)), pending(Some(5))],
                vec![(0, "verify_until", "no other version has become the primary by then")],
            ),
            (
                vec![primary(None), pending(Some(5)), pending(Some(5))],
                vec![(2, "primary_from", "another version has this time")],
            ),
            (
                vec![
                    Schedule { primary_from: Some(1), ..primary(None) },
                    Schedule { verify_until: Some(1), ..Schedule::always(State::Disabled) },
                ],
                vec![
                    (0, "primary_from", "only for a pending version"),
                    (1, "verify_until", "not for a disabled version"),
                ],
            ),
            (
                vec![primary(None), Schedule { verify_until: Some(9), ..pending(Some(5)) }],
                vec![(1, "verify_until", "no other version has become the primary by then")],
            ),
        ] {
            assert_eq!(problems(&schedules), expected, "{schedules:?}");
        }
    }
}
