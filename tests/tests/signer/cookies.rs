//! Signed cookies.

use safelight_proto::signer::v1::{Cookie, Reason, VerifyUrlRequest};

use crate::{
    harness::{NOW, Pair, cookie_header, target, timestamp, verify_request},
    scopes::{EXPIRES, in_cookies, scoped},
};

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
