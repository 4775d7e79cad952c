//! What a signature is good for beyond one URL, or for less than anybody: scopes, clients and starts.

use prost_types::Timestamp;
use safelight_proto::signer::v1::{Reason, SignUrlRequest, SignatureCarrier, VerifyUrlRequest};
use tonic::Code;

use crate::harness::{NOW, Pair, cookie_header, refused, target, timestamp, url_request, verify_request};

/// Until when what is asked for here is good.
pub(crate) const EXPIRES: u64 = NOW + 60;

/// Asks for a URL that is good until [`EXPIRES`].
fn request(key: &str, url: &str) -> SignUrlRequest {
    url_request(key, url, Some(60))
}

pub(crate) fn scoped(key: &str, url: &str, scope: &[&str]) -> SignUrlRequest {
    let scope = scope.iter().map(|pattern| (*pattern).to_owned()).collect();
    SignUrlRequest { scope, ..request(key, url) }
}

pub(crate) fn in_cookies(request: SignUrlRequest) -> SignUrlRequest {
    SignUrlRequest { carrier: SignatureCarrier::Cookies.into(), ..request }
}

#[tokio::test]
async fn a_scope_in_a_url_is_good_for_others_below_it() {
    let pair = Pair::of_schemes().await;
    let url = "https://h/photos/a.jpg";
    for (key, scope, inside, outside) in [
        ("cloudfront", "https://h/photos/*", "https://h/photos/b/c.png", "https://h/private/a.jpg"),
        ("cloudfront-ecdsa", "https://*/photos/?.jpg", "https://h2/photos/b.jpg", "https://h2/photos/bc.jpg"),
        ("google", "https://h/photos/", "https://h/photos/b/c.png", "https://h/photo"),
        ("google-media", "https://h/", "https://h/", "https://h2/photos/a.jpg"),
        ("akamai", "/photos/*", "https://h2/photos/b", "https://h/photo/a.jpg"),
        ("cloudinary-token", "/photos/*", "https://h2/photos/b", "https://h/photo/a.jpg"),
        ("bunny", "/photos", "https://h2/photos/b/c.png", "https://h/photos2/a.jpg"),
    ] {
        let signed = pair.sign(scoped(key, url, &[scope])).await.signed_url;
        let signature = signed.strip_prefix(url).unwrap();
        for (elsewhere, expected) in
            [(url, Reason::Ok), (inside, Reason::Ok), (outside, Reason::ResourceMismatch)]
        {
            let request = verify_request(key, &format!("{elsewhere}{signature}"));
            let verified = pair.verify(request).await;
            assert_eq!(verified.reason(), expected, "{key}: {elsewhere}");
            let path = verified.authenticated_target.split('?').next().unwrap();
            assert_eq!(path, if expected == Reason::Ok { target(elsewhere) } else { "" }, "{key}");
        }
        // Nobody may ask for a signature that does not cover what it is for.
        let answer = pair.signer().sign_url(scoped(key, outside, &[scope])).await;
        refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["scope"]);
    }
}

#[tokio::test]
async fn a_signature_for_one_client_is_no_one_elses() {
    let pair = Pair::of_schemes().await;
    let (one, other) = ("192.0.2.7", "192.0.2.8");
    for (key, client, good, bad) in [
        (
            "cloudfront",
            "192.0.2.0/24",
            &["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.9"][..],
            &["192.0.3.0", "2001:db8::1"][..],
        ),
        ("cloudfront", one, &[one], &[other]),
        ("akamai", one, &[one, "::ffff:192.0.2.7"], &[other]),
        ("akamai", "2001:db8::7", &["2001:db8::7", "2001:DB8:0::0:7"], &["2001:db8::8", one]),
        ("cloudinary-token", one, &[one], &[other]),
        ("bunny", one, &[one, "::ffff:192.0.2.7"], &[other]),
        ("bunny", "2001:db8:1:2::/64", &["2001:db8:1:2::1", "2001:db8:1:2:ffff::"], &["2001:db8:1:3::1"]),
    ] {
        let request = SignUrlRequest { client_ip: client.to_owned(), ..request(key, "https://h/a.jpg") };
        let mut signed = vec![pair.sign(request.clone()).await];
        if key != "bunny" {
            signed.push(pair.sign(in_cookies(request)).await);
        }
        for signed in signed {
            let is = async |client: &str| {
                let request = VerifyUrlRequest {
                    client_ip: client.to_owned(),
                    cookies: cookie_header(&signed.cookies),
                    ..verify_request(key, &signed.signed_url)
                };
                pair.verify(request).await.reason()
            };
            for client in good {
                assert_eq!(is(client).await, Reason::Ok, "{key}: {client}");
            }
            // Bunny's message holds the address: for another it is another message.
            let refusal = if key == "bunny" { Reason::SignatureMismatch } else { Reason::ClientMismatch };
            for client in bad {
                assert_eq!(is(client).await, refusal, "{key}: {client}");
            }
            assert_eq!(is("").await, Reason::ClientMismatch, "{key}: not told");
        }
    }
    for (key, client) in [
        ("google", one),
        ("google-media", one),
        ("imgix", one),
        ("cloudfront", "2001:db8::/64"),
        ("akamai", "192.0.2.0/24"),
        ("bunny", "192.0.2.0/24"),
        ("bunny", "2001:db8::7"),
        ("akamai", "example.com"),
        ("akamai", "192.0.2.7/33"),
    ] {
        let request = SignUrlRequest { client_ip: client.to_owned(), ..request(key, "https://h/a.jpg") };
        let answer = pair.signer().sign_url(request).await;
        refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["client_ip"]);
    }
    let request =
        VerifyUrlRequest { client_ip: "somebody".to_owned(), ..verify_request("akamai", "https://h/a.jpg") };
    let answer = pair.verifier().verify_url(request).await;
    refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["client_ip"]);
}

#[tokio::test]
async fn a_signature_may_start_later() {
    let pair = Pair::of_schemes().await;
    for key in ["cloudfront", "akamai", "cloudinary-token"] {
        pair.clock.set(NOW);
        let starting = |at| SignUrlRequest { start_time: Some(at), ..request(key, "https://h/a.jpg") };
        for signed in [
            pair.sign(starting(timestamp(NOW + 10))).await,
            pair.sign(in_cookies(starting(timestamp(NOW + 10)))).await,
        ] {
            let url = &signed.signed_url;
            let cookies = cookie_header(&signed.cookies);
            for (now, expected) in [
                (NOW, Reason::NotYetValid),
                (NOW + 9, Reason::NotYetValid),
                (NOW + 10, Reason::Ok),
                (EXPIRES, Reason::Expired),
            ] {
                pair.clock.set(now);
                let request = VerifyUrlRequest { cookies: cookies.clone(), ..verify_request(key, url) };
                assert_eq!(pair.verify(request).await.reason(), expected, "{key} at {now}");
            }
            pair.clock.set(NOW);
        }
        for at in [timestamp(EXPIRES), Timestamp { seconds: -1, nanos: 0 }] {
            let answer = pair.signer().sign_url(starting(at)).await;
            refused(answer, Code::InvalidArgument, "FIELD_INVALID", &["start_time"]);
        }
    }
}

/// The table of the contract, at `SignUrlRequest`.
#[tokio::test]
async fn what_a_scheme_has_not_is_refused_by_its_name() {
    let pair = Pair::of_schemes().await;
    for (key, scope, extra, has) in [
        ("web", "/*", "id", &["expiry"][..]),
        ("google", "https://h/", "id", &["expiry", "scope", "carrier"]),
        ("google-media", "https://h/", "id", &["expiry", "scope", "carrier"]),
        ("cloudfront", "https://h/*", "id", &["expiry", "start_time", "client_ip", "scope", "carrier"]),
        ("akamai", "/*", "id", &["expiry", "start_time", "client_ip", "scope", "carrier", "extra"]),
        ("cloudinary-token", "/*", "id", &["expiry", "start_time", "client_ip", "scope", "carrier"]),
        ("imgproxy", "/*", "id", &[]),
        ("imgix", "/*", "id", &["expiry"]),
        ("thumbor", "/*", "id", &[]),
        ("fastly", "/*", "id", &["expiry"]),
        ("bunny", "/", "speedLimit", &["expiry", "client_ip", "scope", "extra"]),
        ("cloudinary", "/*", "sign_version", &["extra"]),
    ] {
        let url =
            if key == "cloudinary" { "https://h/demo/image/upload/v1/a.jpg" } else { "https://h/a.jpg" };
        let plain = || url_request(key, url, has.contains(&"expiry").then_some(60));
        pair.sign(plain()).await;
        let values = |name: &str| if name == "sign_version" { "true" } else { "100" }.to_owned();
        for (field, wish) in [
            ("expiry", url_request(key, url, Some(60))),
            ("start_time", SignUrlRequest { start_time: Some(timestamp(NOW)), ..plain() }),
            ("client_ip", SignUrlRequest { client_ip: "192.0.2.7".to_owned(), ..plain() }),
            ("scope", SignUrlRequest { scope: vec![scope.to_owned()], ..plain() }),
            (
                "carrier",
                in_cookies(if has.contains(&"scope") { scoped(key, url, &[scope]) } else { plain() }),
            ),
            ("extra", SignUrlRequest { extra: [(extra.to_owned(), values(extra))].into(), ..plain() }),
        ] {
            let answer = pair.signer().sign_url(wish).await;
            if has.contains(&field) {
                answer.unwrap_or_else(|status| panic!("{key} {field}: {status:?}"));
            } else {
                refused(answer, Code::InvalidArgument, "FIELD_INVALID", &[field]);
            }
        }
    }
}
