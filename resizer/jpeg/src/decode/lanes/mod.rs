//! Sequential scans by state tables, with an exact result: one lane, or four places of the stream at once; see the crate's
//! documentation.

mod four;
mod room;

use super::entropy::{Lane, ROUND_BITS, STEPS, Walk, run, walk};
use super::error::Error;
use super::options::Lanes;
use super::plain;
use super::scan::{Mcus, Whole};
use super::tables::{Machine, is_dead};
use room::Room;

/// Lanes in lockstep. A step waits for two look-ups in turn; four of them share that wait, a fifth lacks registers.
const LANES: usize = 4;
/// The most bits that one MCU can take: 10 blocks of 64 codes of 16 bits with levels of 11, and a byte skipped in a
/// damaged one.
pub(crate) const LARGEST_MCU_BITS: usize = 10 * (64 * 27 + 8);

/// Rounds that cost little more than a look at where they led.
const FEW_ROUNDS: usize = 8;

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
    /// Its MCUs.
    pub(crate) count: usize,
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

impl Input<'_> {
    /// No MCU starts here or behind.
    fn end(&self) -> usize {
        if self.ended { self.bits } else { self.bits.saturating_sub(LARGEST_MCU_BITS) }
    }
}

/// The lanes' coefficients and what they learnt of the stream.
pub(crate) struct Decoder {
    machine: Machine,
    lanes: Lanes,
    room: Room,
    /// Bits of an MCU, in the last chunk.
    mcu_bits: usize,
    /// Single-lane chunks still to go after damage.
    cautious: usize,
    /// Decodes the MCUs that are to be given [whole](Mcus::take_whole), if there are any.
    whole: Option<plain::Decoder>,
    marks: Marks,
}

/// Where lanes have been, so that the start of any of their MCUs can be found again.
struct Marks {
    lanes: [Vec<Lane>; LANES],
    /// Places of an MCU.
    mcu: usize,
    /// Rounds between two marks.
    apart: usize,
    /// Coefficients of a lane that looks for a place.
    scratch: Vec<i16>,
}

/// The most bytes that marks take: of every second MCU that lanes hold, in lists that double; and the scratch.
pub(crate) const MARK_BYTES: u64 =
    (LANES * room::MOST_HELD * size_of::<Lane>() + (2 * 10 * 65 + room::SLACK) * size_of::<i16>()) as u64;

/// Rounds between marks: about a thousand bits.
const MARKED_ROUNDS: usize = 24;

impl Marks {
    /// For MCUs of so many places; `None`: nothing will be looked for.
    fn new(mcu: Option<usize>) -> Self {
        let (apart, scratch) = mcu.map_or((usize::MAX, 0), |mcu| (MARKED_ROUNDS, 2 * mcu + room::SLACK));
        Self { lanes: Default::default(), mcu: mcu.unwrap_or(0), apart, scratch: vec![0; scratch] }
    }

    /// Marks a place, unless it is less than two MCUs behind the last mark.
    fn note(&mut self, index: usize, lane: &Lane) {
        let last = self.lanes[index].last().map_or(0, |mark| mark.out);
        if self.apart < usize::MAX && lane.out >= last + 2 * self.mcu {
            self.lanes[index].push(*lane);
        }
    }

    fn forget(&mut self, index: usize) {
        self.lanes[index].clear();
    }

    /// The last mark from one place on and before another, where a lane may be in the middle of the first block.
    fn before(&self, index: usize, from: usize, to: usize) -> Option<Lane> {
        let marks = &self.lanes[index];
        let end = marks.partition_point(|mark| mark.out < to);
        marks[..end].last().copied().filter(|mark| mark.out >= from && !is_dead(mark.state))
    }
}

/// A lane that is known to be right.
struct Exact {
    /// Which one's coefficients it writes.
    index: usize,
    lane: Lane,
    /// The first place that is not handed out.
    from: usize,
}

impl Decoder {
    /// The most bytes that decoding any scan with up to `mcu` places an MCU allocates.
    pub(crate) fn most_bytes(mcu: usize) -> u64 {
        room::most_bytes(mcu)
    }

    /// For a scan of `total` MCUs in so many bytes.
    pub(crate) fn new(
        machine: Machine,
        lanes: Lanes,
        total: usize,
        data_bytes: usize,
        whole: Option<plain::Decoder>,
    ) -> Self {
        let room = Room::new(machine.mcu, total);
        let marks = Marks::new(whole.is_some().then_some(machine.mcu));
        let mcu_bits = (data_bytes * 8 / total.max(1)).max(1);
        Self { machine, lanes, room, mcu_bits, cautious: 0, whole, marks }
    }

    /// Decodes the next MCUs into `mcus`: at least one, unless the data ends.
    pub(crate) fn chunk(&mut self, input: Input<'_>, mcus: &mut impl Mcus) -> Result<Chunk, Error> {
        for index in 0..LANES {
            self.room.wipe(index);
            self.marks.forget(index);
        }
        let mut chunk = Chunk { count: 0, at: input.at, end: End::More, dead: None };
        match self.span(&input) {
            Some(span) if self.lanes == Lanes::Four && self.cautious == 0 => {
                self.four(&input, span, &mut chunk, mcus)?;
            }
            _ => {
                self.cautious = self.cautious.saturating_sub(1);
                self.one(&input, &mut chunk, mcus)?;
            }
        }
        if chunk.dead.is_some() {
            self.cautious = LANES;
        }
        self.mcu_bits =
            (chunk.at - input.at).checked_div(chunk.count).map_or(self.mcu_bits, |bits| bits.max(1));
        Ok(chunk)
    }

    /// A lane at an MCU start.
    fn lane(&self, index: usize, at: usize) -> Lane {
        Lane { at, state: self.machine.start, out: self.room.base(index) }
    }

    /// Rounds that a lane can run without a look at `target` and its room.
    fn rounds(&self, index: usize, lane: &Lane, target: usize) -> usize {
        if is_dead(lane.state) {
            return 0;
        }
        let bits = target.saturating_sub(lane.at) / ROUND_BITS;
        // A step may be a whole block. Some room is left, or the walk to the next MCU would take one too many.
        let places = self.room.limit(index).saturating_sub(lane.out + 1);
        bits.min(places / (STEPS * self.machine.widest))
    }

    /// One lane until its MCUs are full, `left` are done, the data ends or is damaged.
    fn one(&mut self, input: &Input<'_>, chunk: &mut Chunk, mcus: &mut impl Mcus) -> Result<(), Error> {
        let mut exact = Exact { index: 0, lane: self.lane(0, input.at), from: self.room.base(0) };
        loop {
            self.approach(input, &mut exact, input.end());
            let done = self.is_done(input, &exact, chunk) || !self.finish_mcu(input, &mut exact, chunk);
            let full = exact.lane.out >= self.room.limit(0);
            if done || full || (exact.lane.at >= input.end() && !input.ended) {
                break;
            }
        }
        self.hand_out(input, &mut exact, chunk, mcus)
    }

    /// Runs a lane as near to `target` as rounds of steps lead.
    fn approach(&mut self, input: &Input<'_>, exact: &mut Exact, target: usize) {
        // A lane without a code that fits steps on in place: no longer than it has come.
        let mut most = FEW_ROUNDS;
        loop {
            let rounds = self.rounds(exact.index, &exact.lane, target).min(most).min(self.marks.apart);
            if rounds == 0 {
                return;
            }
            most = most.saturating_mul(2);
            let mut only = [exact.lane];
            run(&self.machine, input.data, self.room.all(), &mut only, rounds);
            [exact.lane] = only;
            self.marks.note(exact.index, &exact.lane);
        }
    }

    /// Walks to the next MCU start; whether the lane may go on there. Where no code fits, the block ends and the next one
    /// starts a byte later.
    fn finish_mcu(&mut self, input: &Input<'_>, exact: &mut Exact, chunk: &mut Chunk) -> bool {
        let lane = &mut exact.lane;
        loop {
            match walk(&self.machine, input.data, input.bits, self.room.all(), lane) {
                Walk::Mcu => return chunk.dead.is_none(),
                Walk::Short => {
                    chunk.end = End::Short;
                    return false;
                }
                Walk::Dead => {
                    let code = lane.at - self.machine.consumed(lane.state);
                    if code + 8 > input.bits {
                        // No code, as the data ends in it.
                        chunk.end = End::Short;
                        return false;
                    }
                    chunk.dead.get_or_insert(code);
                    let behind = self.machine.behind_block(lane.state);
                    lane.out += usize::from((behind >> 8).to_le_bytes()[0]);
                    lane.state = behind;
                    lane.at = code + 8;
                    if self.machine.is_start(behind) {
                        return false;
                    }
                }
            }
        }
    }

    /// MCUs that a lane has finished within the data and not handed out.
    fn ready(&self, input: &Input<'_>, exact: &Exact) -> usize {
        let begun = self.room.mcus(exact.from, exact.lane.out);
        let beyond = exact.lane.at > input.bits && self.machine.is_start(exact.lane.state);
        begun.saturating_sub(usize::from(beyond))
    }

    /// Whether the lane has the segment's last MCU.
    fn is_done(&self, input: &Input<'_>, exact: &Exact, chunk: &Chunk) -> bool {
        chunk.count + self.ready(input, exact) >= input.left
    }

    /// Hands out what a lane has finished.
    fn hand_out(
        &mut self,
        input: &Input<'_>,
        exact: &mut Exact,
        chunk: &mut Chunk,
        mcus: &mut impl Mcus,
    ) -> Result<(), Error> {
        debug_assert!(
            exact.lane.out <= self.room.limit(exact.index) + self.machine.mcu,
            "no lane writes where the next one does"
        );
        let count = self.ready(input, exact).min(input.left - chunk.count);
        chunk.count += count;
        // Where the first of them starts.
        let at = chunk.at;
        chunk.at = exact.lane.at;
        match self.whole.take() {
            None if count > 0 => mcus.take(self.room.stretch(exact.from, count))?,
            None => {}
            Some(mut whole) => {
                let given = self.hand_out_some_whole(input, exact, (at, count), &mut whole, mcus);
                self.whole = Some(whole);
                given?;
            }
        }
        self.room.leave(exact.index, exact.lane.out);
        Ok(())
    }

    /// Hands out `count` MCUs that a lane has finished, the first of which starts at bit `at`. Those that are wanted whole are
    /// decoded again.
    fn hand_out_some_whole(
        &mut self,
        input: &Input<'_>,
        exact: &Exact,
        (at, count): (usize, usize),
        whole: &mut plain::Decoder,
        mcus: &mut impl Mcus,
    ) -> Result<(), Error> {
        let mut done = 0;
        while done < count {
            let (alike, is_whole) = mcus.ahead();
            let some = alike.min(count - done);
            let place = exact.from + done * self.machine.mcu;
            if is_whole {
                let first = Lane { at, state: self.machine.start, out: exact.from };
                let mut at = self.find(input, exact.index, first, place);
                let mut left = some;
                while left > 0 {
                    // All of them are known to be there.
                    let again = Input { at, left, ended: true, ..*input };
                    let chunk = whole.chunk(again, &mut Whole(&mut *mcus))?;
                    if chunk.count == 0 {
                        mcus.missing(left)?;
                        break;
                    }
                    at = chunk.at;
                    left -= chunk.count;
                }
            } else {
                mcus.take(self.room.stretch(place, some))?;
            }
            done += some;
        }
        Ok(())
    }

    /// The bit at which the MCU starts that a lane has put at `place`: from the last mark before on, or from `first`, the start
    /// of an MCU before.
    fn find(&mut self, input: &Input<'_>, index: usize, first: Lane, place: usize) -> usize {
        let mut lane = self.marks.before(index, first.out, place).unwrap_or(first);
        let behind = self.room.behind_start(index, lane.out);
        let mut mcus = (place + behind - lane.out) / self.machine.mcu;
        // What it writes is not looked at.
        lane.out = behind;
        while mcus > 0 {
            if walk(&self.machine, input.data, input.bits, &mut self.marks.scratch, &mut lane) != Walk::Mcu {
                break;
            }
            lane.out = 0;
            mcus -= 1;
        }
        lane.at
    }
}
