//! What operators hand in: configuration, sealed secrets, audit files.
//!
//! An input is a byte of what it is, and its text: a configuration, in which `@` stands for the path of a secret; four
//! bytes for each edit of a sealed secret or of an audit file; or either file whole.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex},
};

use clap::Parser;
use hmac::{Hmac, KeyInit, Mac};
use safelight_signer::{Command, Config, audit::verify::verify};
use sha2::Sha256;

use super::{edits::edited, schemes::SECRET};

/// A folder of the test's, or of this fuzzing process, which is better kept in memory.
pub fn folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = match option_env!("CARGO_TARGET_TMPDIR") {
            Some(folder) => Path::new(folder).join("signer-checks"),
            None => Path::new("/dev/shm").join(format!("safelight-signer-fuzz-{}", std::process::id())),
        };
        fs::create_dir_all(&folder).unwrap();
        folder
    });
    &FOLDER
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes a secret file.
fn secret(name: &str, content: &[u8]) -> PathBuf {
    let path = folder().join(name);
    let _ = fs::remove_file(&path);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    path
}

pub fn check(data: &[u8]) {
    // Tests run side by side, and the files have names.
    static ONE: Mutex<()> = Mutex::new(());
    let Some((what, rest)) = data.split_first() else { return };
    let _one = ONE.lock();
    match what % 5 {
        0 => configuration(rest),
        1 => sealed(rest),
        2 => edited_seal(rest),
        3 => audit_file(rest),
        _ => edited_audit(rest),
    }
}

fn configuration(text: &[u8]) {
    static PATH: LazyLock<String> =
        LazyLock::new(|| secret("secret", SECRET.as_bytes()).display().to_string());
    let Ok(text) = str::from_utf8(text) else { return };
    if text.contains(SECRET) {
        return; // errors show the names of options that nobody knows
    }
    let text = text.replace('@', &PATH);
    if let Err(errors) = Config::read(&text) {
        let said = errors.to_string();
        assert!(!said.is_empty() && !said.contains(SECRET), "{said}");
    }
}

/// A sealed secret for the configuration below, by the subcommand.
static SEALED: LazyLock<String> = LazyLock::new(|| {
    #[derive(Parser)]
    struct Arguments {
        #[command(subcommand)]
        command: Command,
    }
    let output = folder().join("sealed-by-command");
    let _ = fs::remove_file(&output);
    let arguments = [
        "safelight-signer seal --name=web --version=3 --scheme=thumbor --secret-file",
        path(&secret("to-be-sealed", SECRET.as_bytes())),
        "--key-encryption-key-file",
        path(&secret("key-encryption-key", "5ea1".repeat(16).as_bytes())),
        "--output",
        path(&output),
    ]
    .join(" ");
    Arguments::parse_from(arguments.split(' ')).command.run(0).unwrap();
    fs::read_to_string(output).unwrap().trim_end().to_owned()
});

/// Whether a version's secret of this content is taken.
fn opens(content: &[u8]) -> bool {
    LazyLock::force(&SEALED);
    let path = secret("sealed", content);
    let text = format!(
        r#"
        key_encryption_key_file = "{}"
        [[keys]]
        name = "web"
        scheme = "thumbor"
        allow_legacy = true
        versions = [{{ id = 3, state = "primary", secret_file = "{}" }}]
        [[grants]]
        caller = "anonymous"
        methods = ["VerifyUrl"]
        keys = ["web"]
        "#,
        folder().join("key-encryption-key").display(),
        path.display()
    );
    match Config::read(&text) {
        Ok(_) => true,
        Err(errors) => {
            let said = errors.to_string();
            assert!(said.contains("keys[0].versions[0].secret_file"), "{said}");
            false
        }
    }
}

fn sealed(content: &[u8]) {
    let content = [b"safelight-sealed:1:", content].concat();
    assert!(!opens(&content), "nobody sealed this");
}

fn edited_seal(edits: &[u8]) {
    let Some([other]) = edited([&SEALED], edits) else { return };
    // A newline at the end belongs to the file, not to its content. What has no header is a secret as it is.
    let content = other.strip_suffix("\r\n").or_else(|| other.strip_suffix('\n')).unwrap_or(&other);
    if other.starts_with("safelight-sealed:1:") {
        assert_eq!(opens(other.as_bytes()), content == *SEALED, "{other:?}");
    }
}

const AUDIT_KEY: &[u8] = b"fake-fuzz-audit-key";

/// A file of five records, by the documentation of the chain.
static AUDIT: LazyLock<String> = LazyLock::new(|| {
    let mac = |key: &[u8], message: &[u8]| {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes()
    };
    let key = mac(AUDIT_KEY, b"chain");
    let mut previous = "0".repeat(64);
    let mut file = String::new();
    for sequence in 1..=5 {
        let event = ["open", "call", "refused", "call", "close"][sequence - 1];
        let line =
            format!(r#"{{"event":"{event}","reason":"OK","sequence":{sequence},"previous":"{previous}""#);
        previous = hex::encode(mac(&key, line.as_bytes()));
        file += &format!("{line},\"hash\":\"{previous}\"}}\n");
    }
    file
});

fn audit_file(content: &[u8]) {
    let path = folder().join("audit");
    fs::write(&path, content).unwrap();
    let report = verify(&path, AUDIT_KEY, None);
    assert_eq!(report.is_ok(), content.is_empty(), "nobody wrote this: {report:?}");
}

fn edited_audit(edits: &[u8]) {
    let Some([other]) = edited([&AUDIT], edits) else { return };
    let path = folder().join("audit");
    fs::write(&path, &other).unwrap();
    let is_cut = AUDIT.starts_with(&other) && (other.is_empty() || other.ends_with('\n'));
    match verify(&path, AUDIT_KEY, None) {
        Ok(report) => {
            assert!(is_cut, "an edited file holds: {other}");
            assert_eq!(report.records, other.lines().count() as u64);
            assert_eq!(report.closed, other == *AUDIT);
            let head = AUDIT.rsplit_once("\"hash\":\"").unwrap().1.trim_end().trim_end_matches("\"}");
            assert_eq!(verify(&path, AUDIT_KEY, Some(head)).is_ok(), other == *AUDIT, "a cut is found");
            assert!(other.is_empty() || verify(&path, b"another key", None).is_err());
        }
        Err(fault) => assert!(!is_cut, "{fault}"),
    }
}
