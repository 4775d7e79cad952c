//! `check-config` of the resizer as a process. With a signer and an origin that answer: `tests/tests/resizer/check.rs`.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn check(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_safelight-resizer"));
    let Output { status, stdout, stderr } =
        command.env_clear().arg("check-config").args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A file that is removed with it.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.toml", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

#[test]
fn all_errors_are_said_at_once() {
    let file = File::new(
        "wrong",
        "colour = 1\n[signer]\nendpoint = 'ftp://hush'\n[[routes]]\npath = 'x'\norigin = 'o'\n",
    );
    let (code, out, errors) = check(&[file.name()]);
    assert_eq!((code, out.as_str()), (Some(64), ""), "{errors}");
    for at in ["colour: ", "signer.endpoint: ", "routes[0].path: ", "routes[0].origin: "] {
        let line = format!("problem: {}: {at}", file.name());
        assert!(errors.lines().any(|found| found.starts_with(&line)), "{at}: {errors}");
    }
    assert!(!errors.contains("hush"), "{errors}");
    assert_eq!(check(&["/nowhere.toml"]).0, Some(64));
    // As it is for a moment while it is written in place: a reload must not take it for one without grants.
    let (code, _, errors) = check(&[File::new("empty", " \n").name()]);
    assert!(code == Some(64) && errors.contains("is empty"), "{errors}");
    assert_eq!(check(&[]).0, Some(64), "the file is needed");
}

/// Found by the check as by the start, which ends with the code of a wrong configuration.
#[test]
fn a_token_file_that_cannot_be_read_is_an_error_of_the_configuration() {
    let file = File::new("token", "[signer]\ntoken_file = '/nowhere/token'\n");
    let (code, out, errors) = check(&[file.name()]);
    assert_eq!((code, out.as_str()), (Some(64), ""), "{errors}");
    assert!(errors.contains(": signer: /nowhere/token: cannot be read"), "{errors}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_safelight-resizer"));
    let started =
        command.env_clear().args(["--config", file.name(), "--listen=127.0.0.1:0"]).output().unwrap();
    let log = String::from_utf8(started.stdout).unwrap();
    assert_eq!(started.status.code(), Some(64), "{log}");
    assert!(log.contains("configuration: signer: /nowhere/token: cannot be read"), "{log}");
}

#[test]
fn connecting_says_what_does_not_answer() {
    // Ports without a listener.
    let free = || TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let (signer, origin) = (free(), free());
    assert!(TcpStream::connect(signer).is_err());
    let file = File::new(
        "alone",
        &format!(
            "[signer]\nendpoint = 'http://{signer}'\n[http]\nlisten = '[::]:8080'\n\
             [origins.web]\nkind = 'http'\nbase_url = 'http://{origin}/'\nallow_private_network = true\n"
        ),
    );
    let (code, out, errors) = check(&[file.name()]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let expected = "1 origins, 0 variants, 0 routes, signer at http://";
    assert!(out.contains(expected) && out.contains("HTTP on [::]:8080"), "{out}");

    let (code, out, errors) = check(&[file.name(), "--connect"]);
    assert_eq!(code, Some(69), "{out}{errors}");
    let lines: Vec<_> = errors.lines().collect();
    let [signer, origin] = lines[..] else { panic!("{out}{errors}") };
    assert!(signer.starts_with("problem: signer: does not answer: "), "{signer}");
    assert!(origin.starts_with("problem: origin web: 127.0.0.1"), "{origin}");
}
