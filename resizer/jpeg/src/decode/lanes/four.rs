//! Four lanes, three of them from guessed places.

use super::{Chunk, Decoder, Exact, Input, LANES};
use crate::decode::entropy::{Lane, ROUND_BITS, reach, run};
use crate::decode::error::Error;
use crate::decode::scan::Mcus;
use crate::decode::tables::{is_dead, is_same};

/// Places of a guessed lane at which it can be met: the first ones [`FIRST_ROUNDS`] apart, then each a third further from
/// its guess than the one before. In photographs half of all guesses are in step after 700 bits, that is 20 rounds, all
/// but one in fifty after 3000 to 12 000, that is 80 to 350; the last place is at 635.
const NOTES: usize = 12;
const FIRST_ROUNDS: usize = 16;
/// Fewest bits of a lane that are worth the start.
const SMALLEST_SPAN: usize = 1 << 10;

/// Where a guessed lane has been, in order: the one before it can meet it there.
type Notes = [Lane; NOTES];

/// None: behind everything.
const MISSING: Lane = Lane { at: usize::MAX, ..Lane::PARKED };

impl Decoder {
    /// Bits between the lanes' starts, where four are worthwhile.
    pub(super) fn span(&self, input: &Input<'_>) -> Option<usize> {
        let ahead = input.end().saturating_sub(input.at);
        let span = (ahead / LANES).min(self.mcu_bits * self.room.meant) & !7;
        (span >= SMALLEST_SPAN).then_some(span)
    }

    /// Decodes with starts `span` bits apart.
    pub(super) fn four(
        &mut self,
        input: &Input<'_>,
        span: usize,
        chunk: &mut Chunk,
        mcus: &mut impl Mcus,
    ) -> Result<(), Error> {
        let start = |i: usize| if i == 0 { input.at } else { (input.at + i * span) & !7 };
        let mut lanes: [Lane; LANES] = std::array::from_fn(|i| self.lane(i, start(i)));
        // The last lane meets none and runs as long as the others do.
        let mut targets: [usize; LANES] =
            std::array::from_fn(|i| if i + 1 < LANES { start(i + 1) } else { input.end() });
        // A lane of few bits has its notes within them.
        let first = (span / ROUND_BITS / 8).clamp(1, FIRST_ROUNDS);
        let notes = self.settle(input, &mut lanes, &targets, first);
        for (target, next) in targets.iter_mut().zip(&notes[1..]) {
            if next[0].at < usize::MAX {
                *target = next[0].at;
            }
        }
        self.together(input, &mut lanes, &targets, usize::MAX);
        self.join(input, &lanes, &notes, chunk, mcus)
    }

    /// Runs every lane up to its target, in lockstep; one that has come there, or is full or dead, waits.
    fn together(
        &mut self,
        input: &Input<'_>,
        lanes: &mut [Lane; LANES],
        targets: &[usize; LANES],
        mut most: usize,
    ) {
        loop {
            let rounds: [usize; LANES] = std::array::from_fn(|i| self.rounds(i, &lanes[i], targets[i]));
            let least = rounds.into_iter().filter(|rounds| *rounds > 0).min().unwrap_or(0).min(most);
            let least = least.min(self.marks.apart);
            // Behind damage in the true lane nothing is met.
            if least == 0 || is_dead(lanes[0].state) || rounds[..LANES - 1].iter().all(|rounds| *rounds == 0)
            {
                return;
            }
            let mut running: [Lane; LANES] =
                std::array::from_fn(|i| if rounds[i] == 0 { Lane::PARKED } else { lanes[i] });
            run(&self.machine, input.data, self.room.all(), &mut running, least);
            for (index, (lane, ran)) in lanes.iter_mut().zip(running).enumerate() {
                if rounds[index] > 0 {
                    *lane = ran;
                    self.marks.note(index, lane);
                }
            }
            most -= least;
        }
    }

    /// The first rounds, in which guessed lanes fall into step.
    fn settle(
        &mut self,
        input: &Input<'_>,
        lanes: &mut [Lane; LANES],
        targets: &[usize; LANES],
        first: usize,
    ) -> [Notes; LANES] {
        let mut notes = [[MISSING; NOTES]; LANES];
        let mut distance = 0;
        for _ in 0..NOTES {
            let rounds = first.max(distance / 3);
            distance += rounds;
            self.together(input, lanes, targets, rounds);
            for (i, (lane, notes)) in lanes.iter_mut().zip(&mut notes).enumerate().skip(1) {
                if is_dead(lane.state) {
                    // Out of step, or the file is damaged. Another guess.
                    *notes = [MISSING; NOTES];
                    *lane = Lane {
                        at: (lane.at + 8) & !7,
                        state: self.machine.start,
                        out: self.room.next_mcu(i, lane.out),
                    };
                } else if let Some(note) = notes.iter_mut().find(|note| note.at == usize::MAX) {
                    *note = *lane;
                }
            }
        }
        notes
    }

    /// Hands out lane after lane, each up to where it meets the next.
    fn join(
        &mut self,
        input: &Input<'_>,
        lanes: &[Lane; LANES],
        notes: &[Notes; LANES],
        chunk: &mut Chunk,
        mcus: &mut impl Mcus,
    ) -> Result<(), Error> {
        let mut from = Some(self.room.base(0));
        for (index, lane) in lanes.iter().enumerate() {
            if let Some(place) = from {
                let mut exact = Exact { index, lane: *lane, from: place };
                let next = notes.get(index + 1).unwrap_or(&[MISSING; NOTES]);
                from = self.follow(input, &mut exact, next, chunk, mcus)?;
                // Unless the next lane ended in the very MCU.
                from = from.filter(|from| lanes.get(index + 1).is_some_and(|next| next.out >= *from));
                self.hand_out(input, &mut exact, chunk, mcus)?;
            } else {
                self.room.leave(index, lane.out);
            }
        }
        Ok(())
    }

    /// Follows a lane to the end of the MCU in which it meets the next one: where that one has the MCU behind. If there is
    /// none, to the end of some MCU.
    fn follow(
        &mut self,
        input: &Input<'_>,
        exact: &mut Exact,
        next: &Notes,
        chunk: &mut Chunk,
        mcus: &mut impl Mcus,
    ) -> Result<Option<usize>, Error> {
        let mut notes = next.iter().filter(|note| note.at < usize::MAX);
        let mut note = notes.next();
        loop {
            let mut met = None;
            while let Some(place) = note {
                self.approach(input, exact, place.at);
                // A step takes a bit at least and writes a block at most.
                let steps = place.at.saturating_sub(exact.lane.at);
                let places = self.room.limit(exact.index).saturating_sub(exact.lane.out);
                if steps >= ROUND_BITS || steps * self.machine.widest > places {
                    // Full, or no code fits.
                    break;
                }
                reach(&self.machine, input.data, place.at, self.room.all(), &mut exact.lane);
                if exact.lane.at == place.at && is_same(exact.lane.state, place.state) {
                    met = Some(self.room.next_mcu(exact.index + 1, place.out));
                    break;
                }
                note = notes.next();
            }
            if self.is_done(input, exact, chunk) || !self.finish_mcu(input, exact, chunk) {
                return Ok(None);
            }
            if met.is_some() || note.is_none() {
                return Ok(met);
            }
            if exact.lane.out >= self.room.limit(exact.index) {
                self.hand_out(input, exact, chunk, mcus)?;
                self.room.wipe(exact.index);
                self.marks.forget(exact.index);
                exact.from = self.room.base(exact.index);
                exact.lane.out = exact.from;
            }
        }
    }
}
