//! What libwebp takes to decode a picture, from how it allocates (libwebp 1.6):
//!
//! - Lossy: rows of macroblocks that wait for the loop filter, 24 rows of 1.5 bytes a pixel in macroblocks of 16, and
//!   40 bytes for each macroblock of a row; two rows of chroma that is interpolated.
//! - Its alpha: a plane of bytes, and while it is read the pixels of a lossless picture, 4 bytes each (1 with a palette).
//! - Lossless: 4 bytes a pixel and 17 rows of them; images of transforms and of codes, of which each has at most a
//!   sixteenth of the pixels (4 bytes each, three of them); two color caches of 8 KiB; and for each group of codes tables
//!   of at most 5004 entries of 4 bytes, and 600 bytes.
//!
//! How many groups there are stands behind coded data. libwebp's encoder makes at most 2600, for which there is room
//! here; the format allows 65,536.

use super::{
    header::{Frame, Header},
    index, output,
};
use crate::view::Scale;

/// Bytes of a group of codes: tables of 4-byte entries, pointers and a packed table.
const GROUP: u64 = 5004 * 4 + 640;

/// Groups that are expected at most.
const GROUPS: u64 = 2600;

/// Bits that a group of codes takes at least: five codes of 4 bits.
const GROUP_BITS: u64 = 20;

/// What does not grow with the picture: structures, stacks of codes, the allocator's slack.
const FIXED: u64 = 1 << 20;

/// Bytes that decoding holds at most besides the pixels that it hands out.
pub(super) fn decoding(header: &Header<'_>, scale: Scale) -> u64 {
    let Frame { size, lossy, has_alpha, chunks, .. } = header.frame;
    let area = size.area();
    let buffer = output(header, scale).bytes(index(size.width), index(size.height));
    // The rows that wait, and here the sums of columns and a row of the canvas.
    let rows = u64::from(size.width.next_multiple_of(16)) * 64 + u64::from(header.canvas.width) * 32;
    let inside = match (lossy, has_alpha) {
        (true, false) => 0,
        (true, true) => area + lossless(size.width, area, chunks),
        (false, _) => lossless(size.width, area, chunks),
    };
    u64::try_from(buffer).unwrap_or(u64::MAX).saturating_add(inside + rows + FIXED)
}

/// What the decoder of lossless pictures takes, which reads alpha too.
fn lossless(width: u32, area: u64, chunks: Option<&[u8]>) -> u64 {
    let bits = chunks.map_or(0, |chunks| chunks.len() as u64 * 8);
    let groups = GROUPS.min(area / 16 + u64::from(width) + 1).min(bits / GROUP_BITS + 1);
    area * 4 + area * 3 / 4 + u64::from(width) * 17 * 4 + groups * GROUP
}
