//! Signs a URL, written as Cloudflare's documented example writes it.

use form_urlencoded::Serializer;
use url::Url;

use super::{Key, target::Target};
use crate::scheme::{
    strict,
    url::{Refusal, SignError, absolute},
};

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
/// The URL is not one, or its signed form would not verify with targets of at most `max_target_bytes`.
pub(super) fn sign(
    key: &Key,
    url: &str,
    expires: Option<u64>,
    max_target_bytes: usize,
) -> Result<String, SignError> {
    let mut url = absolute(url)?;
    let query = form(&url, expires)?;
    let signature = key.signature(&[url.path(), "?", &query]).hex();
    let separator = if query.is_empty() { "" } else { "&" };
    url.set_query(Some(&format!("{query}{separator}sig={signature}")));

    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    match Target::parse(&target, max_target_bytes) {
        Ok(parsed) => {
            let same = parsed.signed.concat() == format!("{}?{query}", url.path());
            let readable = parsed.expiry.is_none_or(|exp| strict::decimal(exp.value) == expires);
            if same && readable { Ok(url.into()) } else { Err(SignError::Invalid("would not verify")) }
        }
        Err(Refusal::InputTooLong) => Err(SignError::TooLong),
        Err(_) => Err(SignError::Invalid("would not verify")),
    }
}

/// The query to sign.
fn form(url: &Url, expires: Option<u64>) -> Result<String, SignError> {
    let expires = expires.map(|seconds| seconds.to_string());
    let mut unwritten = expires.as_deref();
    let mut form = Serializer::new(String::new());
    for (name, value) in url.query_pairs() {
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
