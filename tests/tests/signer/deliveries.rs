//! `AuthorizeDelivery` and `ListDeliveries`, as our own client asks them.

use std::time::Duration;

use safelight_client::{Authorization, Credentials, SignerClient, SignerError};
use safelight_proto::delivery::Identity;
use safelight_signer::Clock;

use crate::harness::{KEYS, NOW, Pair, target, url_request};

const WITHIN: Duration = Duration::from_secs(5);

const DELIVERIES: &str = r#"
[[deliveries]]
name = "photos"
path = "/p/{key...}/{variant}"
url_key = "url"
public_variants = ["thumb"]
signing_key = "s3"
region = "eu-west-1"
base_url = "https://photos.s3.eu-west-1.amazonaws.com/"
"#;

#[tokio::test]
async fn a_delivery_is_authorized_or_refused_and_never_something_between() {
    let pair = Pair::with(&format!("{KEYS}{DELIVERIES}"), Clock::fixed(NOW)).await;
    let client = SignerClient::connect_lazy(&pair.stack.signer.endpoint(), &Credentials::default()).unwrap();
    let listed = client.list_deliveries(WITHIN).await.unwrap();
    let found = listed.iter().find(|delivery| delivery.name == "photos");
    let Some(delivery) = found else { panic!("{listed:?}") };
    // What a resizer computes from its own route is what the signer has.
    let digest = Identity {
        path: "/p/{key...}/{variant}",
        object_key: "{key}",
        url_key: "url",
        variant: "",
        public_variants: &["thumb".to_owned()],
        signing_key: "s3",
        base_url: "https://photos.s3.eu-west-1.amazonaws.com/",
        region: "eu-west-1",
    }
    .digest();
    assert_eq!((delivery.name.as_str(), &delivery.digest), ("photos", &digest));

    let signed =
        pair.sign(url_request("url", "https://h.test/p/2026/a.jpg/w=200", Some(60))).await.signed_url;
    let answer = client.authorize_delivery(&digest, target(&signed), WITHIN).await.unwrap();
    let Authorization::Authorized(authorized) = answer else { panic!("{answer:?}") };
    assert_eq!(authorized.object_key, "2026/a.jpg");
    assert_eq!(authorized.url, "https://photos.s3.eu-west-1.amazonaws.com/2026/a.jpg");
    assert!(!authorized.public && authorized.expires.is_some());
    assert!(authorized.headers.iter().any(|header| header.name == "authorization"));

    let public = client.authorize_delivery(&digest, "/p/a.jpg/thumb", WITHIN).await.unwrap();
    assert!(matches!(public, Authorization::Authorized(found) if found.public && found.expires.is_none()));

    let forged = format!("{}0", target(&signed));
    for (asked, reason) in
        [(forged.as_str(), "REASON_SIGNATURE_MALFORMED"), ("/p/a.jpg/w=200", "REASON_SIGNATURE_MISSING")]
    {
        let answer = client.authorize_delivery(&digest, asked, WITHIN).await.unwrap();
        assert_eq!(answer, Authorization::Refused(reason), "{asked}");
    }
    let error = client.authorize_delivery("0000", target(&signed), WITHIN).await.unwrap_err();
    assert!(
        matches!(&error, SignerError::Refused(failure) if failure.reason() == "DELIVERY_UNKNOWN"),
        "{error}"
    );
}
