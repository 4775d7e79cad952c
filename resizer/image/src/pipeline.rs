//! From encoded bytes to encoded bytes: one decode, then each output's steps in order.

use std::time::{Duration, Instant};

use super::{
    accept::{Accepts, Encoding},
    background::{blend, extend},
    cancel::Cancel,
    codec::{self, Decoded},
    color::Color,
    colour::ToSrgb,
    error::ImageError,
    options::Options,
    pixels::{Layout, Pixels},
    plan::Plan,
    probe::Info,
    resample::{cut, premultiply, resample, unpremultiply},
    size::Size,
    sniff::Format,
    view::View,
};

/// One output to make.
#[derive(Clone, Debug)]
pub struct Job {
    /// What was asked for: here for format, quality and background.
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

/// Makes every output of one source. `info` is what [`probe`](super::probe::probe) said of `bytes`.
///
/// `emit` gets each output with its index in `jobs` as soon as it is finished, which is not always the order of `jobs`:
/// outputs that need no resampling come first.
///
/// `cancel` is looked at before each step. An output's bytes depend on the source, the job and this program (and the
/// processor's instruction set, by which kernels are chosen) alone, not on the other jobs; but for JPEG sources, which
/// are decoded once, as small as the largest output allows.
///
/// # Errors
/// The first failure ends the work; outputs emitted before are good.
pub fn process(
    bytes: &[u8],
    info: &Info,
    jobs: &[Job],
    cancel: &Cancel,
    mut emit: impl FnMut(usize, Encoded),
) -> Result<Report, ImageError> {
    if jobs.iter().any(|job| job.plan.source != info.size()) {
        return Err(ImageError::Internal("plan of another source"));
    }
    cancel.check()?;
    let view = View::of(info, jobs);
    let start = Instant::now();
    let Decoded { mut pixels, colour } = codec::decoder(info.format).decode(bytes, info, &view, cancel)?;
    let to_srgb = ToSrgb::new(pixels.layout(), colour.as_ref());
    drop(colour);
    let mut report = Report { decode: start.elapsed(), ..Report::default() };

    // Plain crops need the pixels as they are; the others need alpha premultiplied, which is done in place.
    let (copies, resized): (Vec<_>, Vec<_>) =
        jobs.iter().enumerate().partition(|(_, job)| job.plan.is_copy());
    let mut make = |index: usize, job: &Job, pixels: &Pixels| {
        let start = Instant::now();
        let (pixels, encoding) = draw(pixels, info, &view, &to_srgb, job, cancel)?;
        report.resize += start.elapsed();

        cancel.check()?;
        let start = Instant::now();
        let bytes = codec::encode(encoding, &pixels, cancel)?;
        report.encode += start.elapsed();
        emit(index, Encoded { format: encoding.format(), size: pixels.size(), bytes });
        Ok::<_, ImageError>(())
    };
    for (index, job) in copies {
        make(index, job, &pixels)?;
    }
    if !resized.is_empty() {
        cancel.check()?;
        premultiply(&mut pixels)?;
    }
    for (index, job) in resized {
        make(index, job, &pixels)?;
    }
    Ok(report)
}

/// The pixels of one output: resample → colour → orientation → background; and how to encode them.
fn draw(
    source: &Pixels,
    info: &Info,
    view: &View,
    to_srgb: &ToSrgb,
    job: &Job,
    cancel: &Cancel,
) -> Result<(Pixels, Encoding), ImageError> {
    cancel.check()?;
    let plan = &job.plan;
    let crop = view.place(info.orientation.stored_box(plan.source, plan.crop));
    let size = info.orientation.turn(plan.resized);
    let pixels = if plan.is_copy() {
        cut(source, crop, size)?
    } else {
        let mut pixels = resample(source, crop, size)?;
        unpremultiply(&mut pixels)?;
        pixels
    };
    cancel.check()?;
    let pixels = to_srgb.apply(pixels)?;
    let pixels = info.orientation.apply(pixels)?;
    cancel.check()?;
    compose(pixels, job)
}

/// Background, bars, and what follows from them: the encoding and whether alpha is still needed.
fn compose(mut pixels: Pixels, job: &Job) -> Result<(Pixels, Encoding), ImageError> {
    let background = job.options.background;
    if let Some(color) = background {
        pixels = blend(pixels, color)?;
    }
    if job.plan.has_bars() {
        pixels = extend(pixels, job.plan.canvas, job.plan.offset, background.unwrap_or(Color::WHITE))?;
    }
    let transparent = pixels.is_transparent();
    let encoding = Encoding::choose(&job.options, job.accepts, pixels.size(), transparent);
    pixels = match pixels.layout() {
        _ if transparent && encoding.format() == Format::Jpeg => blend(pixels, Color::WHITE)?,
        Layout::GrayAlpha if !transparent => pixels.into_layout(Layout::Gray)?,
        Layout::Rgba if !transparent => pixels.into_layout(Layout::Rgb)?,
        _ => pixels,
    };
    Ok((pixels, encoding))
}

#[cfg(test)]
mod tests;
