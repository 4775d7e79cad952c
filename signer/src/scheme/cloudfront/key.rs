//! A key pair of one of three algorithms.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
        RsaKeyPair, VerificationAlgorithm,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use getrandom::SysRng;
use rsa::{
    Pkcs1v15Sign, RsaPrivateKey, pkcs1::DecodeRsaPrivateKey, pkcs8::DecodePrivateKey, traits::SignatureScheme,
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use sha1::{Digest, Sha1};
use subtle::Choice;
use zeroize::Zeroizing;

use crate::{scheme::material::KeyFormatError, stack};

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-1: CloudFront's default, and legacy.
    RsaSha1,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RsaSha256,
    /// ECDSA over P-256 with SHA-256. Its signatures hold a random number: two of one message differ.
    EcdsaSha256,
}

/// A key pair. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key {
    id: Box<str>,
    private: Private,
    public: ParsedPublicKey,
    public_pem: String,
}

enum Private {
    RsaSha1(Box<RsaPrivateKey>),
    RsaSha256(RsaKeyPair),
    EcdsaSha256(EcdsaKeyPair),
}

const RSA: KeyFormatError =
    KeyFormatError("expected an RSA private key of 2048 to 4096 bits (PKCS#1 or PKCS#8)");
const ECDSA: KeyFormatError = KeyFormatError("expected an ECDSA private key on P-256 (SEC 1 or PKCS#8)");

/// Bytes of the longest ECDSA signature over P-256, in DER: a sequence of two integers of 33 bytes. Leading zeros are left
/// out, so about one in 500 is shorter in base64 as well.
const MAX_ECDSA_BYTES: usize = 2 + 2 * (2 + 33);

impl Key {
    /// Prepares a key from its private half in PEM and the id that CloudFront gave its public half.
    ///
    /// # Errors
    /// It is not PEM of an unencrypted private key for this algorithm, or the id is not letters and digits.
    pub fn new(pem: &[u8], key_pair_id: &str, algorithm: Algorithm) -> Result<Self, KeyFormatError> {
        if key_pair_id.is_empty()
            || key_pair_id.len() > 64
            || !key_pair_id.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return Err(KeyFormatError("expected a key pair id of at most 64 letters and digits"));
        }
        let der = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| KeyFormatError("expected a private key in PEM, not encrypted"))?;
        let der = Zeroizing::new(der);
        let (private, public) = match algorithm {
            Algorithm::EcdsaSha256 => {
                let pair =
                    EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der.secret_der())
                        .map_err(|_| ECDSA)?;
                let public = pair.public_key().as_der().map_err(|_| ECDSA)?;
                (Private::EcdsaSha256(pair), public)
            }
            Algorithm::RsaSha1 | Algorithm::RsaSha256 => {
                let pair = match &*der {
                    PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
                    PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
                    _ => return Err(RSA),
                };
                let pair = pair.map_err(|_| RSA)?;
                if pair.public_modulus_len() > 4096 / 8 {
                    return Err(RSA);
                }
                let public = pair.public_key().as_der().map_err(|_| RSA)?;
                let private =
                    if algorithm == Algorithm::RsaSha1 { legacy(&der)? } else { Private::RsaSha256(pair) };
                (private, public)
            }
        };
        let verifying: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::RsaSha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::RsaSha256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::EcdsaSha256 => &ECDSA_P256_SHA256_ASN1,
        };
        let public_pem = pem_of(&public);
        let public = ParsedPublicKey::new(verifying, public.as_ref())
            .map_err(|_| KeyFormatError("expected a key whose public half can be used"))?;
        Ok(Self { id: key_pair_id.into(), private, public, public_pem })
    }

    /// The id that CloudFront gave the public half.
    #[must_use]
    pub fn key_pair_id(&self) -> &str {
        &self.id
    }

    /// The public half, in PEM (`SubjectPublicKeyInfo`), as CloudFront takes it.
    #[must_use]
    pub fn public_key(&self) -> String {
        self.public_pem.clone()
    }

    /// Whether the algorithm is one that a key must allow by name.
    #[must_use]
    pub const fn is_legacy(&self) -> bool {
        matches!(self.private, Private::RsaSha1(_))
    }

    /// The value of `Hash-Algorithm`; CloudFront takes SHA-1 without one.
    pub(super) const fn hash(&self) -> Option<&'static str> {
        if self.is_legacy() { None } else { Some("SHA256") }
    }

    /// Signs. `None` if the system has no randomness.
    pub(super) fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        stack::wiped::<{ stack::KEY_PAIR }, _>(|| self.sign(message))
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.private {
            // With the generator, it blinds.
            Private::RsaSha1(key) => {
                Pkcs1v15Sign::new::<Sha1>().sign(Some(&mut SysRng), key, &Sha1::digest(message)).ok()
            }
            Private::RsaSha256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
            Private::EcdsaSha256(pair) => {
                Some(pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec())
            }
        }
    }

    /// How much longer, in bytes, this signature of the key could have become by chance.
    pub(super) const fn spare(&self, signature: &[u8]) -> usize {
        match &self.private {
            Private::RsaSha1(_) | Private::RsaSha256(_) => 0,
            Private::EcdsaSha256(_) => MAX_ECDSA_BYTES.saturating_sub(signature.len()),
        }
    }

    /// Whether this key made the signature.
    pub(super) fn fits(&self, message: &[u8], signature: &[u8]) -> Choice {
        Choice::from(u8::from(self.public.verify_sig(message, signature).is_ok()))
    }
}

fn legacy(der: &PrivateKeyDer<'_>) -> Result<Private, KeyFormatError> {
    let key = match der {
        PrivateKeyDer::Pkcs1(key) => RsaPrivateKey::from_pkcs1_der(key.secret_pkcs1_der()).ok(),
        PrivateKeyDer::Pkcs8(key) => RsaPrivateKey::from_pkcs8_der(key.secret_pkcs8_der()).ok(),
        _ => None,
    };
    Ok(Private::RsaSha1(Box::new(key.ok_or(RSA)?)))
}

fn pem_of(public: &PublicKeyX509Der<'_>) -> String {
    let text = STANDARD.encode(public.as_ref());
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    let mut rest = &*text;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.extend([line, "\n"]);
        rest = after;
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    pem
}
