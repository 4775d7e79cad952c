//! Upsampling of one row: libjpeg's "fancy" triangle filter where a component has half the samples
//! (`jdsample.c`), the nearest sample otherwise.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;

/// `[3a + b]` of two rows: the vertical half of the 2×2 triangle filter, in quarters.
pub(crate) fn blend(near: &[u8], far: &[u8], out: &mut [u16]) {
    for ((sum, a), b) in out.iter_mut().zip(near).zip(far) {
        *sum = 3 * u16::from(*a) + u16::from(*b);
    }
}

/// Rounding and shift of the horizontal filter on sums in quarters: libjpeg alternates to avoid a bias.
pub(crate) const QUARTERS: ([u16; 2], u32) = ([8, 7], 4);
/// The same on plain samples.
pub(crate) const SAMPLES: ([u16; 2], u32) = ([1, 2], 2);

/// Twice as wide. `sums` has one more at each end, equal to its neighbour: at the edges the filter is the sample.
pub(crate) fn widen_sums(sums: &[u16], bias: [u16; 2], shift: u32, out: &mut [u8]) {
    for (pair, window) in out.chunks_exact_mut(2).zip(sums.windows(3)) {
        let own = 3 * window[1];
        pair[0] = ((own + window[0] + bias[0]) >> shift).to_le_bytes()[0];
        pair[1] = ((own + window[2] + bias[1]) >> shift).to_le_bytes()[0];
    }
}

/// A row between two of 1×2 sampling, a quarter of the way to `far`; `lower` for the second of the two rows.
pub(crate) fn between(near: &[u8], far: &[u8], lower: bool, out: &mut [u8]) {
    let bias = 1 + u16::from(lower);
    for ((byte, a), b) in out.iter_mut().zip(near).zip(far) {
        *byte = ((3 * u16::from(*a) + u16::from(*b) + bias) >> 2).to_le_bytes()[0];
    }
}

/// The nearest samples: `num` of `row` for `den` of `out`.
pub(crate) fn nearest(row: &[u8], num: usize, den: usize, out: &mut [u8]) {
    let last = row.len() - 1;
    if den == 2 * num {
        for (pair, byte) in out.chunks_mut(2).zip(row) {
            pair.fill(*byte);
        }
        return;
    }
    for (x, byte) in out.iter_mut().enumerate() {
        *byte = row[((2 * x + 1) * num / (2 * den)).min(last)];
    }
}
