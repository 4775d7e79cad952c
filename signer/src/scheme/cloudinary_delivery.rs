//! Cloudinary delivery URLs.
//!
//! ```text
//! message   = [transformation "/"] public_id[.format]
//! signature = base64url(SHA(message || secret))[..8]        SHA-1 or SHA-256: 48 bits
//!             base64url(SHA-256(message || secret))[..32]   `long_url_signature`: 192 bits
//! URL       = origin ["/" cloud_name] "/" resource_type "/" type "/s--" signature "--/" [transformation "/"] ["v" version "/"] public_id
//! ```
//!
//! Sources: Cloudinary's documentation ("Signed delivery URLs") and its SDKs (reference/signing.md, section 1b).
//!
//! # Layout
//! - [`Signatures`]: which signatures a key makes and takes
//! - `target`: a request target, split at its signature
//! - `reading`: the messages that a signature may stand for
//!
//! # Policy
//! **Not signed** are the host, the cloud name, the resource type, the delivery type, the version and the query.
//! `authenticated_target` holds none of them: it is a slash and the message that was signed. The signer refuses
//! URLs with a query.
//!
//! The SDKs sign two different messages: Python and Node the text as it stands in the URL, Ruby the text unescaped until
//! nothing is left to unescape. We sign as the former, and verify four: raw and unescaped, with and without the first
//! segment that looks like a version. Of an unescaped message, `authenticated_target` is the one canonical encoding.
//! A version is signed where `extra` says `sign_version` (the name in the Ruby SDK), as it must be for a public id that
//! itself starts like one.
//!
//! One secret serves uploads and delivery: a message that begins as signed parameters do (`public_id=`) is not
//! signed, and if it is authentic, it is a [`Refusal::ResourceMismatch`]. Nothing expires.
//!
//! A short signature is guessed in 2⁴⁷ requests on average: prefer long ones, and bound the rate of refusals.

mod reading;
mod target;
#[cfg(test)]
mod tests;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use self::target::{Signature, Target};
use super::{
    Tag,
    cloudinary_upload::{Algorithm, is_name},
    material::{self, KeyFormatError},
    url::{
        Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted, checked, only_url,
    },
};

/// Which signatures a key makes and takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// Long ones (SHA-256, 192 bits): `long_url_signature`.
    Long,
    /// Makes long ones, and takes short ones of this algorithm too: while such URLs are about.
    LongOrShort(Algorithm),
    /// Makes short ones (48 bits) of this algorithm, and takes long ones too.
    Short(Algorithm),
}

/// An API secret. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key {
    secret: Zeroizing<Vec<u8>>,
    signatures: Signatures,
}

impl Key {
    /// Takes the bytes of the secret's text.
    ///
    /// # Errors
    /// It is empty.
    pub fn new(secret: &[u8], signatures: Signatures) -> Result<Self, KeyFormatError> {
        Ok(Self { secret: Zeroizing::new(material::text(secret)?.to_vec()), signatures })
    }

    /// Whether the algorithm is one that a key must allow by name: SHA-1.
    #[must_use]
    pub const fn is_legacy(&self) -> bool {
        matches!(
            self.signatures,
            Signatures::Short(Algorithm::Sha1) | Signatures::LongOrShort(Algorithm::Sha1)
        )
    }

    /// The first six bytes of the hash: 8 characters.
    fn short(&self, algorithm: Algorithm, message: &str) -> Tag {
        match algorithm {
            Algorithm::Sha1 => Tag::of_hash::<Sha1>([message.as_bytes(), &self.secret]).truncated(6),
            Algorithm::Sha256 => self.sha256(message).truncated(6),
        }
    }

    /// The first 24 bytes of SHA-256: 32 characters.
    fn long(&self, message: &str) -> Tag {
        self.sha256(message).truncated(24)
    }

    fn sha256(&self, message: &str) -> Tag {
        Tag::of_hash::<Sha256>([message.as_bytes(), &self.secret])
    }

    /// Whether the message has this signature; `None` if the key does not take signatures of this length.
    fn makes(&self, signature: &Signature, message: &str) -> Option<bool> {
        match (signature, self.signatures) {
            (Signature::Long(signature), _) => Some(self.long(message).fits(signature).into()),
            (Signature::Short(_), Signatures::Long) => None,
            (
                Signature::Short(signature),
                Signatures::Short(algorithm) | Signatures::LongOrShort(algorithm),
            ) => Some(self.short(algorithm, message).fits(signature).into()),
        }
    }
}

impl UrlScheme for Key {
    const EXPIRY: Expiry = Expiry::Never;

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        only_url(&Wanted { extra: &[], ..*wanted })?;
        let signs_version = match wanted.extra {
            [] | [("sign_version", "false")] => false,
            [("sign_version", "true")] => true,
            _ => return Err(SignError::Unsupported("extra", "expected sign_version, true or false")),
        };
        let (origin, target) = wanted.url.verbatim()?;
        if target.contains('?') {
            return Err(SignError::Invalid("has a query, which this scheme does not sign"));
        }
        let (prefix, rest) = target::split(target)
            .ok_or(SignError::Invalid("has no path of the form `/cloud_name/image/upload/…`"))?;
        if rest.starts_with("s--") {
            return Err(SignError::Reserved("s--"));
        }
        let unversioned = if signs_version { None } else { reading::without_version(rest) };
        let message = unversioned.as_deref().unwrap_or(rest);
        if message.is_empty() {
            return Err(SignError::Invalid("has no public id"));
        }
        if begins_as_parameters(message) {
            return Err(SignError::Invalid("has a public id that begins as signed parameters do"));
        }
        let signature = match self.signatures {
            Signatures::Long | Signatures::LongOrShort(_) => self.long(message).base64(&URL_SAFE_NO_PAD),
            Signatures::Short(algorithm) => self.short(algorithm, message).base64(&URL_SAFE_NO_PAD),
        };
        checked(self, policy, origin, &format!("{prefix}s--{signature}--/{rest}"), None)
    }

    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal> {
        let target = Target::parse(presented.target, policy)?;
        let readings = reading::all(target.rest);
        let mut found = None;
        let mut takes_length = false;
        for (index, key) in keys.into_iter().enumerate() {
            for reading in &readings {
                let made = key.makes(&target.signature, &reading.message);
                takes_length |= made.is_some();
                if made == Some(true) {
                    found = found.or(Some((index, reading)));
                }
            }
        }
        match found {
            Some((_, reading)) if begins_as_parameters(&reading.message) => Err(Refusal::ResourceMismatch),
            Some((key, reading)) => Ok(Verified {
                key,
                expires: None,
                authenticated_target: reading.target.clone(),
                client_bound: false,
            }),
            None if takes_length => Err(Refusal::SignatureMismatch),
            None => Err(Refusal::SignatureMalformed),
        }
    }
}

/// Whether it could be the message of an upload or a response, which are signed with the same secret.
fn begins_as_parameters(message: &str) -> bool {
    message.split_once('=').is_some_and(|(name, _)| is_name(name))
}
