//! EXIF orientation: how a stored picture is turned to be looked at.
//!
//! Plans are made in the viewer's space. The crop box is mapped into the stored picture, which is resized as it is, and
//! the (usually small) output is turned.

use super::{
    error::ImageError,
    pixels::{Layout, Pixels},
    plan::CropBox,
    size::Size,
    strip::exif,
};

/// The EXIF `Orientation` tag (CIPA DC-008, 4.6.4 A): where the stored picture's first row and column are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// 1: as stored.
    #[default]
    Upright,
    /// 2: mirrored left to right.
    FlipH,
    /// 3: turned by 180 degrees.
    Rotate180,
    /// 4: mirrored top to bottom.
    FlipV,
    /// 5: mirrored along the diagonal from the top left.
    Transpose,
    /// 6: to be turned clockwise by 90 degrees.
    Rotate90,
    /// 7: mirrored along the other diagonal.
    Transverse,
    /// 8: to be turned clockwise by 270 degrees.
    Rotate270,
}

impl Orientation {
    /// Every orientation, in the order of the tag's values from 1.
    pub const ALL: [Self; 8] = [
        Self::Upright,
        Self::FlipH,
        Self::Rotate180,
        Self::FlipV,
        Self::Transpose,
        Self::Rotate90,
        Self::Transverse,
        Self::Rotate270,
    ];

    /// The tag's value, 1 to 8.
    #[must_use]
    pub const fn exif(self) -> u8 {
        match self {
            Self::Upright => 1,
            Self::FlipH => 2,
            Self::Rotate180 => 3,
            Self::FlipV => 4,
            Self::Transpose => 5,
            Self::Rotate90 => 6,
            Self::Transverse => 7,
            Self::Rotate270 => 8,
        }
    }

    /// Reads the tag from an EXIF block (a TIFF structure, with or without `Exif\0\0` before it), whatever type of integer it
    /// has. A block that is damaged before the tag or has no valid one means upright.
    pub(crate) fn from_exif_block(block: &[u8]) -> Self {
        let value = exif::orientation(block).and_then(|value| value.checked_sub(1));
        value.and_then(|index| Self::ALL.get(index).copied()).unwrap_or_default()
    }

    /// Whether width and height change places.
    #[must_use]
    pub const fn swaps_sides(self) -> bool {
        matches!(self, Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270)
    }

    /// The size that a viewer sees of a stored size, and the other way round.
    #[must_use]
    pub const fn turn(self, size: Size) -> Size {
        if self.swaps_sides() { size.transposed() } else { size }
    }

    /// Whether the viewer's x axis (along the stored axis it comes from) runs backwards, and the same for y.
    const fn mirrored(self) -> (bool, bool) {
        match self {
            Self::Upright | Self::Transpose => (false, false),
            Self::FlipH | Self::Rotate90 => (true, false),
            Self::Rotate180 | Self::Transverse => (true, true),
            Self::FlipV | Self::Rotate270 => (false, true),
        }
    }

    /// Maps a box of the viewer's picture of size `seen` into the stored picture.
    pub(crate) fn stored_box(self, seen: Size, crop: CropBox) -> CropBox {
        let (mirror_x, mirror_y) = self.mirrored();
        let CropBox { mut left, mut top, width, height } = crop;
        if mirror_x {
            left = (f64::from(seen.width) - width - left).max(0.0);
        }
        if mirror_y {
            top = (f64::from(seen.height) - height - top).max(0.0);
        }
        if self.swaps_sides() {
            CropBox { left: top, top: left, width: height, height: width }
        } else {
            CropBox { left, top, width, height }
        }
    }

    /// Turns a stored picture into the one to be seen.
    pub(crate) fn apply(self, pixels: Pixels) -> Result<Pixels, ImageError> {
        match (self, pixels.layout()) {
            (Self::Upright, _) => Ok(pixels),
            (_, Layout::Gray) => self.turned::<1>(pixels),
            (_, Layout::GrayAlpha) => self.turned::<2>(pixels),
            (_, Layout::Rgb) => self.turned::<3>(pixels),
            (_, Layout::Rgba | Layout::Cmyk) => self.turned::<4>(pixels),
        }
    }

    fn turned<const N: usize>(self, mut pixels: Pixels) -> Result<Pixels, ImageError> {
        let stride = pixels.stride();
        match self {
            // In place: no second buffer.
            Self::Upright => Ok(pixels),
            Self::FlipH => {
                pixels
                    .data_mut()
                    .chunks_exact_mut(stride)
                    .for_each(|row| row.as_chunks_mut::<N>().0.reverse());
                Ok(pixels)
            }
            Self::Rotate180 => {
                pixels.data_mut().as_chunks_mut::<N>().0.reverse();
                Ok(pixels)
            }
            Self::FlipV => {
                let mut rows = pixels.data_mut().chunks_exact_mut(stride);
                while let (Some(upper), Some(lower)) = (rows.next(), rows.next_back()) {
                    upper.swap_with_slice(lower);
                }
                Ok(pixels)
            }
            Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270 => {
                let (mirror_x, mirror_y) = self.mirrored();
                let mut seen = Pixels::zeroed(pixels.size().transposed(), pixels.layout())?;
                let seen_stride = seen.stride();
                let columns = stride / N;
                // Row y of the output is stored column y, read downwards or upwards.
                for (y, row) in seen.data_mut().chunks_exact_mut(seen_stride).enumerate() {
                    let column = if mirror_y { columns - 1 - y } else { y };
                    let mut source = pixels.data().as_chunks::<N>().0.iter().skip(column).step_by(columns);
                    for pixel in row.as_chunks_mut::<N>().0 {
                        let next = if mirror_x { source.next_back() } else { source.next() };
                        if let Some(next) = next {
                            *pixel = *next;
                        }
                    }
                }
                Ok(seen)
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test pictures of known sizes")]
mod tests {
    use super::*;

    /// A 3x2 picture that is looked at like this:
    const SEEN: [u8; 6] = [
        1, 2, 3, //
        4, 5, 6,
    ];

    /// How it is stored under each orientation, from the definition of the tag: value 6, say, means that the first
    /// stored row is seen on the right and the first stored column on top.
    const STORED: [(u32, [u8; 6]); 8] = [
        (3, [1, 2, 3, 4, 5, 6]),
        (3, [3, 2, 1, 6, 5, 4]),
        (3, [6, 5, 4, 3, 2, 1]),
        (3, [4, 5, 6, 1, 2, 3]),
        (2, [1, 4, 2, 5, 3, 6]),
        (2, [3, 6, 2, 5, 1, 4]),
        (2, [6, 3, 5, 2, 4, 1]),
        (2, [4, 1, 5, 2, 6, 3]),
    ];

    #[test]
    fn every_orientation_comes_out_upright() {
        for (orientation, (width, stored)) in Orientation::ALL.into_iter().zip(STORED) {
            for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
                let spread = |values: &[u8]| -> Vec<u8> {
                    values
                        .iter()
                        .flat_map(|&v| (0..layout.channels()).map(move |c| v * 10 + c as u8))
                        .collect()
                };
                let pixels = Pixels::new(Size::new(width, 6 / width), layout, spread(&stored)).unwrap();
                let seen = orientation.apply(pixels).unwrap();
                assert_eq!(seen.size(), Size::new(3, 2), "{orientation:?}");
                assert_eq!(seen.data(), spread(&SEEN), "{orientation:?} {layout:?}");
            }
        }
    }

    #[test]
    fn boxes_follow_the_pixels() {
        // The pixel at (2, 0) of what is seen is the 3; find it where it is stored.
        for (orientation, (width, stored)) in Orientation::ALL.into_iter().zip(STORED) {
            let seen = CropBox { left: 2.0, top: 0.0, width: 1.0, height: 1.0 };
            let found = orientation.stored_box(Size::new(3, 2), seen);
            let index = found.top as usize * width as usize + found.left as usize;
            assert_eq!(stored[index], 3, "{orientation:?}");
        }
    }

    #[test]
    fn reads_the_tag() {
        for (index, orientation) in Orientation::ALL.into_iter().enumerate() {
            let value = index as u8 + 1;
            let big =
                [b'M', b'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0, 0, 0, 0, 0];
            assert_eq!(Orientation::from_exif_block(&big), orientation);
            let prefixed = [b"Exif\0\0", &big[..]].concat();
            assert_eq!(Orientation::from_exif_block(&prefixed), orientation);
            assert_eq!(orientation.exif(), value);
            for end in 0..20 {
                assert_eq!(Orientation::from_exif_block(&big[..end]), Orientation::Upright);
            }
        }
        let unknown = [b'M', b'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 9, 0, 0];
        assert_eq!(Orientation::from_exif_block(&unknown), Orientation::Upright);
    }
    /// Readers take the tag whatever type of whole number it has; stripping goes by the same reader.
    #[test]
    fn reads_the_tag_of_any_integer_type() {
        for (kind, little, big) in [
            (1, [6, 0, 0, 0], [6, 0, 0, 0]),
            (3, [6, 0, 0, 0], [0, 6, 0, 0]),
            (4, [6, 0, 0, 0], [0, 0, 0, 6]),
            (6, [6, 0, 0, 0], [6, 0, 0, 0]),
            (8, [6, 0, 0, 0], [0, 6, 0, 0]),
            (9, [6, 0, 0, 0], [0, 0, 0, 6]),
        ] {
            let little = [b"II*\0\x08\0\0\0\x01\0\x12\x01", &[kind, 0, 1, 0, 0, 0][..], &little].concat();
            let big = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0", &[kind, 0, 0, 0, 1][..], &big].concat();
            for block in [little, big] {
                assert_eq!(Orientation::from_exif_block(&block), Orientation::Rotate90, "type {kind}");
                let mut two = block.clone();
                two[9] |= 2; // the number of entries, of which the second is not there
                two[8] |= 2;
                assert_eq!(Orientation::from_exif_block(&two), Orientation::Rotate90, "type {kind}");
            }
        }
        // A rational, text, and two numbers are none.
        for (kind, count) in [(5, 1), (2, 1), (3, 2), (3, 0), (99, 1)] {
            let block =
                [b"II*\0\x08\0\0\0\x01\0\x12\x01", &[kind, 0, count, 0, 0, 0, 6, 0, 0, 0][..]].concat();
            assert_eq!(Orientation::from_exif_block(&block), Orientation::Upright, "type {kind}, {count}");
        }
    }
}
