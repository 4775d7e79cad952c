//! What fuzzing found worth keeping, through the fuzz targets' own checks. `fuzz/README.md` says how the files came here.

use crate::checks;

#[test]
fn the_corpus_passes_every_check() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/decode");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = std::fs::read(entry.unwrap().path()).unwrap();
        checks::decode(&file, checks::SMALL);
        checks::lanes(&file, checks::SMALL);
        checks::limits(&file);
        count += 1;
    }
    println!("{count} files");
    assert!(count > 50, "{count} files in {folder}");
}
