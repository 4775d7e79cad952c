//! JPEG for resizing: a decoder whose output is 1/1, 1/2, 1/4 or 1/8 of the file's size, and an encoder. Rust only,
//! one thread a picture.
//!
//! ```no_run
//! use safelight_jpeg::decode::{Decoder, Limits, Options, Scale};
//! use std::ops::ControlFlow;
//!
//! let file = std::fs::read("photo.jpg")?;
//! let decoder = Decoder::new(&file, Limits::default())?;
//! let options = Options { scale: Scale::Quarter, ..Options::default() };
//! println!("{:?} in {} bytes", decoder.size(options.scale), decoder.memory(&options));
//! decoder.rows(&options, |rows| {
//!     println!("rows {}..{}: {} bytes", rows.y, rows.y + rows.count, rows.bytes.len());
//!     ControlFlow::Continue(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Why it is fast: lanes
//! A scaled decode spends most of its time in Huffman decoding, and that waits: each code says where the next one
//! starts. One step here is two table look-ups without a data-dependent branch (`decode/tables.rs`), so that a core
//! could do several at once if it knew where to start. It does not, but a guess will do. Huffman streams fall into
//! step by themselves: a decoder started anywhere soon reads the true codes. A scan is decoded in chunks by four lanes
//! in lockstep, one from the true place (`=`), three from guessed bytes (`?` until in step, then `-`). Each guessed lane
//! notes a dozen of the places that it comes to (`|`, bit and state), each a third further from its guess than the one before:
//!
//! ```text
//! bits   0 ──────────────────────────────────────────────────────────────▶
//! lane 0 ================|===|
//! lane 1              ???|???|-------|---------------|
//! lane 2                                         ?---|---|-------|-----|
//! lane 3                                                             ?-|---|----
//! result ====================·=======================·=================·========
//! ```
//!
//! Lane 0 runs on to the bit of lane 1's first note, and if it is not in the same state there, to the next one's. Where
//! it is, it ends its MCU, and from there lane 1's output is taken, until that meets lane 2, and so on. Where lanes meet at
//! no note, the guess is dropped and a new chunk starts from the last true place. A guess that comes to an impossible
//! code is replaced by one a byte later. A lane that is full waits; once it is known to be true, what it has is handed out
//! and it goes on alone. On photographs 2 to 10 % of all steps give no part of the result, 15 % where lanes are short and bits
//! per MCU jump; most of it is the beginning of lanes, done twice.
//!
//! **The result is exact**, not likely. By induction over lanes: what lane 0 decodes is the single decoder's output,
//! as it is one. Suppose lane *i*'s output is from some MCU on. All that a decoder's future depends on is the bit it stands
//! at and its state, which is the block of the MCU, the coefficient and the table to read next: DC is kept as differences,
//! summed up later in order. So if lane *i* comes to a bit and state that lane *i + 1* noted, both go on alike, and from
//! the next MCU on lane *i + 1*'s output is the single decoder's too. What a guessed lane wrote before is never looked
//! at. Damage changes nothing in this: an impossible code is an absorbing state, acted on only in a lane that is
//! known to be true; a guessed one forgets its notes and starts anew.
//!
//! # What else saves time
//! Only the coefficients that the scale needs are kept; small inverse DCTs with the box filter's weights inside the
//! dequantisation table make the means of pixels (`decode/transform`); chroma of 4:2:0 is transformed to luma's
//! size instead of being upsampled; progressive scans that the scale does not need are skipped, and the others are decoded side by side, a row of MCUs from
//! each in turn, so that no more than that row's coefficients are held.
//!
//! # How near it is
//! At 1/1 every byte is libjpeg-turbo's (accurate integer DCT, triangle upsampling).
//!
//! A scaled sample is the mean of a box of pixels after each block has lost the frequencies that the scale cannot show:
//! those from the 4th on in each direction at 1/2, from the 2nd at 1/4, all but the mean at 1/8. That definition is met to
//! 57 dB, which is rounding, and without a shift (`tests/decode/boxes.rs`). libjpeg's samples are means of the same boxes of
//! whole blocks: the finer detail stays in and aliases. At 1/8 there is none, and 4:4:4 gives the same bytes; of other
//! samplings chroma's filter differs. So the two are as far from each other as the picture is sharp. `djpeg -scale`
//! and this crate, in dB (4:2:0; for photographs of quality 90 the mean, and the farthest):
//!
//! | | 1/2 | 1/4 | 1/8 |
//! |---|---|---|---|
//! | mosaic-4000x3000-q92 | 57.0 | 50.9 | 58.4 |
//! | photo-2725x2225 | 54.6 | 49.8 | 57.3 |
//! | 8 photographs of CLIC | 46.0 (34.6) | 46.3 (34.0) | 54.5 (45.4) |
//! | 10 photographs of Kodak | 39.3 (34.0) | 40.9 (37.3) | 52.0 (49.0) |
//!
//! Drawn lines are 22 dB apart. Behind the resampler that a scaled decode is for, this crate's samples are nearer to the
//! resampled full picture: on photographs by 0.8 dB on average (from −2, above 50 dB, to +3), on noise, lines and
//! rings by 1 to 8 (`tests/decode/scaled.rs`).
//!
//! What lies beyond the picture's edge in its last MCUs is in no sample, whatever it is (`tests/decode/edges.rs`): blocks that
//! the edge cuts are decoded whole, and a sample is the mean of those of its pixels that are inside. Sequential scans have
//! that for the MCUs at the edge alone; in progressive ones no scan of a component with such blocks is skipped, and at 1/8
//! all its coefficients are kept.
//!
//! # What it is not
//! 12-bit, arithmetic, lossless and hierarchical files are refused. Colour is not managed: ICC profiles and EXIF
//! payloads are handed out as they are. The compressed file must be in memory.
//!
//! # Layout
//! - `common`: markers, zigzag order, the standard's typical tables; `simd`: vector arithmetic and its `unsafe`
//! - [`decode`]: headers, tables, entropy, lanes, transform, colour, rows; see there for its files
//! - [`encode`]: rows to baseline and progressive files

mod common;

pub mod decode;
pub mod encode;
