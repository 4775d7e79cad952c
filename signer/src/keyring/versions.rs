//! The versions of a key's secret.

use super::schedule::{Schedule, State};

/// What is known of a version beside its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// From 1.
    pub id: u32,
    /// What the configuration says of it.
    pub schedule: Schedule,
    /// The public half of the credential: AWS's access key id, CloudFront's key pair id, Google's key name.
    pub identifier: Option<String>,
    /// The public key of an asymmetric scheme, as the CDN wants it.
    pub public_key: Option<String>,
    /// Tells secrets apart, and says nothing about them. Empty for a disabled version, and where a
    /// provider issues the credentials.
    pub fingerprint: String,
}

/// A version that can be used.
pub struct Version<M> {
    /// What is known of it.
    pub info: VersionInfo,
    /// The secret, prepared for use.
    pub material: M,
}

/// The versions of a key. At every moment exactly one signs.
pub struct Versions<M> {
    /// The primary of the configuration: the first one, if pending versions are planned to follow it.
    first: Version<M>,
    others: Vec<Version<M>>,
    disabled: Vec<VersionInfo>,
}

impl<M> Versions<M> {
    /// `first` is the one whose configured state is primary; see [`problems`](super::schedule::problems) for what must
    /// hold between them.
    pub(super) const fn new(first: Version<M>, others: Vec<Version<M>>, disabled: Vec<VersionInfo>) -> Self {
        Self { first, others, disabled }
    }

    /// The version that signs at `now`: the one that has taken over last.
    #[must_use]
    pub fn primary(&self, now: u64) -> &Version<M> {
        self.others
            .iter()
            .filter(|version| version.info.schedule.has_taken_over(now))
            .max_by_key(|version| version.info.schedule.takes_over())
            .unwrap_or(&self.first)
    }

    /// The versions that verify at `now`, the primary first.
    pub fn eligible(&self, now: u64) -> impl Iterator<Item = &Version<M>> {
        let primary = self.primary(now);
        let verifies = move |version: &&Version<M>| {
            version.info.id != primary.info.id && version.info.schedule.beside_primary(now) != State::Disabled
        };
        std::iter::once(primary).chain(std::iter::once(&self.first).chain(&self.others).filter(verifies))
    }

    /// The secrets of all versions that are not disabled.
    pub(crate) fn materials(&self) -> impl Iterator<Item = &M> {
        std::iter::once(&self.first).chain(&self.others).map(|version| &version.material)
    }

    /// The same, to be replaced.
    pub(crate) fn materials_mut(&mut self) -> impl Iterator<Item = &mut M> {
        std::iter::once(&mut self.first).chain(&mut self.others).map(|version| &mut version.material)
    }

    /// The id of the eligible version at this place.
    #[must_use]
    pub fn eligible_id(&self, place: usize, now: u64) -> Option<u32> {
        self.eligible(now).nth(place).map(|version| version.info.id)
    }

    /// All versions and their states at `now`, lowest id first.
    #[must_use]
    pub fn states(&self, now: u64) -> Vec<(&VersionInfo, State)> {
        let primary = self.primary(now).info.id;
        let usable = std::iter::once(&self.first).chain(&self.others).map(|version| &version.info);
        let mut states: Vec<_> = usable
            .chain(&self.disabled)
            .map(|info| {
                let is_primary = info.id == primary;
                (info, if is_primary { State::Primary } else { info.schedule.beside_primary(now) })
            })
            .collect();
        states.sort_by_key(|(info, _)| info.id);
        states
    }
}
