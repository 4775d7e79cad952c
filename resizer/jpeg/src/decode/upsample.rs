//! Upsampling of one row: libjpeg's "fancy" triangle filter where a component has half the samples
//! (`jdsample.c`), the nearest sample otherwise.

use crate::common::simd::{Job, Simd};

/// `3a + b` of two rows: the vertical half of the 2×2 triangle filter, in quarters.
pub(crate) struct Blend<'b> {
    pub(crate) near: &'b [u8],
    pub(crate) far: &'b [u8],
    pub(crate) out: &'b mut [u16],
}

impl Job for Blend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { near, far, out } = self;
        let (near, near_rest) = near.as_chunks::<32>();
        let (far, far_rest) = far.as_chunks::<32>();
        let (out, rest) = out[..32 * near.len() + near_rest.len()].as_chunks_mut::<32>();
        for ((a, b), out) in near.iter().zip(far).zip(out) {
            let (a, b, out) = (a.as_chunks().0, b.as_chunks().0, out.as_chunks_mut().0);
            for i in (0..2).step_by(S::LANES) {
                let [a, b] = [a, b].map(|parts: &[[u8; 16]]| [&parts[i], &parts[i + S::LANES - 1]]);
                let (a, b) = (simd.load(a[0], a[1]), simd.load(b[0], b[1]));
                let low = add_triple(simd, simd.low8(b, simd.zero()), simd.low8(a, simd.zero()));
                let high = add_triple(simd, simd.high8(b, simd.zero()), simd.high8(a, simd.zero()));
                let (low, high): ([[u16; 8]; 2], [[u16; 8]; 2]) = (simd.lanes(low), simd.lanes(high));
                for lane in 0..S::LANES {
                    out[2 * (i + lane)] = low[lane];
                    out[2 * (i + lane) + 1] = high[lane];
                }
            }
        }
        for ((sum, a), b) in rest.iter_mut().zip(near_rest).zip(far_rest) {
            *sum = 3 * u16::from(*a) + u16::from(*b);
        }
    }
}

/// `a + 3b`.
#[inline(always)]
fn add_triple<S: Simd>(simd: S, a: S::Ints, b: S::Ints) -> S::Ints {
    simd.add16(simd.add16(a, b), simd.add16(b, b))
}

/// [`WidenSums`] on plain samples.
pub(crate) const SAMPLES: i32 = 2;
/// [`WidenSums`] on sums in quarters.
pub(crate) const QUARTERS: i32 = 4;

/// Twice as wide, over 2^`SHIFT`. `sums` has one more at each end, equal to its neighbour: at the edges the filter is
/// the sample.
pub(crate) struct WidenSums<'w, const SHIFT: i32> {
    pub(crate) sums: &'w [u16],
    pub(crate) out: &'w mut [u8],
}

impl<const SHIFT: i32> WidenSums<'_, SHIFT> {
    /// What rounds; libjpeg alternates to avoid a bias.
    const BIAS: [i16; 2] = if SHIFT == SAMPLES { [1, 2] } else { [8, 7] };
}

impl<const SHIFT: i32> Job for WidenSums<'_, SHIFT> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { sums, out } = self;
        let [first, second] = Self::BIAS;
        let (even_bias, odd_bias) = (simd.splat16(first), simd.splat16(second));
        let count = sums.len() - 2;
        let (parts, rest) = out[..2 * count].as_chunks_mut::<32>();
        let mut done = 0;
        let rows = sums.as_chunks().0.iter().zip(sums[1..].as_chunks().0).zip(sums[2..].as_chunks().0);
        for (((before, own), behind), out) in rows.zip(parts) {
            let (before, own, behind): (&[u16; 16], &[u16; 16], &[u16; 16]) = (before, own, behind);
            let out = out.as_chunks_mut::<16>().0;
            for i in (0..2).step_by(S::LANES) {
                let own = load(simd, own, i);
                let even = simd.add16(add_triple(simd, load(simd, before, i), own), even_bias);
                let odd = simd.add16(add_triple(simd, load(simd, behind, i), own), odd_bias);
                let (even, odd) = (simd.shr16::<SHIFT>(even), simd.shr16::<SHIFT>(odd));
                simd.store(simd.or(even, simd.shl16::<8>(odd)), out, i);
            }
            done += 16;
        }
        for (pair, window) in rest.chunks_exact_mut(2).zip(sums[done..].windows(3)) {
            let own = 3 * window[1];
            pair[0] = ((own + window[0] + first.cast_unsigned()) >> SHIFT).to_le_bytes()[0];
            pair[1] = ((own + window[2] + second.cast_unsigned()) >> SHIFT).to_le_bytes()[0];
        }
    }
}

/// A register of sums from eighth `i` of them on.
#[inline(always)]
fn load<S: Simd>(simd: S, sums: &[u16; 16], i: usize) -> S::Ints {
    let parts = sums.as_chunks::<8>().0;
    simd.load(&parts[i], &parts[i + S::LANES - 1])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::simd::each;

    #[derive(Clone, Copy)]
    struct Rows<'r>(&'r [u8], &'r [u8]);

    impl Job for Rows<'_> {
        type Output = Vec<u16>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<u16> {
            let mut out = vec![0; self.0.len()];
            Blend { near: self.0, far: self.1, out: &mut out }.run(simd);
            out
        }
    }

    #[derive(Clone, Copy)]
    struct Sums<'s, const SHIFT: i32>(&'s [u16]);

    impl<const SHIFT: i32> Job for Sums<'_, SHIFT> {
        type Output = Vec<u8>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<u8> {
            let mut out = vec![0; 2 * (self.0.len() - 2)];
            WidenSums::<SHIFT> { sums: self.0, out: &mut out }.run(simd);
            out
        }
    }

    /// `jdsample.c`: `(3 · nearer + further + bias) >> shift`.
    fn widened<const SHIFT: i32>(sums: &[u16], bias: [u16; 2]) -> Vec<u8> {
        let each = |w: &[u16]| [(3 * w[1] + w[0] + bias[0]) >> SHIFT, (3 * w[1] + w[2] + bias[1]) >> SHIFT];
        sums.windows(3).flat_map(each).map(|sample| u8::try_from(sample).unwrap()).collect()
    }

    #[test]
    fn every_width() {
        let noise = |i: u32| if i.is_multiple_of(5) { 255 } else { (i * i * 14).to_le_bytes()[0] };
        let (near, far): (Vec<u8>, Vec<u8>) = (0..150).map(|i| (noise(i), noise(3 * i + 1))).unzip();
        for width in 1..150 {
            let blended: Vec<u16> =
                near.iter().zip(&far).map(|(a, b)| 3 * u16::from(*a) + u16::from(*b)).take(width).collect();
            for got in each(Rows(&near[..width], &far[..width])) {
                assert_eq!(got, blended, "{width}");
            }
            if width > 2 {
                let expected = widened::<QUARTERS>(&blended, [8, 7]);
                assert!(each(Sums::<QUARTERS>(&blended)).iter().all(|got| *got == expected), "{width}");
                let plain: Vec<u16> = near[..width].iter().map(|byte| u16::from(*byte)).collect();
                let expected = widened::<SAMPLES>(&plain, [1, 2]);
                assert!(each(Sums::<SAMPLES>(&plain)).iter().all(|got| *got == expected), "{width}");
            }
        }
    }
}
