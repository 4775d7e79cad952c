//! Signs a URL, written as Cloudflare's documented example writes it.

use form_urlencoded::Serializer;

use super::{Key, SIGNATURE_BYTES};
use crate::scheme::{
    strict,
    url::{HttpUrl, SignError},
};

/// Bytes that signing adds to a URL, at most: `?exp=` and twelve digits, `&sig=` and the signature.
const ADDED: usize = 5 + 12 + 5 + 2 * SIGNATURE_BYTES;

/// Signs `url` until `expires` (Unix seconds); `None` makes a URL that never expires.
///
/// The URL is serialised as the WHATWG URL does: dot segments are resolved, the query becomes a form
/// (`application/x-www-form-urlencoded`) with order and duplicates kept, an `exp` keeps its place and takes the
/// new value, further ones are dropped.
///
/// The documented example signs over a `sig` that is already there and then overwrites it, so that the result
/// never verifies; here it is an error. With no expiry, an `exp` in the URL is one too: it would become the
/// expiry without anyone having checked it.
///
/// What comes out verifies. Of what a verifier refuses, a URL as the WHATWG URL writes it has no dot segments; the query has
/// one `sig` and at most one `exp`, for names that spell them are refused; which leaves the two limits that are checked here.
///
/// # Errors
/// Its signed form would not verify with targets of at most `max_target_bytes`.
pub(super) fn sign(
    key: &Key,
    url: &HttpUrl<'_>,
    expires: Option<u64>,
    max_target_bytes: usize,
) -> Result<String, SignError> {
    if expires.is_some_and(|expires| expires > strict::MAX_DECIMAL) {
        return Err(SignError::Invalid("would not verify"));
    }
    let mut signed = String::with_capacity(url.as_str().len() + ADDED);
    signed.push_str(url.origin());
    signed.push_str(url.path());
    signed.push('?');
    let message = url.origin().len();
    let mut signed = form(url, expires, signed)?;
    let signature = key.signature(signed.get(message..).unwrap_or_default());
    if !signed.ends_with('?') {
        signed.push('&');
    }
    signed.push_str("sig=");
    signature.push_hex(&mut signed);
    if signed.len() - message > max_target_bytes {
        return Err(SignError::TooLong);
    }
    signed.push_str(url.fragment());
    Ok(signed)
}

/// Appends the query to sign.
fn form(url: &HttpUrl<'_>, expires: Option<u64>, mut url_so_far: String) -> Result<String, SignError> {
    let mut digits = itoa::Buffer::new();
    let expires = expires.map(|seconds| digits.format(seconds));
    if url.query().is_empty() {
        // As the serialiser below would do it, and most URLs have none.
        if let Some(seconds) = expires {
            url_so_far.push_str("exp=");
            url_so_far.push_str(seconds);
        }
        return Ok(url_so_far);
    }
    let mut unwritten = expires;
    let start = url_so_far.len();
    let mut form = Serializer::for_suffix(url_so_far, start);
    for (name, value) in form_urlencoded::parse(url.query().as_bytes()) {
        match (&*name, expires) {
            ("sig", _) => return Err(SignError::Reserved("sig")),
            ("exp", None) => return Err(SignError::Reserved("exp")),
            ("exp", Some(_)) => {
                if let Some(seconds) = unwritten.take() {
                    form.append_pair("exp", seconds);
                }
            }
            _ => {
                form.append_pair(&name, &value);
            }
        }
    }
    if let Some(seconds) = unwritten {
        form.append_pair("exp", seconds);
    }
    Ok(form.finish())
}
