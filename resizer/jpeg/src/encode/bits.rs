//! Bits of entropy-coded segments: a 64-bit accumulator, then byte stuffing.
//!
//! Codes are gathered without looking for 0xFF; [`stuff`] puts the zero bytes in afterwards (ITU-T T.81, B.1.1.5),
//! where `memchr` finds the few that need one. So the loop over coefficients has no branch for it.

/// Gathers bits, most significant first, into a buffer that the caller sized.
#[derive(Debug)]
pub(super) struct BitWriter<'a> {
    buffer: &'a mut [u8],
    position: usize,
    /// The low `pending` bits are not in the buffer yet; those above are stale.
    accumulator: u64,
    pending: u32,
}

/// What a [`BitWriter`] leaves behind between two buffers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pending {
    accumulator: u64,
    bits: u32,
}

impl<'a> BitWriter<'a> {
    /// Goes on after `pending`. The buffer must have room for all that is put, and 8 bytes more.
    #[inline(always)]
    pub(super) fn new(buffer: &'a mut [u8], pending: Pending) -> Self {
        Self { buffer, position: 0, accumulator: pending.accumulator, pending: pending.bits }
    }

    /// Appends the low `length` bits. At most 64 bits may be pending, so [`Self::flush`] in time.
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u32, length: u32) {
        self.accumulator = (self.accumulator << length) | u64::from(bits);
        self.pending += length;
    }

    /// Moves whole bytes to the buffer; at most 7 bits stay pending.
    #[inline(always)]
    pub(super) fn flush(&mut self) {
        let bytes = self.accumulator.wrapping_shl(64u32.wrapping_sub(self.pending)).to_be_bytes();
        self.buffer[self.position..self.position + 8].copy_from_slice(&bytes);
        self.position += (self.pending >> 3) as usize;
        self.pending &= 7;
    }

    /// Fills the last byte with ones (ITU-T T.81, F.1.2.3).
    #[inline(always)]
    pub(super) fn pad(&mut self) {
        let missing = (8 - self.pending) & 7;
        self.put((1 << missing) - 1, missing);
        self.flush();
    }

    /// Bytes that can still be put.
    #[inline(always)]
    pub(super) fn room(&self) -> usize {
        self.buffer.len() - self.position
    }

    /// Moves what is in the buffer to `out`, stuffed.
    #[inline(always)]
    pub(super) fn drain(&mut self, out: &mut Vec<u8>) {
        stuff(&self.buffer[..self.position], out);
        self.position = 0;
    }

    /// The bits that are not in the buffer yet.
    #[inline(always)]
    pub(super) fn pending(&self) -> Pending {
        Pending { accumulator: self.accumulator, bits: self.pending }
    }
}

/// Appends `segment` to `out` with a zero byte after each 0xFF.
pub(super) fn stuff(mut segment: &[u8], out: &mut Vec<u8>) {
    out.reserve(segment.len() + segment.len() / 64);
    while let Some(at) = memchr::memchr(0xFF, segment) {
        out.extend_from_slice(&segment[..=at]);
        out.push(0);
        segment = &segment[at + 1..];
    }
    out.extend_from_slice(segment);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_most_significant_first() {
        let mut buffer = [0; 64];
        let mut bits = BitWriter::new(&mut buffer, Pending::default());
        bits.put(0b101, 3);
        bits.flush();
        bits.put(0xFFFF, 16);
        bits.put(0, 27);
        bits.flush();
        bits.put(0b1, 1);
        bits.pad();
        let mut out = Vec::new();
        bits.drain(&mut out);
        assert_eq!(out, [0b1011_1111, 0xFF, 0, 0b1110_0000, 0, 0, 0b0000_0011]);
    }

    #[test]
    fn every_ff_gets_its_zero() {
        let mut out = Vec::new();
        stuff(&[0xFF, 0xFF, 1, 0xFF], &mut out);
        assert_eq!(out, [0xFF, 0, 0xFF, 0, 1, 0xFF, 0]);
    }
}
