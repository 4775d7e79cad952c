//! Which format some bytes are, by their first bytes. Names and content types are not believed.

use std::fmt;

use super::{codec, error::ImageError};

/// A picture format that is read or written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG (ITU-T T.81), baseline or progressive.
    Jpeg,
    /// PNG; of an animated PNG the default image.
    Png,
    /// WebP, lossy or lossless; of an animation the first frame.
    Webp,
    /// GIF, first frame; read only.
    Gif,
}

impl Format {
    /// Every format.
    pub fn all() -> impl Iterator<Item = Self> {
        codec::ALL.iter().map(|codec| codec.format)
    }

    /// The media type, for example `image/jpeg`.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        codec::of(self).media_type
    }

    /// The usual file name extension, without a dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        codec::of(self).extension
    }

    /// Whether pictures of it can be transparent.
    #[must_use]
    pub fn holds_alpha(self) -> bool {
        codec::of(self).holds_alpha
    }

    /// The longest side of a picture that it holds, in pixels.
    #[must_use]
    pub fn max_side(self) -> u32 {
        codec::of(self).max_side
    }

    /// Whether it is written here.
    #[must_use]
    pub fn is_written(self) -> bool {
        codec::of(self).encoder.is_some()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(codec::of(*self).name)
    }
}

/// How many bytes from the start [`sniff`] looks at; more are ignored.
pub const SNIFF_LEN: usize = 512;

/// Tells the format of a file from its first bytes.
///
/// # Errors
/// [`ImageError::Unsupported`] names a format that is recognised but not decoded, [`ImageError::NotAnImage`]
/// is everything else (an empty file too).
pub fn sniff(bytes: &[u8]) -> Result<Format, ImageError> {
    let head = bytes.get(..SNIFF_LEN).unwrap_or(bytes);
    if let Some(codec) = codec::ALL.iter().find(|codec| (codec.starts)(head)) {
        return Ok(codec.format);
    }
    Err(refused(head).map_or(ImageError::NotAnImage, ImageError::Unsupported))
}

/// The name of a recognisable format that is not decoded.
fn refused(head: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    if head.get(4..8) == Some(b"ftyp") {
        return iso_media(head);
    }
    if starts(b"II*\0") || starts(b"MM\0*") || starts(b"II+\0") || starts(b"MM\0+") {
        return Some("TIFF");
    }
    if starts(b"BM") && head.get(6..10) == Some(&[0; 4]) {
        return Some("BMP");
    }
    if starts(b"%PDF-") {
        return Some("PDF");
    }
    if starts(b"\xFF\x0A") || starts(b"\0\0\0\x0CJXL \r\n\x87\n") {
        return Some("JPEG XL");
    }
    if starts(b"\0\0\0\x0CjP  \r\n\x87\n") || starts(b"\xFF\x4F\xFF\x51") {
        return Some("JPEG 2000");
    }
    if starts(b"\0\0\x01\0") {
        return Some("ICO");
    }
    if starts(b"8BPS") {
        return Some("PSD");
    }
    if starts(b"qoif") {
        return Some("QOI");
    }
    is_svg(head).then_some("SVG")
}

/// ISO base media files (ISO/IEC 14496-12) say what they are in the brands of their `ftyp` box.
fn iso_media(head: &[u8]) -> Option<&'static str> {
    let length = head.get(..4).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(u32::from_be_bytes)?;
    let end = usize::try_from(length).ok()?.clamp(12, head.len().max(12));
    // The major brand, a version number, then the compatible brands: all of four bytes.
    let brands = head.get(8..end.min(head.len()))?;
    let mut heic = false;
    for brand in brands.chunks_exact(4) {
        match brand {
            b"avif" | b"avis" => return Some("AVIF"),
            b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"mif1" | b"msf1" => heic = true,
            _ => {}
        }
    }
    heic.then_some("HEIC")
}

/// Whether the text is XML with an `<svg` element near its start.
fn is_svg(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    text.starts_with(b"<") && text.windows(4).any(|tag| tag.eq_ignore_ascii_case(b"<svg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_formats_by_content() {
        assert_eq!(sniff(b"\xFF\xD8\xFF\xE0"), Ok(Format::Jpeg));
        assert_eq!(sniff(b"\x89PNG\r\n\x1A\n"), Ok(Format::Png));
        assert_eq!(sniff(b"RIFF\x10\0\0\0WEBPVP8 "), Ok(Format::Webp));
        assert_eq!(sniff(b"GIF89a"), Ok(Format::Gif));
        assert_eq!(sniff(b"GIF87a"), Ok(Format::Gif));
    }

    #[test]
    fn names_what_it_refuses() {
        for (bytes, name) in [
            (&b"\0\0\0\x1Cftypavif\0\0\0\0avifmif1miaf"[..], "AVIF"),
            (b"\0\0\0\x1Cftypmif1\0\0\0\0mif1avif", "AVIF"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
            (b"II*\0\x08\0\0\0", "TIFF"),
            (b"MM\0*\0\0\0\x08", "TIFF"),
            (b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0", "BMP"),
            (b"%PDF-1.7", "PDF"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
            (b"\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<!-- x --><SVG/>", "SVG"),
            (b"\xFF\x0A\0\0", "JPEG XL"),
        ] {
            assert_eq!(sniff(bytes), Err(ImageError::Unsupported(name)));
        }
    }

    #[test]
    fn everything_else_is_no_picture() {
        for bytes in [
            &b""[..],
            b"\xFF\xD8",
            b"RIFF\x10\0\0\0WAVE",
            b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
            b"\0\0\0\0ftyp",
            b"<html><body>no</body></html>",
            b"hello",
            b"BMW",
        ] {
            assert_eq!(sniff(bytes), Err(ImageError::NotAnImage));
        }
    }
}
