//! The configuration that `deploy/k8s` ships loads as it stands, but for where the secrets are.

use std::{fs, path::Path};

use safelight_chassis::server::Server;
use safelight_local::{keys, running::Running, stack::connect};
use safelight_proto::{
    reason,
    signer::v1::{ListKeysRequest, key_service_client::KeyServiceClient},
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

#[tokio::test]
async fn the_signers() {
    let text = example("signer.toml");
    let dir = tempfile::tempdir().unwrap();
    let mut files = 0;
    for line in text.lines().filter_map(|line| line.split_once(MOUNTED)) {
        let name = line.1.trim_matches(['/', '"']);
        keys::write_fresh(dir.path(), name).unwrap();
        files += 1;
    }
    assert_eq!(files, 3, "one for each key");
    let text = text.replace(MOUNTED, &dir.path().display().to_string());
    // The hash that is to be replaced, replaced.
    let hash = hex::encode(Sha256::digest("fake-backend-token"));
    let text = text.replace(&"0".repeat(64), &hash);
    let config = safelight_signer::Config::read(&text).unwrap_or_else(|errors| panic!("{errors}"));

    let signer = Signer::new(config, Clock::system());
    let running = Running::start(signer.add_to(Server::new(safelight_signer::limits())), 0).await.unwrap();
    let mut keys = KeyServiceClient::new(connect(&running).await.unwrap());
    let denied = keys.list_keys(ListKeysRequest::default()).await.unwrap_err();
    assert_eq!(reason::of(&denied).as_deref(), Some("CALLER_DENIED"));
    let mut request = Request::new(ListKeysRequest::default());
    request.metadata_mut().insert("authorization", "Bearer fake-backend-token".parse().unwrap());
    let keys = ok(keys.list_keys(request).await).keys;
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["uploads", "web"], "what the backend has no grant for is not shown");
}

#[tokio::test]
async fn the_resizers() {
    let text = example("resizer.toml");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("resizer.toml");
    fs::write(&path, &text).unwrap();
    let config = safelight_resizer::Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
    safelight_resizer::Resizer::new(config).unwrap();

    // Nothing in it is there for nothing: a route without its origin is an error.
    fs::write(&path, text.replace("[origins.photos]", "[origins.paintings]")).unwrap();
    let Err(errors) = safelight_resizer::Config::load(&path) else { panic!("the route has no origin") };
    assert!(errors.to_string().contains("routes[0].origin"), "{errors}");
}
