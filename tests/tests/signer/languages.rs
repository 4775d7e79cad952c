//! The contract in other languages: code is generated without an override, stands beside Google's and Envoy's own
//! packages, and calls a real signer.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use safelight_tests::counterpart;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::harness::{Pair, ask, pipe};

/// Methods of `ResizerService`, as the generated code must know them.
const RESIZER_METHODS: usize = 9;

fn folder(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counterparts/grpc").join(language)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The program of a language in a folder of its own, with what `buf generate` makes of the contract there.
fn generated(buf: &Path, language: &str) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder(language)).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, place.path().join(path.file_name().unwrap())).unwrap();
    }
    let template = place.path().join("buf.gen.yaml");
    let mut command = Command::new(buf);
    command.current_dir(root()).args(["generate", "proto", "--template"]).arg(template);
    pipe(command.arg("-o").arg(place.path()), "");
    place
}

fn question(pair: &Pair) -> Json {
    let address = pair.stack.signer.address().to_string();
    json!({ "address": address, "key": "url", "url": "https://images.example/a/b" })
}

/// What every language must have got; the code is spelled as each of them does.
fn assert_right(answer: &Json, code: &str) {
    let signed = answer["signed_url"].as_str().unwrap_or_default();
    assert!(signed.starts_with("https://images.example/a/b?exp=1700000060&sig="), "{answer}");
    assert_eq!(answer["valid"], true, "{answer}");
    assert_eq!(answer["code"], code, "{answer}");
    assert_eq!(answer["reason"], "KEY_NOT_FOUND", "{answer}");
    assert_eq!(answer["domain"], "safelight.dev", "{answer}");
    assert_eq!(answer["methods"], RESIZER_METHODS, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn go_beside_googles_and_envoys_packages() {
    let found = ["go", "buf", "protoc-gen-go", "protoc-gen-go-grpc"].map(counterpart::program);
    let [Some(go), Some(buf), Some(_), Some(_)] = found else { return };
    let place = generated(&buf, "go");
    let mut build = Command::new(go);
    build.current_dir(place.path()).env("GOTOOLCHAIN", "local").env("GOWORK", "off").env("GOFLAGS", "");
    pipe(build.args(["build", "-mod=readonly", "-o", "client", "."]), "");
    let pair = Pair::start().await;
    let answer = ask(Command::new(place.path().join("client")), &question(&pair));
    assert_right(&answer, "NotFound");
    assert_eq!((&answer["allowed"], &answer["denied"]), (&json!(true), &json!(true)), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn python_beside_googles_packages() {
    let Some(python) = counterpart::python() else { return };
    let place = tempfile::tempdir().unwrap();
    let mut protoc = Command::new(&python);
    let out = place.path().display();
    protoc.current_dir(root().join("proto")).args(["-m", "grpc_tools.protoc", "-I."]);
    protoc.args([format!("--python_out={out}"), format!("--grpc_python_out={out}")]);
    for file in ["image/v1/image", "resizer/v1/resizer", "signer/v1/signer", "signer/v1/verifier"] {
        protoc.arg(format!("safelight/{file}.proto"));
    }
    pipe(protoc, "");
    let pair = Pair::start().await;
    let mut client = Command::new(python);
    client.arg(folder("python").join("client.py")).arg(place.path());
    assert_right(&ask(client, &question(&pair)), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn node() {
    let found = ["node", "buf", "protoc-gen-es"].map(counterpart::program);
    let ([Some(node), Some(buf), Some(_)], Some(modules)) = (found, counterpart::node_modules()) else {
        return;
    };
    let place = generated(&buf, "node");
    // Modules of Node's own kind are looked for beside the program, and not where NODE_PATH says.
    std::os::unix::fs::symlink(modules, place.path().join("node_modules")).unwrap();
    let pair = Pair::start().await;
    let mut client = Command::new(node);
    client.arg(place.path().join("client.mjs"));
    assert_right(&ask(client, &question(&pair)), "NOT_FOUND");
}
