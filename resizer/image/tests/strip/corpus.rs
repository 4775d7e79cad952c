//! Files that a fuzzer found, and those it starts from.

use std::{fs, path::Path};

use crate::{checks, made};

#[test]
fn the_corpus_passes_every_check() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/strip");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 50);
    for file in files {
        println!("{}", file.display());
        checks::check(&fs::read(file).unwrap());
    }
}

/// Writes them: `STRIP_CORPUS=folder cargo test -p safelight-image --test strip seeds`.
#[test]
fn seeds_pass_every_check() {
    let folder = std::env::var_os("STRIP_CORPUS");
    let full = made::files().into_iter().map(|file| file.bytes);
    let bare = made::bare_files().into_iter().map(|(_, bytes)| bytes);
    for (at, bytes) in full.chain(bare).enumerate() {
        for choice in 0..2 {
            let seed = [&[choice][..], &bytes].concat();
            checks::check(&seed);
            if let Some(folder) = &folder {
                fs::create_dir_all(folder).unwrap();
                fs::write(Path::new(folder).join(format!("seed-{at}-{choice}")), seed).unwrap();
            }
        }
    }
}
