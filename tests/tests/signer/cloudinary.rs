//! Cloudinary's SDKs: what they sign verifies here, and what is signed here is what they sign.

use std::process::Command;

use safelight_proto::signer::v1::{FormField, Reason, SignUploadRequest, VerifyUploadRequest};
use safelight_tests::counterpart;
use serde_json::{Map, Value as Json, json};

use crate::harness::{NOW, Pair, UPLOAD, ask, ok, parameters, script};

/// Parameter sets that all official SDKs sign alike.
///
/// Known disagreements stay out (reference/signing.md, section 1b): Python drops `0` and `false`, keeps `[""]`, cannot
/// join lists of numbers, and sorts whole pairs (`tags2` before `tags`); Node sorts names by locale, which differs for
/// capitals, and for `_` against digits.
fn agreed() -> Vec<Json> {
    vec![
        json!({}),
        json!({"folder": "holiday", "public_id": "beach"}),
        json!({"tags": ["sea", "sun"], "allowed_formats": ["jpg", "png"]}),
        json!({"tags": ["one"]}),
        json!({"tags": ["a,b", "c"]}),
        json!({"overwrite": true, "use_filename": true}),
        json!({"max_files": 7, "width": 9_007_199_254_740_991_u64, "offset": -3}),
        json!({"folder": "a&b", "public_id": "c&d=e&signature=f"}),
        json!({"folder": "a%26b"}),
        json!({"tags": ["a&b", "c%26d"]}),
        json!({"context": "alt=a b|caption=c\\|d"}),
        json!({"public_id": "été/写真/🌹", "folder": "\u{202e}\u{0}\n\t"}),
        json!({"eager": "w_400,h_300,c_pad|w_260,h_200,c_crop", "eager_async": true}),
        json!({"notification_url": "https://user:pw@example.com/?a=1&b=%20+c#d"}),
        json!({"empty": "", "nothing": null, "none": [], "folder": "x"}),
        json!({"folder": " ", "public_id": "  two  "}),
        json!({"folder": "x".repeat(4000)}),
        json!({"transformation": "if_w_gt_100/c_scale,w_100/if_end", "type": "authenticated"}),
        json!({"quotes": "'\"`", "slashes": "\\/", "equals": "===", "question": "?", "hash": "#"}),
    ]
}

/// Where Node agrees with Ruby, Python does not, and we go with the two.
fn without_python() -> Vec<Json> {
    vec![
        json!({"overwrite": false, "invalidate": true}),
        json!({"max_files": 0}),
        json!({"numbers": [1, 2, 30], "booleans": [true, false]}),
        json!({"tags": ["x"], "tags2": "y"}),
        json!({"tags": [""], "folder": "x"}),
    ]
}

/// Gives each a timestamp, and asks for both algorithms.
fn cases(sets: Vec<Json>) -> Vec<(&'static str, Map<String, Json>)> {
    let mut cases = Vec::new();
    for set in sets {
        for algorithm in ["sha256", "sha1"] {
            let Json::Object(mut set) = set.clone() else { panic!("not an object") };
            set.insert("timestamp".to_owned(), json!(NOW));
            cases.push((algorithm, set));
        }
    }
    cases
}

/// The parameters as a form posts them: lists as `name[]`, what is empty left out.
fn form(parameters: &Map<String, Json>) -> Vec<FormField> {
    let field = |name: String, value: &Json| FormField {
        name,
        value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    };
    let mut fields = Vec::new();
    for (name, value) in parameters {
        match value {
            Json::Null => {}
            Json::Array(items) => fields.extend(items.iter().map(|item| field(format!("{name}[]"), item))),
            one => fields.push(field(name.clone(), one)),
        }
    }
    fields
}

fn key(algorithm: &str) -> String {
    if algorithm == "sha1" { "upload-sha1" } else { "upload" }.to_owned()
}

async fn verify(pair: &Pair, key: String, fields: Vec<FormField>) -> Reason {
    ok(pair.verifier().verify_upload(VerifyUploadRequest { key, fields }).await).reason()
}

async fn agrees(sdk: Command, sets: Vec<Json>) {
    let pair = Pair::start().await;
    let cases = cases(sets);
    let question = json!({
        "secret": UPLOAD,
        "api_key": "1234",
        "cases": cases.iter().map(|(algorithm, set)| json!({"algorithm": algorithm, "parameters": set})).collect::<Vec<_>>(),
        // Written by the SDK itself: lists, an array of maps, booleans and what else its uploader makes of options.
        "upload": {
            "folder": "été & hiver",
            "tags": ["sea", "sun&sand"],
            "context": {"alt": "a|b=c", "caption": "ü"},
            "overwrite": true,
            "eager": [{"width": 400, "height": 300, "crop": "pad"}, {"width": 26, "crop": "scale"}],
            "allowed_formats": ["jpg", "png"],
            "signature_algorithm": "sha256",
            "resource_type": "image",
        },
    });
    let answer = ask(sdk, &question);

    let signatures = answer["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), cases.len());
    for ((algorithm, set), theirs) in cases.iter().zip(signatures) {
        let theirs = theirs.as_str().unwrap();
        let request = SignUploadRequest {
            key: key(algorithm),
            parameters: Some(parameters(&Json::Object(set.clone()))),
        };
        let ours = ok(pair.signer().sign_upload(request).await);
        assert_eq!(ours.signature, theirs, "{algorithm} {set:?}");
        assert_eq!(verify(&pair, key(algorithm), ours.form_fields).await, Reason::Ok, "{set:?}");

        let mut fields = form(set);
        fields.push(FormField { name: "signature".to_owned(), value: theirs.to_owned() });
        assert_eq!(verify(&pair, key(algorithm), fields.clone()).await, Reason::Ok, "{algorithm} {set:?}");
        fields.push(FormField { name: "added".to_owned(), value: "1".to_owned() });
        assert_eq!(verify(&pair, key(algorithm), fields).await, Reason::SignatureMismatch);
    }

    let posted: Vec<FormField> = serde_json::from_value::<Vec<(String, String)>>(answer["form"].clone())
        .unwrap()
        .into_iter()
        .map(|(name, value)| FormField { name, value })
        .collect();
    let has = |name: &str| posted.iter().filter(|field| field.name == name).count();
    let names: Vec<_> = posted.iter().map(|field| field.name.as_str()).collect();
    assert_eq!((has("signature"), has("file"), has("api_key"), has("folder")), (1, 1, 1, 1), "{names:?}");
    // Signed a moment ago, by the system's clock.
    let signed = posted.iter().find(|field| field.name == "timestamp").unwrap();
    pair.clock.set(signed.value.parse().unwrap());
    assert_eq!(verify(&pair, key("sha256"), posted.clone()).await, Reason::Ok, "{names:?}");
    let moved: Vec<_> = posted
        .into_iter()
        .map(|field| match field.name.as_str() {
            "folder" => FormField { value: "elsewhere".to_owned(), ..field },
            _ => field,
        })
        .collect();
    assert_eq!(verify(&pair, key("sha256"), moved).await, Reason::SignatureMismatch);
    println!("{} signatures and an upload agree", cases.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk() {
    let Some(python) = counterpart::python() else { return };
    agrees(script(python, "cloudinary_upload.py"), agreed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_sdk() {
    let (Some(node), Some(modules)) = (counterpart::program("node"), counterpart::node_modules()) else {
        return;
    };
    let mut sdk = script(node, "cloudinary_upload.js");
    sdk.env("NODE_PATH", modules);
    agrees(sdk, [agreed(), without_python()].concat()).await;
}
