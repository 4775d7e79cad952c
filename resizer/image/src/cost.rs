//! What a picture takes of memory, estimated before anything is decoded.

use super::{
    accept::Encoding, codec::JPEG_OWN_TABLES, color::Color, pipeline::Job, probe::Info, size::Size,
    sniff::Format, view::{Scale, View},
};

/// Tables, stacks of codecs, allocator slack: what does not grow with the picture.
const FIXED: u64 = 2 << 20;

/// Bytes that the resampler's coefficients take for each pixel of length of source and output sides: 6 taps of f64,
/// again as i16, and their bounds.
const COEFFICIENTS: u64 = 96;

/// Extra pixels on both sides of a crop box that Lanczos3 reads, per pixel of scale: 3 lobes on each side.
const LOBES: u64 = 6;

/// The most that is held at once while one output is made, in bytes: decoded pixels and either the decoder's working memory
/// or the largest output's. Outputs are made one after another; encoded outputs belong to the caller once
/// they are emitted, and the encoded source is the caller's too: neither is counted.
///
/// The arithmetic is an upper bound, tested against an allocator that counts (`tests/image_memory.rs`).
#[must_use]
pub fn memory(info: &Info, jobs: &[Job]) -> u64 {
    let view = View::of(info, jobs);
    let outputs = jobs.iter().map(|job| output(info.channels(), job, view.scale)).max().unwrap_or(0);
    FIXED + info.decoded_bytes(view.size) + info.work.at(view.scale).max(outputs)
}

/// What is expected of a picture before its outputs are known: one output as large as the source, in the
/// costliest lossy format (lossy WebP).
#[must_use]
pub fn memory_at_source_size(info: &Info) -> u64 {
    let size = info.size();
    FIXED
        + info.decoded_bytes(info.stored_size)
        + info.work.at(Scale::Full).max(finish(info.channels(), size, Encoding::Webp(100), None))
}

/// What the encoded outputs take together, in bytes, until they have been sent: lossy formats 1 byte a pixel up to quality
/// 95 (photographs a third of that) and 3 above, lossless ones what the pixels take.
#[must_use]
pub fn encoded(jobs: &[Job]) -> u64 {
    let each = jobs.iter().map(|job| {
        let bytes = encodings(job).map(|encoding| match encoding {
            Encoding::Jpeg(quality) | Encoding::Webp(quality) if quality <= 95 => 1,
            Encoding::Jpeg(_) | Encoding::Webp(_) => 3,
            Encoding::Png | Encoding::WebpLossless => 4,
        });
        job.plan.canvas.area() * bytes.into_iter().max().unwrap_or(0)
    });
    each.sum()
}

/// How a job may be encoded: whether there is transparency, on which that may hang, is not known yet.
fn encodings(job: &Job) -> [Encoding; 2] {
    [false, true].map(|transparent| Encoding::choose(&job.options, job.accepts, job.plan.canvas, transparent))
}

/// One output's working memory besides the source, decoded at a scale.
fn output(channels: u64, job: &Job, scale: Scale) -> u64 {
    let plan = &job.plan;
    let by = f64::from(scale.divisor());
    let resample = if plan.is_copy() {
        plan.resized.area() * channels
    } else {
        // The vertical pass comes first: all columns that the crop box needs, at the output's height. Which of the two
        // axes is the stored picture's vertical one is up to its orientation; take the worse.
        let (width, height) = (
            columns(plan.crop.width / by, plan.resized.width),
            columns(plan.crop.height / by, plan.resized.height),
        );
        let between = (width * u64::from(plan.resized.height)).max(height * u64::from(plan.resized.width));
        let sides = u64::from(scale.apply(plan.source.width))
            + u64::from(scale.apply(plan.source.height))
            + u64::from(plan.resized.width)
            + u64::from(plan.resized.height);
        (between + plan.resized.area()) * channels + sides * COEFFICIENTS
    };
    encodings(job)
        .map(|encoding| finish(channels, plan.canvas, encoding, job.options.background))
        .into_iter()
        .fold(resample, u64::max)
}

/// A row of MCUs in the JPEG encoder, 16 pixels high: as planes and as coded bytes, which at worst are more than the
/// samples.
fn jpeg_strip(size: Size) -> u64 {
    (u64::from(size.width) + 64) * 16 * 16
}

/// Source pixels along one axis that a crop box of this length needs.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a length within a picture's side"
)]
fn columns(crop: f64, resized: u32) -> u64 {
    let crop = crop.ceil() as u64 + 1;
    crop + LOBES * crop.div_ceil(u64::from(resized).max(1)).max(1)
}

/// From the resized picture to the encoded one: a picture and its turned, converted or extended copy, and then the
/// encoder's memory beside the finished pixels.
fn finish(channels: u64, size: Size, encoding: Encoding, background: Option<Color>) -> u64 {
    // Bytes of a finished pixel: gray stays gray where nothing brings colour, alpha comes with what is transparent.
    let widest = match channels {
        1 | 2 if background.is_none() && encoding.format() != Format::Webp => channels,
        1 | 3 if background.is_none_or(Color::is_opaque) => 3,
        _ => 4,
    };
    let steps = size.area() * (channels + widest);
    let encoder = match encoding {
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
        Encoding::Png => size.area() * widest * 5,
        // libwebp: YUV 4:2:0 (1.5), one record for a block of 16 x 16, the bit stream twice (measured: 4.5 for photographs).
        // Alpha is compressed by the lossless encoder (measured: 32 for noise).
        Encoding::Webp(_) => size.area() * if widest == 4 { 40 } else { 10 },
        // libwebp's lossless encoder holds ARGB twice, hash chains (8) and three lists of references (up to 8
        // each); measured: 22 for photographs, 36 for noise.
        Encoding::WebpLossless => size.area() * 48,
    };
    steps.max(size.area() * widest + encoder)
}
