//! Signs a URL, written as Cloudflare's documented example writes it.

use form_urlencoded::Serializer;

use super::{Key, SIGNATURE_BYTES, target::Target};
use crate::scheme::{
    strict,
    url::{HttpUrl, Refusal, SignError},
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
/// # Errors
/// Its signed form would not verify with targets of at most `max_target_bytes`.
pub(super) fn sign(
    key: &Key,
    url: &HttpUrl<'_>,
    expires: Option<u64>,
    max_target_bytes: usize,
) -> Result<String, SignError> {
    let mut signed = String::with_capacity(url.as_str().len() + ADDED);
    signed.push_str(url.origin());
    signed.push_str(url.path());
    signed.push('?');
    let message = url.origin().len();
    let mut signed = form(url, expires, signed)?;
    let unsigned = signed.len();
    let signature = key.signature(&[signed.get(message..).unwrap_or_default()]);
    if !signed.ends_with('?') {
        signed.push('&');
    }
    signed.push_str("sig=");
    signature.push_hex(&mut signed);

    let (message, target) =
        (signed.get(message..unsigned).unwrap_or_default(), signed.get(message..).unwrap_or_default());
    match Target::parse(target, max_target_bytes) {
        Ok(parsed) => {
            let readable = parsed.expiry.as_ref().is_none_or(|exp| strict::decimal(exp.value) == expires);
            if !(parsed.has_signed(message) && readable) {
                return Err(SignError::Invalid("would not verify"));
            }
        }
        Err(Refusal::InputTooLong) => return Err(SignError::TooLong),
        Err(_) => return Err(SignError::Invalid("would not verify")),
    }
    signed.push_str(url.fragment());
    Ok(signed)
}

/// Appends the query to sign.
fn form(url: &HttpUrl<'_>, expires: Option<u64>, url_so_far: String) -> Result<String, SignError> {
    let expires = expires.map(|seconds| seconds.to_string());
    let mut unwritten = expires.as_deref();
    let start = url_so_far.len();
    let mut form = Serializer::for_suffix(url_so_far, start);
    for (name, value) in form_urlencoded::parse(url.query().as_bytes()) {
        match (&*name, &expires) {
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
