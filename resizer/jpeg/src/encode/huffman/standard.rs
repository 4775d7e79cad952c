//! The typical tables of ITU-T T.81, Annex K.3, in every form, made by the compiler.

use super::{AcTable, Codes, Spec};
use crate::common::standard;

const fn spec<const N: usize>(counts: [u8; 16], list: [u8; N]) -> Spec {
    let mut symbols = [0; 256];
    let mut i = 0;
    while i < N {
        symbols[i] = list[i];
        i += 1;
    }
    Spec { counts, symbols }
}

/// Tables K.3 and K.5, then K.4 and K.6: `[luma, chroma]` of `[DC, AC]`.
pub(in super::super) static STANDARD_SPECS: [[Spec; 2]; 2] = [[LUMA_DC, LUMA_AC], [CHROMA_DC, CHROMA_AC]];
/// Codes of the DC tables, luma and chroma.
pub(in super::super) static STANDARD_DC: [Codes; 2] = [Codes::new(&LUMA_DC), Codes::new(&CHROMA_DC)];
/// Look-ups of the AC tables, luma and chroma.
pub(in super::super) static STANDARD_AC: [AcTable; 2] = [AcTable::new(&LUMA_AC), AcTable::new(&CHROMA_AC)];

const LUMA_DC: Spec = spec(standard::LUMA_DC, standard::DC_SYMBOLS);
const CHROMA_DC: Spec = spec(standard::CHROMA_DC, standard::DC_SYMBOLS);
const LUMA_AC: Spec = spec(standard::LUMA_AC, standard::LUMA_AC_SYMBOLS);
const CHROMA_AC: Spec = spec(standard::CHROMA_AC, standard::CHROMA_AC_SYMBOLS);
