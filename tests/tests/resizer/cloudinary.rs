//! Cloudinary's upload API: by their own SDKs, and as a browser sends it.

use std::{fs, path::Path, process::Command};

use image::ImageFormat;
use prost_types::{Struct, Value, value::Kind};
use safelight_local::{Settings, stack::BUCKET};
use safelight_proto::signer::v1::{FormField, SignUploadRequest};
use safelight_tests::counterpart;
use serde_json::Value as Json;
use tokio::task::block_in_place;

use crate::{
    harness::{Local, start},
    http_door::wire,
    pictures::noise_file,
    store::{form, post},
};

const TARGET: &str = "/v1_1/demo/image/upload";

/// Runs a counterpart's script with the address of the stack, its secret and a picture.
fn upload(local: &Local, folder: &Path, mut command: Command) -> Json {
    let file = folder.join("pier 1.jpg");
    fs::write(&file, noise_file(320, 200, ImageFormat::Jpeg)).unwrap();
    let secret = fs::read_to_string(local.stack.dir().join("secrets/uploads-1")).unwrap();
    command.arg(format!("http://{}", wire::address(local))).arg(secret.trim()).arg(&file);
    let output = block_in_place(|| command.output()).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

async fn check(local: &Local, told: &Json, named: &str) {
    let answer = &told["named"]["answer"];
    assert_eq!(answer["public_id"], named, "{told}");
    assert_eq!(
        (&answer["width"], &answer["height"], &answer["format"]),
        (&320.into(), &200.into(), &"jpg".into())
    );
    assert_eq!((&answer["type"], &answer["resource_type"]), (&"private".into(), &"image".into()));
    assert_eq!((&answer["tags"][1], &answer["context"]["custom"]["alt"]), (&"b".into(), &"x".into()));
    assert_eq!(told["verified"], true, "their SDK verifies our answer's signature: {told}");
    assert!(local.stack.s3.get(BUCKET, named).await.unwrap().is_some());
    let unnamed = told["unnamed"]["answer"]["public_id"].as_str().unwrap();
    assert_eq!(unnamed.len(), 20);
    assert_eq!(told["again"]["answer"]["public_id"], "pier_1", "{told}");
    assert!(told["uri"]["answer"]["public_id"].is_string(), "{told}");
    for (case, words) in [
        ("remote", "file: "),
        ("unserved", "moderation: is not served here"),
        ("forged", "not signed, not authentic"),
    ] {
        let message = told[case]["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(words), "{case}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn their_sdk_for_node_uploads() {
    let (Some(node), Some(modules)) = (counterpart::program("node"), counterpart::node_modules()) else {
        return;
    };
    let local = start(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(node);
    command
        .env("NODE_PATH", modules)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/counterparts/cloudinary_api.js"));
    let told = upload(&local, folder.path(), command);
    check(&local, &told, "holiday/beach").await;
    assert_eq!(told["streamed"]["answer"]["public_id"], "streamed", "{told}");
    assert_eq!(told["forged"]["error"]["code"], 401);
    assert_eq!(told["unserved"]["error"]["code"], 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn their_sdk_for_python_uploads() {
    let Some(python) = counterpart::python() else { return };
    let local = start(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/counterparts/cloudinary_api.py"));
    let told = upload(&local, folder.path(), command);
    check(&local, &told, "holiday/pier").await;
    assert_eq!(told["forged"]["error"]["type"], "AuthorizationRequired", "{told}");
}

/// Signs parameters as a backend does for its pages.
pub(crate) async fn sign(local: &Local, parameters: &[(&str, &str)]) -> Vec<FormField> {
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.into())) };
    let fields = parameters.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
    let request = SignUploadRequest { key: "uploads".into(), parameters: Some(Struct { fields }) };
    let signed = local.stack.signer_client().await.unwrap().sign_upload(request).await.unwrap();
    signed.into_inner().form_fields
}

/// As the documentation's snippet has it: the file first.
#[tokio::test]
async fn the_file_may_come_first_and_nothing_signed_may_change() {
    let local = start(Settings::default()).await;
    let bytes = noise_file(32, 24, ImageFormat::Png);
    let fields = sign(&local, &[("public_id", "first")]).await;
    let send = async |fields: &[(String, String)], target: &str| {
        let mut parts = vec![("file", Some("a.png"), &bytes[..])];
        parts.extend(fields.iter().map(|(name, value)| (name.as_str(), None, value.as_bytes())));
        let (kind, body) = form(&parts);
        let answer = post(&local, "POST", target, &[&kind], &body).await;
        let told: Json = serde_json::from_slice(&answer.body).unwrap();
        (answer.status, told["error"]["reason"].as_str().unwrap_or_default().to_owned(), told)
    };
    let good: Vec<_> = fields.iter().map(|field| (field.name.clone(), field.value.clone())).collect();
    let changed = |name: &str, value: &str| {
        let mut fields = good.clone();
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => fields.push((name.to_owned(), value.to_owned())),
        }
        fields
    };
    for (fields, status, reason) in [
        (changed("public_id", "other"), 401, "UPLOAD_REFUSED"),
        (changed("signature", &"0".repeat(64)), 401, "UPLOAD_REFUSED"),
        (changed("timestamp", "1"), 401, "UPLOAD_REFUSED"),
        (changed("tags", "more"), 401, "UPLOAD_REFUSED"),
        (changed("notification_url", "https://example.com"), 400, "PARAMETER_UNSUPPORTED"),
        (Vec::new(), 401, "UPLOAD_REFUSED"),
    ] {
        let (got, told, _) = send(&fields, TARGET).await;
        assert_eq!((got, told.as_str()), (status, reason), "{fields:?}");
    }
    assert_eq!(send(&good, "/v1_1/demo/video/upload").await.0, 400);
    let (status, _, told) = send(&good, TARGET).await;
    assert_eq!((status, &told["public_id"]), (200, &"first".into()), "{told}");
    // The same form again stores nothing new, and says so in the same words.
    let (status, _, again) = send(&good, TARGET).await;
    assert_eq!((status, &again["public_id"]), (200, &"first".into()), "{again}");
    assert_eq!(local.stack.s3.objects(BUCKET).await.unwrap(), 1);
}
