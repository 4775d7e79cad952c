//! A URL is read as the `url` crate reads it, or refused; and signed for Cloudflare as its documented example signs it.
//!
//! An input is the URL.

use safelight_signer::scheme::url::{HttpUrl, MAX_URL_BYTES, SignError, Wanted};
use url::Url;

use super::{
    NOW,
    forge::forge,
    schemes::{Kind, chosen, has_dot_segment, policy},
};

pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (ours, theirs) = match (HttpUrl::parse(text), parsed(text)) {
        (Ok(ours), Some(theirs)) => (ours, theirs),
        (Err(_), None) => return,
        (ours, theirs) => panic!("{text:?}: {ours:?} is not {theirs:?}"),
    };
    assert_eq!(ours.as_str(), theirs.as_str());
    let port = theirs.port().map(|port| format!(":{port}")).unwrap_or_default();
    let authority = format!("{}{port}", theirs.host_str().unwrap());
    let fragment = theirs.fragment().map(|fragment| format!("#{fragment}")).unwrap_or_default();
    assert_eq!(
        [ours.origin(), ours.authority(), ours.path(), ours.query(), ours.fragment()],
        [
            &format!("{}://{authority}", theirs.scheme()),
            &authority,
            theirs.path(),
            theirs.query().unwrap_or_default(),
            &fragment
        ]
    );
    // All that signs relies on it.
    assert!(!has_dot_segment(ours.path()), "{text}");
    let verbatim =
        (theirs.as_str() == text && fragment.is_empty()).then(|| text.split_at(ours.origin().len()));
    assert_eq!(ours.verbatim().ok(), verbatim, "{text}");
    if ours.as_str().len() <= MAX_URL_BYTES {
        assert_eq!(HttpUrl::parse(ours.as_str()).as_ref(), Ok(&ours), "what is written is read the same");
    }

    let (policy, (_, keys)) = (policy(false), chosen(0));
    for expires in [None, Some(NOW + 100)] {
        let signed = keys.sign(&policy, &Wanted::plain(text, expires)).map(|signed| signed.url);
        let Some(target) = example(&theirs, expires) else {
            assert!(matches!(signed, Err(SignError::Reserved(_))), "{signed:?}");
            continue;
        };
        if target.len() > policy.max_target_bytes {
            assert_eq!(signed, Err(SignError::TooLong));
            continue;
        }
        let expected = format!("{}{target}{fragment}", ours.origin());
        assert_eq!(signed.as_ref(), Ok(&expected));
        assert_eq!(Url::parse(&expected).unwrap().as_str(), expected, "a client sends it as it is");
    }
}

/// What may be signed, by the `url` crate alone.
fn parsed(text: &str) -> Option<Url> {
    let is_absolute =
        |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if text.len() > MAX_URL_BYTES || !(is_absolute("http://") || is_absolute("https://")) {
        return None;
    }
    Url::parse(text).ok().filter(|url| url.username().is_empty() && url.password().is_none())
}

/// The request target that Cloudflare's documented example makes: `url.searchParams.set("exp", …)`, then `sig` at the end.
/// `None` where that is not to be signed.
fn example(url: &Url, expires: Option<u64>) -> Option<String> {
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let reserved = |name: &str| name == "sig" || (name == "exp" && expires.is_none());
    if pairs.iter().any(|(name, _)| reserved(name)) {
        return None;
    }
    if let Some(expires) = expires {
        let first = pairs.iter().position(|(name, _)| name == "exp").unwrap_or(pairs.len());
        let others = pairs.split_off(first).into_iter().filter(|(name, _)| name != "exp");
        pairs.push(("exp".to_owned(), expires.to_string()));
        pairs.extend(others);
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Some(forge(Kind::CloudflareImages, &format!("{}?{query}", url.path()), "", true, NOW).target)
}
