//! YCbCr to RGB, 16 pixels a lane, with the bytes of the definition in [`super`].

use crate::common::simd::{Job, Simd};

/// Pixels at a time, whatever the registers.
const CHUNK: usize = 32;

/// 1.402 - 1 of 2^16.
const RED: i16 = 26_345;
/// 1.772 - 2 of 2^16.
const BLUE: i16 = -14_942;
/// -0.34414 of 2^16, and 1 - 0.71414.
const GREEN: i32 = (-22_554_i16).cast_unsigned() as i32 | 18_734 << 16;

/// Rows of Y, Cb and Cr, and where their pixels go.
pub(crate) struct YccToRgb<'c> {
    pub(crate) planes: [&'c [u8]; 3],
    pub(crate) out: &'c mut [u8],
}

impl Job for YccToRgb<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { planes: [y, cb, cr], out } = self;
        let (chunks, rest) = out.as_chunks_mut::<{ 3 * CHUNK }>();
        let inputs = y.as_chunks().0.iter().zip(cb.as_chunks().0).zip(cr.as_chunks().0);
        for (((y, cb), cr), out) in inputs.zip(chunks.iter_mut()) {
            chunk(simd, [y, cb, cr], out);
        }
        if !rest.is_empty() {
            let mut padded = [[0; CHUNK]; 3];
            let done = chunks.len() * CHUNK;
            for (padded, plane) in padded.iter_mut().zip([y, cb, cr]) {
                padded[..rest.len() / 3].copy_from_slice(&plane[done..done + rest.len() / 3]);
            }
            let mut pixels = [0; 3 * CHUNK];
            chunk(simd, padded.each_ref(), &mut pixels);
            rest.copy_from_slice(&pixels[..rest.len()]);
        }
    }
}

#[inline(always)]
fn chunk<S: Simd>(simd: S, planes: [&[u8; CHUNK]; 3], out: &mut [u8; 3 * CHUNK]) {
    let out = out.as_chunks_mut::<16>().0;
    let [y, cb, cr] = planes.map(|plane| plane.as_chunks::<16>().0);
    let zero = simd.zero();
    for i in (0..2).step_by(S::LANES) {
        let last = i + S::LANES - 1;
        let (y, cb, cr) =
            (simd.load(&y[i], &y[last]), simd.load(&cb[i], &cb[last]), simd.load(&cr[i], &cr[last]));
        let low = rgb(simd, simd.low8(y, zero), simd.low8(cb, zero), simd.low8(cr, zero));
        let high = rgb(simd, simd.high8(y, zero), simd.high8(cb, zero), simd.high8(cr, zero));
        let r = simd.pack_unsigned16(low[0], high[0]);
        let g = simd.pack_unsigned16(low[1], high[1]);
        let b = simd.pack_unsigned16(low[2], high[2]);
        let pixels = if S::SHUFFLES { shuffled(simd, [r, g, b]) } else { unriffled(simd, [r, g, b]) };
        for (part, pixels) in pixels.into_iter().enumerate() {
            let lanes = simd.lanes(pixels);
            out[3 * i + part] = lanes[0];
            out[3 * last + part] = lanes[1];
        }
    }
}

/// Red, green and blue of eight pixels a lane, not yet clamped.
#[inline(always)]
fn rgb<S: Simd>(simd: S, y: S::Ints, cb: S::Ints, cr: S::Ints) -> [S::Ints; 3] {
    let center = simd.splat16(128);
    let (cb, cr) = (simd.sub16(cb, center), simd.sub16(cr, center));
    let (cb2, cr2) = (simd.add16(cb, cb), simd.add16(cr, cr));
    let r = simd.add16(simd.add16(y, cr), part(simd, cr2, RED));
    let b = simd.add16(simd.add16(y, cb2), part(simd, cb2, BLUE));
    let sums = simd.pack32(green(simd, simd.low16(cb, cr)), green(simd, simd.high16(cb, cr)));
    let g = simd.add16(y, simd.sub16(sums, cr));
    [r, g, b]
}

/// Half of the rounded-down product of twice the value, rounded: the same as rounding the product.
#[inline(always)]
fn part<S: Simd>(simd: S, twice: S::Ints, factor: i16) -> S::Ints {
    let product = simd.mul_high16(twice, simd.splat16(factor));
    simd.sar16::<1>(simd.add16(product, simd.splat16(1)))
}

#[inline(always)]
fn green<S: Simd>(simd: S, pairs: S::Ints) -> S::Ints {
    let product = simd.mul_add16(pairs, simd.splat32(GREEN));
    simd.sar32::<16>(simd.add32(product, simd.splat32(1 << 15)))
}

/// For each 16 bytes of pixels and each colour: the places of its bytes, or 0x80 for none.
const PLACES: [[[u8; 16]; 3]; 3] = {
    let mut places = [[[0x80; 16]; 3]; 3];
    let mut pixel = 0;
    while pixel < 16_u8 {
        let mut colour = 0;
        while colour < 3 {
            let at = 3 * pixel as usize + colour;
            places[at / 16][colour][at % 16] = pixel;
            colour += 1;
        }
        pixel += 1;
    }
    places
};

#[inline(always)]
fn shuffled<S: Simd>(simd: S, [r, g, b]: [S::Ints; 3]) -> [S::Ints; 3] {
    let mut out = [r, g, b];
    for (out, [red, green, blue]) in out.iter_mut().zip(&PLACES) {
        *out = simd.or(simd.or(simd.shuffle(r, red), simd.shuffle(g, green)), simd.shuffle(b, blue));
    }
    out
}

/// Byte `16c + p` to place `3p + c`. Sorting even places into the first half and odd ones into the second divides places
/// by 2 modulo 47; four times by 16, and 16 · 3 is 1.
#[inline(always)]
fn unriffled<S: Simd>(simd: S, mut v: [S::Ints; 3]) -> [S::Ints; 3] {
    let bytes = simd.splat16(0xFF);
    for _ in 0..4 {
        let even = [simd.and(v[0], bytes), simd.and(v[1], bytes), simd.and(v[2], bytes)];
        let odd = [simd.shr16::<8>(v[0]), simd.shr16::<8>(v[1]), simd.shr16::<8>(v[2])];
        v = [
            simd.pack_unsigned16(even[0], even[1]),
            simd.pack_unsigned16(even[2], odd[0]),
            simd.pack_unsigned16(odd[1], odd[2]),
        ];
    }
    v
}

#[cfg(test)]
mod tests {
    use super::super::rgb;
    use super::*;
    use crate::common::simd::each;

    #[derive(Clone, Copy)]
    struct Row<'r>([&'r [u8]; 3]);

    impl Job for Row<'_> {
        type Output = Vec<u8>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<u8> {
            let mut out = vec![0; 3 * self.0[0].len()];
            YccToRgb { planes: self.0, out: &mut out }.run(simd);
            out
        }
    }

    fn check(planes: [&[u8]; 3]) {
        let [y, cb, cr] = planes;
        let pixels = y.iter().zip(cb).zip(cr);
        let expected: Vec<u8> = pixels.flat_map(|((y, cb), cr)| rgb(*y, *cb, *cr)).collect();
        for got in each(Row(planes)) {
            assert!(got == expected, "{planes:?}: {got:?}, not {expected:?}");
        }
    }

    #[test]
    fn every_colour() {
        let all: Vec<u8> = (0..=255).collect();
        for (cb, y) in (0..=255).flat_map(|cb| [0, 1, 77, 128, 200, 254, 255].map(|y| (cb, y))) {
            check([&[y; 256], &[cb; 256], &all]);
        }
        for (cb, cr) in [0, 1, 127, 128, 129, 255].into_iter().flat_map(|cb| [0, 128, 255].map(|cr| (cb, cr)))
        {
            check([&all, &[cb; 256], &[cr; 256]]);
        }
    }

    #[test]
    fn every_length_and_place() {
        let bytes: Vec<u8> = (0..400_u32).map(|i| (i * i * 5).to_le_bytes()[0]).collect();
        for length in 0..120 {
            check([&bytes[..length], &bytes[120..120 + length], &bytes[255..255 + length]]);
        }
    }
}
