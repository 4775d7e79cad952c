//! The smallest kind of PNG pixels that holds a picture without loss.

use crate::{
    cancel::Cancel,
    error::ImageError,
    pixels::{Layout, Pixels},
};

/// Colors that a palette holds at most.
const MAX_COLORS: usize = 256;

/// Places of the hash table: four for each color, so that most are found at once.
const PLACES: usize = 1024;

/// Rows between two looks at `cancel` are this many bytes.
const BAND: usize = 256 << 10;

/// Red, green, blue, alpha; the first in the lowest byte.
type Rgba = u32;

/// The different colors of a picture, in the order of their first pixels.
struct Colors {
    /// A color and its number from 1; 0 where there is none.
    places: Box<[(Rgba, u16); PLACES]>,
    colors: Vec<Rgba>,
}

impl Colors {
    fn new() -> Self {
        Self { places: Box::new([(0, 0); PLACES]), colors: Vec::with_capacity(MAX_COLORS) }
    }

    /// The place of a color, or the free one where it belongs. There are always free ones.
    #[inline]
    fn place(&self, color: Rgba) -> usize {
        // Knuth's multiplicative hash, 10 bits.
        let mut at = (color.wrapping_mul(0x9E37_79B1) >> 22) as usize % PLACES;
        while self.places.get(at).is_some_and(|(found, number)| *number > 0 && *found != color) {
            at = (at + 1) % PLACES;
        }
        at
    }

    /// Adds a color. `false`: there is no room for it.
    fn add(&mut self, color: Rgba) -> bool {
        let at = self.place(color);
        if let Some((found, number)) = self.places.get_mut(at)
            && *number == 0
        {
            if self.colors.len() == MAX_COLORS {
                return false;
            }
            self.colors.push(color);
            *found = color;
            *number = u16::try_from(self.colors.len()).unwrap_or(u16::MAX);
        }
        true
    }

    /// The number of a color that was added, from 0.
    #[inline]
    fn number(&self, color: Rgba) -> u8 {
        let number = self.places.get(self.place(color)).map_or(1, |(_, number)| *number);
        u8::try_from(number.saturating_sub(1)).unwrap_or(u8::MAX)
    }
}

/// PNG's kinds of pixels that are written here.
pub(super) enum Kind {
    /// Of this many bits: 1, 2, 4 or 8.
    Gray(u8),
    GrayAlpha,
    Rgb,
    Rgba,
    /// Numbers of so many bits.
    Palette(u8, Palette),
}

/// Colors and how they are found.
pub(super) struct Palette(Colors);

impl Palette {
    /// The content of PLTE, and of tRNS (empty: all are opaque).
    pub(super) fn chunks(&self) -> (Vec<u8>, Vec<u8>) {
        let bytes = || self.0.colors.iter().map(|color| color.to_le_bytes());
        let colors = bytes().flat_map(|[r, g, b, _]| [r, g, b]).collect();
        let mut alphas: Vec<u8> = bytes().map(|[_, _, _, a]| a).collect();
        let last = alphas.iter().rposition(|a| *a != 255).map_or(0, |at| at + 1);
        alphas.truncate(last);
        (colors, alphas)
    }
}

/// A picture and the kind of pixels that it is written with.
pub(super) struct Reduced<'p> {
    pixels: &'p Pixels,
    pub(super) kind: Kind,
}

impl<'p> Reduced<'p> {
    /// Looks at all pixels, or until it is clear that there is nothing to gain: in photographs after a few rows.
    /// Colors of invisible pixels stay what they are.
    pub(super) fn new(pixels: &'p Pixels, cancel: &Cancel) -> Result<Self, ImageError> {
        let rows = (BAND / pixels.stride().max(1)).max(1);
        let mut survey = Survey { colors: Some(Colors::new()), gray: true, opaque: true, last: None };
        for band in pixels.data().chunks(rows * pixels.stride()) {
            cancel.check()?;
            let more = match pixels.layout() {
                Layout::Gray => survey.look(band.iter().map(|&y| gray(y, 255))),
                Layout::GrayAlpha => survey.look(band.as_chunks::<2>().0.iter().map(|&[y, a]| gray(y, a))),
                Layout::Rgb => survey.look(band.as_chunks::<3>().0.iter().map(opaque)),
                Layout::Rgba => {
                    survey.look(band.as_chunks::<4>().0.iter().map(|rgba| Rgba::from_le_bytes(*rgba)))
                }
                Layout::Cmyk => return Err(ImageError::Internal("PNG of these pixels")),
            };
            if !more {
                break;
            }
        }
        Ok(Self { pixels, kind: survey.kind(pixels) })
    }

    pub(super) fn rows(&self) -> Result<usize, ImageError> {
        usize::try_from(self.height()).map_err(|_| ImageError::Internal("PNG encoder"))
    }

    pub(super) fn height(&self) -> u32 {
        self.pixels.size().height
    }

    pub(super) fn width(&self) -> u32 {
        self.pixels.size().width
    }

    /// Bits of a sample, and samples of a pixel.
    fn depth(&self) -> (u8, usize) {
        match self.kind {
            Kind::Gray(bits) | Kind::Palette(bits, _) => (bits, 1),
            Kind::GrayAlpha => (8, 2),
            Kind::Rgb => (8, 3),
            Kind::Rgba => (8, 4),
        }
    }

    /// Bits of a sample, as IHDR has it.
    pub(super) fn bits(&self) -> u8 {
        self.depth().0
    }

    /// The color type, as IHDR has it.
    pub(super) fn color_type(&self) -> u8 {
        match self.kind {
            Kind::Gray(_) => 0,
            Kind::Rgb => 2,
            Kind::Palette(..) => 3,
            Kind::GrayAlpha => 4,
            Kind::Rgba => 6,
        }
    }

    /// Bytes from one pixel to the next as filters see them: at least 1.
    pub(super) fn step(&self) -> usize {
        self.depth().1
    }

    /// Bytes of a row.
    pub(super) fn line(&self) -> usize {
        let (bits, samples) = self.depth();
        let width = self.pixels.stride() / self.pixels.layout().channels();
        (width * samples * usize::from(bits)).div_ceil(8)
    }

    /// Writes a row as it is to be stored, without its filter. `target` has [`line`](Self::line) bytes.
    pub(super) fn row(&self, number: usize, target: &mut [u8]) {
        let stride = self.pixels.stride();
        let row = self.pixels.data().get(number * stride..).and_then(|rest| rest.get(..stride));
        let row = row.unwrap_or_default();
        match (&self.kind, self.pixels.layout()) {
            (Kind::Palette(bits, Palette(colors)), layout) => {
                let mut numbers = Numbers { colors, last: None };
                match layout {
                    Layout::Gray => {
                        pack(*bits, row.iter().map(|&y| numbers.of(gray(y, 255))), target);
                    }
                    Layout::GrayAlpha => {
                        let row = row.as_chunks::<2>().0;
                        pack(*bits, row.iter().map(|&[y, a]| numbers.of(gray(y, a))), target);
                    }
                    Layout::Rgb => {
                        let row = row.as_chunks::<3>().0;
                        pack(*bits, row.iter().map(|rgb| numbers.of(opaque(rgb))), target);
                    }
                    Layout::Rgba | Layout::Cmyk => {
                        let row = row.as_chunks::<4>().0;
                        pack(*bits, row.iter().map(|rgba| numbers.of(Rgba::from_le_bytes(*rgba))), target);
                    }
                }
            }
            (Kind::Gray(bits), layout) => {
                let shift = 8 - bits;
                let samples = row.iter().step_by(layout.channels()).map(|y| y >> shift);
                pack(*bits, samples, target);
            }
            (Kind::GrayAlpha, Layout::Rgba) => {
                let pairs = target.as_chunks_mut::<2>().0;
                for (to, [y, _, _, a]) in pairs.iter_mut().zip(row.as_chunks::<4>().0) {
                    *to = [*y, *a];
                }
            }
            (Kind::Rgb, Layout::Rgba) => {
                let triples = target.as_chunks_mut::<3>().0;
                for (to, [r, g, b, _]) in triples.iter_mut().zip(row.as_chunks::<4>().0) {
                    *to = [*r, *g, *b];
                }
            }
            (Kind::GrayAlpha | Kind::Rgb | Kind::Rgba, _) => target.copy_from_slice(row),
        }
    }
}

#[inline]
fn gray(y: u8, a: u8) -> Rgba {
    Rgba::from_le_bytes([y, y, y, a])
}

#[inline]
fn opaque(&[r, g, b]: &[u8; 3]) -> Rgba {
    Rgba::from_le_bytes([r, g, b, 255])
}

fn is_gray(color: Rgba) -> bool {
    let [r, g, b, _] = color.to_le_bytes();
    r == g && g == b
}

/// Numbers of the colors of a row. Neighbors often have the same one.
struct Numbers<'c> {
    colors: &'c Colors,
    last: Option<(Rgba, u8)>,
}

impl Numbers<'_> {
    #[inline]
    fn of(&mut self, color: Rgba) -> u8 {
        match self.last {
            Some((last, number)) if last == color => number,
            _ => {
                let number = self.colors.number(color);
                self.last = Some((color, number));
                number
            }
        }
    }
}

/// Packs samples of 1, 2, 4 or 8 bits, the first in the highest bits of a byte.
fn pack(bits: u8, mut samples: impl Iterator<Item = u8>, target: &mut [u8]) {
    if bits == 8 {
        for (to, sample) in target.iter_mut().zip(samples) {
            *to = sample;
        }
        return;
    }
    for to in target {
        let (mut byte, mut shift) = (0, 8);
        while shift > 0 {
            shift -= bits;
            byte |= samples.next().unwrap_or(0) << shift;
        }
        *to = byte;
    }
}

/// What is known of a picture's pixels so far.
struct Survey {
    /// `None`: more than a palette holds.
    colors: Option<Colors>,
    /// Whether all have been gray. Known when `colors` is `None`.
    gray: bool,
    /// Whether all have been opaque. The same.
    opaque: bool,
    last: Option<Rgba>,
}

impl Survey {
    /// Looks at more pixels. `false`: the rest cannot change anything.
    fn look(&mut self, mut pixels: impl Iterator<Item = Rgba>) -> bool {
        if let Some(colors) = &mut self.colors {
            let mut last = self.last;
            let overflow = pixels.find(|color| {
                if last == Some(*color) {
                    return false;
                }
                last = Some(*color);
                !colors.add(*color)
            });
            self.last = last;
            let Some(color) = overflow else { return true };
            for color in colors.colors.iter().copied().chain([color]) {
                self.gray &= is_gray(color);
                self.opaque &= color >> 24 == 255;
            }
            self.colors = None;
        }
        for color in pixels {
            if !self.gray && !self.opaque {
                return false;
            }
            self.gray &= is_gray(color);
            self.opaque &= color >> 24 == 255;
        }
        self.gray || self.opaque
    }

    fn kind(self, pixels: &Pixels) -> Kind {
        let (width, height) = (u64::from(pixels.size().width), u64::from(pixels.size().height));
        let bytes = |bits: u64| (width * bits).div_ceil(8) * height;
        let Some(mut colors) = self.colors else {
            return match (pixels.layout(), self.gray, self.opaque) {
                // More than 256 opaque grays there are not.
                (Layout::Rgb, ..) | (_, _, true) => Kind::Rgb,
                (_, true, false) => Kind::GrayAlpha,
                (_, false, false) => Kind::Rgba,
            };
        };
        let all = &mut colors.colors;
        let is_opaque = all.iter().all(|color| color >> 24 == 255);
        let (kind, bits) = match (all.iter().all(|color| is_gray(*color)), is_opaque) {
            (true, true) => {
                let exact = |by: u8| all.iter().all(|color| color.to_le_bytes()[0] % by == 0);
                let bits = match () {
                    () if exact(255) => 1,
                    () if exact(85) => 2,
                    () if exact(17) => 4,
                    () => 8,
                };
                (Kind::Gray(bits), bits)
            }
            (true, false) => (Kind::GrayAlpha, 16),
            (false, true) => (Kind::Rgb, 24),
            (false, false) => (Kind::Rgba, 32),
        };
        let palette_bits = match all.len() {
            0..=2 => 1,
            3..=4 => 2,
            5..=16 => 4,
            _ => 8,
        };
        // Each chunk has 12 bytes besides its content. Those that are not opaque come first: the others need no alpha.
        all.sort_by_key(|color| color >> 24 == 255);
        let transparent = all.iter().filter(|color| *color >> 24 != 255).count() as u64;
        let chunks = 12 + 3 * all.len() as u64 + if transparent > 0 { 12 + transparent } else { 0 };
        if bytes(palette_bits.into()) + chunks >= bytes(bits.into()) {
            return kind;
        }
        let ordered = std::mem::replace(&mut colors, Colors::new());
        for color in ordered.colors {
            colors.add(color);
        }
        Kind::Palette(palette_bits, Palette(colors))
    }
}
