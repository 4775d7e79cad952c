//! How pixels move: in rows, from the top, from a decoder to who uses them.

use crate::{cancel::Cancel, colour::Embedded, error::ImageError, probe::Info, view::View};

/// Samples of one or more whole rows: interleaved channels, in the layout that [`Info`] says, without gaps.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Samples<'r> {
    /// Of 8 bits.
    Bits8(&'r [u8]),
    /// Of 16 bits: where a file has more than 8.
    Bits16(&'r [u16]),
}

/// Takes the rows of a picture.
pub(crate) trait RowSink {
    /// Comes once, before the first row: what the file says of its colours.
    fn begin(&mut self, colour: Option<Embedded>) -> Result<(), ImageError>;

    /// The next rows. An error ends the decoding and is what the decoder returns.
    fn rows(&mut self, rows: Samples<'_>) -> Result<(), ImageError>;
}

/// Decodes one format row by row.
pub(crate) trait RowSource {
    /// Decodes the part of a picture that `view` says (its size, its place, and how small), whose header said `info`. Looks at `cancel`
    /// often enough that a large picture ends soon. A file is read to its end, and rows may have been handed out before it
    /// turns out to be damaged or cut off.
    fn decode_rows(
        &self,
        bytes: &[u8],
        info: &Info,
        view: &View,
        cancel: &Cancel,
        sink: &mut dyn RowSink,
    ) -> Result<(), ImageError>;
}
