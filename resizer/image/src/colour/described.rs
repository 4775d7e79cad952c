//! RGB color spaces that are said by numbers rather than by a profile: PNG's `cICP`, `gAMA` and `cHRM`.

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, MatrixCoefficients,
    ToneReprCurve, TransferCharacteristics, XyY,
};

/// A color space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Space {
    /// Coding-independent code points (ITU-T H.273) of full-range RGB.
    Cicp {
        /// Table 2.
        primaries: u8,
        /// Table 3.
        transfer: u8,
    },
    /// What a gamma and the primaries say; sRGB's where either is missing.
    Measured {
        /// The exponent that takes values to light.
        gamma: Option<f32>,
        /// CIE x and y of white, red, green and blue.
        chromaticities: Option<[(f32, f32); 4]>,
    },
}

/// Code points of sRGB.
const SRGB: (u8, u8) = (1, 13);

/// Transfer functions whose brightest values are far above white (PQ and HLG): what a screen of this range shows of them is
/// not a matter of conversion.
const HIGH_RANGE: [u8; 2] = [16, 18];

/// An exponent this near to 2.2 (or to sRGB's) means what screens do anyway, as libpng takes it: writers say 1/2.2 and mean
/// sRGB.
const SAME_GAMMA: f32 = 0.05;
const SCREEN_GAMMA: f32 = 2.2;

/// Chromaticities of sRGB, and how much they are rounded.
const SRGB_CHROMATICITIES: [(f32, f32); 4] = [(0.3127, 0.329), (0.64, 0.33), (0.3, 0.6), (0.15, 0.06)];
const ROUNDED: f32 = 0.001;

/// Smallest area, doubled, of a triangle of primaries. Of those in use it is 0.1 and more.
const SMALLEST_AREA: f32 = 0.001;

impl Space {
    /// The same space as a profile. `None`: it is sRGB, or cannot be converted.
    pub(super) fn profile(&self) -> Option<ColorProfile> {
        if !self.is_usable() || self.is_srgb() {
            return None;
        }
        match *self {
            Self::Cicp { primaries, transfer } => cicp(primaries, transfer),
            Self::Measured { gamma, chromaticities } => {
                let mut profile = ColorProfile::new_srgb();
                // It would have precedence over curves.
                profile.cicp = None;
                if let Some([white, red, green, blue]) = chromaticities {
                    let [red, green, blue] = [red, green, blue].map(|(x, y)| Chromaticity::new(x, y));
                    let white = XyY { x: white.0.into(), y: white.1.into(), yb: 1.0 };
                    profile.update_rgb_colorimetry(white, ColorPrimaries { red, green, blue });
                }
                if let Some(gamma) = gamma.filter(|gamma| !is_screen_gamma(*gamma)) {
                    let curve = Some(ToneReprCurve::Parametric(vec![gamma]));
                    (profile.red_trc, profile.green_trc, profile.blue_trc) =
                        (curve.clone(), curve.clone(), curve);
                }
                Some(profile)
            }
        }
    }

    /// Whether its numbers mean a space that pixels can be converted from.
    pub(crate) fn is_usable(&self) -> bool {
        match *self {
            Self::Cicp { primaries, transfer } => {
                !HIGH_RANGE.contains(&transfer)
                    && ((primaries, transfer) == SRGB || cicp(primaries, transfer).is_some())
            }
            Self::Measured { gamma, chromaticities } => {
                gamma.is_none_or(|gamma| (0.1..=10.0).contains(&gamma))
                    && chromaticities.is_none_or(spans_colours)
            }
        }
    }

    fn is_srgb(&self) -> bool {
        match *self {
            Self::Cicp { primaries, transfer } => (primaries, transfer) == SRGB,
            Self::Measured { gamma, chromaticities } => {
                let same = |(a, b): ((f32, f32), (f32, f32))| {
                    (a.0 - b.0).abs() < ROUNDED && (a.1 - b.1).abs() < ROUNDED
                };
                gamma.is_none_or(is_screen_gamma)
                    && chromaticities.is_none_or(|found| found.into_iter().zip(SRGB_CHROMATICITIES).all(same))
            }
        }
    }
}

fn is_screen_gamma(gamma: f32) -> bool {
    (gamma / SCREEN_GAMMA - 1.0).abs() < SAME_GAMMA
}

/// Whether white and three primaries are colours, and the primaries lie around an area.
fn spans_colours([white, red, green, blue]: [(f32, f32); 4]) -> bool {
    let is_colour = |(x, y): (f32, f32)| x >= 0.0 && y >= 0.0 && x + y <= 1.0;
    let area = (green.0 - red.0) * (blue.1 - red.1) - (blue.0 - red.0) * (green.1 - red.1);
    let [red_side, green_side, blue_side] = [(red, green), (green, blue), (blue, red)]
        .map(|(a, b)| (b.0 - a.0) * (white.1 - a.1) - (white.0 - a.0) * (b.1 - a.1));
    [white, red, green, blue].into_iter().all(is_colour)
        && area.abs() >= SMALLEST_AREA
        // White is on the inner side of each edge.
        && [red_side, green_side, blue_side].into_iter().all(|side| side * area > 0.0)
        && white.1 > 0.0
}

/// A profile of code points. `None`: reserved, not specified, or without a curve.
fn cicp(primaries: u8, transfer: u8) -> Option<ColorProfile> {
    let profile = ColorProfile::new_from_cicp(CicpProfile {
        color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
        transfer_characteristics: TransferCharacteristics::try_from(transfer).ok()?,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    profile.red_trc.is_some().then_some(profile)
}
