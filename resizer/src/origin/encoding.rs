//! Content codings: undone where they are real, passed over where they are only said to be.
//!
//! Objects are stored with a `Content-Encoding` of all kinds: `aws-chunked` that a store did not take off, `base64`
//! before plain bytes, a media type, `undefined`. None is believed without a look at the bytes.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use brotli_decompressor::Decompressor;
use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use ruzstd::decoding::StreamingDecoder;

/// Tells an image by its first bytes. This room knows none.
pub type LooksLikeImage = fn(&[u8]) -> bool;

/// Most codings of one object that are undone.
const MAX_CODINGS: usize = 3;
/// Bytes between two codings, and at a time.
pub(super) const PIECE: usize = 64 * 1024;
/// Most that a zstd decoder may keep for looking back (RFC 9659).
const ZSTD_WINDOW: u64 = 8 << 20;

/// A coding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952
    Gzip,
    /// RFC 1950, or RFC 1951 as some servers send it.
    Deflate,
    /// RFC 7932
    Brotli,
    /// RFC 8878
    Zstd,
}

impl Coding {
    /// Bytes that undoing it keeps, at the most, beside what goes in and comes out.
    #[must_use]
    pub const fn memory(self) -> u64 {
        match self {
            Self::Gzip | Self::Deflate => 64 << 10,
            Self::Brotli => 17 << 20, // a window of 16 MiB and its tables
            Self::Zstd => ZSTD_WINDOW + (1 << 20),
        }
    }

    /// Whether the bytes can begin it. Brotli has no sign: there the header is believed.
    fn begins(self, head: &[u8]) -> bool {
        match self {
            Self::Gzip => head.starts_with(&[0x1f, 0x8b]),
            Self::Zstd => head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
            Self::Deflate | Self::Brotli => !head.is_empty(),
        }
    }
}

/// The codings that the headers name and that exist, in the order in which they were applied.
///
/// # Errors
/// There are more than [`MAX_CODINGS`].
pub fn declared(headers: &HeaderMap) -> io::Result<Vec<Coding>> {
    let values = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<_> = values
        .flat_map(|value| value.split(','))
        .filter_map(|name| match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Coding::Gzip),
            "deflate" => Some(Coding::Deflate),
            "br" => Some(Coding::Brotli),
            "zstd" => Some(Coding::Zstd),
            _ => None,
        })
        .collect();
    if codings.len() > MAX_CODINGS {
        return Err(io::Error::other(format!("it names {} content codings", codings.len())));
    }
    Ok(codings)
}

/// What is left to read once the codings are undone: `None` when the bytes are to be taken as they are.
///
/// # Errors
/// The bytes are not what they begin as.
pub fn decoder(
    codings: &[Coding],
    bytes: Bytes,
    looks_like_image: LooksLikeImage,
) -> io::Result<Option<Box<dyn Read + Send>>> {
    let mut reader: Box<dyn BufRead + Send> = Box::new(Cursor::new(bytes));
    let mut undone = false;
    for coding in codings.iter().rev() {
        let head = reader.fill_buf()?;
        if looks_like_image(head) {
            break;
        }
        if !coding.begins(head) {
            continue;
        }
        // The checksum of a zlib header, and the method "deflate".
        let zlib = matches!(head, [first, second, ..]
            if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31));
        let decoded: Box<dyn Read + Send> = match coding {
            Coding::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Coding::Deflate if zlib => Box::new(ZlibDecoder::new(reader)),
            Coding::Deflate => Box::new(DeflateDecoder::new(reader)),
            Coding::Brotli => Box::new(Decompressor::new(reader, PIECE)),
            Coding::Zstd => Box::new(
                StreamingDecoder::new_with_max_window_size(reader, ZSTD_WINDOW).map_err(io::Error::other)?,
            ),
        };
        reader = Box::new(BufReader::with_capacity(PIECE, decoded));
        undone = true;
    }
    Ok(undone.then_some(reader as Box<dyn Read + Send>))
}

/// Whether the object was stored with the frames of an `aws-chunked` upload around its bytes, which a proxy or a
/// store should have taken off: `LENGTH;chunk-signature=HEX`, or `LENGTH` before an image.
#[must_use]
pub fn is_chunk_framed(bytes: &[u8], looks_like_image: LooksLikeImage) -> bool {
    let digits = bytes.iter().take(16).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = bytes.get(digits..).unwrap_or_default();
    digits > 0
        && (rest.starts_with(b";chunk-signature=")
            || rest.strip_prefix(b"\r\n").is_some_and(looks_like_image))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write};

    use super::*;

    fn is_image(bytes: &[u8]) -> bool {
        bytes.starts_with(b"IMAGE")
    }

    fn codings(value: &str) -> Vec<Coding> {
        declared(&[(CONTENT_ENCODING, value.parse().unwrap())].into_iter().collect()).unwrap()
    }

    fn undo(value: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let Some(mut decoder) = decoder(&codings(value), Bytes::copy_from_slice(bytes), is_image)? else {
            return Ok(bytes.to_vec());
        };
        let mut decoded = Vec::new();
        decoder.read_to_end(&mut decoded).map(|_| decoded)
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = write::GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// `IMAGE IMAGE IMAGE ` as other programs wrote it: Node's brotli and the zstd of the command line.
    const PLAIN: &[u8] = b"IMAGE IMAGE IMAGE ";
    const BROTLI: &[u8] =
        b"\x1b\x11\x00\xf8\x8d\x94\xab\xb3\x4b\x0d\x72\x94\xd4\xa4\x82\x8a\x22\x9e\x38\x80\x66\x00";
    const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x24\x12\x65\x00\x00\x30\x49\x4d\x41\x47\x45\x20\x01\x00\xe1\x4a\x11\x2d\xc3\xc9\xbb";

    #[test]
    fn real_codings_are_undone() {
        let mut zlib = write::ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(PLAIN).unwrap();
        let mut raw = write::DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(PLAIN).unwrap();
        for (value, bytes) in [
            ("gzip", gzip(PLAIN)),
            ("X-GZIP", gzip(PLAIN)),
            ("aws-chunked,gzip", gzip(PLAIN)),
            ("gzip, aws-chunked", gzip(PLAIN)),
            ("gzip, gzip", gzip(&gzip(PLAIN))),
            ("gzip", [gzip(&PLAIN[..6]), gzip(&PLAIN[6..])].concat()),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("br", BROTLI.to_vec()),
            ("zstd", ZSTD.to_vec()),
            ("br, gzip", gzip(BROTLI)),
        ] {
            assert_eq!(undo(value, &bytes).unwrap(), PLAIN, "{value}");
        }
    }

    #[test]
    fn what_is_none_is_passed_over() {
        for value in [
            "",
            "identity",
            "aws-chunked",
            "base64",
            "image/jpeg",
            "undefined",
            "utf-8",
            "binary",
            "none",
            "gzip",
            "br",
            "deflate",
            "zstd",
            "gzip, br",
        ] {
            assert_eq!(undo(value, PLAIN).unwrap(), PLAIN, "{value}");
        }
        assert_eq!(undo("gzip", b"neither").unwrap(), b"neither");
        assert_eq!(undo("zstd", b"").unwrap(), b"");
        // Named twice, and applied once.
        assert_eq!(undo("gzip, gzip", &gzip(PLAIN)).unwrap(), PLAIN);
    }

    #[test]
    fn what_is_broken_is_an_error() {
        let whole = gzip(PLAIN);
        assert!(undo("gzip", &whole[..whole.len() - 9]).is_err());
        assert!(undo("br", b"\xff\xff\xff\xff").is_err());
        assert!(undo("zstd", &ZSTD[..12]).is_err());
        // A window of 64 MiB.
        assert!(undo("zstd", b"\x28\xb5\x2f\xfd\x00\x80\x01\x00\x00").is_err());
        let many = [(CONTENT_ENCODING, "gzip,gzip,gzip,gzip".parse().unwrap())].into_iter().collect();
        assert!(declared(&many).is_err());
    }

    #[test]
    fn frames_of_an_upload_are_known() {
        for bytes in [&b"10000;chunk-signature=ad80\r\nIMAGE"[..], b"1f\r\nIMAGE", b"0;chunk-signature="] {
            assert!(is_chunk_framed(bytes, is_image), "{bytes:?}");
        }
        for bytes in [&b""[..], b"IMAGE", b"1f\r\nno", b"\r\nIMAGE", b"12", b"zz;chunk-signature="] {
            assert!(!is_chunk_framed(bytes, is_image), "{bytes:?}");
        }
    }
}
