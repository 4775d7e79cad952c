//! What a plan takes of memory, estimated before anything is decoded.

use super::{Output, RenderPlan, Way, output};
use crate::{
    accept::Encoding,
    codec::JPEG_OWN_TABLES,
    colour::{from_light::FromLight, to_light::ToLight},
    options::Light,
    pipeline::Job,
    pixels::Layout,
    probe::Info,
    resample::{Resampler, ring::Ring, weights::Weights},
    size::Size,
    step::Shape,
    view::Scale,
};

/// Tables, stacks of codecs, allocator slack: what does not grow with the picture.
const FIXED: u64 = 2 << 20;

/// Bytes a pixel of a decoded row's width that conversions hold: a band of converted rows.
const ROWS_CONVERTED: u64 = 3 * 64;

impl RenderPlan {
    /// The most that is held at once while the outputs are made, in bytes: the decoder's working memory, rows of the decoded
    /// picture and its halves, and what each output holds. Encoded outputs belong to the caller once they are emitted, and the
    /// encoded source is the caller's too: neither is counted.
    ///
    /// The arithmetic is an upper bound, tested against an allocator that counts (`tests/memory.rs`).
    #[must_use]
    pub fn memory(&self) -> u64 {
        let Self { info, view, outputs } = self;
        let layout = info.layout;
        // A profile may convert pixels to RGB, row by row.
        let resized = if layout == Layout::Cmyk { Layout::Rgb } else { layout };
        let planes = resized.channels() as u64;
        let mut held = FIXED + info.work.at(view.scale) + u64::from(view.size.width) * ROWS_CONVERTED;
        let mut rows = Vec::new();
        for output in outputs {
            if let Way::Resample { level, kernel, columns, rows: axis } = &output.way {
                held += Resampler::memory(*kernel, columns, axis, planes) + FromLight::memory();
                let needed = Weights::taps(*kernel, axis);
                let level = usize::try_from(*level).unwrap_or_default();
                if rows.len() <= level {
                    rows.resize(level + 1, 0);
                }
                if let Some(most) = rows.get_mut(level) {
                    *most = needed.max(*most);
                }
            }
        }
        let lights = 1 + u64::from(outputs.iter().any(|output| output.job.options.light != Light::Linear));
        for (level, rows) in rows.iter().enumerate() {
            held += lights * Ring::memory(planes, u64::from(view.size.width) >> level, *rows);
        }
        held += lights * ToLight::memory(resized, info.is_wide());
        let each = outputs.iter().map(|output| self.output(output, resized));
        let (kept, last) = each.fold((0, 0_u64), |(kept, last), (rows, end)| (kept + rows, last.max(end)));
        held + kept + last
    }

    /// What the encoded outputs take together, in bytes, until they have been sent: lossy formats 1 byte a pixel up to
    /// quality 95 (photographs a third of that) and 3 above, lossless ones what the pixels take.
    #[must_use]
    pub fn encoded(&self) -> u64 {
        let each = self.outputs.iter().map(|Output { job, .. }| {
            let bytes = encodings(job).map(|encoding| match encoding {
                Encoding::Jpeg(quality) | Encoding::Webp(quality) if quality <= 95 => 1,
                Encoding::Jpeg(_) | Encoding::Webp(_) => 3,
                Encoding::Png | Encoding::WebpLossless => 4,
            });
            job.plan.canvas.area() * bytes.into_iter().max().unwrap_or(0)
        });
        each.sum()
    }

    /// What an output holds from its first row to its last, and beside that at its end, when outputs are finished one after
    /// another.
    fn output(&self, output: &Output, layout: Layout) -> (u64, u64) {
        let job = &output.job;
        let (shape, steps, last) = output::shapes(self, job, &output.way, layout);
        let (mut steps_held, mut input) = (0, shape);
        for step in &steps {
            steps_held += step.memory(input);
            input = step.output(input);
        }
        let row = |shape: Shape| u64::from(shape.size.width) * shape.layout.channels() as u64;
        let band = 3 * (output::BAND as u64 + 2 * row(shape)) * (1 + steps.len() as u64);
        let held = steps_held + band;
        if let Some(encoding) = output::streamed(job, last) {
            return (held + encoder(last, encoding), 0);
        }
        // All rows, and then what an encoder needs; a copy without alpha, or on white.
        let ends = encodings(job).map(|encoding| last.bytes() + encoder(last, encoding));
        (held + last.bytes(), ends.into_iter().max().unwrap_or(0))
    }
}

/// What is expected of a picture before its outputs are known: one output as large as the source, in the
/// costliest lossy format (lossy WebP).
#[must_use]
pub fn memory_at_source_size(info: &Info) -> u64 {
    let shape = Shape { size: info.size(), layout: info.layout };
    FIXED + info.work.at(Scale::Full) + 2 * shape.bytes() + encoder(shape, Encoding::Webp(100))
}

/// How a job may be encoded: whether there is transparency, on which that may hang, is not known yet.
fn encodings(job: &Job) -> [Encoding; 2] {
    [false, true].map(|transparent| Encoding::choose(&job.options, job.accepts, job.plan.canvas, transparent))
}

/// A row of MCUs in the JPEG encoder, 16 pixels high: as planes and as coded bytes, which at worst are more than the
/// samples.
fn jpeg_strip(size: Size) -> u64 {
    (u64::from(size.width) + 64) * 16 * 16
}

/// An encoder's memory beside the finished pixels.
fn encoder(shape: Shape, encoding: Encoding) -> u64 {
    let Shape { size, layout } = shape;
    let channels = layout.channels() as u64;
    match encoding {
        // The file, whose buffer doubles as it grows (both are held for a moment): at quality 100 noise takes about 3
        // bytes a pixel. Before it the symbols, 4 bytes for each sample at most, of which 4:2:0 has 1.5 a pixel, in a
        // list that doubles too.
        Encoding::Jpeg(quality) => {
            let file = if quality > 95 { 9 } else { 6 };
            // Narrow pictures are mostly padding: MCUs of 4:2:0 have 16 pixels a side.
            let padded =
                u64::from(size.width).next_multiple_of(16) * u64::from(size.height).next_multiple_of(16);
            padded * if size.area() <= JPEG_OWN_TABLES { 18 + file } else { file } + jpeg_strip(size)
        }
        // Incompressible pixels are stored as they are, in a buffer that doubles and is then copied into the file,
        // which doubles too.
        Encoding::Png => size.area() * channels * 5,
        // libwebp: YUV 4:2:0 (1.5), one record for a block of 16 x 16, the bit stream twice (measured: 4.5 for photographs).
        // Alpha is compressed by the lossless encoder (measured: 32 for noise).
        Encoding::Webp(_) => size.area() * if layout.has_alpha() { 40 } else { 10 },
        // libwebp's lossless encoder holds ARGB twice, hash chains (8) and three lists of references (up to 8
        // each); measured: 22 for photographs, 36 for noise.
        Encoding::WebpLossless => size.area() * 48,
    }
}
