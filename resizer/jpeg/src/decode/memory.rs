//! What a decode will allocate, known from the header.

use super::header::Header;
use super::layout::Layout;
use super::options::{Limits, Options, Output};
use super::progressive::{self, Store};
use super::rows::{Emitter, Samples, pixel_bytes};
use super::{lanes, plain, scan, tables};
use crate::common::marker;
use crate::decode::entropy::PADDING;

/// Lists of components, blocks, scan headers and small tables.
const SMALL: u64 = 64 << 10;

/// Rows of pixels that go to the caller at once.
pub(crate) fn rows_at_once(header: &Header<'_>, options: &Options<'_>) -> usize {
    // An MCU row's and the one that waited for it.
    header.largest_factors().1 as usize * options.scale.block() as usize + 1
}

/// Bytes, at most.
pub(crate) fn needed(header: &Header<'_>, data: &[u8], limits: &Limits, options: &Options<'_>) -> u64 {
    let file = data.len();
    let layout = Layout::new(header, options.scale, options.output);
    let whole = !header.progressive && !header.interleaved;
    let samples: u64 = layout.planes.iter().map(|plane| Samples::size(plane, whole) as u64).sum();
    let out = if options.output == Output::Planes {
        0
    } else {
        (layout.width * pixel_bytes(options.output) * rows_at_once(header, options)) as u64
    };
    let window = (scan::window_bytes(file) + PADDING) as u64;
    let entropy: u64 = if header.progressive {
        // Scans begin with these two bytes, which may also stand elsewhere.
        let scans =
            memchr::memchr_iter(0xFF, data).filter(|at| data.get(at + 1) == Some(&marker::SOS)).count();
        let scans = scans.min(limits.scans as usize + 1);
        progressive::bytes(scans, file) + layout.planes.iter().map(Store::bytes).sum::<u64>()
    } else {
        // A scan may hold any of the components: at most all of them, interleaved.
        let mcu = layout.planes.iter().map(|plane| (plane.kept() + 1) * plane.h * plane.v).sum();
        let cut = layout.planes.iter().any(|plane| plane.cut_across() || plane.cut_down());
        let whole = if cut { plain::MOST_BYTES + lanes::MARK_BYTES } else { 0 };
        tables::LARGEST + lanes::Decoder::most_bytes(mcu) + whole
    };
    samples + out + window + entropy + Emitter::bytes(&layout) + SMALL
}
