//! A sequential scan: intervals between restart markers, and what becomes of damage.

use super::error::Error;
use super::lanes::{End, Input, LARGEST_MCU_BITS};
use super::options::Damage;
use super::plain::Entropy;
use super::unstuff::Window;
use crate::common::marker;

/// Bytes of the window on the scan's data: a chunk of four lanes at 100 bytes an MCU and more.
pub(crate) const WINDOW_BYTES: usize = 128 << 10;

/// Who takes the coefficients of MCUs, in the scan's order.
pub(crate) trait Mcus {
    /// Predictions start anew: an interval begins.
    fn restart(&mut self);
    /// The coefficients of the next MCUs, whole ones one behind the other; DC as differences.
    fn take(&mut self, coefficients: &mut [i16]) -> Result<(), Error>;
    /// As many MCUs without data.
    fn missing(&mut self, count: usize) -> Result<(), Error>;
    /// How many of the next MCUs are alike in whether they are to be given whole, and whether they are.
    fn ahead(&self) -> (usize, bool) {
        (usize::MAX, false)
    }
    /// The next MCUs, with every coefficient of the blocks that the output needs.
    fn take_whole(&mut self, coefficients: &mut [i16]) -> Result<(), Error> {
        self.take(coefficients)
    }
}

/// MCUs that are given whole.
pub(crate) struct Whole<'m, M>(pub(crate) &'m mut M);

impl<M: Mcus> Mcus for Whole<'_, M> {
    fn restart(&mut self) {
        self.0.restart();
    }

    fn take(&mut self, coefficients: &mut [i16]) -> Result<(), Error> {
        self.0.take_whole(coefficients)
    }

    fn missing(&mut self, count: usize) -> Result<(), Error> {
        self.0.missing(count)
    }
}

/// What one scan is.
pub(crate) struct Scan<'a> {
    pub(crate) file: &'a [u8],
    /// The first byte of its data.
    pub(crate) at: usize,
    /// MCUs that it holds.
    pub(crate) mcus: usize,
    /// MCUs between restart markers; 0 for none.
    pub(crate) interval: usize,
    pub(crate) damage: Damage,
}

/// Damage noted while filling.
pub(crate) type Noted = Option<Error>;

/// Bytes of the window for a file.
pub(crate) fn window_bytes(file: usize) -> usize {
    // Never less than what two MCUs may need, or no progress would be made.
    file.clamp(LARGEST_MCU_BITS / 4 + 64, WINDOW_BYTES)
}

/// Decodes a scan; the byte of the file behind its data.
pub(crate) fn decode(
    scan: &Scan<'_>,
    entropy: &mut Entropy,
    noted: &mut Noted,
    mcus: &mut impl Mcus,
) -> Result<usize, Error> {
    let mut window =
        Window::new(scan.file, scan.at, window_bytes(scan.file.len() - scan.at.min(scan.file.len())));
    let mut note = |error: Error| match scan.damage {
        Damage::Refuse => Err(error),
        Damage::Fill => {
            noted.get_or_insert(error);
            Ok(())
        }
    };
    let interval = if scan.interval == 0 { scan.mcus } else { scan.interval };
    let mut done = 0;
    let mut markers = 0_u8;
    while done < scan.mcus {
        let count = interval.min(scan.mcus - done);
        mcus.restart();
        if done > 0 && !next_interval(&mut window, markers, &mut note)? {
            mcus.missing(count)?;
        } else {
            let got = segment(&mut window, count, entropy, &mut note, mcus)?;
            mcus.missing(count - got)?;
        }
        markers = (markers + u8::from(done > 0)) & 7;
        done += count;
    }
    window.skip();
    Ok(window.marker().map_or(scan.file.len(), |(_, at)| at))
}

/// Decodes `count` MCUs of the window's segment; how many there were.
fn segment(
    window: &mut Window<'_>,
    count: usize,
    entropy: &mut Entropy,
    note: &mut impl FnMut(Error) -> Result<(), Error>,
    mcus: &mut impl Mcus,
) -> Result<usize, Error> {
    let mut at = 0;
    let mut got = 0;
    let mut told = false;
    while got < count {
        if !window.ended() && window.bits() - at.min(window.bits()) < window.bits() / 2 {
            at = window.advance(at);
        }
        let input =
            Input { data: window.bytes(), bits: window.bits(), ended: window.ended(), at, left: count - got };
        let chunk = entropy.chunk(input, mcus)?;
        got += chunk.count;
        // The first place is all that anyone is told, and to find one takes longer than an MCU.
        if let Some(bit) = chunk.dead.filter(|_| !told) {
            told = true;
            let at = window.file_position(bit);
            note(Error::Corrupt { at, what: "bits that are no Huffman code" })?;
        }
        at = chunk.at;
        if chunk.end == End::Short && got < count {
            let error = match window.marker() {
                None => Error::Truncated { at: window.end(), inside: "a scan" },
                Some((marker::EOI, at)) => Error::Truncated { at, inside: "a scan" },
                Some((_, at)) => Error::Corrupt { at, what: "a marker before the end of the interval" },
            };
            note(error)?;
            break;
        }
    }
    Ok(got)
}

/// Moves to the segment behind restart marker `expected`; whether the next interval has data. A marker out of order is
/// taken as libjpeg's `jpeg_resync_to_restart` does.
pub(crate) fn next_interval(
    window: &mut Window<'_>,
    expected: u8,
    note: &mut impl FnMut(Error) -> Result<(), Error>,
) -> Result<bool, Error> {
    loop {
        window.skip();
        let Some((code, at)) = window.marker() else {
            note(Error::Truncated { at: window.end(), inside: "a scan" })?;
            return Ok(false);
        };
        match code {
            marker::RST0..=marker::RST7 => {
                let ahead = (code - marker::RST0).wrapping_sub(expected) & 7;
                if ahead != 0 {
                    note(Error::Corrupt { at, what: "a restart marker out of order" })?;
                }
                match ahead {
                    // One or two intervals are missing: this marker is for later.
                    1 | 2 => return Ok(false),
                    // An old one: on to the next.
                    6 | 7 => window.follow(),
                    _ => {
                        window.follow();
                        return Ok(true);
                    }
                }
            }
            marker::EOI => {
                note(Error::Truncated { at, inside: "a scan" })?;
                return Ok(false);
            }
            1..=0xBF => {
                // A marker that no decoder knows: libjpeg skips it here.
                note(Error::Corrupt { at, what: "an unknown marker inside a scan" })?;
                window.follow();
            }
            _ => {
                note(Error::Corrupt { at, what: "a scan that ends before its last interval" })?;
                return Ok(false);
            }
        }
    }
}
