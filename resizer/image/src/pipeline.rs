//! From encoded bytes to encoded bytes: one pass over the source's rows, from which every output is made.

use std::time::Duration;

use super::{
    accept::Accepts, cancel::Cancel, error::ImageError, options::Options, plan::Plan, probe::Info,
    render::RenderPlan, size::Size, sniff::Format,
};

/// One output to make.
#[derive(Clone, Debug)]
pub struct Job {
    /// What was asked for: here for what does not change the geometry.
    pub options: Options,
    /// The geometry, planned for the source's [`size`](Info::size).
    pub plan: Plan,
    /// What the viewer accepts, for [`FormatChoice::Auto`](super::options::FormatChoice::Auto).
    pub accepts: Accepts,
}

/// A finished output.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The format of `bytes`.
    pub format: Format,
    /// The picture's size in pixels.
    pub size: Size,
    /// The file.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoded({} {}, {} bytes)", self.format, self.size, self.bytes.len())
    }
}

/// How the time of a [`process`] was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Decoding, once.
    pub decode: Duration,
    /// Resizing, all outputs together.
    pub resize: Duration,
    /// Encoding, all outputs together.
    pub encode: Duration,
}

/// Plans and makes every output of one source: [`RenderPlan::new`] and [`RenderPlan::run`].
///
/// # Errors
/// Theirs.
pub fn process(
    bytes: &[u8],
    info: &Info,
    jobs: &[Job],
    cancel: &Cancel,
    emit: impl FnMut(usize, Encoded),
) -> Result<Report, ImageError> {
    RenderPlan::new(info, jobs)?.run(bytes, cancel, emit)
}

#[cfg(test)]
mod tests;
