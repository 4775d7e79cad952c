//! A request target, split at its token.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::SIGNATURE_BYTES;
use crate::scheme::{
    strict::{self, has_dot_segment, spells},
    trailing::pairs,
    url::{Policy, Refusal},
};

/// What a value is encoded with: everything but the unreserved characters of RFC 3986.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the first segment of the directory form starts with, before `token=`.
pub(super) const DIRECTORY: &str = "/bcdn_";

/// A request target whose form is beyond doubt. Nothing in it is authentic yet.
pub(super) struct Target<'t> {
    /// The path, without the token's segment.
    pub(super) path: &'t str,
    pub(super) token: Token<'t>,
}

/// A token and what stands beside it.
pub(super) struct Token<'t> {
    pub(super) signature: [u8; SIGNATURE_BYTES],
    /// Whether the client's address is signed.
    pub(super) for_one_client: bool,
    /// Names and decoded values, sorted by name.
    pub(super) pairs: Vec<(&'t str, String)>,
    pub(super) expires: u64,
    /// The pairs and `expires`, as they are written.
    pub(super) authenticated: &'t str,
}

impl<'t> Target<'t> {
    pub(super) fn parse(target: &'t str, policy: &Policy) -> Result<Self, Refusal> {
        if target.len() > policy.max_target_bytes {
            return Err(Refusal::InputTooLong);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if has_dot_segment(path) {
            return Err(Refusal::AmbiguousPath);
        }
        let segment = path.strip_prefix(DIRECTORY).filter(|rest| rest.starts_with("token="));
        let Some(segment) = segment else {
            return Ok(Self { path, token: Token::parse(query, "")? });
        };
        let (text, path) =
            segment.find('/').map(|slash| segment.split_at(slash)).ok_or(Refusal::SignatureMalformed)?;
        Ok(Self { path, token: Token::parse(text, query)? })
    }
}

impl<'t> Token<'t> {
    /// Reads `token=…&name=value&expires=…`. What follows, and the pairs of `beside`, must be free to change.
    fn parse(text: &'t str, beside: &str) -> Result<Self, Refusal> {
        let occurs = |name| {
            pairs(text).chain(pairs(beside)).filter(|(other, _)| spells(other, name).is_some()).count()
        };
        match (occurs("token"), occurs("expires")) {
            (0, _) => return Err(Refusal::SignatureMissing),
            (1, 0) => return Err(Refusal::ExpiryMissing),
            (1, 1) => {}
            _ => return Err(Refusal::DuplicateParameter),
        }
        let (token, rest) = text
            .strip_prefix("token=")
            .and_then(|text| text.split_once('&'))
            .ok_or(Refusal::SignatureMalformed)?;
        let (signature, for_one_client) = signature(token).ok_or(Refusal::SignatureMalformed)?;

        let mut read = Vec::new();
        let mut length = 0;
        for pair in rest.split('&') {
            let (name, value) = pair.split_once('=').ok_or(Refusal::SignatureMalformed)?;
            length += pair.len();
            if name == "expires" {
                let expires = strict::ten_digits(value).ok_or(Refusal::ExpiryMalformed)?;
                let (authenticated, free) = rest.split_at_checked(length).unwrap_or((rest, ""));
                let token = Self { signature, for_one_client, pairs: read, expires, authenticated };
                let ignores = token.parameter("token_ignore_params") == Some("true");
                return if ignores || (free.is_empty() && beside.is_empty()) {
                    Ok(token)
                } else {
                    Err(Refusal::SignatureMalformed)
                };
            }
            let value = decode(value).ok_or(Refusal::SignatureMalformed)?;
            if read.last().is_some_and(|(before, _)| *before >= name) {
                return Err(Refusal::SignatureMalformed);
            }
            read.push((name, value));
            length += 1;
        }
        // There is one, but under another spelling.
        Err(Refusal::ExpiryMalformed)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }
}

/// The signature in `HS256-…` or `HS256-1-…`, and whether it is the latter. A signature may itself start with `1-`:
/// the length decides.
fn signature(token: &str) -> Option<([u8; SIGNATURE_BYTES], bool)> {
    let text = token.strip_prefix("HS256-")?;
    match strict::base64(&URL_SAFE_NO_PAD, text) {
        Some(signature) => Some((signature, false)),
        None => Some((strict::base64(&URL_SAFE_NO_PAD, text.strip_prefix("1-")?)?, true)),
    }
}

/// A value in its one spelling.
pub(super) fn encode(value: &str) -> String {
    utf8_percent_encode(value, VALUE).to_string()
}

fn decode(value: &str) -> Option<String> {
    let decoded = percent_decode_str(value).decode_utf8().ok()?.into_owned();
    (encode(&decoded) == value).then_some(decoded)
}
