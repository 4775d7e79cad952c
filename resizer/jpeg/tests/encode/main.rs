//! The encoder as its callers see it: files of every kind, read by other decoders.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests, which may panic")]
#![expect(unreachable_pub, reason = "the checks are a fuzz target's module too")]
#![expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]
#![expect(clippy::print_stderr, reason = "a skipped check is said aloud")]

#[path = "../../fuzz/checks/encode.rs"]
mod checks;
mod chromium;
mod corpus;
mod decoders;
mod layouts;
mod metadata;
mod pictures;
mod rows;

use safelight_jpeg::encode::{
    Effort, Huffman, Instructions, PixelLayout, Process, Sampling, Settings, Steps, encode,
};

/// Every sampling of colour.
const SAMPLINGS: [Sampling; 3] = [Sampling::Full, Sampling::Half, Sampling::Quarter];
