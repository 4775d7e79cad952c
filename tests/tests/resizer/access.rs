//! Who may do what: callers by token, their grants, and what is public.

use std::{fs, path::PathBuf, time::Duration};

use futures_util::stream;
use safelight_chassis::server::Server;
use safelight_local::{Settings, picture::sample, running::Running, stack};
use safelight_proto::{
    framing,
    image::v1::TransformOptions,
    reason::Reason,
    resizer::v1::{
        DeleteObjectRequest, DeliverRequest, InspectOpen, ListVariantsRequest, ResizeObjectRequest,
        ResizeOpen, UpdateObjectRequest, UploadSource, inspect_open,
        resizer_service_client::ResizerServiceClient,
    },
};
use safelight_resizer::{Config, Resizer, access::Watch};
use sha2::{Digest, Sha256};
use tonic::{Request, Status, service::interceptor::InterceptedService, transport::Channel};
use tonic_types::StatusExt as _;

use crate::harness::*;

const CALLERS: [&str; 5] = ["everything", "object", "edge", "small", "owner"];

/// Grants of those callers.
const GRANTS: &str = r#"
[[grants]]
caller = "everything"
methods = ["*"]
origins = ["*"]
routes = ["*"]
uploads = ["*"]
[[grants]]
caller = "object"
methods = ["ResizeObject", "Inspect"]
origins = ["photos"]
key_prefixes = ["albums/"]
[[grants]]
caller = "owner"
methods = ["UpdateObject", "DeleteObject"]
origins = ["photos"]
key_prefixes = ["albums/"]
[[grants]]
caller = "edge"
methods = ["Deliver"]
routes = ["fixed"]
[[grants]]
caller = "small"
methods = ["Resize"]
max_width = 20
max_height = 20
"#;

type Client = ResizerServiceClient<InterceptedService<Channel, Token>>;

/// Shows a token with every call.
#[derive(Clone)]
struct Token(Option<String>);

impl tonic::service::Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(caller) = &self.0 {
            let value = format!("Bearer fake-token-of-{caller}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

struct Guarded {
    local: Local,
    running: Running,
    /// The configuration file.
    path: PathBuf,
}

/// A resizer with these grants beside a local stack, which reads its file again often.
async fn guarded(grants: &str) -> Guarded {
    let routes = "[[routes]]\nname = 'fixed'\npath = '/fixed/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\n";
    let local = start(Settings { resizer_toml: routes.to_owned(), ..Settings::default() }).await;
    let whole = fs::read_to_string(local.stack.dir().join("resizer.toml")).unwrap();
    let (start, rest) = whole.split_once("[[grants]]").unwrap();
    let (_, rest) = rest.split_once("[limits]").unwrap();
    let tokens: String = CALLERS
        .iter()
        .map(|caller| {
            let hash = hex::encode(Sha256::digest(format!("fake-token-of-{caller}")));
            format!("[[tokens]]\ncaller = '{caller}'\nsha256 = '{hash}'\n")
        })
        .collect();
    let text = format!("reload_interval = '100ms'\n{start}{tokens}{grants}\n[limits]{rest}");
    let path = local.stack.dir().join("guarded.toml");
    fs::write(&path, text).unwrap();
    let config = Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
    let watch = Watch::new(&config, path.clone());
    let server = Server::new(safelight_resizer::limits()).reflection(safelight_proto::FILE_DESCRIPTOR_SET);
    let running = Running::start(Resizer::new(config).unwrap().add_to(server), 0).await.unwrap();
    watch.start().unwrap();
    local.put("albums/a.png", sample::png(48, 32).unwrap()).await;
    local.put("b.png", sample::png(48, 32).unwrap()).await;
    Guarded { local, running, path }
}

impl Guarded {
    async fn client(&self, caller: Option<&str>) -> Client {
        let channel = stack::connect(&self.running).await.unwrap();
        ResizerServiceClient::with_interceptor(channel, Token(caller.map(str::to_owned)))
    }
}

/// What became of a call: what no grant allows, or `None` where all was allowed. Every other refusal is none of grants.
async fn missing<T>(answer: Result<T, Status>) -> Option<String> {
    let status = answer.err()?;
    refused(Err::<(), _>(status.clone()), Reason::CallerDenied);
    Some(status.get_details_error_info().unwrap().metadata["denied"].clone())
}

async fn resize(client: &mut Client, width: u32) -> Result<(), Status> {
    let options = TransformOptions { width: Some(width), ..png() };
    let open = ResizeOpen { outputs: vec![output("", options)], ..Default::default() };
    let messages: Vec<_> = framing::resize(open, sample::png(48, 32).unwrap().into()).collect();
    let mut frames = client.resize(stream::iter(messages)).await?.into_inner();
    while frames.message().await?.is_some() {}
    Ok(())
}

async fn resize_object(client: &mut Client, key: &str) -> Result<(), Status> {
    let request = ResizeObjectRequest {
        source: Some(object(key)),
        outputs: vec![output("", png())],
        ..Default::default()
    };
    let mut frames = client.resize_object(request).await?.into_inner();
    while frames.message().await?.is_some() {}
    Ok(())
}

async fn inspect(client: &mut Client, key: Option<&str>) -> Result<(), Status> {
    let source = match key {
        Some(key) => inspect_open::Source::Object(object(key)),
        None => inspect_open::Source::Upload(UploadSource::default()),
    };
    let open = InspectOpen { source: Some(source) };
    let messages: Vec<_> = framing::inspect(open, sample::png(48, 32).unwrap().into()).collect();
    client.inspect(stream::iter(messages)).await.map(|_| ())
}

async fn fetch(client: &mut Client, url: String) -> Result<(), Status> {
    let mut frames = client.deliver(DeliverRequest { url, ..Default::default() }).await?.into_inner();
    while frames.message().await?.is_some() {}
    Ok(())
}

/// Method × caller → what was missing.
#[tokio::test]
async fn a_caller_gets_what_its_grants_say_and_nothing_else() {
    let guarded = guarded(GRANTS).await;
    let by_other_route = guarded.local.sign("/acct/b.png/card").await;
    let by_route = guarded.local.sign("/fixed/b.png/card").await;
    let calls = [
        "resize 20",
        "resize 21",
        "object albums/a.png",
        "object b.png",
        "inspect b.png",
        "inspect",
        "signed",
        "signed fixed",
        "public",
        "list",
    ];
    let denied = |what: &'static str| Some(what);
    let method = denied("method");
    let table: [(Option<&str>, [Option<&str>; 10]); 5] = [
        (Some("everything"), [None; 10]),
        (
            Some("object"),
            [
                method,
                method,
                None,
                denied("object key"),
                denied("object key"),
                None,
                denied("route"),
                denied("route"),
                None,
                method,
            ],
        ),
        (Some("edge"), [method, method, method, method, method, method, denied("route"), None, None, method]),
        (
            Some("small"),
            [
                None,
                denied("size"),
                method,
                method,
                method,
                method,
                denied("route"),
                denied("route"),
                None,
                method,
            ],
        ),
        (
            None,
            [method, method, method, method, method, method, denied("route"), denied("route"), None, method],
        ),
    ];
    for (caller, expected) in table {
        let mut client = guarded.client(caller).await;
        for (call, expected) in calls.iter().zip(expected) {
            let answer = match *call {
                "resize 20" => resize(&mut client, 20).await,
                "resize 21" => resize(&mut client, 21).await,
                "object albums/a.png" => resize_object(&mut client, "albums/a.png").await,
                "object b.png" => resize_object(&mut client, "b.png").await,
                "inspect b.png" => inspect(&mut client, Some("b.png")).await,
                "inspect" => inspect(&mut client, None).await,
                "signed" => fetch(&mut client, by_other_route.clone()).await,
                "signed fixed" => fetch(&mut client, by_route.clone()).await,
                "public" => fetch(&mut client, "/acct/b.png/thumbnail".to_owned()).await,
                _ => client.list_variants(ListVariantsRequest::default()).await.map(|_| ()),
            };
            if expected == Some("size") {
                refused(answer, Reason::SizeRefused);
            } else {
                assert_eq!(missing(answer).await.as_deref(), expected, "{caller:?} {call}");
            }
        }
    }
    // A token that is none is not anonymous.
    let mut client = guarded.client(Some("nobody")).await;
    refused(fetch(&mut client, "/acct/b.png/thumbnail".to_owned()).await, Reason::CallerUnknown);
}

/// What a stored object is, only those change who have a grant for it.
#[tokio::test]
async fn objects_are_changed_by_their_owners() {
    let guarded = guarded(GRANTS).await;
    let all =
        [("albums/a.png", None), ("b.png", Some("object key")), ("albums/../b.png", Some("object key"))];
    for (caller, of_origin) in [
        (Some("owner"), Some("origin")),
        (Some("object"), Some("method")),
        (Some("edge"), Some("method")),
        (None, Some("method")),
    ] {
        let mut client = guarded.client(caller).await;
        for (key, expected) in all {
            let expected = if caller == Some("owner") { expected } else { Some("method") };
            let named = |origin: &str| UpdateObjectRequest {
                origin: origin.into(),
                key: key.into(),
                require_signed_urls: Some(true),
                ..Default::default()
            };
            let answer = client.update_object(named("photos")).await;
            assert_eq!(missing(answer).await.as_deref(), expected, "{caller:?} {key}");
            assert_eq!(missing(client.update_object(named("other")).await).await.as_deref(), of_origin);
            let named =
                DeleteObjectRequest { origin: "photos".into(), key: key.into(), ..Default::default() };
            let answer = client.delete_object(named).await;
            assert_eq!(missing(answer).await.as_deref(), expected, "{caller:?} {key}");
        }
    }
    let found = guarded.local.stack.s3.get("photos", "albums/a.png").await.unwrap();
    assert!(found.is_none(), "the owner deleted it");
    assert!(guarded.local.stack.s3.get("photos", "b.png").await.unwrap().is_some());
}

#[tokio::test]
async fn grants_are_reloaded_and_a_bad_file_changes_nothing() {
    let guarded = guarded("").await;
    let mut client = guarded.client(Some("object")).await;
    assert_eq!(missing(resize_object(&mut client, "b.png").await).await.as_deref(), Some("method"));
    let without = fs::read_to_string(&guarded.path).unwrap();
    let with = without.replace(
        "[limits]",
        "[[grants]]\ncaller = 'object'\nmethods = ['ResizeObject']\norigins = ['photos']\n[limits]",
    );
    fs::write(&guarded.path, &with).unwrap();
    eventually("the new grant", async || resize_object(&mut client, "b.png").await.ok()).await;
    fs::write(&guarded.path, with.replace("methods = ['ResizeObject']", "methods = ['Nothing']")).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    resize_object(&mut client, "b.png").await.unwrap();
    fs::write(&guarded.path, &without).unwrap();
    eventually("the old grants", async || resize_object(&mut client, "b.png").await.err()).await;
}

/// On a connection that is there, from the next call on.
#[tokio::test]
async fn tokens_are_reloaded() {
    let guarded = guarded(GRANTS).await;
    let (mut revoked, mut added) = (guarded.client(Some("small")).await, guarded.client(Some("new")).await);
    resize(&mut revoked, 20).await.unwrap();
    refused(resize(&mut added, 20).await, Reason::CallerUnknown);
    let text = fs::read_to_string(&guarded.path).unwrap();
    let hash = |caller: &str| hex::encode(Sha256::digest(format!("fake-token-of-{caller}")));
    fs::write(&guarded.path, text.replace(&hash("small"), &hash("new"))).unwrap();
    eventually("the new token", async || resize(&mut added, 20).await.ok()).await;
    refused(resize(&mut revoked, 20).await, Reason::CallerUnknown);
}
