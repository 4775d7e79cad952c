//! What is wanted of a signed URL: read from a request, and signed.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use prost_types::{Duration, Timestamp};
use safelight_proto::{
    reason::CallError,
    signer::v1::{Cookie, SignUrlResponse, SignatureCarrier},
};

use super::{
    expiry::{self, Asked, timestamp},
    refusal,
};
use crate::{
    access::Granted,
    keyring::UrlKey,
    scheme::url::{Carrier, Expiry, HttpUrl, Presented, Wanted},
};

/// What is wanted beside URL and expiry: for one URL, or for all of a batch.
pub(super) struct Terms<'a> {
    start_time: Option<Timestamp>,
    client: Option<IpNet>,
    scope: Vec<&'a str>,
    carrier: Carrier,
    extra: Vec<(&'a str, &'a str)>,
    /// What the expiry is rounded up to a multiple of, in seconds.
    window: Option<u64>,
}

impl<'a> Terms<'a> {
    /// From the fields of a request. What the key's scheme has not is refused when it signs.
    pub(super) fn read(
        start_time: Option<Timestamp>,
        client_ip: &str,
        scope: &'a [String],
        carrier: i32,
        extra: &'a BTreeMap<String, String>,
        expiry_window: Option<&Duration>,
    ) -> Result<Self, CallError> {
        let client = match client_ip {
            "" => None,
            text => Some(range(text).ok_or_else(|| {
                CallError::field("client_ip", "expected an IP address, or a range such as 192.0.2.0/24")
            })?),
        };
        let carrier = match SignatureCarrier::try_from(carrier) {
            Ok(SignatureCarrier::Unspecified | SignatureCarrier::Url) => Carrier::Url,
            Ok(SignatureCarrier::Cookies) => Carrier::Cookies,
            Err(_) => return Err(CallError::field("carrier", "unknown")),
        };
        let scope = scope.iter().map(String::as_str).collect();
        let extra = extra.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let window = expiry::window(expiry_window)?;
        Ok(Self { start_time, client, scope, carrier, extra, window })
    }
}

fn range(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Signs a URL at `now`, in Unix seconds, if that is granted.
pub(super) fn sign_url(
    key: &UrlKey,
    granted: &Granted,
    url: &str,
    asked: &Asked,
    terms: &Terms<'_>,
    now: u64,
) -> Result<SignUrlResponse, CallError> {
    let url = HttpUrl::parse(url).map_err(refusal::unsigned_url)?;
    let has_expiry = key.versions.expiry() != Expiry::Never;
    let life = |granted| expiry::of_url(asked, terms.window, now, key, expiry::least(granted, key.max_ttl));
    let expires = if has_expiry {
        let granted = granted.url_to_sign(&url, &terms.scope).map_err(refusal::denied)?;
        life(granted)?
    } else {
        life(None)?
    };
    let wanted = Wanted {
        url: (&url).into(),
        expires,
        starts: expiry::start(terms.start_time, expires)?,
        client: terms.client,
        scope: &terms.scope,
        carrier: terms.carrier,
        extra: &terms.extra,
    };
    if !terms.scope.iter().all(|scope| key.allowed.covers_scope(scope)) {
        return Err(refusal::not_allowed("scope"));
    }
    let (signed, key_version) =
        key.versions.sign(&key.policy, &wanted, now).map_err(refusal::unsigned_url)?;
    if has_expiry {
        // A scheme takes a URL as this parser writes it, or refuses it: the path of the wish is that of the signature.
        if !key.allowed.covers(&url) {
            return Err(refusal::not_allowed("url"));
        }
    } else {
        // Schemes without times sign less than the path (Cloudinary's delivery) or beside it: what verifies is compared.
        let target = authenticated(key, &url, &signed.url, now).ok_or_else(|| refusal::not_allowed("url"))?;
        if key.allowed.covers_target(Some(url.origin()), &target) != Some(true) {
            return Err(refusal::not_allowed("url"));
        }
        life(granted.target_to_sign(&target).map_err(refusal::denied)?)?;
    }
    let cookies = signed.cookies.into_iter().map(|(name, value)| Cookie { name, value }).collect();
    Ok(SignUrlResponse { signed_url: signed.url, expire_time: expires.map(timestamp), key_version, cookies })
}

/// The request target that a signature of a scheme without times covers.
fn authenticated(key: &UrlKey, wanted: &HttpUrl<'_>, signed: &str, now: u64) -> Option<String> {
    // These schemes leave the origin as it is.
    let target = signed.strip_prefix(wanted.origin())?;
    let verified = key.versions.verify(&key.policy, &Presented::target(target, now));
    verified.ok().map(|(verified, _)| verified.authenticated_target)
}
