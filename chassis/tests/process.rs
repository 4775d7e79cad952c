//! [`Process`] as a process: exit codes and signals. This file starts itself: with `SERVICE` set it is a
//! service, otherwise the tests of it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test without libtest, which would not let it exit as it wants"
)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use clap::Parser;
use safelight_chassis::{
    Process,
    cli::{self, ServeArgs},
    config, exit,
    server::{Limits, Server},
};
use serde_json::Value;

const SERVICE: &str = "SAFELIGHT_TEST_SERVICE";

const PROCESS: Process = Process {
    name: "test",
    listen: SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
    workers: Some(1),
};

#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    serve: ServeArgs,
}

fn service() -> ExitCode {
    let args: Args = cli::parse();
    PROCESS.run(
        &args.serve,
        |path| config::load(path, |c| (c.or("fail", false), c.required::<u16>("answer"))),
        |(fail, _)| async move {
            if fail {
                return Err("told to fail".into());
            }
            let server = Server::new(Limits::DEFAULT);
            server.health().ready().await;
            Ok(server)
        },
    )
}

fn main() -> ExitCode {
    if std::env::var_os(SERVICE).is_some() {
        return service();
    }
    // `cargo test -- NAME` reaches this too, and asks for something else.
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    for (name, test) in [
        ("bad_flags", bad_flags as fn()),
        ("every_error_of_the_configuration", every_error_of_the_configuration),
        ("plaintext_must_be_allowed", plaintext_must_be_allowed),
        ("an_address_in_use", an_address_in_use),
        ("a_service_that_cannot_start", a_service_that_cannot_start),
        ("a_signal_drains", a_signal_drains),
        ("a_second_signal_exits_at_once", a_second_signal_exits_at_once),
        ("the_admin_port_is_there_first_and_last", the_admin_port_is_there_first_and_last),
    ] {
        if name.contains(&wanted) {
            test();
            println!("process::{name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

/// A configuration file that goes away with the process's temporary directory.
fn file(name: &str, text: &str) -> String {
    let path = format!("{}/{name}.toml", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, text).unwrap();
    path
}

fn start(args: &[&str]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(args)
        .env(SERVICE, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Exit code, log lines, standard error.
fn run(args: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let output = start(args).wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let lines = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code(), lines, String::from_utf8(output.stderr).unwrap())
}

fn bad_flags() {
    let (code, lines, err) = run(&["--config", "x", "--nope"]);
    assert_eq!((code, lines.len()), (Some(i32::from(exit::USAGE)), 0));
    assert!(err.contains("--nope"), "{err}");
    let (code, _, _) = run(&[]);
    assert_eq!(code, Some(i32::from(exit::USAGE)));
    let help = start(&["--help"]).wait_with_output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("--lame-duck"));
}

fn every_error_of_the_configuration() {
    let config = file("errors", "answer = 'forty-two'\nquestion = 'what'\nfail = 3");
    let (code, lines, _) = run(&["--config", &config]);
    assert_eq!(code, Some(i32::from(exit::USAGE)));
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages,
        [
            "configuration: fail: expected a boolean",
            "configuration: answer: expected u16",
            "configuration: question: unknown key"
        ]
    );
    let (code, lines, _) = run(&["--config", "/nonexistent.toml"]);
    assert_eq!((code, lines.len()), (Some(i32::from(exit::USAGE)), 1));
}

fn plaintext_must_be_allowed() {
    let (code, lines, _) = run(&["--config", &file("plain", "answer = 42"), "--listen=0.0.0.0:0"]);
    assert_eq!(code, Some(i32::from(exit::USAGE)));
    assert!(lines[0]["message"].as_str().unwrap().contains("--plaintext"), "{lines:?}");
    let mut child = start(&["--config", &file("plain", "answer = 42"), "--listen=0.0.0.0:0", "--plaintext"]);
    listening(&mut child);
    signal(&child, "TERM");
    child.wait().unwrap();
}

fn an_address_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("--listen={}", taken.local_addr().unwrap());
    let (code, _, _) = run(&["--config", &file("in_use", "answer = 42"), &listen]);
    assert_eq!(code, Some(i32::from(exit::UNAVAILABLE)));
}

fn a_service_that_cannot_start() {
    let (code, lines, _) = run(&["--config", &file("fail", "answer = 42\nfail = true")]);
    assert_eq!(code, Some(i32::from(exit::SOFTWARE)));
    assert_eq!(lines[0]["message"], "told to fail");
}

/// Waits for the address in the log.
fn listening(child: &mut Child) -> SocketAddr {
    let mut line = String::new();
    // Byte by byte, so that nothing of the next line is swallowed.
    let out = child.stdout.as_mut().unwrap();
    BufReader::with_capacity(1, out).read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["message"], &line["service"]), (&"listening".into(), &"test".into()));
    line["listen.addr"].as_str().unwrap().parse().unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn a_signal_drains() {
    for name in ["TERM", "INT"] {
        let mut child = start(&["--config", &file("drain", "answer = 42"), "--lame-duck=300ms"]);
        let addr = listening(&mut child);
        let asked = Instant::now();
        signal(&child, name);
        // Still there: a lame duck.
        TcpStream::connect(addr).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(asked.elapsed() >= Duration::from_millis(300));
        let mut rest = String::new();
        child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert!(rest.contains("shutting down") && rest.contains("drained"), "{rest}");
    }
}

fn the_admin_port_is_there_first_and_last() {
    let mut child =
        start(&["--config", &file("admin", "answer = 42"), "--admin-listen=127.0.0.1:0", "--lame-duck=10m"]);
    let mut line = String::new();
    BufReader::with_capacity(1, child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let admin: SocketAddr = line["admin.addr"].as_str().unwrap().parse().unwrap();
    let get = |path: &str| {
        let mut tcp = TcpStream::connect(admin).unwrap();
        write!(tcp, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        answer
    };
    listening(&mut child);
    assert!(get("/readyz").starts_with("HTTP/1.1 200 "));
    assert!(get("/metrics").contains("safelight_connections{port=\"grpc\"} 0\n"));
    signal(&child, "TERM");
    let late = Instant::now() + Duration::from_secs(60);
    while !get("/readyz").contains("draining") {
        assert!(Instant::now() < late);
    }
    assert!(get("/livez").starts_with("HTTP/1.1 200 "));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn a_second_signal_exits_at_once() {
    let mut child = start(&["--config", &file("second", "answer = 42"), "--lame-duck=10m"]);
    listening(&mut child);
    let asked = Instant::now();
    signal(&child, "TERM");
    // The first must have been taken, or the two become one.
    let mut line = String::new();
    BufReader::with_capacity(1, child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("shutting down"), "{line}");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(i32::from(exit::IMPATIENT)));
    assert!(asked.elapsed() < Duration::from_secs(60));
}
