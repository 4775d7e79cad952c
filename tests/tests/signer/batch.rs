//! `BatchSignUrls`.

use safelight_proto::signer::v1::{
    BatchSignUrlsItem, BatchSignUrlsRequest, BatchSignUrlsResult, batch_sign_urls_item::Expiry,
    batch_sign_urls_result::Result as Answer,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{NOW, Pair, duration, ok, refused, timestamp, url_request};

fn item(url: impl Into<String>, ttl: Option<i64>) -> BatchSignUrlsItem {
    BatchSignUrlsItem { url: url.into(), expiry: ttl.map(|seconds| Expiry::Ttl(duration(seconds))) }
}

fn batch(key: &str, items: Vec<BatchSignUrlsItem>) -> BatchSignUrlsRequest {
    BatchSignUrlsRequest { key: key.to_owned(), items, ..BatchSignUrlsRequest::default() }
}

/// The answers, each as the single call gives it.
async fn singly(pair: &Pair, items: &[BatchSignUrlsItem]) -> Vec<Result<String, (String, String)>> {
    let mut answers = Vec::new();
    for BatchSignUrlsItem { url, expiry } in items {
        let ttl = expiry.map(|expiry| match expiry {
            Expiry::Ttl(ttl) => ttl.seconds,
            Expiry::ExpireTime(time) => time.seconds - NOW.cast_signed(),
        });
        let answer = pair.signer().sign_url(url_request("url", url, ttl)).await;
        answers.push(match answer {
            Ok(signed) => Ok(signed.into_inner().signed_url),
            Err(status) => {
                let reason = status.get_details_error_info().unwrap().reason;
                Err((reason, status.message().to_owned()))
            }
        });
    }
    answers
}

fn plain(result: BatchSignUrlsResult) -> Result<String, (String, String)> {
    match result.result.unwrap() {
        Answer::Signed(signed) => {
            assert_eq!(signed.key_version, 2);
            Ok(signed.signed_url)
        }
        Answer::Error(error) => Err((error.reason, error.message)),
    }
}

#[tokio::test]
async fn each_item_succeeds_or_fails_by_itself_in_its_place() {
    let pair = Pair::start().await;
    let items = vec![
        item("https://h/first", Some(60)),
        item("https://h/a?sig=1", None),
        item("https://h/second?w=1", None),
        item("not a url", Some(60)),
        item("https://h/a", Some(3601)),
        item(format!("https://h/{}", "a".repeat(8192)), None),
        item("", None),
        BatchSignUrlsItem {
            url: "https://h/last".to_owned(),
            expiry: Some(Expiry::ExpireTime(timestamp(NOW + 5))),
        },
    ];
    let results = ok(pair.signer().batch_sign_urls(batch("url", items.clone())).await).results;
    let results: Vec<_> = results.into_iter().map(plain).collect();
    assert_eq!(results, singly(&pair, &items).await);
    let reasons: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map_or_else(|(reason, _)| reason.as_str(), |_| ""))
        .collect();
    assert_eq!(
        reasons,
        [
            "",
            "RESERVED_PARAMETER",
            "",
            "URL_INVALID",
            "EXPIRY_OUT_OF_RANGE",
            "INPUT_TOO_LONG",
            "URL_INVALID",
            ""
        ]
    );
}

#[tokio::test]
async fn the_largest_batch_goes_in_and_comes_out() {
    let pair = Pair::start().await;
    // Nearly the 512 KiB that a message may have.
    let url = |n: usize| format!("https://h/{n:03}/{}", "a".repeat(2000));
    let items = (0..256).map(|n| item(url(n), Some(60))).collect();
    let results = ok(pair.signer().batch_sign_urls(batch("url", items)).await).results;
    assert_eq!(results.len(), 256);
    for (n, result) in results.into_iter().enumerate() {
        let signed = plain(result).unwrap();
        assert!(signed.starts_with(&format!("{}?exp=", url(n))), "{n}");
    }
}

#[tokio::test]
async fn every_error() {
    let pair = Pair::start().await;
    let items = |count| vec![item("https://h/a", Some(60)); count];
    for (key, count, code, reason, fields) in [
        ("nope", 1, Code::NotFound, "KEY_NOT_FOUND", &[][..]),
        ("upload", 1, Code::FailedPrecondition, "KEY_SCHEME_MISMATCH", &[]),
        ("url", 0, Code::InvalidArgument, "FIELD_INVALID", &["items"]),
        ("url", 257, Code::InvalidArgument, "FIELD_INVALID", &["items"]),
    ] {
        let answer = pair.signer().batch_sign_urls(batch(key, items(count))).await;
        refused(answer, code, reason, fields);
    }
}
