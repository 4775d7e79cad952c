//! Rust of the protos: `cargo generate` writes it to `proto/src/generated`. The test compares.
//!
//! A program by itself, so that a build of the services compiles no protobuf compiler, and so that it runs whatever state
//! the generated code is in. protox is a compiler in Rust: none is needed on the machine.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use prost_types::{DescriptorProto, FieldDescriptorProto, field_descriptor_proto::Type};

/// Ours, in the order of the services' story.
const PROTOS: [&str; 8] = [
    "safelight/image/v1/image.proto",
    "safelight/signer/v1/key.proto",
    "safelight/signer/v1/signer.proto",
    "safelight/signer/v1/verifier.proto",
    "safelight/signer/v1/upload_token.proto",
    "safelight/signer/v1/upload.proto",
    "safelight/resizer/v1/resizer.proto",
    "envoy/service/auth/v3/external_auth.proto",
];

/// Credentials and signatures travel in these: src/redact.rs writes their Debug.
const REDACTED: [&str; 27] = [
    ".envoy.config.core.v3.HeaderValue",
    ".envoy.service.auth.v3.AttributeContext.HttpRequest",
    ".safelight.resizer.v1.CallerHeaders",
    ".safelight.resizer.v1.DeliverRequest",
    ".safelight.resizer.v1.SignedFormField",
    ".safelight.resizer.v1.UploadToken",
    ".safelight.signer.v1.AuthorizeDeliveryRequest",
    ".safelight.signer.v1.AuthorizeDeliveryResponse",
    ".safelight.signer.v1.AuthorizeUploadResponse",
    ".safelight.signer.v1.CancelUploadTokenRequest",
    ".safelight.signer.v1.Cookie",
    ".safelight.signer.v1.CreateUploadTokenResponse",
    ".safelight.signer.v1.FormField",
    ".safelight.signer.v1.GetUploadTokenRequest",
    ".safelight.signer.v1.Header",
    ".safelight.signer.v1.RedeemUploadTokenRequest",
    ".safelight.signer.v1.ReleaseUploadTokenRequest",
    ".safelight.signer.v1.ReserveUploadTokenRequest",
    ".safelight.signer.v1.SignOriginRequestResponse",
    ".safelight.signer.v1.SignPostPolicyResponse",
    ".safelight.signer.v1.SignUploadResponse",
    ".safelight.signer.v1.SignUrlResponse",
    ".safelight.signer.v1.ObjectRequest",
    ".safelight.signer.v1.TokenAuthority",
    ".safelight.signer.v1.UploadAnswer",
    ".safelight.signer.v1.VerifyUrlRequest",
    ".safelight.signer.v1.Webhook",
];

/// The message whose fields are options: it gets them as text too, see src/fields.rs.
const OPTIONS: &str = "TransformOptions";

/// The code that it is in.
const OPTIONS_FILE: &str = "safelight.image.v1.rs";

/// The descriptors of all of it, beside the code.
const DESCRIPTORS: &str = "safelight.fds";

fn main() -> Result<(), Box<dyn Error>> {
    let committed = proto().join("src/generated");
    // What is no longer made goes.
    for name in files(&committed)?.keys() {
        fs::remove_file(committed.join(name))?;
    }
    generate(&committed)
}

/// The contract's folder.
fn proto() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Writes it below `out`.
fn generate(out: &Path) -> Result<(), Box<dyn Error>> {
    // Envoy's and Google's are not part of the contract: they stand beside the service that speaks them.
    let folders = [proto(), proto().join("../signer/proto")];
    let mut compiler = protox::Compiler::new(folders)?;
    compiler.include_source_info(true).include_imports(true).open_files(PROTOS)?;

    // The encoded set goes to reflection as it is: comments and options included.
    fs::write(out.join(DESCRIPTORS), compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure()
        .bytes(".") // chunks are split off the receive buffer, not copied
        .btree_map(".safelight.signer.v1") // the same request signs the same, whatever the order of its map
        .extern_path(".google.rpc.Status", "::tonic_types::pb::Status")
        .skip_debug(REDACTED)
        .codec_path("crate::codec::Codec")
        .emit_rerun_if_changed(false)
        .out_dir(out)
        .compile_fds(compiler.file_descriptor_set())?;

    let set = compiler.file_descriptor_set();
    let mut messages = set.file.iter().flat_map(|file| &file.message_type);
    let options = messages.find(|message| message.name() == OPTIONS).ok_or("no message of options")?;
    fs::OpenOptions::new()
        .append(true)
        .open(out.join(OPTIONS_FILE))?
        .write_all(fields(options).as_bytes())?;
    Ok(())
}

/// The call of `fields!` for a message.
fn fields(message: &DescriptorProto) -> String {
    let kind = |field: &FieldDescriptorProto| match field.r#type() {
        Type::Enum => format!("choice({})", field.type_name().rsplit('.').next().unwrap_or_default()),
        Type::Message => "optional".to_owned(),
        _ if field.proto3_optional() => "optional".to_owned(),
        _ => "plain".to_owned(),
    };
    let fields = message.field.iter().map(|field| format!("    {}: {},\n", field.name(), kind(field)));
    format!("crate::fields::fields!({} {{\n{}}});\n", message.name(), fields.collect::<String>())
}

/// The generated files of a folder, and what is in them. Not its README.
fn files(folder: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "rs" || end == "fds") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, fs::read(path)?);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_code_is_that_of_the_protos() {
        let folder = tempfile::tempdir().unwrap();
        generate(folder.path()).unwrap();
        let made = files(folder.path()).unwrap();
        let committed = files(&proto().join("src/generated")).unwrap();
        let names = made.keys().chain(committed.keys());
        let differ: Vec<_> = names.filter(|name| made.get(*name) != committed.get(*name)).collect();
        assert!(
            differ.is_empty(),
            "proto/src/generated is not what the protos say: run `cargo generate`. {differ:?}"
        );
    }
}
