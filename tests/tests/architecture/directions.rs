//! Who may name whom.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A folder and what its files must not name: crates, or modules of their own crate as `crate::name`.
struct Rule {
    folder: &'static str,
    forbidden: &'static [&'static str],
}

const TRANSPORT: [&str; 3] = ["tonic", "hyper", "hyper_util"];

const RULES: &[Rule] = &[
    // Doors translate and call `app`; nothing below them knows of a door.
    Rule { folder: "resizer/src/app", forbidden: &["crate::service", "crate::http", "clap"] },
    Rule { folder: "resizer/src/http", forbidden: &["crate::service", "tonic", "reqwest"] },
    Rule {
        folder: "resizer/src/origin",
        forbidden: &[
            "crate::app",
            "crate::service",
            "crate::http",
            "crate::admission",
            "safelight_image",
            "image",
        ],
    },
    Rule {
        folder: "resizer/src/delivery",
        forbidden: &["crate::app", "crate::service", "crate::http", "crate::admission", "tokio", "reqwest"],
    },
    Rule {
        folder: "resizer/src/transfer",
        forbidden: &[
            "crate::app",
            "crate::service",
            "crate::http",
            "crate::origin",
            "crate::delivery",
            "safelight_image",
            "safelight_proto",
        ],
    },
    Rule {
        folder: "resizer/src/admission",
        forbidden: &[
            "crate::app",
            "crate::service",
            "crate::http",
            "crate::origin",
            "crate::delivery",
            "safelight_image",
            "safelight_proto",
        ],
    },
    // The engine: pure computation.
    Rule {
        folder: "resizer/image/src",
        forbidden: &["tokio", "tonic", "hyper", "reqwest", "safelight_proto"],
    },
    Rule { folder: "resizer/jpeg/src", forbidden: &["tokio", "image", "safelight_image", "rayon"] },
    // Schemes: pure functions over text, a key and a time.
    Rule {
        folder: "signer/src/scheme",
        forbidden: &[
            "crate::keyring",
            "crate::clock",
            "crate::service",
            "crate::access",
            "crate::audit",
            "tokio",
        ],
    },
    Rule { folder: "signer/src/keyring", forbidden: &["crate::service", "crate::access"] },
    Rule { folder: "signer/src/upload", forbidden: &["crate::service", "crate::access"] },
    Rule { folder: "signer/src/credentials", forbidden: &["crate::service", "crate::access"] },
    Rule { folder: "signer/src/audit", forbidden: &["crate::service"] },
    // Knows neither keys nor images.
    Rule { folder: "chassis/src", forbidden: &["safelight_signer", "safelight_resizer", "safelight_image"] },
];

/// Folders whose files are the only ones of their crate that may name gRPC and HTTP server types, and the files at the
/// crate's root that put a server together.
const DOORS: [&str; 3] = ["resizer/src/service", "resizer/src/http", "signer/src/service"];

#[test]
fn nothing_names_what_it_must_not() {
    let mut broken = Vec::new();
    for Rule { folder, forbidden } in RULES {
        let files = sources(folder);
        assert!(!files.is_empty(), "{folder} has no files: the rule for it guards nothing");
        for file in files {
            let used = used(&file);
            for name in *forbidden {
                if used.iter().any(|path| names(path, name)) {
                    broken.push(format!("{} names {name}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "dependency direction:\n{}", broken.join("\n"));
}

/// A codec's library is named in its own folder alone: the rest of the engine goes through the list of codecs.
#[test]
fn only_a_codec_names_its_library() {
    let engine = "resizer/image/src";
    for (library, folder) in [("safelight_jpeg", "jpeg"), ("libdeflater", "png"), ("libwebp_sys", "webp")] {
        let own = root().join(engine).join("codec").join(folder);
        for file in sources(engine).into_iter().filter(|file| !file.starts_with(&own)) {
            let used = used(&file);
            assert!(used.iter().all(|path| !names(path, library)), "{} names {library}", file.display());
        }
        assert!(sources(engine).iter().any(|file| file.starts_with(&own)), "{folder} has moved");
    }
}

#[test]
fn only_doors_name_the_transport() {
    let mut broken = Vec::new();
    for service in ["resizer/src", "signer/src"] {
        for file in sources(service) {
            let relative = file.strip_prefix(root()).unwrap().to_owned();
            if DOORS.iter().any(|door| relative.with_extension("").starts_with(door)) {
                continue;
            }
            let used = used(&file);
            for name in TRANSPORT {
                if used.iter().any(|path| names(path, name)) {
                    broken.push(format!("{} names {name}", relative.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "only the doors may:\n{}", broken.join("\n"));
}

/// Our own crates that each of our crates may depend on, tests aside.
const CRATES: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("resizer/jpeg", &[]),
    ("resizer/image", &["safelight-jpeg"]),
    ("chassis", &["safelight-proto", "safelight-client"]),
    ("client", &["safelight-proto"]),
    ("signer", &["safelight-proto", "safelight-client", "safelight-chassis"]),
    ("resizer", &["safelight-proto", "safelight-client", "safelight-chassis", "safelight-image"]),
];

#[test]
fn crates_depend_in_one_direction() {
    let mut broken = Vec::new();
    for (folder, allowed) in CRATES {
        let Ok(manifest) = fs::read_to_string(root().join(folder).join("Cargo.toml")) else { continue };
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for line in dependencies.lines().filter(|line| line.starts_with("safelight-")) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !allowed.contains(&name) {
                broken.push(format!("{folder} depends on {name}"));
            }
        }
    }
    assert!(broken.is_empty(), "dependency direction:\n{}", broken.join("\n"));
}

/// Whether a path begins with the name, segment by segment.
fn names(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every source file below a folder (and the file of the same name beside it), tests excepted.
fn sources(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if path.is_dir() {
                if name != "tests" {
                    walk(&path, files);
                }
            } else if name.ends_with(".rs") && name != "tests.rs" {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    let folder = root().join(folder);
    walk(&folder, &mut files);
    let beside = folder.with_extension("rs");
    if beside.exists() {
        files.push(beside);
    }
    files
}

/// Every path that the file's `use` lines bring in, and the first two segments of every path that its code spells out.
/// Test modules at the end of a file do not count.
fn used(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let code: String = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut paths = BTreeSet::new();
    for statement in code.split(';') {
        let statement = statement.trim_start();
        let statement = ["pub ", "pub(crate) ", "pub(super) "]
            .iter()
            .find_map(|prefix| statement.strip_prefix(prefix))
            .unwrap_or(statement);
        if let Some(tree) = statement.strip_prefix("use ") {
            let tree: String = tree.split_whitespace().collect();
            expand("", &tree, &mut paths);
        }
    }
    // `tonic::Status` in the middle of code.
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (at, _) in code.match_indices("::") {
        let before = code.get(..at).unwrap_or_default();
        let start = before.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
        let first = before.get(start..).unwrap_or_default();
        let inner = before.get(..start).unwrap_or_default().ends_with("::");
        if !first.is_empty() && !inner {
            let rest = code.get(at + 2..).unwrap_or_default();
            let second: String = rest.chars().take_while(|c| is_name(*c)).collect();
            paths.insert(format!("{first}::{second}"));
        }
    }
    paths
}

/// Expands a list such as `a::{b,c::{d}},e`, without spaces, into paths.
fn expand(prefix: &str, list: &str, paths: &mut BTreeSet<String>) {
    let (mut depth, mut start) = (0, 0);
    let mut ends: Vec<usize> = Vec::new();
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => ends.push(at),
            _ => {}
        }
    }
    for end in ends.into_iter().chain([list.len()]) {
        let tree = list.get(start..end).unwrap_or_default();
        start = end + 1;
        match tree.strip_suffix('}').and_then(|tree| tree.split_once('{')) {
            Some((head, inner)) => expand(&format!("{prefix}{head}"), inner, paths),
            None if tree.is_empty() => {}
            None => _ = paths.insert(format!("{prefix}{tree}")),
        }
    }
}

#[test]
fn trees_of_use_lines_are_read() {
    let mut paths = BTreeSet::new();
    expand("", "crate::{app::{App,error::{self,x}},origin::Origin,}", &mut paths);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    assert_eq!(
        paths,
        ["crate::app::App", "crate::app::error::self", "crate::app::error::x", "crate::origin::Origin"]
    );
    assert!(names("tonic::Status", "tonic") && !names("tonicx::y", "tonic") && names("tonic", "tonic"));
}
