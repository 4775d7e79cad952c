//! The pitfalls of signing, each with its tests (README.md beside this file), and what the sources must not hold.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// How many pitfalls there are.
const PITFALLS: usize = 23;

/// Where their tests are, from the repository's root.
const FOLDERS: [&str; 6] =
    ["signer/src", "signer/tests", "proto/src", "client/src", "resizer/src", "tests/tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Rust sources below a folder, with their text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), fs::read_to_string(path).unwrap()));
        }
    }
    found
}

/// The names of tests in a text, by number: `pitfall_`, two digits, and the rest.
fn named(text: &str, before: &str) -> BTreeMap<usize, BTreeSet<String>> {
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for (at, _) in text.match_indices(&format!("{before}pitfall_")) {
        let name = &text[at + before.len()..];
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        if let Some(number) = name.get("pitfall_".len()..end).and_then(|rest| rest.get(..2)?.parse().ok()) {
            found.entry(number).or_default().insert(name[..end].to_owned());
        }
    }
    found
}

#[test]
fn the_table_of_pitfalls_is_true() {
    let mut tests = BTreeMap::<_, BTreeSet<_>>::new();
    for (_, text) in FOLDERS.iter().flat_map(|folder| sources(&root().join(folder))) {
        for (number, names) in named(&text, "fn ") {
            tests.entry(number).or_default().extend(names);
        }
    }
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/README.md")).unwrap();
    assert_eq!(named(&table, "`"), tests, "signer/tests/README.md names other tests than there are");
    assert!(tests.keys().copied().eq(1..=PITFALLS), "a pitfall without a test: {:?}", tests.keys());
    for (number, names) in tests {
        let row = format!("| {number} |");
        let row = table.lines().find(|line| line.starts_with(&row)).unwrap();
        assert!(names.iter().all(|name| row.contains(&format!("`{name}`"))), "{number}");
    }
}

/// What a comparison must not touch: parts of names.
const SECRETS: [&str; 8] = ["mac", "hmac", "tag", "signature", "secret", "token", "hash", "digest"];

/// Comparisons that may: what the line holds, and why.
const HARMLESS: &[(&str, &str)] = &[
    ("previous != self.hash", "the hash of a line that was found good stands in the file that is checked"),
    ("noted == Some(head.hash.as_str())", "the same; and the operator noted it"),
    ("name != \"signature\"", "the name of a field"),
    ("name == \"signature\"", "the same"),
    ("subtype == \"*\"", "a token of a media type"),
    ("token_ignore_params", "a parameter of Bunny's"),
    ("**byte == b'='", "padding, when a secret is read from its file"),
    ("presented.target != format!", "both sides are what the client sent"),
    ("key.name() == form.name", "the name of a key"),
    ("key.hash() == hash", "the name of an algorithm"),
    ("mac.len() == key.mac.bytes()", "lengths"),
    ("asked != authenticated", "paths"),
    ("sha256 == hash(b\"\")", "the hash of no token, in the configuration"),
];

/// Lines that compare something whose name says that it is secret, outside tests and comments.
fn risky(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let compares = [" == ", " != ", "assert_eq!(", "assert_ne!(", ".eq(", ".ne(", ".starts_with(&", ".cmp("];
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .filter(|line| compares.iter().any(|how| line.contains(how)))
        // A length is no secret.
        .filter(|line| {
            let line = line.replace(".len()", "_length");
            line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .any(|name| !name.ends_with("_length") && name.split('_').any(|part| SECRETS.contains(&part)))
        })
        .filter(|line| !HARMLESS.iter().any(|(text, _)| line.contains(text)))
        .collect()
}

/// `Tag` has no `==`, and clippy.toml sees to it that a MAC becomes one. What is left are hashes with a secret in them, and
/// texts.
#[test]
fn pitfall_01_no_comparison_touches_a_mac_or_a_secret() {
    let mut found = Vec::new();
    let sources: Vec<_> =
        ["signer/src", "chassis/src"].iter().flat_map(|folder| sources(&root().join(folder))).collect();
    for (text, _) in HARMLESS {
        assert!(sources.iter().any(|(_, source)| source.contains(text)), "no longer there: {text}");
    }
    for (path, text) in sources {
        let in_tests = path.parent().is_some_and(|folder| folder.ends_with("tests"));
        if in_tests || path.file_name().is_some_and(|name| name == "tests.rs" || name == "testing.rs") {
            continue;
        }
        found.extend(risky(&text).into_iter().map(|line| format!("{}: {line}", path.display())));
        // Hashes are made in few places, none of which compares what it makes.
        let hashes = text.contains(".finalize()") || text.contains("::digest(");
        let known = [
            "scheme/tag.rs",                // becomes a `Tag`
            "audit.rs",                     // makes a key
            "keyring/seen.rs",              // of files, to find out that they changed
            "scheme/cloudfront/key.rs",     // of what RSA signs
            "upload/token.rs",              // names a token that nobody can guess
            "keyring/origin_headers.rs",    // of a key for SSE-C, as S3 wants it beside the key
            "chassis/src/access/tokens.rs", // compared in constant time
        ];
        if hashes && !known.iter().any(|known| path.ends_with(known)) {
            found.push(format!("{}: hashes something: make it a `Tag`", path.display()));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    // The check itself is checked.
    for bad in [
        "if made_mac == found {",
        "assert_eq!(key.signature(message), other);",
        "known.secret.eq(&given)",
        "found |= hex(tag) != text;",
    ] {
        assert_eq!(risky(bad), [bad]);
    }
    for good in
        ["// mac == mac", "if text.len() != token.len() {", "let tag = made;", "let machine == other;"]
    {
        assert!(risky(good).is_empty(), "{good}");
    }
}
