//! EXIF orientation: mirrored rows pass through, everything else waits for the last row.

use super::{Shape, Step};
use crate::{error::ImageError, orient::Orientation, pixels::Pixels};

/// Turns a picture.
pub(super) struct Turn {
    orientation: Orientation,
    stored: Shape,
    rows: Vec<u8>,
}

impl Turn {
    /// For a picture that is stored in this shape.
    pub(super) const fn new(orientation: Orientation, stored: Shape) -> Self {
        Self { orientation, stored, rows: Vec::new() }
    }

    fn passes(&self) -> bool {
        matches!(self.orientation, Orientation::Upright | Orientation::FlipH)
    }
}

impl Step for Turn {
    fn output(&self, input: Shape) -> Shape {
        Shape { size: self.orientation.turn(input.size), ..input }
    }

    fn memory(&self, input: Shape) -> u64 {
        // The stored picture and the turned one.
        if self.passes() { 0 } else { 2 * input.bytes() }
    }

    fn run(&mut self, band: Pixels) -> Result<Option<Pixels>, ImageError> {
        if self.passes() {
            return self.orientation.apply(band).map(Some);
        }
        if self.rows.is_empty() {
            self.rows.reserve_exact(usize::try_from(self.stored.bytes()).unwrap_or_default());
        }
        self.rows.extend_from_slice(band.data());
        Ok(None)
    }

    fn finish(&mut self) -> Result<Option<Pixels>, ImageError> {
        if self.passes() {
            return Ok(None);
        }
        let rows = std::mem::take(&mut self.rows);
        let stored = Pixels::new(self.stored.size, self.stored.layout, rows)?;
        self.orientation.apply(stored).map(Some)
    }
}
