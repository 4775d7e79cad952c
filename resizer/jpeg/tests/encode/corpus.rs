//! What fuzzing found worth keeping, through the fuzz target's own check; a part of it, in smaller pictures, under Miri:
//! `MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p safelight-jpeg --test encode corpus`.

use crate::checks;

#[test]
fn the_corpus_passes_every_check() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/encode");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap().step_by(if cfg!(miri) { 8 } else { 1 }) {
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        checks::encode(&input);
        count += 1;
    }
    println!("{count} inputs");
    assert!(cfg!(miri) || count > 50, "{count} inputs in {folder}");
}
