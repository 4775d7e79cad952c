//! What is left of a key in the memory of a signer that no longer has it.
//!
//! Not looked for are session tokens of AWS: they are a part of every presigned URL that a caller is given.
//!
//! # Layout
//! - `keys`: a key of every scheme
//! - `forms`: in which forms a secret can stand in memory
//! - `search`: finds parts of these in a process

mod forms;
mod keys;
pub(crate) mod search;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use safelight_proto::signer::v1::{
    FormField, SignOriginRequestRequest, SignPostPolicyRequest, SignUploadRequest, SignUrlRequest,
    SignatureLocation, Verdict, VerifyUploadRequest, VerifyUrlRequest,
    sign_post_policy_request::{Object, Type},
    sign_url_request::Expiry,
    signer_service_client::SignerServiceClient,
    verifier_service_client::VerifierServiceClient,
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use self::{
    keys::{KEYS, Tested},
    search::{Found, Parts},
};
use crate::{Signer, replace, write};

const ORIGIN: &str = "https://h.example";
const URL: &str = "https://h.example/demo/image/upload/a.jpg";
const OBJECT: &str = "https://photos.s3.eu-west-1.amazonaws.com/a.jpg";
const REGION: &str = "eu-west-1";

/// Calls at once with each key, and how often.
const CLIENTS: usize = 8;
const ROUNDS: usize = 3;

/// Without a line for every call.
const QUIET: (&str, &str) = ("SAFELIGHT_LOG_LEVEL", "info,safelight_chassis::layer::call_log=warn");

/// The configuration and its files.
struct Place {
    directory: TempDir,
    /// Forms of the secrets of version 1 and of version 2.
    versions: [Vec<(String, Vec<u8>)>; 2],
}

/// The days, as SigV4 writes them, on which the test runs.
fn days() -> Vec<String> {
    let day = |ahead| {
        let time = SystemTime::now() + Duration::from_secs(ahead);
        humantime::format_rfc3339_seconds(time).to_string()[..10].replace('-', "")
    };
    [0, 600].map(day).into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

impl Place {
    fn new() -> Self {
        let mut place = Self { directory: tempfile::tempdir().unwrap(), versions: [Vec::new(), Vec::new()] };
        write(&place.path("kek"), &hex::encode([7; 32]));
        let days = days();
        for (key, option) in secrets() {
            for version in [1, 2] {
                let secret = if option == "salt" { key.salt() } else { key.secret(&days, REGION) };
                place.put(key, version, option, &secret.file);
                let label = |form| format!("{} {option} {form}", key.name);
                let forms = secret.forms.into_iter().map(|(form, bytes)| (label(form), bytes));
                place.versions[version - 1].extend(forms);
            }
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, key: &Tested, version: usize, option: &str) -> PathBuf {
        self.path(&format!("{}-{option}-{version}", key.name))
    }

    fn put(&self, key: &Tested, version: usize, option: &str, content: &str) {
        let path = self.file(key, version, option);
        write(&path, content);
        if key.is_sealed {
            let plain = path.with_extension("plain");
            fs::rename(&path, &plain).unwrap();
            let sealed = Command::new(env!("CARGO_BIN_EXE_safelight-signer"))
                .args(["seal", "--name", key.name, "--scheme", key.scheme])
                .args(["--version", &version.to_string(), "--option", &format!("{option}_file")])
                .args([Path::new("--key-encryption-key-file"), &self.path("kek")])
                .args([Path::new("--secret-file"), &plain, Path::new("--output"), &path])
                .output()
                .unwrap();
            assert!(sealed.status.success(), "{}", String::from_utf8_lossy(&sealed.stderr));
            fs::remove_file(plain).unwrap();
        }
    }

    /// Version 1 in this state, version 2 in that one.
    fn config(&self, states: [&str; 2]) -> String {
        let directory = self.directory.path().display();
        let mut text = format!(
            "reload_interval = '1h'\nkey_encryption_key_file = '{directory}/kek'\n\
             [[grants]]\ncaller = 'anonymous'\nmethods = ['*']\nkeys = ['*']\nhttp_methods = ['GET', 'PUT']\n"
        );
        for key in &KEYS {
            text += &format!("[[keys]]\nname = '{}'\nscheme = '{}'\n{}\n", key.name, key.scheme, key.options);
            for (version, state) in [1, 2].into_iter().zip(states) {
                text += &format!(
                    "[[keys.versions]]\nid = {version}\nstate = '{state}'\n{}\n",
                    key.version_options
                );
                for (_, option) in secrets().filter(|(other, _)| other.name == key.name) {
                    let file = self.file(key, version, option);
                    text += &format!("{option}_file = '{}'\n", file.display());
                }
            }
        }
        text
    }
}

/// Every key with the names of its secrets.
fn secrets() -> impl Iterator<Item = (&'static Tested, &'static str)> {
    KEYS.iter().flat_map(|key| {
        ["secret", "salt"].into_iter().take(1 + usize::from(key.has_salt)).map(move |option| (key, option))
    })
}

/// Labels of what a signer has to hold.
fn held() -> BTreeSet<String> {
    let labels = secrets().flat_map(|(key, option)| {
        let forms = if option == "salt" { &["as it is"][..] } else { key.held() };
        forms.iter().map(move |form| format!("{} {option} {form}", key.name))
    });
    labels.collect()
}

/// Signs and verifies with every key, several at once.
async fn use_all(signer: &Signer, version: u32) {
    let mut calls = JoinSet::new();
    for client in 0..CLIENTS {
        let channel = Channel::from_shared(signer.address.clone()).unwrap().connect().await.unwrap();
        calls.spawn(async move {
            for round in 0..ROUNDS {
                for place in 0..KEYS.len() {
                    use_one(&channel, &KEYS[(client + place) % KEYS.len()], version, round).await;
                }
            }
        });
    }
    calls.join_all().await;
}

async fn use_one(channel: &Channel, key: &Tested, version: u32, round: usize) {
    let mut sign = SignerServiceClient::new(channel.clone());
    let mut verifier = VerifierServiceClient::new(channel.clone());
    let name = key.name.to_owned();
    let used = match key.scheme {
        "aws-sigv4" => {
            let location =
                if round.is_multiple_of(2) { SignatureLocation::Headers } else { SignatureLocation::Query };
            let mut request = SignOriginRequestRequest {
                key: name,
                method: "GET".to_owned(),
                url: OBJECT.to_owned(),
                region: REGION.to_owned(),
                ..Default::default()
            };
            request.set_location(location);
            let form = SignPostPolicyRequest {
                key: request.key.clone(),
                url: "https://photos.s3.example/".to_owned(),
                bucket: "photos".to_owned(),
                region: REGION.to_owned(),
                object: Some(Object::ObjectKey("a".to_owned())),
                max_bytes: 1,
                r#type: Some(Type::ContentType("image/png".to_owned())),
                ..Default::default()
            };
            assert_eq!(sign.sign_post_policy(form).await.unwrap().into_inner().key_version, version);
            sign.sign_origin_request(request).await.unwrap().into_inner().key_version
        }
        "cloudinary-upload" => {
            let request = SignUploadRequest { key: name.clone(), parameters: None };
            let signed = sign.sign_upload(request).await.unwrap().into_inner();
            let fields: Vec<FormField> = signed.form_fields;
            let verified = verifier.verify_upload(VerifyUploadRequest { key: name, fields }).await.unwrap();
            assert_eq!(verified.get_ref().verdict(), Verdict::Valid);
            signed.key_version
        }
        _ => {
            let ttl = prost_types::Duration { seconds: 600, nanos: 0 };
            let expiry = key.expires.then_some(Expiry::Ttl(ttl));
            let request =
                SignUrlRequest { key: name.clone(), url: URL.to_owned(), expiry, ..Default::default() };
            let signed = sign.sign_url(request).await.map_err(|status| (key.name, status)).unwrap();
            let signed = signed.into_inner();
            let request = VerifyUrlRequest {
                key: name,
                request_target: signed.signed_url.strip_prefix(ORIGIN).unwrap().to_owned(),
                origin: ORIGIN.to_owned(),
                ..Default::default()
            };
            let verified = verifier.verify_url(request).await.unwrap().into_inner();
            assert_eq!(verified.verdict(), Verdict::Valid, "{}", key.name);
            signed.key_version
        }
    };
    assert_eq!(used, version, "{}", key.name);
}

/// What is found in the signer's memory; `None` where the system does not let us look.
pub(crate) fn look(parts: &Parts, signer: &Signer) -> Option<Found> {
    match parts.in_process(signer.id()) {
        Ok(found) => Some(found),
        Err(error) => {
            println!("SKIPPED: the system does not let us read the memory of a child: {error}");
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{error}");
            None
        }
    }
}

/// While a key is used, its memory holds what signs and nothing that was only on the way to it. Once it is gone, nothing:
/// neither in freed memory nor on the stack of any thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pitfall_18_nothing_of_a_destroyed_key_is_left_in_memory() {
    let mut place = Place::new();
    let [old, new] = std::mem::take(&mut place.versions).map(Parts::new);
    let held = held();
    let config = place.path("signer.toml");
    write(&config, &place.config(["primary", "verify-only"]));
    let signer = Signer::start_with(&config, &[QUIET]);
    use_all(&signer, 1).await;
    let Some(found) = look(&old, &signer) else { return };
    // That all are found shows that the search works.
    assert_eq!(found.keys().collect::<BTreeSet<_>>(), held.iter().collect(), "{found:#?}");

    replace(&config, &place.config(["disabled", "primary"]));
    for (key, option) in secrets() {
        fs::remove_file(place.file(key, 1, option)).unwrap();
    }
    signer.hangup();
    tokio::task::block_in_place(|| signer.logged("keys, grants and tokens reloaded", 1));
    // All calls that began before have been answered. Nothing more is needed, such as calls that would write over it.
    assert_eq!(look(&old, &signer).unwrap(), Found::new(), "at once");
    use_all(&signer, 2).await;
    assert_eq!(look(&old, &signer).unwrap(), Found::new(), "after other calls");
    let found = look(&new, &signer).unwrap();
    assert_eq!(found.keys().collect::<BTreeSet<_>>(), held.iter().collect(), "{found:#?}");
}
