//! Removing metadata from a stored picture without decoding it: what draws the picture is copied byte for byte.
//!
//! An [`Orientation`] other than upright stays in every case, if need be in an EXIF block that says nothing else, so that the
//! picture is still shown the right way up. It is what [`probe`](super::probe::probe) reads: one that only other readers find (in a
//! PNG's text) goes. Only what is understood is kept: what is unknown, damaged or ambiguous goes.
//!
//! | | [`None`](Metadata::None) | [`NoLocation`](Metadata::NoLocation) |
//! | --- | --- | --- |
//! | EXIF | goes, but for the orientation | written anew with the tags listed below; what cannot be read goes |
//! | XMP | goes | goes if a word in it may be of a place, of a thumbnail, or of pictures after the end; also if it is compressed, in a GIF, or extended XMP |
//! | IPTC, Photoshop (APP13) | goes | goes |
//! | Comments of JPEG and GIF | go | go |
//! | JFIF (APP0) | stays, without its thumbnail | the same |
//! | ICC profile, Adobe (APP14) | stay | stay |
//! | Other APPn of a JPEG: MPF, FlashPix, JFXX, makers' own, C2PA | go | go |
//! | Bytes between segments, and fill bytes | go | go |
//! | PNG `tEXt`, `zTXt`, `iTXt` | go | stay under the standard's names `Title`, `Author`, `Description`, `Copyright`, `Creation Time`, `Software`, `Disclaimer`, `Warning` and `Source` |
//! | PNG `tIME`, `hIST`, `sPLT` | go | stay |
//! | PNG `gAMA cHRM sRGB iCCP cICP mDCV cLLI tRNS bKGD pHYs sBIT acTL fcTL fdAT` | stay | stay |
//! | Other PNG chunks that a decoder need not know | go | go |
//! | WebP chunks but `VP8X ICCP ANIM ANMF ALPH VP8 VP8L EXIF XMP`, in frames but `ALPH VP8 VP8L` | go | go |
//! | GIF loop and ICC extensions, graphic control | stay | stay |
//! | Other GIF extensions, plain text included | go | go |
//! | What follows the end of the picture: videos, depth and gain maps, second pictures | goes | goes |
//!
//! EXIF tags that [`NoLocation`](Metadata::NoLocation) keeps are those of the EXIF standard (CIPA DC-008) about the camera, the
//! exposure, the time (with its offset from UTC), the picture's form, its title, description, author and copyright, and a
//! JPEG thumbnail, from which its own metadata is removed. These go: the GPS directory, MakerNote (makers put places there),
//! UserComment and XPComment (programs do), XPKeywords, all private tags, tags whose values overlap the GPS directory or the
//! MakerNote, and every byte that no kept tag refers to. A description that somebody typed may still name a place.
//!
//! Not found is what hides where the picture's own data is: behind the last pixel inside its compressed data, in the text of
//! an ICC profile, or in a PNG chunk of an unknown kind that decoders must refuse.
//!
//! # Layout
//! - `jpeg`, `png`, `webp`, `gif`: the files
//! - `exif`, `xmp`: blocks of metadata in them

use std::borrow::Cow;

use super::{
    error::ImageError,
    orient::Orientation,
    sniff::{Format, sniff},
};

pub(crate) mod exif;
mod gif;
mod jpeg;
mod png;
mod webp;
mod xmp;

/// What stays of a file's metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Metadata {
    /// Everything: the file stays as it is.
    #[default]
    Keep,
    /// What does not tell where the picture was taken.
    NoLocation,
    /// Nothing but what changes how the picture looks.
    None,
}

/// Bytes by which [`strip`] can make a file longer: an EXIF block may leave out the last four of its directory, and the one
/// that is written does not.
pub const MAX_GROWTH: usize = 4;

/// Removes metadata, as the [module](self) says in detail. Pixels, frames, colors and orientation are the same afterwards, and a
/// file without anything to remove comes back borrowed, as it is. A second call changes nothing.
///
/// The walk is over the container alone: whether its picture can be decoded is not looked at. Time and memory grow with the
/// length of the file, whatever it holds.
///
/// # Errors
/// [`ImageError::NotAnImage`] or [`ImageError::Unsupported`] if the bytes are not of the format; [`ImageError::Corrupt`] if a
/// part is missing, up to the end of the picture, or its structure is damaged. With [`Metadata::Keep`] nothing is looked at.
pub fn strip(bytes: &[u8], format: Format, keep: Metadata) -> Result<Cow<'_, [u8]>, ImageError> {
    let keep = match keep {
        Metadata::Keep => return Ok(Cow::Borrowed(bytes)),
        Metadata::NoLocation => Keep::NoLocation,
        Metadata::None => Keep::Nothing,
    };
    if sniff(bytes)? != format {
        return Err(ImageError::NotAnImage);
    }
    let stripped = match format {
        Format::Jpeg => jpeg::strip(bytes, keep)?,
        Format::Png => png::strip(bytes, keep)?,
        Format::Webp => webp::strip(bytes, keep)?,
        Format::Gif => gif::strip(bytes)?,
    };
    Ok(if stripped == bytes { Cow::Borrowed(bytes) } else { Cow::Owned(stripped) })
}

/// What is kept where something is removed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    NoLocation,
    Nothing,
}

impl Keep {
    /// What takes the place of an EXIF block, with or without `Exif\0\0` before it: a TIFF structure, if anything.
    fn exif(self, block: &[u8]) -> Option<Vec<u8>> {
        let kept = match self {
            Self::NoLocation => exif::without_location(block),
            Self::Nothing => None,
        };
        kept.or_else(|| match Orientation::from_exif_block(block) {
            Orientation::Upright => None,
            orientation => Some(exif::minimal(orientation)),
        })
    }

    /// Whether an XMP packet stays.
    fn xmp(self, packet: &[u8]) -> bool {
        self == Self::NoLocation && !xmp::may_tell_location(packet)
    }
}
