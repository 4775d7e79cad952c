//! Upsampling of one row: libjpeg's "fancy" triangle filter where a component has half the samples
//! (`jdsample.c`), the nearest sample otherwise.

/// `[3a + b]` of two rows: the vertical half of the 2×2 triangle filter, in quarters.
pub(crate) fn blend(near: &[u8], far: &[u8], out: &mut [u16]) {
    for ((sum, a), b) in out.iter_mut().zip(near).zip(far) {
        *sum = 3 * u16::from(*a) + u16::from(*b);
    }
}

/// Twice as wide, from vertical sums in quarters; `out` takes two samples for each of `sums`.
pub(crate) fn widen_sums(sums: &[u16], out: &mut [u8]) {
    let last = sums.len() - 1;
    for (x, pair) in out.chunks_exact_mut(2).enumerate().take(sums.len()) {
        let own = sums[x];
        pair[0] = if x == 0 { (own * 4 + 8) >> 4 } else { (own * 3 + sums[x - 1] + 8) >> 4 }.to_le_bytes()[0];
        pair[1] = if x == last { (own * 4 + 7) >> 4 } else { (own * 3 + sums[x + 1] + 7) >> 4 }.to_le_bytes()[0];
    }
}

/// Twice as wide, from one row.
pub(crate) fn widen(row: &[u8], out: &mut [u8]) {
    let at = |x: usize| u16::from(row[x]);
    let last = row.len() - 1;
    for (x, pair) in out.chunks_exact_mut(2).enumerate().take(row.len()) {
        let own = at(x);
        pair[0] = if x == 0 { own } else { (own * 3 + at(x - 1) + 1) >> 2 }.to_le_bytes()[0];
        pair[1] = if x == last { own } else { (own * 3 + at(x + 1) + 2) >> 2 }.to_le_bytes()[0];
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
