//! The versions of a key's secret.

use serde::Deserialize;

/// What a version may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Signs and verifies.
    Primary,
    /// Verifies.
    VerifyOnly,
    /// Does nothing. Its secret is not even read.
    Disabled,
}

/// A version that can be used.
pub struct Version<M> {
    /// From 1.
    pub id: u32,
    /// The secret, prepared for use.
    pub material: M,
}

/// The versions of a key: exactly one signs, by construction.
pub struct Versions<M> {
    primary: Version<M>,
    verify_only: Vec<Version<M>>,
    disabled: Vec<u32>,
}

impl<M> Versions<M> {
    pub(super) const fn new(primary: Version<M>, verify_only: Vec<Version<M>>, disabled: Vec<u32>) -> Self {
        Self { primary, verify_only, disabled }
    }

    /// The version that signs.
    #[must_use]
    pub const fn primary(&self) -> &Version<M> {
        &self.primary
    }

    /// The versions that verify, the primary first.
    pub fn eligible(&self) -> impl Iterator<Item = &Version<M>> {
        std::iter::once(&self.primary).chain(&self.verify_only)
    }

    /// The id of the eligible version at this place.
    #[must_use]
    pub fn eligible_id(&self, place: usize) -> Option<u32> {
        self.eligible().nth(place).map(|version| version.id)
    }

    /// The ids and states of all versions, lowest id first.
    #[must_use]
    pub fn states(&self) -> Vec<(u32, State)> {
        let mut states = vec![(self.primary.id, State::Primary)];
        states.extend(self.verify_only.iter().map(|version| (version.id, State::VerifyOnly)));
        states.extend(self.disabled.iter().map(|id| (*id, State::Disabled)));
        states.sort_by_key(|(id, _)| *id);
        states
    }
}
