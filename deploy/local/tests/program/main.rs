//! `cargo local` as a process: what a script and a person get from it.
#![expect(clippy::unwrap_used, reason = "tests and what they share")]

mod examples;
mod gallery;

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Cursor, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
};

use safelight_tests::counterpart;
use serde_json::Value as Json;
use tempfile::TempDir;

/// Ports that are free whatever else runs on this machine.
const ANY_PORTS: [&str; 5] =
    ["--signer-port=0", "--resizer-port=0", "--http-port=0", "--admin-port=0", "--gallery-port=0"];

fn program(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_safelight-local"));
    command.args(ANY_PORTS).env("TMPDIR", dir.path()).stdout(Stdio::piped());
    command
}

/// A program that serves, until dropped.
struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
    _dir: TempDir,
}

impl Serving {
    fn start(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = program(&dir).args(options).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout, _dir: dir }
    }

    /// Its output up to the line that contains `last`.
    fn read_to(&mut self, last: &str) -> String {
        let mut text = String::new();
        loop {
            let before = text.len();
            assert!(self.stdout.read_line(&mut text).unwrap() > 0, "{last:?} never came:\n{text}");
            if text[before..].contains(last) {
                return text;
            }
        }
    }

    /// Ends it; what else it has written.
    fn end(mut self) -> String {
        self.child.kill().unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

/// A plain GET: status and head, and the body.
fn get(url: &str) -> (String, Vec<u8>) {
    send("GET", url, &[], b"")
}

/// A request with these lines in its head: status and head of the answer, and the body.
fn send(method: &str, url: &str, lines: &[&str], body: &[u8]) -> (String, Vec<u8>) {
    let (authority, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    let mut head = format!("{method} /{target} HTTP/1.1\r\n");
    if !lines.iter().any(|line| line.starts_with("Host:")) {
        write!(head, "Host: {authority}\r\n").unwrap();
    }
    for line in lines {
        write!(head, "{line}\r\n").unwrap();
    }
    write!(head, "Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).unwrap();
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    (head, answer[end + 4..].to_vec())
}

#[test]
fn json_is_one_line_whose_urls_answer() {
    let mut serving = Serving::start(&["--json"]);
    let line = serving.read_to("\n");
    let shown: Json = serde_json::from_str(&line).unwrap();
    let names: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    let addresses = ["admin", "http", "origin", "resizer", "signer"];
    let urls = ["gallery", "public_url", "signed_url", "upload_url"];
    let mut expected = [&addresses[..], &urls, &["env", "files", "keys"]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);

    for name in addresses {
        TcpStream::connect(shown[name].as_str().unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let keys: Vec<_> =
        shown["keys"].as_array().unwrap().iter().map(|key| (&key["name"], &key["scheme"])).collect();
    assert_eq!(format!("{keys:?}").matches("String(").count(), 6, "{keys:?}");
    assert!(keys.iter().any(|(name, scheme)| **name == "web" && **scheme == "cloudflare-images"), "{keys:?}");
    assert!(keys.iter().any(|(name, scheme)| **name == "s3-photos" && **scheme == "aws-sigv4"), "{keys:?}");
    assert!(std::path::Path::new(shown["files"].as_str().unwrap()).join("signer.toml").is_file());

    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/README.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    for name in shown["env"].as_object().unwrap().keys() {
        assert!(manual.contains(&format!("\n| `{name}` |")), "{name}");
    }

    let http = format!("http://{}/", shown["http"].as_str().unwrap());
    let signed_url = shown["signed_url"].as_str().unwrap();
    for url in [signed_url, shown["public_url"].as_str().unwrap()] {
        assert!(url.starts_with(&http), "{url}");
        let (head, body) = get(url);
        assert!(head.starts_with("http/1.1 200 ") && head.contains("\r\netag: \""), "{url}: {head}");
        assert!(head.contains("\r\ncache-control: ") && body.len() > 1000, "{url}: {head}");
    }
    let (head, _) = get(&signed_url.replace("/card?", "/width=700?"));
    assert!(head.starts_with("http/1.1 403 "), "{head}");
    let upload_url = shown["upload_url"].as_str().unwrap();
    assert!(upload_url.starts_with(&http), "{upload_url}");
    let picture = picture(32, 24);
    let stored = post_file(upload_url, &picture);
    assert_eq!(
        (&stored["success"], &stored["result"]["image"]["width"]),
        (&true.into(), &32.into()),
        "{stored}"
    );
    let again = post_file(upload_url, &picture);
    assert_eq!(again["errors"][0]["reason"], "TOKEN_ALREADY_REDEEMED");
    let (head, page) = get(shown["gallery"].as_str().unwrap());
    assert!(head.starts_with("http/1.1 200 ") && head.contains("\r\ncontent-type: text/html"), "{head}");
    assert!(String::from_utf8(page).unwrap().contains("<title>Safelight gallery</title>"));

    let (head, metrics) = get(&format!("http://{}/metrics", shown["admin"].as_str().unwrap()));
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(String::from_utf8(metrics).unwrap().contains("\nsafelight_"));
    assert_eq!(serving.end(), "", "nothing but the object is on standard output");
}

/// A file that is a picture.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image::RgbImage::new(width, height).write_to(&mut file, image::ImageFormat::Jpeg).unwrap();
    file.into_inner()
}

/// The answer to a form with the file.
fn post_file(url: &str, file: &[u8]) -> Json {
    let head = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n";
    let body = [&head[..], file, b"\r\n--b--\r\n"].concat();
    let (_, answer) = send("POST", url, &["Content-Type: multipart/form-data; boundary=b"], &body);
    serde_json::from_slice(&answer).unwrap()
}

#[test]
fn once_ends_and_the_ports_are_the_ones_that_were_asked_for() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let port = free.rsplit_once(':').unwrap().1;
    let dir = tempfile::tempdir().unwrap();
    let output = program(&dir).args(["--once", "--json", "--http-port", port]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let shown: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["http"], free);
}

/// It is not replaced by another: a script would go on with whatever listens there.
#[test]
fn a_port_that_was_asked_for_and_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for option in ANY_PORTS.map(|option| option.trim_end_matches("=0")) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = program(&dir);
        let output =
            command.args(["--once", "--json", option, &port]).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{option}");
        assert!(output.stdout.is_empty(), "{option}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("FAILED: {option}: port {port} ")), "{said}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{option}: nothing is left behind");
    }
}

/// A usual port that is taken is replaced, and a person is told.
#[test]
fn a_usual_port_that_is_taken_is_replaced() {
    // Taken by this test or by something else already.
    let _taken = TcpListener::bind("127.0.0.1:8090");
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_safelight-local"));
    command.args(ANY_PORTS.iter().filter(|option| !option.starts_with("--gallery")));
    let output = command.arg("--once").env("TMPDIR", dir.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Port 8090 is taken; using another."), "{said}");
    assert!(said.contains("  gallery  http://127.0.0.1:") && !said.contains("127.0.0.1:8090"), "{said}");
}

#[test]
fn what_fails_is_said_on_standard_error_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("no.jpg");
    std::fs::write(&file, "this is no picture").unwrap();
    let output = program(&dir)
        .args(["--once", "--json", "--image"])
        .arg(&file)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "{:?}", output.stdout);
    assert!(String::from_utf8(output.stderr).unwrap().contains("FAILED: "));
}

/// The lines to copy and paste, pasted.
#[test]
fn the_lines_do_what_they_say() {
    let (Some(_), Some(_), Some(_)) =
        (counterpart::program("grpcurl"), counterpart::program("curl"), counterpart::program("jq"))
    else {
        return;
    };
    let mut serving = Serving::start(&[]);
    let text = serving.read_to("Serving until Ctrl-C.");
    let (_, lines) = text.split_once("Try it").unwrap();
    let (_, lines) = lines.split_once("\n\n").unwrap();
    // The last of them builds another program.
    let (lines, _) = lines.split_once("\n# What the signer has recorded").unwrap();
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", lines]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for (what, count) in [
        ("HTTP/1.1 304 ", 1),
        ("HTTP/1.1 403 ", 1),
        ("\"TOKEN_ALREADY_REDEEMED\"", 1),
        ("\n409\n", 1),
        ("\n403\n", 1),
        ("\n404\n", 1),
        ("SAFELIGHT_UPLOAD_URL=http", 1),
        ("gallery: 200", 1),
        ("\"verdict\": \"VERDICT_VALID\"", 1),
        ("\"status\": \"SERVING\"", 1),
        ("200 image/", 3),
    ] {
        assert_eq!(said.matches(what).count(), count, "{what}\n{said}");
    }
    let outputs = text.lines().find_map(|line| line.trim().strip_prefix("files ")).unwrap().trim();
    let output =
        |name: &str| std::fs::read(std::path::Path::new(outputs).join("outputs").join(name)).unwrap();
    assert!(output("by-hand.webp") == output("by-curl.webp"), "both doors give the same picture");
    assert!(output("streamed.jpg").len() > 1000);
}
