//! What a signature is good for beyond one URL: scopes, cookies, clients and starts.

use prost_types::Timestamp;
use safelight_proto::signer::v1::{Cookie, Reason, SignUrlRequest, SignatureCarrier, VerifyUrlRequest};
use tonic::Code;

use crate::harness::{NOW, Pair, cookie_header, refused, target, timestamp, url_request, verify_request};

/// Until when what is asked for here is good.
const EXPIRES: u64 = NOW + 60;

/// Asks for a URL that is good until [`EXPIRES`].
fn request(key: &str, url: &str) -> SignUrlRequest {
    url_request(key, url, Some(60))
}

fn scoped(key: &str, url: &str, scope: &[&str]) -> SignUrlRequest {
    let scope = scope.iter().map(|pattern| (*pattern).to_owned()).collect();
    SignUrlRequest { scope, ..request(key, url) }
}

fn in_cookies(request: SignUrlRequest) -> SignUrlRequest {
    SignUrlRequest { carrier: SignatureCarrier::Cookies.into(), ..request }
}

async fn verdict(pair: &Pair, key: &str, url: &str, cookies: &str) -> Reason {
    let request = VerifyUrlRequest { cookies: cookies.to_owned(), ..verify_request(key, url) };
    let verified = pair.verify(request).await;
    if verified.reason() == Reason::Ok {
        assert_eq!((verified.key_version, verified.expire_time), (1, Some(timestamp(EXPIRES))), "{url}");
        assert_eq!(verified.authenticated_target, target(url));
    }
    verified.reason()
}

/// Cookies, and what they open.
struct Opens {
    key: &'static str,
    cookies: &'static [&'static str],
    scope: &'static [&'static str],
    inside: &'static [&'static str],
    outside: &'static [&'static str],
    refusal: Reason,
    /// A parameter that says that the signature is in the URL.
    parameter: &'static str,
}

const OPENS: [Opens; 6] = [
    Opens {
        key: "cloudfront",
        cookies: &[
            "CloudFront-Policy",
            "CloudFront-Key-Pair-Id",
            "CloudFront-Signature",
            "CloudFront-Hash-Algorithm",
        ],
        scope: &["https://h/photos/*.jpg"],
        inside: &["https://h/photos/a.jpg", "https://h/photos/b//c.jpg", "https://h/photos/a?w=1&x=.jpg"],
        outside: &[
            "https://h/photos/a.png",
            "https://h/private/a.jpg",
            "http://h/photos/a.jpg",
            "https://other/photos/a.jpg",
            "https://h:8443/photos/a.jpg",
        ],
        refusal: Reason::ResourceMismatch,
        parameter: "Signature",
    },
    Opens {
        key: "cloudfront",
        cookies: &[
            "CloudFront-Expires",
            "CloudFront-Key-Pair-Id",
            "CloudFront-Signature",
            "CloudFront-Hash-Algorithm",
        ],
        scope: &[],
        inside: &["https://h/photos/a.jpg?w=1"],
        outside: &["https://h/photos/a.jpg", "https://h/photos/a.jpg?w=2", "https://other/photos/a.jpg?w=1"],
        refusal: Reason::SignatureMismatch,
        parameter: "Expires",
    },
    Opens {
        key: "google",
        cookies: &["Cloud-CDN-Cookie"],
        scope: &["https://h/photos/"],
        inside: &["https://h/photos/a.jpg", "https://h/photos/", "https://h/photos/b//c%2Fd?w=1&w=2"],
        outside: &[
            "https://h/photos",
            "https://h/Photos/a.jpg",
            "http://h/photos/a.jpg",
            "https://h2/photos/a.jpg",
        ],
        refusal: Reason::ResourceMismatch,
        parameter: "KeyName",
    },
    Opens {
        key: "google-media",
        cookies: &["Edge-Cache-Cookie"],
        scope: &["https://h/data"],
        inside: &["https://h/data/a.jpg", "https://h/database", "https://h/data?w=1"],
        outside: &["https://h/dat", "https://h/x/data", "https://other/data/a.jpg"],
        refusal: Reason::ResourceMismatch,
        parameter: "URLPrefix",
    },
    Opens {
        key: "akamai",
        cookies: &["__token__"],
        scope: &["/photos/*", "/p/?.jpg"],
        inside: &["https://h/photos/a.jpg", "https://other/photos/b/c", "https://h/p/a.jpg?w=1"],
        outside: &["https://h/photo/a.jpg", "https://h/p/ab.jpg", "https://h/x/photos/a.jpg"],
        refusal: Reason::ResourceMismatch,
        parameter: "__token__",
    },
    Opens {
        key: "cloudinary-token",
        cookies: &["__cld_token__"],
        scope: &["/image/authenticated/*"],
        inside: &["https://h/image/authenticated/a.jpg", "https://other/image/authenticated/v1/b%20c.jpg"],
        outside: &["https://h/image/authenticated", "https://h/image/private/a.jpg"],
        refusal: Reason::ResourceMismatch,
        parameter: "__cld_token__",
    },
];

#[tokio::test]
async fn cookies_open_what_their_scope_covers_for_as_long_as_they_say() {
    let pair = Pair::of_schemes().await;
    for opens in OPENS {
        pair.clock.set(NOW);
        let Opens { key, inside, .. } = opens;
        let signed = pair.sign(in_cookies(scoped(key, inside[0], opens.scope))).await;
        assert_eq!(signed.signed_url, inside[0], "the URL stays as it is");
        assert_eq!((signed.key_version, signed.expire_time), (1, Some(timestamp(EXPIRES))));
        let names: Vec<_> = signed.cookies.iter().map(|cookie| cookie.name.as_str()).collect();
        assert_eq!(names, opens.cookies);
        let cookies = cookie_header(&signed.cookies);
        let is = async |url: &str, cookies: &str| verdict(&pair, key, url, cookies).await;

        for url in inside {
            assert_eq!(is(url, &cookies).await, Reason::Ok, "{key}: {url}");
            assert_eq!(is(url, &format!("a=1; {cookies}; b=2")).await, Reason::Ok, "{key}: {url}");
            assert_eq!(is(url, "").await, Reason::SignatureMissing, "{key}: {url}");
        }
        for url in opens.outside {
            assert_eq!(is(url, &cookies).await, opens.refusal, "{key}: {url}");
        }
        // A URL that says that it is signed is judged by that.
        let separator = if inside[0].contains('?') { '&' } else { '?' };
        let own = format!("{}{separator}{}=0", inside[0], opens.parameter);
        assert_ne!(is(&own, &cookies).await, Reason::Ok, "{own}");
        assert_eq!(is(inside[0], &format!("{cookies}; {cookies}")).await, Reason::DuplicateParameter);
        for changed in 0..signed.cookies.len() {
            let mut without = signed.cookies.clone();
            without.remove(changed);
            assert_ne!(is(inside[0], &cookie_header(&without)).await, Reason::Ok, "{key}: {without:?}");
            let mut forged = signed.cookies.clone();
            let Cookie { value, .. } = &mut forged[changed];
            let first = if value.starts_with('A') { "B" } else { "A" };
            value.replace_range(..1, first);
            assert_ne!(is(inside[0], &cookie_header(&forged)).await, Reason::Ok, "{key}: {forged:?}");
        }
        let other = OPENS.iter().find(|other| other.key != key).unwrap();
        assert_eq!(verdict(&pair, other.key, inside[0], &cookies).await, Reason::SignatureMissing);
        pair.clock.set(EXPIRES - 1);
        assert_eq!(is(inside[0], &cookies).await, Reason::Ok);
        pair.clock.set(EXPIRES);
        assert_eq!(is(inside[0], &cookies).await, Reason::Expired);
    }
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
