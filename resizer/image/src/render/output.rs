//! One output's rows: from the resampler, or as they were decoded, through the steps to the encoder.

use std::time::{Duration, Instant};

use super::{RenderPlan, Way};
use crate::{
    accept::Encoding,
    cancel::Cancel,
    codec::{self, Writer},
    color::Color,
    colour::{Colors, from_light::FromLight},
    error::ImageError,
    pipeline::{Encoded, Job},
    pixels::{Layout, Pixels},
    size::Size,
    step::{self, Shape, Step, blend},
};

/// Bytes of rows that go through the steps together.
pub(super) const BAND: usize = 64 << 10;

/// Takes an output's rows.
pub(super) struct Rows<'p> {
    index: usize,
    cancel: &'p Cancel,
    from_light: Option<FromLight>,
    /// A resampled row.
    planes: Vec<i16>,
    /// Width and layout of a band that is being filled, and its rows.
    shape: Shape,
    band: Vec<u8>,
    steps: Vec<Box<dyn Step + Send>>,
    end: End<'p>,
    encode: Duration,
}

/// Where an output's rows end.
struct End<'p> {
    job: &'p Job,
    shape: Shape,
    file: File,
}

enum File {
    /// An encoder that takes rows.
    Rows(Encoding, Box<dyn Writer>),
    /// The first rows, for an encoder that looks at so many bytes before it begins.
    First(Encoding, u64, Vec<u8>),
    /// All rows, for an encoder that needs them at once, or until it is known whether a pixel is transparent.
    Whole(Vec<u8>),
}

/// How rows are encoded that are known to be opaque, by an encoder that takes them one after another; and how many bytes of
/// them it looks at first.
pub(super) fn streamed(job: &Job, shape: Shape) -> Option<(Encoding, u64)> {
    if shape.layout.has_alpha() {
        return None;
    }
    let encoding = Encoding::choose(&job.options, job.accepts, shape.size, false);
    let looked_at = codec::of(encoding.format).encoder?.looks_at(&encoding)?;
    Some((encoding, looked_at))
}

/// What an output's rows are before its steps, and what they make of it.
pub(super) fn shapes(
    plan: &RenderPlan,
    job: &Job,
    way: &Way,
    layout: Layout,
) -> (Shape, Vec<Box<dyn Step + Send>>, Shape) {
    let size = match way {
        Way::Copy { size, .. } => *size,
        Way::Resample { columns, rows, .. } => Size::new(columns.count, rows.count),
    };
    let shape = Shape { size, layout };
    let steps = step::list(job, plan.info.orientation, shape);
    let last = steps.iter().fold(shape, |shape, step| step.output(shape));
    (shape, steps, last)
}

impl<'p> Rows<'p> {
    /// `resampled`: the colors that resampled light is converted from.
    pub(super) fn new(
        plan: &'p RenderPlan,
        index: usize,
        layout: Layout,
        resampled: Option<&Colors>,
        cancel: &'p Cancel,
    ) -> Result<Self, ImageError> {
        let output = plan.outputs.get(index).ok_or(ImageError::Internal("output"))?;
        let job = &output.job;
        let (shape, steps, last) = shapes(plan, job, &output.way, layout);
        let file = match streamed(job, last) {
            Some((encoding, looked_at)) => {
                codec::encoder(&encoding, last)?;
                File::First(encoding, looked_at, Vec::new())
            }
            None => File::Whole(Vec::new()),
        };
        Ok(Self {
            index,
            cancel,
            from_light: resampled.map(|colors| FromLight::new(colors, job.options.light, layout)),
            planes: Vec::new(),
            shape,
            band: Vec::new(),
            steps,
            end: End { job, shape: last, file },
            encode: Duration::ZERO,
        })
    }

    pub(super) const fn index(&self) -> usize {
        self.index
    }

    /// What encoding took since the last time.
    pub(super) fn take_encode_time(&mut self) -> Duration {
        std::mem::take(&mut self.encode)
    }

    /// Takes a row that `add` adds to bytes: sRGB of the layout.
    pub(super) fn push(&mut self, add: impl FnOnce(&mut Vec<u8>)) -> Result<(), ImageError> {
        add(&mut self.band);
        if self.band.len() >= BAND { self.flush() } else { Ok(()) }
    }

    /// Takes a resampled row, planes side by side.
    pub(super) fn push_light(&mut self, planes: &[i16]) -> Result<(), ImageError> {
        let from_light = self.from_light.as_ref().ok_or(ImageError::Internal("light"))?;
        self.planes.clear();
        self.planes.extend_from_slice(planes);
        let start = self.band.len();
        self.band.resize(start + planes.len(), 0);
        from_light.row(&mut self.planes, self.band.get_mut(start..).unwrap_or_default());
        if self.band.len() >= BAND { self.flush() } else { Ok(()) }
    }

    /// Sends the band through the steps.
    fn flush(&mut self) -> Result<(), ImageError> {
        let width = usize::try_from(self.shape.size.width).unwrap_or(usize::MAX);
        let stride = width.saturating_mul(self.shape.layout.channels()).max(1);
        let rows = u32::try_from(self.band.len() / stride).unwrap_or(u32::MAX);
        if rows == 0 {
            return Ok(());
        }
        let room = self.band.capacity();
        let band = std::mem::replace(&mut self.band, Vec::with_capacity(room));
        let band = Pixels::new(Size::new(self.shape.size.width, rows), self.shape.layout, band)?;
        self.send(band, 0)
    }

    fn send(&mut self, mut band: Pixels, from: usize) -> Result<(), ImageError> {
        for step in self.steps.iter_mut().skip(from) {
            match step.run(band)? {
                Some(next) => band = next,
                None => return Ok(()),
            }
        }
        let start = Instant::now();
        self.cancel.check()?;
        self.end.take(band)?;
        self.encode += start.elapsed();
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> Result<Encoded, ImageError> {
        self.flush()?;
        self.band = Vec::new();
        for index in 0..self.steps.len() {
            if let Some(band) = self.steps.get_mut(index).map(|step| step.finish()).transpose()?.flatten() {
                self.send(band, index + 1)?;
            }
        }
        let Self { steps, end, cancel, .. } = self;
        drop(steps);
        end.finish(cancel)
    }
}

impl End<'_> {
    fn take(&mut self, band: Pixels) -> Result<(), ImageError> {
        let shape = self.shape;
        match &mut self.file {
            File::Rows(_, writer) => writer.rows(band.data()),
            File::First(encoding, looked_at, rows) => {
                rows.extend_from_slice(band.data());
                if rows.len() as u64 >= *looked_at {
                    let (encoding, rows) = (*encoding, std::mem::take(rows));
                    self.file = File::Rows(encoding, begun(encoding, shape, &rows)?);
                }
                Ok(())
            }
            File::Whole(rows) => {
                if rows.is_empty() {
                    rows.reserve_exact(usize::try_from(shape.bytes()).unwrap_or_default());
                }
                rows.extend_from_slice(band.data());
                Ok(())
            }
        }
    }

    fn finish(self, cancel: &Cancel) -> Result<Encoded, ImageError> {
        let Self { job, shape, file } = self;
        let (encoding, bytes) = match file {
            File::Rows(encoding, writer) => (encoding, writer.finish()?),
            File::First(encoding, _, rows) => (encoding, begun(encoding, shape, &rows)?.finish()?),
            File::Whole(rows) => {
                let pixels = Pixels::new(shape.size, shape.layout, rows)?;
                let (encoding, pixels) = settle(pixels, job)?;
                cancel.check()?;
                let shape = Shape { size: shape.size, layout: pixels.layout() };
                (encoding, codec::encoder(&encoding, shape)?.encode(&pixels, &encoding, cancel)?)
            }
        };
        Ok(Encoded { format: encoding.format, size: shape.size, bytes })
    }
}

/// An encoder that has its first rows.
fn begun(encoding: Encoding, shape: Shape, first: &[u8]) -> Result<Box<dyn Writer>, ImageError> {
    let mut writer = codec::encoder(&encoding, shape)?.begin(shape, &encoding, first)?;
    writer.rows(first)?;
    Ok(writer)
}

/// The encoding of finished pixels, and whether they still need alpha.
fn settle(pixels: Pixels, job: &Job) -> Result<(Encoding, Pixels), ImageError> {
    let transparent = pixels.is_transparent();
    let encoding = Encoding::choose(&job.options, job.accepts, pixels.size(), transparent);
    let pixels = match pixels.layout() {
        _ if transparent && !encoding.format.holds_alpha() => blend(pixels, Color::WHITE)?,
        Layout::GrayAlpha if !transparent => pixels.into_layout(Layout::Gray)?,
        Layout::Rgba if !transparent => pixels.into_layout(Layout::Rgb)?,
        _ => pixels,
    };
    Ok((encoding, pixels))
}
