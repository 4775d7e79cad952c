//! Records tied to each other.
//!
//! Every line ends in `,"sequence":N,"previous":"…","hash":"…"}`. `hash` is the HMAC-SHA256, under a key derived from the
//! audit key, of the line up to and without `,"hash"`; `previous` is the hash of the line before (64 zeros for the first).
//! So a record that is edited, taken out, put in or moved breaks the chain there, and nobody without the audit key can
//! make another chain that holds. Records cut off at the end leave a chain that holds: that is found by comparing with a
//! hash noted elsewhere (`--head`), and by the `close` record that an orderly end leaves.

use hmac::Hmac;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::scheme::Tag;

/// Hexadecimal digits of a hash.
const HASH_DIGITS: usize = 64;

/// The end of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Number of the last record; 0 before the first.
    pub(super) sequence: u64,
    /// Its hash.
    pub(super) hash: String,
}

impl Head {
    pub(super) fn start() -> Self {
        Self { sequence: 0, hash: "0".repeat(HASH_DIGITS) }
    }

    /// Ties a record (a JSON object without its closing brace) to the chain, and appends it to `out`.
    pub(super) fn tie(&mut self, mac: &Hmac<Sha256>, record: &str, out: &mut String) {
        self.sequence += 1;
        let tied = format!("{record},\"sequence\":{},\"previous\":\"{}\"", self.sequence, self.hash);
        self.hash = hash(mac, &tied);
        out.push_str(&tied);
        out.push_str(",\"hash\":\"");
        out.push_str(&self.hash);
        out.push_str("\"}\n");
    }

    /// Checks that a line follows, and moves on to it; otherwise says what is wrong.
    pub(super) fn follow(&mut self, mac: &Hmac<Sha256>, line: &str) -> Result<(), &'static str> {
        let (head, previous) = parse(mac, line)?;
        if head.sequence != self.sequence + 1 {
            return Err("its number does not follow the one before");
        }
        if previous != self.hash {
            return Err("it was not written behind the one before");
        }
        *self = head;
        Ok(())
    }

    /// The end of a chain from its last line, whose own hash must hold.
    pub(super) fn of_last(mac: &Hmac<Sha256>, line: &str) -> Result<Self, &'static str> {
        parse(mac, line).map(|(head, _)| head)
    }
}

/// A line's number and hash, and the hash that it says is the one before.
fn parse<'l>(mac: &Hmac<Sha256>, line: &'l str) -> Result<(Head, &'l str), &'static str> {
    const FORM: &str = "it is no record";
    let rest = line.strip_suffix("\"}").ok_or(FORM)?;
    let (tied, found) = rest.rsplit_once(",\"hash\":\"").ok_or(FORM)?;
    let (record, previous) = tied.rsplit_once(",\"previous\":\"").ok_or(FORM)?;
    let previous = previous.strip_suffix('"').ok_or(FORM)?;
    let (_, sequence) = record.rsplit_once(",\"sequence\":").ok_or(FORM)?;
    let sequence = sequence.parse().map_err(|_| FORM)?;
    let made = hash(mac, tied);
    if bool::from(made.as_bytes().ct_eq(found.as_bytes())) {
        Ok((Head { sequence, hash: made }, previous))
    } else {
        Err("its hash does not hold: it was edited, or written under another key")
    }
}

fn hash(mac: &Hmac<Sha256>, tied: &str) -> String {
    Tag::of_mac(mac, [tied]).hex()
}
