use safelight_proto::signer::v1::{Reason, Verdict};

use super::*;

#[tokio::test]
async fn a_url_is_signed_and_verified() {
    let signer = signer();
    let signed = ok(sign_url(&signer, "web", "https://h/a/b?w=1", Some(60)).await);
    assert_eq!(signed.expire_time, Some(timestamp(NOW + 60)));
    assert_eq!(signed.key_version, 2);
    let verified = verify_url(&signer, "web", target(&signed.signed_url)).await;
    assert_eq!(
        verified,
        pb::VerifyUrlResponse {
            verdict: Verdict::Valid.into(),
            reason: Reason::Ok.into(),
            key_version: 2,
            expire_time: Some(timestamp(NOW + 60)),
            authenticated_target: "/a/b?w=1&exp=1700000060".to_owned(),
            viewer_bound: false,
        }
    );
    signer.clock.set(NOW + 60);
    let expired = verify_url(&signer, "web", target(&signed.signed_url)).await;
    let invalid = |reason: Reason| pb::VerifyUrlResponse {
        verdict: Verdict::Invalid.into(),
        reason: reason.into(),
        ..pb::VerifyUrlResponse::default()
    };
    assert_eq!(expired, invalid(Reason::Expired));
}

#[tokio::test]
async fn every_reason_of_a_url() {
    let signer = signer();
    let good = ok(sign_url(&signer, "strict", "https://h/a", Some(60)).await).signed_url;
    let good = target(&good);
    let zeros = "0".repeat(64);
    for (key, target, reason) in [
        ("strict", good.to_owned(), Reason::Ok),
        ("strict", "/a?exp=1".to_owned(), Reason::SignatureMissing),
        ("strict", "/a?exp=1&sig=x".to_owned(), Reason::SignatureMalformed),
        ("strict", format!("/a?exp=1&sig={zeros}"), Reason::SignatureMismatch),
        ("strict", format!("{good}&sig=0"), Reason::DuplicateParameter),
        ("strict", "/a/../b?sig=0".to_owned(), Reason::AmbiguousPath),
        ("strict", "a".repeat(8193), Reason::InputTooLong),
        ("web", good.to_owned(), Reason::Ok), // version 1 of "web" has the secret of "strict"
        ("strict", String::new(), Reason::SignatureMissing),
        ("strict", "\0\u{feff}?sig&".to_owned(), Reason::SignatureMalformed),
    ] {
        let verified = verify_url(&signer, key, &target).await;
        assert_eq!(verified.reason(), reason, "{target}");
        assert_eq!(verified.verdict() == Verdict::Valid, reason == Reason::Ok);
    }
    // No expiry, made by a key that needs none and has the same secret.
    let eternal = ok(sign_url(&signer, "forever", "https://h/a", None).await);
    assert_eq!(eternal.expire_time, None);
    let eternal = target(&eternal.signed_url);
    assert_eq!(verify_url(&signer, "forever", eternal).await.reason(), Reason::Ok);
    assert_eq!(verify_url(&signer, "forever", eternal).await.expire_time, None);
    assert_eq!(verify_url(&signer, "strict", eternal).await.reason(), Reason::ExpiryMissing);
    // Expired, within and past the skew of 30 s.
    signer.clock.set(NOW + 89);
    assert_eq!(verify_url(&signer, "strict", good).await.reason(), Reason::Ok);
    signer.clock.set(NOW + 90);
    assert_eq!(verify_url(&signer, "strict", good).await.reason(), Reason::Expired);
}

#[tokio::test]
async fn urls_that_are_not_signed() {
    let signer = signer();
    let url = "https://h/a";
    for (key, url, ttl, code, reason) in [
        ("nope", url, None, Code::NotFound, "KEY_NOT_FOUND"),
        ("", url, None, Code::NotFound, "KEY_NOT_FOUND"),
        ("s3", url, None, Code::FailedPrecondition, "KEY_SCHEME_MISMATCH"),
        ("web", "/a", None, Code::InvalidArgument, "URL_INVALID"),
        ("web", "https://h/a?sig=1", None, Code::InvalidArgument, "RESERVED_PARAMETER"),
        ("forever", "https://h/a?exp=1", None, Code::InvalidArgument, "RESERVED_PARAMETER"),
        ("web", &format!("https://h/{}", "a".repeat(8192)), None, Code::InvalidArgument, "INPUT_TOO_LONG"),
        ("web", &format!("https://h/{}", "a".repeat(8150)), None, Code::InvalidArgument, "INPUT_TOO_LONG"),
        ("web", url, Some(3601), Code::InvalidArgument, "EXPIRY_OUT_OF_RANGE"),
        ("web", url, Some(0), Code::InvalidArgument, "EXPIRY_OUT_OF_RANGE"),
        ("strict", url, None, Code::InvalidArgument, "FIELD_INVALID"),
    ] {
        let answer = sign_url(&signer, key, url, ttl).await;
        assert_eq!(refused(answer), (code, reason.to_owned()), "{key}");
    }
    let default = ok(sign_url(&signer, "web", url, None).await);
    assert_eq!(default.expire_time, Some(timestamp(NOW + 3600)));
    let verify = pb::VerifyUrlRequest {
        key: "uploads".to_owned(),
        request_target: "/".to_owned(),
        ..pb::VerifyUrlRequest::default()
    };
    let answer = signer.verify_url(allowed(verify)).await;
    assert_eq!(refused(answer), (Code::FailedPrecondition, "KEY_SCHEME_MISMATCH".to_owned()));
}

#[tokio::test]
async fn versions_rotate() {
    let old = with_web_versions("primary", "disabled");
    let signed = ok(sign_url(&old, "web", "https://h/a", Some(60)).await);
    assert_eq!(signed.key_version, 1);
    let signed = target(&signed.signed_url);

    let rotated = with_web_versions("verify-only", "primary");
    let verified = verify_url(&rotated, "web", signed).await;
    assert_eq!((verified.verdict(), verified.key_version), (Verdict::Valid, 1));
    let anew = ok(sign_url(&rotated, "web", "https://h/a", Some(60)).await);
    assert_eq!(anew.key_version, 2);
    assert_ne!(target(&anew.signed_url), signed);

    let retired = with_web_versions("disabled", "primary");
    let verified = verify_url(&retired, "web", signed).await;
    assert_eq!((verified.verdict(), verified.reason()), (Verdict::Invalid, Reason::SignatureMismatch));
    assert_eq!(verify_url(&retired, "web", target(&anew.signed_url)).await.key_version, 2);
}

#[tokio::test]
async fn everyone_who_asks_within_a_window_gets_the_same_url() {
    use pb::sign_url_request::Expiry::{ExpireTime, Ttl};

    let signer = signer();
    let begin = NOW - NOW % 600;
    let ask = |key: &str, ttl: Option<i64>, window: i64| {
        let mut request = url_request(key, "https://h/a/b", ttl).into_inner();
        request.expiry_window = Some(Duration { seconds: window, nanos: 0 });
        request
    };
    let mut urls = Vec::new();
    for now in [begin + 1, begin + 300, begin + 600, begin + 601] {
        signer.clock.set(now);
        let signed = ok(signer.sign_url(allowed(ask("web", Some(1200), 600))).await);
        assert_eq!(
            verify_url(&signer, "web", target(&signed.signed_url)).await.expire_time,
            signed.expire_time
        );
        let batch = pb::BatchSignUrlsRequest {
            key: "web".to_owned(),
            items: vec![pb::BatchSignUrlsItem {
                url: "https://h/a/b".to_owned(),
                expiry: Some(pb::batch_sign_urls_item::Expiry::Ttl(Duration { seconds: 1200, nanos: 0 })),
            }],
            expiry_window: Some(Duration { seconds: 600, nanos: 0 }),
            ..Default::default()
        };
        let results = ok(signer.batch_sign_urls(allowed(batch)).await).results;
        assert_eq!(
            results[0].result,
            Some(pb::batch_sign_urls_result::Result::Signed(signed.clone())),
            "as alone"
        );
        urls.push((signed.signed_url, signed.expire_time));
    }
    assert!(urls[0] == urls[1] && urls[1] == urls[2] && urls[2] != urls[3]);
    assert_eq!(urls[0].1, Some(timestamp(begin + 1800)));
    signer.clock.set(NOW);
    // Without `ttl`: what is left of max_ttl, which is an hour.
    let longest = ok(signer.sign_url(allowed(ask("web", None, 600))).await).expire_time;
    assert_eq!(longest, Some(timestamp((NOW + 3000).div_ceil(600) * 600)));
    for (request, reason) in [
        (ask("web", Some(3001), 600), "EXPIRY_OUT_OF_RANGE"),
        (ask("web", None, 3600), "EXPIRY_OUT_OF_RANGE"),
        (ask("web", Some(60), 0), "FIELD_INVALID"),
        (ask("forever", None, 60), "FIELD_INVALID"),
        (
            pb::SignUrlRequest { expiry: Some(ExpireTime(timestamp(NOW + 60))), ..ask("web", None, 60) },
            "FIELD_INVALID",
        ),
    ] {
        let asked = format!("{:?}", request.expiry_window);
        let answer = signer.sign_url(allowed(request)).await;
        assert_eq!(refused(answer), (Code::InvalidArgument, reason.to_owned()), "{asked}");
    }
    let forever = pb::SignUrlRequest {
        expiry: Some(Ttl(Duration { seconds: 60, nanos: 0 })),
        ..ask("forever", None, 3600)
    };
    assert!(ok(signer.sign_url(allowed(forever)).await).expire_time.is_some());
}
