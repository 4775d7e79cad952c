//! Clients of other makers: curl, hyper over HTTP/2, Chromium.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use hyper_util::rt::{TokioExecutor, TokioIo};
use safelight_local::picture::sample;
use safelight_tests::counterpart;
use tokio::{net::TcpStream, task::block_in_place};

use super::wire::{address, another};
use crate::harness::*;

fn curl(program: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(["--silent", "--show-error"]).args(arguments);
    block_in_place(|| command.output()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_in_both_versions() {
    let Some(program) = counterpart::program("curl") else { return };
    let local = start_with("").await;
    local.put("a.jpg", sample::jpeg(96, 64).unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let base = format!("http://{}", address(&local));
    let signed = local.sign("/acct/a.jpg/card").await;
    let mut files = Vec::new();
    for version in ["--http1.1", "--http2-prior-knowledge", "--http1.0"] {
        for target in ["/acct/a.jpg/thumbnail", &signed] {
            let file = at(&format!("{version}.jpg"));
            let url = format!("{base}{target}");
            let got =
                curl(&program, &[version, "--fail", "-o", &file, "-w", "%{http_code} %{content_type}", &url]);
            assert_eq!(String::from_utf8_lossy(&got.stdout), "200 image/jpeg", "{version}: {got:?}");
            let bytes = std::fs::read(&file).unwrap();
            assert!(image::load_from_memory(&bytes).is_ok());
            files.push((target.to_owned(), bytes));

            // What curl keeps of an answer is good for the next one.
            let (tag, nothing) = (at("tag"), at("nothing"));
            let saved = curl(&program, &[version, "--etag-save", &tag, "-o", &nothing, &url]);
            assert!(saved.status.success());
            let again = ["--etag-compare", &tag, "-o", &nothing, "-w", "%{http_code} %{size_download}", &url];
            assert_eq!(curl(&program, &[&[version][..], &again].concat()).stdout, b"304 0", "{version}");
        }
        let refused = format!("{base}{}", signed.replace("card", "w=20"));
        let got = curl(&program, &[version, "-w", "\n%{http_code} %{content_type}", &refused]);
        let text = String::from_utf8(got.stdout).unwrap();
        assert!(
            text.ends_with("\n403 application/problem+json") && text.contains("\"URL_REFUSED\""),
            "{text}"
        );
        let head = curl(&program, &[version, "--head", &format!("{base}/acct/a.jpg/thumbnail")]);
        let text = String::from_utf8(head.stdout).unwrap().to_ascii_lowercase();
        assert!(text.contains("content-length: ") && text.contains("etag: "), "{text}");
        let put = curl(
            &program,
            &[version, "-T", &at("tag"), "-w", "\n%{http_code}", &format!("{base}/acct/a.jpg/card")],
        );
        assert!(put.stdout.ends_with(b"\n405"), "{put:?}");
    }
    for (target, bytes) in &files {
        assert!(files.iter().all(|(other, theirs)| (other == target) <= (theirs == bytes)), "versions agree");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_over_tls_by_the_files_of_grpc() {
    let Some(program) = counterpart::program("curl") else { return };
    let local = start_with("").await;
    local.put("a.jpg", sample::jpeg(96, 64).unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let certified = rcgen::generate_simple_self_signed(["img.example.com".to_owned()]).unwrap();
    std::fs::write(at("tls.crt"), certified.cert.pem()).unwrap();
    std::fs::write(at("tls.key"), certified.signing_key.serialize_pem()).unwrap();
    // A caller over gRPC must show a certificate; a browser need not.
    let tls = format!(
        "\n[tls]\ncert_file = '{0}'\nkey_file = '{1}'\nclient_ca_file = '{0}'\n",
        at("tls.crt"),
        at("tls.key")
    );
    let resizer = another(&local, |text| text + &tls).await;
    let port = resizer.http().unwrap().port();
    let resolve = format!("img.example.com:{port}:127.0.0.1");
    let signed = local.sign("/acct/a.jpg/card").await;
    let url = format!("https://img.example.com:{port}{signed}");
    let (certificate, file) = (at("tls.crt"), at("a.jpg"));
    let common = ["--resolve", &resolve, "-o", &file, "-w", "%{http_code} %{http_version}", &url];
    for (version, expected) in [("--http1.1", "200 1.1"), ("--http2", "200 2")] {
        let got = curl(&program, &[&[version, "--cacert", &certificate][..], &common].concat());
        assert_eq!(String::from_utf8_lossy(&got.stdout), expected, "{version}: {got:?}");
        assert!(image::load_from_memory(&std::fs::read(&file).unwrap()).is_ok());
        // The certificate is looked at.
        let got = curl(&program, &[&[version][..], &common].concat());
        assert_eq!(got.status.code(), Some(60), "{version}: {got:?}");
    }
    let plain = format!("http://img.example.com:{port}{signed}");
    let got = curl(&program, &["--resolve", &resolve, &plain]);
    assert!(!got.status.success() && got.stdout.is_empty(), "{got:?}");
}

#[tokio::test]
async fn http2_has_the_same_head_and_the_authority() {
    let local = start_with("").await;
    local.put("a.jpg", sample::jpeg(96, 64).unwrap()).await;
    let tcp = TcpStream::connect(address(&local)).await.unwrap();
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    let url = "http://img.example.com/acct/a.jpg/thumbnail";
    let mut heads = Vec::new();
    for method in ["GET", "HEAD"] {
        let request = http::Request::builder().method(method).uri(url).body(String::new()).unwrap();
        let (mut head, body) = send.send_request(request).await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        let length: usize = head.headers["content-length"].to_str().unwrap().parse().unwrap();
        let read = read(body).await.unwrap();
        assert_eq!(read.len(), if method == "GET" { length } else { 0 });
        for passing in ["date", "x-request-id"] {
            head.headers.remove(passing).unwrap();
        }
        heads.push(head.headers);
    }
    assert_eq!(heads[0], heads[1]);
    let request = http::Request::get(url).header("if-none-match", "*").body(String::new()).unwrap();
    let response = send.send_request(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers().get("content-length")), (304, None));
}

/// Reads a body to its end.
pub(crate) async fn read(body: hyper::body::Incoming) -> Result<Vec<u8>, hyper::Error> {
    use hyper::body::Body as _;
    let (mut body, mut bytes) = (std::pin::pin!(body), Vec::new());
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// Loads pictures in every way, and writes what came of it into the page.
const PAGE: &str = "<!doctype html><body><script>
const tried = (make) => new Promise((done) => { make(() => done('yes'), () => done('no')); });
const image = (url, mode) => tried((yes, no) => {
    const image = new Image();
    if (mode) image.crossOrigin = mode;
    image.onload = () => {
        if (!mode) return image.naturalWidth == 300 ? yes() : no();
        const canvas = document.createElement('canvas');
        const context = canvas.getContext('2d');
        context.drawImage(image, 0, 0);
        try { context.getImageData(0, 0, 1, 1); yes(); } catch { no(); }
    };
    image.onerror = no;
    image.src = url;
});
const script = (url) => tried((yes, no) => {
    const script = document.createElement('script');
    [script.onload, script.onerror, script.src] = [yes, no, url];
    document.body.append(script);
});
const fetched = (url) => fetch(url).then((answer) => answer.headers.get('etag') ? 'yes' : 'no', () => 'no');
(async () => {
    const lines = [
        'image ' + await image(BASE + '/open/a.jpg/thumbnail'),
        'image with cors ' + await image(BASE + '/open/a.jpg/thumbnail', 'anonymous'),
        'fetch ' + await fetched(BASE + '/open/a.jpg/thumbnail'),
        'closed image ' + await image(BASE + '/closed/a.jpg/thumbnail'),
        'closed image with cors ' + await image(BASE + '/closed/a.jpg/thumbnail', 'anonymous'),
        'closed fetch ' + await fetched(BASE + '/closed/a.jpg/thumbnail'),
        'script ' + await script(BASE + '/open/a.jpg/thumbnail'),
        'placeholder ' + await image(BASE + '/open/none.jpg/thumbnail'),
    ];
    document.body.textContent = lines.join('\\n') + '\\nEND';
})();
</script></body>";

#[tokio::test(flavor = "multi_thread")]
async fn chromium_shows_the_picture_and_runs_nothing() {
    let Some(program) = counterpart::program("chromium") else { return };
    let folder = tempfile::tempdir().unwrap();
    let placeholder = folder.path().join("placeholder.png");
    std::fs::write(&placeholder, sample::png(300, 10).unwrap()).unwrap();
    let local = start_with(format!(
        "[[routes]]\npath = '/open/{{key...}}/{{variant}}'\norigin = 'photos'\nurl_key = 'web'\n\
         [routes.http]\ncors = ['*']\nplaceholder = '{}'\n\
         [[routes]]\npath = '/closed/{{key...}}/{{variant}}'\norigin = 'photos'\nurl_key = 'web'\n\
         [routes.http]\ncorp = 'same-origin'\n",
        placeholder.display()
    ))
    .await;
    local.put("a.jpg", sample::jpeg(96, 64).unwrap()).await;
    let page = PAGE.replace("BASE", &format!("'http://{}'", address(&local)));
    std::fs::write(folder.path().join("page.html"), page).unwrap();
    let mut command = Command::new(program);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--dump-dom", "--timeout=20000", "--virtual-time-budget=20000"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", folder.path().join("page.html").display()))
        .stdin(Stdio::null());
    let output = block_in_place(|| command.output()).unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let said = dom.split_once("<body>").and_then(|(_, rest)| rest.split_once("\nEND")).map(|(said, _)| said);
    assert_eq!(
        said,
        Some(
            "image yes\nimage with cors yes\nfetch yes\nclosed image no\nclosed image with cors no\n\
             closed fetch no\nscript no\nplaceholder yes"
        ),
        "{dom}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
