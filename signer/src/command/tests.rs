use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use clap::Parser;

use super::*;
use crate::{
    config::Config,
    keyring::{Keyring, State, algorithms},
};

const NOW: u64 = 1_795_000_000;

#[derive(Parser)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

fn run(directory: &Path, line: &str) -> Result<String, String> {
    let line = line.replace("DIR", &directory.display().to_string());
    let program = Program::try_parse_from(std::iter::once("program").chain(line.split(' ')));
    program.unwrap_or_else(|error| panic!("{error}")).command.run(NOW).map_err(|error| error.to_string())
}

fn load(text: &str) -> Keyring {
    let whole = if text.contains("[[grants]]") {
        Config::read(text).map(|config| config.keyring)
    } else {
        Config::read_keys(text)
    };
    whole.unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// What a configuration needs beside keys.
const GRANTS: &str = "\n[[grants]]\ncaller = \"anonymous\"\nmethods = [\"*\"]\nkeys = [\"*\"]\n";

fn states(ring: &Keyring, key: &str, now: u64) -> BTreeMap<u32, State> {
    ring.get(key).unwrap().states(now).into_iter().map(|(info, state)| (info.id, state)).collect()
}

fn write(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Schemes whose secrets we make.
fn makers() -> impl Iterator<Item = Scheme> {
    Scheme::ALL.iter().copied().filter(|scheme| generate::generate(*scheme, algorithms(*scheme)[0]).is_ok())
}

#[test]
fn a_new_key_of_every_scheme_loads() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(makers().count(), 9);
    for scheme in makers() {
        let name = scheme.name();
        let identifier = identifier_option(scheme).map(|_| " --identifier K1").unwrap_or_default();
        let line = format!("keygen --name {name} --scheme {name} --directory DIR{identifier}");
        let text = run(directory.path(), &line).unwrap();
        let ring = load(&text);
        assert_eq!(states(&ring, name, NOW), [(1, State::Primary)].into(), "{text}");
        let path = directory.path().join(format!("{name}-1"));
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let secret = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(secret.trim()), "the secret stays in its file");
        let asymmetric = matches!(scheme, Scheme::Cloudfront | Scheme::GoogleMediaCdn);
        assert_eq!(text.starts_with("# The public key:\n"), asymmetric, "{text}");
        // It is never written over.
        let error = run(directory.path(), &line).unwrap_err();
        assert!(error.ends_with("entity already exists"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), secret);
    }
}

#[test]
fn secrets_of_vendors_are_not_made_up() {
    let directory = tempfile::tempdir().unwrap();
    let error = run(directory.path(), "keygen --name up --scheme cloudinary-upload --directory DIR");
    assert!(error.unwrap_err().contains("made by the vendor"));
    write(&directory.path().join("given"), "fake-vendor-secret");
    let line = "keygen --name up --scheme cloudinary-upload --directory DIR --secret-file DIR/given";
    load(&run(directory.path(), line).unwrap());
}

fn config(directory: &Path, key: &str) -> String {
    let text = run(directory, "keygen --name web --scheme cloudflare-images --directory DIR").unwrap();
    let text = text.replace("name = \"web\"", &format!("name = \"web\"\n{key}"));
    write(&directory.join("signer.toml"), &(text.clone() + GRANTS));
    text
}

const ROTATE: &str = "rotate --config DIR/signer.toml --key web --directory DIR --lead 1h";

#[test]
fn a_rotation_runs_through_time() {
    let directory = tempfile::tempdir().unwrap();
    config(directory.path(), "max_ttl = \"24h\"");
    let text = run(directory.path(), ROTATE).unwrap();
    let ring = load(&text);
    let from = (NOW + 3600).next_multiple_of(60);
    let until = from + 24 * 3600 + 3600;
    for (now, old, new) in [
        (NOW, State::Primary, State::Pending),
        (from - 1, State::Primary, State::Pending),
        (from, State::VerifyOnly, State::Primary),
        (until - 1, State::VerifyOnly, State::Primary),
        (until, State::Disabled, State::Primary),
        (u64::MAX, State::Disabled, State::Primary),
    ] {
        assert_eq!(states(&ring, "web", now), [(1, old), (2, new)].into(), "{now}");
    }
    let secret = |id: u32| fs::read_to_string(directory.path().join(format!("web-{id}"))).unwrap();
    assert_ne!(secret(1), secret(2));
    let plan: Vec<_> = text.lines().take_while(|line| line.starts_with('#')).collect();
    let expected = [
        "# Rotation of key \"web\": version 2 follows version 1.",
        "# 1. Before 2026-11-18T12:07:00Z: give every signer DIR/web-2 and this configuration.",
        "#    Version 2 is pending: it verifies, and does not sign yet.",
        "# 2. At 2026-11-18T12:07:00Z: every signer begins to sign with version 2, by its own clock.",
        "#    Nothing is refused as long as clocks differ by less than 1h.",
        "# 3. Until 2026-11-19T13:07:00Z: version 1 goes on verifying. That is the longest life",
        "#    of what it signed (1day), and 1h for clocks.",
        "# 4. Then version 1 is disabled by itself. Its entry and its secret file can go; version 2",
        "#    can then be written as the primary.",
    ];
    let shown = directory.path().display().to_string();
    assert_eq!(plan, expected.map(|line| line.replace("DIR", &shown)));
}

#[test]
fn one_rotation_follows_another() {
    let directory = tempfile::tempdir().unwrap();
    config(directory.path(), "max_ttl = \"1h\"");
    let file = directory.path().join("signer.toml");
    write(&file, &run(directory.path(), ROTATE).unwrap());
    let error = run(directory.path(), ROTATE).unwrap_err();
    assert_eq!(error, "a rotation is under way: version 2 is pending");
    // Two days later version 2 is the primary, and version 1 is disabled: what time did is written down.
    let args = ROTATE.replace("DIR", &directory.path().display().to_string());
    let program = Program::try_parse_from(std::iter::once("program").chain(args.split(' '))).unwrap();
    let later = NOW + 2 * 86400;
    let text = program.command.run(later).unwrap();
    let ring = load(&text);
    let expected = [(1, State::Disabled), (2, State::Primary), (3, State::Pending)];
    assert_eq!(states(&ring, "web", later), expected.into());
    let expected = [(1, State::Disabled), (2, State::VerifyOnly), (3, State::Primary)];
    assert_eq!(states(&ring, "web", later + 2 * 3600), expected.into());
}

#[test]
fn without_a_longest_life_nothing_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    config(directory.path(), "");
    let output = directory.path().join("next.toml");
    let plan = run(directory.path(), &format!("{ROTATE} --output {}", output.display())).unwrap();
    assert!(plan.contains("no longest life"), "{plan}");
    let ring = load(&fs::read_to_string(&output).unwrap());
    let expected = [(1, State::VerifyOnly), (2, State::Primary)];
    assert_eq!(states(&ring, "web", u64::MAX), expected.into());
    // Neither the output nor a secret is written over.
    assert!(run(directory.path(), &format!("{ROTATE} --output {}", output.display())).is_err());
}

#[test]
fn what_cannot_be_rotated_is_said() {
    let directory = tempfile::tempdir().unwrap();
    config(directory.path(), "");
    for (line, error) in [
        (ROTATE.replace("web", "nope"), "the configuration has no key \"nope\""),
        (ROTATE.replace("1h", "59s"), "--lead: expected at least 60s"),
    ] {
        assert_eq!(run(directory.path(), &line).unwrap_err(), error);
    }
    assert!(!directory.path().join("nope-2").exists() && !directory.path().join("web-2").exists());
}

#[test]
fn sealed_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write(&path.join("kek"), &"5a".repeat(32));
    write(&path.join("other"), &"5b".repeat(32));
    write(&path.join("plain"), "hunter2-fake-secret");
    let seal = "seal --key-encryption-key-file DIR/kek --name web --version 3 --scheme cloudflare-images \
                --secret-file DIR/plain --output DIR/sealed";
    run(path, seal).unwrap();
    assert!(run(path, seal).unwrap_err().ends_with("entity already exists"));
    let config = |kek: &str, name: &str, id: u32| {
        let text = format!(
            "key_encryption_key_file = \"DIR/{kek}\"\n[[keys]]\nname = \"{name}\"\nscheme = \"cloudflare-images\"\n\
             versions = [{{ id = {id}, state = \"primary\", secret_file = \"DIR/sealed\" }}]\n"
        );
        let text = text.replace("DIR", &path.display().to_string());
        Config::read_keys(&text).map_err(|errors| errors.to_string())
    };
    let broken = "keys[0].versions[0].secret_file: does not open: it was sealed with another key-encryption key, or for \
                  another key, version, scheme, algorithm or option, or it is damaged";
    let sealed = config("kek", "web", 3).ok().unwrap();
    for (kek, name, id) in [("other", "web", 3), ("kek", "shop", 3), ("kek", "web", 4)] {
        assert_eq!(config(kek, name, id).err().unwrap(), broken);
    }
    let content = fs::read_to_string(path.join("sealed")).unwrap();
    fs::write(path.join("sealed"), &content[..content.len() - 9]).unwrap();
    let error = config("kek", "web", 3).err().unwrap();
    assert!(error.contains("sealed") && !error.contains("hunter2"), "{error}");

    // It is the same secret as in the open.
    let open = load(&format!(
        "[[keys]]\nname = \"web\"\nscheme = \"cloudflare-images\"\n\
         versions = [{{ id = 3, state = \"primary\", secret_file = \"{}/plain\" }}]",
        path.display()
    ));
    let print = |ring: &Keyring| ring.get("web").unwrap().states(0)[0].0.fingerprint.clone();
    assert_eq!(print(&open), print(&sealed));
    assert_eq!(print(&open).len(), 16);
}

#[test]
fn new_secrets_are_sealed_where_the_configuration_seals() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write(&path.join("kek"), &"5a".repeat(32));
    let keygen = "keygen --name web --scheme imgproxy --directory DIR --key-encryption-key-file DIR/kek";
    let text = run(path, keygen).unwrap();
    let text = format!("key_encryption_key_file = \"{}/kek\"\n{text}{GRANTS}", path.display());
    write(&path.join("signer.toml"), &text);
    let rotated = run(path, ROTATE).unwrap();
    load(&rotated);
    for name in ["web-1", "web-1.salt", "web-2", "web-2.salt"] {
        let content = fs::read_to_string(path.join(name)).unwrap();
        assert!(content.starts_with("safelight-sealed:1:"), "{name}");
    }
}
