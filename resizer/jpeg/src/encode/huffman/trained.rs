//! Tables trained on photographs at [`Steps::Radial`](crate::encode::Steps::Radial), a set for each range of qualities.
//!
//! # How they were made
//! By the ignored test `train` (see there), of all pictures of the directories in `SAFELIGHT_PHOTOS`.

mod sets;
#[cfg(test)]
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

/// Counts of a part of a picture, up to 2²⁶ − 1 each, as a guess at the shares in the rest of it: those of the trained
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
