//! The encoder as its callers see it: files of every kind, read by other decoders.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which may panic")]
#![expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]
#![expect(clippy::print_stderr, reason = "a skipped check is said aloud")]

mod decoders;
mod layouts;
mod metadata;
mod pictures;
mod rows;

use safelight_jpeg::encode::{
    Effort, Huffman, Instructions, PixelLayout, Process, Sampling, Settings, encode,
};

/// Every sampling of colour.
const SAMPLINGS: [Sampling; 3] = [Sampling::Full, Sampling::Half, Sampling::Quarter];
