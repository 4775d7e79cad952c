//! Sharp color edges: whether a picture loses by 4:2:0.

use super::settings::PixelLayout;

/// Range of `red - green` or `blue - green` inside 2×2 pixels, levels, from which a cell counts: about half of that in
/// Cr or Cb is what their mean hides. At 96, flowers of a photograph have as many cells as sparse colored text.
const RANGE: i16 = 160;

/// Counts the 2×2 cells of a picture in which color changes sharply. Any sample of its pairs of rows will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColorEdges {
    /// Cells looked at.
    cells: u64,
    /// Cells with a sharp change.
    sharp: u64,
}

impl ColorEdges {
    /// Share of sharp cells, parts in a million, from which 4:4:4 is worth its bytes. Measured: ten photographs at 512
    /// and 800 pixels have 0 to 2,705, red text on white has 64,666, small drawings have 11,250 to 32,083.
    const MANY: u64 = 5000;

    /// Nothing seen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { cells: 0, sharp: 0 }
    }

    /// Looks at whole pixels, row after row without padding: two rows of every four. `width` in pixels.
    #[must_use]
    pub fn of(pixels: &[u8], width: usize, layout: PixelLayout) -> Self {
        let mut this = Self::new();
        let row = width.saturating_mul(layout.bytes()).max(1);
        for rows in pixels.chunks(row.saturating_mul(4)) {
            if let Some((top, rest)) = rows.split_at_checked(row) {
                this.push(top, rest.get(..row).unwrap_or(top), layout);
            }
        }
        this
    }

    /// Looks at two rows that share a row of chroma.
    pub fn push(&mut self, top: &[u8], bottom: &[u8], layout: PixelLayout) {
        match layout {
            PixelLayout::Rgb8 => self.cells::<3>(top, bottom),
            PixelLayout::Rgba8 => self.cells::<4>(top, bottom),
            PixelLayout::Gray8 => {}
        }
    }

    fn cells<const B: usize>(&mut self, top: &[u8], bottom: &[u8]) {
        let pairs = top.as_chunks::<B>().0.as_chunks::<2>().0;
        for (top, bottom) in pairs.iter().zip(bottom.as_chunks::<B>().0.as_chunks::<2>().0) {
            let pixels = [top[0], top[1], bottom[0], bottom[1]];
            let red = pixels.map(|pixel| i16::from(pixel[0]) - i16::from(pixel[1]));
            let blue = pixels.map(|pixel| i16::from(pixel[2]) - i16::from(pixel[1]));
            self.cells += 1;
            self.sharp += u64::from(range(red).max(range(blue)) >= RANGE);
        }
    }

    /// Share of sharp cells, parts in a million.
    #[must_use]
    pub const fn millionths(&self) -> u64 {
        match (self.sharp * 1_000_000).checked_div(self.cells) {
            Some(share) => share,
            None => 0,
        }
    }

    /// Whether 4:4:4 is worth its bytes at any quality: colored text, drawings and screenshots, not photographs.
    #[must_use]
    pub const fn is_sharp(&self) -> bool {
        self.millionths() >= Self::MANY
    }
}

/// The largest less the smallest.
#[inline(always)]
fn range([a, b, c, d]: [i16; 4]) -> i16 {
    a.max(b).max(c.max(d)) - a.min(b).min(c.min(d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn red_strokes_on_white_are_sharp_and_gray_ones_are_not() {
        for (color, sharp) in [([255, 0, 0], true), ([0, 0, 255], true), ([0, 0, 0], false)] {
            // Strokes three pixels wide, every 40 pixels.
            let pixels: Vec<u8> =
                (0..64 * 200).flat_map(|i| if (i % 200) % 40 < 3 { color } else { [255; 3] }).collect();
            assert_eq!(ColorEdges::of(&pixels, 200, PixelLayout::Rgb8).is_sharp(), sharp, "{color:?}");
        }
    }

    #[test]
    fn a_color_ramp_is_not_sharp_and_layouts_agree() {
        let ramp: Vec<[u8; 3]> = (0..64 * 200_u32)
            .map(|i| [(i % 200).to_le_bytes()[0], 100, 200 - (i % 200).to_le_bytes()[0]])
            .collect();
        let with_alpha: Vec<u8> = ramp.iter().flat_map(|&[r, g, b]| [r, g, b, 7]).collect();
        let edges = ColorEdges::of(ramp.as_flattened(), 200, PixelLayout::Rgb8);
        assert!(!edges.is_sharp());
        assert_eq!(edges, ColorEdges::of(&with_alpha, 200, PixelLayout::Rgba8));
    }

    #[test]
    fn odd_and_empty_pictures_are_no_error() {
        for width in 0..4 {
            assert!(!ColorEdges::of(&[9; 21], width, PixelLayout::Rgb8).is_sharp());
        }
        assert_eq!(ColorEdges::of(&[0, 255, 9], 3, PixelLayout::Gray8).millionths(), 0);
    }
}
