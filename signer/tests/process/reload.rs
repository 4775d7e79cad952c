//! A real signer, whose files change under it while it is asked without a pause.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use safelight_proto::signer::v1::{
    GetKeyRequest, KeyVersionState, SignUrlRequest, Verdict, VerifyUrlRequest,
    key_service_client::KeyServiceClient, signer_service_client::SignerServiceClient,
    verifier_service_client::VerifierServiceClient,
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tonic::{Code, transport::Channel};

use crate::{PATIENCE, Signer, replace, write};

fn config(directory: &Path, versions: &str) -> String {
    let text = format!(
        "reload_interval = \"100ms\"\n[[grants]]\ncaller = \"anonymous\"\nmethods = [\"*\"]\nkeys = [\"*\"]\n[[keys]]\nname = \"web\"\nscheme = \"cloudflare-images\"\nmax_ttl = \"1h\"\n\
         versions = [{versions}]\n"
    );
    text.replace("DIR", &directory.display().to_string())
}

fn setup(versions: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("one"), "fake-reload-secret-one");
    write(&directory.path().join("two"), "fake-reload-secret-two");
    let path = directory.path().join("signer.toml");
    write(&path, &config(directory.path(), versions));
    (directory, path)
}

async fn connect(signer: &Signer) -> Channel {
    Channel::from_shared(signer.address.clone()).unwrap().connect().await.unwrap()
}

async fn sign(channel: &Channel) -> (String, u32) {
    let request =
        SignUrlRequest { key: "web".into(), url: "https://h/a".into(), ..SignUrlRequest::default() };
    let signed = SignerServiceClient::new(channel.clone()).sign_url(request).await.unwrap().into_inner();
    (signed.signed_url, signed.key_version)
}

async fn verify(channel: &Channel, url: &str) -> bool {
    let request = VerifyUrlRequest {
        key: "web".into(),
        request_target: url.strip_prefix("https://h").unwrap().to_owned(),
        ..VerifyUrlRequest::default()
    };
    let answer = VerifierServiceClient::new(channel.clone()).verify_url(request).await.unwrap().into_inner();
    answer.verdict() == Verdict::Valid
}

async fn states(channel: &Channel) -> Vec<(u32, KeyVersionState)> {
    let request = GetKeyRequest { name: "web".into() };
    let key =
        KeyServiceClient::new(channel.clone()).get_key(request).await.unwrap().into_inner().key.unwrap();
    key.versions.iter().map(|version| (version.id, version.state())).collect()
}

const FIRST: &str = r#"{ id = 1, state = "primary", secret_file = "DIR/one" }"#;

/// Pitfall 18: no verify gap while keys rotate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_under_load_refuses_nothing() {
    let (directory, path) = setup(FIRST);
    // Two signers with the same files, as a fleet has.
    let signers = [Signer::start(&path), Signer::start(&path)];
    let channels = [connect(&signers[0]).await, connect(&signers[1]).await];

    let stop = Arc::new(AtomicBool::new(false));
    let (checked, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let seen = Arc::<Mutex<std::collections::BTreeSet<u32>>>::default();
    let mut load = Vec::new();
    for client in 0..4 {
        let (from, to) = (channels[client % 2].clone(), channels[(client + 1) % 2].clone());
        let (stop, checked, refused, seen) =
            (Arc::clone(&stop), Arc::clone(&checked), Arc::clone(&refused), Arc::clone(&seen));
        load.push(tokio::spawn(async move {
            let (oldest, _) = sign(&from).await;
            while !stop.load(Ordering::Relaxed) {
                let (url, version) = sign(&from).await;
                seen.lock().unwrap().insert(version);
                for url in [&url, &oldest] {
                    // By the signer that did not sign.
                    let fault = u64::from(!verify(&to, url).await);
                    refused.fetch_add(fault, Ordering::Relaxed);
                    checked.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
    // The next version takes over two seconds from now, by each signer's own clock.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let from = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(now + 3)).to_string();
    let rotation = format!(
        r#"{FIRST}, {{ id = 2, state = "pending", primary_from = "{from}", secret_file = "DIR/two" }}"#
    );
    replace(&path, &config(directory.path(), &rotation));
    for signer in &signers {
        signer.logged("keys, grants and tokens reloaded", 1);
    }
    assert_eq!(states(&channels[0]).await[1].1, KeyVersionState::Pending);
    let since = Instant::now();
    for channel in &channels {
        while states(channel).await[1].1 != KeyVersionState::Primary {
            assert!(since.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    for client in load {
        client.await.unwrap();
    }
    assert_eq!(refused.load(Ordering::Relaxed), 0, "of {}", checked.load(Ordering::Relaxed));
    assert!(checked.load(Ordering::Relaxed) > 100);
    assert_eq!(*seen.lock().unwrap(), [1, 2].into(), "both versions signed meanwhile");
    let log = signers.iter().map(Signer::whole_log).collect::<String>();
    assert!(!log.contains("fake-reload-secret"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_changes_nothing_and_is_said_once() {
    let (directory, path) = setup(FIRST);
    let signer = Signer::start(&path);
    let channel = connect(&signer).await;
    let (url, _) = sign(&channel).await;

    replace(&path, &config(directory.path(), r#"{ id = 1, state = "primary", secret_file = "DIR/gone" }"#));
    let line = signer.logged("configuration not reloaded", 1);
    assert!(line.contains("keys[0].versions[0].secret_file"), "{line}");
    // Not even TOML, and a secret in the wrong place.
    replace(&path, "fake-reload-secret-pasted");
    signer.logged("configuration not reloaded", 2);
    assert!(verify(&channel, &url).await);
    assert_eq!(sign(&channel).await.1, 1);

    // Asked by hand, too; and nothing was said over and over.
    signer.hangup();
    signer.logged("nothing has changed", 1);
    let log = signer.whole_log();
    assert_eq!(log.matches("configuration not reloaded").count(), 2, "{log}");
    assert!(!log.contains("fake-reload-secret"), "{log}");

    // Set right, it is taken: the second version signs.
    let second = r#"{ id = 2, state = "primary", secret_file = "DIR/two" }"#;
    replace(&path, &config(directory.path(), second));
    signer.logged("keys, grants and tokens reloaded", 1);
    assert_eq!(sign(&channel).await.1, 2);
    assert!(!verify(&channel, &url).await, "version 1 is gone");
}

/// A token that was revoked is refused from the reload on, also on a connection that is there; one that was added is taken.
/// What is not reloaded is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_reloaded_and_what_is_not_is_named() {
    let (directory, path) = setup(FIRST);
    let text = |token: &str, more: &str| {
        let hash = hex::encode(Sha256::digest(token));
        let tokens = format!("[[tokens]]\ncaller = \"backend\"\nsha256 = \"{hash}\"\n");
        let config = config(directory.path(), FIRST).replace("anonymous", "backend");
        format!("{config}{tokens}{more}")
    };
    let sign = async |channel: &Channel, token: &str| {
        let request =
            SignUrlRequest { key: "web".into(), url: "https://h/a".into(), ..SignUrlRequest::default() };
        let mut request = tonic::Request::new(request);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        SignerServiceClient::new(channel.clone()).sign_url(request).await.map(|_| ()).map_err(|s| s.code())
    };
    write(&path, &text("fake-token-one", ""));
    let signer = Signer::start(&path);
    let channel = connect(&signer).await;
    assert_eq!(sign(&channel, "fake-token-one").await, Ok(()));
    assert_eq!(sign(&channel, "fake-token-two").await, Err(Code::Unauthenticated));

    replace(&path, &text("fake-token-two", "[server]\nmax_connections = 100\n"));
    signer.logged("keys, grants and tokens reloaded", 1);
    assert_eq!(sign(&channel, "fake-token-one").await, Err(Code::Unauthenticated));
    assert_eq!(sign(&channel, "fake-token-two").await, Ok(()));
    let line = signer.logged("a restart is needed", 1);
    assert!(line.contains("WARN") && line.contains("not reloaded: server;"), "{line}");

    // As the process was started: nothing is left to say.
    replace(&path, &text("fake-token-one", ""));
    signer.logged("keys, grants and tokens reloaded", 2);
    assert_eq!(sign(&channel, "fake-token-one").await, Ok(()));
    assert_eq!(sign(&channel, "fake-token-two").await, Err(Code::Unauthenticated));
    signer.hangup();
    signer.logged("nothing has changed", 1);
    let log = signer.whole_log();
    assert_eq!(log.matches("a restart is needed").count(), 1, "{log}");
    assert!(!log.contains("fake-token"), "{log}");
}

/// A Secret that Kubernetes mounts: `secret` → `..data/secret`, `..data` → a folder with the time in its name, swapped
/// by a rename. Neither `secret` nor its link changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_swap_of_a_kubernetes_volume_is_seen() {
    let (directory, path) = setup(r#"{ id = 1, state = "primary", secret_file = "DIR/volume/secret" }"#);
    let volume = directory.path().join("volume");
    let publish = |folder: &str, secret: &str| {
        fs::create_dir_all(volume.join(folder)).unwrap();
        write(&volume.join(folder).join("secret"), secret);
        symlink(folder, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    };
    publish("..2026_11_22_1", "fake-reload-secret-one");
    symlink("..data/secret", volume.join("secret")).unwrap();
    let signer = Signer::start(&path);
    let channel = connect(&signer).await;
    let (url, _) = sign(&channel).await;

    publish("..2026_11_22_2", "fake-reload-secret-two");
    signer.logged("keys, grants and tokens reloaded", 1);
    assert!(!verify(&channel, &url).await, "the secret is another one");
    let (url, _) = sign(&channel).await;
    assert!(verify(&channel, &url).await);
}
