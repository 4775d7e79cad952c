//! The decoder's rows: as they are for outputs that copy them, and as light, halved as often as is needed, for those that are
//! resampled.

use std::time::{Duration, Instant};

use super::{RenderPlan, Way, output};
use crate::{
    cancel::Cancel,
    codec::rows::{RowSink, Samples},
    colour::{
        Colors, Embedded,
        straight::{Straight, narrow},
        to_light::ToLight,
    },
    error::ImageError,
    options::Light,
    pipeline::{Encoded, Report},
    pixels::Layout,
    resample::{Resampler, ring::Ring},
};

/// Takes the rows of a plan's source, and makes its outputs.
pub(super) struct Source<'p> {
    plan: &'p RenderPlan,
    cancel: &'p Cancel,
    state: Option<State<'p>>,
    /// Spent outside the decoder.
    resize: Duration,
    encode: Duration,
}

/// What is known once the file has said what its colors are.
struct State<'p> {
    colors: Colors,
    /// Of decoded rows, and of those that are resized.
    layouts: (Layout, Layout),
    outputs: Outputs<'p>,
}

/// Who takes rows in the layout that is resized.
struct Outputs<'p> {
    channels: usize,
    copies: Vec<Copy<'p>>,
    /// For each kind of light.
    pyramids: Vec<Pyramid<'p>>,
    /// Rows that there have been.
    rows: u32,
}

/// An output whose pixels are not resampled.
struct Copy<'p> {
    left: usize,
    width: usize,
    top: u32,
    bottom: u32,
    straight: Straight,
    out: output::Rows<'p>,
}

/// The decoded picture, its halves, and what is resampled from them.
struct Pyramid<'p> {
    to_light: ToLight,
    levels: Vec<Ring>,
    outputs: Vec<Resampled<'p>>,
}

struct Resampled<'p> {
    level: usize,
    resampler: Resampler,
    out: output::Rows<'p>,
}

impl<'p> Source<'p> {
    pub(super) const fn new(plan: &'p RenderPlan, cancel: &'p Cancel) -> Self {
        Self { plan, cancel, state: None, resize: Duration::ZERO, encode: Duration::ZERO }
    }

    /// Makes the rows that waited for more of the source's.
    pub(super) fn finish(&mut self) -> Result<(), ImageError> {
        let start = Instant::now();
        let state = self.state.as_mut().ok_or(ImageError::Internal("source without rows"))?;
        state.outputs.pyramids.iter_mut().try_for_each(Pyramid::finish)?;
        self.count(start);
        Ok(())
    }

    /// What was spent so far, without the decoder.
    pub(super) fn report(&self) -> Report {
        Report { resize: self.resize, encode: self.encode, ..Report::default() }
    }

    /// Ends the outputs' files.
    pub(super) fn encode(
        self,
        report: &mut Report,
        emit: &mut impl FnMut(usize, Encoded),
    ) -> Result<(), ImageError> {
        let state = self.state.ok_or(ImageError::Internal("source without rows"))?;
        // What held the source's rows is not needed any more.
        let Outputs { copies, pyramids, .. } = state.outputs;
        let copies = copies.into_iter().map(|copy| copy.out);
        let resampled = pyramids.into_iter().flat_map(|pyramid| pyramid.outputs).map(|output| output.out);
        let outputs: Vec<_> = copies.chain(resampled).collect();
        for output in outputs {
            let start = Instant::now();
            let index = output.index();
            emit(index, output.finish()?);
            report.encode += start.elapsed();
        }
        Ok(())
    }

    /// Counts the time since `start`, of which encoders have told theirs.
    fn count(&mut self, start: Instant) {
        let Some(state) = &mut self.state else { return };
        let copies = state.outputs.copies.iter_mut().map(|copy| &mut copy.out);
        let resampled = state.outputs.pyramids.iter_mut().flat_map(|pyramid| &mut pyramid.outputs);
        let outputs = copies.chain(resampled.map(|output| &mut output.out));
        let encode: Duration = outputs.map(output::Rows::take_encode_time).sum();
        self.encode += encode;
        self.resize += start.elapsed().saturating_sub(encode);
    }
}

impl RowSink for Source<'_> {
    fn begin(&mut self, colour: Option<Embedded>) -> Result<(), ImageError> {
        let start = Instant::now();
        self.state = Some(State::new(self.plan, colour.as_ref(), self.cancel)?);
        self.resize += start.elapsed();
        Ok(())
    }

    fn rows(&mut self, rows: Samples<'_>) -> Result<(), ImageError> {
        let start = Instant::now();
        self.cancel.check()?;
        let state = self.state.as_mut().ok_or(ImageError::Internal("rows before colors"))?;
        state.rows(rows, usize::try_from(self.plan.view.size.width).unwrap_or_default())?;
        self.count(start);
        Ok(())
    }
}

impl<'p> State<'p> {
    fn new(
        plan: &'p RenderPlan,
        embedded: Option<&Embedded>,
        cancel: &'p Cancel,
    ) -> Result<Self, ImageError> {
        let decoded = plan.info.layout;
        let colors = Colors::new(decoded, embedded);
        let layout = colors.layout(decoded);
        let wide = plan.info.is_wide() && !matches!(colors, Colors::Pixels(_));
        let mut outputs =
            Outputs { channels: layout.channels(), copies: Vec::new(), pyramids: Vec::new(), rows: 0 };
        let (mut linear, mut srgb) = (Vec::new(), Vec::new());
        for (index, output) in plan.outputs.iter().enumerate() {
            match output.way {
                Way::Copy { left, top, size } => {
                    let out = output::Rows::new(plan, index, layout, None, cancel)?;
                    outputs.copies.push(Copy {
                        left: side(left),
                        width: side(size.width),
                        top,
                        bottom: top.saturating_add(size.height),
                        straight: Straight::new(&colors, layout, wide),
                        out,
                    });
                }
                Way::Resample { level, kernel, ref columns, ref rows } => {
                    let resampler = Resampler::new(kernel, columns, rows, layout.channels());
                    let out = output::Rows::new(plan, index, layout, Some(&colors), cancel)?;
                    let resampled = Resampled { level: side(level), resampler, out };
                    match output.job.options.light {
                        Light::Linear => linear.push(resampled),
                        Light::Srgb => srgb.push(resampled),
                    }
                }
            }
        }
        for (light, resampled) in [(Light::Linear, linear), (Light::Srgb, srgb)] {
            if !resampled.is_empty() {
                let to_light = ToLight::new(&colors, light, layout, wide);
                let width = side(plan.view.size.width);
                outputs.pyramids.push(Pyramid::new(to_light, resampled, layout.channels(), width));
            }
        }
        Ok(Self { colors, layouts: (decoded, layout), outputs })
    }

    /// Takes whole rows of decoded pixels.
    fn rows(&mut self, rows: Samples<'_>, width: usize) -> Result<(), ImageError> {
        let length = width * self.layouts.0.channels();
        let outputs = &mut self.outputs;
        let narrowed: Vec<u8>;
        let pixels = match (rows, &self.colors) {
            (Samples::Bits8(rows), Colors::Pixels(_)) => rows,
            (Samples::Bits16(rows), Colors::Pixels(_)) => {
                narrowed = rows.iter().map(|sample| narrow(*sample)).collect();
                &narrowed
            }
            (Samples::Bits8(rows), _) => {
                return rows.chunks_exact(length.max(1)).try_for_each(|row| outputs.row(Samples::Bits8(row)));
            }
            (Samples::Bits16(rows), _) => {
                return rows
                    .chunks_exact(length.max(1))
                    .try_for_each(|row| outputs.row(Samples::Bits16(row)));
            }
        };
        let Colors::Pixels(conversion) = &self.colors else { return Ok(()) };
        let mut convert = conversion.rows(length);
        let mut converted = vec![0; width * self.layouts.1.channels()];
        pixels.chunks_exact(length.max(1)).try_for_each(|row| {
            convert(row, &mut converted)?;
            outputs.row(Samples::Bits8(&converted))
        })
    }
}

impl Outputs<'_> {
    /// Takes a row of pixels in the layout that is resized.
    fn row(&mut self, row: Samples<'_>) -> Result<(), ImageError> {
        let channels = self.channels;
        for copy in &mut self.copies {
            if (copy.top..copy.bottom).contains(&self.rows) {
                let (from, to) = (copy.left * channels, (copy.left + copy.width) * channels);
                let outside = ImageError::Internal("crop");
                let part = match row {
                    Samples::Bits8(row) => Samples::Bits8(row.get(from..to).ok_or(outside)?),
                    Samples::Bits16(row) => Samples::Bits16(row.get(from..to).ok_or(outside)?),
                };
                let straight = &mut copy.straight;
                copy.out.push(|out| straight.row(part, out))?;
            }
        }
        for pyramid in &mut self.pyramids {
            pyramid.row(row)?;
        }
        self.rows += 1;
        Ok(())
    }
}

impl<'p> Pyramid<'p> {
    fn new(to_light: ToLight, outputs: Vec<Resampled<'p>>, planes: usize, width: usize) -> Self {
        let last = outputs.iter().map(|output| output.level).max().unwrap_or(0);
        let levels = (0..=last).map(|level| {
            let here = outputs.iter().filter(|output| output.level == level);
            let rows = here.map(|output| output.resampler.rows_needed()).max().unwrap_or(0);
            Ring::new(planes, width.div_ceil(1 << level), rows)
        });
        Self { to_light, levels: levels.collect(), outputs }
    }

    fn row(&mut self, row: Samples<'_>) -> Result<(), ImageError> {
        let Some(first) = self.levels.first_mut() else { return Ok(()) };
        let to_light = &self.to_light;
        first.push(|planes, plane| to_light.row(row, planes, plane));
        self.advance(0)
    }

    /// Makes what can be made of a new row of a level: rows of outputs, and of the next level.
    fn advance(&mut self, level: usize) -> Result<(), ImageError> {
        let Some(ring) = self.levels.get(level) else { return Ok(()) };
        for output in self.outputs.iter_mut().filter(|output| output.level == level) {
            let out = &mut output.out;
            output.resampler.run(ring, |row| out.push_light(row))?;
        }
        let count = ring.count();
        if count.is_multiple_of(2) {
            self.halve(level, count.saturating_sub(2), count.saturating_sub(1))
        } else {
            Ok(())
        }
    }

    fn halve(&mut self, level: usize, upper: usize, lower: usize) -> Result<(), ImageError> {
        if let Some((larger, [smaller, ..])) = self.levels.split_at_mut_checked(level + 1)
            && let Some(larger) = larger.last()
        {
            smaller.push_halved(larger, upper, lower);
            self.advance(level + 1)?;
        }
        Ok(())
    }

    /// The last row of an odd number is a row of the next level by itself.
    fn finish(&mut self) -> Result<(), ImageError> {
        for level in 0..self.levels.len() {
            if let Some(count) = self.levels.get(level).map(Ring::count)
                && !count.is_multiple_of(2)
            {
                self.halve(level, count.saturating_sub(1), count.saturating_sub(1))?;
            }
        }
        Ok(())
    }
}

fn side(side: u32) -> usize {
    usize::try_from(side).unwrap_or(usize::MAX)
}
