//! What tells secrets apart and says nothing about them.

use std::sync::OnceLock;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::scheme::Tag;

/// Digits of a fingerprint: 64 bits, far more than it takes to tell the secrets of a deployment apart.
const DIGITS: usize = 16;

/// Makes fingerprints. Without its key nobody can try guesses against them, however weak the secret.
pub(super) struct Fingerprints(Hmac<Sha256>);

/// What is left of the secrets of one version.
pub(super) struct Fingerprint(Hmac<Sha256>);

impl Fingerprints {
    /// Under the key of the deployment: every signer that has it makes the same fingerprints.
    pub(super) fn of_deployment(key: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// Under a random key that this process made: the same fingerprint is the same secret only here, until it ends.
    pub(super) fn of_process() -> Result<Self, getrandom::Error> {
        static KEY: OnceLock<Zeroizing<[u8; 32]>> = OnceLock::new();
        if let Some(key) = KEY.get() {
            return Ok(Self::of_deployment(&**key));
        }
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key)?;
        Ok(Self::of_deployment(&**KEY.get_or_init(|| key)))
    }

    /// Of no secret yet.
    pub(super) fn start(&self) -> Fingerprint {
        Fingerprint(self.0.clone())
    }
}

impl Fingerprint {
    /// Adds one of the secrets of a version. Each with its length, so that none runs into the next.
    pub(super) fn add(&mut self, secret: &[u8]) {
        self.0.update(&(secret.len() as u64).to_be_bytes());
        self.0.update(secret);
    }

    /// Lower-case hexadecimal.
    pub(super) fn finish(self) -> String {
        let mut text = Tag::of_mac(&self.0, [""; 0]).hex();
        text.truncate(DIGITS);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fingerprints: &Fingerprints, secrets: &[&[u8]]) -> String {
        let mut fingerprint = fingerprints.start();
        secrets.iter().for_each(|secret| fingerprint.add(secret));
        fingerprint.finish()
    }

    #[test]
    fn secrets_are_told_apart_and_deployments_too() {
        let ours = Fingerprints::of_deployment(b"ours");
        assert_eq!(of(&ours, &[b"a"]), of(&Fingerprints::of_deployment(b"ours"), &[b"a"]));
        assert_ne!(of(&ours, &[b"a"]), of(&ours, &[b"b"]));
        assert_ne!(of(&ours, &[b"a"]), of(&Fingerprints::of_deployment(b"theirs"), &[b"a"]));
        assert_ne!(of(&ours, &[b"ab", b"c"]), of(&ours, &[b"a", b"bc"]));
        assert_eq!(of(&ours, &[b"a"]).len(), DIGITS);
    }

    #[test]
    fn a_process_has_one_key() {
        let (first, second) = (Fingerprints::of_process().unwrap(), Fingerprints::of_process().unwrap());
        assert_eq!(of(&first, &[b"a"]), of(&second, &[b"a"]));
        assert_ne!(of(&first, &[b"a"]), of(&Fingerprints::of_deployment(&[0; 32]), &[b"a"]));
    }
}
