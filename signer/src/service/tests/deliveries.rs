//! `AuthorizeDelivery` as an honest resizer asks it. The hostile one has a file of its own.

use safelight_proto::{delivery::Identity, signer::v1::Verdict};

use super::{
    resizer::{BASE, NAMES, ask, digest, named, request, resizer, signed, signer},
    *,
};

#[tokio::test]
async fn a_valid_url_gets_the_fetch_of_its_object() {
    let signer = signer("");
    let target = signed(&signer, "web", "/acct/a%20b/c.jpg/hero", &[]).await;
    let answer = ok(ask(&signer, "web", &target).await);
    assert_eq!((answer.verdict(), answer.reason()), (Verdict::Valid, pb::Reason::Ok));
    assert_eq!((answer.key_version, answer.public), (1, false));
    assert_eq!(answer.expire_time, Some(timestamp(NOW + 3600)));
    assert_eq!(answer.authenticated_target, "/acct/a%20b/c.jpg/hero?exp=1700003600");
    assert_eq!(answer.object_key, "originals/acct/a b/c.jpg");
    assert_eq!(answer.url, format!("{BASE}originals/acct/a%20b/c.jpg"));
    assert_eq!(answer.fetch_expire_time, Some(timestamp(NOW + 900)));

    // What SignOriginRequest signs for the same fetch.
    for method in ["GET", "HEAD"] {
        let request =
            pb::AuthorizeDeliveryRequest { method: method.to_owned(), ..request(&signer, "web", &target) };
        let answer = ok(signer.authorize_delivery(resizer("AuthorizeDelivery", request)).await);
        let origin = pb::SignOriginRequestRequest {
            key: "s3".to_owned(),
            method: method.to_owned(),
            url: answer.url,
            region: "eu-west-1".to_owned(),
            ..Default::default()
        };
        assert_eq!(answer.headers, ok(signer.sign_origin_request(allowed(origin)).await).headers, "{method}");
        assert!(answer.headers.iter().any(|header| header.name == "authorization"));
    }
    let put = pb::AuthorizeDeliveryRequest { method: "PUT".to_owned(), ..request(&signer, "web", &target) };
    let answer = signer.authorize_delivery(resizer("AuthorizeDelivery", put)).await;
    assert_eq!(refused(answer), (Code::InvalidArgument, "FIELD_INVALID".to_owned()));
}

#[tokio::test]
async fn a_public_variant_needs_no_signature() {
    let signer = signer("");
    for path in ["/acct/a.jpg/thumb", "/acct/a.jpg/%74humb", "/acct/a.jpg/thumb?x=1"] {
        let answer = ok(ask(&signer, "web", path).await);
        assert_eq!(
            (answer.verdict(), answer.public, answer.key_version),
            (Verdict::Valid, true, 0),
            "{path}"
        );
        assert_eq!(answer.url, format!("{BASE}originals/acct/a.jpg"));
        assert_eq!(answer.authenticated_target, path.split('?').next().unwrap());
        assert_eq!(answer.expire_time, None);
        assert_eq!(answer.headers.len(), 3);
    }
    // All is public, and the origin takes unsigned requests.
    let answer = ok(ask(&signer, "open", "/open/a.jpg").await);
    assert_eq!((answer.verdict(), answer.public), (Verdict::Valid, true));
    assert_eq!(answer.url, "http://origin.example/a.jpg");
    assert!(answer.headers.is_empty() && answer.fetch_expire_time.is_none());
}

#[tokio::test]
async fn a_signature_in_the_path_is_taken_out_before_the_path_is_read() {
    let signer = signer("");
    for (key, asked, authenticated, object) in [
        ("imgproxy", "/ip/a/b.jpg/hero", "/ip/a/b.jpg/hero", "a/b.jpg"),
        ("prefixed", "/imgproxy/ip/a/b.jpg/hero", "/ip/a/b.jpg/hero", "a/b.jpg"),
        ("thumbor", "/ip/a/b.jpg/hero", "/ip/a/b.jpg/hero", "a/b.jpg"),
        ("cloudinary", "/demo/image/upload/v12/ip/a/b.jpg/hero", "/ip/a/b.jpg/hero", "a/b.jpg"),
    ] {
        let target = signed(&signer, key, asked, &[]).await;
        assert_ne!(target, asked);
        // Whatever the query, which none of them signs.
        for query in ["", "?", "?x=/ip/other/hero"] {
            let answer = ok(ask(&signer, key, &format!("{target}{query}")).await);
            assert_eq!(answer.reason(), pb::Reason::Ok, "{target}");
            assert_eq!((&*answer.authenticated_target, &*answer.object_key), (authenticated, object));
            assert_eq!(answer.url, format!("{BASE}{object}"));
        }
        assert!(ok(ask(&signer, key, "/ip/a/b.jpg/thumb").await).public, "{key}");
        let public = asked.replace("/hero", "/thumb");
        let target = signed(&signer, key, &public, &[]).await;
        let answer = ok(ask(&signer, key, &target).await);
        assert_eq!((answer.public, answer.key_version, &*answer.object_key), (false, 1, object), "{key}");
    }
    let target = signed(&signer, "bunny", "/ip/a/b.jpg/hero", &["/ip/a/"]).await;
    let answer = ok(ask(&signer, "bunny", &target).await);
    assert_eq!((answer.reason(), &*answer.object_key), (pb::Reason::Ok, "a/b.jpg"), "{target}");
}

/// As a resizer's route may say the path: with the signature.
#[tokio::test]
async fn a_template_may_name_the_signature_in_the_path() {
    let signer = signer("");
    for (key, asked, object) in [
        ("imgproxy", "/ip/a/b.jpg/hero", "a/b.jpg"),
        ("prefixed", "/imgproxy/a/b.jpg/hero", "a/b.jpg"),
        ("thumbor", "/ip/a/b.jpg/hero", "a/b.jpg"),
        ("cloudinary", "/demo/image/upload/a/b.jpg/hero", "a/b.jpg"),
    ] {
        let delivery = format!("{key}-whole");
        let target = signed(&signer, key, asked, &[]).await;
        let answer = ok(ask(&signer, &delivery, &target).await);
        assert_eq!((answer.reason(), &*answer.object_key), (pb::Reason::Ok, object), "{key} {target}");
        let public = target.replace("/hero", "/thumb");
        assert!(ok(ask(&signer, &delivery, &public).await).public, "{key} {public}");
        let changed = target.replace("/a/", "/c/");
        assert_ne!(ok(ask(&signer, &delivery, &changed).await).reason(), pb::Reason::Ok, "{key} {changed}");
    }
}

#[tokio::test]
async fn deliveries_are_listed_for_a_resizer_to_compare_with_its_routes() {
    let signer = signer("");
    let list = |page_token| async {
        let request = pb::ListDeliveriesRequest { page_size: 3, page_token };
        ok(signer.list_deliveries(resizer("ListDeliveries", request)).await)
    };
    let (mut listed, mut token) = (Vec::new(), String::new());
    loop {
        let page = list(token).await;
        listed.extend(page.deliveries);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let mut names: Vec<_> = NAMES.iter().filter(|name| **name != "foreign").copied().collect();
    names.sort_unstable();
    assert_eq!(listed.iter().map(|delivery| &*delivery.name).collect::<Vec<_>>(), names);
    for delivery in &listed {
        assert_eq!(delivery.digest, Identity::from(delivery).digest());
        assert_eq!(delivery.digest, digest(&signer, &delivery.name));
        let key = delivery.name.trim_end_matches("-whole");
        let in_path = ["bunny", "cloudinary", "imgproxy", "prefixed", "thumbor"].contains(&key);
        assert_eq!(delivery.signature_in_path, in_path, "{}", delivery.name);
    }
    // As a resizer reads it from its own configuration.
    let route = Identity {
        path: "/{account}/{key...}/{variant}",
        object_key: "originals/{account}/{key}",
        url_key: "web",
        variant: "",
        public_variants: &["thumb".to_owned()],
        signing_key: "s3",
        base_url: BASE,
        region: "eu-west-1",
    };
    let web = listed.iter().find(|delivery| delivery.name == "web").unwrap();
    assert_eq!(web.digest, route.digest());
    let other = Identity { public_variants: &[], region: "us-east-1", ..route };
    assert_eq!(other.differences(&Identity::from(web)), ["region", "public_variants"]);
    let request = pb::AuthorizeDeliveryRequest { delivery_digest: other.digest(), ..Default::default() };
    let answer = signer.authorize_delivery(resizer("AuthorizeDelivery", request)).await;
    assert!(answer.as_ref().unwrap_err().message().contains("public_variants"));
    assert_eq!(refused(answer), (Code::FailedPrecondition, "DELIVERY_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn origin_headers_of_the_key_are_added_and_signed() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use md5::{Digest, Md5};

    const NAME: &str = "x-amz-server-side-encryption-customer-key";

    let signer = signer("request_payer = true\nsse_customer_key_file = 'DIR/sse'");
    let answer = ok(ask(&signer, "web", "/acct/a/thumb").await);
    let value = |headers: &[pb::Header], name: &str| {
        headers.iter().find(|header| header.name == name).unwrap_or_else(|| panic!("{name}")).value.clone()
    };
    let names = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-request-payer;\
                 x-amz-server-side-encryption-customer-algorithm;x-amz-server-side-encryption-customer-key;\
                 x-amz-server-side-encryption-customer-key-md5,";
    let check = |headers: &[pb::Header]| {
        assert_eq!(value(headers, "x-amz-request-payer"), "requester");
        assert_eq!(value(headers, &NAME.replace("-key", "-algorithm")), "AES256");
        assert_eq!(value(headers, NAME), named("sse"));
        let key = STANDARD.decode(named("sse")).unwrap();
        assert_eq!(value(headers, &format!("{NAME}-md5")), STANDARD.encode(Md5::digest(key)));
    };
    check(&answer.headers);
    let authorization = value(&answer.headers, "authorization");
    assert!(authorization.contains(names), "{authorization}");
    assert!(!format!("{answer:?}").contains(named("sse")), "a secret");

    let origin = |location: pb::SignatureLocation, headers| pb::SignOriginRequestRequest {
        key: "s3".to_owned(),
        method: "PUT".to_owned(),
        url: answer.url.clone(),
        region: "eu-west-1".to_owned(),
        location: location.into(),
        headers,
        ..Default::default()
    };
    let headers = pb::SignatureLocation::Headers;
    check(&ok(signer.sign_origin_request(allowed(origin(headers, Vec::new()))).await).headers);
    let presigned = origin(pb::SignatureLocation::Query, Vec::new());
    let presigned = ok(signer.sign_origin_request(allowed(presigned)).await);
    check(&presigned.headers);
    assert_eq!(presigned.headers.len(), 4);
    assert!(presigned.url.contains("x-amz-request-payer%3B"), "{}", presigned.url);
    let twice = pb::Header { name: "X-Amz-Request-Payer".to_owned(), value: "requester".to_owned() };
    let answer = signer.sign_origin_request(allowed(origin(headers, vec![twice]))).await;
    assert_eq!(refused(answer), (Code::InvalidArgument, "RESERVED_PARAMETER".to_owned()));
}
