//! Credentials of AWS's providers, in a real signer: from the environment, or from services that [`Aws`] stands for.

mod aws;
mod start;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use safelight_proto::{
    reason,
    signer::v1::{
        GetKeyRequest, SignOriginRequestRequest, SignOriginRequestResponse, SignUrlRequest,
        SignatureLocation, key_service_client::KeyServiceClient, signer_service_client::SignerServiceClient,
    },
};
use safelight_signer::scheme::aws_sigv4::{self, Body, Credentials, Request, Scope};
use tempfile::TempDir;
use tonic::{Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use self::aws::{AUTHORIZATION, Aws, IDENTITY_TOKEN, Mode, SECRETS, credentials};
use crate::{
    PATIENCE, Signer,
    memory::{look, search::Parts},
    replace, write,
};

const URL: &str = "https://photos.s3.eu-west-1.amazonaws.com/a%20b.jpg";
const REGION: &str = "eu-west-1";

/// Everything that anyone logs.
const LOG_LEVEL: (&str, &str) = ("SAFELIGHT_LOG_LEVEL", "trace");

/// What `provider = "environment"` takes.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "ASIAENVIRONMENT"),
    ("AWS_SECRET_ACCESS_KEY", "fake-issued-secret-of-the-environment"),
    ("AWS_SESSION_TOKEN", "fake/issued+token/of/the/environment"),
];

struct Setup {
    directory: TempDir,
    config: PathBuf,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// A key `s3` with this provider, and `web`, which needs none.
    fn new(aws: &Aws, provider: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("signer.toml");
        write(&directory.path().join("secret"), "fake-secret-of-web");
        let token = directory.path().join("token");
        write(&token, IDENTITY_TOKEN);
        let authorization = directory.path().join("authorization");
        write(&authorization, AUTHORIZATION);
        let path = |path: &Path| path.display().to_string();
        let setup = Self {
            config,
            environment: [
                (LOG_LEVEL.0, LOG_LEVEL.1.to_owned()),
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url("/")),
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", aws.url("/container?a=b")),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path(&authorization)),
                ("AWS_ENDPOINT_URL_STS", aws.url("/")),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", path(&token)),
                ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod".to_owned()),
                ("AWS_REGION", REGION.to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            directory,
        };
        setup.configure(provider, "1h");
        setup
    }

    fn configure(&self, provider: &str, web_ttl: &str) {
        let secret = self.directory.path().join("secret").display().to_string();
        let text = format!(
            r#"
            reload_interval = "100ms"
            [[grants]]
            caller = "anonymous"
            methods = ["*"]
            keys = ["*"]
            [[keys]]
            name = "web"
            scheme = "cloudflare-images"
            max_ttl = "{web_ttl}"
            versions = [{{ id = 1, state = "primary", secret_file = "{secret}" }}]
            [[keys]]
            name = "s3"
            scheme = "aws-sigv4"
            versions = [{{ id = 4, state = "primary", credentials = {{ {provider} }} }}]
            "#
        );
        replace(&self.config, &text);
    }

    fn start(&self) -> Signer {
        let environment: Vec<_> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Signer::start_with(&self.config, &environment)
    }
}

async fn connect(signer: &Signer) -> Channel {
    Channel::from_shared(signer.address.clone()).unwrap().connect().await.unwrap()
}

async fn is_ready(channel: &Channel) -> bool {
    let asked = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
    asked.into_inner().status() == tonic_health::pb::health_check_response::ServingStatus::Serving
}

/// Waits until the signer is ready.
async fn ready(signer: &Signer) -> Channel {
    let channel = connect(signer).await;
    let since = Instant::now();
    while !is_ready(&channel).await {
        assert!(since.elapsed() < PATIENCE, "{}", signer.whole_log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    channel
}

async fn sign(channel: &Channel, location: SignatureLocation) -> Result<SignOriginRequestResponse, Status> {
    let mut request = SignOriginRequestRequest {
        key: "s3".to_owned(),
        method: "GET".to_owned(),
        url: URL.to_owned(),
        region: REGION.to_owned(),
        ..SignOriginRequestRequest::default()
    };
    request.set_location(location);
    Ok(SignerServiceClient::new(channel.clone()).sign_origin_request(request).await?.into_inner())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn expires(signed: &SignOriginRequestResponse) -> u64 {
    u64::try_from(signed.expire_time.unwrap().seconds).unwrap()
}

/// Which of the issued credentials signed this, by the id in its signature; and checks all of it against what the scheme
/// makes of them. That these are the right signatures is what botocore and an S3 server say of the scheme.
fn number(signed: &SignOriginRequestResponse) -> u64 {
    let text = format!("{}{:?}", signed.url, signed.headers.iter().map(|h| &h.value).collect::<Vec<_>>());
    let at = text.find("ASIAFAKE").unwrap() + "ASIAFAKE".len();
    let number = text[at..at + 4].parse().unwrap();
    let [id, secret, token] = credentials(number);
    check(signed, &Credentials::new(&id, &secret, Some(&token)));
    number
}

fn check(signed: &SignOriginRequestResponse, credentials: &Credentials) {
    let request = Request { method: "GET", url: URL, headers: &[], body: Body::Unsigned };
    let time = |basic: &str| {
        let (date, time) = basic.trim_end_matches('Z').split_once('T').unwrap();
        let text = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &date[..4],
            &date[4..6],
            &date[6..],
            &time[..2],
            &time[2..4],
            &time[4..]
        );
        humantime::parse_rfc3339(&text).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs()
    };
    if signed.headers.is_empty() {
        let parameter = |name: &str| {
            signed.url.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap()
        };
        let (at, life) = (time(parameter("X-Amz-Date")), parameter("X-Amz-Expires").parse().unwrap());
        let url = aws_sigv4::presign(credentials, &request, &Scope::s3(REGION), at, life).unwrap();
        assert_eq!(signed.url, url);
        assert_eq!(expires(signed), at + life);
    } else {
        let headers: Vec<_> =
            signed.headers.iter().map(|header| (header.name.as_str(), header.value.clone())).collect();
        let at = time(&headers.iter().find(|(name, _)| *name == "x-amz-date").unwrap().1);
        let expected = aws_sigv4::sign_headers(credentials, &request, &Scope::s3(REGION), at).unwrap();
        assert_eq!(headers, expected);
    }
}

fn no_secret_in(log: &str) {
    for secret in SECRETS {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

const WEB_IDENTITY: &str = "provider = 'web-identity'";
const CONTAINER: &str = "provider = 'container'";
const INSTANCE: &str = "provider = 'instance-metadata'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_provider_that_issues_credentials() {
    for provider in [WEB_IDENTITY, CONTAINER, INSTANCE] {
        let aws = Aws::start(Mode::Issues, 600);
        let setup = Setup::new(&aws, provider);
        let started = now();
        let signer = setup.start();
        let channel = ready(&signer).await;
        for location in [SignatureLocation::Headers, SignatureLocation::Query] {
            for _ in 0..20 {
                let signed = sign(&channel, location).await.unwrap();
                assert_eq!((number(&signed), signed.key_version), (1, 4));
                // 15 minutes, but for their end.
                assert!((started + 600..=now() + 600).contains(&expires(&signed)), "{provider}");
            }
        }
        assert_eq!(aws.issued(), 1, "{provider}: asked once for all calls");
        let key = KeyServiceClient::new(channel).get_key(GetKeyRequest { name: "s3".to_owned() }).await;
        let key = key.unwrap().into_inner().key.unwrap();
        let version = &key.versions[0];
        assert_eq!((version.identifier.as_str(), version.fingerprint.as_str()), ("", ""));
        let line = signer.logged("credentials obtained", 1);
        let role = line.contains(r#""role":"arn:aws:iam::123456789012:role/pod""#);
        assert!(line.contains(r#""keys":"s3""#) && role == (provider == WEB_IDENTITY), "{line}");
        no_secret_in(&signer.whole_log());
        if provider == WEB_IDENTITY {
            let asked = aws.requests().concat();
            assert!(asked.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fpod"), "{asked}");
            assert!(asked.contains("RoleSessionName=safelight-signer"), "{asked}");
        }
    }
}

/// As at AWS, where the token must not travel in the clear.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_identity_over_tls() {
    let (aws, certificate) = Aws::start_tls(Mode::Issues, 600);
    let mut setup = Setup::new(&aws, WEB_IDENTITY);
    let authority = setup.directory.path().join("ca.pem");
    write(&authority, &certificate);
    let endpoint = format!("https://localhost:{}/", aws.port());
    setup.environment.retain(|(name, _)| name != "AWS_ENDPOINT_URL_STS");
    setup.environment.push(("AWS_ENDPOINT_URL_STS".to_owned(), endpoint));

    // An authority of the system would have to have signed its certificate.
    let signer = setup.start();
    let line = tokio::task::block_in_place(|| signer.logged("no valid credentials", 1));
    assert!(line.contains("dispatch failure"), "{line}");
    assert_eq!(aws.requests(), [""; 0], "nothing is sent to a stranger");

    setup.environment.push(("SSL_CERT_FILE".to_owned(), authority.display().to_string()));
    let signer = setup.start();
    let channel = ready(&signer).await;
    assert_eq!(number(&sign(&channel, SignatureLocation::Headers).await.unwrap()), 1);
    no_secret_in(&signer.whole_log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_has_no_end() {
    let aws = Aws::start(Mode::Refuses, 0);
    let mut setup = Setup::new(&aws, "provider = 'environment'");
    let given = ENVIRONMENT;
    setup.environment.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let signer = setup.start();
    let channel = ready(&signer).await;
    for location in [SignatureLocation::Headers, SignatureLocation::Query] {
        let signed = sign(&channel, location).await.unwrap();
        check(&signed, &Credentials::new(given[0].1, given[1].1, Some(given[2].1)));
        assert!(expires(&signed) >= now() + 890);
    }
    assert_eq!(aws.requests(), [""; 0]);
    no_secret_in(&signer.whole_log());
}

/// Refreshed well ahead, once, and without a call that notices: also while the provider takes its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_under_load_refuses_nothing_and_holds_up_nobody() {
    let aws = Aws::start(Mode::Issues, 8);
    let setup = Setup::new(&aws, CONTAINER);
    let signer = setup.start();
    let channel = ready(&signer).await;
    // The refresh comes after 4 s: its answer does not, for now.
    aws.set(Mode::Hangs);

    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut load = tokio::task::JoinSet::new();
    for client in 0..4 {
        let (channel, stop, calls) = (channel.clone(), Arc::clone(&stop), Arc::clone(&calls));
        load.spawn(async move {
            let mut seen = std::collections::BTreeSet::new();
            let locations = [SignatureLocation::Headers, SignatureLocation::Query];
            while !stop.load(Ordering::Relaxed) {
                let signed = sign(&channel, locations[client % 2]).await.unwrap();
                seen.insert(number(&signed));
                assert!(expires(&signed) > now() - 1, "valid when it was signed");
                calls.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            seen
        });
    }
    tokio::task::block_in_place(|| aws.asked(2));
    let before = calls.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let meanwhile = calls.load(Ordering::Relaxed) - before;
    assert!(meanwhile > 20, "{meanwhile} calls while the provider hangs");
    aws.set(Mode::Issues);
    tokio::task::block_in_place(|| signer.logged("credentials obtained", 2));
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(seen) = load.join_next().await {
        assert_eq!(seen.unwrap(), [1, 2].into(), "those before the refresh and those after");
    }
    assert_eq!(aws.issued(), 2, "one refresh for {} calls", calls.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_provider_a_signer_goes_on_until_the_end_of_what_it_has() {
    let aws = Aws::start(Mode::Issues, 4);
    let setup = Setup::new(&aws, WEB_IDENTITY);
    let signer = setup.start();
    let channel = ready(&signer).await;
    aws.set(Mode::Refuses);
    let end = expires(&sign(&channel, SignatureLocation::Headers).await.unwrap());

    let refused = loop {
        let before = now();
        match sign(&channel, SignatureLocation::Query).await {
            Ok(signed) => assert!(before < end && expires(&signed) <= end, "{before} {end}"),
            Err(status) => break status,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(now() >= end, "not before");
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert_eq!(reason::of(&refused).as_deref(), Some("CREDENTIALS_UNAVAILABLE"));
    no_secret_in(&format!("{refused:?}"));
    // Everything else is served.
    assert!(is_ready(&channel).await);
    let request =
        SignUrlRequest { key: "web".into(), url: "https://h/a".into(), ..SignUrlRequest::default() };
    assert!(SignerServiceClient::new(channel.clone()).sign_url(request).await.is_ok());
    let line = tokio::task::block_in_place(|| signer.logged("credentials not refreshed", 1));
    assert!(line.contains("status 400: ValidationError") && line.contains("WARN"), "{line}");

    let before = usize::try_from(aws.issued()).unwrap();
    aws.set(Mode::Issues);
    tokio::task::block_in_place(|| signer.logged("credentials obtained", before + 1));
    assert!(number(&sign(&channel, SignatureLocation::Headers).await.unwrap()) > 1);
    no_secret_in(&signer.whole_log());
}

/// As of keys from files, and of what `aws-config` and the crates under it received and parsed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pitfall_18_nothing_of_replaced_credentials_is_left_in_memory() {
    let secrets = (1..=20).map(|number| {
        let [_, secret, _] = credentials(number);
        (number.to_string(), secret.rsplit('/').next().unwrap().as_bytes().to_vec())
    });
    let secrets = Parts::new(secrets.collect());
    for provider in [WEB_IDENTITY, CONTAINER, INSTANCE] {
        let aws = Aws::start(Mode::Issues, 3);
        let setup = Setup::new(&aws, provider);
        let signer = setup.start();
        let channel = ready(&signer).await;
        sign(&channel, SignatureLocation::Headers).await.unwrap();
        tokio::task::block_in_place(|| signer.logged("credentials obtained", 2));
        sign(&channel, SignatureLocation::Query).await.unwrap();
        let Some(found) = look(&secrets, &signer) else { return };
        assert!(!found.is_empty() && !found.contains_key("1"), "{provider}: {found:?}");
    }
}

/// Also in the middle of a question: aws-config would ask again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_a_reload_drops_asks_no_more() {
    let aws = Aws::start(Mode::Hangs, 600);
    let mut setup = Setup::new(&aws, CONTAINER);
    setup.environment.extend(ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let signer = setup.start();
    tokio::task::block_in_place(|| aws.asked(1));
    setup.configure("provider = 'environment'", "1h");
    ready(&signer).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = aws.requests().len();
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(aws.requests().len(), asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_a_provider_whose_settings_have_not_changed() {
    let aws = Aws::start(Mode::Issues, 600);
    let setup = Setup::new(&aws, WEB_IDENTITY);
    let signer = setup.start();
    let channel = ready(&signer).await;
    setup.configure(WEB_IDENTITY, "2h");
    tokio::task::block_in_place(|| signer.logged("keys, grants and tokens reloaded", 1));
    assert_eq!(number(&sign(&channel, SignatureLocation::Headers).await.unwrap()), 1);
    assert_eq!(aws.issued(), 1, "nothing was asked again");

    setup.configure("provider = 'web-identity', role_arn = 'arn:aws:iam::123456789012:role/other'", "2h");
    tokio::task::block_in_place(|| {
        signer.logged("keys, grants and tokens reloaded", 2);
        signer.logged("credentials obtained", 2);
    });
    assert_eq!(number(&sign(&channel, SignatureLocation::Headers).await.unwrap()), 2);
    assert!(aws.requests()[1].contains("role%2Fother"), "{:?}", aws.requests());

    // What cannot be is refused, and the old one stays.
    setup.configure("provider = 'environment'", "2h");
    let line = tokio::task::block_in_place(|| signer.logged("configuration not reloaded", 1));
    assert!(line.contains("AWS_ACCESS_KEY_ID is not set in the environment"), "{line}");
    assert_eq!(number(&sign(&channel, SignatureLocation::Headers).await.unwrap()), 2);
    assert_eq!(aws.issued(), 2);
}
