//! The audit trail of a real signer: complete, closed in order, going on after a crash, and without it no answer.

use std::{fs, path::PathBuf, process::Command};

use safelight_proto::{
    reason,
    signer::v1::{
        SignUrlRequest, VerifyUrlRequest, signer_service_client::SignerServiceClient,
        verifier_service_client::VerifierServiceClient,
    },
};
use serde_json::Value as Json;
use tempfile::TempDir;
use tonic::{Code, Request, transport::Channel};

use crate::{Signer, write};

const SECRET: &str = "fake-audited-secret";

struct Place(TempDir);

impl Place {
    fn new(mode: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        write(&place.path("secret"), SECRET);
        write(&place.path("audit-key"), "fake-audit-key");
        let text = "[[grants]]\ncaller = \"anonymous\"\nmethods = [\"SignUrl\", \"VerifyUrl\"]\nkeys = [\"web\"]\n\
            [[keys]]\nname = \"web\"\nscheme = \"cloudflare-images\"\nmax_ttl = \"1h\"\n\
            versions = [{ id = 3, state = \"primary\", secret_file = \"DIR/secret\" }]\n\
            [audit]\nsink = \"file\"\npath = \"DIR/audit.jsonl\"\nkey_file = \"DIR/audit-key\"\nmode = \"MODE\"\n\
            [[tokens]]\ncaller = \"x\"\nsha256 = \"00000000000000000000000000000000000000000000000000000000000000ff\"\n";
        let text = text.replace("DIR", &place.0.path().display().to_string()).replace("MODE", mode);
        write(&place.config(), &text);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("signer.toml")
    }

    /// `audit verify`: whether it holds, and what it says.
    fn verify(&self, more: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_safelight-signer"))
            .args(["audit", "verify", "--key-file"])
            .arg(self.path("audit-key"))
            .arg(self.path("audit.jsonl"))
            .args(more)
            .output()
            .unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(told).unwrap())
    }

    fn records(&self) -> Vec<Json> {
        let text = fs::read_to_string(self.path("audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn url(n: usize) -> SignUrlRequest {
    let url = format!("https://h.example/private-holiday-{n}.jpg?width=fake-query-value");
    SignUrlRequest { key: "web".to_owned(), url, ..Default::default() }
}

async fn clients(signer: &Signer) -> (SignerServiceClient<Channel>, VerifierServiceClient<Channel>) {
    let channel = Channel::from_shared(signer.address.clone()).unwrap().connect().await.unwrap();
    (SignerServiceClient::new(channel.clone()), VerifierServiceClient::new(channel))
}

#[tokio::test]
async fn pitfall_19_every_call_leaves_a_record_that_says_who_did_what_and_nothing_secret() {
    let place = Place::new("required");
    let signer = Signer::start(&place.config());
    let (mut sign, mut verify) = clients(&signer).await;
    let signed = sign.sign_url(url(1)).await.unwrap().into_inner().signed_url;
    let target = signed.trim_start_matches("https://h.example").to_owned();
    for request_target in [target.clone(), format!("{target}x")] {
        let request = VerifyUrlRequest { key: "web".to_owned(), request_target, ..Default::default() };
        verify.verify_url(request).await.unwrap();
    }
    let other = SignUrlRequest { key: "other".to_owned(), ..url(2) };
    assert_eq!(sign.sign_url(other).await.unwrap_err().code(), Code::PermissionDenied);
    assert!(sign.sign_url(SignUrlRequest { url: "nonsense".to_owned(), ..url(3) }).await.is_err());
    // Refused at the gate: no grant for the method; a token that is nobody's.
    sign.sign_upload(safelight_proto::signer::v1::SignUploadRequest::default()).await.unwrap_err();
    let mut request = Request::new(url(4));
    request.metadata_mut().insert("authorization", "Bearer fake-bearer-token".parse().unwrap());
    assert_eq!(sign.sign_url(request).await.unwrap_err().code(), Code::Unauthenticated);
    signer.hangup();
    signer.logged("nothing has changed", 1);
    signer.stop().await;

    let (holds, told) = place.verify(&[]);
    assert!(holds && told.contains("stopped in order"), "{told}");
    let records = place.records();
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let text =
                |name: &str| record[name].as_str().unwrap_or("-").rsplit('/').next().unwrap().to_owned();
            [text("event"), text("caller"), text("method"), text("key"), text("verdict"), text("reason")]
                .join(" ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "open - - - - OK",
            "call anonymous SignUrl web - OK",
            "call anonymous VerifyUrl web VALID OK",
            "call anonymous VerifyUrl web INVALID SIGNATURE_MALFORMED",
            "call anonymous SignUrl other - CALLER_DENIED",
            "call anonymous SignUrl web - URL_INVALID",
            "refused anonymous SignUpload - - CALLER_DENIED",
            "refused - SignUrl - - CALLER_UNKNOWN",
            "close - - - - OK",
        ]
    );
    assert_eq!((&records[1]["key_version"], &records[2]["key_version"]), (&3.into(), &3.into()));
    assert!(records[1]["request_id"].is_string() && records[1]["time"].is_string());
    let text = fs::read_to_string(place.path("audit.jsonl")).unwrap();
    let signature = signed.rsplit('=').next().unwrap();
    for secret in [SECRET, signature, "holiday", "fake-query-value", "fake-bearer-token", "fake-audit-key"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }

    // An edit is found.
    fs::write(place.path("audit.jsonl"), text.replacen("anonymous", "somebody!", 1)).unwrap();
    let (holds, told) = place.verify(&[]);
    assert!(!holds && told.contains("record 2"), "{told}");
}

#[tokio::test]
async fn pitfall_21_a_full_disk_stops_answers_where_the_trail_is_required() {
    for (mode, stops) in [("required", true), ("best-effort", false)] {
        let place = Place::new(mode);
        let signer = Signer::start_with_little_disk(&place.config(), 8);
        let (mut sign, _) = clients(&signer).await;
        let mut answered = 0;
        let mut refused = 0;
        for n in 0..60 {
            match sign.sign_url(url(n)).await {
                Ok(_) => answered += 1,
                Err(status) => {
                    refused += 1;
                    assert_eq!(status.code(), Code::Unavailable);
                    assert_eq!(reason::of(&status).as_deref(), Some("AUDIT_UNAVAILABLE"));
                }
            }
        }
        assert_eq!(refused > 0, stops, "{mode}: {answered} answered, {refused} refused");
        signer.logged("audit records not written", 1);
        if stops {
            // What was answered stands in the file, whole.
            let calls = place.records_of_whole_lines();
            assert_eq!(calls, answered);
        }
        // With room again the chain goes on, in another process.
        signer.crash();
        let signer = Signer::start(&place.config());
        let (mut sign, _) = clients(&signer).await;
        sign.sign_url(url(1)).await.unwrap();
        signer.stop().await;
        let (holds, told) = place.verify(&[]);
        assert!(holds, "{told}");
    }
}

impl Place {
    fn records_of_whole_lines(&self) -> usize {
        let text = fs::read_to_string(self.path("audit.jsonl")).unwrap();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.filter(|line| line.contains("\"event\":\"call\"")).count()
    }
}

#[tokio::test]
async fn what_was_answered_before_a_crash_is_in_the_trail() {
    let place = Place::new("required");
    let signer = Signer::start(&place.config());
    let (sign, _) = clients(&signer).await;
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let mut sign = sign.clone();
            tokio::spawn(async move { sign.sign_url(url(n)).await.is_ok() })
        })
        .collect();
    let mut answered = 0;
    for task in tasks {
        answered += usize::from(task.await.unwrap());
    }
    assert_eq!(answered, 64);
    signer.crash();
    let (holds, told) = place.verify(&[]);
    assert!(holds && told.contains("was killed"), "{told}");
    let head = told.lines().last().unwrap().trim_start_matches("head ").to_owned();
    assert_eq!(place.records().iter().filter(|record| record["event"] == "call").count(), answered);

    let signer = Signer::start(&place.config());
    signer.stop().await;
    let (holds, told) = place.verify(&["--head", &head]);
    assert!(holds, "{told}");
    // Cut off behind the third record: only the noted head shows it.
    let text = fs::read_to_string(place.path("audit.jsonl")).unwrap();
    let cut: String = text.split_inclusive('\n').take(3).collect();
    fs::write(place.path("audit.jsonl"), cut).unwrap();
    assert!(place.verify(&[]).0);
    let (holds, told) = place.verify(&["--head", &head]);
    assert!(!holds && told.contains("cut off"), "{told}");
}
