//! What is behind the picture: blending onto a colour, and the canvas around it.

use super::{
    color::Color,
    error::ImageError,
    pixels::{Layout, Pixels},
    size::Size,
};

/// Lays every transparent pixel over `color` (source-over, straight alpha, in sRGB like browsers do). Over an opaque
/// colour the result has no alpha channel.
pub(crate) fn blend(pixels: Pixels, color: Color) -> Result<Pixels, ImageError> {
    if !pixels.layout().has_alpha() || color.a == 0 {
        return Ok(pixels);
    }
    let gray = pixels.layout() == Layout::GrayAlpha && color.r == color.g && color.g == color.b;
    if gray {
        let mut pixels = pixels;
        for [y, a] in pixels.data_mut().as_chunks_mut::<2>().0 {
            let [value, alpha] = over([*y], *a, [color.r], color.a);
            (*y, *a) = (value, alpha);
        }
        return if color.is_opaque() { pixels.into_layout(Layout::Gray) } else { Ok(pixels) };
    }
    let mut pixels = pixels.into_layout(Layout::Rgba)?;
    for [r, g, b, a] in pixels.data_mut().as_chunks_mut::<4>().0 {
        if *a != 255 {
            [*r, *g, *b, *a] = over([*r, *g, *b], *a, [color.r, color.g, color.b], color.a);
        }
    }
    if color.is_opaque() { pixels.into_layout(Layout::Rgb) } else { Ok(pixels) }
}

/// `colour` of opacity `alpha` over `below` of opacity `under`: channels, then alpha, rounded to nearest.
fn over<const N: usize, const M: usize>(colour: [u8; N], alpha: u8, below: [u8; N], under: u8) -> [u8; M] {
    // Weights in 1/255^2: the picture's own part, and what shows of the background.
    let (alpha, under) = (u32::from(alpha), u32::from(under));
    let (own, shown) = (alpha * 255, under * (255 - alpha));
    let total = own + shown;
    let mut result = [0; M];
    for ((target, &c), &b) in result.iter_mut().zip(&colour).zip(&below) {
        *target = rounded(u32::from(c) * own + u32::from(b) * shown, total);
    }
    if let Some(last) = result.last_mut() {
        *last = rounded(total, 255);
    }
    result
}

/// Division rounded to nearest; 0 where nothing is visible. The quotient is at most 255.
fn rounded(value: u32, by: u32) -> u8 {
    (value + by / 2).checked_div(by).and_then(|quotient| u8::try_from(quotient).ok()).unwrap_or(0)
}

/// Lays the picture at `offset` on a canvas filled with `color`.
pub(crate) fn extend(
    pixels: Pixels,
    canvas: Size,
    offset: (u32, u32),
    color: Color,
) -> Result<Pixels, ImageError> {
    let gray = matches!(pixels.layout(), Layout::Gray | Layout::GrayAlpha)
        && color.r == color.g
        && color.g == color.b;
    let alpha = pixels.layout().has_alpha() || !color.is_opaque();
    let layout = match (gray, alpha) {
        (true, false) => Layout::Gray,
        (true, true) => Layout::GrayAlpha,
        (false, false) => Layout::Rgb,
        (false, true) => Layout::Rgba,
    };
    let pixels = pixels.into_layout(layout)?;
    let mut output = Pixels::zeroed(canvas, layout)?;
    let fill: &[u8] = match layout {
        Layout::Gray => &[color.r],
        Layout::GrayAlpha => &[color.r, color.a],
        Layout::Rgb => &[color.r, color.g, color.b],
        _ => &[color.r, color.g, color.b, color.a],
    };
    output.data_mut().chunks_exact_mut(fill.len()).for_each(|pixel| pixel.copy_from_slice(fill));
    let stride = output.stride();
    let outside = || ImageError::Internal("canvas");
    let left = usize::try_from(offset.0).map_err(|_| outside())? * fill.len();
    let top = usize::try_from(offset.1).map_err(|_| outside())?;
    let mut targets = output.data_mut().chunks_exact_mut(stride).skip(top);
    for row in pixels.rows() {
        let target =
            targets.next().and_then(|target| target.get_mut(left..left + row.len())).ok_or_else(outside)?;
        target.copy_from_slice(row);
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(layout: Layout, data: &[u8]) -> Pixels {
        Pixels::new(Size::new(1, 1), layout, data.to_vec()).unwrap()
    }

    fn blended(layout: Layout, data: &[u8], color: Color) -> (Layout, Vec<u8>) {
        let pixels = blend(pixel(layout, data), color).unwrap();
        (pixels.layout(), pixels.data().to_vec())
    }

    #[test]
    fn blends_source_over() {
        let red = Color::new(255, 0, 0, 255);
        assert_eq!(blended(Layout::Rgba, &[0, 255, 0, 0], red), (Layout::Rgb, vec![255, 0, 0]));
        assert_eq!(blended(Layout::Rgba, &[0, 255, 0, 255], red), (Layout::Rgb, vec![0, 255, 0]));
        assert_eq!(blended(Layout::Rgba, &[0, 255, 0, 51], red), (Layout::Rgb, vec![204, 51, 0]));
        assert_eq!(blended(Layout::GrayAlpha, &[0, 51], Color::WHITE), (Layout::Gray, vec![204]));
        assert_eq!(blended(Layout::GrayAlpha, &[100, 0], red), (Layout::Rgb, vec![255, 0, 0]));
        // Over half-transparent black: alpha 51/255 + 128/255 * 204/255 = 153.4/255.
        let shade = Color::new(0, 0, 0, 128);
        assert_eq!(blended(Layout::Rgba, &[255, 255, 255, 51], shade), (Layout::Rgba, vec![85, 85, 85, 153]));
        // Nothing over nothing, and what is opaque already.
        assert_eq!(
            blended(Layout::Rgba, &[1, 2, 3, 0], Color::TRANSPARENT),
            (Layout::Rgba, vec![1, 2, 3, 0])
        );
        assert_eq!(blended(Layout::Rgb, &[1, 2, 3], red), (Layout::Rgb, vec![1, 2, 3]));
    }

    #[test]
    fn canvas_is_filled_around_the_picture() {
        let red = Color::new(255, 0, 0, 255);
        let canvas = extend(pixel(Layout::Gray, &[7]), Size::new(3, 2), (1, 1), red).unwrap();
        let (r, p): ([u8; 3], [u8; 3]) = ([255, 0, 0], [7, 7, 7]);
        assert_eq!(canvas.data(), [r, r, r, r, p, r].concat());
        let canvas = extend(pixel(Layout::Gray, &[7]), Size::new(2, 1), (0, 0), Color::WHITE).unwrap();
        assert_eq!((canvas.layout(), canvas.data()), (Layout::Gray, &[7, 255][..]));
        let canvas =
            extend(pixel(Layout::Rgb, &[1, 2, 3]), Size::new(2, 1), (0, 0), Color::TRANSPARENT).unwrap();
        assert_eq!(canvas.data(), [1, 2, 3, 255, 0, 0, 0, 0]);
        assert!(extend(pixel(Layout::Gray, &[7]), Size::new(1, 1), (1, 0), red).is_err());
    }
}
