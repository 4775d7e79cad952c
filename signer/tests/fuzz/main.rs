//! The checks of the fuzz targets (`signer/fuzz`) without a fuzzer.
//!
//! # Layout
//! - `checks`: what the targets check
//! - `seeds`: what fuzzing starts from
//! - `schemes`: what holds between all schemes

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests, and checks that may panic"
)]
#![expect(unreachable_pub, reason = "the checks are a fuzz target's module too")]

#[path = "../../fuzz/checks/mod.rs"]
mod checks;
mod schemes;
mod seeds;

use std::{fs, path::Path};

/// A target and its check.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 7] = [
    ("signed", checks::signed::check),
    ("presented", checks::presented::check),
    ("uploads", checks::uploads::check),
    ("origin", checks::origin::check),
    ("files", checks::files::check),
    ("envoy", checks::envoy::check),
    ("urls", checks::urls::check),
];

#[test]
fn pitfall_22_the_corpus_passes_every_check() {
    for (name, check) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 10, "{name}");
        for file in files {
            println!("{}", file.display());
            check(&fs::read(file).unwrap());
        }
    }
}

#[test]
fn pitfall_22_seeds_pass_every_check() {
    let folder = std::env::var_os("SIGNER_CORPUS");
    for (name, check) in TARGETS {
        let seeds = seeds::of(name);
        assert!(seeds.len() > 10, "{name}");
        for (at, seed) in seeds.iter().enumerate() {
            check(seed);
            if let Some(folder) = &folder {
                let folder = Path::new(folder).join(name);
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(format!("seed-{at}")), seed).unwrap();
            }
        }
    }
}
