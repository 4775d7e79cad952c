//! Lines to copy and paste.

use safelight_local::Stack;
use serde_json::json;

use crate::{
    AUDIT_FILE, AUDIT_KEY,
    application::ENV_FILE,
    demo::Shown,
    gallery::{ACCOUNT, Gallery},
    say::Say,
};

/// Says where everything is.
pub(crate) fn addresses(stack: &Stack, gallery: &Gallery, say: Say) {
    let http = stack.resizer.http().map(|address| address.to_string()).unwrap_or_default();
    say.line("Safelight, in one process, with keys made up just now:");
    say.line(format_args!("  origin   {} (S3, refuses what is not signed right)", stack.s3.endpoint()));
    say.line(format_args!("  signer   {} (gRPC)", stack.signer.address()));
    say.line(format_args!(
        "  resizer  {} (gRPC), http://{http} (delivers URLs, takes uploads)",
        stack.resizer.address()
    ));
    say.line(format_args!("  admin    http://{} (the resizer's probes and metrics)", stack.admin.addr()));
    say.line(format_args!("  gallery  {} (a page that uploads pictures and shows them)", gallery.url()));
    say.line(format_args!("  files    {}", stack.dir().display()));
}

/// Prints a session with grpcurl and curl against the running stack.
pub(crate) fn session(stack: &Stack, gallery: &Gallery, shown: &Shown, say: Say) {
    let (signer, resizer, admin) = (stack.signer.address(), stack.resizer.address(), stack.admin.addr());
    let http = stack.resizer.http().map(|address| address.to_string()).unwrap_or_default();
    let gallery = gallery.url();
    let form = quoted(&form(&shown.picture.to_string_lossy()));
    let picture = quoted(&shown.picture.to_string_lossy());
    let output = |name: &str| quoted(&shown.outputs.join(name).to_string_lossy());
    let env_file = quoted(&stack.dir().join(ENV_FILE).to_string_lossy());
    let audit_file = quoted(&stack.dir().join(AUDIT_FILE).to_string_lossy());
    let audit_key = quoted(&stack.dir().join("secrets").join(AUDIT_KEY).to_string_lossy());
    let (by_hand, streamed, by_curl) =
        (output("by-hand.webp"), output("streamed.jpg"), output("by-curl.webp"));
    let (url, public_url) = (quoted(&shown.signed_url), quoted(&shown.public_url));
    let deliver = quoted(&json!({ "url": shown.signed_url, "accept": "image/webp" }).to_string());
    // The path that is signed, without its signature: another variant of the same picture.
    let base = shown.public_url.rsplit_once('/').map_or("", |(base, _)| base);
    let sign = |variant: &str| {
        quoted(&json!({ "key": "web", "url": format!("{base}/{variant}"), "ttl": "600s" }).to_string())
    };
    let (sign_card, sign_a, sign_b) = (sign("card"), sign("width=640"), sign("width=64,height=64,fit=cover"));
    let target = shown.signed_url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    let target = target.map(|(_, target)| format!("/{target}")).unwrap_or_default();
    let verify = quoted(&json!({ "key": "web", "requestTarget": target }).to_string());
    let two_sizes = quoted(
        &json!({
            "source": { "origin": "photos", "key": shown.key },
            "outputs": [
                { "id": "a", "options": { "width": 640 } },
                { "id": "b", "options": { "width": 64, "height": 64, "fit": "FIT_COVER" } },
            ],
        })
        .to_string(),
    );
    say.line(format_args!(
        r#"
Try it (github.com/fullstorydev/grpcurl; jq and base64 to get at the bytes; beside it curl, for what HTTP has as well):

# What there is, with its manual
grpcurl -plaintext {signer} list
grpcurl -plaintext {resizer} describe safelight.resizer.v1.ResizerService
grpcurl -plaintext {resizer} describe safelight.image.v1.TransformOptions
grpcurl -plaintext {signer} safelight.signer.v1.KeyService/ListKeys

# Whether it is ready; what it has counted
grpcurl -plaintext {resizer} grpc.health.v1.Health/Check
curl -i http://{admin}/readyz
curl -s http://{admin}/metrics | grep -v '^#'

# Sign a URL, and verify it; over HTTP a URL that verifies is answered, and another is 403
URL=$(grpcurl -plaintext -d {sign_card} \
  {signer} safelight.signer.v1.SignerService/SignUrl | jq -r .signedUrl)
curl -i -o /dev/null -w '%{{http_code}}\n' "$URL"
grpcurl -plaintext -d {verify} \
  {signer} safelight.signer.v1.VerifierService/VerifyUrl
curl -i "$URL"0

# Deliver the private picture by its signed URL
grpcurl -plaintext -d {deliver} \
  {resizer} safelight.resizer.v1.ResizerService/Deliver \
  | jq -rj '.frame.chunk.data // empty' | base64 -d > {by_hand}
curl -sS --fail-with-body -D - -H 'Accept: image/webp' -o {by_curl} {url}

# Its head; again, with its ETag: 304; a public variant, without a signature
curl -I {url}
curl -i -H "If-None-Match: $(curl -sI {url} | tr -d '\r' | sed -n 's/^etag: //p')" {url}
curl -sS --fail-with-body -D - -o /dev/null {public_url}

# Two sizes of an object: from one fetch and one decode, or by a URL for each
grpcurl -plaintext -d {two_sizes} \
  {resizer} safelight.resizer.v1.ResizerService/ResizeObject | grep -v '"data"'
for SIGN in {sign_a} {sign_b}; do
  curl -sS -o /dev/null -w '%{{http_code}} %{{content_type}}, %{{size_download}} bytes\n' \
    "$(grpcurl -plaintext -d "$SIGN" {signer} safelight.signer.v1.SignerService/SignUrl | jq -r .signedUrl)"
done

# gRPC alone: stream a file through (open, chunks, finish)
{{ echo '{{"open":{{"outputs":[{{"options":{{"width":480,"format":"FORMAT_JPEG"}}}}]}}}}'
  base64 -w 65536 {picture} | sed 's/.*/{{"chunk":"&"}}/'
  echo '{{"finish":{{"length":'$(wc -c < {picture})'}}}}'
}} | grpcurl -plaintext -d @ {resizer} safelight.resizer.v1.ResizerService/Resize \
  | jq -rj '.frame.chunk.data // empty' | base64 -d > {streamed}

# Sign an upload
grpcurl -plaintext -d '{{"key":"uploads","parameters":{{"folder":"holiday","tags":["sea","sun"]}}}}' \
  {signer} safelight.signer.v1.SignerService/SignUpload

# An upload over HTTP: a URL with a one-time token takes a form with a picture, once; the second time it is 409
TOKEN=$(grpcurl -plaintext -d '{{"account":"{ACCOUNT}","requireSignedUrls":true}}' \
  {signer} safelight.signer.v1.UploadTokenService/CreateUploadToken | jq -r .token)
ID=$(curl -sS --fail-with-body -F {form} http://{http}/upload/{ACCOUNT}/$TOKEN | jq -r .result.id)
curl -sS -w '%{{http_code}}\n' -F {form} http://{http}/upload/{ACCOUNT}/$TOKEN

# The stored picture by a signed URL; without a signature it is 403, and where the variant is public 404: it is private
curl -sS -o /dev/null -w '%{{http_code}} %{{content_type}}, %{{size_download}} bytes\n' \
  "$(grpcurl -plaintext -d '{{"key":"web","url":"http://{http}/local/'$ID'/card","ttl":"600s"}}' \
  {signer} safelight.signer.v1.SignerService/SignUrl | jq -r .signedUrl)"
curl -sS -w '%{{http_code}}\n' http://{http}/local/$ID/card
curl -sS -w '%{{http_code}}\n' http://{http}/local/$ID/thumbnail

# The same in a browser: drop a picture, see its variants by signed URLs and what a stranger sees
curl -sS -o /dev/null -w 'gallery: %{{http_code}}\n' {gallery}

# The same from a backend in Python, Node or Go: examples/README.md. What it must know, as environment variables
. {env_file}; env | grep '^SAFELIGHT_'

# A one-time upload token for a store of your own; it is redeemed once, and again only under the same request id
TOKEN=$(grpcurl -plaintext -d '{{"account":"acme","ttl":"600s"}}' \
  {signer} safelight.signer.v1.UploadTokenService/CreateUploadToken | jq -r .token)
grpcurl -plaintext -d '{{"account":"acme","token":"'$TOKEN'","requestId":"try-1"}}' \
  {signer} safelight.signer.v1.UploadTokenService/RedeemUploadToken

# What the signer has recorded of all this, and whether anyone has edited it
cargo run -p safelight-signer -- audit verify {audit_file} --key-file {audit_key}"#
    ));
}

/// What curl's `-F` takes for a file: a name may hold what has a meaning there.
fn form(path: &str) -> String {
    format!("file=@\"{}\"", path.replace('\\', r"\\").replace('"', r#"\""#))
}

/// The text as one word of a shell: a file's name may hold anything.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_quoted_text_is_one_word() {
        for text in ["", "plain.jpg", "it's a \"pic\" $HOME `id` \\ 100%.png", "'", "a\nb"] {
            let output = Command::new("sh").args(["-c", &format!("printf %s {}", quoted(text))]).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), text);
        }
    }
}
