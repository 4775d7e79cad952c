//! Tables trained on photographs at [`Steps::Radial`](crate::encode::Steps::Radial), a set for each range of qualities.
//!
//! The ignored test in `trained/tests/train.rs`, which says how, makes `trained/sets.rs`. Those here were made of ten pictures of Kodak
//! (`kodim01 03 05 07 13 15 19 20 23 24`) and four of CLIC 2025's validation set (`097cb426 0c49a5cc 100a02c2 100f1789`).
//! On five others at 800 pixels, radial steps, BD rate (bytes at equal SSIMULACRA2, qualities 60 to 92) against
//! the tables of Annex K: trained −2.7 %, made for the picture −5.3 %; with the trellis −6.8 %, −9.5 %, and −9.4 % where it works
//! block by block and the tables are made at last ([`Huffman::Bounded`](crate::encode::Huffman::Bounded)).

mod sets;
#[cfg(test)]
#[path = "trained/tests/train.rs"]
mod train;

use super::{Codes, Set, optimal};
use sets::{FROM, SETS};

/// The set for a quality.
pub(in super::super) fn trained(quality: u8) -> &'static Set {
    let number = FROM.iter().filter(|&&from| quality >= from).count();
    SETS.get(number).unwrap_or(&SETS[0])
}

/// How many symbols of the picture the trained tables weigh as much as.
const WEIGHT: u32 = 1 << 10;
/// Fraction bits of counts: the rarest symbols weigh one [`WEIGHT`]th of 2¹⁶.
const FRACTION: u32 = 6;

/// Counts of a part of a picture, up to 2²⁴ each, as a guess at the shares in the rest of it: those of the trained
/// table's symbols are added.
pub(in super::super) fn guess(counts: &[u32; 256], trained: &Codes) -> [u32; 256] {
    let mut guess = [0; 256];
    for ((guess, &count), &length) in guess.iter_mut().zip(counts).zip(&trained.length) {
        let more = if length == 0 { 0 } else { (WEIGHT << FRACTION >> length).max(1) };
        *guess = (count << FRACTION) + more;
    }
    guess
}

/// The tables for the rest of a picture of which a part has been counted (DC of luma and chroma, then AC): every symbol
/// that the trained set has is in them.
pub(in super::super) fn extended(counts: &[[u32; 256]; 4], trained: &Set) -> Set {
    let table = |number: usize, codes: &Codes| optimal(&guess(&counts[number & 3], codes));
    let [luma, chroma] = [0, 1].map(|t| [table(t, &trained.dc[t]), table(2 + t, &trained.ac[t].codes)]);
    Set::new([luma, chroma])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symbol_has_a_code_at_every_quality() {
        for quality in 1..=100 {
            let set = trained(quality);
            let nothing = extended(&[[0; 256]; 4], set);
            // A part with one symbol alone, as often as may be.
            let mut counts = [[0; 256]; 4];
            for counts in &mut counts {
                counts[3] = 1 << 24;
            }
            for set in [set, &nothing, &extended(&counts, set)] {
                for ([dc_spec, ac_spec], (dc, ac)) in set.specs.iter().zip(set.dc.iter().zip(&set.ac)) {
                    assert_eq!((dc_spec.len(), ac_spec.len()), (12, 162));
                    assert!((0..12).all(|symbol| dc.length[symbol] > 0));
                    for run in 0..16 {
                        assert!((1..=10).all(|size| ac.codes.length[run << 4 | size] > 0));
                    }
                    assert!(ac.codes.length[0] > 0 && ac.codes.length[0xF0] > 0);
                    for spec in [dc_spec, ac_spec] {
                        // The code of all ones stays free.
                        let sum: u32 = (1..=16).zip(spec.counts).map(|(l, n)| u32::from(n) << (16 - l)).sum();
                        assert!(sum < 1 << 16);
                    }
                }
            }
        }
    }
}
