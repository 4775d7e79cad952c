//! `check-config`.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::{Signer, write};

fn check(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_safelight-signer"));
    command.env_clear().envs(environment.iter().copied()).arg("check-config").args(arguments);
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn config(dir: &Path, audit: &str) -> String {
    let (secret, file) = (dir.join("secret"), dir.join("signer.toml"));
    write(&secret, "fake-secret-of-a-key");
    write(
        &file,
        &format!(
            "[audit]\nsink = 'file'\npath = '{audit}'\nkey_file = '{secret}'\n\
             [[grants]]\ncaller = 'anonymous'\nmethods = ['SignUrl']\nkeys = ['web']\n\
             [[keys]]\nname = 'web'\nscheme = 'cloudflare-images'\n\
             [[keys.versions]]\nid = 1\nstate = 'primary'\nsecret_file = '{secret}'\n\
             [[keys]]\nname = 's3'\nscheme = 'aws-sigv4'\n\
             [[keys.versions]]\nid = 1\nstate = 'primary'\ncredentials = {{ provider = 'environment' }}\n",
            secret = secret.display(),
        ),
    );
    file.display().to_string()
}

const AWS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "ASIAFAKE"), ("AWS_SECRET_ACCESS_KEY", "fake-issued-secret")];

#[test]
fn all_errors_are_said_at_once_and_nothing_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), "/nowhere/audit.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("['SignUrl']", "['SignUrls']").replace("cloudflare-images", "hush-scheme");
    write(Path::new(&file), &format!("colour = 1\n{text}"));
    let (code, out, errors) = check(&[&file], &AWS);
    assert_eq!((code, out.as_str()), (Some(64), ""), "{errors}");
    for at in ["colour: ", "grants[0].methods: ", "keys[0].scheme: "] {
        assert!(
            errors.lines().any(|line| line.starts_with(&format!("problem: {file}: {at}"))),
            "{at}: {errors}"
        );
    }
    assert!(!errors.contains("hush"), "no value is shown: {errors}");
    let (code, _, errors) = check(&["/nowhere/signer.toml"], &AWS);
    assert!(code == Some(64) && errors.contains("cannot be read"), "{errors}");
    // A flag of serving is none of checking.
    assert_eq!(check(&[&file, "--plaintext"], &AWS).0, Some(64));
}

#[test]
fn a_good_file_is_ok_and_connecting_says_what_a_start_would_miss() {
    let dir = tempfile::tempdir().unwrap();
    let audit = dir.path().join("audit.jsonl");
    let file = config(dir.path(), &audit.display().to_string());
    let (code, out, errors) = check(&[&file], &AWS);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert_eq!(
        out,
        format!("ok: {file}: 2 keys, 0 deliveries, 0 upload rules, audit trail on, upload tokens off\n")
    );

    let (code, out, errors) = check(&[&file, "--connect"], &AWS);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{out}");
    assert!(
        out.contains("audit.path: not there yet") && out.contains("key s3: its provider issued"),
        "{out}"
    );
    assert!(!audit.exists(), "nothing is written");

    let file = config(dir.path(), "/nowhere/audit.jsonl");
    for arguments in [&[file.as_str(), "--connect"][..], &[file.as_str()]] {
        let (code, out, errors) = check(arguments, &AWS);
        assert_eq!(code, Some(69), "{out}{errors}");
        assert!(errors.contains("audit.path: the folder /nowhere is not there"), "{errors}");
        assert!(!out.contains("ok: "), "{out}");
        assert!(!format!("{out}{errors}").contains("fake-"), "no secret: {out}{errors}");
    }
}

/// A grant of a key that is gone keeps no signer from starting, or from dropping the key.
#[test]
fn grants_of_what_is_not_configured_are_a_problem_and_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let audit = dir.path().join("audit.jsonl");
    let file = config(dir.path(), &audit.display().to_string());
    let text = std::fs::read_to_string(&file).unwrap();
    write(
        Path::new(&file),
        &text.replace(
            "keys = ['web']",
            "keys = ['web', 'wbe']\ndeliveries = ['photos']\nuploads = ['avatars']",
        ),
    );
    let (code, out, errors) = check(&[&file], &AWS);
    assert_eq!((code, out.as_str()), (Some(69), ""), "{errors}");
    let problems: Vec<&str> = errors.lines().collect();
    assert_eq!(
        problems,
        [
            "problem: grants[0].deliveries: names a delivery that is not configured",
            "problem: grants[0].keys: names a key that is not configured",
            "problem: grants[0].uploads: names an upload rule that is not configured",
        ]
    );
    let signer = Signer::start_with(Path::new(&file), &AWS);
    let line = signer.logged("grants[0].keys: names a key that is not configured", 1);
    assert!(line.contains("WARN"), "{line}");
}

/// One file, one line: what uses its key is not wrong besides.
#[test]
fn a_secret_that_cannot_be_read_is_one_problem() {
    let dir = tempfile::tempdir().unwrap();
    let audit = dir.path().join("audit.jsonl");
    let file = config(dir.path(), &audit.display().to_string());
    let text = std::fs::read_to_string(&file).unwrap();
    let delivery = "[[deliveries]]\nname = 'photos'\npath = '/{key...}/{variant}'\nurl_key = 'KEY'\n\
        signing_key = 's3'\nregion = 'eu-west-1'\nbase_url = 'https://o.example.com/'\n";
    let gone = format!("id = 1\nstate = 'primary'\nsecret_file = '{}/gone'\n", dir.path().display());
    let read = format!("id = 1\nstate = 'primary'\nsecret_file = '{}/secret'\n", dir.path().display());
    let text = text.replace(&read, &gone).replace("credentials = { provider = 'environment' }", "");
    let text = text.replace(
        "scheme = 'aws-sigv4'\n[[keys.versions]]\nid = 1\nstate = 'primary'\n",
        "scheme = 'aws-sigv4'\n[[keys.versions]]\nid = 1\nstate = 'primary'\naccess_key_id = 'AKIAFAKE'\nsecret_file = '/gone'\n",
    );
    write(Path::new(&file), &format!("{text}{}", delivery.replace("KEY", "web")));
    let (code, _, errors) = check(&[&file], &AWS);
    assert_eq!(code, Some(64), "{errors}");
    assert_eq!(errors.lines().count(), 2, "{errors}");
    for at in ["keys[0].versions[0].secret_file: ", "keys[1].versions[0].secret_file: "] {
        assert!(errors.contains(at), "{at}: {errors}");
    }
    // A name that is wrong is told all the same.
    write(Path::new(&file), &format!("{text}{}", delivery.replace("KEY", "wbe")));
    let (_, _, errors) = check(&[&file], &AWS);
    assert!(errors.contains("deliveries[0].url_key: there is no key of that name"), "{errors}");
}
