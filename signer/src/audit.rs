//! The audit trail: what was signed, verified, redeemed, refused and reloaded, by whom.
//!
//! ```toml
//! [audit]
//! sink = "file"                          # or "stdout"
//! path = "/var/lib/safelight/audit.jsonl"   # for "file"
//! mode = "required"                      # the default; or "best-effort"
//! key_file = "/run/secrets/audit"        # chains records and hides subjects; default: random for this process
//! ```
//!
//! A record is one line of JSON. It never holds a secret, a signature, a token or the value of a query: what was signed or
//! verified stands in it as `subject`, an HMAC-SHA256 under the audit key, by which whoever has key and subject finds
//! the record, and nobody else learns anything.
//!
//! With `mode = "required"` no answer is given before its record is in the sink (for a file: synchronised to the disk), and
//! when the sink fails nothing is answered any more: `AUDIT_UNAVAILABLE`. Records of calls that come together share
//! one write.
//!
//! # Layout
//! - [`Audit`]: where handlers put records
//! - [`Entry`]: what a record says
//! - `chain`: records tied to each other, so that a cut or an edit is found
//! - `writer`: the thread that writes, and commits many records at once
//! - [`verify`]: what `safelight-signer audit verify` does

mod chain;
mod config;
mod entry;
#[cfg(test)]
mod tests;
pub mod verify;
mod writer;

use std::{
    io,
    sync::{Arc, Weak},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub use config::Settings;
pub use entry::{Entry, Event, Items};
use writer::Writer;

use crate::scheme::Tag;

/// Why there is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail cannot be written")]
pub struct Unavailable;

/// Why an audit trail cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read or written.
    #[error("the audit file: {0}")]
    Io(#[from] io::Error),
    /// The last record is not one of this chain.
    #[error(
        "the audit file's last record does not continue its chain: has it been edited, or is it another key's?"
    )]
    Broken,
    /// Another process writes it.
    #[error("the audit file is locked by another process: each signer needs one of its own")]
    Locked,
}

/// Where records go. Clones share the sink.
#[derive(Clone)]
pub struct Audit(Option<Arc<Sink>>);

/// A handle that does not keep the trail open: for whoever may outlive the server.
pub(crate) struct WeakAudit(Weak<Sink>);

impl WeakAudit {
    /// As [`Audit::offer`], if the trail is still open.
    pub(crate) fn offer(&self, entry: Entry) {
        Audit(self.0.upgrade()).offer(entry);
    }
}

struct Sink {
    writer: Writer,
    required: bool,
    /// Hides subjects. Wiped on drop, and without `Debug`.
    subjects: Hmac<Sha256>,
}

impl Audit {
    /// No audit trail.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Opens the sink, and starts the thread that writes to it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let writer = Writer::start(settings)?;
        let sink = Sink { writer, required: settings.required, subjects: settings.mac(b"subject") };
        Ok(Self(Some(Arc::new(sink))))
    }

    /// Writes a record. Where it is required, returns when it is in the sink.
    ///
    /// # Errors
    /// It is required and could not be written.
    pub async fn write(&self, entry: Entry) -> Result<(), Unavailable> {
        let Some(sink) = &self.0 else { return Ok(()) };
        let line = entry.into_line(|subject| sink.hide(subject));
        if sink.required {
            return sink.writer.commit(line).await;
        }
        sink.writer.offer(line);
        Ok(())
    }

    /// Writes a record without waiting for it, as of a call that was refused at the gate: a flood of those must cost nothing.
    /// Dropped when too many wait.
    pub fn offer(&self, entry: Entry) {
        if let Some(sink) = &self.0 {
            sink.writer.offer(entry.into_line(|subject| sink.hide(subject)));
        }
    }

    /// A handle that does not keep the trail open.
    pub(crate) fn downgrade(&self) -> WeakAudit {
        WeakAudit(self.0.as_ref().map(Arc::downgrade).unwrap_or_default())
    }

    /// Whether there is a trail at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

impl Sink {
    fn hide(&self, subject: &str) -> String {
        Tag::of_mac(&self.subjects, [subject]).hex()
    }
}

/// A MAC for one use of the audit key: `label` keeps uses apart.
fn mac(key: &[u8], label: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
    let mut derive = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    derive.update(label);
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
    #[expect(clippy::disallowed_methods, reason = "a key, which nothing is compared with")]
    Hmac::new_from_slice(&derive.finalize().into_bytes()).expect("HMAC takes keys of any length")
}
