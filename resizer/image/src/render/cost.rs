//! What a plan takes of memory, estimated before anything is decoded.

use super::{Output, RenderPlan, Way, output};
use crate::{
    accept::{Accepts, Encoding},
    codec,
    colour::{from_light::FromLight, to_light::ToLight},
    options::{FormatChoice, Light, Options},
    pipeline::Job,
    pixels::Layout,
    probe::Info,
    resample::{Resampler, ring::Ring, weights::Weights},
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
            let shape = Shape { size: job.plan.canvas, layout: Layout::Rgba };
            let lengths = encodings(job).map(|encoding| length(shape, &encoding));
            lengths.into_iter().max().unwrap_or(0)
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
        if let Some((encoding, looked_at)) = output::streamed(job, last) {
            // A list that doubles.
            return (held + 3 * looked_at.min(last.bytes()) + encoder(last, &encoding), 0);
        }
        // All rows, and then what an encoder needs; a copy without alpha, or on white.
        let ends = encodings(job).map(|encoding| last.bytes() + encoder(last, &encoding));
        (held + last.bytes(), ends.into_iter().max().unwrap_or(0))
    }
}

/// What is expected of a picture before its outputs are known: one output as large as the source, in the
/// costliest lossy format (lossy WebP).
#[must_use]
pub fn memory_at_source_size(info: &Info) -> u64 {
    let shape = Shape { size: info.size(), layout: info.layout };
    let options = Options { format: FormatChoice::Webp, quality: 99, ..Options::default() };
    let encoding = Encoding::choose(&options, Accepts::default(), shape.size, false);
    FIXED + info.work.at(Scale::Full) + 2 * shape.bytes() + encoder(shape, &encoding)
}

/// How a job may be encoded: whether there is transparency, on which that may hang, is not known yet.
fn encodings(job: &Job) -> [Encoding; 2] {
    [false, true].map(|transparent| Encoding::choose(&job.options, job.accepts, job.plan.canvas, transparent))
}

/// An encoder's memory beside the finished pixels.
fn encoder(shape: Shape, encoding: &Encoding) -> u64 {
    codec::of(encoding.format).encoder.map_or(0, |encoder| encoder.memory(shape, encoding))
}

fn length(shape: Shape, encoding: &Encoding) -> u64 {
    codec::of(encoding.format).encoder.map_or(0, |encoder| encoder.length(shape, encoding))
}
