//! Why a picture could not be made.

use std::fmt;

use super::{plan::PlanError, sniff::Format};

/// A failure of probing, decoding or making a picture. Every text may be shown to a caller: it holds nothing
/// of the decoders' own messages and no configured number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The bytes are of no picture format that is known here.
    #[error("the source is not a picture of a known format")]
    NotAnImage,
    /// The format, or this kind of it, is known but not decoded. The text names it.
    #[error("the source is {0}, which is not supported")]
    Unsupported(&'static str),
    /// The file is damaged or cut off. The text says what was found missing or wrong.
    #[error("the source is damaged: {0}")]
    Corrupt(&'static str),
    /// The source exceeds a limit of [`Limits`](super::limits::Limits).
    #[error("the source is too large: its {what} exceed what is accepted")]
    TooLarge {
        /// What was measured.
        what: Measure,
        /// The measured value, in the unit of `what`.
        actual: u64,
        /// The configured limit, in the unit of `what`: for logs, not for callers.
        limit: u64,
    },
    /// No plan can be made for the options.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The output is larger than its format can hold.
    #[error("the output is too large for {format}: a side may have at most {max_side} pixels")]
    FormatTooSmall {
        /// The output format.
        format: Format,
        /// Its longest possible side in pixels.
        max_side: u32,
    },
    /// The caller's [`Cancel`](super::cancel::Cancel) was set.
    #[error("cancelled")]
    Cancelled,
    /// The deadline of the [`Cancel`](super::cancel::Cancel) passed.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// A resampler or encoder failed on valid input: a fault of this program. The text names the step and is
    /// safe to log and to show.
    #[error("the picture could not be made ({0})")]
    Internal(&'static str),
}

/// What a limit measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Bytes of the encoded file.
    Bytes,
    /// Pixels, width times height.
    Pixels,
    /// Pixels of the longer side.
    Side,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "encoded bytes",
            Self::Pixels => "pixels",
            Self::Side => "side lengths",
        })
    }
}
