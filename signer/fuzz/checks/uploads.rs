//! Cloudinary's uploads, answers and webhooks, and the text of one-time upload tokens.
//!
//! An input is a byte of what it is, a byte of flags, text in lines, and after a line `=` edits.

use std::collections::BTreeMap;

use safelight_signer::{
    scheme::cloudinary_upload::{
        Algorithm, Key, Notification, Policy, Refusal, Response, UNSIGNED, Version, is_name, sign,
        sign_response, verify, verify_notification, verify_response,
    },
    upload::{Token, TokenId},
};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{NOW, edits::edited, schemes::SECRET};

pub fn check(data: &[u8]) {
    let Some(([what, flags], rest)) = data.split_first_chunk() else { return };
    let (text, edits) = match rest.windows(3).position(|window| window == b"\n=\n") {
        Some(at) => (&rest[..at], &rest[at + 3..]),
        None => (rest, &[][..]),
    };
    let Ok(text) = str::from_utf8(text) else { return };
    let algorithm = if flags & 1 == 0 { Algorithm::Sha256 } else { Algorithm::Sha1 };
    match what % 4 {
        0 => upload(text, edits, algorithm, flags & 2 != 0),
        1 => answer(text, edits, algorithm),
        2 => webhook(text, edits, algorithm),
        _ => token(text),
    }
}

fn keys() -> [Key; 2] {
    ["another fake secret", SECRET].map(|secret| Key::new(secret.as_bytes()))
}

fn fields(text: &str) -> Vec<(&str, &str)> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

/// A field's name without the mark of a list.
fn plain(name: &str) -> &str {
    name.strip_suffix("[]").unwrap_or(name)
}

/// What is signed of a form: lists joined, `&` as it is written, empty and unsigned fields left out.
fn meaning(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut meaning = BTreeMap::<String, String>::new();
    for (name, value) in fields {
        let name = plain(name);
        if UNSIGNED.contains(&name) || name == "signature" {
            continue;
        }
        meaning
            .entry(name.to_owned())
            .and_modify(|old| *old = format!("{old},{value}"))
            .or_insert_with(|| (*value).to_owned());
    }
    // The format itself makes no difference between `&` and `%26` in a value.
    meaning
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(n, v)| (n, v.replace('&', "%26")))
        .collect()
}

fn upload(text: &str, edits: &[u8], algorithm: Algorithm, accept_v1: bool) {
    let keys = keys();
    let policy = Policy { algorithm, accept_v1 };
    let raw = fields(text);
    let refused = verify(&keys, &raw, NOW, &policy);
    assert!(refused.is_err(), "nobody signed this");
    assert_eq!(refused, verify(&keys, &raw, NOW, &policy));

    let now = NOW.to_string();
    let mut form: Vec<_> =
        raw.into_iter().filter(|(name, _)| !matches!(*name, "signature" | "timestamp")).collect();
    form.push(("timestamp", &now));
    let signed = meaning(&form);
    // As the SDKs sign: the values as they are, not as the format writes them.
    let params: BTreeMap<_, _> = form
        .iter()
        .filter(|(name, _)| !UNSIGNED.contains(&plain(name)))
        .map(|(name, value)| (plain(name), *value))
        .collect();
    let names: Vec<_> = form.iter().map(|(name, _)| plain(name)).collect();
    let is_plain = names.iter().all(|name| is_name(name))
        && names.iter().enumerate().all(|(at, name)| !names[..at].contains(name))
        && form.iter().all(|(name, _)| !matches!(*name, "signature[]" | "timestamp[]"));
    let signature = sign(&keys[1], algorithm, Version::V2, params);
    let with_signature = [&form[..], &[("signature", &signature)]].concat();
    let verified = verify(&keys, &with_signature, NOW, &policy);
    if is_plain {
        assert_eq!(verified.map(|verified| verified.key), Ok(1), "what is signed verifies");
    }
    if verified.is_err() {
        return;
    }
    assert_eq!(verify(&keys[..1], &with_signature, NOW, &policy), Err(Refusal::SignatureMismatch));
    assert_eq!(verify(&keys, &with_signature, NOW + 3601, &policy), Err(Refusal::Stale));
    let lines: Vec<_> = with_signature.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let Some([other]) = edited([&lines.join("\n")], edits) else { return };
    let other = fields(&other);
    if verify(&keys, &other, NOW, &policy).is_ok() && !accept_v1 {
        assert_eq!(meaning(&other), signed, "other fields verify");
    }
}

fn answer(text: &str, edits: &[u8], algorithm: Algorithm) {
    let keys = keys();
    let (public_id, version) = text.rsplit_once('\n').unwrap_or((text, "1"));
    let Ok(version) = version.parse() else { return };
    let signature = sign_response(&keys[1], algorithm, public_id, version);
    let version = version.to_string();
    let parts = [public_id, &version, &signature];
    let judge = |[public_id, version, signature]: [&str; 3]| {
        verify_response(&keys, &[algorithm], &Response { public_id, version, signature })
    };
    if !public_id.is_empty() && !public_id.contains("&timestamp=") && version.len() <= 12 {
        assert_eq!(judge(parts).map(|verified| verified.key), Ok(1), "what is signed verifies");
    }
    let Some(other) = edited(parts, edits) else { return };
    let other = [&*other[0], &*other[1], &*other[2]];
    assert!(other == parts || judge(other).is_err(), "{other:?} verifies");
}

fn webhook(text: &str, edits: &[u8], algorithm: Algorithm) {
    let keys = keys();
    let (body, timestamp) = text.rsplit_once('\n').unwrap_or((text, "1700000000"));
    let signature = match algorithm {
        Algorithm::Sha1 => hex::encode(
            Sha1::new().chain_update(body).chain_update(timestamp).chain_update(SECRET).finalize(),
        ),
        Algorithm::Sha256 => hex::encode(
            Sha256::new().chain_update(body).chain_update(timestamp).chain_update(SECRET).finalize(),
        ),
    };
    let judge = |[body, timestamp, signature]: [&str; 3]| {
        let notification = Notification { body: body.as_bytes(), timestamp, signature };
        verify_notification(&keys, &[algorithm], &notification, 7200, NOW)
    };
    let parts = [body, timestamp, &signature];
    let is_json = serde_json::from_str::<serde_json::Value>(body).is_ok();
    let is_fresh = timestamp.len() == 10
        && timestamp.bytes().all(|byte| byte.is_ascii_digit())
        && timestamp.parse::<u64>().is_ok_and(|time| (NOW - 7200..=NOW + 300).contains(&time));
    let verified = judge(parts);
    // A tree of values may be deeper, or a number larger, than a reader that keeps nothing minds.
    assert!(verified.is_ok() || !(is_json && is_fresh), "{verified:?}");
    assert!(verified.is_err() || is_fresh);
    let Some(other) = edited(parts, edits) else { return };
    let other = [&*other[0], &*other[1], &*other[2]];
    assert!(other == parts || judge(other).is_err(), "{other:?} verifies");
}

fn token(text: &str) {
    if let Some(token) = Token::parse(text) {
        assert_eq!(token.reveal().as_str(), text, "a token has one spelling");
        assert_eq!(TokenId::parse(&token.id().to_string()), Some(token.id()));
    }
    if let Some(id) = TokenId::parse(text) {
        assert_eq!(id.to_string(), text, "an id has one spelling");
    }
}
