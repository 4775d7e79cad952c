//! How large an output may be at the place that asks for it.

use std::num::{NonZeroU32, NonZeroU64};

use super::fit::{Wide, scaled};

/// The largest output that a place (a route, say) gives out, so that nobody gets the full-size original through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputBounds {
    /// Largest width in pixels.
    pub max_width: Option<NonZeroU32>,
    /// Largest height in pixels.
    pub max_height: Option<NonZeroU32>,
    /// Largest area in pixels.
    pub max_area: Option<NonZeroU64>,
    /// What happens to a larger output.
    pub on_exceed: OnExceed,
}

/// What happens to an output that exceeds its [`OutputBounds`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExceed {
    /// It is refused.
    #[default]
    Refuse,
    /// It is made smaller, as little as fits; what is seen of the source stays the same.
    Clamp,
    /// It is refused unless other bounds that say this hold it: one of them must.
    AnyOf,
}

impl OutputBounds {
    /// The size to which `size` has to shrink, in proportion; `None` if it is within the bounds.
    pub(super) fn shrink(&self, size: Wide) -> Option<Wide> {
        let mut fitted = size;
        if let Some(max) = self.max_width.map(|max| u64::from(max.get()))
            && fitted.width > max
        {
            fitted = Wide { width: max, height: scaled(size.height, max, size.width).min(fitted.height) };
        }
        if let Some(max) = self.max_height.map(|max| u64::from(max.get()))
            && fitted.height > max
        {
            fitted = Wide { width: scaled(size.width, max, size.height).min(fitted.width), height: max };
        }
        if let Some(max) = self.max_area.map(NonZeroU64::get) {
            fitted = within_area(fitted, max);
        }
        (fitted != size).then_some(fitted)
    }
}

/// The largest size of about the same shape with at most `max` pixels.
fn within_area(size: Wide, max: u64) -> Wide {
    let area = u128::from(size.width) * u128::from(size.height);
    if area <= u128::from(max) {
        return size;
    }
    // With w/h the shape's ratio, width = sqrt(max * w / h), and height what then remains of the area, but not
    // more than the shape asks for. A very long shape ends at 1 pixel in its short direction.
    let square = u128::from(max) * u128::from(size.width) / u128::from(size.height);
    let width = u64::try_from(square.isqrt()).unwrap_or(u64::MAX).clamp(1, size.width.min(max));
    let height = scaled(size.height, width, size.width).min(max / width).max(1);
    Wide { width, height }
}
