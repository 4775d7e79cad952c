//! Amazon CloudFront: signed URLs and signed cookies, with a canned or a custom policy.
//!
//! ```text
//! message = {"Statement":[{"Resource":R,"Condition":{"DateLessThan":{"AWS:EpochTime":E}}}]}
//!           a custom policy also has "DateGreaterThan" and "IpAddress":{"AWS:SourceIp":"192.0.2.0/24"}
//! S       = sign(message): RSA PKCS#1 v1.5 with SHA-1 (legacy) or SHA-256, or ECDSA P-256 with SHA-256 (DER)
//! URL     = url [?&] "Expires=" E  "&Key-Pair-Id=" K "&Signature=" b64(S) ["&Hash-Algorithm=SHA256"]     canned
//!           url [?&] "Policy=" b64(message) "&Key-Pair-Id=" …                                            custom
//! cookies = the same names with "CloudFront-" before them
//! b64       base64 with "+=/" written "-_~"
//! ```
//!
//! A custom policy's resource is one URL, or with a `*` in it a pattern for the whole URL: `*` stands for any text, `?` for one
//! character. It is written when a start, a client (IPv4 only) or a scope is wanted. Sources: CloudFront's developer guide, "Use signed
//! URLs" and "Use signed cookies"; `@aws-sdk/cloudfront-signer`, which was run.
//!
//! # Policy
//! CloudFront documents what it reads, not what it refuses; this is ours:
//! - The parameters may stand anywhere in the query, in any order (the SDKs differ), each once; the resource is the URL
//!   without them. So every other parameter is signed, unless a pattern covers it.
//! - `Hash-Algorithm` must be what the key says, and `Key-Pair-Id` the key's id: neither chooses anything.
//! - A policy is JSON with the members above and no others, and one statement. Any order and spacing will do: what is
//!   authenticated is the text, byte for byte, before it is read.
//! - A canned signature is also one of a custom policy of the same text. So a URL with a `*` is not signed: read as a
//!   pattern it would cover other URLs. And a resource without `*` is no pattern here: the `?` before its query would stand
//!   for any one character, as it does at CloudFront.
//! - An origin must be told, and is compared byte for byte. ECDSA with SHA-1 is not offered.
//!
//! # RSA with SHA-1
//! AWS-LC verifies it and does not sign with it, so that one signature is made by the `rsa` crate. RUSTSEC-2023-0071
//! (Marvin) is about the time of its private operation. Here that operation is blinded with fresh randomness, its
//! arithmetic is of constant time since 0.10, and it stands behind gRPC, for callers who may have anything under their
//! grant signed anyway: no one submits ciphertexts, and nothing is decrypted. Everything else is AWS-LC.
//!
//! # Layout
//! - `key`: the three algorithms
//! - `statement`: policies, written and read
//! - `sign`, `verify`

mod key;
mod sign;
mod statement;
#[cfg(test)]
mod tests;
mod verify;

use base64::{Engine, engine::general_purpose::STANDARD};

pub use key::{Algorithm, Key};

use super::url::{Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted};

/// The reserved parameters. Their places are used below.
const NAMES: [&str; 5] = ["Policy", "Expires", "Key-Pair-Id", "Signature", "Hash-Algorithm"];

/// The same as cookies.
const COOKIES: [&str; 5] = [
    "CloudFront-Policy",
    "CloudFront-Expires",
    "CloudFront-Key-Pair-Id",
    "CloudFront-Signature",
    "CloudFront-Hash-Algorithm",
];

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

/// Decodes the one spelling of some bytes.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.contains(['+', '=', '/']) {
        return None;
    }
    STANDARD.decode(text.replace('-', "+").replace('_', "=").replace('~', "/")).ok()
}

impl UrlScheme for Key {
    const EXPIRY: Expiry = Expiry::Always;

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        sign::sign(self, policy, wanted)
    }

    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal> {
        verify::verify(keys, policy, presented)
    }
}
