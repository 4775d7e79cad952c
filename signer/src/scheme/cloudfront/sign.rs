//! Signs a URL, or cookies for one.

use ipnet::IpNet;

use super::{COOKIES, Key, NAMES, encode, statement::Statement};
use crate::scheme::{
    carrier::{checked, without_reserved},
    trailing::separator,
    url::{Carrier, Policy, SignError, Signed, Wanted},
};

pub(super) fn sign(key: &Key, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
    let unsupported = |field, why| Err(SignError::Unsupported(field, why));
    if !wanted.extra.is_empty() {
        return unsupported("extra", "this scheme does not have it");
    }
    let Some(expires) = wanted.expires else {
        return unsupported("expire_time", "this scheme always has one");
    };
    let client = match wanted.client {
        None => None,
        Some(IpNet::V4(client)) => Some(client),
        Some(IpNet::V6(_)) => return unsupported("client_ip", "CloudFront's policies know IPv4 only"),
    };
    let (origin, target) = wanted.url.verbatim()?;
    without_reserved(target, &NAMES)?;
    let resource = match wanted.scope {
        [] if target.contains('*') => {
            return Err(SignError::Invalid("has a `*`, which could be read as a pattern: write %2A"));
        }
        [] => wanted.url.as_str(),
        [pattern] => pattern,
        _ => return unsupported("scope", "this scheme has one pattern"),
    };
    let canned = wanted.scope.is_empty() && wanted.starts.is_none() && client.is_none();
    let message = Statement::new(resource, expires, wanted.starts, client).into_json();
    let signature = key
        .signature(message.as_bytes())
        .ok_or(SignError::Invalid("could not be signed: the system has no randomness"))?;
    let values = [
        (!canned).then(|| encode(message.as_bytes())),
        canned.then(|| expires.to_string()),
        Some(key.key_pair_id().to_owned()),
        Some(encode(&signature)),
        key.hash().map(str::to_owned),
    ];
    let pairs = |names: [&'static str; 5]| {
        names.into_iter().zip(&values).filter_map(|(name, value)| Some((name, value.as_deref()?)))
    };
    let signed = match wanted.carrier {
        Carrier::Url => {
            let mut url = wanted.url.as_str().to_owned();
            for (name, value) in pairs(NAMES) {
                url.push(separator(&url));
                url.extend([name, "=", value]);
            }
            Signed::url(url)
        }
        Carrier::Cookies => {
            let cookies = pairs(COOKIES).map(|(name, value)| (name.to_owned(), value.to_owned()));
            Signed { url: wanted.url.as_str().to_owned(), cookies: cookies.collect() }
        }
    };
    // Whether there is room must not be chance: the same wish is refused every time, or never.
    let longest = signature.len() + key.spare(&signature);
    let spare = 4 * (longest.div_ceil(3) - signature.len().div_ceil(3)); // in base64
    let bytes = match wanted.carrier {
        Carrier::Url => signed.url.len() - origin.len(),
        Carrier::Cookies => values.iter().flatten().map(String::len).sum(),
    };
    if bytes + spare > policy.max_target_bytes {
        return Err(SignError::TooLong);
    }
    checked(key, policy, wanted, signed)
}
