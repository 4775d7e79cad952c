//! Every case of the signing vectors for the schemes that exist: cases from SDKs that were run, published
//! examples, and our own policy (their provenance is in each case's `source`). One file a scheme.
//!
//! A case passes, or stands in `EXCEPTIONS` by name with what is expected of it instead, and why.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod aws_sigv4;
mod bunny;
mod cloudflare_images;
mod cloudfront;
mod cloudinary_delivery;
mod cloudinary_upload;
mod edge_tokens;
mod google_cdn;
mod image_urls;

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value as Json;

/// Cases whose expectation is not met, each with the reason. The test that meets one asserts what happens instead.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "cloudflare_images.sign.041",
        "Python signs /acct/./id/public as it stands. The MAC over the raw target is right, but the policy refuses dot \
         segments before it looks at the MAC: AMBIGUOUS_PATH (the vectors' own cloudflare_images.verify.045 demands it)",
    ),
    (
        "akamai_edgeauth.sign.003",
        "A session with a space, not escaped. It verifies; no such token is made, for neither a URL nor a cookie can \
         hold it as it is.",
    ),
    (
        "akamai_edgeauth.sign.004",
        "A URL with a space and a letter that is not ASCII, not percent-encoded. It verifies over such a target; no such \
         URL is signed, for no client sends it.",
    ),
    (
        "cloudinary_auth_token.sign.003",
        "A token for an absolute URL, as the SDKs' token function makes it. It verifies; what is signed here is the path, \
         as the SDKs sign it in the URLs that they build (cloudinary_auth_token.sign.007).",
    ),
    ("cloudinary_webhook.verify.003", SHORT_TIMESTAMP),
    ("cloudinary_webhook.verify.004", SHORT_TIMESTAMP),
    ("cloudinary_webhook.verify.012", SHORT_TIMESTAMP),
];

const SHORT_TIMESTAMP: &str = "The timestamp has fewer than ten digits. The signature is right, but with a free width \
     digits could move between body and timestamp (cloudinary_webhook.ambiguity.001): TIMESTAMP_MALFORMED";

pub(crate) fn cases(scheme: &str) -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/vectors/{scheme}.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs the cases of a scheme, prints and returns how many ran, by op.
pub(crate) fn run(scheme: &str, check: impl Fn(&str, &Json)) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for case in cases(scheme) {
        let op = text(&case["op"]).to_owned();
        println!("{} ({})", text(&case["id"]), text(&case["name"]));
        check(&op, &case);
        *counts.entry(op).or_default() += 1;
    }
    println!("{scheme}: {} cases: {counts:?}", counts.values().sum::<usize>());
    counts
}

pub(crate) fn assert_counts(counts: &BTreeMap<String, usize>, expected: &[(&str, usize)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(op, count)| ((*op).to_owned(), *count)).collect();
    assert_eq!(*counts, expected);
}

/// Whether the case stands in [`EXCEPTIONS`].
pub(crate) fn is_exception(case: &Json) -> bool {
    EXCEPTIONS.iter().any(|(id, _)| *id == text(&case["id"]))
}

pub(crate) fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_else(|| panic!("not a string: {json}"))
}

pub(crate) fn number(json: &Json) -> u64 {
    json.as_u64().unwrap_or_else(|| panic!("not a number: {json}"))
}

/// What a client would send for this URL: everything after the host, without the fragment.
pub(crate) fn target(url: &str) -> &str {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let host = url.find("://").unwrap() + 3;
    &url[host + url[host..].find('/').unwrap()..]
}

/// `SignatureMissing` as `SIGNATURE_MISSING`.
pub(crate) fn upper_snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

/// The vectors' files and how many cases each has. The scenarios of `one_time_upload` run in
/// `tests/upload_tokens/`, against both stores.
const FILES: &[(&str, usize)] = &[
    ("akamai_edgeauth", 4),
    ("aws_sigv4_s3", 65),
    ("aws_sigv4_suite", 25),
    ("bunny_token", 9),
    ("cloudflare_images", 100),
    ("cloudfront", 5),
    ("cloudinary_auth_token", 7),
    ("cloudinary_delivery_url", 23),
    ("cloudinary_response", 4),
    ("cloudinary_upload", 87),
    ("cloudinary_webhook", 8),
    ("fastly_token", 3),
    ("google_cloud_cdn", 4),
    ("google_media_cdn", 4),
    ("imgix", 8),
    ("imgproxy", 6),
    // Run beside the ring, in src/keyring/scenarios.rs.
    ("key_ring", 8),
    ("one_time_upload", 30),
    ("thumbor", 3),
];

#[test]
fn every_exception_is_a_case() {
    let mut all = Vec::new();
    for (file, count) in FILES.iter().copied() {
        let found = cases(file);
        assert_eq!(found.len(), count, "{file}");
        all.extend(found);
    }
    for (id, why) in EXCEPTIONS.iter().copied() {
        println!("{id} is an exception: {why}");
        assert!(all.iter().any(|case| text(&case["id"]) == id), "{id}");
    }
}
