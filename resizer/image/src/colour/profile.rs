//! Embedded ICC profiles, read so that they cost no more than they weigh.
//!
//! A profile is untrusted input, and a small file can hold a large one (PNG compresses it). moxcms reads every tag that
//! it knows: a description of many languages whose records all point at one long text becomes hundreds of gigabytes,
//! and a table listed a thousand times is read a thousand times. So only what conversion needs is shown to it, once.

use moxcms::{ColorProfile, ParsingOptions};

/// Largest profile that is used, in bytes. Those of printing presses, the largest in use, have about 3 MB.
pub(crate) const MAX_BYTES: usize = 4 << 20;

/// What reading and using a profile takes, for each of its bytes: a copy without the tags that are not needed, its table as
/// f32 (one byte becomes four), and what is made of that. Measured: 6.
const MEMORY_PER_BYTE: u64 = 8;

/// What a transform takes of memory, whatever its profile.
const TRANSFORM_MEMORY: u64 = 2 << 20;

/// Points of the largest table that is used: 65 steps of three inks are 274,625, 23 of four are 279,841.
const MAX_TABLE_POINTS: usize = 280_000;

/// The tags that make colours (ICC.1:2022, 9.2): primaries, curves, white point and adaptation, coding-independent
/// code points, and the table for the perceptual intent, which is the one that is asked for.
const NEEDED: [&[u8; 4]; 11] =
    [b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"chad", b"cicp", b"A2B0"];

/// A profile begins with a header of 128 bytes, the number of its tags, and for each signature, place and length.
const COUNT_AT: usize = 128;
const TAG_LEN: usize = 12;

/// Reads a profile. `None`: it is damaged or too large.
pub(super) fn read(profile: &[u8]) -> Option<ColorProfile> {
    if profile.len() > MAX_BYTES {
        return None;
    }
    let options = ParsingOptions { max_allowed_clut_size: MAX_TABLE_POINTS, ..ParsingOptions::default() };
    ColorProfile::new_from_slice_with_options(&without_the_rest(profile)?, options).ok()
}

/// At most this is held while a profile of (at most) `bytes` is read and used.
pub(crate) fn memory(bytes: u64) -> u64 {
    bytes.min(MAX_BYTES as u64) * MEMORY_PER_BYTE + TRANSFORM_MEMORY
}

/// The profile with all tags unnamed that are not needed or were there before.
fn without_the_rest(profile: &[u8]) -> Option<Vec<u8>> {
    let mut profile = profile.to_vec();
    let (count, tags) = profile.get_mut(COUNT_AT..)?.split_first_chunk_mut::<4>()?;
    let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
    let tags = tags.get_mut(..count.checked_mul(TAG_LEN)?)?;
    let mut missing: Vec<_> = NEEDED.to_vec();
    for tag in tags.chunks_exact_mut(TAG_LEN) {
        let signature = tag.first_chunk_mut::<4>()?;
        match missing.iter().position(|needed| *needed == signature) {
            Some(found) => drop(missing.swap_remove(found)),
            None => *signature = [0; 4],
        }
    }
    Some(profile)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test profiles of known sizes")]
mod tests;
