//! Lines to copy and paste.

use safelight_local::Stack;

use crate::{AUDIT_FILE, AUDIT_KEY, demo::Shown};

/// Prints a grpcurl session against the running stack.
pub(crate) fn print(stack: &Stack, shown: &Shown) {
    let (signer, resizer) = (stack.signer.address(), stack.resizer.address());
    let picture = quoted(&shown.picture.to_string_lossy());
    let output = |name: &str| quoted(&shown.outputs.join(name).to_string_lossy());
    let audit_file = quoted(&stack.dir().join(AUDIT_FILE).to_string_lossy());
    let audit_key = quoted(&stack.dir().join("secrets").join(AUDIT_KEY).to_string_lossy());
    let (by_hand, streamed) = (output("by-hand.webp"), output("streamed.jpg"));
    let url = &shown.signed_url;
    // The same path and query where it is answered over HTTP: the key is bound to no host.
    let http = stack.resizer.http().map(|http| format!("http://{http}")).unwrap_or_default();
    let target = url.splitn(4, '/').nth(3).unwrap_or_default();
    let (by_http, changed) = (format!("{http}/{target}"), target.replace("width=600", "width=601"));
    let by_curl = output("by-curl.webp");
    let key = serde_json::Value::from(shown.key.as_str());
    let two_sizes = quoted(&format!(
        r#"{{"source":{{"origin":"photos","key":{key}}},"outputs":[{{"id":"a","options":{{"width":640}}}},{{"id":"b","options":{{"width":64,"height":64,"fit":"FIT_COVER"}}}}]}}"#
    ));
    println!(
        r#"
Try it (github.com/fullstorydev/grpcurl; jq and base64 to get at the bytes):

# What there is, with its manual
grpcurl -plaintext {signer} list
grpcurl -plaintext {resizer} describe safelight.resizer.v1.ResizerService
grpcurl -plaintext {resizer} describe safelight.image.v1.TransformOptions
grpcurl -plaintext {signer} safelight.signer.v1.KeyService/ListKeys
grpcurl -plaintext {resizer} grpc.health.v1.Health/Check

# Sign a URL, and verify it
grpcurl -plaintext -d '{{"key":"web","url":"https://img.example.com/local/a.jpg/card","ttl":"600s"}}' \
  {signer} safelight.signer.v1.SignerService/SignUrl
grpcurl -plaintext -d '{{"key":"web","requestTarget":"/local/a.jpg/card?exp=1&sig=0"}}' \
  {signer} safelight.signer.v1.VerifierService/VerifyUrl
grpcurl -plaintext -d '{{"key":"uploads","parameters":{{"folder":"holiday","tags":["sea","sun"]}}}}' \
  {signer} safelight.signer.v1.SignerService/SignUpload

# A one-time upload token; it is redeemed once, and again only under the same request id
TOKEN=$(grpcurl -plaintext -d '{{"account":"acme","ttl":"600s"}}' \
  {signer} safelight.signer.v1.UploadTokenService/CreateUploadToken | jq -r .token)
grpcurl -plaintext -d '{{"account":"acme","token":"'$TOKEN'","requestId":"try-1"}}' \
  {signer} safelight.signer.v1.UploadTokenService/RedeemUploadToken

# What the signer has recorded of all this, and whether anyone has edited it
cargo run --quiet --bin safelight-signer -- audit verify {audit_file} --key-file {audit_key}

# Deliver the private picture by its signed URL
grpcurl -plaintext -d '{{"url":"{url}","accept":"image/webp"}}' \
  {resizer} safelight.resizer.v1.ResizerService/Deliver \
  | jq -rj '.frame.chunk.data // empty' | base64 -d > {by_hand}

# The same over HTTP: the picture, its head, what a browser has already (304), and a changed URL (403)
curl -o {by_curl} -H 'Accept: image/webp' '{by_http}'
curl -I '{by_http}'
curl -o /dev/null -w '%{{http_code}}\n' -H 'If-None-Match: *' '{by_http}'
curl '{http}/{changed}'

# Two sizes of an object, from one fetch and one decode
grpcurl -plaintext -d {two_sizes} \
  {resizer} safelight.resizer.v1.ResizerService/ResizeObject | grep -v '"data"'

# Stream a file through: open, chunks, finish
{{ echo '{{"open":{{"outputs":[{{"options":{{"width":480,"format":"FORMAT_JPEG"}}}}]}}}}'
  base64 -w 65536 {picture} | sed 's/.*/{{"chunk":"&"}}/'
  echo '{{"finish":{{"length":'$(wc -c < {picture})'}}}}'
}} | grpcurl -plaintext -d @ {resizer} safelight.resizer.v1.ResizerService/Resize \
  | jq -rj '.frame.chunk.data // empty' | base64 -d > {streamed}"#
    );
}

/// The text as one word of a shell: a file's name may hold anything.
fn quoted(text: &str) -> String {
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
