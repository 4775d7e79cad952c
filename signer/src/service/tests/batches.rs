use super::*;

#[tokio::test]
async fn a_batch_keeps_order_and_each_item_stands_for_itself() {
    let signer = signer();
    let item = |url: &str, ttl: Option<i64>| pb::BatchSignUrlsItem {
        url: url.to_owned(),
        expiry: ttl.map(|seconds| pb::batch_sign_urls_item::Expiry::Ttl(Duration { seconds, nanos: 0 })),
    };
    let batch = |key: &str, items| {
        signer.batch_sign_urls(allowed(pb::BatchSignUrlsRequest {
            key: key.to_owned(),
            items,
            ..pb::BatchSignUrlsRequest::default()
        }))
    };
    let items = vec![item("https://h/a", Some(60)), item("nope", None), item("https://h/b", Some(9999))];
    let results = ok(batch("web", items).await).results;
    let results: Vec<_> = results.into_iter().map(|result| result.result.unwrap()).collect();
    let single = ok(sign_url(&signer, "web", "https://h/a", Some(60)).await);
    assert_eq!(results[0], pb::batch_sign_urls_result::Result::Signed(single));
    for (result, reason) in results[1..].iter().zip(["URL_INVALID", "EXPIRY_OUT_OF_RANGE"]) {
        let pb::batch_sign_urls_result::Result::Error(error) = result else { panic!("{result:?}") };
        assert_eq!(error.reason, reason);
        assert!(!error.message.is_empty());
    }
    assert_eq!(ok(batch("web", vec![item("https://h/a", None); 256]).await).results.len(), 256);
    for (key, count, code, reason) in [
        ("web", 0, Code::InvalidArgument, "FIELD_INVALID"),
        ("web", 257, Code::InvalidArgument, "FIELD_INVALID"),
        ("nope", 1, Code::NotFound, "KEY_NOT_FOUND"),
        ("uploads", 1, Code::FailedPrecondition, "KEY_SCHEME_MISMATCH"),
    ] {
        let answer = batch(key, vec![item("https://h/a", None); count]).await;
        assert_eq!(refused(answer), (code, reason.to_owned()));
    }
}

#[test]
fn the_answer_to_the_largest_batch_fits_the_limits() {
    use prost::Message;

    let url = format!("https://h/{}", "é".repeat(983));
    assert_eq!(url.len(), 1976);
    let expiry =
        pb::batch_sign_urls_item::Expiry::ExpireTime(Timestamp { seconds: i64::MAX, nanos: i32::MAX });
    let item = pb::BatchSignUrlsItem { url, expiry: Some(expiry) };
    let request = pb::BatchSignUrlsRequest {
        key: "k".repeat(64),
        items: vec![item; crate::service::MAX_BATCH],
        ..pb::BatchSignUrlsRequest::default()
    };
    let room = crate::service::MAX_SIGNER_REQUEST.checked_sub(request.encoded_len());
    assert!(room.is_some_and(|room| room < 16 * 1024), "256 URLs of 2 KiB just fit: {room:?}");

    let signed_url = "a".repeat(3 * 2048 + "?exp=253402300799&sig=".len() + 64);
    let signed = pb::SignUrlResponse {
        signed_url,
        expire_time: Some(timestamp(NOW)),
        key_version: u32::MAX,
        ..pb::SignUrlResponse::default()
    };
    let result = pb::BatchSignUrlsResult { result: Some(pb::batch_sign_urls_result::Result::Signed(signed)) };
    let response = pb::BatchSignUrlsResponse { results: vec![result; crate::service::MAX_BATCH] };
    assert!(response.encoded_len() <= crate::service::MAX_SIGNER_ANSWER, "{}", response.encoded_len());
}
