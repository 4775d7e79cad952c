//! The pixel arithmetic: colour conversion, forward DCT, quantisation.
//!
//! Samples are kept in planes as bytes with the top bit flipped, that is as i8 with the level shift of
//! ITU-T T.81, A.3.1 applied.

mod colour;
mod dct;
mod levels;
#[cfg(test)]
mod tests;

pub(super) use colour::{full, gray, half, quarter};
#[cfg(test)]
pub(super) use levels::coefficients;
pub(super) use levels::{Order, Transposed, Zigzag, levels, levels_and_raw, sort};

/// Pixels that a colour kernel converts at a time: rows are padded to a multiple.
pub(super) const CHUNK: usize = 32;

/// Coefficients of one block.
pub(super) type Block = [i16; 64];

/// Which coefficients of a quantised block are not zero: bit k for zigzag index k ≥ 1. Bit 0, which DC does not
/// need, says that some AC level lies outside −127…127.
pub(super) type Mask = u64;

/// Bit 0 of a [`Mask`].
pub(super) const WIDE: Mask = 1;
