//! Four places of one Huffman stream at once, with an exact result; see the crate's documentation.

use super::entropy::{Lane, ROUND_BITS, STEPS, Walk, run, run_logged, walk};
use super::options::Lanes;
use super::tables::{Machine, is_dead};

/// Lanes in lockstep. A step waits for two look-ups in turn; four of them share that wait, a fifth lacks registers.
const LANES: usize = 4;
/// MCU starts that a guessed lane logs. Streams fall into step within 3 MCUs on average.
const LOG: usize = 12;
/// Bytes of coefficients that all lanes together are meant to fill: with tables and window they stay in a 1 MiB L2 cache.
const COEFFICIENT_BYTES: usize = 256 << 10;
/// Most MCUs that a lane is meant to take in one chunk.
const LARGEST_LANE: usize = 384;
/// How many halves of that it holds: flat parts of a picture take fewer bits than those before. More from the first time
/// on that a lane was full.
const NARROW: usize = 3;
const WIDE: usize = 12;
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
    /// MCUs that a lane is meant to take in a chunk, and those that it holds.
    lane_mcus: usize,
    room: usize,
    /// The most that it may hold.
    widest: usize,
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
    /// MCUs that a lane is meant to take in a chunk.
    fn lane_mcus(mcu: usize) -> usize {
        (COEFFICIENT_BYTES / 2 / LANES / mcu.max(1)).clamp(SMALLEST_LANE, LARGEST_LANE)
    }

    /// MCUs that a lane holds, in a scan of `total`.
    fn room(mcu: usize, total: usize, spread: usize) -> usize {
        (Self::lane_mcus(mcu).min(total.div_ceil(LANES)) * spread / 2 + 1).min(total)
    }

    fn lane_places(mcu: usize, room: usize) -> usize {
        // The lane ends its last MCU behind the limit.
        (room + 1) * mcu + SLACK
    }

    /// The most bytes that decoding any scan with up to `mcu` places an MCU allocates.
    pub(crate) fn most_bytes(mcu: usize) -> u64 {
        // Places do not grow evenly with MCUs: the cache bounds them from some size on.
        let meant = (COEFFICIENT_BYTES / 2 / LANES).max(SMALLEST_LANE * mcu).min(LARGEST_LANE * mcu);
        ((meant * WIDE / 2 + 2 * mcu + SLACK) * LANES * size_of::<i16>()) as u64
    }

    pub(crate) fn new(machine: Machine, lanes: Lanes, total: usize, data_bytes: usize) -> Self {
        let room = Self::room(machine.mcu, total, NARROW);
        let lane_places = Self::lane_places(machine.mcu, room);
        Self {
            lanes,
            coefficients: vec![0; lane_places * LANES],
            lane_mcus: Self::lane_mcus(machine.mcu),
            room,
            widest: Self::room(machine.mcu, total, WIDE),
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

    /// Makes the lanes' room ready for another chunk, with `left` MCUs to come.
    fn wipe(&mut self, left: usize) {
        let full = (0..LANES).any(|i| self.written[i] >= self.limit(i));
        // More room is to be zeroed first, which the rest of a small scan would not make up for.
        if full && self.room < self.widest && left > 2 * LANES * self.lane_mcus {
            self.room = self.widest;
            self.lane_places = Self::lane_places(self.machine.mcu, self.room);
            // The old room goes first, so that only one is ever held.
            self.coefficients = Vec::new();
            self.coefficients = vec![0; self.lane_places * LANES];
            self.written = [0; LANES];
        }
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
        self.wipe(input.left);
        let end = if input.ended { input.bits } else { input.bits.saturating_sub(LARGEST_MCU_BITS) };
        let ahead = end.saturating_sub(input.at);
        let span = (ahead / LANES).min(self.mcu_bits * self.lane_mcus) & !7;
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
        // A step may be a whole block. Some room is left, or the walk to the next MCU would take one too many.
        let room = limit.saturating_sub(lane.out + 1) / (STEPS * self.machine.widest);
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
        let most = input.left.min(self.room);
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
        index * self.lane_places + self.room * self.machine.mcu
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
            let mut running = lanes.map(|lane| if is_dead(lane.state) { Lane::PARKED } else { lane });
            run_logged(
                &self.machine,
                input.data,
                &mut self.coefficients,
                &mut running,
                rounds.min(LOG),
                |i, at| {
                    let log = &mut logs[i];
                    if let Some(slot) = log.at.get_mut(log.count) {
                        *slot = at;
                        log.count += 1;
                    }
                },
            );
            for (lane, ran) in lanes.iter_mut().zip(running).filter(|(lane, _)| !is_dead(lane.state)) {
                *lane = ran;
            }
        }
    }

    /// Every lane up to the next one's start, in lockstep; one that has come there, or is full, waits.
    fn run_out(&mut self, input: &Input<'_>, lanes: &mut [Lane; LANES], targets: &[usize; LANES]) {
        loop {
            let rounds: [usize; LANES] =
                std::array::from_fn(|i| self.rounds(&lanes[i], targets[i], self.limit(i)));
            let Some(least) = rounds.into_iter().filter(|rounds| *rounds > 0).min() else { return };
            let mut running: [Lane; LANES] =
                std::array::from_fn(|i| if rounds[i] == 0 { Lane::PARKED } else { lanes[i] });
            run(&self.machine, input.data, &mut self.coefficients, &mut running, least);
            for ((lane, ran), _) in
                lanes.iter_mut().zip(running).zip(rounds).filter(|(_, rounds)| *rounds > 0)
            {
                *lane = ran;
            }
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
