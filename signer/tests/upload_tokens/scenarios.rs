//! The vectors: every scenario through gRPC, on both stores.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path};

use prost_types::Timestamp;
use safelight_proto::{reason, signer::v1 as pb};
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tonic::{Code, Status};

use crate::{
    place::Place,
    served::{Client, Served, client},
};

#[tokio::test(flavor = "multi_thread")]
async fn pitfall_17_every_scenario_on_both_stores() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/one_time_upload.json");
    let cases: Vec<Json> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 30);
    for (name, place) in Place::all() {
        let mut run =
            Run { served: Some(Served::start(&place.toml()).await), place, tokens: BTreeMap::new() };
        for case in &cases {
            let (steps, results) = (&case["inputs"]["steps"], &case["expected"]["results"]);
            let (steps, results) = (steps.as_array().unwrap(), results.as_array().unwrap());
            assert_eq!(steps.len(), results.len());
            run.tokens.clear();
            for (index, (step, expected)) in steps.iter().zip(results).enumerate() {
                let told = run.step(index, step).await;
                for (field, value) in expected.as_object().unwrap() {
                    assert_eq!(
                        &told[field], value,
                        "{name}: {} ({}), step {index}: {told}",
                        case["id"], case["name"]
                    );
                }
            }
        }
        println!("one_time_upload on {name}: {} scenarios", cases.len());
    }
}

/// Scenario 018 keeps Cloudflare's limit; where the configuration says so, there is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_private_custom_id_is_an_option() {
    let place = Place::embedded();
    let toml = place.toml().replace("[upload_tokens]", "[upload_tokens]\nprivate_custom_ids = true");
    let mut run = Run { served: Some(Served::start(&toml).await), place, tokens: BTreeMap::new() };
    let step = json!({"call": "CreateUploadToken", "at": 1_700_000_000, "image_id": "my/id", "require_signed_urls": true});
    assert_eq!(run.step(0, &step).await["status"], "OK");
}

struct Run {
    // `None` only between two.
    served: Option<Served>,
    place: Place,
    tokens: BTreeMap<usize, String>,
}

impl Run {
    fn served(&self) -> &Served {
        self.served.as_ref().unwrap()
    }

    async fn step(&mut self, index: usize, step: &Json) -> Json {
        match step["call"].as_str().unwrap() {
            "RESTART" => {
                self.served.take().unwrap().stop().await;
                self.served = Some(Served::start(&self.place.toml()).await);
                json!({})
            }
            "PARALLEL" => {
                let mut calls = JoinSet::new();
                for _ in 0..step["n"].as_u64().unwrap() {
                    let redeem = self.redeem(&step["step"]);
                    let mut client = self.served().client();
                    calls.spawn(async move { client.redeem_upload_token(redeem).await });
                }
                let told = calls.join_all().await;
                let mut others: Vec<_> = told
                    .iter()
                    .filter_map(|told| told.as_ref().err())
                    .map(|status| code(status.code()))
                    .collect();
                others.dedup();
                assert_eq!(others.len(), 1, "{others:?}");
                json!({"ok_count": told.iter().filter(|told| told.is_ok()).count(), "other_status": others[0]})
            }
            "CRASH_AFTER_COMMIT" => {
                let redeem = self.redeem(&step["step"]);
                let token = redeem.token.clone();
                let account = redeem.account.clone();
                let status = lost_answer(self.served().addr, redeem, async || {
                    let get = pb::GetUploadTokenRequest {
                        account: account.clone(),
                        selector: Some(pb::get_upload_token_request::Selector::Token(token.clone())),
                    };
                    let told = self.served().client().get_upload_token(get).await.unwrap().into_inner();
                    told.upload_token.unwrap().state() == pb::UploadTokenState::Redeemed
                })
                .await;
                self.place.crash();
                refusal(&status)
            }
            "CreateUploadToken" => {
                self.set_clock(step);
                let told = self.served().client().create_upload_token(create(step)).await;
                told.map_or_else(|status| refusal(&status), |created| {
                    let created = created.into_inner();
                    let state = created.state().as_str_name().trim_start_matches("UPLOAD_TOKEN_STATE_");
                    self.tokens.insert(index, created.token.clone());
                    json!({"status": "OK", "expire_time": created.expire_time.unwrap().seconds, "upload_state": state})
                })
            }
            "RedeemUploadToken" => {
                let redeem = self.redeem(step);
                let told = self.served().client().redeem_upload_token(redeem).await;
                told.map_or_else(
                    |status| refusal(&status),
                    |told| json!({"status": "OK", "replayed": told.into_inner().replayed}),
                )
            }
            "CancelUploadToken" => {
                let redeem = self.redeem(step);
                let cancel = pb::CancelUploadTokenRequest {
                    account: redeem.account,
                    selector: Some(pb::cancel_upload_token_request::Selector::Token(redeem.token)),
                };
                let told = self.served().client().cancel_upload_token(cancel).await;
                told.map_or_else(|status| refusal(&status), |_| json!({"status": "OK"}))
            }
            other => panic!("{other}"),
        }
    }

    /// Sets the clock as the step says.
    fn set_clock(&self, step: &Json) {
        self.served().clock.set(step["at"].as_u64().unwrap());
    }

    /// The request of a step about a token, with the clock set.
    fn redeem(&self, step: &Json) -> pb::RedeemUploadTokenRequest {
        self.set_clock(step);
        let made_by: usize = step["token"].as_str().unwrap().strip_prefix('$').unwrap().parse().unwrap();
        pb::RedeemUploadTokenRequest {
            account: account(step),
            token: self.tokens[&made_by].clone(),
            request_id: step["request_id"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

fn account(step: &Json) -> String {
    step["account"].as_str().unwrap_or("acct").to_owned()
}

fn create(step: &Json) -> pb::CreateUploadTokenRequest {
    pb::CreateUploadTokenRequest {
        account: account(step),
        image_id: step["image_id"].as_str().unwrap_or_default().to_owned(),
        expiry: step["expire_time"].as_i64().map(|seconds| {
            pb::create_upload_token_request::Expiry::ExpireTime(Timestamp { seconds, nanos: 0 })
        }),
        require_signed_urls: step["require_signed_urls"].as_bool().unwrap_or(false),
        ..Default::default()
    }
}

fn refusal(status: &Status) -> Json {
    json!({"status": code(status.code()), "reason": reason::of(status)})
}

fn code(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        // What a client makes of a connection that breaks: gRPC's rules say the first, tonic says the second.
        Code::Unavailable | Code::Unknown => "UNAVAILABLE",
        other => panic!("{other:?}"),
    }
}

/// Redeems over a connection on which nothing comes back, and which is cut once the write is durable.
async fn lost_answer(
    signer: SocketAddr,
    redeem: pb::RedeemUploadTokenRequest,
    is_redeemed: impl AsyncFn() -> bool,
) -> Status {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut through: Client = client(listener.local_addr().unwrap());
    let call = tokio::spawn(async move { through.redeem_upload_token(redeem).await });
    let (mut near, _) = listener.accept().await.unwrap();
    let mut far = TcpStream::connect(signer).await.unwrap();
    let mut buffer = vec![0; 16 * 1024];
    while !is_redeemed().await {
        assert!(!call.is_finished(), "nothing may come back");
        tokio::select! {
            read = near.read(&mut buffer) => {
                let read = read.unwrap();
                far.write_all(&buffer[..read]).await.unwrap();
            }
            () = tokio::time::sleep(std::time::Duration::from_millis(5)) => {}
        }
    }
    drop((near, far, listener));
    call.await.unwrap().unwrap_err()
}
