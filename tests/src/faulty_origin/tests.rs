use std::time::Instant;

use super::*;

const PAUSE: Duration = Duration::from_millis(60);

async fn origin() -> FaultyOrigin {
    FaultyOrigin::start().await.unwrap()
}

async fn ask(origin: &FaultyOrigin, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(origin.address()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: origin\r\n\r\n").as_bytes()).await.unwrap();
    stream
}

/// Everything that comes until the connection ends.
async fn answer(origin: &FaultyOrigin, path: &str) -> String {
    let mut bytes = Vec::new();
    ask(origin, path).await.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

fn response(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\n\r\n{body}").replace('\n', "\r\n").replace("\r\r", "\r")
}

#[tokio::test]
async fn right_answers_are_right_to_the_byte() {
    let origin = origin().await;
    origin.at(
        "/object",
        Reply::ok("rose").header("ETag", "\"1\"").header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
    );
    assert_eq!(
        answer(&origin, "/object").await,
        response(
            "200 Scripted\nconnection: close\nETag: \"1\"\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\ncontent-length: 4",
            "rose"
        )
    );
    origin.at("/moved", Reply::redirect("http://169.254.169.254/latest"));
    assert_eq!(
        answer(&origin, "/moved").await,
        response(
            "302 Scripted\nconnection: close\nlocation: http://169.254.169.254/latest\ncontent-length: 0",
            ""
        )
    );
    origin.at("/forbidden", Reply::status(403));
    let forbidden = response("403 Scripted\nconnection: close\ncontent-length: 0", "");
    assert_eq!(answer(&origin, "/forbidden").await, forbidden);
    let missing = response("404 Scripted\nconnection: close\ncontent-length: 0", "");
    assert_eq!(answer(&origin, "/never-set").await, missing);
    origin.at("/same", Reply::status(304));
    assert_eq!(answer(&origin, "/same").await, response("304 Scripted\nconnection: close", ""));
}

#[tokio::test]
async fn it_fails_as_often_as_it_was_told() {
    let origin = origin().await;
    let then =
        Behaviour::Then { first: Reply::status(500), times: 1, then: Box::new(Reply::ok("rose").into()) };
    origin.at("/flaky", Behaviour::Then { first: Reply::status(503), times: 2, then: Box::new(then) });
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(answer(&origin, "/flaky").await[9..12].to_owned());
    }
    assert_eq!(statuses, ["503", "503", "500", "200", "200"]);
}

#[tokio::test]
async fn a_slow_head_stalls_after_the_status_line() {
    let origin = origin().await;
    origin.at("/", Reply::ok("rose").slow_head(PAUSE));
    let start = Instant::now();
    let mut stream = ask(&origin, "/").await;
    let mut line = [0; 23];
    stream.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"HTTP/1.1 200 Scripted\r\n");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(start.elapsed() >= PAUSE);
    assert!(rest.ends_with("\r\n\r\nrose"), "{rest}");
}

#[tokio::test]
async fn a_slow_body_pauses_before_each_piece() {
    let origin = origin().await;
    origin.at("/", Reply::ok("roses").slow_body(2, PAUSE));
    let start = Instant::now();
    assert!(answer(&origin, "/").await.ends_with("content-length: 5\r\n\r\nroses"));
    assert!(start.elapsed() >= PAUSE * 3, "ro, se, s");
}

#[tokio::test]
async fn lengths_lie_when_told_to() {
    let origin = origin().await;
    origin.at("/cut", Reply::ok("rose").declaring(10));
    assert!(answer(&origin, "/cut").await.ends_with("content-length: 10\r\n\r\nrose"));
    origin.at("/huge", Reply::status(200).declaring(u64::MAX));
    assert!(answer(&origin, "/huge").await.ends_with("content-length: 18446744073709551615\r\n\r\n"));
}

#[tokio::test]
async fn bodies_without_a_length() {
    let origin = origin().await;
    origin.at("/chunked", Reply::ok("roses").chunked().slow_body(2, Duration::from_millis(1)));
    assert_eq!(
        answer(&origin, "/chunked").await,
        "HTTP/1.1 200 Scripted\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nro\r\n2\r\nse\r\n1\r\ns\r\n0\r\n\r\n"
    );
    origin.at("/until-close", Reply::ok("rose").until_close());
    assert_eq!(answer(&origin, "/until-close").await, response("200 Scripted\nconnection: close", "rose"));
}

#[tokio::test]
async fn an_endless_body_ends_with_the_client() {
    let origin = origin().await;
    origin.at("/", Reply::ok("rose").endless());
    let mut stream = ask(&origin, "/").await;
    let mut read = vec![0; 1 << 20];
    stream.read_exact(&mut read).await.unwrap();
    assert!(read.windows(9).any(|window| window == b"4\r\nrose\r\n"));
    drop(stream);
    // Once the reset has arrived the count stands still.
    let mut before = u64::MAX;
    for _ in 0..100 {
        let now = origin.body_bytes_sent();
        if now == before {
            break;
        }
        before = now;
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(origin.body_bytes_sent(), before);
    // At least what was read less the chunk framing, at most that and what socket buffers hold.
    assert!((900 << 10..64 << 20).contains(&before), "{before}");
}

#[tokio::test]
async fn connections_that_give_no_answer() {
    let origin = origin().await;
    origin.at("/closed", Behaviour::CloseAtOnce);
    assert_eq!(answer(&origin, "/closed").await, "");
    origin.at("/raw", Behaviour::Raw(Bytes::from_static(b"220 mail.example.com ESMTP\r\n")));
    assert_eq!(answer(&origin, "/raw").await, "220 mail.example.com ESMTP\r\n");
    origin.at("/silent", Behaviour::Silent);
    let mut stream = ask(&origin, "/silent").await;
    assert!(tokio::time::timeout(PAUSE, stream.read_u8()).await.is_err(), "open, and not a byte");
}

#[tokio::test]
async fn gzip_is_gzip() {
    use std::io::Read as _;

    let origin = origin().await;
    origin.at("/", Reply::gzip(b"rose rose rose rose").unwrap());
    let mut bytes = Vec::new();
    ask(&origin, "/").await.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(String::from_utf8_lossy(&bytes[..end]).contains("content-encoding: gzip\r\n"));
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&bytes[end..]).read_to_string(&mut plain).unwrap();
    assert_eq!(plain, "rose rose rose rose");
}

#[tokio::test]
async fn requests_are_recorded_to_the_byte() {
    let origin = origin().await;
    origin.at("/a%2Fb//c+d/../e", Reply::ok("rose"));
    let mut stream = TcpStream::connect(origin.address()).await.unwrap();
    // In two parts: a head need not arrive at once.
    stream.write_all(b"HEAD /a%2Fb//c+d/../e?x=%20&y HTTP/1.1\r\nHost: origin\r\nX-Ra").await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    stream.write_all(b"w:  \xff \r\nEmpty:\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("content-length: 4\r\n\r\n"), "HEAD has the length and no body: {text}");
    let expected = Received {
        method: "HEAD".into(),
        target: b"/a%2Fb//c+d/../e?x=%20&y".to_vec(),
        headers: vec![
            ("host".into(), b"origin".to_vec()),
            ("x-raw".into(), vec![0xff]),
            ("empty".into(), Vec::new()),
        ],
    };
    assert_eq!(expected.header("Host"), Some("origin"));
    assert_eq!(origin.requests(), [expected]);
}

#[tokio::test]
async fn nonsense_is_answered_400_and_not_recorded() {
    let origin = origin().await;
    let mut stream = TcpStream::connect(origin.address()).await.unwrap();
    stream.write_all(b"nonsense\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    assert_eq!(origin.requests(), []);
}
