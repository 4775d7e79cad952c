//! The demo picture: a lighthouse with a red lamp, at dusk.
//!
//! Drawn pixel by pixel from back to front, each thing as a colour and how much it covers the pixel. Lengths are in
//! picture heights, x to the right and y downwards from the top left corner, so the scene looks alike at every size.

use image::{Rgb, RgbImage};

type Colour = [f32; 3];

/// Where the water begins.
const HORIZON: f32 = 0.66;
const SUN: (f32, f32) = (0.98, 0.385);
const SUN_RADIUS: f32 = 0.092;
/// The lighthouse: where its axis stands, where its foot and its lamp are.
const TOWER_X: f32 = 0.36;
const TOWER_FOOT: f32 = 0.735;
const TOWER_TOP: f32 = 0.305;
const LAMP: (f32, f32) = (TOWER_X, 0.272);

const SAFELIGHT: Colour = [1.0, 0.20, 0.12];
const SUNLIGHT: Colour = [1.0, 0.88, 0.55];
const SKY: &[(f32, Colour)] = &[
    (0.00, [0.07, 0.08, 0.22]),
    (0.22, [0.20, 0.15, 0.40]),
    (0.42, [0.60, 0.25, 0.45]),
    (0.56, [0.95, 0.48, 0.36]),
    (0.66, [1.00, 0.75, 0.48]),
];
/// Top left, top right, bottom left, bottom right.
const CORNERS: [Colour; 4] = [[0.90, 0.16, 0.16], [0.15, 0.70, 0.28], [0.16, 0.38, 0.92], [0.98, 0.82, 0.12]];

/// Draws the scene. The aspect ratio is meant to be 4:3; the sun is a circle at any.
pub(super) fn draw(width: u16, height: u16) -> RgbImage {
    let scale = 1.0 / f32::from(height);
    let scene = Scene { right: f32::from(width) * scale, pixel: scale };
    let stars = stars();
    let mut picture = RgbImage::new(u32::from(width), u32::from(height));
    for column in 0..width {
        let x = (f32::from(column) + 0.5) * scale;
        let ridges = RIDGES.map(|ridge| ridge.height_at(x));
        for row in 0..height {
            let y = (f32::from(row) + 0.5) * scale;
            let colour = scene.colour_at(x, y, &ridges, &stars);
            picture.put_pixel(u32::from(column), u32::from(row), Rgb(colour.map(byte)));
        }
    }
    picture
}

struct Scene {
    /// The right edge.
    right: f32,
    /// The side of a pixel: how soft an edge is.
    pixel: f32,
}

impl Scene {
    fn colour_at(&self, x: f32, y: f32, ridges: &[f32; RIDGES.len()], stars: &[(f32, f32, f32)]) -> Colour {
        let mut colour = if y < HORIZON { self.land(x, y, ridges, stars) } else { self.water(x, y) };
        colour = self.rock(colour, x, y);
        colour = self.lighthouse(colour, x, y);
        self.frame(colour, x, y)
    }

    /// Sky, sun and hills.
    fn land(&self, x: f32, y: f32, ridges: &[f32; RIDGES.len()], stars: &[(f32, f32, f32)]) -> Colour {
        let mut colour = sky(x, y);
        if y < STARS_END {
            for &(star_x, star_y, brightness) in stars {
                if (x - star_x).abs() < 0.004 && (y - star_y).abs() < 0.004 {
                    let shine = self.inside(0.0016 - distance((x, y), (star_x, star_y)));
                    colour = mix(colour, [1.0, 0.98, 0.92], shine * brightness);
                }
            }
        }
        colour = mix(colour, SUNLIGHT, self.inside(SUN_RADIUS - distance((x, y), SUN)));
        for (ridge, top) in RIDGES.iter().zip(ridges) {
            // Haze gathers in the valleys: a hill is lighter at its foot.
            let haze = ((y - top) / (HORIZON - top)).clamp(0.0, 1.0);
            let hill = mix(ridge.colour, [0.86, 0.52, 0.50], haze * ridge.haze);
            colour = mix(colour, hill, self.inside(y - top));
        }
        colour
    }

    /// The sky upside down, darker, broken by waves that grow towards the viewer, with the sun's path on it.
    fn water(&self, x: f32, y: f32) -> Colour {
        let depth = (y - HORIZON) / (1.0 - HORIZON);
        // Perspective: the same wave is low near the horizon and high near the viewer. The logarithm's slope, 1 at
        // the viewer, is 18 at the horizon: still more than two pixels for a wave.
        let near = (depth + 0.055).ln();
        let wave = (near * 38.0 + (x * 9.0).sin() * 0.9).sin() * (x * 31.0 + near * 9.0).sin();
        let mirrored = sky(x, HORIZON - (y - HORIZON) * 1.5 + wave * 0.012);
        let mut colour = mix(mirrored, [0.05, 0.10, 0.24], 0.30 + 0.42 * depth);
        colour = mix(colour, [1.0, 0.80, 0.62], (wave - 0.55).max(0.0) * 0.22);
        let path = (1.0 - (x - SUN.0).abs() / (0.06 + 0.13 * depth)).max(0.0);
        let glint = ((near * 34.0 + (x * 21.0).sin() * 1.4).sin() * 0.5 + 0.5) * path;
        colour = mix(colour, SUNLIGHT, smooth(0.25, 0.60, glint) * 0.85);
        // The lamp, once more on the water.
        let lamp_path = (1.0 - (x - LAMP.0).abs() / 0.05).max(0.0) * (1.0 - depth);
        mix(colour, SAFELIGHT, lamp_path * (wave * 0.5 + 0.5) * 0.55)
    }

    /// The island under the tower.
    fn rock(&self, colour: Colour, x: f32, y: f32) -> Colour {
        let away = (x - 0.34) / 0.265;
        let bumps = (x * 41.0).sin() * 0.006 + (x * 97.0).sin() * 0.004 + (x * 17.0).sin() * 0.008;
        let top = 0.725 + bumps + away * away * 0.075;
        let bottom = 0.79 - away * away * 0.02 + (x * 29.0).sin() * 0.003;
        let shade = smooth(0.0, 0.05, y - top);
        let stone = mix([0.31, 0.20, 0.27], [0.10, 0.08, 0.15], shade);
        mix(colour, stone, self.inside(y - top) * self.inside(bottom - y))
    }

    fn lighthouse(&self, mut colour: Colour, x: f32, y: f32) -> Colour {
        let across = x - TOWER_X;
        // The beams, then the glow: light first, the tower stands before it.
        let reach = across.abs();
        let beam = 1.0 - (y - LAMP.1).abs() / (0.006 + reach * 0.11);
        if beam > 0.0 && reach > 0.02 {
            colour = mix(colour, SAFELIGHT, smooth(0.0, 0.8, beam) * (0.55 - reach * 0.75).max(0.0));
        }
        let glow = (1.0 - distance((x, y), LAMP) / 0.20).max(0.0);
        colour = mix(colour, SAFELIGHT, glow * glow * glow * 0.85);

        // The tower: tapered, four bands, lit from the right where the sun is.
        let along = ((y - TOWER_TOP) / (TOWER_FOOT - TOWER_TOP)).clamp(0.0, 1.0);
        let half = 0.032 + 0.026 * along;
        let side = (across / half).clamp(-1.0, 1.0);
        let band = self.inside((along * 4.0 * std::f32::consts::PI).sin() * 0.012);
        let paint = mix([0.82, 0.13, 0.14], [0.97, 0.94, 0.90], band);
        let lit = mix([0.16, 0.10, 0.24], paint, 0.48 + 0.52 * smooth(-1.0, 0.75, side));
        let upright = self.inside(y - TOWER_TOP) * self.inside(TOWER_FOOT - y);
        colour = mix(colour, lit, self.inside(half - across.abs()) * upright);
        for (window_y, size) in [(0.40, 0.0095), (0.53, 0.011), (0.655, 0.0125)] {
            let pane = self.inside(size - across.abs()) * self.inside(size * 1.5 - (y - window_y).abs());
            colour = mix(colour, [0.14, 0.10, 0.20], pane);
        }
        colour =
            mix(colour, [0.14, 0.10, 0.20], self.box_at(across, y, 0.016, 0.022, (0.0, TOWER_FOOT - 0.022)));

        // Gallery, lantern, lamp, dome.
        let iron = [0.12, 0.09, 0.17];
        colour = mix(colour, iron, self.box_at(across, y, 0.052, 0.006, (0.0, TOWER_TOP)));
        colour = mix(colour, iron, self.box_at(across, y, 0.030, 0.029, (0.0, LAMP.1)));
        colour = mix(colour, [1.0, 0.36, 0.24], self.box_at(across, y, 0.025, 0.024, (0.0, LAMP.1)));
        colour = mix(colour, [1.0, 0.90, 0.80], self.inside(0.014 - distance((x, y), LAMP)));
        colour = mix(colour, iron, self.box_at(across, y, 0.0016, 0.024, (0.0, LAMP.1)));
        let dome = self.inside(0.035 - distance((x, y), (TOWER_X, 0.246))) * self.inside(0.246 - y);
        colour = mix(colour, [0.62, 0.10, 0.12], dome);
        mix(colour, iron, self.box_at(across, y, 0.0022, 0.022, (0.0, 0.200)))
    }

    /// A fine line around everything, and a coloured bracket in each corner.
    fn frame(&self, colour: Colour, x: f32, y: f32) -> Colour {
        const INSET: f32 = 0.030;
        let from_side = x.min(self.right - x);
        let from_edge = y.min(1.0 - y);
        let line = |inset: f32, half: f32| {
            let on_side =
                self.inside(half - (from_side - inset).abs()) * self.inside(from_edge - inset + half);
            let on_edge =
                self.inside(half - (from_edge - inset).abs()) * self.inside(from_side - inset + half);
            on_side.max(on_edge)
        };
        let framed = mix(colour, [1.0, 1.0, 1.0], line(INSET, 0.0012) * 0.75);
        let corner = match (x < self.right / 2.0, y < 0.5) {
            (true, true) => CORNERS[0],
            (false, true) => CORNERS[1],
            (true, false) => CORNERS[2],
            (false, false) => CORNERS[3],
        };
        let near_corner = self.inside(0.13 - from_side.max(from_edge));
        mix(framed, corner, line(INSET, 0.009) * near_corner)
    }

    /// How much of a pixel lies inside an edge that is `distance` away, positive inside.
    fn inside(&self, distance: f32) -> f32 {
        (distance / self.pixel + 0.5).clamp(0.0, 1.0)
    }

    /// Coverage of a box around `centre`, by half width and half height.
    fn box_at(&self, x: f32, y: f32, half_width: f32, half_height: f32, centre: (f32, f32)) -> f32 {
        self.inside(half_width - (x - centre.0).abs()) * self.inside(half_height - (y - centre.1).abs())
    }
}

/// A chain of hills: a sum of waves.
struct Ridge {
    base: f32,
    height: f32,
    phase: f32,
    colour: Colour,
    /// How much of the haze hides its foot.
    haze: f32,
}

/// From far to near.
const RIDGES: [Ridge; 3] = [
    Ridge { base: 0.535, height: 0.060, phase: 0.4, colour: [0.62, 0.36, 0.50], haze: 0.75 },
    Ridge { base: 0.590, height: 0.045, phase: 2.9, colour: [0.42, 0.24, 0.42], haze: 0.60 },
    Ridge { base: 0.635, height: 0.030, phase: 5.1, colour: [0.25, 0.15, 0.33], haze: 0.40 },
];

impl Ridge {
    /// The y of the skyline.
    fn height_at(&self, x: f32) -> f32 {
        let folded = |frequency: f32, shift: f32| (x * frequency + self.phase * shift).sin().abs();
        let relief = folded(4.3, 1.0) * 0.55
            + folded(10.9, 1.7) * 0.25
            + folded(23.0, 2.3) * 0.13
            + folded(61.0, 3.1) * 0.05;
        self.base - (relief - 0.45) * self.height * 1.6
    }
}

/// Where the sky is too light for stars.
const STARS_END: f32 = 0.30;

/// Positions and brightnesses, scattered by the R2 low-discrepancy sequence (Roberts, 2018), which looks random and
/// leaves no clumps: the fractional parts of multiples of the plastic number's inverse powers.
fn stars() -> Vec<(f32, f32, f32)> {
    (1..70_u8)
        .map(|index| {
            let index = f32::from(index);
            let (x, y) = ((index * 0.754_877_7).fract(), (index * 0.569_840_3).fract());
            (x * 4.0 / 3.0, y * STARS_END, (1.0 - y) * (0.45 + 0.55 * (index * 0.618_034).fract()))
        })
        .collect()
}

/// The sky's gradient, with the glow around the sun.
fn sky(x: f32, y: f32) -> Colour {
    let mut colour = SKY[0].1;
    for pair in SKY.windows(2) {
        if let [(from, above), (to, below)] = pair
            && y >= *from
        {
            colour = mix(*above, *below, ((y - from) / (to - from)).clamp(0.0, 1.0));
        }
    }
    let glow = (1.0 - distance((x, y), SUN) / 0.55).max(0.0);
    mix(colour, [1.0, 0.80, 0.50], glow * glow * 0.75)
}

fn distance(a: (f32, f32), b: (f32, f32)) -> f32 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

fn mix(under: Colour, over: Colour, share: f32) -> Colour {
    let blend = |channel: usize| under[channel] + (over[channel] - under[channel]) * share;
    [blend(0), blend(1), blend(2)]
}

/// 0 below `from`, 1 above `to`, an S between (Hermite's cubic).
fn smooth(from: f32, to: f32, value: f32) -> f32 {
    let t = ((value - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0.0..=255.0 just before"
)]
fn byte(value: f32) -> u8 {
    (value * 255.0).round().clamp(0.0, 255.0) as u8
}
