//! The eight fit modes.

use super::CropBox;
use crate::{
    options::{Fit, FocalMode, Gravity, Options},
    size::Size,
};

/// A size whose sides may exceed `u32`: a target is multiplied by dpr, and a cover's uncropped picture can be
/// enlarged far beyond its target. Products are taken in `u128`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wide {
    pub(super) width: u64,
    pub(super) height: u64,
}

impl Wide {
    pub(super) fn narrow(self) -> Option<Size> {
        Some(Size::new(u32::try_from(self.width).ok()?, u32::try_from(self.height).ok()?))
    }

    /// The largest size of the shape of `shape` that fits inside.
    fn inside(self, shape: Self) -> Self {
        if is_wider(self, shape) {
            Self { width: scaled(shape.width, self.height, shape.height), height: self.height }
        } else {
            Self { width: self.width, height: scaled(shape.height, self.width, shape.width) }
        }
    }

    /// The smallest size of the shape of `shape` that covers.
    fn covering(self, shape: Self) -> Self {
        if is_wider(self, shape) {
            Self { width: self.width, height: scaled(shape.height, self.width, shape.width).max(self.height) }
        } else {
            Self {
                width: scaled(shape.width, self.height, shape.height).max(self.width),
                height: self.height,
            }
        }
    }
}

impl From<Size> for Wide {
    fn from(size: Size) -> Self {
        Self { width: u64::from(size.width), height: u64::from(size.height) }
    }
}

/// What a fit mode makes of a source, before bounds and limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) crop: CropBox,
    pub(super) resized: Wide,
    pub(super) canvas: Wide,
}

impl Geometry {
    /// The whole source at this size.
    fn whole(source: Size, resized: Wide) -> Self {
        let crop =
            CropBox { left: 0.0, top: 0.0, width: f64::from(source.width), height: f64::from(source.height) };
        Self { crop, resized, canvas: resized }
    }

    /// The same picture on a smaller canvas.
    pub(super) fn shrunk_to(self, canvas: Wide) -> Self {
        let resized = if self.resized == self.canvas { canvas } else { canvas.inside(self.resized) };
        Self { resized, canvas, ..self }
    }
}

/// Applies the options' size, fit and gravity to a source whose sides are 1 or more.
pub(super) fn fit(source: Size, options: &Options) -> Geometry {
    let wide = Wide::from(source);
    let width = options.width.map(|side| multiplied(side.get(), options.dpr));
    let height = options.height.map(|side| multiplied(side.get(), options.dpr));
    let target = match (width, height) {
        (None, None) => return Geometry::whole(source, wide),
        (Some(width), Some(height)) => Wide { width, height },
        // One side: the other follows from the source's shape in every mode, so nothing is cropped or padded.
        (Some(width), None) => Wide { width, height: scaled(wide.height, width, wide.width) },
        (None, Some(height)) => Wide { width: scaled(wide.width, height, wide.height), height },
    };
    let one_side = width.is_none() || height.is_none();
    let inside = if one_side { target } else { target.inside(wide) };
    let fits = match (width, height) {
        (Some(width), None) => wide.width <= width,
        (None, Some(height)) => wide.height <= height,
        _ => wide.width <= target.width && wide.height <= target.height,
    };
    match options.fit {
        Fit::ScaleDown if fits => Geometry::whole(source, wide),
        Fit::Crop | Fit::AspectCrop if one_side && fits => Geometry::whole(source, wide),
        // "Larger" is a source that does not fit inside the target: it keeps its own size.
        Fit::ScaleUp if !fits => Geometry::whole(source, wide),
        Fit::Squeeze => Geometry::whole(source, target),
        Fit::Pad => Geometry { canvas: target, ..Geometry::whole(source, inside) },
        Fit::ScaleDown | Fit::Contain | Fit::ScaleUp => Geometry::whole(source, inside),
        _ if one_side => Geometry::whole(source, inside),
        Fit::Cover => cut(source, target.covering(wide), target, options.gravity),
        // The cover scale is below 1 exactly when both sides of the target are smaller.
        Fit::Crop | Fit::AspectCrop if target.width < wide.width && target.height < wide.height => {
            cut(source, target.covering(wide), target, options.gravity)
        }
        Fit::Crop => {
            let kept = Wide { width: wide.width.min(target.width), height: wide.height.min(target.height) };
            cut(source, wide, kept, options.gravity)
        }
        Fit::AspectCrop => cut(source, wide, wide.inside(target), options.gravity),
    }
}

/// Scales the source to `scaled`, of which the part `kept` stays: offsets are rounded in scaled pixels, then the
/// box is mapped back to source pixels.
#[expect(
    clippy::cast_precision_loss,
    reason = "sides are far below 2^53 wherever the output is within limits"
)]
fn cut(source: Size, scaled: Wide, kept: Wide, gravity: Gravity) -> Geometry {
    let axis = |source: u32, scaled: u64, kept: u64, at: Anchor| {
        let source = f64::from(source);
        if kept == scaled {
            return (0.0, source);
        }
        let scale = source / scaled as f64;
        let length = kept as f64 * scale;
        ((at.offset(scaled as f64, kept as f64) * scale).min(source - length), length)
    };
    let (horizontal, vertical) = Anchor::of(gravity);
    let (left, width) = axis(source.width, scaled.width, kept.width, horizontal);
    let (top, height) = axis(source.height, scaled.height, kept.height, vertical);
    Geometry { crop: CropBox { left, top, width, height }, resized: kept, canvas: kept }
}

/// Where a crop box lies on one axis.
#[derive(Clone, Copy)]
struct Anchor {
    at: f64,
    mode: FocalMode,
}

impl Anchor {
    /// Horizontal and vertical anchor. A side keeps itself and is centred on the free axis.
    fn of(gravity: Gravity) -> (Self, Self) {
        let (x, y, mode) = match gravity {
            Gravity::Center => (0.5, 0.5, FocalMode::Remainder),
            Gravity::Left => (0.0, 0.5, FocalMode::Remainder),
            Gravity::Right => (1.0, 0.5, FocalMode::Remainder),
            Gravity::Top => (0.5, 0.0, FocalMode::Remainder),
            Gravity::Bottom => (0.5, 1.0, FocalMode::Remainder),
            Gravity::Point { x, y, mode } => (x, y, mode),
        };
        (Self { at: x, mode }, Self { at: y, mode })
    }

    /// Offset of the box in scaled pixels, rounded half up, inside the picture.
    fn offset(self, scaled: f64, kept: f64) -> f64 {
        let remainder = scaled - kept;
        let offset = match self.mode {
            FocalMode::Remainder => self.at * remainder,
            FocalMode::BoxCenter => self.at * scaled - kept / 2.0,
        };
        (offset + 0.5).floor().clamp(0.0, remainder)
    }
}

/// Whether `a` is wider in shape than `b`.
fn is_wider(a: Wide, b: Wide) -> bool {
    u128::from(a.width) * u128::from(b.height) > u128::from(b.width) * u128::from(a.height)
}

/// `side * numerator / denominator`, rounded half up, at least 1.
pub(super) fn scaled(side: u64, numerator: u64, denominator: u64) -> u64 {
    let (numerator, denominator) = (u128::from(numerator), u128::from(denominator));
    let rounded = (2 * u128::from(side) * numerator + denominator) / (2 * denominator);
    u64::try_from(rounded).unwrap_or(u64::MAX).max(1)
}

/// A side times dpr (at most 2), rounded half up, at least 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and NaN becomes 0"
)]
fn multiplied(side: u32, dpr: f64) -> u64 {
    // Options that passed validation never reach the upper end; it keeps products of any others in range.
    ((f64::from(side) * dpr + 0.5).floor() as u64).clamp(1, 1 << 33)
}
