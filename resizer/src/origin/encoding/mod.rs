//! Content codings: undone where they are real, passed over where they are only said to be.
//!
//! Objects are stored with a `Content-Encoding` of all kinds: `aws-chunked` that a store did not take off, `base64`
//! before plain bytes, a media type, `undefined`. None is believed without a look at the bytes.
//!
//! # Layout
//! - `metered`: what goes into a coding
//! - `gzip`, `zstd`: members and frames, all of them

mod gzip;
mod metered;
mod zstd;

use std::io::{self, BufRead, BufReader, Read};

use brotli_decompressor::{BrotliDecoderParameter, Decompressor};
use bytes::{Bytes, BytesMut};
use flate2::bufread::{DeflateDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use metered::{Count, Metered};

/// Tells an image by its first bytes. This room knows none.
pub type LooksLikeImage = fn(&[u8]) -> bool;

/// Most codings of one object that are undone.
const MAX_CODINGS: usize = 3;
/// Bytes between two codings, and between two looks at the clock.
const PIECE: usize = 64 * 1024;
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

    /// How much it may have taken before it gives anything.
    const fn lag(self) -> u64 {
        match self {
            Self::Gzip | Self::Deflate | Self::Brotli => 1 << 20,
            Self::Zstd => self.memory(), // its decoder holds the window back
        }
    }

    /// Whether the bytes can begin it. Brotli has no sign: there the header is believed.
    fn begins(self, head: &[u8]) -> bool {
        match self {
            Self::Gzip => head.starts_with(&[0x1f, 0x8b]),
            Self::Zstd => zstd::begins(head),
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

/// Why codings could not be undone.
#[derive(Debug)]
pub enum Failed<E> {
    /// The bytes are not what they begin as.
    Broken(io::Error),
    /// More than the limit came of them.
    TooLarge,
    /// There was no time left.
    Over,
    /// No memory was given for it.
    Memory(E),
}

/// Undoes the codings as far as they are real; what looks like an image is taken as it is. Takes CPU time, and holds up its
/// thread: not for those of the network. `reserve` is asked before the bytes held grow to a number, `is_over` now and
/// then.
///
/// # Errors
/// [`Failed`].
pub fn undo<E>(
    codings: &[Coding],
    bytes: &Bytes,
    limit: u64,
    looks_like_image: LooksLikeImage,
    mut reserve: impl FnMut(u64) -> Result<(), E>,
    is_over: &dyn Fn() -> bool,
) -> Result<Bytes, Failed<E>> {
    let broken = |error| if is_over() { Failed::Over } else { Failed::Broken(error) };
    let mut held = bytes.len() as u64;
    let mut reader: Box<dyn BufRead + '_> = Box::new(bytes.as_ref());
    let mut yielded = Count::default();
    let mut is_undone = false;
    for coding in codings.iter().rev() {
        let head = reader.fill_buf().map_err(broken)?;
        if looks_like_image(head) {
            break;
        }
        if !coding.begins(head) {
            continue;
        }
        // The checksum of a zlib header, and the method "deflate".
        let zlib = matches!(head, [first, second, ..]
            if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31));
        held += coding.memory();
        reserve(held).map_err(Failed::Memory)?;
        let given = std::mem::take(&mut yielded);
        let input = Metered::new(reader, given, Count::clone(&yielded), coding.lag(), is_over);
        let decoded: Box<dyn Read + '_> = match coding {
            Coding::Gzip => Box::new(gzip::Members::new(input)),
            Coding::Deflate if zlib => Box::new(ZlibDecoder::new(input)),
            Coding::Deflate => Box::new(DeflateDecoder::new(input)),
            Coding::Brotli => Box::new(brotli(input)),
            Coding::Zstd => Box::new(zstd::Frames::new(input, ZSTD_WINDOW)),
        };
        reader = Box::new(BufReader::with_capacity(PIECE, decoded));
        is_undone = true;
    }
    if !is_undone {
        return Ok(bytes.clone());
    }
    let mut decoded = BytesMut::new();
    loop {
        let piece = reader.fill_buf().map_err(broken)?;
        let length = piece.len();
        if length == 0 {
            return Ok(decoded.freeze());
        }
        let total = decoded.len() as u64 + length as u64;
        if total > limit {
            return Err(Failed::TooLarge);
        }
        reserve(held + total).map_err(Failed::Memory)?;
        decoded.extend_from_slice(piece);
        reader.consume(length);
        yielded.set(total);
        if is_over() {
            return Err(Failed::Over);
        }
    }
}

/// Brotli as RFC 7932 has it: without the windows of up to 1 GiB that its decoder takes besides.
fn brotli<R: Read>(input: R) -> Decompressor<R> {
    let mut decoder = Decompressor::new(input, PIECE);
    decoder.set_parameter(BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW, 0);
    decoder
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

    /// With 64 MiB of memory and time without end.
    fn undo(value: &str, bytes: &[u8]) -> Result<Vec<u8>, Failed<u64>> {
        let reserve = |held| if held > 64 << 20 { Err(held) } else { Ok(()) };
        let bytes = Bytes::copy_from_slice(bytes);
        super::undo(&codings(value), &bytes, 16 << 20, is_image, reserve, &|| false)
            .map(|bytes| bytes.to_vec())
    }

    #[track_caller]
    fn broken(value: &str, bytes: &[u8]) -> String {
        match undo(value, bytes) {
            Err(Failed::Broken(error)) => error.to_string(),
            other => panic!("{value}: {other:?}"),
        }
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

    /// A skippable frame of zstd with four bytes in it.
    const SKIPPABLE: &[u8] = b"\x50\x2a\x4d\x18\x04\x00\x00\x00\x1b\x00\x00\x00";

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
            ("gzip", [gzip(PLAIN), vec![0; 100_000]].concat()),
            ("gzip", [gzip(b""), gzip(PLAIN), gzip(b"")].concat()),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("br", BROTLI.to_vec()),
            ("zstd", ZSTD.to_vec()),
            ("zstd", [SKIPPABLE, ZSTD].concat()),
            ("br, gzip", gzip(BROTLI)),
        ] {
            assert_eq!(undo(value, &bytes).unwrap(), PLAIN, "{value}");
        }
        // As pzstd writes it.
        let twice = [SKIPPABLE, ZSTD, SKIPPABLE, ZSTD].concat();
        assert_eq!(undo("zstd", &twice).unwrap(), PLAIN.repeat(2));
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
        broken("gzip", &whole[..whole.len() - 9]);
        broken("gzip", &[&whole, &b"\0\0x"[..]].concat());
        broken("gzip", &[&whole, &b"x"[..]].concat());
        broken("br", b"\xff\xff\xff\xff");
        // A window of 1 GiB, which RFC 7932 does not have: its first byte is reserved there.
        broken("br", b"\x11\x1e\x00\x00\x00\x00\x03");
        broken("zstd", &ZSTD[..12]);
        broken("zstd", &SKIPPABLE[..10]);
        broken("zstd", &[ZSTD, b"x"].concat());
        let mut changed = ZSTD.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(broken("zstd", &changed), "the checksum is another");
        // A window of 64 MiB.
        broken("zstd", b"\x28\xb5\x2f\xfd\x00\x80\x01\x00\x00");
        let many = [(CONTENT_ENCODING, "gzip,gzip,gzip,gzip".parse().unwrap())].into_iter().collect();
        assert!(declared(&many).is_err());
    }

    /// 12 MiB of what is taken and gives nothing.
    fn nothing() -> Vec<(&'static str, Vec<u8>)> {
        const LENGTH: usize = 12 << 20;
        let many = |piece: &[u8]| piece.repeat(LENGTH / piece.len());
        vec![
            ("gzip", many(&gzip(b""))),
            ("deflate", many(b"\x00\x00\x00\xff\xff")), // stored blocks of no byte
            ("br", [&b"\x0c"[..], &many(b"\x06")].concat()), // empty blocks of metadata
            ("zstd", [&b"\x28\xb5\x2f\xfd\x00\x00"[..], &many(&[0; 3])].concat()), // raw blocks of no byte
            ("zstd", many(b"\x50\x2a\x4d\x18\x00\x00\x00\x00")),
        ]
    }

    #[test]
    fn a_coding_that_gives_nothing_is_refused() {
        for (value, bytes) in nothing() {
            let told = broken(value, &bytes);
            assert!(told.contains("came to 0: no image is stored so"), "{value}: {told}");
            let told = broken(&format!("{value}, gzip"), &gzip(&bytes));
            assert!(told.contains("came to 0: no image is stored so"), "{value}, gzip: {told}");
        }
    }

    /// 12 MiB that no coding makes smaller, with the largest windows.
    #[test]
    fn what_does_not_become_smaller_is_undone() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let plain: Vec<u8> = (0..12 << 20).map(|_| noise()).collect();
        let mut stored = write::GzEncoder::new(Vec::new(), Compression::none());
        stored.write_all(&plain).unwrap();
        // Blocks as they are: WBITS 24, and then ISLAST 0, MNIBBLES 4, MLEN - 1, ISUNCOMPRESSED 1.
        let length = |block: &[u8]| u32::try_from(block.len()).unwrap();
        let mut brotli = Vec::new();
        for (at, block) in plain.chunks(1 << 16).enumerate() {
            let header = (length(block) - 1) << 3 | 1 << 19;
            match at {
                0 => brotli = (header << 4 | 0x0f).to_le_bytes()[..3].to_vec(),
                _ => brotli.extend(&header.to_le_bytes()[..3]),
            }
            brotli.extend(block);
        }
        brotli.push(3);
        // The same: a window of 8 MiB; Last_Block, Block_Type 0, Block_Size.
        let mut zstd = b"\x28\xb5\x2f\xfd\x00\x68".to_vec();
        for block in plain.chunks(1 << 17) {
            zstd.extend(&(length(block) << 3).to_le_bytes()[..3]);
            zstd.extend(block);
        }
        zstd.extend(&[1, 0, 0]);
        for (value, bytes) in [("gzip", stored.finish().unwrap()), ("br", brotli), ("zstd", zstd)] {
            assert!(undo(value, &bytes).unwrap() == plain, "{value}");
        }
    }

    #[test]
    fn time_and_memory_end_it() {
        for (value, bytes) in nothing() {
            let looks = std::cell::Cell::new(0);
            let is_over = || looks.replace(looks.get() + 1) > 0;
            let bytes = Bytes::from(bytes);
            let ended = super::undo(&codings(value), &bytes, 1, is_image, |_| Ok::<_, ()>(()), &is_over);
            assert!(matches!(ended, Err(Failed::Over)), "{value}: {ended:?}");
            assert!(looks.get() < 5, "{value}");
        }
        let asked = std::cell::Cell::new(0);
        let reserve = |held| Err(asked.replace(held));
        let bytes = Bytes::from_static(BROTLI);
        let ended = super::undo(&[Coding::Brotli], &bytes, 1, is_image, reserve, &|| false);
        assert!(matches!(ended, Err(Failed::Memory(0))), "{ended:?}");
        assert!(asked.get() > 16 << 20, "before the window is there");
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
