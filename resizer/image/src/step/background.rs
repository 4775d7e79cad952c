//! What is behind the picture: blending onto a colour, and the canvas around it.

use super::{Shape, Step};
use crate::{
    color::Color,
    error::ImageError,
    pixels::{Layout, Pixels},
    plan::Plan,
    size::Size,
};

/// Lays every transparent pixel over a color.
pub(super) struct Blend(pub(super) Color);

impl Step for Blend {
    fn output(&self, input: Shape) -> Shape {
        Shape { layout: blended(input.layout, self.0), ..input }
    }

    fn memory(&self, _input: Shape) -> u64 {
        0
    }

    fn run(&mut self, band: Pixels) -> Result<Option<Pixels>, ImageError> {
        blend(band, self.0).map(Some)
    }
}

/// What [`blend`] makes of a layout.
fn blended(layout: Layout, color: Color) -> Layout {
    let gray = layout == Layout::GrayAlpha && is_gray(color);
    match layout {
        _ if !layout.has_alpha() || color.a == 0 => layout,
        _ if gray && color.is_opaque() => Layout::Gray,
        _ if gray => Layout::GrayAlpha,
        _ if color.is_opaque() => Layout::Rgb,
        _ => Layout::Rgba,
    }
}

const fn is_gray(color: Color) -> bool {
    color.r == color.g && color.g == color.b
}

/// Lays the picture on a larger canvas of one color.
pub(super) struct Pad {
    canvas: Size,
    offset: (u32, u32),
    color: Color,
    /// Rows of the canvas that are done.
    done: u32,
    layout: Option<Layout>,
}

impl Pad {
    /// The bars of a plan; without a background they are white.
    pub(super) fn new(plan: &Plan, background: Option<Color>) -> Self {
        let color = background.unwrap_or(Color::WHITE);
        Self { canvas: plan.canvas, offset: plan.offset, color, done: 0, layout: None }
    }

    fn layout(&self, layout: Layout) -> Layout {
        let gray = matches!(layout, Layout::Gray | Layout::GrayAlpha) && is_gray(self.color);
        match (gray, layout.has_alpha() || !self.color.is_opaque()) {
            (true, false) => Layout::Gray,
            (true, true) => Layout::GrayAlpha,
            (false, false) => Layout::Rgb,
            (false, true) => Layout::Rgba,
        }
    }

    /// So many rows of bars.
    fn bars(&self, rows: u32, layout: Layout) -> Result<Pixels, ImageError> {
        let Color { r, g, b, a } = self.color;
        let fill: &[u8] = match layout {
            Layout::Gray => &[r],
            Layout::GrayAlpha => &[r, a],
            Layout::Rgb => &[r, g, b],
            _ => &[r, g, b, a],
        };
        let mut bars = Pixels::zeroed(Size::new(self.canvas.width, rows), layout)?;
        bars.data_mut().chunks_exact_mut(fill.len()).for_each(|pixel| pixel.copy_from_slice(fill));
        Ok(bars)
    }
}

impl Step for Pad {
    fn output(&self, input: Shape) -> Shape {
        Shape { size: self.canvas, layout: self.layout(input.layout) }
    }

    fn memory(&self, input: Shape) -> u64 {
        // The bars above come with the first band, those below at the end.
        let rows = self.canvas.height.saturating_sub(input.size.height);
        Shape { size: Size::new(self.canvas.width, rows), layout: self.layout(input.layout) }.bytes()
    }

    fn run(&mut self, band: Pixels) -> Result<Option<Pixels>, ImageError> {
        let outside = || ImageError::Internal("canvas");
        let layout = self.layout(band.layout());
        let band = band.into_layout(layout)?;
        let above = if self.done == 0 { self.offset.1 } else { 0 };
        let rows = above.saturating_add(band.size().height);
        let mut output = self.bars(rows, band.layout())?;
        self.done = self.done.saturating_add(rows);
        self.layout = Some(band.layout());
        let stride = output.stride();
        let left = usize::try_from(self.offset.0).map_err(|_| outside())? * band.layout().channels();
        let above = usize::try_from(above).map_err(|_| outside())?;
        let targets = output.data_mut().chunks_exact_mut(stride).skip(above);
        for (row, target) in band.rows().zip(targets) {
            target.get_mut(left..left + row.len()).ok_or_else(outside)?.copy_from_slice(row);
        }
        Ok(Some(output))
    }

    fn finish(&mut self) -> Result<Option<Pixels>, ImageError> {
        let below = self.canvas.height.saturating_sub(self.done);
        match self.layout {
            Some(layout) if below > 0 => self.bars(below, layout).map(Some),
            _ => Ok(None),
        }
    }
}

/// Lays every transparent pixel over `color` (source-over, straight alpha, in sRGB like browsers do). Over an opaque
/// colour the result has no alpha channel.
pub(crate) fn blend(pixels: Pixels, color: Color) -> Result<Pixels, ImageError> {
    if !pixels.layout().has_alpha() || color.a == 0 {
        return Ok(pixels);
    }
    let gray = pixels.layout() == Layout::GrayAlpha && is_gray(color);
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

    fn extend(pixels: Pixels, canvas: Size, offset: (u32, u32), color: Color) -> Result<Pixels, ImageError> {
        let mut pad = Pad { canvas, offset, color, done: 0, layout: None };
        let shape = pad.output(Shape { size: pixels.size(), layout: pixels.layout() });
        let mut bands = Vec::new();
        for row in pixels.rows() {
            let row = Pixels::new(Size::new(pixels.size().width, 1), pixels.layout(), row.to_vec())?;
            bands.extend(pad.run(row)?);
        }
        bands.extend(pad.finish()?);
        let data = bands.iter().flat_map(|band| band.data().to_vec()).collect();
        Pixels::new(shape.size, shape.layout, data)
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
