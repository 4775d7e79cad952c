//! Lines to copy and paste.

use safelight_local::Stack;

use crate::demo::Shown;

/// Prints a grpcurl session against the running stack.
pub(crate) fn print(stack: &Stack, shown: &Shown) {
    let (signer, resizer) = (stack.signer.address(), stack.resizer.address());
    let picture = shown.picture.display();
    let outputs = shown.outputs.display();
    let url = &shown.signed_url;
    let key = serde_json::Value::from(shown.key.as_str());
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

# Deliver the private picture by its signed URL
grpcurl -plaintext -d '{{"url":"{url}","accept":"image/webp"}}' \
  {resizer} safelight.resizer.v1.ResizerService/Deliver \
  | jq -rj '.frame.chunk.data // empty' | base64 -d > {outputs}/by-hand.webp

# Two sizes of an object, from one fetch and one decode
grpcurl -plaintext -d '{{"source":{{"origin":"photos","key":{key}}},"outputs":[{{"id":"a","options":{{"width":640}}}},{{"id":"b","options":{{"width":64,"height":64,"fit":"FIT_COVER"}}}}]}}' \
  {resizer} safelight.resizer.v1.ResizerService/ResizeObject | grep -v '"data"'

# Stream a file through: open, chunks, finish
{{ echo '{{"open":{{"outputs":[{{"options":{{"width":480,"format":"FORMAT_JPEG"}}}}]}}}}'
  base64 -w 65536 '{picture}' | sed 's/.*/{{"chunk":"&"}}/'
  echo '{{"finish":{{"length":'$(wc -c < '{picture}')'}}}}'
}} | grpcurl -plaintext -d @ {resizer} safelight.resizer.v1.ResizerService/Resize \
  | jq -rj '.frame.chunk.data // empty' | base64 -d > {outputs}/streamed.jpg"#
    );
}
