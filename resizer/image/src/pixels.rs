//! Decoded pixels in memory.

use super::{error::ImageError, size::Size};

/// What the bytes of a pixel mean; 8 bits a channel, interleaved, alpha last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Layout {
    /// Luminance.
    Gray,
    /// Luminance and alpha.
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
    /// Cyan, magenta, yellow, black; 255 is full ink.
    Cmyk,
}

impl Layout {
    /// Bytes of a pixel.
    pub(crate) const fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    /// Whether the last channel is alpha.
    pub(crate) const fn has_alpha(self) -> bool {
        matches!(self, Self::GrayAlpha | Self::Rgba)
    }
}

/// A picture: `data` holds `size.height` rows of `size.width` pixels, top left first, without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pixels {
    size: Size,
    layout: Layout,
    data: Vec<u8>,
}

impl Pixels {
    /// Takes over a buffer, which must be exactly as long as size and layout say.
    pub(crate) fn new(size: Size, layout: Layout, data: Vec<u8>) -> Result<Self, ImageError> {
        if byte_len(size, layout)? == data.len() && size.area() > 0 {
            Ok(Self { size, layout, data })
        } else {
            Err(ImageError::Internal("pixel buffer"))
        }
    }

    /// A picture whose bytes are all 0.
    pub(crate) fn zeroed(size: Size, layout: Layout) -> Result<Self, ImageError> {
        Self::new(size, layout, vec![0; byte_len(size, layout)?])
    }

    pub(crate) const fn size(&self) -> Size {
        self.size
    }

    pub(crate) const fn layout(&self) -> Layout {
        self.layout
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Bytes of a row.
    pub(crate) fn stride(&self) -> usize {
        // `byte_len` has shown that the whole fits.
        self.data.len() / usize::try_from(self.size.height).unwrap_or(usize::MAX).max(1)
    }

    /// The rows from top to bottom.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.data.chunks_exact(self.stride())
    }

    /// Whether any pixel is not opaque.
    pub(crate) fn is_transparent(&self) -> bool {
        match self.layout {
            Layout::GrayAlpha => self.data.as_chunks::<2>().0.iter().any(|[_, a]| *a != 255),
            Layout::Rgba => self.data.as_chunks::<4>().0.iter().any(|[_, _, _, a]| *a != 255),
            _ => false,
        }
    }

    /// The same picture in a layout of gray or RGB, with or without alpha. Alpha that has no place is dropped, alpha that
    /// is new is opaque, gray becomes RGB; colour is not turned into gray (the picture is returned as it is).
    pub(crate) fn into_layout(self, layout: Layout) -> Result<Self, ImageError> {
        use Layout::{Gray, GrayAlpha, Rgb, Rgba};
        let data = match (self.layout, layout) {
            (Gray, GrayAlpha) => self.data.iter().flat_map(|&y| [y, 255]).collect(),
            (Gray, Rgb) => self.data.iter().flat_map(|&y| [y; 3]).collect(),
            (Gray, Rgba) => self.data.iter().flat_map(|&y| [y, y, y, 255]).collect(),
            (GrayAlpha, Gray) => self.data.as_chunks::<2>().0.iter().map(|&[y, _]| y).collect(),
            (GrayAlpha, Rgb) => self.data.as_chunks::<2>().0.iter().flat_map(|&[y, _]| [y; 3]).collect(),
            (GrayAlpha, Rgba) => {
                self.data.as_chunks::<2>().0.iter().flat_map(|&[y, a]| [y, y, y, a]).collect()
            }
            (Rgb, Rgba) => {
                self.data.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect()
            }
            (Rgba, Rgb) => self.data.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect(),
            _ => return Ok(self),
        };
        Self::new(self.size, layout, data)
    }
}

/// Length of the buffer of a picture in bytes.
pub(crate) fn byte_len(size: Size, layout: Layout) -> Result<usize, ImageError> {
    usize::try_from(size.area())
        .ok()
        .and_then(|area| area.checked_mul(layout.channels()))
        .filter(|&len| isize::try_from(len).is_ok())
        .ok_or(ImageError::Internal("pixel buffer size"))
}
