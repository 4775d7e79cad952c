//! The encoder as its callers see it: files of every kind, read by other decoders.

mod decoders;
mod layouts;
mod metadata;
mod pictures;
mod rows;

use safelight_jpeg::encode::{Effort, Huffman, Instructions, PixelLayout, Process, Sampling, Settings, encode};

/// Every sampling of colour.
const SAMPLINGS: [Sampling; 3] = [Sampling::Full, Sampling::Half, Sampling::Quarter];
