//! A resizer that was taken over: it asks for whatever it likes, by the calls that it is granted.

use safelight_proto::signer::v1::{Reason, Verdict};

use super::{
    resizer::{BASE, ask, granted_by, request, resizer, signed, signer},
    *,
};

/// What the resizer is told: a verdict's reason, or an error's. Nothing but a valid answer holds anything to fetch with.
async fn told(signer: &Signer, request: pb::AuthorizeDeliveryRequest) -> String {
    match signer.authorize_delivery(resizer("AuthorizeDelivery", request)).await {
        Ok(answer) => {
            let answer = answer.into_inner();
            let reason = answer.reason();
            if answer.verdict() != Verdict::Valid {
                let nothing = pb::AuthorizeDeliveryResponse {
                    verdict: Verdict::Invalid.into(),
                    reason: reason.into(),
                    ..Default::default()
                };
                assert!(answer == nothing, "{answer:?}");
            }
            reason.as_str_name().trim_start_matches("REASON_").to_owned()
        }
        Err(status) => refused::<()>(Err(status)).1,
    }
}

async fn told_of(signer: &Signer, delivery: &str, target: &str) -> String {
    told(signer, request(signer, delivery, target)).await
}

#[tokio::test]
async fn it_gets_no_other_object_and_no_other_variant() {
    let signer = signer("");
    let good = signed(&signer, "web", "/acct/a/b.jpg/hero", &[]).await;
    assert_eq!(told_of(&signer, "web", &good).await, "OK");
    let (_, query) = good.split_once('?').unwrap();
    for (path, reason) in [
        ("/acct/a/c.jpg/hero", "SIGNATURE_MISMATCH"),
        ("/other/a/b.jpg/hero", "SIGNATURE_MISMATCH"),
        ("/acct/a/b.jpg/large", "SIGNATURE_MISMATCH"),
        ("/acct/a/b.jpg/width=9000", "SIGNATURE_MISMATCH"),
        ("/acct/a/b.jpg/hero/hero", "SIGNATURE_MISMATCH"),
        ("/acct/a%2Fb.jpg/hero", "SIGNATURE_MISMATCH"),
        ("/acct/a//b.jpg/hero", "SIGNATURE_MISMATCH"),
        ("//acct/a/b.jpg/hero", "SIGNATURE_MISMATCH"),
        ("/acct/a/b%2ejpg/hero", "SIGNATURE_MISMATCH"),
        ("/acct/a/./b.jpg/hero", "AMBIGUOUS_PATH"),
        ("/acct/x/../a/b.jpg/hero", "AMBIGUOUS_PATH"),
        ("/acct/x/%2e%2e/a/b.jpg/hero", "AMBIGUOUS_PATH"),
        // Names that look like a public variant's.
        ("/acct/a/b.jpg/thumb=", "SIGNATURE_MISMATCH"),
        ("/acct/a/b.jpg/thumb%3D", "SIGNATURE_MISMATCH"),
        ("/acct/a/b.jpg/thumb,", "SIGNATURE_MISMATCH"),
        ("/acct/a/b.jpg/Thumb", "SIGNATURE_MISMATCH"),
        ("/acct/a/b.jpg/thumb%00", "SIGNATURE_MISMATCH"),
        ("/acct/a/b.jpg/thumb/", "SIGNATURE_MISMATCH"),
        ("/acct/a/b.jpg/thumb%2F..%2Fhero", "SIGNATURE_MISMATCH"),
        ("/acct/a/b.jpg/", "SIGNATURE_MISMATCH"),
        ("/thumb", "SIGNATURE_MISMATCH"),
        ("", "SIGNATURE_MISMATCH"),
        ("acct/a/b.jpg/thumb", "SIGNATURE_MISMATCH"),
    ] {
        assert_eq!(told_of(&signer, "web", &format!("{path}?{query}")).await, reason, "{path}");
    }
    for (target, reason) in [
        ("/acct/a/b.jpg/hero", "SIGNATURE_MISSING"),
        ("/acct/a/b.jpg/hero?thumb", "SIGNATURE_MISSING"),
        // Public, but not to be fetched as what was asked for.
        ("/acct/../secret/thumb", "OBJECT_KEY_UNSUPPORTED"),
        ("/acct/..%2F..%2Fsecret/thumb", "OBJECT_KEY_UNSUPPORTED"),
        ("/%2E%2E/secret/thumb", "OBJECT_KEY_UNSUPPORTED"),
        ("/acct/%2e/secret/thumb", "OBJECT_KEY_UNSUPPORTED"),
        // One segment that would become several names nothing.
        ("/..%2F/secret/thumb", "SIGNATURE_MISSING"),
        ("/acct%2Fprivate/a/thumb", "SIGNATURE_MISSING"),
        ("/%2facct/a/thumb", "SIGNATURE_MISSING"),
    ] {
        assert_eq!(told_of(&signer, "web", target).await, reason, "{target}");
    }
    // A key without `..` in any reading is the one that is spelled, once decoded.
    for (target, url) in [
        ("/acct/a%2Fb/thumb", "originals/acct/a/b"),
        ("/acct/a//b/thumb", "originals/acct/a//b"),
        ("/acct/%252e%252e/a/thumb", "originals/acct/%252e%252e/a"),
        ("/acct/..a/b../thumb", "originals/acct/..a/b.."),
        ("/acct/a%3Fb%23c/thumb", "originals/acct/a%3Fb%23c"),
        ("/acct/https:%2F%2Fevil.example%2Fx/thumb", "originals/acct/https%3A//evil.example/x"),
        ("/acct/a%5C..%5Cb/thumb", "originals/acct/a%5C..%5Cb"),
        ("/@evil.example/a/thumb", "originals/%40evil.example/a"),
    ] {
        assert_eq!(ok(ask(&signer, "web", target).await).url, format!("{BASE}{url}"), "{target}");
    }
    signer.clock.set(NOW + 3600);
    assert_eq!(told_of(&signer, "web", &good).await, "EXPIRED");
}

#[tokio::test]
async fn it_gets_nothing_with_the_url_of_another_key_or_delivery() {
    let signer = signer("");
    let good = signed(&signer, "web", "/acct/a/b.jpg/hero", &[]).await;
    let other = signed(&signer, "other", "/acct/a/b.jpg/hero", &[]).await;
    assert_eq!(told_of(&signer, "web", &other).await, "SIGNATURE_MISMATCH");
    // Signed with keys that it is not granted.
    assert_eq!(told_of(&signer, "foreign", &other).await, "CALLER_DENIED");
    assert_eq!(told_of(&signer, "foreign", "/acct/a/thumb").await, "CALLER_DENIED");
    let unknown =
        pb::AuthorizeDeliveryRequest { delivery_digest: "0".repeat(64), ..request(&signer, "web", &good) };
    assert_eq!(told(&signer, unknown).await, "DELIVERY_UNKNOWN");
    for name in ["google", "cloudfront", "akamai", "auth-token", "imgproxy", "thumbor", "bunny", "cloudinary"]
    {
        assert_ne!(told_of(&signer, name, &good).await, "OK", "{name}");
    }
    // One that is all public has no signed URLs; and no path but its own.
    for target in [&*good, "/open", "/open/", "/closed/a", "/opena/b"] {
        assert_eq!(told_of(&signer, "open", target).await, "RESOURCE_MISMATCH", "{target}");
    }
    // Authentic, but for a path that is none of this delivery's.
    for (key, path) in [("imgproxy", "/other/a/hero"), ("thumbor", "/ip/hero"), ("web", "/acct/hero")] {
        let target = signed(&signer, key, path, &[]).await;
        assert_eq!(told_of(&signer, key, &target).await, "RESOURCE_MISMATCH", "{target}");
    }
}

#[tokio::test]
async fn it_gets_no_more_than_a_wide_token_covers() {
    let signer = signer("");
    for (key, scope, outside) in [
        ("google", "https://h/alice/", "RESOURCE_MISMATCH"),
        ("cloudfront", "https://h/alice/*", "RESOURCE_MISMATCH"),
        ("akamai", "/alice/*", "RESOURCE_MISMATCH"),
        ("auth-token", "/alice/*", "RESOURCE_MISMATCH"),
    ] {
        for carrier in [pb::SignatureCarrier::Url, pb::SignatureCarrier::Cookies] {
            let sign = pb::SignUrlRequest {
                key: key.to_owned(),
                url: "https://h/alice/a.jpg/hero".to_owned(),
                scope: vec![scope.to_owned()],
                carrier: carrier.into(),
                ..Default::default()
            };
            let token = ok(signer.sign_url(allowed(sign)).await);
            let query =
                token.signed_url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
            let cookies: Vec<_> =
                token.cookies.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
            let asked = |path: &str| pb::AuthorizeDeliveryRequest {
                cookies: cookies.join("; "),
                ..request(&signer, key, &format!("{path}{query}"))
            };
            for (path, reason) in [
                ("/alice/a.jpg/hero", "OK"),
                ("/alice/b/c.jpg/large", "OK"),
                ("/bob/a.jpg/hero", outside),
                ("/alicea/a.jpg/hero", outside),
                ("/Alice/a.jpg/hero", outside),
                ("/%61lice/a.jpg/hero", outside),
                ("//alice/a.jpg/hero", outside),
                ("/alice%2Fb/a.jpg/hero", outside),
                ("/alice/../bob/a.jpg/hero", "AMBIGUOUS_PATH"),
                ("/alice/%2e%2E/bob/a.jpg/hero", "AMBIGUOUS_PATH"),
                ("/alice/.%2e/bob/a.jpg/hero", "AMBIGUOUS_PATH"),
                // Covered as it is spelled, and decoded no longer: refused before anything is signed.
                ("/alice/..%2Fbob/a.jpg/hero", "OBJECT_KEY_UNSUPPORTED"),
                ("/alice/%2e%2e%2Fbob/a.jpg/hero", "OBJECT_KEY_UNSUPPORTED"),
                ("/alice/x%2F..%2F..%2Fbob/a.jpg/hero", "OBJECT_KEY_UNSUPPORTED"),
            ] {
                assert_eq!(told(&signer, asked(path)).await, reason, "{key} {carrier:?} {path}");
            }
            // The same path of another host, or of none that is known.
            if matches!(key, "google" | "cloudfront") {
                for origin in ["https://evil", "http://h", "https://h:8443", "https://h/alice", ""] {
                    let request = pb::AuthorizeDeliveryRequest {
                        origin: origin.to_owned(),
                        ..asked("/alice/a.jpg/hero")
                    };
                    assert_ne!(told(&signer, request).await, "OK", "{key} {origin}");
                }
            }
            signer.clock.set(NOW + 3600);
            assert_eq!(told(&signer, asked("/alice/a.jpg/hero")).await, "EXPIRED", "{key}");
            signer.clock.set(NOW);
        }
    }
    // A host that ends in a path would turn every path into one that the prefix covers.
    let covered = signed(&signer, "google", "/alice/a.jpg/hero", &["https://h/alice/"]).await;
    let moved = pb::AuthorizeDeliveryRequest {
        origin: "https://h/alice".to_owned(),
        ..request(&signer, "google", &covered.replace("/alice/a.jpg", "/bob/a.jpg"))
    };
    assert_eq!(told(&signer, moved).await, "ORIGIN_MISSING");
    // Authentic for another host that the same key pair signs for: the key of the delivery is held to its own.
    let sign = pb::SignUrlRequest {
        key: "any-host".to_owned(),
        url: "https://other/acct/a.jpg/hero".to_owned(),
        ..Default::default()
    };
    let other = ok(signer.sign_url(allowed(sign)).await).signed_url;
    let other = other.strip_prefix("https://other").unwrap();
    for (origin, reason) in [("https://other", "URL_NOT_ALLOWED"), ("https://h", "SIGNATURE_MISMATCH")] {
        let request = pb::AuthorizeDeliveryRequest {
            origin: origin.to_owned(),
            ..request(&signer, "cloudfront", other)
        };
        assert_eq!(told(&signer, request).await, reason, "{origin}");
    }
    // Bunny's directories: in the path, or in the query.
    let target = signed(&signer, "bunny", "/ip/alice/a.jpg/hero", &["/ip/alice"]).await;
    for (path, reason) in [
        ("/ip/alice/b.jpg/hero", "OK"),
        ("/ip/bob/a.jpg/hero", "RESOURCE_MISMATCH"),
        ("/ip/alicea/a.jpg/hero", "RESOURCE_MISMATCH"),
        ("/ip/alice/../bob/hero", "AMBIGUOUS_PATH"),
        ("/ip/alice/..%2Fbob/hero", "OBJECT_KEY_UNSUPPORTED"),
    ] {
        let changed = target.replace("/ip/alice/a.jpg/hero", path);
        assert!(changed.contains(path), "{target}");
        assert_eq!(told_of(&signer, "bunny", &changed).await, reason, "{changed}");
    }
}

#[tokio::test]
async fn it_gains_nothing_by_moving_a_signature_in_the_path() {
    let signer = signer("");
    for key in ["imgproxy", "thumbor"] {
        let target = signed(&signer, key, "/ip/a.jpg/hero", &[]).await;
        let signature = target.split('/').nth(1).unwrap();
        for (path, reason) in [
            (format!("/{signature}/ip/b.jpg/hero"), "SIGNATURE_MISMATCH"),
            (format!("/{signature}/{signature}/ip/a.jpg/hero"), "SIGNATURE_MISMATCH"),
            (format!("/x/{signature}/ip/a.jpg/hero"), "SIGNATURE_MALFORMED"),
            (format!("//{signature}/ip/a.jpg/hero"), "SIGNATURE_MISSING"),
            (format!("/{signature}//ip/a.jpg/hero"), "SIGNATURE_MISMATCH"),
            (format!("/{signature}/ip/../ip/a.jpg/hero"), "AMBIGUOUS_PATH"),
            (format!("/{signature}%2Fip/a.jpg/hero"), "SIGNATURE_MALFORMED"),
            ("/ip/a.jpg/hero".to_owned(), "SIGNATURE_MALFORMED"),
            // A public variant has a path of its own; a signature before it that does not hold makes it none.
            (format!("/{signature}/ip/a.jpg/thumb"), "SIGNATURE_MISMATCH"),
        ] {
            assert_eq!(told_of(&signer, key, &path).await, reason, "{key} {path}");
        }
    }
    let target = signed(&signer, "prefixed", "/imgproxy/ip/a.jpg/hero", &[]).await;
    for (path, reason) in [
        (target.clone(), "OK"),
        (target.replace("/imgproxy", ""), "SIGNATURE_MISSING"),
        (target.replace("/imgproxy", "/imgproxy2"), "SIGNATURE_MISSING"),
        (target.replace("/imgproxy", "/imgproxy/imgproxy"), "SIGNATURE_MALFORMED"),
    ] {
        assert_eq!(told_of(&signer, "prefixed", &path).await, reason, "{path}");
    }
}

#[tokio::test]
async fn a_grant_for_the_proof_is_none_for_anything_else() {
    use safelight_chassis::{access::Caller, config};

    use crate::access::{Grants, METHODS};

    let signer = signer("");
    let good = signed(&signer, "web", "/acct/a/hero", &[]).await;
    let proof = "[[grants]]\ncaller = 'resizer'\nmethods = ['AuthorizeDelivery']\n";
    let grants = config::read(&format!("{proof}keys = ['*']"), Grants::read).unwrap();
    for method in ["SignOriginRequest", "VerifyUrl", "SignUrl", "ListDeliveries", "ListKeys"] {
        let method = METHODS.of_name(method).unwrap();
        assert!(grants.granted(&Caller::new("resizer"), method).is_none(), "{method}");
    }
    for (grant, reason) in [
        ("keys = ['web', 's3']", "OK"),
        ("keys = ['*']\ndeliveries = ['web']", "OK"),
        ("keys = ['web', 's3']\nurl_prefixes = ['BASEoriginals/acct/']", "OK"),
        ("keys = ['*']\ndeliveries = ['google']", "CALLER_DENIED"),
        ("keys = ['web']", "CALLER_DENIED"),
        ("keys = ['s3']", "CALLER_DENIED"),
        ("deliveries = ['web']", "CALLER_DENIED"),
        (
            "keys = ['web']\n[[grants]]\ncaller = 'resizer'\nmethods = ['AuthorizeDelivery']\nkeys = ['s3']",
            "CALLER_DENIED",
        ),
        ("keys = ['web', 's3']\nurl_prefixes = ['BASEoriginals/other/']", "CALLER_DENIED"),
        ("keys = ['web', 's3']\nhttp_methods = ['HEAD']", "CALLER_DENIED"),
    ] {
        let grants = format!("{proof}{grant}\n").replace("BASE", BASE);
        let request = granted_by(&grants, "AuthorizeDelivery", request(&signer, "web", &good));
        let told = match signer.authorize_delivery(request).await {
            Ok(answer) => {
                if answer.get_ref().reason() == Reason::Ok {
                    "OK".to_owned()
                } else {
                    String::new()
                }
            }
            Err(status) => refused::<()>(Err(status)).1,
        };
        assert_eq!(told, reason, "{grant}");
    }
}

#[test]
fn whatever_it_asks_it_gets_what_is_public_as_it_is_signed_or_nothing() {
    use proptest::prelude::*;

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let signer = signer("");
    let good = runtime.block_on(signed(&signer, "web", "/acct/a/b.jpg/hero", &[]));
    let (_, query) = good.split_once('?').unwrap();
    let part = r"[a-z.:@\\\\;?#]|%2[eEfF5]|%25|%3[dDfF]|%00|%C3%BC|é|thumb|hero|acct|=";
    let path = format!(r"(/({part}){{0,4}}){{1,5}}(/thumb)?");
    let mut config = proptest::test_runner::Config::with_cases(2000);
    config.failure_persistence = None;
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let public = std::cell::Cell::new(0);
    runner
        .run(&path.as_str(), |path| {
            for target in [path.clone(), format!("{path}?{query}")] {
                let Ok(answer) = runtime.block_on(ask(&signer, "web", &target)) else { continue };
                let answer = answer.into_inner();
                if answer.verdict() != Verdict::Valid {
                    prop_assert!(answer.url.is_empty() && answer.headers.is_empty());
                    continue;
                }
                public.set(public.get() + 1);
                prop_assert!(answer.public, "{target}");
                let path = target.split('?').next().unwrap();
                let last = path.rsplit('/').next().unwrap();
                prop_assert_eq!(percent_encoding::percent_decode_str(last).decode_utf8().unwrap(), "thumb");
                prop_assert!(answer.url.starts_with(&format!("{BASE}originals/")), "{}", answer.url);
                // What an HTTP client makes of it is what was signed.
                let sent = url::Url::parse(&answer.url).unwrap();
                prop_assert_eq!(sent.as_str(), &answer.url);
            }
            Ok(())
        })
        .unwrap();
    assert!(public.get() > 100, "{} were public", public.get());
}
