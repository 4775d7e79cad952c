//! grpcurl, which knows of us only what reflection tells it.

use std::{path::PathBuf, process::Command};

use safelight_local::{picture, running::Running, stack::BUCKET};
use safelight_tests::counterpart;
use serde_json::{Value as Json, json};

use crate::harness::{NOW, Pair, URL_NEW, hmac, ok, pipe, url_request};

const SIGNER: &str = "safelight.signer.v1";
const RESIZER: &str = "safelight.resizer.v1.ResizerService";

struct Grpcurl(PathBuf);

impl Grpcurl {
    fn find() -> Option<Self> {
        counterpart::program("grpcurl").map(Self)
    }

    fn command(&self, options: &[&str], server: &Running, what: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.env_clear().arg("-plaintext").args(options).arg(server.address().to_string()).args(what);
        command
    }

    /// `list` or `describe`: text.
    fn tell(&self, server: &Running, what: &[&str]) -> String {
        String::from_utf8(pipe(self.command(&[], server, what), "")).unwrap()
    }

    /// Calls a method with messages; answers those that came.
    fn call(&self, server: &Running, method: &str, messages: &[Json]) -> Vec<Json> {
        let input: String = messages.iter().map(|message| format!("{message}\n")).collect();
        let answer = pipe(self.command(&["-d", "@"], server, &[method]), input);
        serde_json::Deserializer::from_slice(&answer).into_iter().map(|message| message.unwrap()).collect()
    }

    /// Calls a method that must fail: the exit code, and what a person sees.
    fn fail(&self, server: &Running, method: &str, message: &Json) -> (i32, String) {
        let mut command = self.command(&["-d", &message.to_string()], server, &[method]);
        let output = tokio::task::block_in_place(|| command.output()).unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

/// Bytes in JSON, by the program that the lines of `cargo local` use.
fn base64(option: &str, input: impl AsRef<[u8]>) -> Vec<u8> {
    let mut command = Command::new("base64");
    command.arg(option);
    pipe(command, input)
}

/// The picture in an answer's frames, put together as `jq` and `base64 -d` do.
fn picture_of(messages: &[Json]) -> image::DynamicImage {
    let bytes: Vec<u8> = messages
        .iter()
        .filter_map(|message| message["frame"]["chunk"]["data"].as_str())
        .flat_map(|data| base64("-d", data))
        .collect();
    image::load_from_memory(&bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_listed_and_described_with_their_manual() {
    let Some(grpcurl) = Grpcurl::find() else { return };
    let pair = Pair::start().await;
    let (signer, resizer) = (&pair.stack.signer, &pair.stack.resizer);
    let stock = "grpc.health.v1.Health\ngrpc.reflection.v1.ServerReflection\ngrpc.reflection.v1alpha.ServerReflection\n";
    assert_eq!(
        grpcurl.tell(signer, &["list"]),
        format!(
            "envoy.service.auth.v3.Authorization\n{stock}{SIGNER}.KeyService\n{SIGNER}.SignerService\n{SIGNER}.UploadService\n{SIGNER}.UploadTokenService\n\
             {SIGNER}.VerifierService\n"
        )
    );
    assert_eq!(grpcurl.tell(resizer, &["list"]), format!("{stock}{RESIZER}\n"));
    assert_eq!(
        grpcurl.tell(resizer, &["list", RESIZER]),
        [
            "DeleteObject",
            "Deliver",
            "Inspect",
            "ListVariants",
            "PurgeObject",
            "Resize",
            "ResizeObject",
            "Store",
            "UpdateObject",
        ]
        .map(|method| format!("{RESIZER}.{method}\n"))
        .concat()
    );
    for (server, symbol, comment) in [
        (signer, "safelight.signer.v1.SignerService", "// Signs up to 256 URLs with one key."),
        (signer, "safelight.signer.v1.SignUrlRequest", "// When the URL stops being valid."),
        (signer, "safelight.signer.v1.Reason", "// Authentic, but its time is over."),
        (signer, "safelight.signer.v1.VerifierService.VerifyUrl", "// Verifies a signed URL against a key"),
        (resizer, "safelight.resizer.v1.ResizeOpen", "// Length of the source in bytes, if known"),
        (resizer, "safelight.image.v1.TransformOptions", "// "),
        (resizer, "google.rpc.ErrorInfo", "string reason = 1;"),
        (resizer, "grpc.health.v1.Health", "rpc Check"),
    ] {
        let text = grpcurl.tell(server, &["describe", symbol]);
        assert!(text.contains(comment), "{symbol}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unary_call_in_json() {
    let Some(grpcurl) = Grpcurl::find() else { return };
    let pair = Pair::start().await;
    let signer = &pair.stack.signer;
    let question = json!({ "key": "url", "url": "https://h/a?w=1", "ttl": "600s" });
    let expires = NOW + 600;
    let expected = json!({
        "signedUrl": format!("https://h/a?w=1&exp={expires}&sig={}", hmac(URL_NEW, &format!("/a?w=1&exp={expires}"))),
        "expireTime": "2023-11-14T22:23:20Z",
        "keyVersion": 2,
    });
    assert_eq!(grpcurl.call(signer, &format!("{SIGNER}.SignerService/SignUrl"), &[question]), [expected]);

    let question = json!({ "key": "url", "requestTarget": "/a?exp=1&sig=0" });
    let expected = json!({ "verdict": "VERDICT_INVALID", "reason": "REASON_SIGNATURE_MALFORMED" });
    assert_eq!(grpcurl.call(signer, &format!("{SIGNER}.VerifierService/VerifyUrl"), &[question]), [expected]);

    let question = json!({ "key": "upload", "parameters": { "folder": "a", "tags": ["b", "c"] } });
    let signed = grpcurl.call(signer, &format!("{SIGNER}.SignerService/SignUpload"), &[question]);
    let fields = json!([{ "name": "folder", "value": "a" }, { "name": "tags", "value": "b,c" }]);
    assert_eq!(json!(signed[0]["formFields"].as_array().unwrap()[..2]), fields);

    let keys = grpcurl.call(signer, &format!("{SIGNER}.KeyService/ListKeys"), &[]);
    assert_eq!(keys[0]["keys"].as_array().unwrap().len(), 10);
    for server in [signer, &pair.stack.resizer] {
        assert_eq!(
            grpcurl.call(server, "grpc.health.v1.Health/Check", &[]),
            [json!({ "status": "SERVING" })]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_errors_details_can_be_read() {
    let Some(grpcurl) = Grpcurl::find() else { return };
    let pair = Pair::start().await;
    let sign = format!("{SIGNER}.SignerService/SignUrl");
    // grpcurl exits with 64 and the code.
    for (server, method, message, code, shown) in [
        (
            &pair.stack.signer,
            sign.as_str(),
            json!({ "key": "nope" }),
            64 + 5,
            &["NotFound", "KEY_NOT_FOUND"][..],
        ),
        (
            &pair.stack.signer,
            &sign,
            json!({ "key": "url", "url": "/a" }),
            64 + 3,
            &["InvalidArgument", "URL_INVALID", "google.rpc.BadRequest", "\"field\": \"url\""],
        ),
        (
            &pair.stack.signer,
            &sign,
            json!({ "key": "url", "url": "https://h/", "ttl": "9999s" }),
            64 + 3,
            &["InvalidArgument", "EXPIRY_OUT_OF_RANGE", "\"max_ttl_seconds\": \"3600\""],
        ),
        (
            &pair.stack.resizer,
            "safelight.resizer.v1.ResizerService/ResizeObject",
            json!({ "source": { "origin": "nope", "key": "a" }, "outputs": [{}] }),
            64 + 5,
            &["NotFound", "ORIGIN_UNKNOWN"],
        ),
    ] {
        let (exit, text) = grpcurl.fail(server, method, &message);
        assert_eq!(exit, code, "{text}");
        for shown in [&["google.rpc.ErrorInfo", "\"domain\": \"safelight.dev\""], shown].concat() {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        assert!(!text.contains("@error") && !text.contains("@value"), "not raw bytes: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_streamed_through() {
    let Some(grpcurl) = Grpcurl::find() else { return };
    let pair = Pair::start().await;
    let file = picture::demo_jpeg().unwrap();
    let open = json!({ "open": { "declaredLength": file.len(), "outputs": [
        { "id": "small", "options": { "width": 120, "height": 80, "fit": "FIT_COVER", "format": "FORMAT_PNG" } },
    ] } });
    let chunk = |bytes: &[u8]| {
        let text = String::from_utf8(base64("--wrap=0", bytes)).unwrap();
        json!({ "chunk": text })
    };
    let mut messages = vec![open];
    messages.extend(file.chunks(64 * 1024).map(chunk));
    assert!(messages.len() > 2, "more than one chunk");
    let unfinished = messages.clone();
    messages.push(json!({ "finish": { "length": file.len() } }));

    let answer = grpcurl.call(&pair.stack.resizer, &format!("{RESIZER}/Resize"), &messages);
    let header = &answer[0]["frame"]["header"];
    assert_eq!(
        (&header["id"], &header["width"], &header["height"]),
        (&json!("small"), &json!(120), &json!(80))
    );
    let picture = picture_of(&answer);
    assert_eq!((picture.width(), picture.height()), (120, 80));
    assert_eq!(answer.last().unwrap()["frame"]["summary"]["outputs"], json!(1));

    // The same without `finish`: an answer as well, of an upload that was cut off.
    let input: String = unfinished.iter().map(|message| format!("{message}\n")).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input).unwrap();
    let mut command = grpcurl.command(&["-d", "@"], &pair.stack.resizer, &[&format!("{RESIZER}/Resize")]);
    command.stdin(file.reopen().unwrap());
    let output = tokio::task::block_in_place(|| command.output()).unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64 + 1), "{text}");
    assert!(text.contains("\"reason\": \"UPLOAD_INCOMPLETE\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_picture_is_delivered() {
    let Some(grpcurl) = Grpcurl::find() else { return };
    let pair = Pair::in_real_time().await;
    pair.stack.s3.put(BUCKET, "a b.jpg", picture::demo_jpeg().unwrap()).await.unwrap();
    let url = "https://img.example.com/local/a%20b.jpg/width=90,height=60,fit=cover";
    let signed = ok(pair.signer().sign_url(url_request("web", url, Some(600))).await).signed_url;
    let question = json!({ "url": signed, "accept": "image/png,image/jpeg" });
    let answer = grpcurl.call(&pair.stack.resizer, &format!("{RESIZER}/Deliver"), &[question]);
    assert_eq!(answer[0]["delivery"]["outcome"], json!("DELIVERY_OUTCOME_OK"));
    let picture = picture_of(&answer);
    assert_eq!((picture.width(), picture.height()), (90, 60));

    let (exit, text) =
        grpcurl.fail(&pair.stack.resizer, &format!("{RESIZER}/Deliver"), &json!({ "url": url }));
    assert_eq!(exit, 64 + 7, "{text}");
    assert!(text.contains("\"reason\": \"URL_REFUSED\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_changed_in_json() {
    let Some(grpcurl) = Grpcurl::find() else { return };
    let pair = Pair::in_real_time().await;
    pair.stack.s3.put(BUCKET, "a b.jpg", picture::demo_jpeg().unwrap()).await.unwrap();
    let resizer = &pair.stack.resizer;
    let update = format!("{RESIZER}/UpdateObject");
    let mut question =
        json!({ "origin": "photos", "key": "a b.jpg", "metadata": { "album": "sea", "n": [1, null] } });
    let told = grpcurl.call(resizer, &update, &[question.clone()]);
    assert_eq!(told[0]["metadata"], question["metadata"]);
    assert_eq!(told[0].get("requireSignedUrls"), None);
    question = json!({ "origin": "photos", "key": "a b.jpg", "requireSignedUrls": true, "ifMatch": told[0]["etag"] });
    let told = grpcurl.call(resizer, &update, &[question]);
    assert_eq!((&told[0]["requireSignedUrls"], &told[0]["metadata"]["album"]), (&json!(true), &json!("sea")));
    let named = json!({ "origin": "photos", "key": "a b.jpg" });
    assert_eq!(
        grpcurl.call(resizer, &format!("{RESIZER}/DeleteObject"), std::slice::from_ref(&named)),
        [json!({})]
    );
    let mut changed = named;
    changed["requireSignedUrls"] = json!(false);
    let (exit, text) = grpcurl.fail(resizer, &update, &changed);
    assert_eq!(exit, 64 + 5, "{text}");
    assert!(text.contains("\"reason\": \"ORIGIN_NOT_FOUND\""), "{text}");
}
