//! XMP packets: whether one may tell a place. None is edited, it stays or goes.

/// Parts of words that a packet must not hold, in small letters. Places: EXIF's GPS tags, IPTC's and Photoshop's properties, and
/// those of makers of drones. Thumbnails, which are whole JPEG files. What refers to parts that are removed: extended XMP, and
/// pictures and videos after the end.
const WORDS: [&[u8]; 24] = [
    b"gps",
    b"latitude",
    b"longitude",
    b"altitude",
    b"location",
    b"city",
    b"state",
    b"province",
    b"country",
    b"place",
    b"address",
    b"venue",
    b"coordinate",
    b"geo",
    b"xmpgimg",
    b"gimage",
    b"gdepth",
    b"hasextendedxmp",
    b"container",
    b"gcamera",
    b"motionphoto",
    b"microvideo",
    b"hdrgm",
    b"gainmap",
];

/// Whether the packet may say where the picture was taken, or cannot be searched. Some words are parts of others (`capacity`):
/// such a packet is lost, too.
pub(super) fn may_tell_location(packet: &[u8]) -> bool {
    // UTF-16 and UTF-32 would hide the words; both have zeros.
    if packet.contains(&0) || std::str::from_utf8(packet).is_err() {
        return true;
    }
    let small = packet.to_ascii_lowercase();
    WORDS.iter().any(|word| small.windows(word.len()).any(|window| window == *word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found() {
        for packet in [
            &b"<x exif:GPSLatitude='1,2N'/>"[..],
            b"<x drone-dji:GpsLongtitude='1'/>",
            b"<x photoshop:City='Ulm'/>",
            b"<Iptc4xmpExt:LocationCreated/>",
            b"<\0x\0/\0>\0",
            b"<x>\xFF</x>",
        ] {
            assert!(may_tell_location(packet), "{}", packet.escape_ascii());
        }
        assert!(!may_tell_location(b"<x xmp:Rating='5' xmp:CreatorTool='Editor 1.0'/>"));
    }
}
