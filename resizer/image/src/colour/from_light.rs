//! The numbers that were resized, to 8-bit sRGB with straight alpha.

use super::{Colors, Matrix};
use crate::{
    light::{self, ONE, STEPS, place},
    options::Light,
    pixels::Layout,
};

/// What a row is converted by.
pub(crate) struct FromLight {
    layout: Layout,
    way: Way,
}

enum Way {
    /// The same table for each color.
    Table(Table),
    /// Each color's light, where the numbers are none, then a matrix, and the table of sRGB.
    Matrix(Option<[Vec<f32>; 3]>, Matrix),
}

enum Table {
    Common(&'static [u8; STEPS]),
    Own(Box<[u8; STEPS]>),
}

impl FromLight {
    /// For pixels of `layout`.
    pub(crate) fn new(colors: &Colors, light: Light, layout: Layout) -> Self {
        let way = match (colors, light) {
            (Colors::Curves(curves), _) => match (curves.matrix, light) {
                (Some(matrix), Light::Linear) => Way::Matrix(None, matrix),
                (Some(matrix), Light::Srgb) => {
                    let lights = [0, 1, 2].map(|channel| lights(curves.of_channel(channel)));
                    Way::Matrix(Some(lights), matrix)
                }
                (None, Light::Linear) => Way::Table(Table::Common(light::srgb_of_light())),
                (None, Light::Srgb) => {
                    let curve = curves.of_channel(0);
                    Way::Table(Table::Own(light::bytes_of(|value| light::encoded(curve(value)))))
                }
            },
            (_, Light::Linear) => Way::Table(Table::Common(light::srgb_of_light())),
            (_, Light::Srgb) => Way::Table(Table::Common(light::value_of_value())),
        };
        Self { layout, way }
    }

    /// Bytes of tables.
    pub(crate) const fn memory() -> u64 {
        STEPS as u64 * 4 * 3
    }

    /// Converts a row: planes side by side, to interleaved bytes.
    pub(crate) fn row(&self, planes: &mut [i16], out: &mut [u8]) {
        let channels = self.layout.channels();
        let width = planes.len() / channels;
        if self.layout.has_alpha() {
            divide(planes, width);
        }
        if let Way::Matrix(lights, matrix) = &self.way {
            apply(planes, width, lights.as_ref(), matrix);
        }
        let table = match &self.way {
            Way::Table(Table::Own(table)) => table,
            Way::Table(Table::Common(table)) => *table,
            Way::Matrix(..) => light::srgb_of_light(),
        };
        let mut planes = planes.chunks_exact(width.max(1));
        let mut next = || planes.next().unwrap_or_default();
        let alphas = light::value_of_value();
        match self.layout {
            Layout::Gray => join(out, [next()], [table]),
            Layout::GrayAlpha => join(out, [next(), next()], [table, alphas]),
            Layout::Rgb | Layout::Cmyk => join(out, [next(), next(), next()], [table; 3]),
            Layout::Rgba => join(out, [next(), next(), next(), next()], [table, table, table, alphas]),
        }
    }
}

#[expect(clippy::indexing_slicing, reason = "a place in a table of all places")]
fn join<const N: usize>(out: &mut [u8], planes: [&[i16]; N], tables: [&[u8; STEPS]; N]) {
    let pixels = out.as_chunks_mut::<N>().0;
    for (channel, (plane, table)) in planes.into_iter().zip(tables).enumerate() {
        for (pixel, number) in pixels.iter_mut().zip(plane) {
            if let Some(byte) = pixel.get_mut(channel) {
                *byte = table[place(*number)];
            }
        }
    }
}

/// Divides the colors by alpha, which is the last plane. What has none (of 8 bits) becomes black.
fn divide(planes: &mut [i16], width: usize) {
    let (colors, alphas) = planes.split_at_mut(planes.len().saturating_sub(width));
    for plane in colors.chunks_exact_mut(width.max(1)) {
        for (color, alpha) in plane.iter_mut().zip(&*alphas) {
            let alpha = i32::from(*alpha);
            *color = if alpha >= i32::from(ONE) {
                *color
            } else if alpha * 510 < i32::from(ONE) {
                0
            } else {
                let color = (i32::from(*color) * i32::from(ONE) + alpha / 2) / alpha;
                i16::try_from(color.clamp(0, ONE.into())).unwrap_or(ONE)
            };
        }
    }
}

/// Makes sRGB's light of another color space's, in place.
#[expect(clippy::cast_possible_truncation, reason = "clamped")]
fn apply(planes: &mut [i16], width: usize, lights: Option<&[Vec<f32>; 3]>, matrix: &Matrix) {
    let one = f32::from(ONE);
    let light = |channel: usize, number: i16| match lights.and_then(|lights| lights.get(channel)) {
        Some(lights) => lights.get(place(number)).copied().unwrap_or_default() * one,
        None => f32::from(number),
    };
    let (red, rest) = planes.split_at_mut(width);
    let (green, rest) = rest.split_at_mut(width.min(rest.len()));
    for ((red, green), blue) in red.iter_mut().zip(green).zip(rest) {
        let [r, g, b] = [light(0, *red), light(1, *green), light(2, *blue)];
        let [r, g, b] = matrix.map(|[x, y, z]| (x * r + y * g + z * b).round().clamp(0.0, one) as i16);
        (*red, *green, *blue) = (r, g, b);
    }
}

/// The light of each number.
#[expect(clippy::cast_possible_truncation, reason = "from 0 to 1")]
fn lights(curve: impl Fn(f64) -> f64) -> Vec<f32> {
    (0..=ONE).map(|number| curve(f64::from(number) / f64::from(ONE)) as f32).collect()
}
