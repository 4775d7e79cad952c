//! What a caller may not do, though the key could.

use pb::{batch_sign_urls_result::Result as Item, key_service_server::KeyService};
use safelight_chassis::{access::Caller, config};

use super::*;
use crate::access::{Grants, METHODS};

const GRANTS: &str = r#"
    [[grants]]
    caller = "c"
    methods = ["SignUrl", "BatchSignUrls", "GetKey", "ListKeys"]
    keys = ["web"]
    path_prefixes = ["/a/"]
    max_ttl = "1m"
    [[grants]]
    caller = "c"
    methods = ["SignUrl", "BatchSignUrls", "ListKeys"]
    keys = ["forever"]
    [[grants]]
    caller = "c"
    methods = ["SignUrl"]
    keys = ["web"]
    path_prefixes = ["/long/"]
    max_ttl = "2h"
    [[grants]]
    caller = "c"
    methods = ["SignOriginRequest"]
    keys = ["s3"]
    max_ttl = "1m"
"#;

/// A request as the gate lets it in.
fn granted<T>(method: &str, message: T) -> Request<T> {
    let grants = config::read(GRANTS, Grants::read).unwrap();
    let granted = grants.granted(&Caller::new("c"), METHODS.of_name(method).unwrap());
    let mut request = Request::new(message);
    request.extensions_mut().insert(granted.unwrap());
    request
}

fn denied() -> (Code, String) {
    (Code::PermissionDenied, "CALLER_DENIED".to_owned())
}

#[tokio::test]
async fn pitfall_20_a_url_is_signed_as_the_grants_for_its_key_allow() {
    let signer = signer();
    let sign = |key, path, ttl| {
        let request = url_request(key, &format!("https://h{path}"), ttl).into_inner();
        signer.sign_url(granted("SignUrl", request))
    };
    for (path, asked, given) in
        [("/a/x", None, 60), ("/a/x", Some(60), 60), ("/long/x", None, 3600), ("/long/x", Some(61), 61)]
    {
        let signed = ok(sign("web", path, asked).await);
        assert_eq!(signed.expire_time, Some(timestamp(NOW + given)), "{path} {asked:?}");
    }
    let too_long = (Code::InvalidArgument, "EXPIRY_OUT_OF_RANGE".to_owned());
    assert_eq!(refused(sign("web", "/a/x", Some(61)).await), too_long);
    assert_eq!(refused(sign("web", "/long/x", Some(3601)).await), too_long, "the key allows less");
    // The grant for another key is none for this one.
    ok(sign("forever", "/b", Some(61)).await);
    assert_eq!(refused(sign("web", "/b", Some(1)).await), denied());
    assert_eq!(refused(sign("strict", "/a/x", Some(1)).await), denied());
}

#[tokio::test]
async fn pitfall_20_items_of_a_batch_are_granted_each_for_itself() {
    let signer = signer();
    let paths = ["/b", "/a/x", "/long/x", "/a/y"];
    let item = |path| pb::BatchSignUrlsItem { url: format!("https://h{path}"), expiry: None };
    let request = pb::BatchSignUrlsRequest {
        key: "web".to_owned(),
        items: paths.map(item).into(),
        ..pb::BatchSignUrlsRequest::default()
    };
    let answer = ok(signer.batch_sign_urls(granted("BatchSignUrls", request)).await);
    let reasons = answer.results.into_iter().map(|result| match result.result.unwrap() {
        Item::Signed(_) => "OK".to_owned(),
        Item::Error(error) => error.reason,
    });
    assert_eq!(reasons.collect::<Vec<_>>(), ["CALLER_DENIED", "OK", "CALLER_DENIED", "OK"]);
}

#[tokio::test]
async fn pitfall_20_an_origin_request_lives_no_longer_than_its_grant() {
    let signer = signer();
    let sign = |seconds, method: &str| {
        let request = pb::SignOriginRequestRequest {
            key: "s3".to_owned(),
            method: method.to_owned(),
            url: "https://b.s3.eu-west-1.amazonaws.com/a".to_owned(),
            region: "eu-west-1".to_owned(),
            location: pb::SignatureLocation::Query.into(),
            ttl: Some(Duration { seconds, nanos: 0 }),
            ..pb::SignOriginRequestRequest::default()
        };
        signer.sign_origin_request(granted("SignOriginRequest", request))
    };
    assert_eq!(ok(sign(60, "GET").await).expire_time, Some(timestamp(NOW + 60)));
    assert_eq!(refused(sign(61, "GET").await).1, "EXPIRY_OUT_OF_RANGE");
    assert_eq!(refused(sign(60, "PUT").await), denied());
}

#[tokio::test]
async fn pitfall_20_only_granted_keys_are_shown() {
    let signer = signer();
    let listed = ok(signer.list_keys(granted("ListKeys", pb::ListKeysRequest::default())).await);
    assert_eq!(listed.keys.iter().map(|key| &key.name).collect::<Vec<_>>(), ["forever", "web"]);
    let get = |name: &str| signer.get_key(granted("GetKey", pb::GetKeyRequest { name: name.to_owned() }));
    ok(get("web").await);
    for name in ["forever", "s3", "nope"] {
        assert_eq!(refused(get(name).await), denied(), "{name}");
    }
}
