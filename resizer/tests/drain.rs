//! SIGTERM while a picture is on its way, as a Kubernetes roll-out sends it: a viewer sees nothing of it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value as Json;

/// One red pixel.
const PNG: &[u8] =
    b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x01\x00\x00\x00\x01\
    \x08\x02\x00\x00\x00\x90\x77\x53\xde\x00\x00\x00\x0c\x49\x44\x41\x54\x78\x9c\x63\xf8\xcf\xc0\x00\
    \x00\x03\x01\x01\x00\xc9\xfe\x92\xef\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";

#[test]
fn a_picture_on_its_way_arrives() {
    let origin = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("drain-{}.toml", std::process::id()));
    let config = format!(
        "[signer]\nendpoint = 'http://127.0.0.1:1'\n[http]\nlisten = '127.0.0.1:0'\n\
         [origins.web]\nkind = 'http'\nbase_url = 'http://{}/'\nallow_private_network = true\n\
         [variants.thumb]\nwidth = 10\nformat = 'png'\npublic = true\n\
         [[routes]]\npath = '/{{key...}}/{{variant}}'\norigin = 'web'\n",
        origin.local_addr().unwrap()
    );
    fs::write(&path, config).unwrap();
    let mut resizer = Command::new(env!("CARGO_BIN_EXE_safelight-resizer"))
        .env_clear()
        .args(["--plaintext", "--listen", "127.0.0.1:0", "--config"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(resizer.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<Json>(&line.unwrap()).unwrap());
    let mut line = |message: &str| log.find(|line| line["message"] == message).unwrap();
    let listening = line("listening");
    let mut viewer = TcpStream::connect(listening["http.addr"].as_str().unwrap()).unwrap();
    viewer.write_all(b"GET /a/thumb HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();

    // The origin has been asked, and answers only once the resizer has been told to go.
    let (mut asked, _) = origin.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        asked.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let told = Command::new("kill").args(["-TERM", &resizer.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(line("shutting down")["signal"], "SIGTERM");
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {}\r\n\r\n", PNG.len());
    asked.write_all(head.as_bytes()).unwrap();
    asked.write_all(PNG).unwrap();

    let mut answer = Vec::new();
    viewer.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let (head, body) = (std::str::from_utf8(&answer[..at]).unwrap(), &answer[at + 4..]);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains(&format!("content-length: {}", body.len())) && body.starts_with(b"\x89PNG"),
        "{head}"
    );
    line("drained");
    assert_eq!(resizer.wait().unwrap().code(), Some(0));
    fs::remove_file(&path).unwrap();
}
