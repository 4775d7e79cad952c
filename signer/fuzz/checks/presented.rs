//! Text of any kind as a request: refused without a right signature, and understood in one way with one.
//!
//! An input is a scheme, a byte of flags, and lines: target, cookies and origin; or, with a right signature, what is signed
//! and what is asked for.

use safelight_signer::scheme::url::{Presented, Refusal};

use super::{
    NOW,
    forge::forge,
    schemes::{Kind, assert_sound, chosen, policy},
    signed::unescaped,
};

pub fn check(data: &[u8]) {
    let Some(([scheme, flags], rest)) = data.split_first_chunk() else { return };
    let Ok(text) = str::from_utf8(rest) else { return };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let policy = policy(flags & 2 != 0);
    let client = (flags & 4 != 0).then(|| "192.0.2.1".parse().unwrap());
    let (kind, keys) = chosen(*scheme);
    if flags & 1 == 0 {
        let (cookies, origin) = rest.split_once('\n').unwrap_or((rest, ""));
        let origin = Some(origin).filter(|origin| !origin.is_empty());
        let presented = Presented { target: first, origin, client, cookies, now: NOW };
        assert!(keys.verify(&policy, &presented).is_err(), "nobody signed this");
        return;
    }
    let expires = NOW + 100;
    let forged = forge(*kind, first, rest, flags & 8 == 0, expires);
    let presented = Presented {
        target: &forged.target,
        origin: Some("https://h"),
        client,
        cookies: &forged.cookies,
        now: NOW,
    };
    match keys.verify(&policy, &presented) {
        Ok(verified) => {
            assert_sound(&verified, &policy, NOW);
            if let Some(authentic) = &forged.authentic {
                let is = &verified.authenticated_target;
                let same = match kind {
                    Kind::DeliveryLong | Kind::DeliveryShort => {
                        let plain = unescaped(authentic);
                        unescaped(is) == plain || versionless(&plain, &unescaped(is))
                    }
                    _ => is == authentic,
                };
                assert!(same, "{kind:?}: {is} for {authentic}");
            }
            assert!(claims(*kind, first, verified.expires, expires), "{kind:?}: {:?}", verified.expires);
        }
        // What the client asks for may hold another signature, which goes before cookies.
        Err(refusal) => assert!(
            !(forged.must_match && refusal == Refusal::SignatureMismatch)
                || (!forged.cookies.is_empty() && forged.target.contains('?')),
            "{kind:?}: the signature of {} {} is right",
            forged.target,
            forged.cookies
        ),
    }
    assert!(keys.verify_with_other(&policy, &presented).is_err());
}

/// Whether `is` is `of` without one segment.
fn versionless(of: &str, is: &str) -> bool {
    let segments: Vec<_> = of.split('/').collect();
    (0..segments.len()).any(|at| {
        let others: Vec<_> =
            segments.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, text)| *text).collect();
        others.join("/") == is
    })
}

/// Whether the expiry is the one that the text says.
fn claims(kind: Kind, text: &str, is: Option<u64>, expires: u64) -> bool {
    match kind {
        Kind::CloudflareImages => says(text, "exp", is),
        Kind::Imgix => says(text, "expires", is),
        Kind::Imgproxy | Kind::Thumbor | Kind::DeliveryLong | Kind::DeliveryShort => is.is_none(),
        Kind::Fastly | Kind::Bunny | Kind::GoogleCloudCdn | Kind::GoogleMediaCdn => is == Some(expires),
        Kind::Cloudfront => {
            let policy: serde_json::Value = serde_json::from_str(text).unwrap();
            is == policy["Statement"][0]["Condition"]["DateLessThan"]["AWS:EpochTime"].as_u64()
        }
        Kind::Akamai | Kind::AkamaiEarly | Kind::CloudinaryAuthToken => {
            let fields: Vec<_> = text.split('~').filter_map(|field| field.strip_prefix("exp=")).collect();
            fields.len() == 1 && fields[0].parse().ok() == is
        }
    }
}

/// Whether the query has the parameter once and with this value, or not at all.
fn says(text: &str, name: &str, value: Option<u64>) -> bool {
    let (_, query) = text.split_once('?').unwrap_or_default();
    let values: Vec<_> =
        form_urlencoded::parse(query.as_bytes()).filter(|(other, _)| other == name).collect();
    match (&values[..], value) {
        ([], None) => true,
        ([(_, text)], Some(value)) => text.parse() == Ok(value),
        _ => false,
    }
}
