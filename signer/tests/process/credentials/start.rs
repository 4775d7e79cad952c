//! A signer that has no credentials yet, and what it does not start with.

use std::process::Command;

use safelight_proto::{reason, signer::v1::SignatureLocation};

use super::{
    CONTAINER, ENVIRONMENT, INSTANCE, Setup, WEB_IDENTITY,
    aws::{Aws, Mode},
    connect, is_ready, no_secret_in, number, ready, sign,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signer_is_not_ready_before_it_has_credentials() {
    let aws = Aws::start(Mode::Refuses, 600);
    for (provider, said) in [(CONTAINER, "status 500"), (INSTANCE, "load IMDS session token")] {
        aws.set(Mode::Refuses);
        let setup = Setup::new(&aws, provider);
        let signer = setup.start();
        let channel = connect(&signer).await;
        let line = tokio::task::block_in_place(|| signer.logged("no valid credentials", 1));
        assert!(line.contains(said) && line.contains("ERROR"), "{line}");
        assert!(!is_ready(&channel).await);
        let refused = sign(&channel, SignatureLocation::Headers).await.unwrap_err();
        assert_eq!(reason::of(&refused).as_deref(), Some("CREDENTIALS_UNAVAILABLE"));
        aws.set(Mode::Issues);
        assert_eq!(
            number(&sign(&ready(&signer).await, SignatureLocation::Headers).await.unwrap()),
            aws.issued()
        );
        no_secret_in(&signer.whole_log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_does_not_sign_is_not_waited_for() {
    let aws = Aws::start(Mode::Refuses, 600);
    let mut setup = Setup::new(&aws, "provider = 'environment'");
    setup.environment.extend(ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for state in ["state = 'verify-only'", "state = 'pending', primary_from = 2100-01-01T00:00:00Z"] {
        setup.configure(
            &format!(
                "provider = 'environment' }} }}, {{ id = 5, {state}, credentials = {{ provider = 'container'"
            ),
            "1h",
        );
        let signer = setup.start();
        let channel = ready(&signer).await;
        assert!(sign(&channel, SignatureLocation::Headers).await.is_ok());
        tokio::task::block_in_place(|| signer.logged("no valid credentials", 1));
    }
}

/// aws-config gives what the metadata service hands out too late ten minutes more. AWS does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_have_expired_are_not_taken() {
    let aws = Aws::start(Mode::Issues, 0);
    for provider in [WEB_IDENTITY, CONTAINER, INSTANCE] {
        let setup = Setup::new(&aws, provider);
        let signer = setup.start();
        let line = tokio::task::block_in_place(|| signer.logged("credentials::refresh", 1));
        assert!(line.contains("answered with credentials that have expired"), "{provider}: {line}");
        let refused = sign(&connect(&signer).await, SignatureLocation::Query).await.unwrap_err();
        assert_eq!(reason::of(&refused).as_deref(), Some("CREDENTIALS_UNAVAILABLE"));
    }
}

#[test]
fn what_can_never_work_is_refused_at_start() {
    let aws = Aws::start(Mode::Issues, 600);
    let mut setup = Setup::new(&aws, "");
    setup.environment.retain(|(name, _)| !name.starts_with("AWS_"));
    let pasted = "fake-issued-secret";
    for (provider, said) in [
        ("provider = 'environment'", "AWS_ACCESS_KEY_ID is not set in the environment"),
        ("provider = 'container'", "AWS_CONTAINER_CREDENTIALS_FULL_URI is not set in the environment"),
        ("provider = 'web-identity'", "AWS_WEB_IDENTITY_TOKEN_FILE is not set in the environment"),
        ("provider = 'fake-issued-secret'", "credentials.provider"),
        ("provider = 'instance-metadata' }, secret_file = 'DIR', x = { ", "secret_file"),
    ] {
        setup.configure(provider, "1h");
        let mut command = Command::new(env!("CARGO_BIN_EXE_safelight-signer"));
        let output = command
            .env_clear()
            .args(["--config", setup.config.to_str().unwrap(), "--listen", "127.0.0.1:0"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(text.contains(said) && !text.contains(pasted), "{text}");
    }
    assert_eq!(aws.requests(), [""; 0]);
}
