//! EXIF blocks: TIFF structures (CIPA DC-008, 4.5 and 4.6).
//!
//! A block is read as far as it is understood and written anew from that, so that no byte stays that no kept tag refers to. It
//! is in no place longer than before.

use std::{borrow::Cow, ops::Range};

use super::jpeg;
use crate::{error::ImageError, orient::Orientation};

/// Of a file that grows beyond what its format can hold.
pub(super) const TOO_LONG: ImageError = ImageError::Internal("length of a file without metadata");

/// Bytes of an entry: tag, type, count, and the value or where it is.
const ENTRY_LEN: usize = 12;

/// Bytes of the last part of an entry, and of every offset.
const FIELD_LEN: usize = 4;

const BYTE: u16 = 1;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const SIGNED_BYTE: u16 = 6;
const SIGNED_SHORT: u16 = 8;
const SIGNED_LONG: u16 = 9;
const IFD: u16 = 13;

const ORIENTATION: u16 = 0x0112;
const EXIF_DIRECTORY: u16 = 0x8769;
const INTEROP_DIRECTORY: u16 = 0xA005;
const GPS_DIRECTORY: u16 = 0x8825;
const MAKER_NOTE: u16 = 0x927C;
const THUMBNAIL: u16 = 0x0201;
const THUMBNAIL_LEN: u16 = 0x0202;

/// Kept tags of the directories of the picture and of its thumbnail.
const PICTURE_TAGS: [u16; 34] = [
    0x0100, // ImageWidth
    0x0101, // ImageLength
    0x0102, // BitsPerSample
    0x0103, // Compression
    0x0106, // PhotometricInterpretation
    0x010E, // ImageDescription
    0x010F, // Make
    0x0110, // Model
    0x0112, // Orientation
    0x0115, // SamplesPerPixel
    0x011A, // XResolution
    0x011B, // YResolution
    0x011C, // PlanarConfiguration
    0x0128, // ResolutionUnit
    0x012D, // TransferFunction
    0x0131, // Software
    0x0132, // DateTime
    0x013B, // Artist
    0x013C, // HostComputer
    0x013E, // WhitePoint
    0x013F, // PrimaryChromaticities
    0x0201, // JPEGInterchangeFormat
    0x0202, // JPEGInterchangeFormatLength
    0x0211, // YCbCrCoefficients
    0x0212, // YCbCrSubSampling
    0x0213, // YCbCrPositioning
    0x0214, // ReferenceBlackWhite
    0x4746, // Rating
    0x4749, // RatingPercent
    0x8298, // Copyright
    0x8769, // ExifIFD
    0x9C9B, // XPTitle
    0x9C9D, // XPAuthor
    0x9C9F, // XPSubject
];

/// Kept tags of the Exif directory, as ranges. Not there: MakerNote (0x927C), UserComment (0x9286), RelatedSoundFile (0xA004),
/// DeviceSettingDescription (0xA40B).
const EXIF_TAGS: [(u16, u16); 26] = [
    (0x829A, 0x829A), // ExposureTime
    (0x829D, 0x829D), // FNumber
    (0x8822, 0x8822), // ExposureProgram
    (0x8824, 0x8824), // SpectralSensitivity
    (0x8827, 0x8828), // PhotographicSensitivity, OECF
    (0x8830, 0x8835), // SensitivityType to ISOSpeedLatitudezzz
    (0x9000, 0x9000), // ExifVersion
    (0x9003, 0x9004), // DateTimeOriginal, DateTimeDigitized
    (0x9010, 0x9012), // OffsetTime, and of the other two
    (0x9101, 0x9102), // ComponentsConfiguration, CompressedBitsPerPixel
    (0x9201, 0x920A), // ShutterSpeedValue to FocalLength
    (0x9214, 0x9214), // SubjectArea
    (0x9290, 0x9292), // SubSecTime, and of the other two
    (0x9400, 0x9405), // Temperature to CameraElevationAngle
    (0xA000, 0xA003), // FlashpixVersion, ColorSpace, PixelXDimension, PixelYDimension
    (0xA005, 0xA005), // InteroperabilityIFD
    (0xA20B, 0xA20C), // FlashEnergy, SpatialFrequencyResponse
    (0xA20E, 0xA210), // FocalPlaneXResolution to FocalPlaneResolutionUnit
    (0xA214, 0xA215), // SubjectLocation (in the picture), ExposureIndex
    (0xA217, 0xA217), // SensingMethod
    (0xA300, 0xA302), // FileSource, SceneType, CFAPattern
    (0xA401, 0xA40A), // CustomRendered to Sharpness
    (0xA40C, 0xA40C), // SubjectDistanceRange
    (0xA420, 0xA420), // ImageUniqueID
    (0xA430, 0xA43C), // CameraOwnerName to MetadataEditingSoftware
    (0xA460, 0xA500), // CompositeImage to Gamma
];

/// Kept tags of the interoperability directory: index, version, and the related picture's format and size.
const INTEROP_TAGS: [u16; 5] = [0x0001, 0x0002, 0x1000, 0x1001, 0x1002];

/// The value of the orientation tag of a block, with or without `Exif\0\0` before it: of the first one in the picture's
/// directory, of any type of whole numbers. Entries that are cut off do no harm to those before.
pub(crate) fn orientation(block: &[u8]) -> Option<usize> {
    let tiff = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let source = Source { tiff, order: Order::of(tiff)?, places: Vec::new() };
    let at = source.offset(4)?;
    let count = source.order.u16(*tiff.get(at..)?.first_chunk()?);
    let (table, _) = tiff.get(at.checked_add(2)?..)?.as_chunks::<ENTRY_LEN>();
    let mut entries = table.iter().take(count.into()).map(|entry| source.entry(*entry));
    let entry = entries.find(|entry| entry.tag == ORIENTATION)?;
    match (entry.kind, entry.count, entry.field) {
        (BYTE | SIGNED_BYTE, 1, [value, ..]) => Some(value.into()),
        (SHORT | SIGNED_SHORT, 1, [a, b, ..]) => Some(source.order.u16([a, b]).into()),
        (LONG | SIGNED_LONG, 1, field) => usize::try_from(source.order.u32(field)).ok(),
        _ => None,
    }
}

/// A block that says nothing but the orientation.
pub(super) fn minimal(orientation: Orientation) -> Vec<u8> {
    let entry = Entry::orientation(orientation, Order::Little);
    write(Order::Little, &Directory { entries: vec![entry], next: None }, true)
}

/// The block, with or without `Exif\0\0` before it, without what may tell a place; a TIFF structure. `None`: nothing is left, or
/// it cannot be read.
pub(super) fn without_location(block: &[u8]) -> Option<Vec<u8>> {
    let tiff = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let source = Source::new(tiff)?;
    let picture = source.picture(Orientation::from_exif_block(block))?;
    // What refers to the same bytes many times is not written out.
    if picture.value_bytes() > tiff.len() {
        return None;
    }
    let aligned = write(source.order, &picture, true);
    if aligned.len() <= tiff.len() {
        return Some(aligned);
    }
    let packed = write(source.order, &picture, false);
    (packed.len() <= tiff.len()).then_some(packed)
}

/// The order of bytes in numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    /// What a TIFF structure begins with.
    fn of(tiff: &[u8]) -> Option<Self> {
        match tiff.get(..4)? {
            b"II*\0" => Some(Self::Little),
            b"MM\0*" => Some(Self::Big),
            _ => None,
        }
    }

    fn u16(self, bytes: [u8; 2]) -> u16 {
        if self == Self::Little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self == Self::Little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    }

    fn of_u16(self, value: u16) -> [u8; 2] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn of_u32(self, value: u32) -> [u8; 4] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }
}

/// A directory that is to be written.
struct Directory<'a> {
    /// By rising tag, each there once.
    entries: Vec<Entry<'a>>,
    /// Of the picture's directory, the thumbnail's.
    next: Option<Box<Directory<'a>>>,
}

struct Entry<'a> {
    tag: u16,
    kind: u16,
    count: u32,
    value: Value<'a>,
}

enum Value<'a> {
    Bytes(Cow<'a, [u8]>),
    /// Where these bytes are.
    Block(Vec<u8>),
    /// Where another directory is.
    Directory(Directory<'a>),
}

impl<'a> Entry<'a> {
    fn orientation(orientation: Orientation, order: Order) -> Self {
        let value = order.of_u16(orientation.exif().into()).to_vec();
        Self { tag: ORIENTATION, kind: SHORT, count: 1, value: Value::Bytes(value.into()) }
    }

    const fn long(tag: u16, value: Value<'a>) -> Self {
        Self { tag, kind: LONG, count: 1, value }
    }
}

impl Directory<'_> {
    /// Bytes of all values.
    fn value_bytes(&self) -> usize {
        let own = self.entries.iter().map(|entry| match &entry.value {
            Value::Bytes(bytes) => bytes.len(),
            Value::Block(bytes) => bytes.len(),
            Value::Directory(directory) => directory.value_bytes(),
        });
        let next = self.next.as_ref().map_or(0, |next| next.value_bytes());
        own.fold(next, usize::saturating_add)
    }
}

/// A block that is read. Directories are read in a fixed order and number, so references in a circle do no harm.
struct Source<'a> {
    tiff: &'a [u8],
    order: Order,
    /// Bytes that tell a place, or may. A damaged entry can claim them for another tag.
    places: Vec<Range<usize>>,
}

/// An entry as it stands in the block.
struct RawEntry {
    tag: u16,
    kind: u16,
    count: u32,
    /// The value, or where it is.
    field: [u8; FIELD_LEN],
}

impl<'a> Source<'a> {
    fn new(tiff: &'a [u8]) -> Option<Self> {
        let mut source = Self { tiff, order: Order::of(tiff)?, places: Vec::new() };
        source.places = source.find_places();
        Some(source)
    }

    /// Where the GPS directories, their values and the maker's note are.
    fn find_places(&self) -> Vec<Range<usize>> {
        let mut places = Vec::new();
        let mut at = self.offset(4);
        for _ in 0..2 {
            let wanted = |tag| matches!(tag, GPS_DIRECTORY | EXIF_DIRECTORY);
            let Some((entries, next)) = at.and_then(|at| self.entries(at, wanted)) else { break };
            for entry in &entries {
                let Some(at) = self.number(entry) else { continue };
                let is_gps = entry.tag == GPS_DIRECTORY;
                let Some((entries, end)) = self.entries(at, |tag| is_gps || tag == MAKER_NOTE) else {
                    continue;
                };
                if is_gps {
                    places.push(at..end);
                }
                places.extend(entries.iter().filter_map(|entry| self.range(entry)));
            }
            at = self.offset(next);
        }
        places
    }

    fn tells_a_place(&self, range: &Range<usize>) -> bool {
        self.places.iter().any(|place| place.start < range.end && range.start < place.end)
    }

    /// The picture's directory, with all that belongs to it. `None`: it is cut off, or nothing of it is kept.
    fn picture(&self, orientation: Orientation) -> Option<Directory<'a>> {
        let (raw, end) = self.entries(self.offset(4)?, |tag| PICTURE_TAGS.contains(&tag))?;
        let entries = raw.iter().filter_map(|entry| match entry.tag {
            EXIF_DIRECTORY => {
                let directory = self.exif(self.number(entry)?)?;
                Some(Entry::long(EXIF_DIRECTORY, Value::Directory(directory)))
            }
            // As it is understood here, be it nonsense or there twice.
            ORIENTATION => Some(Entry::orientation(orientation, self.order)),
            THUMBNAIL | THUMBNAIL_LEN => None,
            _ => self.plain(entry),
        });
        let entries: Vec<_> = entries.collect();
        // Some writers leave the offset out; 0 is none.
        let next = self.offset(end).filter(|at| *at != 0).and_then(|at| self.thumbnail(at)).map(Box::new);
        if entries.is_empty() && next.is_none() { None } else { Some(Directory { entries, next }) }
    }

    fn exif(&self, at: usize) -> Option<Directory<'a>> {
        let kept = |tag: u16| EXIF_TAGS.iter().any(|(first, last)| (*first..=*last).contains(&tag));
        let (raw, _) = self.entries(at, kept)?;
        let entries = raw.iter().filter_map(|entry| match entry.tag {
            INTEROP_DIRECTORY => {
                let directory = self.interop(self.number(entry)?)?;
                Some(Entry::long(INTEROP_DIRECTORY, Value::Directory(directory)))
            }
            _ => self.plain(entry),
        });
        Directory::of(entries.collect())
    }

    fn interop(&self, at: usize) -> Option<Directory<'a>> {
        let (raw, _) = self.entries(at, |tag| INTEROP_TAGS.contains(&tag))?;
        Directory::of(raw.iter().filter_map(|entry| self.plain(entry)).collect())
    }

    /// The thumbnail's directory, if it is a whole JPEG.
    fn thumbnail(&self, at: usize) -> Option<Directory<'a>> {
        let (raw, _) = self.entries(at, |tag| PICTURE_TAGS.contains(&tag) && tag != EXIF_DIRECTORY)?;
        let number = |tag| raw.iter().find(|entry| entry.tag == tag).and_then(|entry| self.number(entry));
        let (start, length) = (number(THUMBNAIL)?, number(THUMBNAIL_LEN)?);
        let range = start..start.checked_add(length)?;
        if self.tells_a_place(&range) {
            return None;
        }
        let file = self.tiff.get(range)?;
        let mut file = Some(jpeg::thumbnail(file).ok()?);
        let length = u32::try_from(file.as_ref()?.len()).ok()?;
        let entries = raw.iter().filter_map(|entry| match entry.tag {
            THUMBNAIL => Some(Entry::long(THUMBNAIL, Value::Block(file.take()?))),
            THUMBNAIL_LEN => {
                Some(Entry::long(THUMBNAIL_LEN, Value::Bytes(self.order.of_u32(length).to_vec().into())))
            }
            _ => self.plain(entry),
        });
        Directory::of(entries.collect())
    }

    /// The entries of the directory at an offset that are wanted, by rising tag; of those of one tag, the first. Also where its
    /// table ends. `None`: it is cut off, or in the way of what tells a place.
    fn entries(&self, at: usize, wanted: impl Fn(u16) -> bool) -> Option<(Vec<RawEntry>, usize)> {
        let start = at.checked_add(2)?;
        let count = self.order.u16(*self.tiff.get(at..)?.first_chunk()?);
        let end = start.checked_add(usize::from(count) * ENTRY_LEN)?;
        let (table, []) = self.tiff.get(start..end)?.as_chunks::<ENTRY_LEN>() else { return None };
        let mut entries: Vec<_> =
            table.iter().map(|entry| self.entry(*entry)).filter(|entry| wanted(entry.tag)).collect();
        entries.sort_by_key(|entry| entry.tag);
        entries.dedup_by_key(|entry| entry.tag);
        if self.tells_a_place(&(at..end)) { None } else { Some((entries, end)) }
    }

    fn entry(&self, [t, u, k, l, n @ .., a, b, c, d]: [u8; ENTRY_LEN]) -> RawEntry {
        let [tag, kind] = [[t, u], [k, l]].map(|bytes| self.order.u16(bytes));
        RawEntry { tag, kind, count: self.order.u32(n), field: [a, b, c, d] }
    }

    /// Bytes of an entry's value. `None`: of an unknown type, or too many to count.
    fn length(entry: &RawEntry) -> Option<usize> {
        size_of(entry.kind)?.checked_mul(usize::try_from(entry.count).ok()?)
    }

    /// Where the value of an entry is, if it is not in the entry.
    fn range(&self, entry: &RawEntry) -> Option<Range<usize>> {
        let length = Self::length(entry).filter(|length| *length > FIELD_LEN)?;
        let start = usize::try_from(self.order.u32(entry.field)).ok()?;
        Some(start..start.checked_add(length)?)
    }

    /// The bytes of an entry's value. `None`: they are cut off, tell a place, or are of an unknown type.
    fn value(&self, entry: &RawEntry) -> Option<Cow<'a, [u8]>> {
        if let Some(value) = entry.field.get(..Self::length(entry)?) {
            return Some(value.to_vec().into());
        }
        let range = self.range(entry).filter(|range| !self.tells_a_place(range))?;
        self.tiff.get(range).map(Cow::Borrowed)
    }

    /// An entry as it is, if its [value](Self::value) can be read.
    fn plain(&self, entry: &RawEntry) -> Option<Entry<'a>> {
        let value = self.value(entry)?;
        Some(Entry { tag: entry.tag, kind: entry.kind, count: entry.count, value: Value::Bytes(value) })
    }

    /// The value of an entry that holds one number: an offset or a length.
    fn number(&self, entry: &RawEntry) -> Option<usize> {
        match (entry.kind, entry.count) {
            (SHORT, 1) => entry.field.first_chunk().map(|bytes| self.order.u16(*bytes).into()),
            (LONG | IFD, 1) => usize::try_from(self.order.u32(entry.field)).ok(),
            _ => None,
        }
    }

    /// An offset that stands somewhere in the block.
    fn offset(&self, at: usize) -> Option<usize> {
        let bytes = self.tiff.get(at..)?.first_chunk()?;
        usize::try_from(self.order.u32(*bytes)).ok()
    }
}

impl<'a> Directory<'a> {
    /// A directory that is not followed by one, unless it is empty.
    fn of(entries: Vec<Entry<'a>>) -> Option<Self> {
        if entries.is_empty() { None } else { Some(Self { entries, next: None }) }
    }
}

/// Bytes of a value of a type (TIFF 6.0, section 2, and UTF-8 of Exif 3.0).
const fn size_of(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 | 129 => Some(1),
        SHORT | 8 => Some(2),
        LONG | 9 | 11 | IFD => Some(4),
        5 | 10 | 12 => Some(8),
        _ => None,
    }
}

/// Writes a block.
fn write(order: Order, picture: &Directory<'_>, aligned: bool) -> Vec<u8> {
    let mut writer = Writer { out: Vec::new(), order, aligned };
    writer.out.extend_from_slice(if order == Order::Little { b"II*\0" } else { b"MM\0*" });
    writer.out.extend(order.of_u32(8));
    writer.directory(picture);
    writer.out
}

struct Writer {
    out: Vec<u8>,
    order: Order,
    /// Whether values and directories start at even offsets, as TIFF asks for and no reader does.
    aligned: bool,
}

impl Writer {
    /// Writes a directory, then its values, then the next one.
    fn directory(&mut self, directory: &Directory<'_>) {
        let mut at = self.out.len() + 2;
        let count = u16::try_from(directory.entries.len()).unwrap_or_default(); // of the tags above
        self.out.extend(self.order.of_u16(count));
        self.out.resize(at + directory.entries.len() * ENTRY_LEN + FIELD_LEN, 0);
        for entry in &directory.entries {
            let field = match &entry.value {
                Value::Bytes(bytes) if bytes.len() <= FIELD_LEN => {
                    let mut field = [0; FIELD_LEN];
                    field.iter_mut().zip(bytes.iter()).for_each(|(target, byte)| *target = *byte);
                    field
                }
                Value::Bytes(bytes) => {
                    let field = self.here();
                    self.out.extend_from_slice(bytes);
                    field
                }
                Value::Block(bytes) => {
                    let field = self.here();
                    self.out.extend_from_slice(bytes);
                    field
                }
                Value::Directory(directory) => {
                    let field = self.here();
                    self.directory(directory);
                    field
                }
            };
            let [tag, kind] = [entry.tag, entry.kind].map(|number| self.order.of_u16(number));
            let count = self.order.of_u32(entry.count);
            self.patch(at, &[&tag[..], &kind, &count, &field]);
            at += ENTRY_LEN;
        }
        if let Some(next) = &directory.next {
            let field = self.here();
            self.patch(at, &[&field]);
            self.directory(next);
        }
    }

    /// The offset of what is written next.
    fn here(&mut self) -> [u8; FIELD_LEN] {
        if self.aligned && self.out.len() % 2 == 1 {
            self.out.push(0);
        }
        // A longer block than that does not fit where it came from.
        self.order.of_u32(u32::try_from(self.out.len()).unwrap_or(u32::MAX))
    }

    /// Overwrites what was written.
    fn patch(&mut self, at: usize, parts: &[&[u8]]) {
        let targets = self.out.iter_mut().skip(at);
        targets.zip(parts.iter().copied().flatten()).for_each(|(target, byte)| *target = *byte);
    }
}
