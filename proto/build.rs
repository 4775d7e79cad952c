//! Compiles the protos with protox (pure Rust), so that a build needs no protoc.

use std::{env, error::Error, fs, path::PathBuf};

/// Every proto of the contract, in the order of the services' story.
const PROTOS: [&str; 7] = [
    "safelight/image/v1/image.proto",
    "safelight/signer/v1/key.proto",
    "safelight/signer/v1/signer.proto",
    "safelight/signer/v1/verifier.proto",
    "safelight/signer/v1/upload_token.proto",
    "safelight/resizer/v1/resizer.proto",
    "envoy/service/auth/v3/external_auth.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for folder in ["safelight", "envoy", "google"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_source_info(true).include_imports(true).open_files(PROTOS)?;

    // The encoded set goes to reflection as it is: comments and options included.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("safelight.fds"), compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure()
        .bytes(".") // chunks are split off the receive buffer, not copied
        .btree_map(".safelight.signer.v1") // the same request signs the same, whatever the order of its map
        .extern_path(".google.rpc.Status", "::tonic_types::pb::Status")
        // Credentials and signatures travel in these: src/redact.rs writes their Debug.
        .skip_debug([
            ".envoy.config.core.v3.HeaderValue",
            ".envoy.service.auth.v3.AttributeContext.HttpRequest",
            ".safelight.resizer.v1.CallerHeaders",
            ".safelight.resizer.v1.DeliverRequest",
            ".safelight.signer.v1.AuthorizeDeliveryRequest",
            ".safelight.signer.v1.AuthorizeDeliveryResponse",
            ".safelight.signer.v1.CancelUploadTokenRequest",
            ".safelight.signer.v1.Cookie",
            ".safelight.signer.v1.CreateUploadTokenResponse",
            ".safelight.signer.v1.FormField",
            ".safelight.signer.v1.GetUploadTokenRequest",
            ".safelight.signer.v1.Header",
            ".safelight.signer.v1.RedeemUploadTokenRequest",
            ".safelight.signer.v1.SignOriginRequestResponse",
            ".safelight.signer.v1.SignUploadResponse",
            ".safelight.signer.v1.SignUrlResponse",
            ".safelight.signer.v1.UploadAnswer",
            ".safelight.signer.v1.VerifyUrlRequest",
            ".safelight.signer.v1.Webhook",
        ])
        .codec_path("crate::codec::Codec")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
