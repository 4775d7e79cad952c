//! The typical tables of ITU-T T.81, Annex K.3, in every form, made by the compiler.

use super::{Set, Spec};
use crate::common::standard;

pub(super) const fn spec<const N: usize>(counts: [u8; 16], list: [u8; N]) -> Spec {
    let mut symbols = [0; 256];
    let mut i = 0;
    while i < N {
        symbols[i] = list[i];
        i += 1;
    }
    Spec { counts, symbols }
}

/// Tables K.3 and K.5, then K.4 and K.6.
pub(in super::super) static STANDARD: Set = Set::new([[LUMA_DC, LUMA_AC], [CHROMA_DC, CHROMA_AC]]);

pub(super) const LUMA_DC: Spec = spec(standard::LUMA_DC, standard::DC_SYMBOLS);
pub(super) const CHROMA_DC: Spec = spec(standard::CHROMA_DC, standard::DC_SYMBOLS);
pub(super) const LUMA_AC: Spec = spec(standard::LUMA_AC, standard::LUMA_AC_SYMBOLS);
pub(super) const CHROMA_AC: Spec = spec(standard::CHROMA_AC, standard::CHROMA_AC_SYMBOLS);
