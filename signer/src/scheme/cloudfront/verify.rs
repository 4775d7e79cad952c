//! Checks a request as it was received.

use subtle::Choice;

use super::{COOKIES, Key, NAMES, decode, statement::Statement};
use crate::scheme::{
    carrier::{cookies, take},
    claims::Claims,
    pattern::matches,
    strict::{decimal, first_fit},
    url::{Policy, Presented, Refusal, Verified},
};

pub(super) fn verify<'k>(
    keys: impl IntoIterator<Item = &'k Key>,
    policy: &Policy,
    presented: &Presented<'_>,
) -> Result<Verified, Refusal> {
    let taken = take(presented.target, NAMES, policy)?;
    let values = if taken.any() { taken.values } else { cookies(presented.cookies, COOKIES, policy)? };
    let [custom, canned, id, signature, hash] = values;
    let signature = decode(signature.ok_or(Refusal::SignatureMissing)?).ok_or(Refusal::SignatureMalformed)?;
    let id = id.ok_or(Refusal::SignatureMalformed)?;
    let origin = presented.origin.ok_or(Refusal::OriginMissing)?;
    let asked = taken.rest;
    let url = format!("{origin}{asked}");
    let message = match (custom, canned) {
        (Some(policy), None) => decode(policy).ok_or(Refusal::SignatureMalformed)?,
        // Without a decimal there is no message that could have been signed.
        (None, Some(expires)) => {
            let expires = decimal(expires).ok_or(Refusal::SignatureMalformed)?;
            Statement::new(&url, expires, None, None).into_json().into_bytes()
        }
        _ => return Err(Refusal::SignatureMalformed),
    };
    let key = first_fit(keys, |key| {
        key.fits(&message, &signature)
            & Choice::from(u8::from(key.key_pair_id() == id))
            & Choice::from(u8::from(key.hash() == hash))
    });
    let key = key.ok_or(Refusal::SignatureMismatch)?;

    let statement = Statement::read(&message).ok_or(Refusal::SignatureMalformed)?;
    let client = match statement.client() {
        Some(range) => Some(range.ok_or(Refusal::SignatureMalformed)?),
        None => None,
    };
    let claims = Claims { expires: statement.expires(), starts: statement.starts(), client };
    claims.check(policy, presented)?;
    // A canned policy's resource is this very URL. A custom policy's without `*` is one URL as well, of which it may be said
    // when it starts, or a canned one that was sent as custom: the `?` of its query would stand for any character, and
    // `/a/thumb?full` for `/a/thumb/full`.
    let resource = &*statement.resource;
    let fits = if resource.contains('*') { matches(resource, &url) } else { resource == url };
    if custom.is_some() && !fits {
        return Err(Refusal::ResourceMismatch);
    }
    Ok(Verified {
        key,
        expires: Some(claims.expires),
        authenticated_target: asked,
        client_bound: claims.client.is_some(),
    })
}
