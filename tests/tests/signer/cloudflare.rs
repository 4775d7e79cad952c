//! The algorithm that Cloudflare documents, on WHATWG `URL` and WebCrypto, and the variant in Python that goes round.

use std::{fs, path::Path};

use safelight_proto::signer::v1::{
    BatchSignUrlsItem, BatchSignUrlsRequest, Reason, SignUrlRequest, VerifyUrlRequest, VerifyUrlResponse,
    batch_sign_urls_item, batch_sign_urls_result, sign_url_request::Expiry,
};
use safelight_tests::counterpart;
use serde_json::{Value as Json, json};

use crate::harness::{NOW, Pair, URL_NEW, ask, ok, script, target, timestamp};

const EXPIRES: u64 = NOW + 1800;

const ODD_URLS: [&str; 40] = [
    "https://imagedelivery.net/acct/id/public",
    "https://imagedelivery.net",
    "https://imagedelivery.net/acct/id/public?",
    "https://imagedelivery.net/acct/id/public?&&&",
    "https://imagedelivery.net/acct/id/public?a=1&&b=2&",
    "https://imagedelivery.net/acct/id/public?a&b=&=c&=",
    "https://imagedelivery.net/acct/id/public?a=b=c==",
    "https://imagedelivery.net/acct/id/public?a=1&b=2&a=3",
    "https://imagedelivery.net/acct/id/public?exp=1&w=2",
    "https://imagedelivery.net/acct/id/public?a=1&exp=99&b=2&exp=100&%65xp=101",
    "https://imagedelivery.net/acct/id/public?EXP=1&Sig=2&SIG=3",
    "https://imagedelivery.net/acct/id/public?a=b c&d=e%20f&g=h+i&j=k%2Bl",
    "https://imagedelivery.net/acct/id/public?q=a~b*c-d.e_f!g'h(i)",
    "https://imagedelivery.net/acct/id/public?q=%7e%7E%2a%2A%41%c3%A9",
    "https://imagedelivery.net/acct/id/public?name=café&naïve=ü&🌹=写真",
    "https://imagedelivery.net/acct/id/public?bad=%zz%&worse=%e2%82&worst=%ff%fe",
    "https://imagedelivery.net/acct/id/public?null=%00&line=%0a%0D&tab=%09",
    "https://imagedelivery.net/acct/id/public?semi=a;b;c",
    "https://imagedelivery.net/acct/id/public?u=https://a.example/x?y#z",
    "https://imagedelivery.net/acct/id/public?a=<>\"`{}|\\^[]@:,$/?",
    "https://imagedelivery.net/acct/id/public#fragment?a=1&sig=2",
    "https://imagedelivery.net/acct/id/public?a=1#fragment",
    "https://imagedelivery.net/acct/my image/public",
    "https://imagedelivery.net/acct/my%20image/public",
    "https://imagedelivery.net/acct/été/写真/🌹",
    "https://imagedelivery.net/acct/%c3%a9/%C3%A9/%zz/%",
    "https://imagedelivery.net/acct/a//b///c/",
    "https://imagedelivery.net/acct/a%2Fb%2fc",
    "https://imagedelivery.net/acct/./id/../other/%2e/%2E%2e/public",
    "https://imagedelivery.net/../../..",
    "https://imagedelivery.net/acct\\id\\public",
    "https://imagedelivery.net/acct/a\tb\nc/public?d\te=\rf",
    "https://imagedelivery.net/acct/<>\"`{}|^[]@:,$;=+!*'()~",
    "https://imagedelivery.net/acct/...;params/id;v=1",
    "https://imagedelivery.net/acct/.../.a/a./..a",
    "https://IMAGEDELIVERY.NET:443/acct/id/public",
    "http://imagedelivery.net:80/acct/id/public",
    "https://imagedelivery.net:8443/acct/id/public?a=1",
    "https://bücher.example/acct/id/public",
    "https://[2001:DB8::1]/acct/id/w=400,fit=cover?download=1",
];

/// URLs of arbitrary characters, the same in every run.
fn arbitrary_urls(count: usize) -> Vec<String> {
    const PARTS: [&str; 40] = [
        "a", "B", "7", "/", "/", "/", "?", "?", "&", "&", "&", "=", "=", "=", "%", "%2", "%41", "%2F", "%26",
        "%3d", "%C3%A9", "%ff", "+", "~", "*", "'", ";", ":", "@", ",", ".", "..", "\\", "\"", "<", "é",
        "🌹", "exp", "w=4", "|",
    ];
    let mut state: u64 = 42;
    let mut random = |below: usize| {
        // Knuth's MMIX generator; its upper half is good enough for a choice.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    (0..count)
        .map(|_| {
            let length = random(30);
            let tail: String = (0..length).map(|_| PARTS[random(PARTS.len())]).collect();
            format!("https://imagedelivery.net/{tail}")
        })
        .collect()
}

fn question(urls: &[impl AsRef<str>]) -> Json {
    let urls: Vec<_> = urls.iter().map(AsRef::as_ref).collect();
    json!({ "secret": URL_NEW, "expires": EXPIRES, "urls": urls })
}

async fn verify(pair: &Pair, url: &str) -> VerifyUrlResponse {
    let request = VerifyUrlRequest {
        key: "url".to_owned(),
        request_target: target(url).to_owned(),
        ..VerifyUrlRequest::default()
    };
    ok(pair.verifier().verify_url(request).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_algorithm_makes_our_urls() {
    let Some(node) = counterpart::program("node") else { return };
    let pair = Pair::start().await;
    let urls: Vec<String> =
        ODD_URLS.iter().map(|url| (*url).to_owned()).chain(arbitrary_urls(2000)).collect();
    let theirs = ask(script(node, "cloudflare_images.mjs"), &question(&urls));
    let theirs = theirs.as_array().unwrap();
    assert_eq!(theirs.len(), urls.len());

    for (urls, theirs) in urls.chunks(256).zip(theirs.chunks(256)) {
        let items = urls
            .iter()
            .map(|url| BatchSignUrlsItem {
                url: url.clone(),
                expiry: Some(batch_sign_urls_item::Expiry::ExpireTime(timestamp(EXPIRES))),
            })
            .collect();
        let request =
            BatchSignUrlsRequest { key: "url".to_owned(), items, ..BatchSignUrlsRequest::default() };
        let ours = ok(pair.signer().batch_sign_urls(request).await).results;
        for ((url, theirs), ours) in urls.iter().zip(theirs).zip(ours) {
            let theirs = theirs.as_str().unwrap();
            match ours.result.unwrap() {
                batch_sign_urls_result::Result::Signed(ours) => assert_eq!(ours.signed_url, theirs, "{url}"),
                batch_sign_urls_result::Result::Error(error) => panic!("{url}: {error:?}"),
            }
            let verified = verify(&pair, theirs).await;
            assert_eq!(verified.reason(), Reason::Ok, "{theirs}");
            assert_eq!(verified.expire_time, Some(timestamp(EXPIRES)), "{theirs}");
            let (message, _) = target(theirs).rsplit_once("&sig=").unwrap();
            assert_eq!(verified.authenticated_target, message);
        }
    }
    // The single call gives the same.
    let expiry = Some(Expiry::ExpireTime(timestamp(EXPIRES)));
    let request =
        SignUrlRequest { key: "url".to_owned(), url: urls[0].clone(), expiry, ..SignUrlRequest::default() };
    assert_eq!(ok(pair.signer().sign_url(request).await).signed_url, theirs[0].as_str().unwrap());
    println!("{} URLs agree", urls.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_documented_algorithm_gets_wrong_is_refused() {
    let Some(node) = counterpart::program("node") else { return };
    let pair = Pair::start().await;
    // It signs over a signature that is there and then replaces it: the result never verifies.
    let url = "https://imagedelivery.net/acct/id/public?sig=old";
    let theirs = ask(script(node, "cloudflare_images.mjs"), &question(&[url]));
    assert_eq!(verify(&pair, theirs[0].as_str().unwrap()).await.reason(), Reason::SignatureMismatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_variant_verifies() {
    let Some(python) = counterpart::python() else { return };
    let pair = Pair::start().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/cloudflare_images.json");
    let vectors: Vec<Json> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let vectors: Vec<_> =
        vectors.iter().filter(|case| case["inputs"]["dialect"] == "python_urlencode").collect();
    assert_eq!(vectors.len(), 8);

    // The script is that variant: what the vectors say, it says.
    for case in &vectors {
        let question = json!({
            "secret": case["key"]["secret_utf8"],
            "expires": case["inputs"]["exp"],
            "urls": [case["inputs"]["url"]],
        });
        let signed = ask(script(&python, "cloudflare_images.py"), &question);
        assert_eq!(signed[0], case["expected"]["signed_url"], "{}", case["id"]);
    }

    let more = [
        "https://imagedelivery.net/acct/id/public?q=a~b*c&d=&e&a=2&q=3",
        "https://imagedelivery.net/acct/été/🌹?naïve=café+au%20lait",
        "https://imagedelivery.net/acct/a//b/%2F%7E~?u=https://a.example/x%3Fy%26z",
    ];
    let urls: Vec<&str> =
        vectors.iter().map(|case| case["inputs"]["url"].as_str().unwrap()).chain(more).collect();
    let signed = ask(script(&python, "cloudflare_images.py"), &question(&urls));
    for (url, signed) in urls.iter().zip(signed.as_array().unwrap()) {
        let verified = verify(&pair, signed.as_str().unwrap()).await;
        // It does not resolve dot segments, and no target that has one is accepted.
        let expected = if url.contains("/./") { Reason::AmbiguousPath } else { Reason::Ok };
        assert_eq!(verified.reason(), expected, "{signed}");
    }
    // Where it leaves something out of the message that it leaves in the URL, nobody could verify it.
    let broken =
        ["https://imagedelivery.net/acct/id/public;params", "https://imagedelivery.net/acct/id/public#top"];
    let signed = ask(script(&python, "cloudflare_images.py"), &question(&broken));
    let signed: Vec<&str> = signed.as_array().unwrap().iter().map(|url| url.as_str().unwrap()).collect();
    assert_eq!(verify(&pair, signed[0]).await.reason(), Reason::SignatureMismatch);
    assert_eq!(verify(&pair, signed[1]).await.reason(), Reason::SignatureMissing);
}
