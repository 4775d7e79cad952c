//! Secrets at rest: sealed under a key-encryption key, for one use alone.
//!
//! ```text
//! file = "safelight-sealed:1:" base64( nonce (12) || AES-256-GCM(key-encryption key, nonce, secret, associated data) )
//! associated data = "safelight-sealed:1" and, each after a NUL: key's name, version, scheme, algorithm, option
//! ```
//!
//! The associated data binds the ciphertext to its place: moved to another key, version or option, or under a key whose
//! scheme or algorithm has been changed, it does not open. Nonces are random: one key-encryption key may seal 2^32
//! secrets (NIST SP 800-38D, section 8.3).

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{Algorithm, Scheme, secret::SecretError};

/// What a sealed file starts with.
const HEADER: &str = "safelight-sealed:1:";

/// Bytes of a key-encryption key.
const KEY_BYTES: usize = 32;

/// What a secret is used for. Every part is authenticated.
#[derive(Clone, Copy)]
pub(crate) struct Use<'a> {
    /// Name of the key.
    pub(crate) key: &'a str,
    /// Its version.
    pub(crate) version: u32,
    /// Its scheme.
    pub(crate) scheme: Scheme,
    /// Its algorithm.
    pub(crate) algorithm: Algorithm,
    /// The option that names the file, such as `secret_file`.
    pub(crate) option: &'a str,
}

impl Use<'_> {
    fn associated_data(&self) -> Vec<u8> {
        let version = self.version.to_string();
        // None of the parts can hold a NUL.
        [
            HEADER.trim_end_matches(':'),
            self.key,
            &version,
            self.scheme.name(),
            self.algorithm.name(),
            self.option,
        ]
        .join("\0")
        .into_bytes()
    }
}

/// A key that seals other keys. Wiped on drop; has neither `Debug` nor `Clone`.
pub(crate) struct KeyEncryptionKey(RandomizedNonceKey);

impl KeyEncryptionKey {
    /// From 64 hexadecimal digits. `None`: they are not.
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(text, &mut *key).ok()?;
        RandomizedNonceKey::new(&AES_256_GCM, &*key).ok().map(Self)
    }

    /// Seals a secret for one use: the content of a file. `None`: the system gives no random numbers.
    pub(crate) fn seal(&self, secret: &[u8], used: &Use<'_>) -> Option<String> {
        // Room for the tag: growing would leave a copy behind that nobody wipes.
        let mut text = Vec::with_capacity(secret.len() + AES_256_GCM.tag_len());
        text.extend_from_slice(secret);
        let nonce = self.0.seal_in_place_append_tag(Aad::from(used.associated_data()), &mut text).ok()?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        Some(format!("{HEADER}{}\n", STANDARD.encode(sealed)))
    }

    /// Opens what was sealed for this use, and nothing else.
    pub(crate) fn open(&self, content: &[u8], used: &Use<'_>) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let sealed = content.strip_prefix(HEADER.as_bytes()).ok_or(SecretError::SealMalformed)?;
        let sealed = STANDARD.decode(sealed).map_err(|_| SecretError::SealMalformed)?;
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(SecretError::SealMalformed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SecretError::SealMalformed)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self
            .0
            .open_in_place(nonce, Aad::from(used.associated_data()), &mut text)
            .map_err(|_| SecretError::SealBroken)?
            .len();
        text.truncate(length);
        if text.is_empty() { Err(SecretError::Empty) } else { Ok(text) }
    }
}

/// Whether a file is sealed.
pub(crate) fn is_sealed(content: &[u8]) -> bool {
    content.starts_with(HEADER.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"hunter2-fake-secret";

    fn key(byte: u8) -> KeyEncryptionKey {
        KeyEncryptionKey::new(hex::encode([byte; KEY_BYTES]).as_bytes()).unwrap()
    }

    fn web() -> Use<'static> {
        Use {
            key: "web",
            version: 3,
            scheme: Scheme::CloudflareImages,
            algorithm: Algorithm::HmacSha256,
            option: "secret_file",
        }
    }

    fn open(key: &KeyEncryptionKey, content: &str, used: &Use<'_>) -> Result<Vec<u8>, SecretError> {
        key.open(content.trim_end().as_bytes(), used).map(|secret| secret.to_vec())
    }

    #[test]
    fn what_is_sealed_opens_for_its_use_alone() {
        let sealed = key(1).seal(SECRET, &web()).unwrap();
        assert!(is_sealed(sealed.as_bytes()) && !is_sealed(SECRET));
        assert!(!sealed.contains("hunter2"));
        assert_eq!(open(&key(1), &sealed, &web()), Ok(SECRET.to_vec()));
        assert_ne!(sealed, key(1).seal(SECRET, &web()).unwrap(), "nonces are random");
        let moved = [
            Use { key: "other", ..web() },
            Use { version: 4, ..web() },
            Use { scheme: Scheme::Thumbor, ..web() },
            Use { algorithm: Algorithm::HmacSha1, ..web() },
            Use { option: "salt_file", ..web() },
        ];
        for used in moved {
            assert_eq!(open(&key(1), &sealed, &used), Err(SecretError::SealBroken));
        }
        assert_eq!(open(&key(2), &sealed, &web()), Err(SecretError::SealBroken));
    }

    #[test]
    fn a_cut_or_edited_file_does_not_open() {
        let sealed = key(1).seal(SECRET, &web()).unwrap();
        let sealed = sealed.trim_end();
        for length in HEADER.len()..sealed.len() {
            let error = open(&key(1), &sealed[..length], &web()).unwrap_err();
            assert!(matches!(error, SecretError::SealMalformed | SecretError::SealBroken), "{length}");
        }
        let bytes = STANDARD.decode(&sealed[HEADER.len()..]).unwrap();
        for place in 0..bytes.len() {
            let mut edited = bytes.clone();
            edited[place] ^= 1;
            let edited = format!("{HEADER}{}", STANDARD.encode(edited));
            assert_eq!(open(&key(1), &edited, &web()), Err(SecretError::SealBroken), "{place}");
        }
    }

    #[test]
    fn a_key_encryption_key_is_64_digits() {
        for bad in ["", "00", "zz", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64)] {
            assert!(KeyEncryptionKey::new(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
