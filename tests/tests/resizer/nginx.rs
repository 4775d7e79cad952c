//! A real nginx with the configuration that `deploy/nginx` ships, but for its ports and paths, in front of the HTTP door.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::{Method, Response};
use safelight_local::{Settings, keys, picture::sample};
use safelight_proto::signer::v1::{SignUrlRequest, sign_url_request::Expiry};
use safelight_tests::counterpart;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::harness::*;

/// The host of the URLs.
const HOST: &str = "img.example.com";
/// Besides the stack's own: a route whose answers are kept for a second and may be served stale, and one for URLs that are
/// bound to an address.
const ROUTES: &str = "[[routes]]\npath = '/stale/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nmax_age = '1s'\n\
    http = { stale_if_error = '1h' }\n\
    [[routes]]\npath = '/short/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nmax_age = '1s'\n\
    [[routes]]\npath = '/bound/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'bunny'\nhttp = { cache = 'private' }\n\
    [[routes]]\npath = '/hosted/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'hosted'\n";

/// A stack and an nginx in front of it. Dropping it ends both.
struct Edge {
    local: Local,
    address: SocketAddr,
    child: Child,
    dir: TempDir,
}

impl Drop for Edge {
    fn drop(&mut self) {
        // Not SIGKILL: its workers would stay.
        drop(Command::new("kill").arg(self.child.id().to_string()).status());
        drop(self.child.wait());
    }
}

/// `None` without an nginx on the `PATH`.
async fn edge(http: &str) -> Option<Edge> {
    let program = counterpart::program("nginx")?;
    let dir = tempfile::tempdir().unwrap();
    let local = start(Settings {
        resizer_toml: ROUTES.to_owned(),
        signer_toml: hosted_and_bound_keys(dir.path()),
        http: http.to_owned(),
        ..Settings::default()
    })
    .await;
    local.put("a.png", sample::png(64, 48).unwrap()).await;
    let resizer = local.stack.resizer.http().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let address = free_port();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx/safelight.conf");
    let mut text = fs::read_to_string(shipped).unwrap();
    for (shipped, here) in [
        ("/var/cache/nginx/safelight", at("cache")),
        ("/var/log/nginx/safelight.log", at("access.log")),
        ("server 127.0.0.1:8080;", format!("server {resizer};")),
        ("listen 80;", format!("listen {address};")),
    ] {
        assert_eq!(text.matches(shipped).count(), 1, "{shipped}");
        text = text.replace(shipped, &here);
    }
    fs::write(dir.path().join("safelight.conf"), text).unwrap();
    // What a distribution's own file says around it. Temporary files go where this user may write.
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};", at(kind)));
    // Started as root, its workers would be someone else, who may not read the folder.
    let user = if fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
    {
        "user root;"
    } else {
        ""
    };
    let main = format!(
        "{user}\ndaemon off;\npid {};\nerror_log stderr crit;\nevents {{}}\nhttp {{\n{}\ninclude {};\n}}\n",
        at("pid"),
        temporary.join("\n"),
        at("safelight.conf"),
    );
    fs::write(dir.path().join("nginx.conf"), main).unwrap();
    let child = Command::new(program)
        .args(["-e", "stderr", "-c"])
        .arg(dir.path().join("nginx.conf"))
        .arg("-p")
        .arg(dir.path())
        .spawn()
        .unwrap();
    let mut edge = Edge { local, address, child, dir };
    eventually("nginx listens", async || {
        assert_eq!(edge.child.try_wait().unwrap(), None, "nginx ended");
        TcpStream::connect(edge.address).await.ok()
    })
    .await;
    Some(edge)
}

/// A key for URLs of one host, and one for URLs of one address.
fn hosted_and_bound_keys(dir: &Path) -> String {
    let secret = |name: &str| keys::write_fresh(dir, name).unwrap().0.display().to_string();
    format!(
        "[[keys]]\nname = 'hosted'\nscheme = 'cloudflare-images'\nallowed_hosts = ['{HOST}']\n\
         [[keys.versions]]\nid = 1\nstate = 'primary'\nsecret_file = '{}'\n\
         [[keys]]\nname = 'bunny'\nscheme = 'bunny'\n\
         [[keys.versions]]\nid = 1\nstate = 'primary'\nsecret_file = '{}'\n",
        secret("hosted-1"),
        secret("bunny-1"),
    )
}

/// nginx cannot be told to take any that is free.
fn free_port() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

impl Edge {
    async fn ask(&self, method: Method, target: &str, headers: &[(&str, &str)]) -> Response {
        let client = reqwest::Client::builder().no_proxy().resolve(HOST, self.address).build().unwrap();
        let url = format!("http://{HOST}:{}{target}", self.address.port());
        let mut request = client.request(method, url).header("host", HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, target: &str) -> Response {
        self.ask(Method::GET, target, &[]).await
    }

    fn fetched(&self) -> u64 {
        self.local.stack.s3.requests()
    }
}

fn cache(response: &Response) -> &str {
    field(response, "x-cache-status")
}

fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

#[tokio::test]
async fn the_second_request_is_a_hit_and_a_refusal_is_not_kept() {
    let Some(edge) = edge("").await else { return };
    let url = edge.local.sign("/acct/a.png/card").await;
    let first = edge.get(&url).await;
    assert_eq!((first.status().as_u16(), cache(&first)), (200, "MISS"), "{first:?}");
    let (etag, date) = (field(&first, "etag").to_owned(), field(&first, "date").to_owned());
    let first_id = field(&first, "x-request-id").to_owned();
    let bytes = first.bytes().await.unwrap();
    assert_eq!(edge.fetched(), 1);

    // Long enough for the date to be another, if nginx wrote it.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let second = edge.get(&url).await;
    assert_eq!((second.status().as_u16(), cache(&second)), (200, "HIT"), "{second:?}");
    assert_eq!(
        (field(&second, "etag"), field(&second, "date")),
        (&*etag, &*date),
        "a browser counts from this date"
    );
    assert_ne!(field(&second, "x-request-id"), first_id);
    assert_eq!(field(&second, "x-content-type-options"), "nosniff");
    assert_eq!(second.bytes().await.unwrap(), bytes);
    let head = edge.ask(Method::HEAD, &url, &[]).await;
    assert_eq!((head.status().as_u16(), cache(&head), field(&head, "etag")), (200, "HIT", &*etag));
    assert_eq!(field(&head, "content-length"), bytes.len().to_string());

    // The viewer's own copy.
    let unchanged = edge.ask(Method::GET, &url, &[("if-none-match", &etag)]).await;
    assert_eq!(
        (unchanged.status().as_u16(), cache(&unchanged), field(&unchanged, "etag")),
        (304, "HIT", &*etag)
    );
    assert!(field(&unchanged, "cache-control").contains("max-age="), "{unchanged:?}");
    assert_eq!(edge.fetched(), 1, "neither of them reached the origin");

    // Of another URL nothing is known, and no refusal is kept.
    for (target, status) in [
        (format!("{url}0"), 403),
        ("/acct/a.png/card".to_owned(), 403),
        (url.replace("a.png", "b.png"), 403),
        (edge.local.sign("/acct/missing.png/card").await, 404),
        ("/nothing".to_owned(), 404),
    ] {
        for _ in 0..2 {
            let refused = edge.get(&target).await;
            assert_eq!(
                (refused.status().as_u16(), cache(&refused)),
                (status, "MISS"),
                "{target}: {refused:?}"
            );
            assert_eq!(field(&refused, "cache-control"), "no-store");
        }
    }
    // What was missing is there as soon as it is.
    edge.local.put("missing.png", sample::png(8, 8).unwrap()).await;
    let target = edge.local.sign("/acct/missing.png/card").await;
    assert_eq!(edge.get(&target).await.status(), 200);

    // Signatures are in no log.
    let log = fs::read_to_string(edge.dir.path().join("access.log")).unwrap();
    assert!(log.contains("/acct/a.png/card 200") && log.contains(" HIT "), "{log}");
    assert!(!log.contains("sig="), "{log}");
}

#[tokio::test]
async fn nothing_is_served_beyond_its_expiry() {
    let Some(edge) = edge("").await else { return };
    for path in ["/acct/a.png/card", "/stale/a.png/card", "/short/a.png/card"] {
        let url = edge.local.sign_with("web", path, 4).await;
        let exp: f64 = url.split("exp=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
        let mut statuses = Vec::new();
        while statuses.last() != Some(&403) {
            let began = unix_now();
            let answer = edge.get(&url).await;
            let status = answer.status().as_u16();
            assert!(status != 200 || began < exp, "{path}: {} at {began}, beyond {exp}", cache(&answer));
            assert!(status == 200 || status == 403 && unix_now() >= exp, "{path}: {answer:?}");
            statuses.push(status);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(statuses.len() > 2, "{statuses:?}: it was there before");
    }
    // Without a signer nothing is verified anew; without a resizer only what may be stale is served.
    let (long, strict) =
        (edge.local.sign("/stale/a.png/card").await, edge.local.sign("/short/a.png/card").await);
    let short = edge.local.sign_with("web", "/stale/a.png/card", 5).await;
    for url in [&long, &strict, &short] {
        assert_eq!(edge.get(url).await.status(), 200);
    }
    edge.local.stack.signer.begin_stop();
    tokio::time::sleep(Duration::from_secs(6)).await;
    for url in [&long, &strict, &short] {
        let answer = edge.get(url).await;
        assert_eq!((answer.status().as_u16(), cache(&answer)), (503, "EXPIRED"), "{answer:?}");
    }
    let resizer = edge.local.stack.resizer.http().unwrap();
    edge.local.stack.resizer.begin_stop();
    eventually("the resizer listens no more", async || TcpStream::connect(resizer).await.err()).await;
    for (url, expected) in [(&long, (200, "STALE")), (&strict, (502, "EXPIRED")), (&short, (502, "EXPIRED"))]
    {
        let answer = edge.get(url).await;
        assert_eq!((answer.status().as_u16(), cache(&answer)), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_stale_is_revalidated_without_a_decode_and_made_once_for_many() {
    let Some(edge) = edge("").await else { return };
    let url = edge.local.sign("/short/a.png/card").await;
    let asked = edge.fetched();
    // Many at once: one is made.
    let answers = futures_util::future::join_all((0..8).map(|_| edge.get(&url))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200), "{answers:?}");
    assert_eq!(edge.fetched() - asked, 1);
    let etag = field(&answers[0], "etag").to_owned();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let answer = edge.get(&url).await;
    assert_eq!(
        (answer.status().as_u16(), cache(&answer), field(&answer, "etag")),
        (200, "REVALIDATED", &*etag)
    );
    let again = edge.ask(Method::GET, &url, &[("if-none-match", &etag)]).await;
    assert_eq!(again.status(), 304, "{again:?}");
}

#[tokio::test]
async fn each_viewer_gets_what_it_accepts() {
    let Some(edge) = edge("").await else { return };
    let url = edge.local.sign("/acct/a.png/w=32").await;
    for round in ["MISS", "HIT"] {
        for (accept, media_type) in
            [("image/avif,image/webp,*/*;q=0.8", "image/webp"), ("image/png,image/jpeg", "image/png")]
        {
            let answer = edge.ask(Method::GET, &url, &[("accept", accept)]).await;
            assert_eq!((answer.status().as_u16(), cache(&answer)), (200, round), "{accept}: {answer:?}");
            let found = field(&answer, "content-type").to_owned();
            assert_eq!(field(&answer, "vary"), "Accept");
            if media_type == "image/webp" {
                assert_eq!(found, media_type);
            } else {
                assert!(["image/png", "image/jpeg"].contains(&&*found), "{found}");
            }
        }
    }
}

#[tokio::test]
async fn the_resizer_knows_viewer_and_host_where_nginx_is_trusted() {
    for (http, trusted) in [("trusted_proxies = ['127.0.0.1']", true), ("", false)] {
        let Some(edge) = edge(http).await else { return };
        let mut signer = edge.local.stack.signer_client().await.unwrap();
        let mut sign = async |key: &str, path: &str, client_ip: &str| {
            let origin = format!("http://{HOST}");
            let request = SignUrlRequest {
                key: key.to_owned(),
                url: format!("{origin}{path}"),
                client_ip: client_ip.to_owned(),
                expiry: Some(Expiry::Ttl(prost_types::Duration { seconds: 3600, nanos: 0 })),
                ..SignUrlRequest::default()
            };
            let signed = signer.sign_url(request).await.unwrap().into_inner().signed_url;
            signed.strip_prefix(&origin).unwrap().to_owned()
        };
        // The host is what the viewer asked for, whatever it says besides.
        let hosted = sign("hosted", "/hosted/a.png/card", "").await;
        let answer = edge.ask(Method::GET, &hosted, &[("x-forwarded-host", "evil.example.com")]).await;
        assert_eq!(answer.status().as_u16(), 200, "{answer:?}");
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let other = client.get(format!("http://{}{hosted}", edge.address)).send().await.unwrap();
        assert_eq!(other.status().as_u16(), 403, "another host");

        // The address is that of the connection to nginx, and no answer of such a URL is kept.
        let bound = sign("bunny", "/bound/a.png/card", "127.0.0.5").await;
        for (local, status) in [("127.0.0.5", 200), ("127.0.0.6", 403), ("127.0.0.1", 403)] {
            let client =
                reqwest::Client::builder().no_proxy().local_address(local.parse::<std::net::IpAddr>().ok());
            let client = client.resolve(HOST, edge.address).build().unwrap();
            let url = format!("http://{HOST}:{}{bound}", edge.address.port());
            let answer = client.get(&url).header("x-forwarded-for", "127.0.0.5").send().await.unwrap();
            let status = if trusted { status } else { 403 };
            assert_eq!((answer.status().as_u16(), cache(&answer)), (status, "MISS"), "{local} {trusted}");
        }
        assert_eq!(cache(&edge.get(&hosted).await), "HIT");
    }
}
