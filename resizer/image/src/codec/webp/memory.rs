//! What libwebp takes to decode a picture, from how it allocates (libwebp 1.6):
//!
//! - Lossy: rows of macroblocks that wait for the loop filter, 24 rows of 1.5 bytes a pixel in macroblocks of 16, and
//!   40 bytes for each macroblock of a row; two rows of chroma that is interpolated.
//! - Its alpha: a plane of bytes, and while it is read the pixels of a lossless picture, 4 bytes each (1 with a palette).
//! - Lossless: 4 bytes a pixel and 17 rows of them; images of transforms and of groups of codes, 4 bytes a pixel; two color
//!   caches of 8 KiB; and for each group of codes tables of at most 5004 entries of 4 bytes, and 600 bytes.
//!
//! How many groups there are, and how large the images, stands behind coded data, which [`front`] reads first.

use super::{
    DAMAGED,
    header::{Frame, Header},
    index,
    lossless::{Front, Unread, front},
    output,
};
use crate::{cancel::Cancel, error::ImageError, view::Scale};

/// Entries of 4 bytes of the tables of a group without a color cache: as many as any codes of these alphabets take, if 8
/// bits are looked up at first.
const TABLES: u64 = 630 * 3 + 410 + 654;

/// Pointers of a group and a packed table.
const GROUP: u64 = 640;

/// Groups that are expected at most where they are not counted: libwebp's encoder makes no more.
const EXPECTED: u64 = 2600;

/// Groups that are decoded at most, three times as many as libwebp's encoder makes: 165 MB. The format allows 65,536.
const MOST_GROUPS: u64 = 8192;

/// Bits that a group of codes takes at least: five codes of 4 bits.
const GROUP_BITS: u64 = 20;

/// Pixels of images that are read to count groups while a file is only probed: 256 KiB. libwebp's encoder makes an
/// image of at most 2600 pixels for groups, and for transforms of 16,384 (before 1.5 one pixel for 256 of the picture).
const PROBED: u64 = 1 << 16;

/// What does not grow with the picture: structures, stacks of codes, the allocator's slack.
const FIXED: u64 = 1 << 20;

const RARE: ImageError = ImageError::Unsupported("a WebP of a rare kind");

/// What a header shows that is only probed: what is read of a picture, or at most expected. Refuses what is never decoded.
pub(super) fn expected(header: &Header<'_>) -> Result<Front, ImageError> {
    match front(&header.frame, PROBED, &Cancel::new()) {
        Ok(front) if front.groups > MOST_GROUPS => Err(RARE),
        Ok(front) => Ok(front),
        // Decoding will say what is wrong.
        Err(_) => Ok(guess(&header.frame)),
    }
}

/// What is expected at most of a picture that is not looked into.
pub(super) fn guess(frame: &Frame<'_>) -> Front {
    let Frame { size, lossy, has_alpha, chunks, .. } = *frame;
    if lossy && !has_alpha {
        return Front::default();
    }
    let bits = chunks.map_or(0, |chunks| chunks.len() as u64 * 8);
    let block = size.area() / 16 + u64::from(size.width.max(size.height)) + 1;
    Front { groups: EXPECTED.min(block).min(bits / GROUP_BITS + 1), images: block * 3 + 256, cache_bits: 11 }
}

/// Refuses a picture that would take more than [`decoding`] has said. To be asked before libwebp sees it.
pub(super) fn check(header: &Header<'_>, cancel: &Cancel) -> Result<(), ImageError> {
    let (front, most) = match front(&header.frame, PROBED, cancel) {
        Err(Unread::Large) => (front(&header.frame, u64::MAX, cancel), guess(&header.frame).groups),
        front => (front, MOST_GROUPS),
    };
    match front {
        Ok(front) if front.groups > most => Err(RARE),
        Ok(_) => Ok(()),
        Err(Unread::Large) => Err(DAMAGED),
        Err(Unread::Failed(error)) => Err(error),
    }
}

/// Bytes that decoding holds at most besides the pixels that it hands out.
pub(super) fn decoding(header: &Header<'_>, front: Front, scale: Scale) -> u64 {
    let Frame { size, lossy, has_alpha, .. } = header.frame;
    let area = size.area();
    let buffer = output(header, scale).bytes(index(size.width), index(size.height));
    // The rows that wait, and here the sums of columns and a row of the canvas.
    let rows = u64::from(size.width.next_multiple_of(16)) * 64 + u64::from(header.canvas.width) * 32;
    let inside = match (lossy, has_alpha) {
        (true, false) => 0,
        (true, true) => area + lossless(size.width, area, front),
        (false, _) => lossless(size.width, area, front),
    };
    u64::try_from(buffer).unwrap_or(u64::MAX).saturating_add(inside + rows + FIXED)
}

/// What the decoder of lossless pictures takes, which reads alpha too.
fn lossless(width: u32, area: u64, front: Front) -> u64 {
    // A color cache makes the first code longer: by its entries, and by two.
    let cache = if front.cache_bits == 0 { 0 } else { (1 << front.cache_bits) + 2 };
    let group = (TABLES + cache) * 4 + GROUP;
    area * 4 + front.images * 4 + u64::from(width) * 17 * 4 + front.groups * group
}
