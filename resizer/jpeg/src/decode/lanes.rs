//! Four places of one Huffman stream at once, with an exact result; see the crate's documentation.

use super::entropy::{Lane, ROUND_BITS, STEPS, Walk, run, run_logged, walk};
use super::options::Lanes;
use super::tables::{Machine, PARKED, is_dead};

/// Lanes in lockstep. A step waits for two look-ups in turn; four of them share that wait, a fifth lacks registers.
const LANES: usize = 4;
/// MCU starts that a guessed lane logs. Streams fall into step within 3 MCUs on average.
const LOG: usize = 12;
/// Bytes of coefficients that all lanes together may hold: with tables and window they stay in a 1 MiB L2 cache.
const COEFFICIENT_BYTES: usize = 512 << 10;
/// Most MCUs of a lane in one chunk.
const LARGEST_LANE: usize = 512;
/// Fewest MCUs of a lane that are worth the start.
const SMALLEST_LANE: usize = 4 * LOG;
/// The most bits that one MCU can take: 10 blocks of 64 codes of 16 bits with levels of 11, and a byte skipped in a
/// damaged one.
pub(crate) const LARGEST_MCU_BITS: usize = 10 * (64 * 27 + 8);

/// Places behind a lane's last MCU that its steps may touch.
const SLACK: usize = (STEPS + 2) * 65;

/// Whole MCUs, in the stream's order.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stretch {
    /// The first one's coefficients.
    pub(crate) from: usize,
    /// How many.
    pub(crate) count: usize,
}

/// How a chunk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// At an MCU start, with more to come.
    More,
    /// The data ended inside the next MCU.
    Short,
}

/// What a chunk gave.
pub(crate) struct Chunk {
    /// Where its MCUs are; unused ones are empty.
    pub(crate) stretches: [Stretch; LANES],
    /// The bit where the next MCU starts.
    pub(crate) at: usize,
    pub(crate) end: End,
    /// The bit of the first impossible code, if there was one. Its block ended there.
    pub(crate) dead: Option<usize>,
}

/// What a chunk is cut from.
#[derive(Clone, Copy)]
pub(crate) struct Input<'w> {
    /// The window's bytes.
    pub(crate) data: &'w [u8],
    /// Bits of data in it.
    pub(crate) bits: usize,
    /// Whether the segment ends there; otherwise no MCU starts within [`LARGEST_MCU_BITS`] of the end.
    pub(crate) ended: bool,
    /// Where the first MCU starts.
    pub(crate) at: usize,
    /// MCUs that the segment still has to give.
    pub(crate) left: usize,
}

/// The lanes' coefficients and what they learnt of the stream.
pub(crate) struct Decoder {
    machine: Machine,
    lanes: Lanes,
    coefficients: Vec<i16>,
    /// MCUs that a lane holds.
    lane_mcus: usize,
    /// Places of a lane among the coefficients.
    lane_places: usize,
    /// How far each lane wrote, to be wiped before the next chunk.
    written: [usize; LANES],
    /// Bits of an MCU, in the last chunk.
    mcu_bits: usize,
    /// Single-lane chunks still to go after damage.
    cautious: usize,
}

/// The first MCU starts of a guessed lane.
#[derive(Clone, Copy)]
struct Log {
    at: [usize; LOG],
    count: usize,
}

impl Decoder {
    /// MCUs that a lane holds in a chunk, of a scan of `total` MCUs with `mcu` places each.
    fn lane_mcus(mcu: usize, total: usize) -> usize {
        // Half as much again as a quarter of a small scan, so that it is one chunk.
        let cached = COEFFICIENT_BYTES / 2 / LANES / mcu.max(1);
        cached.clamp(SMALLEST_LANE, LARGEST_LANE).min(total.div_ceil(LANES) * 3 / 2 + 1)
    }

    fn lane_places(mcu: usize, total: usize) -> usize {
        // The lane ends its last MCU behind the limit, and a parked one still adds zeros.
        (Self::lane_mcus(mcu, total) + 1) * mcu + SLACK
    }

    /// Bytes that decoding a scan of `total` MCUs with `mcu` places each allocates.
    fn bytes(mcu: usize, total: usize) -> u64 {
        (Self::lane_places(mcu, total) * LANES * size_of::<i16>()) as u64
    }

    /// The most bytes that decoding any scan with `mcu` places an MCU allocates.
    pub(crate) fn most_bytes(mcu: usize) -> u64 {
        // Places fall as MCUs grow, in steps: the largest lane of the smallest MCU bounds them all.
        Self::bytes(mcu, usize::MAX / 2).max(Self::bytes(1, usize::MAX / 2))
    }

    pub(crate) fn new(machine: Machine, lanes: Lanes, total: usize, data_bytes: usize) -> Self {
        let lane_places = Self::lane_places(machine.mcu, total);
        Self {
            lanes,
            coefficients: vec![0; lane_places * LANES],
            lane_mcus: Self::lane_mcus(machine.mcu, total),
            lane_places,
            written: [0; LANES],
            mcu_bits: (data_bytes * 8 / total.max(1)).max(1),
            cautious: 0,
            machine,
        }
    }

    /// One MCU's places among the coefficients.
    pub(crate) fn mcu_places(&self) -> usize {
        self.machine.mcu
    }

    /// The coefficients that stretches point into.
    pub(crate) fn coefficients(&mut self) -> &mut [i16] {
        &mut self.coefficients
    }

    fn wipe(&mut self) {
        for (i, written) in self.written.iter_mut().enumerate() {
            let base = i * self.lane_places;
            let end = (*written + SLACK).min(base + self.lane_places);
            if *written > 0 {
                self.coefficients[base..end].fill(0);
            }
            *written = 0;
        }
    }

    /// Decodes the next MCUs: at least one, unless the data ends.
    pub(crate) fn chunk(&mut self, input: Input<'_>) -> Chunk {
        self.wipe();
        let end = if input.ended { input.bits } else { input.bits.saturating_sub(LARGEST_MCU_BITS) };
        let ahead = end.saturating_sub(input.at);
        // Three quarters of what a lane holds: some parts of a picture take fewer bits than the last.
        let span = (ahead / LANES).min(self.mcu_bits * self.lane_mcus * 3 / 4) & !7;
        let worthwhile = span / self.mcu_bits >= SMALLEST_LANE / 2 && input.left >= LANES * SMALLEST_LANE / 2;
        let chunk = if self.lanes == Lanes::Four && worthwhile && self.cautious == 0 {
            self.four(input, end, span)
        } else {
            self.cautious = self.cautious.saturating_sub(1);
            self.one(input, end)
        };
        if chunk.dead.is_some() {
            self.cautious = LANES;
        }
        let count = chunk.stretches.iter().map(|s| s.count).sum::<usize>();
        self.mcu_bits = (chunk.at - input.at).checked_div(count).map_or(self.mcu_bits, |bits| bits.max(1));
        chunk
    }

    /// Rounds that a lane can run without a look at `target` and `room` (in places).
    fn rounds(&self, lane: &Lane, target: usize, limit: usize) -> usize {
        if is_dead(lane.state) {
            return 0;
        }
        let bits = target.saturating_sub(lane.at) / ROUND_BITS;
        let room = limit.saturating_sub(lane.out) / (STEPS * self.machine.widest);
        bits.min(room)
    }

    /// Walks an exact lane to the next MCU start. Where no code fits, the block ends and the next one starts a byte
    /// later.
    fn walk_on(&mut self, input: &Input<'_>, lane: &mut Lane, dead: &mut Option<usize>) -> Walk {
        loop {
            let walk = walk(&self.machine, input.data, input.bits, &mut self.coefficients, lane);
            if walk != Walk::Dead {
                return walk;
            }
            dead.get_or_insert(lane.at);
            let behind = self.machine.behind_block(lane.state);
            lane.out += usize::from((behind >> 8).to_le_bytes()[0]);
            lane.state = behind;
            lane.at += 8;
            if self.machine.is_start(behind) {
                return if lane.at > input.bits { Walk::Short } else { Walk::Mcu };
            }
        }
    }

    /// A lane at an MCU start.
    fn lane(&self, index: usize, at: usize) -> Lane {
        Lane { at, state: self.machine.start, out: index * self.lane_places }
    }

    /// One lane until its MCUs are full, `left` are done, the data ends or is damaged.
    fn one(&mut self, input: Input<'_>, end: usize) -> Chunk {
        let mut lane = self.lane(0, input.at);
        let most = input.left.min(self.lane_mcus);
        let limit = most * self.machine.mcu;
        let mut dead = None;
        let mut how = End::More;
        loop {
            loop {
                let rounds = self.rounds(&lane, end, limit);
                if rounds == 0 {
                    break;
                }
                let mut only = [lane];
                run(&self.machine, input.data, &mut self.coefficients, &mut only, rounds);
                [lane] = only;
            }
            match self.walk_on(&input, &mut lane, &mut dead) {
                Walk::Mcu => {}
                Walk::Short | Walk::Dead => {
                    how = End::Short;
                    break;
                }
            }
            if dead.is_some() || lane.out >= limit || (lane.at >= end && !input.ended) {
                break;
            }
        }
        self.written[0] = lane.out.max(1);
        let mut stretches = [Stretch::default(); LANES];
        stretches[0] = Stretch { from: 0, count: self.whole(&lane, 0, &input) };
        Chunk { stretches, at: lane.at, end: how, dead }
    }

    /// MCUs that a lane has finished within the data.
    fn whole(&self, lane: &Lane, index: usize, input: &Input<'_>) -> usize {
        let begun = (lane.out - index * self.lane_places) / self.machine.mcu;
        if lane.at > input.bits && self.machine.is_start(lane.state) {
            begun.saturating_sub(1)
        } else {
            begun
        }
    }

    /// Four lanes, three of them from guessed places `span` bits apart.
    fn four(&mut self, input: Input<'_>, end: usize, span: usize) -> Chunk {
        let start = |i: usize| if i == 0 { input.at } else { (input.at + i * span) & !7 };
        let mut lanes: [Lane; LANES] = std::array::from_fn(|i| self.lane(i, start(i)));
        let targets: [usize; LANES] =
            std::array::from_fn(|i| if i + 1 < LANES { start(i + 1) } else { end.min(start(LANES)) });
        let logs = self.run_logs(&input, &mut lanes, &targets);
        self.run_out(&input, &mut lanes, &targets);
        for (i, lane) in lanes.iter().enumerate() {
            self.written[i] = lane.out.max(1);
        }
        let chunk = self.join(&input, &mut lanes, &logs);
        for (i, lane) in lanes.iter().enumerate() {
            self.written[i] = lane.out.max(1);
        }
        chunk
    }

    /// The end of a lane's room.
    fn limit(&self, index: usize) -> usize {
        index * self.lane_places + self.lane_mcus * self.machine.mcu
    }

    /// The first MCUs of every lane, with the guessed ones' MCU starts.
    fn run_logs(
        &mut self,
        input: &Input<'_>,
        lanes: &mut [Lane; LANES],
        targets: &[usize; LANES],
    ) -> [Log; LANES] {
        let mut logs = [Log { at: [0; LOG], count: 0 }; LANES];
        loop {
            let open = (1..LANES).any(|i| logs[i].count < LOG && !is_dead(lanes[i].state));
            let rounds = (0..LANES)
                .filter(|i| !is_dead(lanes[*i].state))
                .map(|i| self.rounds(&lanes[i], targets[i], self.limit(i)))
                .min()
                .unwrap_or(0);
            if !open || rounds == 0 {
                return logs;
            }
            run_logged(&self.machine, input.data, &mut self.coefficients, lanes, rounds.min(LOG), |i, at| {
                let log = &mut logs[i];
                if let Some(slot) = log.at.get_mut(log.count) {
                    *slot = at;
                    log.count += 1;
                }
            });
        }
    }

    /// Every lane up to the next one's start, in lockstep; one that has come there, or is full, waits.
    fn run_out(&mut self, input: &Input<'_>, lanes: &mut [Lane; LANES], targets: &[usize; LANES]) {
        let mut running = *lanes;
        let mut parked = [false; LANES];
        loop {
            let mut rounds = usize::MAX;
            for i in 0..LANES {
                if parked[i] {
                    continue;
                }
                let own = self.rounds(&running[i], targets[i], self.limit(i));
                if own == 0 {
                    parked[i] = true;
                    lanes[i] = running[i];
                    running[i].state = PARKED;
                } else {
                    rounds = rounds.min(own);
                }
            }
            if rounds == usize::MAX {
                return;
            }
            run(&self.machine, input.data, &mut self.coefficients, &mut running, rounds);
        }
    }

    /// Follows the exact lane into the next one's log, from there that lane, and so on.
    fn join(&mut self, input: &Input<'_>, lanes: &mut [Lane; LANES], logs: &[Log; LANES]) -> Chunk {
        let mut stretches = [Stretch::default(); LANES];
        let mut total = 0;
        // MCUs of the lane that stood before the exact one met it.
        let mut skipped = 0;
        let mut dead = None;
        for i in 0..LANES {
            let mut lane = lanes[i];
            let base = i * self.lane_places;
            let mut end = End::More;
            let met = loop {
                if total + self.whole(&lane, i, input) - skipped >= input.left {
                    break None;
                }
                match self.walk_on(input, &mut lane, &mut dead) {
                    Walk::Mcu => {}
                    Walk::Short | Walk::Dead => {
                        end = End::Short;
                        break None;
                    }
                }
                let Some(log) = logs.get(i + 1).map(|log| &log.at[..log.count]) else { break None };
                if dead.is_some()
                    || lane.out >= self.limit(i)
                    || log.last().is_none_or(|last| lane.at > *last)
                {
                    break None;
                }
                if let Ok(found) = log.binary_search(&lane.at) {
                    break Some(found + 1);
                }
            };
            lanes[i] = lane;
            let count = (self.whole(&lane, i, input) - skipped).min(input.left - total);
            stretches[i] = Stretch { from: base + skipped * self.machine.mcu, count };
            total += count;
            match met {
                Some(behind) => skipped = behind,
                None => return Chunk { stretches, at: lane.at, end, dead },
            }
        }
        // Not reached: the last lane meets no other.
        Chunk { stretches, at: lanes[LANES - 1].at, end: End::More, dead }
    }
}
