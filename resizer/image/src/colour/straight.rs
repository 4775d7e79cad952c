//! Samples that are not resized, to 8-bit sRGB.

use super::{Colors, from_light::FromLight};
use crate::{codec::rows::Samples, light::table, options::Light, pixels::Layout};

/// What a row is converted by.
pub(crate) struct Straight {
    layout: Layout,
    /// The light of each value of each color, and the way from there. `None`: they are sRGB.
    by_light: Option<(Vec<Vec<i16>>, FromLight)>,
    planes: Vec<i16>,
}

impl Straight {
    /// For rows in the layout that `colors` leave.
    pub(crate) fn new(colors: &Colors, layout: Layout, wide: bool) -> Self {
        let count = if wide { 1 << 16 } else { 1 << 8 };
        let by_light = match colors {
            Colors::Curves(curves) => {
                let opaque = match layout {
                    Layout::Gray | Layout::GrayAlpha => Layout::Gray,
                    _ => Layout::Rgb,
                };
                let tables = (0..opaque.channels()).map(|channel| table(count, curves.of_channel(channel)));
                Some((tables.collect(), FromLight::new(colors, Light::Linear, opaque)))
            }
            _ => None,
        };
        Self { layout, by_light, planes: Vec::new() }
    }

    /// Converts a row, whose alpha stays, and adds it to `out`.
    pub(crate) fn row(&mut self, samples: Samples<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        match samples {
            Samples::Bits8(row) => out.extend_from_slice(row),
            Samples::Bits16(row) => out.extend(row.iter().map(|sample| narrow(*sample))),
        }
        let Some((tables, from_light)) = &self.by_light else { return };
        let channels = self.layout.channels();
        self.planes.clear();
        for (channel, table) in tables.iter().enumerate() {
            let look = |value: usize| table.get(value).copied().unwrap_or_default();
            match samples {
                Samples::Bits8(row) => {
                    self.planes.extend(row.iter().skip(channel).step_by(channels).map(|v| look((*v).into())));
                }
                Samples::Bits16(row) => {
                    self.planes.extend(row.iter().skip(channel).step_by(channels).map(|v| look((*v).into())));
                }
            }
        }
        let colors = tables.len();
        let mut converted = vec![0; self.planes.len()];
        from_light.row(&mut self.planes, &mut converted);
        let pixels = out.get_mut(start..).unwrap_or_default().chunks_exact_mut(channels);
        for (pixel, color) in pixels.zip(converted.chunks_exact(colors.max(1))) {
            pixel.iter_mut().zip(color).for_each(|(sample, converted)| *sample = *converted);
        }
    }
}

/// 16 bits to 8, rounded to nearest.
pub(crate) fn narrow(sample: u16) -> u8 {
    u8::try_from((u32::from(sample) * 255 + 32_767) / 65_535).unwrap_or(u8::MAX)
}
