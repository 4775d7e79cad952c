//! Marker codes (ITU-T T.81, table B.1): the byte after `0xFF`.

/// Start of image.
pub(crate) const SOI: u8 = 0xD8;
/// End of image.
pub(crate) const EOI: u8 = 0xD9;
/// Start of scan.
pub(crate) const SOS: u8 = 0xDA;
/// Quantisation tables.
pub(crate) const DQT: u8 = 0xDB;
/// Number of lines, behind the first scan.
pub(crate) const DNL: u8 = 0xDC;
/// Restart interval.
pub(crate) const DRI: u8 = 0xDD;
/// Huffman tables.
pub(crate) const DHT: u8 = 0xC4;
/// A JPEG extension's marker, without a length.
pub(crate) const JPG: u8 = 0xC8;
/// Arithmetic conditioning, and the end of the frame markers.
pub(crate) const DAC: u8 = 0xCC;
/// Frame, baseline.
pub(crate) const SOF0: u8 = 0xC0;
/// Frame, extended sequential with Huffman coding.
pub(crate) const SOF1: u8 = 0xC1;
/// Frame, progressive with Huffman coding.
pub(crate) const SOF2: u8 = 0xC2;
/// The last frame marker.
pub(crate) const SOF15: u8 = 0xCF;
/// The first restart marker, `RST0`; the last is seven above.
pub(crate) const RST0: u8 = 0xD0;
/// The last restart marker.
pub(crate) const RST7: u8 = 0xD7;
/// Temporary, without a length.
pub(crate) const TEM: u8 = 0x01;
/// The first application segment; `APP15` is fifteen above.
pub(crate) const APP0: u8 = 0xE0;
