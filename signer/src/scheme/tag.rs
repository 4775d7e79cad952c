//! What a key makes of a message: the part that must not leak.

use base64::Engine;
use hmac::{Mac, digest::Output};
use sha2::Digest;
use subtle::{Choice, ConstantTimeEq};

use crate::stack;

/// Bytes of the longest: HMAC-SHA256.
pub(super) const MAX_BYTES: usize = 32;

/// A MAC, or the hash of a message and a secret, that we computed and the caller may not know.
///
/// It has no `PartialEq` and gives out its bytes only as a signature to hand out: `==` does not compile, and the one way to
/// compare is [`Tag::fits`]. Two lints keep it so: `into_bytes` of a MAC is allowed here alone (`clippy.toml`), and
/// `tests/pitfalls.rs` knows where else something is hashed.
pub(crate) struct Tag {
    bytes: [u8; MAX_BYTES],
    length: usize,
}

impl Tag {
    /// The MAC of the parts, one after the other, with a prepared key.
    pub(crate) fn of_mac<M: Mac + Clone>(key: &M, parts: impl IntoIterator<Item: AsRef<[u8]>>) -> Self {
        stack::wiped::<{ stack::HASH }, _>(|| {
            let mut mac = key.clone();
            for part in parts {
                mac.update(part.as_ref());
            }
            #[expect(clippy::disallowed_methods, reason = "from here on it is a tag")]
            let bytes: Output<M> = mac.finalize().into_bytes();
            Self::new(&bytes)
        })
    }

    /// The hash of the parts, one after the other, a secret among them.
    pub(crate) fn of_hash<D: Digest>(parts: impl IntoIterator<Item: AsRef<[u8]>>) -> Self {
        stack::wiped::<{ stack::HASH }, _>(|| {
            let mut hash = D::new();
            for part in parts {
                hash.update(part);
            }
            Self::new(&hash.finalize())
        })
    }

    /// The first bytes, at most [`MAX_BYTES`]; zeros behind them.
    fn new(made: &[u8]) -> Self {
        let mut bytes = [0; MAX_BYTES];
        let length = made.len().min(MAX_BYTES);
        bytes.iter_mut().zip(made).for_each(|(byte, made)| *byte = *made);
        Self { bytes, length }
    }

    /// Its first bytes, for schemes that cut their signatures.
    pub(crate) fn truncated(self, length: usize) -> Self {
        Self::new(self.bytes().get(..length).unwrap_or_else(|| self.bytes()))
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// Whether this is what was presented, in constant time; false for another length, which is no secret.
    pub(crate) fn fits(&self, presented: &[u8]) -> Choice {
        let other = Self::new(presented);
        // Eight bytes at a time: each comparison is hidden from the compiler, and so cannot become one with the next.
        let ((ours, _), (theirs, _)) = (self.bytes.as_chunks(), other.bytes.as_chunks());
        let same_length = Choice::from(u8::from(presented.len() == self.length));
        ours.iter().zip(theirs).fold(same_length, |all, (ours, theirs)| {
            all & u64::from_ne_bytes(*ours).ct_eq(&u64::from_ne_bytes(*theirs))
        })
    }

    /// In lower-case hexadecimal, to be handed out.
    pub(crate) fn hex(&self) -> String {
        let mut text = String::with_capacity(2 * self.length);
        self.push_hex(&mut text);
        text
    }

    /// Appends it in lower-case hexadecimal, to be handed out.
    pub(crate) fn push_hex(&self, text: &mut String) {
        // All of them, whatever the length: loops of a known length without branches become vector instructions.
        let mut digits = [0; 2 * MAX_BYTES];
        for ([high, low], byte) in digits.as_chunks_mut().0.iter_mut().zip(self.bytes) {
            (*high, *low) = (digit(byte >> 4), digit(byte & 15));
        }
        // Cannot fail: digits are text.
        text.push_str(
            digits.get(..2 * self.length).and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default(),
        );
    }

    /// In base64, to be handed out.
    pub(crate) fn base64(&self, engine: &impl Engine) -> String {
        engine.encode(self.bytes())
    }
}

/// The lower-case hexadecimal digit of a number below 16.
const fn digit(number: u8) -> u8 {
    number + if number < 10 { b'0' } else { b'a' - 10 }
}

#[cfg(test)]
mod tests {
    use sha2::Sha256;

    use super::*;

    #[test]
    fn pitfall_01_a_tag_fits_itself_and_nothing_else() {
        let tag = || Tag::of_hash::<Sha256>([""; 0]);
        let bytes: [u8; 32] = Sha256::digest([]).into();
        assert!(bool::from(tag().fits(&bytes)));
        assert!(bool::from(tag().truncated(8).fits(&bytes[..8])));
        for length in [0, 1, 31] {
            assert!(!bool::from(tag().fits(&bytes[..length])), "{length}");
            assert!(!bool::from(tag().truncated(length).fits(&bytes)), "{length}");
        }
        for place in 0..32 {
            for bit in 0..8 {
                let mut other = bytes;
                other[place] ^= 1 << bit;
                assert!(!bool::from(tag().fits(&other)), "{place}");
            }
        }
        // Zeros fill what is compared: they are no part of a tag, whatever the lengths.
        for length in 0..=32 {
            let mut padded = bytes.to_vec();
            padded.truncate(length);
            padded.resize(40, 0);
            for presented in 0..=40 {
                let fits = bool::from(tag().truncated(length).fits(&padded[..presented]));
                assert_eq!(fits, presented == length, "{presented} for {length}");
            }
        }
        assert_eq!(tag().hex(), hex::encode(bytes));
        for length in 0..=32 {
            let mut text = "sig=".to_owned();
            tag().truncated(length).push_hex(&mut text);
            assert_eq!(text, format!("sig={}", hex::encode(&bytes[..length])));
        }
        assert_eq!(tag().truncated(99).hex().len(), 64);
    }
}
