//! Whether configuration and secret files have changed: a hash of all that was read.

use std::cell::RefCell;

use sha2::{Digest, Sha256};

/// A hash of all that was read of a configuration, secrets included: never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digests([u8; 32]);

/// What has been read so far.
#[derive(Default)]
pub(crate) struct Seen(RefCell<Sha256>);

impl Seen {
    /// Adds a content, or what was found instead of one.
    pub(crate) fn add(&self, content: &[u8]) {
        let mut hash = self.0.borrow_mut();
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content);
    }

    pub(crate) fn finish(self) -> Digests {
        Digests(self.0.into_inner().finalize().into())
    }
}
