//! The geometry of one output: a pure function of sizes and options.
//!
//! Rules and their sources are Cloudflare Images' documentation and, where it is silent, our choices (the comments in
//! `safelight/image/v1/image.proto` are the contract). Computed sides and crop offsets round half up; a side is
//! at least 1 pixel. Everything is in the picture as a viewer sees it, after EXIF orientation.

use super::{limits::Limits, options::Options, size::Size};

mod bounds;
mod fit;

pub use bounds::{OnExceed, OutputBounds};

/// How an output comes out of the source: `crop` is cut out, resized to `resized`, and laid at `offset` on a
/// canvas of `canvas` pixels. All sides are 1 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The source's size in pixels.
    pub source: Size,
    /// The part of the source that is seen, so that crop and resize are one pass.
    pub crop: CropBox,
    /// What the crop box becomes, in pixels.
    pub resized: Size,
    /// The output's size in pixels: `resized`, or more where bars are added.
    pub canvas: Size,
    /// Left and top of the resized picture on the canvas, in pixels.
    pub offset: (u32, u32),
}

/// A part of the source, in source pixels; edges may lie between pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CropBox {
    /// Left edge, 0 or more.
    pub left: f64,
    /// Top edge, 0 or more.
    pub top: f64,
    /// Width, above 0; `left + width` is at most the source's width.
    pub width: f64,
    /// Height, above 0; `top + height` is at most the source's height.
    pub height: f64,
}

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The output would exceed [`Limits::max_output_side`] or [`Limits::max_output_pixels`].
    #[error("the picture asked for is larger than is allowed")]
    OutputTooLarge,
    /// The output would exceed its [`OutputBounds`], which refuse rather than clamp.
    #[error("the picture asked for is larger than this place allows")]
    BoundsExceeded,
    /// The source has a side of 0 pixels.
    #[error("the source has no pixels")]
    EmptySource,
}

impl Plan {
    /// Whether nothing is resampled: the crop box has whole edges and keeps its size.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "whole numbers below 2^32 are exact in f64")]
    pub fn is_copy(&self) -> bool {
        let CropBox { left, top, width, height } = self.crop;
        width == f64::from(self.resized.width)
            && height == f64::from(self.resized.height)
            && left.fract() == 0.0
            && top.fract() == 0.0
    }

    /// Whether the canvas has bars beside the resized picture.
    #[must_use]
    pub fn has_bars(&self) -> bool {
        self.canvas != self.resized
    }
}

/// Plans one output of a source of `source` pixels (as a viewer sees it).
///
/// `bounds` are what the route and the caller's grants allow, as each says; `limits` are the process's own. The options must
/// have passed [`Options::validate`].
///
/// # Errors
/// See [`PlanError`]. A target that the fit mode never reaches (scale-down of a small source) is no error.
pub fn plan(
    source: Size,
    options: &Options,
    bounds: &[OutputBounds],
    limits: &Limits,
) -> Result<Plan, PlanError> {
    if source.area() == 0 {
        return Err(PlanError::EmptySource);
    }
    let mut geometry = fit::fit(source, options);
    for bounds in bounds {
        let Some(within) = bounds.shrink(geometry.canvas) else { continue };
        match bounds.on_exceed {
            OnExceed::Refuse => return Err(PlanError::BoundsExceeded),
            OnExceed::Clamp => geometry = geometry.shrunk_to(within),
            OnExceed::AnyOf => {} // below, by what the others have made of it
        }
    }
    let mut any_of = bounds.iter().filter(|bounds| bounds.on_exceed == OnExceed::AnyOf).peekable();
    if any_of.peek().is_some() && !any_of.any(|bounds| bounds.shrink(geometry.canvas).is_none()) {
        return Err(PlanError::BoundsExceeded);
    }
    let canvas = geometry.canvas.narrow().ok_or(PlanError::OutputTooLarge)?;
    if canvas.longest() > limits.max_output_side || canvas.area() > limits.max_output_pixels {
        return Err(PlanError::OutputTooLarge);
    }
    let resized = geometry.resized.narrow().ok_or(PlanError::OutputTooLarge)?;
    Ok(Plan {
        source,
        crop: geometry.crop,
        resized,
        canvas,
        // Centred; an odd spare pixel goes to the right or bottom.
        offset: (
            canvas.width.saturating_sub(resized.width) / 2,
            canvas.height.saturating_sub(resized.height) / 2,
        ),
    })
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test pictures of known sizes")]
mod tests;
