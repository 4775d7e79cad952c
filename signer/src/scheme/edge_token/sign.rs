//! Makes a token and puts it into the URL or a cookie.

use ipnet::IpNet;

use super::{FIELDS, Spelling, TokenKey};
use crate::scheme::{
    carrier::{checked, take},
    trailing::separator,
    url::{Carrier, Policy, SignError, Signed, UrlScheme, UrlToSign, Wanted},
};

/// Signs with `key`, which is `scheme`'s.
pub(in crate::scheme) fn sign<K: UrlScheme>(
    scheme: &K,
    key: &TokenKey,
    policy: &Policy,
    wanted: &Wanted<'_>,
) -> Result<Signed, SignError> {
    let (_, target) = wanted.url.verbatim()?;
    if take(target, [&*key.name], policy).map_or(true, |taken| taken.any()) {
        return Err(SignError::Invalid("already has a token, or a dot segment, or is too long"));
    }
    let acl = acl(wanted.scope)?;
    let fields = fields(key, wanted, acl.as_deref())?;
    let mac = key.mac(&fields, acl.is_none().then_some(target)).hex();
    let token = format!("{fields}~hmac={mac}");
    let signed = match wanted.carrier {
        Carrier::Url => {
            let url = wanted.url.as_str();
            let url = format!("{url}{}{}={token}", separator(url), key.name);
            // What the client would write anew would not be what was signed.
            match UrlToSign::from(&url).verbatim() {
                Err(SignError::TooLong) => return Err(SignError::TooLong),
                Err(_) => {
                    return Err(SignError::Unsupported(
                        "carrier",
                        "the token cannot stand in a URL as it is",
                    ));
                }
                Ok(_) => Signed::url(url),
            }
        }
        Carrier::Cookies => {
            // RFC 6265, section 4.1.1: cookie-octet.
            if !token.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\')) {
                return Err(SignError::Unsupported("carrier", "the token cannot stand in a cookie as it is"));
            }
            Signed { url: wanted.url.as_str().to_owned(), cookies: vec![(key.name.to_string(), token)] }
        }
    };
    checked(scheme, policy, wanted, signed)
}

/// The patterns in one text.
fn acl(scope: &[&str]) -> Result<Option<String>, SignError> {
    if scope.iter().any(|pattern| pattern.is_empty() || pattern.contains('!')) {
        return Err(SignError::Unsupported(
            "scope",
            "a pattern is not empty and has no `!`, which separates patterns",
        ));
    }
    Ok((!scope.is_empty()).then(|| scope.join("!")))
}

fn fields(key: &TokenKey, wanted: &Wanted<'_>, acl: Option<&str>) -> Result<String, SignError> {
    let expires =
        wanted.expires.ok_or(SignError::Unsupported("expire_time", "this scheme always has one"))?;
    let client = match wanted.client {
        None => None,
        Some(IpNet::V4(client)) if client.prefix_len() == 32 => Some(client.addr().to_string()),
        Some(IpNet::V6(client)) if client.prefix_len() == 128 => Some(client.addr().to_string()),
        Some(_) => return Err(SignError::Unsupported("client_ip", "this scheme has one address, no range")),
    };
    let (starts, expires) = (wanted.starts.map(|starts| starts.to_string()), expires.to_string());
    let (id, data) = extra(key, wanted)?;
    let values = [client.as_deref(), starts.as_deref(), Some(&*expires), acl, id, data];
    let mut fields = String::new();
    for (field, value) in FIELDS.into_iter().zip(values) {
        let Some(value) = value else { continue };
        let written = key.spelling.write(field, value);
        if written.contains('~') {
            let field = if field == "acl" { "scope" } else { "extra" };
            return Err(SignError::Unsupported(field, "has a `~`, which separates the token's fields"));
        }
        let separator = if fields.is_empty() { "" } else { "~" };
        fields.extend([separator, field, "=", &written]);
    }
    Ok(fields)
}

/// Session and payload.
fn extra<'w>(key: &TokenKey, wanted: &Wanted<'w>) -> Result<(Option<&'w str>, Option<&'w str>), SignError> {
    let (mut id, mut data) = (None, None);
    for (name, value) in wanted.extra {
        let slot = match *name {
            "id" if key.spelling != Spelling::Cloudinary => &mut id,
            "data" if key.spelling != Spelling::Cloudinary => &mut data,
            _ => return Err(SignError::Unsupported("extra", "this scheme does not have it")),
        };
        if value.is_empty() || slot.replace(*value).is_some() {
            return Err(SignError::Unsupported("extra", "is empty, or occurs twice"));
        }
    }
    Ok((id, data))
}
