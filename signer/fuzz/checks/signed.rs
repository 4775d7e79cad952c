//! What is signed verifies; what is then edited does not, unless it is another spelling of what was signed.
//!
//! An input is a scheme, two bytes of flags, and four lines: URL, scope and extras (each separated by spaces), edits.

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use safelight_signer::scheme::url::{Carrier, Presented, Refusal, Verified, Wanted};

use super::{
    NOW,
    edits::edited,
    schemes::{Kind, assert_sound, chosen, policy},
};

const EXPIRIES: [Option<u64>; 8] = [
    Some(NOW + 100),
    None,
    Some(1),
    Some(0),
    Some(999_999_999),
    Some(9_999_999_999),
    Some(999_999_999_999),
    Some(u64::MAX),
];

pub fn check(data: &[u8]) {
    let Some(([scheme, flags, more], rest)) = data.split_first_chunk() else { return };
    let mut lines = rest.splitn(4, |byte| *byte == b'\n');
    let mut line = || str::from_utf8(lines.next().unwrap_or_default());
    let (Ok(url), Ok(scope), Ok(extra)) = (line(), line(), line()) else { return };
    let edits = lines.next().unwrap_or_default();
    let scope: Vec<_> = scope.split(' ').filter(|pattern| !pattern.is_empty()).collect();
    let extra: Vec<_> = extra.split(' ').filter_map(|pair| pair.split_once('=')).collect();
    let expires = EXPIRIES[usize::from(flags >> 5)];
    let client: Option<IpNet> = [None, Some("192.0.2.1/32"), Some("192.0.2.0/24"), Some("2001:db8::1/128")]
        [usize::from(more & 3)]
    .map(|text| text.parse().unwrap());
    let wanted = Wanted {
        url: url.into(),
        expires,
        starts: expires.filter(|_| flags & 2 != 0).map(|expires| expires.saturating_sub(100)),
        client: client.map(|client| if more & 4 != 0 { wide(client) } else { client }),
        scope: &scope,
        carrier: if flags & 1 == 0 { Carrier::Url } else { Carrier::Cookies },
        extra: &extra,
    };
    let policy = policy(flags & 4 != 0);
    let (kind, keys) = chosen(*scheme);
    let signed = keys.sign(&policy, &wanted);
    let Ok(signed) = signed else {
        assert_eq!(keys.sign(&policy, &wanted), signed, "refusing is pure");
        return;
    };

    // No client sends a fragment.
    let sent = signed.url.split('#').next().unwrap();
    let host = sent.find("://").unwrap() + 3;
    let (origin, target) = sent.split_at(sent[host..].find(['/', '?']).map_or(sent.len(), |at| host + at));
    let cookies: Vec<_> = signed.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cookies = cookies.join("; ");
    let presented = Presented {
        target,
        origin: Some(origin),
        client: wanted.client.map(|client| client.addr()),
        cookies: &cookies,
        now: expires.map_or(NOW, |expires| expires.saturating_sub(1)),
    };
    let verified = keys.verify(&policy, &presented);
    if expires == Some(0) && policy.clock_skew == 0 {
        assert_eq!(verified, Err(Refusal::Expired));
        return;
    }
    let verified =
        verified.unwrap_or_else(|refusal| panic!("{kind:?}: {refusal}: {signed:?} for {wanted:?}"));
    assert_sound(&verified, &policy, presented.now);
    assert_eq!(verified.expires, expires);
    assert!(keys.verify_with_other(&policy, &presented).is_err(), "another key's");
    if let Some(expires) = expires {
        let over = Presented { now: expires.saturating_add(policy.clock_skew), ..presented };
        assert_eq!(keys.verify(&policy, &over), Err(Refusal::Expired));
    }
    if let Some(before) = wanted.starts.and_then(|starts| starts.checked_sub(policy.clock_skew + 1)) {
        let early = Presented { now: before, ..presented };
        assert_eq!(keys.verify(&policy, &early), Err(Refusal::NotYetValid));
    }
    if wanted.client.is_some() {
        for client in [None, "203.0.113.7".parse().ok(), "fe80::1".parse().ok()] {
            assert!(keys.verify(&policy, &Presented { client, ..presented }).is_err(), "another client's");
        }
    }

    let parts = [target, cookies.as_str(), origin];
    let Some(other) = edited(parts, edits) else { return };
    let [target, cookies, origin] = &other;
    let presented = Presented { target, cookies, origin: Some(origin), ..presented };
    if parts != [target.as_str(), cookies, origin]
        && let Ok(accepted) = keys.verify(&policy, &presented)
    {
        assert_sound(&accepted, &policy, presented.now);
        assert_eq!(accepted.expires, verified.expires, "an edited expiry");
        let same = accepted.authenticated_target == verified.authenticated_target
            && (origin == parts[2] || !signs_origin(*kind));
        assert!(
            same || is_covered(*kind, &wanted, origin, &accepted, &verified),
            "{kind:?}: {target} {cookies}"
        );
    }
}

/// The network that holds the address, as wide as schemes with networks take it.
fn wide(client: IpNet) -> IpNet {
    let length = if matches!(client, IpNet::V4(_)) { 24 } else { 64 };
    IpNet::new(client.addr(), length).unwrap().trunc()
}

const fn signs_origin(kind: Kind) -> bool {
    matches!(kind, Kind::GoogleCloudCdn | Kind::GoogleMediaCdn | Kind::Cloudfront)
}

/// Whether what was accepted is within what was signed, by the words of the scheme's documentation.
fn is_covered(kind: Kind, wanted: &Wanted<'_>, origin: &str, accepted: &Verified, signed: &Verified) -> bool {
    let target = accepted.authenticated_target.as_str();
    let url = format!("{origin}{target}");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match kind {
        Kind::Akamai | Kind::AkamaiEarly | Kind::CloudinaryAuthToken => {
            wanted.scope.iter().any(|pattern| fits(pattern, path))
        }
        Kind::GoogleCloudCdn | Kind::GoogleMediaCdn => {
            wanted.scope.first().is_some_and(|prefix| url.starts_with(prefix))
        }
        Kind::Cloudfront => {
            let custom = wanted.starts.is_some() || wanted.client.is_some();
            match wanted.scope.first() {
                Some(pattern) => fits(pattern, &url),
                None => custom && fits(wanted.url.as_str(), &url),
            }
        }
        Kind::Bunny => {
            let same_query =
                signed.authenticated_target.split_once('?').is_some_and(|(_, other)| other == query);
            same_query && wanted.scope.first().is_some_and(|scope| path.starts_with(scope))
        }
        // The SDKs sign escaped or unescaped, so both mean one thing.
        Kind::DeliveryLong | Kind::DeliveryShort => {
            unescaped(target) == unescaped(&signed.authenticated_target)
        }
        _ => false,
    }
}

/// Nothing is left to unescape.
pub fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let next = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if next == text {
            return text;
        }
        text = next;
    }
}

/// `*` for any text, `?` for any character, by the table of all prefixes.
fn fits(pattern: &str, text: &str) -> bool {
    let text: Vec<_> = text.chars().collect();
    let mut row = vec![false; text.len() + 1];
    row[0] = true;
    for wanted in pattern.chars() {
        let before = row.clone();
        row[0] = before[0] && wanted == '*';
        for at in 1..row.len() {
            row[at] = match wanted {
                '*' => before[at] || row[at - 1],
                '?' => before[at - 1],
                _ => before[at - 1] && text[at - 1] == wanted,
            };
        }
    }
    row[text.len()]
}
