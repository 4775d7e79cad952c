//! Black point compensation, as littlecms and Adobe do it (Adobe's paper of 2006): a linear map of each of X, Y and Z that takes
//! the source's darkest color to no light and leaves white. Here it is a matrix in linear sRGB.

use std::sync::Arc;

use moxcms::{ColorProfile, Transform16BitExecutor, TransformOptions};

use crate::pixels::Layout;

/// X, Y and Z of black in the perceptual table of a version 4 profile (ICC.1:2022, 6.3.3).
const PERCEPTUAL_BLACK: Vector = [0.003_36, 0.003_473_1, 0.002_87];

/// Most light that black is taken to have: L* 50, as in littlecms.
const LIGHTEST_BLACK: f32 = 0.184_187;

/// Less than that is no light: half of the first of 255 steps.
const NO_LIGHT: f32 = 0.5 / 255.0 / 12.92;

/// X, Y and Z of the connection space's white (D50).
const WHITE: Vector = [0.964_2, 1.0, 0.824_9];

/// Linear sRGB to XYZ of D50 (IEC 61966-2-1, adapted by Bradford's matrix).
const TO_XYZ: [Vector; 3] = [
    [0.436_074_7, 0.385_064_9, 0.143_080_4],
    [0.222_504_5, 0.716_878_6, 0.060_616_9],
    [0.013_932_2, 0.097_104_5, 0.714_173_3],
];

/// Its inverse.
const FROM_XYZ: [Vector; 3] = [
    [3.133_856, -1.616_866_7, -0.490_614_6],
    [-0.978_768_4, 1.916_141_5, 0.033_454_0],
    [0.071_945_3, -0.228_991_4, 1.405_242_7],
];

/// Bits of a value that choose its light, and of a light that choose its value.
const VALUE_BITS: u32 = 12;
const LIGHT_BITS: u32 = 14;

type Vector = [f32; 3];

/// A conversion to sRGB that ends with the compensation.
pub(crate) struct Compensated {
    transform: Arc<Transform16BitExecutor>,
    /// What linear RGB is multiplied by, and what is then taken away.
    matrix: [Vector; 3],
    offset: Vector,
    lights: Box<[f32; 1 << VALUE_BITS]>,
    values: Box<[u8; 1 << LIGHT_BITS]>,
    /// Channels of the source, and of the target.
    channels: (usize, usize),
}

impl Compensated {
    /// The conversion of a profile (of these bytes) with a table. `None`: its black has no light, or it cannot be used.
    pub(super) fn new(
        profile: &ColorProfile,
        bytes: &[u8],
        layout: Layout,
        source: moxcms::Layout,
        target: moxcms::Layout,
    ) -> Option<Self> {
        let options = TransformOptions::default();
        let transform =
            profile.create_transform_16bit(source, &ColorProfile::new_srgb(), target, options).ok()?;
        let channels = (layout.channels(), target.channels());
        // The major version stands at byte 8.
        let mut black = if bytes.get(8).is_some_and(|version| *version >= 4) {
            PERCEPTUAL_BLACK
        } else {
            let ink = if layout == Layout::Cmyk { u16::MAX } else { 0 };
            let mut darkest = vec![0; channels.1];
            transform.transform(&vec![ink; channels.0], &mut darkest).ok()?;
            product(&TO_XYZ, darkest.first_chunk::<3>()?.map(|value| decoded(f32::from(value) / 65_535.0)))
        };
        let [_, light, _] = black;
        if light < NO_LIGHT {
            return None;
        }
        if light > LIGHTEST_BLACK {
            black = black.map(|value| value * LIGHTEST_BLACK / light);
        }
        let mut stretch = [0.0; 3];
        for (factor, (white, black)) in stretch.iter_mut().zip(WHITE.into_iter().zip(black)) {
            *factor = white / (white - black);
        }
        let offset = product(&FROM_XYZ, times(stretch, black));
        let columns = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
            .map(|unit| product(&FROM_XYZ, times(stretch, product(&TO_XYZ, unit))));
        let [red, green, blue] = columns;
        let mut matrix = [[0.0; 3]; 3];
        for (row, ((r, g), b)) in matrix.iter_mut().zip(red.into_iter().zip(green).zip(blue)) {
            *row = [r, g, b];
        }
        let mut lights = Box::new([0.0; 1 << VALUE_BITS]);
        for (value, light) in (0_u16..).zip(lights.iter_mut()) {
            *light = decoded(f32::from(value) / f32::from(LAST_VALUE));
        }
        let mut values = Box::new([0; 1 << LIGHT_BITS]);
        for (light, value) in (0_u16..).zip(values.iter_mut()) {
            *value = encoded(f32::from(light) / LAST_LIGHT);
        }
        Some(Self { transform, matrix, offset, lights, values, channels })
    }

    /// Rows of 16 bits for [`transform`](Self::transform), of a source row's length in bytes.
    pub(super) fn buffers(&self, length: usize) -> [Vec<u16>; 2] {
        let (from, to) = self.channels;
        [vec![0; length], vec![0; length / from.max(1) * to]]
    }

    /// Converts a row. `None`: the lengths do not match.
    pub(super) fn transform(
        &self,
        source: &[u8],
        target: &mut [u8],
        [wide, out]: &mut [Vec<u16>; 2],
    ) -> Option<()> {
        wide.iter_mut().zip(source).for_each(|(wide, byte)| *wide = u16::from(*byte) * 257);
        self.transform.transform(wide, out).ok()?;
        let channels = self.channels.1;
        for (target, wide) in target.chunks_exact_mut(channels).zip(out.chunks_exact(channels)) {
            let (colors, alpha) = wide.split_first_chunk::<3>()?;
            let lights = colors.map(|value| self.lights.get(usize::from(value >> (u16::BITS - VALUE_BITS))));
            let [Some(red), Some(green), Some(blue)] = lights else { return None };
            let compensated = product(&self.matrix, [*red, *green, *blue]);
            for ((target, light), offset) in target.iter_mut().zip(compensated).zip(self.offset) {
                *target = *self.values.get(place(light - offset))?;
            }
            target.iter_mut().skip(3).zip(alpha).for_each(|(target, alpha)| *target = alpha.to_be_bytes()[0]);
        }
        Some(())
    }
}

/// The last places of the tables.
const LAST_VALUE: u16 = (1 << VALUE_BITS) - 1;
const LAST_LIGHT: f32 = 16_383.0;

/// A light's place in the table.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the table")]
fn place(light: f32) -> usize {
    light.clamp(0.0, 1.0).mul_add(LAST_LIGHT, 0.5) as usize
}

fn times(a: Vector, b: Vector) -> Vector {
    let ([a, c, e], [b, d, f]) = (a, b);
    [a * b, c * d, e * f]
}

/// A matrix, by rows, times a vector.
fn product(matrix: &[Vector; 3], vector: Vector) -> Vector {
    matrix.map(|row| times(row, vector).iter().sum())
}

/// The light of an sRGB value (IEC 61966-2-1), both from 0 to 1.
fn decoded(value: f32) -> f32 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// The sRGB value of 8 bits of a light; what is outside 0 to 1 is clamped.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 255")]
pub(super) fn encoded(light: f32) -> u8 {
    let light = light.clamp(0.0, 1.0);
    let value = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (value * 255.0).round() as u8
}
