//! The last rows of a picture, in planes, and the same picture made smaller by halves.

use super::kernels::{self, Chunk, chunks};

/// The last rows of a picture.
pub(crate) struct Ring {
    planes: usize,
    width: usize,
    /// Chunks of a plane's row.
    plane: usize,
    capacity: usize,
    /// Rows that there have been.
    count: usize,
    rows: Vec<Chunk>,
}

impl Ring {
    /// Of pictures of this width that keep so many rows.
    pub(crate) fn new(planes: usize, width: usize, capacity: usize) -> Self {
        let (plane, capacity) = (chunks(width), capacity.max(2));
        Self { planes, width, plane, capacity, count: 0, rows: vec![[0; 32]; planes * plane * capacity] }
    }

    /// Bytes of [`new`](Self::new).
    pub(crate) const fn memory(planes: u64, width: u64, capacity: u64) -> u64 {
        let capacity = if capacity < 2 { 2 } else { capacity };
        planes * (width + 64) * 2 * capacity
    }

    /// Rows that there have been.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Chunks of a row of all planes.
    pub(crate) const fn stride(&self) -> usize {
        self.planes * self.plane
    }

    /// Adds a row that `fill` writes: it gets the planes, each somewhat longer than the width.
    pub(crate) fn push(&mut self, fill: impl FnOnce(&mut [Chunk], usize)) {
        let (stride, plane, width) = (self.stride(), self.plane, self.width);
        let at = self.count % self.capacity * stride;
        if let Some(row) = self.rows.get_mut(at..at + stride) {
            fill(row, plane);
            // Halving an odd width repeats the last sample.
            for plane in row.chunks_exact_mut(plane) {
                if let Some([last, behind]) =
                    plane.as_flattened_mut().get_mut(width.saturating_sub(1)..=width)
                {
                    *behind = *last;
                }
            }
        }
        self.count += 1;
    }

    /// A row that is still here.
    pub(crate) fn row(&self, index: usize) -> Option<&[Chunk]> {
        if index >= self.count || index + self.capacity < self.count {
            return None;
        }
        let at = index % self.capacity * self.stride();
        self.rows.get(at..at + self.stride())
    }

    /// Adds the mean of two rows of a picture of twice the size.
    pub(crate) fn push_halved(&mut self, larger: &Self, upper: usize, lower: usize) {
        let (Some(upper), Some(lower)) = (larger.row(upper), larger.row(lower)) else { return };
        let from = larger.plane;
        self.push(|row, plane| {
            let rows = upper.chunks_exact(from).zip(lower.chunks_exact(from));
            for (out, (upper, lower)) in row.chunks_exact_mut(plane).zip(rows) {
                kernels::halve(upper, lower, out);
            }
        });
    }
}
