//! Which part of a stored picture is decoded, and how small.
//!
//! JPEG can be decoded at 1/2, 1/4 and 1/8 of its size in a fraction of the time and memory, row by row. One decode serves
//! all outputs of a request, so its scale is the one that the largest of them still looks good from.

use super::{
    options::Kernel,
    pipeline::Job,
    plan::CropBox,
    probe::{Info, Work},
    render::left_to_filter,
    size::Size,
};

/// How small a decoder makes a picture: a decoded pixel is the mean of a box of stored ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scale {
    /// 1/1.
    #[default]
    Full,
    /// 1/2.
    Half,
    /// 1/4.
    Quarter,
    /// 1/8.
    Eighth,
}

impl Scale {
    /// Every scale, largest picture first.
    pub(crate) const ALL: [Self; 4] = [Self::Full, Self::Half, Self::Quarter, Self::Eighth];

    /// What width and height are divided by.
    pub(crate) const fn divisor(self) -> u32 {
        match self {
            Self::Full => 1,
            Self::Half => 2,
            Self::Quarter => 4,
            Self::Eighth => 8,
        }
    }

    /// A side at this scale, rounded up.
    pub(crate) const fn apply(self, side: u32) -> u32 {
        side.div_ceil(self.divisor())
    }
}

/// The widest filter reads three output pixels beyond the box's edges, and up to another where pixels are halved before.
const LOBES: f64 = 4.0;

/// The part of a picture that a decoder makes, in the picture's stored orientation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// How small the picture is made; the other fields are in pixels of the picture made small.
    pub(crate) scale: Scale,
    /// Left edge.
    pub(crate) left: u32,
    /// Top edge.
    pub(crate) top: u32,
    /// Width and height.
    pub(crate) size: Size,
}

impl View {
    /// Everything, at full size.
    pub(crate) const fn whole(size: Size) -> Self {
        Self { scale: Scale::Full, left: 0, top: 0, size }
    }

    /// What these outputs need of a picture, as far as its decoder can be told.
    pub(crate) fn of(info: &Info, jobs: &[Job]) -> Self {
        if jobs.is_empty() || matches!(info.work, Work::Whole(_)) {
            return Self::whole(info.stored_size);
        }
        let serves = |scale: &&Scale| jobs.iter().all(|job| serves(job, **scale));
        let scale = Scale::ALL.iter().rev().find(serves).copied().unwrap_or_default();
        let scaled = |side: u32| f64::from(scale.apply(side));
        let (width, height) = (scaled(info.stored_size.width), scaled(info.stored_size.height));
        let (mut left, mut top, mut right, mut bottom) = (width, height, 0.0_f64, 0.0_f64);
        for job in jobs {
            let crop = at_scale(info.orientation.stored_box(job.plan.source, job.plan.crop), scale);
            let size = info.orientation.turn(job.plan.resized);
            let (beside, above) = (reach(crop.width, size.width), reach(crop.height, size.height));
            left = left.min(crop.left - beside);
            top = top.min(crop.top - above);
            right = right.max(crop.left + crop.width + beside);
            bottom = bottom.max(crop.top + crop.height + above);
        }
        let (left, width) = pixels(left, right, width);
        let (top, height) = pixels(top, bottom, height);
        Self { scale, left, top, size: Size::new(width, height) }
    }

    /// A box of the stored picture, in pixels of this view. A decoded pixel is the mean of `scale` stored ones, so
    /// that edges are divided and nothing is shifted.
    pub(crate) fn place(&self, crop: CropBox) -> CropBox {
        let mut placed = at_scale(crop, self.scale);
        placed.left -= f64::from(self.left);
        placed.top -= f64::from(self.top);
        // The sum of edge and length may have been rounded to lie inside.
        placed.width = placed.width.min(f64::from(self.size.width) - placed.left);
        placed.height = placed.height.min(f64::from(self.size.height) - placed.top);
        placed
    }
}

/// Whether an output can be made from its source at this scale.
fn serves(job: &Job, scale: Scale) -> bool {
    let plan = &job.plan;
    let left = left_to_filter(job.options.quality_profile);
    let enough = |crop: f64, resized: u32| crop >= f64::from(resized) * f64::from(scale.divisor()) * left;
    scale == Scale::Full
        || job.options.kernel != Some(Kernel::Nearest)
            && enough(plan.crop.width, plan.resized.width)
            && enough(plan.crop.height, plan.resized.height)
}

fn at_scale(crop: CropBox, scale: Scale) -> CropBox {
    let by = f64::from(scale.divisor());
    CropBox { left: crop.left / by, top: crop.top / by, width: crop.width / by, height: crop.height / by }
}

/// Pixels beyond a box that resampling it to `resized` reads.
fn reach(length: f64, resized: u32) -> f64 {
    LOBES * (length / f64::from(resized)).max(1.0) + 1.0
}

/// First pixel and number of pixels between two edges, within `0..side`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a picture's sides before"
)]
fn pixels(from: f64, to: f64, side: f64) -> (u32, u32) {
    let (from, to) = (from.floor().clamp(0.0, side - 1.0) as u32, to.ceil().clamp(1.0, side) as u32);
    (from, to - from)
}

#[cfg(test)]
mod tests;
