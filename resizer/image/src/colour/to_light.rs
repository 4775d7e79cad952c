//! Samples as they are stored, to the numbers that are resized: light, with alpha multiplied in.

use super::Colors;
use crate::{
    codec::rows::Samples,
    light::{BITS, Parabolas, decoded, table},
    options::Light,
    pixels::Layout,
    resample::kernels::{Chunk, light},
};

/// What a row is converted by.
pub(crate) struct ToLight {
    layout: Layout,
    /// Of each channel, alpha too.
    tables: Vec<Vec<i16>>,
    /// What the tables of colors were made of, if it can be computed.
    curve: Option<&'static Parabolas>,
}

impl ToLight {
    /// For samples of `count` values, in the layout that `colors` leave.
    pub(crate) fn new(colors: &Colors, light: Light, layout: Layout, wide: bool) -> Self {
        let count = if wide { 1 << 16 } else { 1 << 8 };
        let tables = (0..layout.channels()).map(|channel| match (light, colors) {
            _ if layout.has_alpha() && channel + 1 == layout.channels() => table(count, |value| value),
            (Light::Srgb, _) => table(count, |value| value),
            (Light::Linear, Colors::Curves(curves)) => table(count, curves.of_channel(channel)),
            (Light::Linear, _) if wide => table(count, decoded),
            (Light::Linear, _) => (0..=u8::MAX).map(|value| Parabolas::srgb().light(value)).collect(),
        });
        let is_srgb = light == Light::Linear && !wide && !matches!(colors, Colors::Curves(_));
        Self { layout, tables: tables.collect(), curve: is_srgb.then(Parabolas::srgb) }
    }

    /// Bytes of the tables.
    pub(crate) const fn memory(layout: Layout, wide: bool) -> u64 {
        layout.channels() as u64 * if wide { 1 << 17 } else { 1 << 9 }
    }

    /// Converts a row to planes of `plane` chunks each.
    pub(crate) fn row(&self, samples: Samples<'_>, planes: &mut [Chunk], plane: usize) {
        let mut planes = planes.chunks_exact_mut(plane);
        if let (Some(curve), Samples::Bits8(row)) = (self.curve, samples) {
            let mut next = || planes.next().unwrap_or_default();
            match self.layout {
                Layout::Gray => {
                    let plane = next();
                    let done = light(row, [&mut *plane], curve);
                    let [table] = self.tables8();
                    return one(after(plane, done), row.get(done..).unwrap_or_default(), table);
                }
                Layout::Rgb => {
                    let planes = [next(), next(), next()];
                    let [red, green, blue] = planes;
                    let done = light(row, [&mut *red, &mut *green, &mut *blue], curve);
                    let rest = row.get(3 * done..).unwrap_or_default();
                    return three([red, green, blue].map(|plane| after(plane, done)), rest, self.tables8());
                }
                _ => {}
            }
        }
        let mut planes = planes.map(<[Chunk]>::as_flattened_mut);
        let mut next = || planes.next().unwrap_or_default();
        match (self.layout, samples) {
            (Layout::Gray, Samples::Bits8(row)) => {
                let [table] = self.tables8();
                one(next(), row, table);
            }
            (Layout::Gray, Samples::Bits16(row)) => {
                let [table] = self.tables16();
                one(next(), row, table);
            }
            (Layout::GrayAlpha, Samples::Bits8(row)) => split_alpha([next(), next()], row, self.tables8()),
            (Layout::GrayAlpha, Samples::Bits16(row)) => split_alpha([next(), next()], row, self.tables16()),
            (Layout::Rgb, Samples::Bits8(row)) => three([next(), next(), next()], row, self.tables8()),
            (Layout::Rgb, Samples::Bits16(row)) => three([next(), next(), next()], row, self.tables16()),
            (_, Samples::Bits8(row)) => {
                split_alpha([next(), next(), next(), next()], row, self.tables8());
            }
            (_, Samples::Bits16(row)) => {
                split_alpha([next(), next(), next(), next()], row, self.tables16());
            }
        }
    }

    fn tables8<const N: usize>(&self) -> [&[i16; 1 << 8]; N] {
        static NONE: [i16; 1 << 8] = [0; 1 << 8];
        let mut tables = self.tables.iter();
        [(); N].map(|()| tables.next().and_then(|table| table.as_slice().try_into().ok()).unwrap_or(&NONE))
    }

    fn tables16<const N: usize>(&self) -> [&[i16; 1 << 16]; N] {
        static NONE: [i16; 1 << 16] = [0; 1 << 16];
        let mut tables = self.tables.iter();
        [(); N].map(|()| tables.next().and_then(|table| table.as_slice().try_into().ok()).unwrap_or(&NONE))
    }
}

/// A sample, and the table that has a number for each of its values.
trait Sample: Copy {
    type Table;
    fn look(self, table: &Self::Table) -> i16;
}

impl Sample for u8 {
    type Table = [i16; 1 << 8];
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "a table of all values")]
    fn look(self, table: &Self::Table) -> i16 {
        table[usize::from(self)]
    }
}

impl Sample for u16 {
    type Table = [i16; 1 << 16];
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "a table of all values")]
    fn look(self, table: &Self::Table) -> i16 {
        table[usize::from(self)]
    }
}

/// The numbers of a plane from this one on.
fn after(plane: &mut [Chunk], done: usize) -> &mut [i16] {
    plane.as_flattened_mut().get_mut(done..).unwrap_or_default()
}

fn three<S: Sample>([red, green, blue]: [&mut [i16]; 3], row: &[S], [a, b, c]: [&S::Table; 3]) {
    let numbers = red.iter_mut().zip(green).zip(blue);
    for (((red, green), blue), [x, y, z]) in numbers.zip(row.as_chunks::<3>().0) {
        (*red, *green, *blue) = (x.look(a), y.look(b), z.look(c));
    }
}

fn one<S: Sample>(plane: &mut [i16], row: &[S], table: &S::Table) {
    plane.iter_mut().zip(row).for_each(|(number, sample)| *number = sample.look(table));
}

/// The last channel is alpha, which the others are multiplied by.
fn split_alpha<S: Sample, const N: usize>(planes: [&mut [i16]; N], row: &[S], tables: [&S::Table; N]) {
    let pixels = row.as_chunks::<N>().0;
    let Some((alphas, _)) = tables.split_last() else { return };
    for (channel, (plane, table)) in planes.into_iter().zip(tables).enumerate() {
        let is_alpha = channel + 1 == N;
        for (number, pixel) in plane.iter_mut().zip(pixels) {
            let sample = pixel.get(channel).map_or(0, |sample| sample.look(table));
            let alpha = pixel.last().map_or(0, |sample| sample.look(alphas));
            *number = if is_alpha { sample } else { product(sample, alpha) };
        }
    }
}

/// A product of two numbers from 0 to [`ONE`](crate::light::ONE).
#[expect(clippy::cast_possible_truncation, reason = "at most the larger of both")]
fn product(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b) + (1 << (BITS - 1))) >> BITS) as i16
}
