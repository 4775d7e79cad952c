//! Where lanes put their coefficients.

use super::LANES;
use crate::decode::entropy::STEPS;

/// Bytes of coefficients that all lanes together are meant to fill: with tables and window they stay in a 1 MiB L2 cache.
const COEFFICIENT_BYTES: usize = 256 << 10;
/// Fewest and most MCUs that a lane is meant to take in one chunk.
const SMALLEST_LANE: usize = 48;
const LARGEST_LANE: usize = 384;
/// How many times as many it holds: flat parts of a picture take fewer bits than those before. Less where zeroing so much
/// would take longer than a small scan gains by it.
const SPREAD: usize = 4;
/// The most MCUs that a lane holds, with the one that it ends behind them.
pub(super) const MOST_HELD: usize = LARGEST_LANE * SPREAD + 1;
/// Places behind a lane's last MCU that its steps may touch.
pub(super) const SLACK: usize = (STEPS + 2) * 65;

/// Coefficients of every lane, zero where no lane has been since they were wiped.
pub(super) struct Room {
    coefficients: Vec<i16>,
    /// Places that one MCU takes.
    mcu: usize,
    /// MCUs that a lane is meant to take in a chunk, and those that it holds.
    pub(super) meant: usize,
    held: usize,
    /// How far each lane has written.
    written: [usize; LANES],
}

/// MCUs that a lane is meant to take in a chunk.
fn meant(mcu: usize) -> usize {
    (COEFFICIENT_BYTES / 2 / LANES / mcu.max(1)).clamp(SMALLEST_LANE, LARGEST_LANE)
}

/// MCUs that it holds, in a scan of `total`.
fn held(mcu: usize, total: usize) -> usize {
    let meant = meant(mcu);
    let fair = meant.min(total.div_ceil(LANES));
    (fair + fair / 2 + 1).max((meant * SPREAD).min(total / 8)).min(total)
}

/// Places of one lane. It ends its last MCU behind the limit.
fn lane_places(mcu: usize, held: usize) -> usize {
    (held + 1) * mcu + SLACK
}

/// The most bytes that the room of any scan with up to `mcu` places an MCU takes.
pub(super) fn most_bytes(mcu: usize) -> u64 {
    // Places do not grow evenly with MCUs: the cache bounds them from some size on.
    let meant = (COEFFICIENT_BYTES / 2 / LANES).max(SMALLEST_LANE * mcu).min(LARGEST_LANE * mcu);
    ((meant * SPREAD + mcu + SLACK) * LANES * size_of::<i16>()) as u64
}

impl Room {
    /// For a scan of `total` MCUs with `mcu` places each.
    pub(super) fn new(mcu: usize, total: usize) -> Self {
        let held = held(mcu, total);
        Self {
            coefficients: vec![0; lane_places(mcu, held) * LANES],
            mcu,
            meant: meant(mcu),
            held,
            written: [0; LANES],
        }
    }

    /// Every lane's coefficients.
    pub(super) fn all(&mut self) -> &mut [i16] {
        &mut self.coefficients
    }

    /// The first place of a lane.
    pub(super) fn base(&self, index: usize) -> usize {
        index * lane_places(self.mcu, self.held)
    }

    /// The place from which on it is full.
    pub(super) fn limit(&self, index: usize) -> usize {
        self.base(index) + self.held * self.mcu
    }

    /// Whole MCUs between two places of a lane.
    pub(super) fn mcus(&self, from: usize, to: usize) -> usize {
        (to - from) / self.mcu
    }

    /// The first place, behind the MCU that holds this one, where an MCU may start.
    pub(super) fn next_mcu(&self, index: usize, place: usize) -> usize {
        let base = self.base(index);
        base + (self.mcus(base, place) + 1) * self.mcu
    }

    /// How far a place is behind the start of its MCU.
    pub(super) fn behind_start(&self, index: usize, place: usize) -> usize {
        (place - self.base(index)) % self.mcu
    }

    /// So many MCUs.
    pub(super) fn stretch(&mut self, from: usize, count: usize) -> &mut [i16] {
        &mut self.coefficients[from..from + count * self.mcu]
    }

    /// Notes how far a lane has written.
    pub(super) fn leave(&mut self, index: usize, to: usize) {
        self.written[index] = self.written[index].max(to + SLACK);
    }

    /// Zeros what a lane has written.
    pub(super) fn wipe(&mut self, index: usize) {
        let (base, end) = (self.base(index), self.base(index + 1).min(self.written[index]));
        if base < end {
            self.coefficients[base..end].fill(0);
        }
        self.written[index] = 0;
    }
}
