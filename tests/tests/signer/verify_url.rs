//! `VerifyUrl`: a bad signature is an answer.

use std::collections::BTreeSet;

use safelight_proto::signer::v1::{Reason, Verdict, VerifyUrlRequest, VerifyUrlResponse};

use crate::harness::{
    NOW, Pair, URL_NEW, URL_OLD, hmac, ok, refused, target, timestamp, url_request, wrong_keys,
};

async fn verify(pair: &Pair, key: &str, target: &str) -> VerifyUrlResponse {
    let request = VerifyUrlRequest {
        key: key.to_owned(),
        request_target: target.to_owned(),
        ..VerifyUrlRequest::default()
    };
    ok(pair.verifier().verify_url(request).await)
}

/// A target and its signature with a secret.
fn signed(secret: &str, target: &str) -> String {
    format!("{target}&sig={}", hmac(secret, target))
}

#[tokio::test]
async fn a_good_url_tells_version_expiry_and_what_was_authenticated() {
    let pair = Pair::start().await;
    let url = ok(pair.signer().sign_url(url_request("url", "https://h/a~b?x=%7E&&y", Some(60))).await);
    let verified = verify(&pair, "url", target(&url.signed_url)).await;
    let expected = VerifyUrlResponse {
        verdict: Verdict::Valid.into(),
        reason: Reason::Ok.into(),
        key_version: 2,
        expire_time: Some(timestamp(NOW + 60)),
        authenticated_target: "/a~b?x=%7E&y=&exp=1700000060".to_owned(),
        viewer_bound: false,
    };
    assert_eq!(verified, expected);
    // Written in another way than ours, with the signature in front: byte for byte what was received.
    let message = "/a~b?exp=1700000060&x=~&&";
    let sent = format!("/a~b?sig={}&exp=1700000060&x=~&&", hmac(URL_OLD, message));
    let expected = VerifyUrlResponse { key_version: 1, authenticated_target: message.to_owned(), ..expected };
    assert_eq!(verify(&pair, "url", &sent).await, expected);
    // No expiry, where the key needs none.
    let eternal = format!("/a?sig={}", hmac(URL_NEW, "/a?"));
    let verified = verify(&pair, "url-forever", &eternal).await;
    assert_eq!((verified.verdict(), verified.expire_time), (Verdict::Valid, None));
}

#[tokio::test]
async fn every_reason() {
    let pair = Pair::start().await;
    let good = signed(URL_NEW, "/a?exp=1700000060");
    let changed = |from: &str, to: &str| good.replace(from, to);
    let zeros = "0".repeat(64);
    let mut seen = BTreeSet::new();
    for (target, reason) in [
        (good.clone(), Reason::Ok),
        (String::new(), Reason::SignatureMissing),
        ("/a?exp=1700000060".to_owned(), Reason::SignatureMissing),
        (changed("sig=", "SIG="), Reason::SignatureMissing),
        ("/a?exp=1700000060&sig=".to_owned(), Reason::SignatureMalformed),
        (changed("sig=", "s%69g="), Reason::SignatureMalformed),
        (good.to_uppercase().replace("EXP", "exp").replace("SIG", "sig"), Reason::SignatureMalformed),
        (format!("{good}0"), Reason::SignatureMalformed),
        (format!("/a?exp=1700000060&sig={zeros}"), Reason::SignatureMismatch),
        (changed("/a?", "/b?"), Reason::SignatureMismatch),
        (changed("exp=1700000060", "exp=1700000061"), Reason::SignatureMismatch),
        (format!("{good}&w=1"), Reason::SignatureMismatch),
        (signed("another secret", "/a?exp=1700000060"), Reason::SignatureMismatch),
        (signed("another secret", "/a?exp=1"), Reason::SignatureMismatch), // expired, but first of all forged
        (signed(URL_NEW, "/a?exp=1700000000"), Reason::Expired),
        (signed(URL_NEW, "/a?exp=0"), Reason::Expired),
        (signed(URL_NEW, "/a?w=1"), Reason::ExpiryMissing),
        (signed(URL_NEW, "/a?exp=01700000060"), Reason::ExpiryMalformed),
        (signed(URL_NEW, "/a?exp=1700000060.0"), Reason::ExpiryMalformed),
        (signed(URL_NEW, "/a?exp=9999999999999"), Reason::ExpiryMalformed),
        (signed(URL_NEW, "/a?%65xp=1700000060"), Reason::ExpiryMalformed),
        (signed(URL_NEW, "/a?exp=1700000060&exp=1700000060"), Reason::DuplicateParameter),
        (format!("{good}&sig={zeros}"), Reason::DuplicateParameter),
        (signed(URL_NEW, "/a/../b?exp=1700000060"), Reason::AmbiguousPath),
        (signed(URL_NEW, "/a/%2E%2e/b?exp=1700000060"), Reason::AmbiguousPath),
        (signed(URL_NEW, &format!("/{}?exp=1700000060", "a".repeat(8192))), Reason::InputTooLong),
        ("\0\u{feff}?sig&\u{10ffff}=%".to_owned(), Reason::SignatureMalformed),
    ] {
        let verified = verify(&pair, "url", &target).await;
        assert_eq!(verified.reason(), reason, "{target}");
        if reason == Reason::Ok {
            assert_eq!(verified.verdict(), Verdict::Valid);
        } else {
            // Nothing else is told, not even of what is authentic but too late.
            let expected = VerifyUrlResponse {
                verdict: Verdict::Invalid.into(),
                reason: reason.into(),
                ..VerifyUrlResponse::default()
            };
            assert_eq!(verified, expected, "{target}");
        }
        seen.insert(reason.as_str_name());
    }
    // Every reason of the contract that a URL can have: the rest are of uploads.
    let all: BTreeSet<_> = (1..=10).map(|number| Reason::try_from(number).unwrap().as_str_name()).collect();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn time_runs_out_at_the_second() {
    let pair = Pair::start().await;
    let good = signed(URL_NEW, "/a?exp=1700000060");
    for (key, now, reason) in [
        ("url", NOW + 59, Reason::Ok),
        ("url", NOW + 60, Reason::Expired),
        ("url-strict", NOW + 89, Reason::Ok), // skew of 30 s
        ("url-strict", NOW + 90, Reason::Expired),
        ("url", 0, Reason::Ok),
    ] {
        pair.clock.set(now);
        assert_eq!(verify(&pair, key, &good).await.reason(), reason, "{key} at {now}");
    }
}

#[tokio::test]
async fn every_error() {
    let pair = Pair::start().await;
    for (key, code, reason) in wrong_keys(["upload", "s3"]) {
        let request = VerifyUrlRequest {
            key: key.to_owned(),
            request_target: "/a?sig=0".to_owned(),
            ..VerifyUrlRequest::default()
        };
        refused(pair.verifier().verify_url(request).await, code, reason, &[]);
    }
}
