//! A thumbhash: a blurred preview of a picture in about 25 bytes, for a page to show until the picture has come
//! (evanw.github.io/thumbhash).

use super::{
    cancel::Cancel,
    codec,
    error::ImageError,
    limits::Limits,
    options::{FormatChoice, Options},
    pixels::Layout,
    probe,
    view::View,
};

/// Longest side of a picture that is hashed, in pixels. The algorithm takes up to 100; a hash has at most 7 by 7 waves, which are
/// seen as well in this, at a tenth of the cost.
const MAX_SIDE: u32 = 32;

/// How the picture is made that [`thumbhash()`] takes.
#[must_use]
pub fn options() -> Options {
    let side = std::num::NonZeroU32::new(MAX_SIDE);
    Options { width: side, height: side, format: FormatChoice::Png, ..Options::default() }
}

/// Hashes a picture that was made by [`options`].
///
/// # Errors
/// It was not.
pub fn thumbhash(file: &[u8]) -> Result<Vec<u8>, ImageError> {
    let limits = Limits { max_source_side: MAX_SIDE, ..Limits::default() };
    let info = probe::probe(file, &limits)?;
    let view = View::whole(info.stored_size);
    let pixels = codec::decode_whole(file, &info, &view, &Cancel::new())?.pixels.into_layout(Layout::Rgba)?;
    if pixels.layout() != Layout::Rgba {
        return Err(ImageError::Internal("layout of a preview"));
    }
    let size = pixels.size();
    let side = |side: u32| usize::try_from(side).unwrap_or_default();
    Ok(thumbhash::rgba_to_thumb_hash(side(size.width), side(size.height), pixels.data()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pipeline, plan, sample};

    #[test]
    fn a_picture_of_one_color_has_that_color() {
        let red = sample::png(&sample::plain(400, 300, Layout::Rgba, &[200, 30, 30, 255]), None, None);
        let limits = Limits::default();
        let info = probe::probe(&red, &limits).unwrap();
        let plan = plan::plan(info.size(), &options(), &[], &limits).unwrap();
        let job = pipeline::Job { options: options(), plan, accepts: crate::accept::Accepts::default() };
        let mut made = Vec::new();
        pipeline::process(&red, &info, &[job], &Cancel::new(), |_, encoded| made.push(encoded)).unwrap();
        assert_eq!((made[0].size.width, made[0].size.height), (32, 24));
        let hash = thumbhash(&made[0].bytes).unwrap();
        assert!((5..=25).contains(&hash.len()));
        let (red, green, blue, alpha) = thumbhash::thumb_hash_to_average_rgba(&hash).unwrap();
        assert!(red > 0.7 && green < 0.2 && blue < 0.2 && alpha > 0.9, "{red} {green} {blue} {alpha}");
        let ratio = thumbhash::thumb_hash_to_approximate_aspect_ratio(&hash).unwrap();
        assert!((ratio - 4.0 / 3.0).abs() < 0.1, "{ratio}");
    }

    #[test]
    fn what_is_no_small_picture_is_refused() {
        assert!(thumbhash(b"").is_err());
        let wide = sample::png(&sample::plain(101, 1, Layout::Rgba, &[0; 4]), None, None);
        assert!(thumbhash(&wide).is_err());
    }
}
