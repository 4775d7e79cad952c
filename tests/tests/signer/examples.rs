//! The configurations that `deploy/k8s` ships load as they stand, but for where the secrets are, and fit each other.

use std::{fs, path::Path};

use safelight_chassis::{check::Finding, server::Server};
use safelight_local::{keys, running::Running, stack::connect};
use safelight_proto::{
    reason,
    signer::v1::{
        ListKeysRequest, SignOriginRequestRequest, SignUrlRequest, VerifyUrlRequest,
        key_service_client::KeyServiceClient, signer_service_client::SignerServiceClient,
        verifier_service_client::VerifierServiceClient,
    },
};
use safelight_signer::{Clock, Signer};
use sha2::{Digest as _, Sha256};
use tonic::Request;

use crate::harness::ok;

/// Where the Secret is mounted.
const MOUNTED: &str = "/run/secrets/safelight";

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/k8s/base").join(name);
    fs::read_to_string(path).unwrap()
}

/// The example, its secrets made up in `dir`, and the hashes that are to be replaced replaced.
fn signer_in(dir: &Path) -> String {
    let text = example("signer.toml");
    let mut files = 0;
    for line in text.lines().filter_map(|line| line.split_once(MOUNTED)) {
        let name = line.1.trim_matches(['/', '"']);
        keys::write_fresh(dir, name).unwrap();
        files += 1;
    }
    assert_eq!(files, 3, "one for each key");
    let hash = |token: &str| hex::encode(Sha256::digest(token));
    text.replace(MOUNTED, &dir.display().to_string())
        .replace(&"0".repeat(64), &hash("fake-backend-token"))
        .replace(&"1".repeat(64), &hash("fake-resizer-token"))
}

async fn start_signer(dir: &Path) -> Running {
    let config = safelight_signer::Config::read(&signer_in(dir)).unwrap_or_else(|errors| panic!("{errors}"));
    let signer = Signer::new(config, Clock::system());
    Running::start(signer.add_to(Server::new(safelight_signer::limits())), 0).await.unwrap()
}

fn as_caller<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

#[tokio::test]
async fn the_signers() {
    let dir = tempfile::tempdir().unwrap();
    let running = start_signer(dir.path()).await;
    let mut keys = KeyServiceClient::new(connect(&running).await.unwrap());
    let denied = keys.list_keys(ListKeysRequest::default()).await.unwrap_err();
    assert_eq!(reason::of(&denied).as_deref(), Some("CALLER_DENIED"));
    let request = as_caller(ListKeysRequest::default(), "fake-backend-token");
    let keys = ok(keys.list_keys(request).await).keys;
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["uploads", "web"], "what the backend has no grant for is not shown");
}

#[tokio::test]
async fn the_pair_agrees_and_the_resizer_can_have_nothing_else_signed() {
    let dir = tempfile::tempdir().unwrap();
    let signer = start_signer(dir.path()).await;
    keys::write(dir.path(), "signer-token", "fake-resizer-token").unwrap();
    let text = example("resizer.toml").replace(MOUNTED, &dir.path().display().to_string());
    let endpoint = "http://safelight-signer-headless:50051";
    assert!(text.contains(endpoint));
    let text = text.replace(endpoint, &signer.endpoint());
    let found = async |text: &str| {
        let config = safelight_resizer::Config::read(text).unwrap_or_else(|errors| panic!("{errors}"));
        safelight_resizer::Resizer::new(config).unwrap().check_signer().await
    };
    let findings = found(&text).await;
    assert!(findings.len() == 2 && findings.iter().all(|finding| !finding.is_problem), "{findings:?}");
    // It would say if they did not.
    for (shipped, other, part) in [
        ("public = true", "public = false", "public_variants"),
        ("object_key = \"{account}/{key}\"", "", "object_key"),
        ("region = \"eu-west-1\"", "region = \"eu-west-2\"", "region"),
    ] {
        assert!(text.contains(shipped), "{shipped}");
        let findings = found(&text.replace(shipped, other)).await;
        let says = |finding: &Finding| finding.is_problem && finding.text.contains(part);
        assert!(findings.iter().any(says), "{part}: {findings:?}");
    }

    let channel = connect(&signer).await.unwrap();
    let mut signs = SignerServiceClient::new(channel.clone());
    let mut verifies = VerifierServiceClient::new(channel);
    for token in ["fake-resizer-token", "fake-backend-token"] {
        let fetch = SignOriginRequestRequest {
            key: "s3-photos".to_owned(),
            method: "GET".to_owned(),
            url: "https://photos.s3.eu-west-1.amazonaws.com/acme/a.jpg".to_owned(),
            ..SignOriginRequestRequest::default()
        };
        let denied = signs.sign_origin_request(as_caller(fetch, token)).await.unwrap_err();
        assert_eq!(reason::of(&denied).as_deref(), Some("CALLER_DENIED"), "{token}");
        let denied = verifies.verify_url(as_caller(VerifyUrlRequest::default(), token)).await.unwrap_err();
        assert_eq!(reason::of(&denied).as_deref(), Some("CALLER_DENIED"), "{token}");
    }
    let denied =
        signs.sign_url(as_caller(SignUrlRequest::default(), "fake-resizer-token")).await.unwrap_err();
    assert_eq!(reason::of(&denied).as_deref(), Some("CALLER_DENIED"));
}

#[tokio::test]
async fn the_resizers() {
    let dir = tempfile::tempdir().unwrap();
    keys::write_fresh(dir.path(), "signer-token").unwrap();
    let text = example("resizer.toml").replace(MOUNTED, &dir.path().display().to_string());
    let path = dir.path().join("resizer.toml");
    fs::write(&path, &text).unwrap();
    let config = safelight_resizer::Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
    safelight_resizer::Resizer::new(config).unwrap();

    // Nothing in it is there for nothing: a route without its origin is an error.
    fs::write(&path, text.replace("[origins.photos]", "[origins.paintings]")).unwrap();
    let Err(errors) = safelight_resizer::Config::load(&path) else { panic!("the route has no origin") };
    assert!(errors.to_string().contains("routes[0].origin"), "{errors}");
}
