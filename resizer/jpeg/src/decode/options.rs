//! What the caller chooses: scale, output, what to do with damage, limits.

use super::error::Error;

/// The size of the output relative to the file's.
///
/// A scaled sample is the mean of a box of samples of the full size, after each block has lost the frequencies that the
/// scale cannot show. libjpeg's means keep them, as aliases: on sharp pictures the two differ, see the crate's
/// documentation for how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// 1/1.
    #[default]
    Full,
    /// 1/2: means of 2×2, from the lowest 4×4 frequencies of a block.
    Half,
    /// 1/4: means of 4×4, from the lowest 2×2.
    Quarter,
    /// 1/8: the mean of each block, its DC coefficient.
    Eighth,
}

impl Scale {
    /// Every scale, largest output first.
    pub const ALL: [Self; 4] = [Self::Full, Self::Half, Self::Quarter, Self::Eighth];

    /// What the file's width and height are divided by.
    #[must_use]
    pub const fn divisor(self) -> u32 {
        8 / self.block()
    }

    /// Output samples that a full-resolution block makes, in each direction: 8, 4, 2 or 1.
    pub(crate) const fn block(self) -> u32 {
        match self {
            Self::Full => 8,
            Self::Half => 4,
            Self::Quarter => 2,
            Self::Eighth => 1,
        }
    }

    /// An extent at this scale, rounded up as libjpeg does.
    #[must_use]
    pub const fn apply(self, extent: u32) -> u32 {
        extent.div_ceil(self.divisor())
    }
}

/// What a decoded pixel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// Three bytes a pixel. From gray, YCbCr and RGB files.
    #[default]
    Rgb8,
    /// One byte a pixel: Y of gray and YCbCr files (chroma is not even transformed), luma of RGB ones.
    Gray8,
    /// Four bytes a pixel, as stored: in files with an Adobe segment 255 means no ink. From CMYK and YCCK files.
    Cmyk8,
    /// The components as they come, each at its own size.
    Planes,
}

/// What to do with a file that is damaged or ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Damage {
    /// Refuse it with [`Error::Truncated`] or [`Error::Corrupt`]. Rows before the damage may have been handed
    /// out already. A missing `EOI` behind complete data is no damage.
    #[default]
    Refuse,
    /// As libjpeg does: an impossible code ends its block and decoding goes on; at the end of the data or at an
    /// unexpected marker the rest up to the next restart marker is mid-gray; a restart marker out of order is
    /// matched to the interval it names. [`super::Summary::damage`] tells the first place.
    Fill,
}

/// Which implementation of transforms and colour conversion runs. All give the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Path {
    /// AVX2 where the processor has it.
    #[default]
    Auto,
    /// What every processor of the compile target has (SSE2 on x86-64, NEON on aarch64): for tests and measurements.
    Portable,
}

/// How many places of the stream are decoded at once. Both give the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lanes {
    /// Four, where a scan is long enough to gain from it.
    #[default]
    Four,
    /// One: for tests and measurements.
    One,
}

/// The most that a file may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest width and height in pixels.
    pub extent: u32,
    /// Largest width times height.
    pub pixels: u64,
    /// Most bytes that decoding may allocate, as [`super::Decoder::memory`] tells them beforehand.
    pub memory: u64,
    /// Most scans of a progressive or multi-scan file. Real files have about ten; each may cost as much as the
    /// whole picture.
    pub scans: u32,
}

impl Default for Limits {
    /// Everything that the format allows, in 1 GiB, with 256 scans.
    fn default() -> Self {
        Self { extent: 65_535, pixels: 65_535 * 65_535, memory: 1 << 30, scans: 256 }
    }
}

impl Limits {
    pub(crate) fn check_size(&self, width: u32, height: u32) -> Result<(), Error> {
        let check = |what, value: u64, limit: u64| {
            if value > limit { Err(Error::Limit { what, value, limit }) } else { Ok(()) }
        };
        check("the width", width.into(), self.extent.into())?;
        check("the height", height.into(), self.extent.into())?;
        check("the number of pixels", u64::from(width) * u64::from(height), self.pixels)
    }

    pub(crate) fn check_memory(&self, value: u64) -> Result<(), Error> {
        if value > self.memory {
            return Err(Error::Limit {
                what: "the memory for decoding, in bytes,",
                value,
                limit: self.memory,
            });
        }
        Ok(())
    }
}

/// How to decode.
#[derive(Clone, Copy, Default)]
pub struct Options<'c> {
    /// The size of the output.
    pub scale: Scale,
    /// What a pixel is.
    pub output: Output,
    /// What to do with damage.
    pub damage: Damage,
    /// Which implementation runs.
    pub path: Path,
    /// How many lanes.
    pub lanes: Lanes,
    /// Asked once an MCU row (and once a scan's MCU row in files of several scans): `true` stops with
    /// [`Error::Cancelled`].
    pub cancel: Option<&'c dyn Fn() -> bool>,
}

impl Options<'_> {
    pub(crate) fn check_cancel(&self) -> Result<(), Error> {
        if self.cancel.is_some_and(|stop| stop()) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("scale", &self.scale)
            .field("output", &self.output)
            .field("damage", &self.damage)
            .field("path", &self.path)
            .field("lanes", &self.lanes)
            .field("cancel", &self.cancel.is_some())
            .finish()
    }
}
