use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use crate::{
    Config,
    scheme::{cloudflare_images, url},
};

use super::*;

/// A secret that must never be seen anywhere.
const SECRET: &str = "hunter2-fake-secret";

/// A directory with secret files.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Reads a configuration in which `DIR` is this directory.
    fn read(&self, text: &str) -> Result<Config, Vec<String>> {
        let directory = self.0.path().display().to_string();
        let text = format!("{text}\n[[grants]]\ncaller = 'anonymous'\nmethods = ['*']\nkeys = ['*']");
        Config::read(&text.replace("DIR", &directory)).map_err(|errors| {
            let lines: Vec<_> =
                errors.to_string().lines().map(|line| line.replace(&directory, "DIR")).collect();
            assert!(lines.iter().all(|line| !line.contains(SECRET)), "{lines:?}");
            assert!(!format!("{errors:?}").contains(SECRET));
            lines
        })
    }

    fn errors(&self, text: &str) -> Vec<String> {
        self.read(text).err().unwrap_or_default()
    }
}

fn files() -> Files {
    let files = Files::new();
    files.write("a", SECRET, 0o400);
    files.write("b", &format!("{SECRET}-b\n"), 0o440);
    files
}

fn states(ring: &Keyring, key: &str, now: u64) -> Vec<(u32, State)> {
    ring.get(key).unwrap().states(now).into_iter().map(|(info, state)| (info.id, state)).collect()
}

#[test]
fn every_scheme_with_every_option() {
    let files = files();
    files.write("id", "AKIAFAKE2\n", 0o644);
    files.write("api", "1234\n", 0o644);
    let config = files
        .read(
            r#"
            [[keys]]
            name = "web"
            scheme = "cloudflare-images"
            algorithm = "hmac-sha256"
            max_ttl = "24h"
            require_expiry = false
            clock_skew = "5m"
            max_target_bytes = "4KiB"
            [[keys.versions]]
            id = 3
            state = "verify-only"
            secret_file = "DIR/a"
            [[keys.versions]]
            id = 4
            state = "primary"
            secret_file = "DIR/b"
            [[keys.versions]]
            id = 1
            state = "disabled"
            secret_file = "DIR/gone"

            [[keys]]
            name = "uploads"
            scheme = "cloudinary-upload"
            algorithm = "sha1-suffix"
            allow_legacy = true
            identifier_file = "DIR/api"
            accept_signature_v1 = true
            versions = [{ id = 1, state = "primary", secret_file = "DIR/a" }]

            [[keys]]
            name = "s3"
            scheme = "aws-sigv4"
            max_ttl = "1h"
            [[keys.versions]]
            id = 1
            state = "verify-only"
            access_key_id = "AKIAFAKE1"
            secret_file = "DIR/a"
            [[keys.versions]]
            id = 2
            state = "primary"
            access_key_id_file = "DIR/id"
            secret_file = "DIR/b"
            session_token_file = "DIR/b"
            "#,
        )
        .unwrap_or_else(|errors| panic!("{errors:?}"));
    let ring = config.keyring;

    let web = ring.url("web").unwrap();
    assert_eq!((web.scheme, web.algorithm), (Scheme::CloudflareImages, Algorithm::HmacSha256));
    assert_eq!(web.policy, url::Policy { require_expiry: false, clock_skew: 300, max_target_bytes: 4096 });
    assert_eq!(web.max_ttl, Some(86400));
    assert_eq!(states(&ring, "web", 0), [(1, State::Disabled), (3, State::VerifyOnly), (4, State::Primary)]);

    let uploads = ring.cloudinary_upload("uploads").unwrap();
    assert_eq!(uploads.policy.algorithm, cloudinary_upload::Algorithm::Sha1);
    assert!(uploads.policy.accept_v1);
    assert_eq!(uploads.api_key.as_deref(), Some("1234"));

    let s3 = ring.aws_sigv4("s3").unwrap();
    assert_eq!(s3.versions.primary(0).material.at(0).unwrap().credentials.access_key_id(), "AKIAFAKE2");
    assert_eq!(s3.versions.eligible(0).map(|version| version.info.id).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(s3.max_ttl, Some(3600));

    assert_eq!(ring.aws_sigv4("web").err(), Some(KeyError::SchemeMismatch));
    assert_eq!(ring.url("uploads").err(), Some(KeyError::SchemeMismatch));
    assert_eq!(ring.cloudinary_upload("nope").err(), Some(KeyError::NotFound));
}

#[test]
fn defaults() {
    let files = files();
    let config = files
        .read(
            r#"
            keys = [
                { name = "web", scheme = "cloudflare-images", versions = [{ id = 1, state = "primary", secret_file = "DIR/a" }] },
                { name = "up", scheme = "cloudinary-upload", versions = [{ id = 1, state = "primary", secret_file = "DIR/a" }] },
            ]
            "#,
        )
        .unwrap_or_else(|errors| panic!("{errors:?}"));
    let web = config.keyring.url("web").unwrap();
    assert_eq!(web.policy, url::Policy { require_expiry: true, clock_skew: 0, max_target_bytes: 8192 });
    assert_eq!(web.max_ttl, None);
    let up = config.keyring.cloudinary_upload("up").unwrap();
    let sha256 = cloudinary_upload::Algorithm::Sha256;
    assert_eq!(up.policy, cloudinary_upload::Policy { algorithm: sha256, accept_v1: false });
    assert_eq!(up.api_key, None);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let files = files();
    files.write("empty", "\n", 0o400);
    files.write("open", SECRET, 0o644);
    files.write("spaced", "not one word", 0o400);
    let text = r#"
        unknown = "hunter2-fake-secret"

        [[keys]]
        name = "web"
        scheme = "cloudflare-images"
        algorithm = "sha1-suffix"
        max_ttl = "500ms"
        clock_skew = "301s"
        max_target_bytes = 0
        identifier = "x"
        accept_signature_v1 = true
        secret = "hunter2-fake-secret"
        [[keys.versions]]
        id = 1
        state = "primary"
        secret_file = "DIR/missing"
        [[keys.versions]]
        id = 1
        state = "primary"
        secret_file = "DIR/empty"
        access_key_id = "AKIA"
        session_token_file = "DIR/a"
        [[keys.versions]]
        id = 2
        state = "verify-only"
        secret_file = "DIR/open"
        [[keys.versions]]
        id = 3
        state = "verify-only"
        [[keys.versions]]
        id = 4
        state = "verify-only"
        secret_file = "hunter2-fake-secret"

        [[keys]]
        name = "web"
        scheme = "aws-sigv4"
        max_ttl = "8d"
        require_expiry = true
        [[keys.versions]]
        id = 1
        state = "verify-only"
        secret_file = "DIR/spaced"
        [[keys.versions]]
        id = 2
        state = "disabled"

        [[keys]]
        name = "a b"
        scheme = "hunter2-fake-secret"
        [[keys.versions]]
        id = 0
        state = "hunter2-fake-secret"
        secret_file = "DIR/a"

        [[keys]]
        identifier = ""
        identifier_file = "DIR/a"
        "#;
    let expected = [
        r#"keys[0].versions[0].secret_file: cannot be read: entity not found"#,
        r#"keys[0].versions[1].access_key_id: does not belong to this scheme"#,
        r#"keys[0].versions[1].session_token_file: does not belong to this scheme"#,
        r#"keys[0].versions[1].secret_file: is empty"#,
        r#"keys[0].versions[1].id: another version has this id"#,
        r#"keys[0].versions[2].secret_file: can be read or written by others (mode 0644): make it 0400 or 0440, or set allow_readable_secrets"#,
        r#"keys[0].versions[3].secret_file: missing"#,
        r#"keys[0].versions[4].secret_file: cannot be read: entity not found"#,
        r#"keys[0].versions: exactly one version must be primary, and several are"#,
        r#"keys[0].identifier: does not belong to this scheme"#,
        r#"keys[0].accept_signature_v1: does not belong to this scheme"#,
        r#"keys[0].algorithm: does not fit the scheme"#,
        r#"keys[0].max_ttl: expected whole seconds, at least one"#,
        r#"keys[0].clock_skew: expected whole seconds, at most 300s"#,
        r#"keys[0].max_target_bytes: expected 1 to 60KiB"#,
        r#"keys[0].secret: unknown key"#,
        r#"keys[1].name: another key has this name"#,
        r#"keys[1].versions[0].access_key_id: missing (or access_key_id_file)"#,
        r#"keys[1].versions[0].secret_file: holds something other than printable ASCII"#,
        r#"keys[1].versions: exactly one version must be primary, and none is"#,
        r#"keys[1].require_expiry: does not belong to this scheme"#,
        r#"keys[1].max_ttl: expected at most 7 days, the most that AWS allows"#,
        r#"keys[2].name: expected 1 to 64 letters, digits, '.', '_' or '-'"#,
        r#"keys[2].versions[0].id: expected a nonzero u32"#,
        r#"keys[2].versions[0].state: expected one of pending, primary, verify-only, disabled"#,
        r#"keys[3].name: missing"#,
        r#"keys[3].scheme: missing"#,
        r#"keys[3].versions: exactly one version must be primary, and none is"#,
        r#"unknown: unknown key"#,
    ];
    let names: Vec<_> = Scheme::ALL.iter().map(|scheme| scheme.name()).collect();
    let of_scheme = format!("keys[2].scheme: expected one of {}", names.join(", "));
    let mut found = files.errors(text);
    let mut expected: Vec<_> = expected.into_iter().map(str::to_owned).chain([of_scheme]).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_signer_without_keys_does_not_start() {
    assert_eq!(files().errors(""), ["keys: at least one key is needed"]);
}

#[test]
fn readable_secrets_can_be_allowed_and_writable_ones_cannot() {
    let files = files();
    files.write("readable", SECRET, 0o644);
    files.write("writable", SECRET, 0o622);
    let text = |file: &str| {
        format!(
            r#"
            allow_readable_secrets = true
            [[keys]]
            name = "web"
            scheme = "cloudflare-images"
            versions = [{{ id = 1, state = "primary", secret_file = "DIR/{file}" }}]
            "#
        )
    };
    assert!(files.read(&text("readable")).is_ok());
    let found = files.errors(&text("writable"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("can be written by others"), "{found:?}");
}

#[test]
fn at_most_eight_versions_verify() {
    let files = files();
    let text = |count: u32| {
        let versions: Vec<_> = (1..=count)
            .map(|id| {
                let state = if id == 1 { "primary" } else { "verify-only" };
                format!(r#"{{ id = {id}, state = "{state}", secret_file = "DIR/a" }}"#)
            })
            .chain(std::iter::once(r#"{ id = 99, state = "disabled" }"#.to_owned()))
            .collect();
        let versions = versions.join(", ");
        format!("[[keys]]\nname = \"web\"\nscheme = \"cloudflare-images\"\nversions = [{versions}]")
    };
    assert!(files.read(&text(8)).is_ok());
    assert_eq!(files.errors(&text(9)), ["keys[0].versions: at most 8 versions may be other than disabled"]);
}

#[test]
fn keys_are_listed_by_name() {
    let files = files();
    let keys: Vec<_> = ["c", "a", "b"]
        .into_iter()
        .map(|name| {
            format!(
                "[[keys]]\nname = \"{name}\"\nscheme = \"cloudflare-images\"\n\
                 versions = [{{ id = 1, state = \"primary\", secret_file = \"DIR/a\" }}]"
            )
        })
        .collect();
    let config = files.read(&keys.join("\n")).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(config.keyring.all().keys().collect::<Vec<_>>(), ["a", "b", "c"]);
}

/// Whether a type has a trait: the inherent constant exists only where it does, and then comes first.
macro_rules! has {
    ($type:ty: $trait:path) => {{
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T> Otherwise for T {}
        struct Probe<T>(std::marker::PhantomData<T>);
        impl<T: $trait> Probe<T> {
            const HAS: bool = true;
        }
        Probe::<$type>::HAS
    }};
}

#[test]
#[expect(dead_code, reason = "of the two constants one is never used: which one is the question")]
fn what_holds_secrets_can_neither_be_shown_nor_copied() {
    assert!(has!(String: std::fmt::Debug) && has!(String: Clone), "the question can be answered with yes");
    assert!(!has!(Config: std::fmt::Debug) && !has!(Config: Clone));
    assert!(!has!(Keyring: std::fmt::Debug) && !has!(Keyring: Clone));
    assert!(!has!(Key: std::fmt::Debug) && !has!(Key: Clone));
    assert!(!has!(cloudflare_images::Key: std::fmt::Debug) && !has!(cloudflare_images::Key: Clone));
    assert!(!has!(cloudinary_upload::Key: std::fmt::Debug) && !has!(cloudinary_upload::Key: Clone));
    assert!(
        !has!(crate::scheme::aws_sigv4::Credentials: std::fmt::Debug)
            && !has!(crate::scheme::aws_sigv4::Credentials: Clone)
    );
    assert!(!has!(credentials::Issued: std::fmt::Debug) && !has!(credentials::Issued: Clone));
    assert!(!has!(Source: std::fmt::Debug) && !has!(Provider: std::fmt::Debug));
    assert!(!has!(crate::Signer: std::fmt::Debug));
}

/// A key of every scheme that signs URLs, with what it needs, on one line.
fn url_keys() -> Vec<(Scheme, &'static str, &'static str)> {
    vec![
        (Scheme::CloudflareImages, "", "secret_file = 'DIR/a'"),
        (Scheme::Imgproxy, "signature_size = 16", "secret_file = 'DIR/hex', salt_file = 'DIR/hex'"),
        (Scheme::Imgix, "allow_legacy = true", "secret_file = 'DIR/a'"),
        (Scheme::Thumbor, "allow_legacy = true", "secret_file = 'DIR/a'"),
        (Scheme::Fastly, "allow_legacy = true", "secret_file = 'DIR/base64'"),
        (Scheme::Bunny, "", "secret_file = 'DIR/a'"),
        (Scheme::CloudinaryDelivery, "signatures = 'long-or-short'", "secret_file = 'DIR/a'"),
        (Scheme::GoogleCloudCdn, "allow_legacy = true", "key_name = 'n', secret_file = 'DIR/16'"),
        (Scheme::GoogleMediaCdn, "", "key_name = 'n', secret_file = 'DIR/32'"),
        (Scheme::Cloudfront, "", "key_pair_id = 'K1', secret_file = 'DIR/pem'"),
        (
            Scheme::AkamaiEdgeauth,
            "token_name = 'hdnts'\nescape_early = true",
            "secret_file = 'DIR/hex', salt_file = 'DIR/a'",
        ),
        (Scheme::CloudinaryAuthToken, "token_name = 't'", "secret_file = 'DIR/hex'"),
    ]
}

fn material() -> Files {
    let files = files();
    files.write("hex", "0a0b0c0d", 0o400);
    files.write("base64", "AAECAwQFBgc=", 0o400);
    files.write("16", "AAECAwQFBgcICQoLDA0ODw==", 0o400);
    files.write("32", "AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8=", 0o400);
    files.write("pem", &crate::command::private_key_for_tests(), 0o400);
    files
}

fn one_key(scheme: Scheme, options: &str, version: &str) -> String {
    let name = scheme.name();
    format!(
        "[[keys]]\nname = 'k'\nscheme = '{name}'\n{options}\nversions = [{{ id = 1, state = 'primary', {version} }}]"
    )
}

#[test]
fn every_scheme_that_signs_urls_can_be_configured_and_used() {
    let files = material();
    let keys = url_keys();
    let others = [Scheme::CloudinaryUpload, Scheme::AwsSigv4];
    assert_eq!(keys.len() + others.len(), Scheme::ALL.len(), "one of each");
    for (scheme, options, version) in keys {
        let config =
            files.read(&one_key(scheme, options, version)).unwrap_or_else(|errors| panic!("{errors:?}"));
        let key = config.keyring.url("k").unwrap();
        assert_eq!(key.scheme, scheme);
        assert_eq!(key.algorithm, algorithms(scheme)[0]);
        let now = 1_700_000_000;
        let expires = (key.versions.expiry() != url::Expiry::Never).then_some(now + 60);
        let wanted = url::Wanted::plain("https://h/demo/image/upload/a.jpg", expires);
        let (signed, version) = key.versions.sign(&key.policy, &wanted, now).unwrap();
        let target = signed.url.strip_prefix("https://h").unwrap();
        let presented = url::Presented { origin: Some("https://h"), ..url::Presented::target(target, now) };
        let (verified, verifying) = key.versions.verify(&key.policy, &presented).unwrap();
        assert_eq!((verified.expires, verifying), (expires, version));
    }
}

#[test]
fn pitfall_09_legacy_algorithms_must_be_allowed() {
    let files = material();
    let legacy = "keys[0].algorithm: is legacy: choose another, or set allow_legacy = true";
    for (scheme, options, version) in url_keys() {
        let found = files.errors(&one_key(scheme, &options.replace("allow_legacy = true", ""), version));
        let expected: &[&str] = if algorithms(scheme)[0].is_legacy() { &[legacy] } else { &[] };
        assert_eq!(found, expected, "{scheme:?}");
    }
    for scheme in [Scheme::CloudinaryUpload, Scheme::CloudinaryDelivery] {
        let sha1 = one_key(scheme, "algorithm = 'sha1-suffix'", "secret_file = 'DIR/a'");
        assert_eq!(files.errors(&sha1), [legacy]);
        assert!(files.read(&sha1.replace("\nversions", "\nallow_legacy = true\nversions")).is_ok());
    }
}

#[test]
fn options_that_mean_nothing_to_a_scheme_are_refused() {
    let files = material();
    let secret = "secret_file = 'DIR/a'";
    for option in ["max_ttl = '1h'", "require_expiry = true", "clock_skew = '1s'", "signatures = 'long'"] {
        let name = option.split(' ').next().unwrap();
        let options = format!("allow_legacy = true\n{option}");
        let found = files.errors(&one_key(Scheme::Thumbor, &options, secret));
        assert_eq!(found, [format!("keys[0].{name}: does not belong to this scheme")]);
    }
    let options = "allowed_hosts = ['a', 'B']\nallowed_path_prefixes = ['a']";
    let found = files.errors(&one_key(Scheme::CloudflareImages, options, secret));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("keys[0].allowed_hosts: entry 1: expected a host"), "{found:?}");
    let found = files.errors(&one_key(
        Scheme::Imgproxy,
        "signature_size = 7",
        &format!("{secret}, salt_file = 'DIR/hex'"),
    ));
    assert_eq!(found, ["keys[0].versions[0].secret_file: expected a signature size of 8 to 32 bytes"]);
}

#[test]
fn times_change_what_versions_may_do() {
    let files = files();
    let text = |until: &str| {
        format!(
            "[[keys]]\nname = 'k'\nscheme = 'cloudflare-images'\nversions = [\n\
             {{ id = 1, state = 'primary', verify_until = {until}, secret_file = 'DIR/a' }},\n\
             {{ id = 2, state = 'pending', primary_from = 2026-12-01T00:00:00Z, secret_file = 'DIR/b' }},\n]"
        )
    };
    let config = files.read(&text("2026-12-02T00:00:00Z")).unwrap_or_else(|errors| panic!("{errors:?}"));
    let from = 1_796_083_200;
    for (now, first, second) in [
        (from - 1, State::Primary, State::Pending),
        (from, State::VerifyOnly, State::Primary),
        (from + 86400, State::Disabled, State::Primary),
    ] {
        assert_eq!(states(&config.keyring, "k", now), [(1, first), (2, second)]);
    }
    let found = files.errors(&text("2026-11-30T00:00:00Z"));
    let expected =
        "keys[0].versions: version 1: verify_until: no other version has become the primary by then";
    assert_eq!(found, [expected]);
}
