//! Red, green and blue to Y, Cb and Cr (JFIF 1.02), 16 pixels a lane. Every row holds a multiple of [`CHUNK`] pixels of
//! `B` bytes.

use super::CHUNK;
use crate::common::simd::Simd;

/// BT.601 luma weights times 2¹⁶; they sum to 2¹⁶.
const LUMA_R: u16 = 19595;
const LUMA_G: u16 = 38470;
const LUMA_B: u16 = 7471;
/// A half in units of 2⁻⁸, and 1 for what truncating three products loses on average.
const LUMA_ROUND: u16 = 129;
/// Weights of red and green in Cb, and of green and blue in Cr, times 2¹⁶, to be subtracted; each pair sums to a
/// half, the weight of the third colour.
const CB_R: u16 = 11059;
const CB_G: u16 = 21709;
const CR_G: u16 = 27439;
const CR_B: u16 = 5329;
/// 128.5 in units of 2⁻⁸, less 1 for what truncating two subtracted products adds on average; so pure blue and
/// pure red reach exactly 65,535.
const CHROMA_OFFSET: u16 = 0x8000 + 127;

/// Red, green and blue.
type Colours<S> = [<S as Simd>::Ints; 3];

/// Gray rows: the level shift alone.
pub(in super::super) fn gray(row: &[u8], y: &mut [u8]) {
    for (y, &sample) in y.iter_mut().zip(row) {
        *y = sample ^ 0x80;
    }
}

/// 4:4:4: one row into three of the same width.
#[inline(always)]
pub(in super::super) fn full<S: Simd, const B: usize>(
    simd: S,
    row: &[u8],
    y: &mut [u8],
    [cb, cr]: [&mut [u8]; 2],
) {
    let (y, cb, cr) =
        (y.as_chunks_mut::<CHUNK>().0, cb.as_chunks_mut::<CHUNK>().0, cr.as_chunks_mut::<CHUNK>().0);
    for (pixels, ((y, cb), cr)) in row.chunks_exact(CHUNK * B).zip(y.iter_mut().zip(cb).zip(cr)) {
        let (y, cb, cr) = (y.as_chunks_mut().0, cb.as_chunks_mut().0, cr.as_chunks_mut().0);
        for i in (0..2).step_by(S::LANES) {
            let [low, high] = widened(simd, planes::<S, B>(simd, pixels, i));
            simd.store(shifted(simd, luma(simd, low), luma(simd, high)), y, i);
            let (low, high) = (chroma(simd, low), chroma(simd, high));
            simd.store(shifted(simd, low[0], high[0]), cb, i);
            simd.store(shifted(simd, low[1], high[1]), cr, i);
        }
    }
}

/// 4:2:2: chroma is the mean of two pixels.
#[inline(always)]
pub(in super::super) fn half<S: Simd, const B: usize>(
    simd: S,
    row: &[u8],
    y: &mut [u8],
    [cb, cr]: [&mut [u8]; 2],
) {
    let (cb, cr) = (cb.as_chunks_mut::<{ CHUNK / 2 }>().0, cr.as_chunks_mut::<{ CHUNK / 2 }>().0);
    let outputs = y.as_chunks_mut::<CHUNK>().0.iter_mut().zip(cb.iter_mut().zip(cr));
    for (pixels, (y, (cb, cr))) in row.chunks_exact(CHUNK * B).zip(outputs) {
        let y = y.as_chunks_mut().0;
        for i in (0..2).step_by(S::LANES) {
            let colours = planes::<S, B>(simd, pixels, i);
            let [low, high] = widened(simd, colours);
            simd.store(shifted(simd, luma(simd, low), luma(simd, high)), y, i);
            store_chroma::<S, 7>(simd, pairs(simd, colours), cb, cr, i);
        }
    }
}

/// 4:2:0: chroma is the mean of two pixels in each of two rows.
#[inline(always)]
pub(in super::super) fn quarter<S: Simd, const B: usize>(
    simd: S,
    [top, bottom]: [&[u8]; 2],
    [y0, y1]: [&mut [u8]; 2],
    [cb, cr]: [&mut [u8]; 2],
) {
    let rows = top.chunks_exact(CHUNK * B).zip(bottom.chunks_exact(CHUNK * B));
    let lumas = y0.as_chunks_mut::<CHUNK>().0.iter_mut().zip(y1.as_chunks_mut::<CHUNK>().0);
    let (cb, cr) = (cb.as_chunks_mut::<{ CHUNK / 2 }>().0, cr.as_chunks_mut::<{ CHUNK / 2 }>().0);
    for (((top, bottom), (y0, y1)), (cb, cr)) in rows.zip(lumas).zip(cb.iter_mut().zip(cr)) {
        let (y0, y1) = (y0.as_chunks_mut().0, y1.as_chunks_mut().0);
        for i in (0..2).step_by(S::LANES) {
            let colours = planes::<S, B>(simd, top, i);
            let [low, high] = widened(simd, colours);
            simd.store(shifted(simd, luma(simd, low), luma(simd, high)), y0, i);
            let mut sums = pairs(simd, colours);
            let colours = planes::<S, B>(simd, bottom, i);
            let [low, high] = widened(simd, colours);
            simd.store(shifted(simd, luma(simd, low), luma(simd, high)), y1, i);
            for (sum, bottom) in sums.iter_mut().zip(pairs(simd, colours)) {
                *sum = simd.add16(*sum, bottom);
            }
            store_chroma::<S, 6>(simd, sums, cb, cr, i);
        }
    }
}

/// Part `k` of the pixels of each lane from 16 pixels `i` on.
#[inline(always)]
fn part<S: Simd, const B: usize>(simd: S, pixels: &[u8], i: usize, k: usize) -> S::Ints {
    let parts = pixels.as_chunks::<16>().0;
    simd.load(&parts[i * B + k], &parts[(i + S::LANES - 1) * B + k])
}

/// Red, green and blue as bytes, in each lane those of 16 pixels.
#[inline(always)]
fn planes<S: Simd, const B: usize>(simd: S, pixels: &[u8], i: usize) -> Colours<S> {
    let [a, b, c] = [
        part::<S, B>(simd, pixels, i, 0),
        part::<S, B>(simd, pixels, i, 1),
        part::<S, B>(simd, pixels, i, 2),
    ];
    if B == 3 {
        return if S::SHUFFLES { shuffled(simd, [a, b, c]) } else { riffled3(simd, [a, b, c]) };
    }
    let v = [a, b, c, part::<S, B>(simd, pixels, i, 3)];
    if S::SHUFFLES { shuffled4(simd, v) } else { riffled4(simd, v) }
}

/// Of the 48 bytes of a lane, byte 3p + c is colour c of pixel p, and 16 leaves 1 when divided by 3: at each place
/// modulo 3, one of the lane's three registers has the wanted colour. These are the places.
const THIRDS: [[u8; 16]; 3] = {
    let mut thirds = [[0; 16]; 3];
    let mut i = 0;
    while i < 16 {
        thirds[i % 3][i] = 0xFF;
        i += 1;
    }
    thirds
};

/// Where a colour's sixteen bytes stand after selection by [`THIRDS`].
const PLACES: [[u8; 16]; 3] = {
    let mut places = [[0; 16]; 3];
    let mut i = 0;
    while i < 48_u8 {
        places[i as usize % 3][i as usize / 3] = i % 16;
        i += 1;
    }
    places
};

#[inline(always)]
fn shuffled<S: Simd>(simd: S, [a, b, c]: [S::Ints; 3]) -> Colours<S> {
    let [at0, at1, at2] = [
        simd.load(&THIRDS[0], &THIRDS[0]),
        simd.load(&THIRDS[1], &THIRDS[1]),
        simd.load(&THIRDS[2], &THIRDS[2]),
    ];
    let red = simd.select(simd.select(a, b, at2), c, at1);
    let green = simd.select(simd.select(a, b, at0), c, at2);
    let blue = simd.select(simd.select(a, b, at1), c, at0);
    [simd.shuffle(red, &PLACES[0]), simd.shuffle(green, &PLACES[1]), simd.shuffle(blue, &PLACES[2])]
}

#[inline(always)]
fn shuffled4<S: Simd>(simd: S, mut v: [S::Ints; 4]) -> Colours<S> {
    for part in &mut v {
        *part = simd.shuffle(*part, &[0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]);
    }
    let (red_green, blue) = (simd.low32(v[0], v[1]), simd.high32(v[0], v[1]));
    let (red_green2, blue2) = (simd.low32(v[2], v[3]), simd.high32(v[2], v[3]));
    [simd.low64(red_green, red_green2), simd.high64(red_green, red_green2), simd.low64(blue, blue2)]
}

/// Byte `3p + c` to place `16c + p`, but for the last. Interleaving the first half of all bytes with the second (a
/// riffle) doubles places modulo 47; four times multiplies by 16, and 16 · 3 is 1.
#[inline(always)]
fn riffled3<S: Simd>(simd: S, mut v: [S::Ints; 3]) -> Colours<S> {
    for _ in 0..4 {
        v = [
            simd.low8(v[0], simd.high64(v[1], v[1])),
            simd.low8(simd.high64(v[0], v[0]), v[2]),
            simd.low8(v[1], simd.high64(v[2], v[2])),
        ];
    }
    v
}

/// Byte `4p + c` to place `16c + p` in the same way: doubled four times modulo 63.
#[inline(always)]
fn riffled4<S: Simd>(simd: S, mut v: [S::Ints; 4]) -> Colours<S> {
    for _ in 0..4 {
        v = [simd.low8(v[0], v[2]), simd.high8(v[0], v[2]), simd.low8(v[1], v[3]), simd.high8(v[1], v[3])];
    }
    [v[0], v[1], v[2]]
}

/// Bytes as 16-bit numbers in units of 2⁻⁸: the lower and the upper eight of each lane.
#[inline(always)]
fn widened<S: Simd>(simd: S, [r, g, b]: Colours<S>) -> [Colours<S>; 2] {
    let zero = simd.zero();
    [
        [simd.low8(zero, r), simd.low8(zero, g), simd.low8(zero, b)],
        [simd.high8(zero, r), simd.high8(zero, g), simd.high8(zero, b)],
    ]
}

/// Sums of neighbours.
#[inline(always)]
fn pairs<S: Simd>(simd: S, [r, g, b]: Colours<S>) -> Colours<S> {
    [simd.add_pairs8(r), simd.add_pairs8(g), simd.add_pairs8(b)]
}

/// A weighted colour.
#[inline(always)]
fn times<S: Simd>(simd: S, colour: S::Ints, weight: u16) -> S::Ints {
    simd.mul_high_unsigned16(colour, simd.splat16(weight.cast_signed()))
}

/// Y in units of 2⁻⁸.
#[inline(always)]
fn luma<S: Simd>(simd: S, [r, g, b]: Colours<S>) -> S::Ints {
    let sum = simd.add16(times(simd, r, LUMA_R), times(simd, g, LUMA_G));
    simd.add16(sum, simd.add16(times(simd, b, LUMA_B), simd.splat16(LUMA_ROUND.cast_signed())))
}

/// Cb and Cr in units of 2⁻⁸.
#[inline(always)]
fn chroma<S: Simd>(simd: S, [r, g, b]: Colours<S>) -> [S::Ints; 2] {
    let offset = simd.splat16(CHROMA_OFFSET.cast_signed());
    let cb = simd.add16(simd.shr16::<1>(b), offset);
    let cb = simd.sub16(simd.sub16(cb, times(simd, r, CB_R)), times(simd, g, CB_G));
    let cr = simd.add16(simd.shr16::<1>(r), offset);
    let cr = simd.sub16(simd.sub16(cr, times(simd, g, CR_G)), times(simd, b, CR_B));
    [cb, cr]
}

/// Numbers in units of 2⁻⁸ as bytes, level shift applied.
#[inline(always)]
fn shifted<S: Simd>(simd: S, low: S::Ints, high: S::Ints) -> S::Ints {
    let bytes = simd.pack_unsigned16(simd.shr16::<8>(low), simd.shr16::<8>(high));
    simd.xor(bytes, simd.splat8(0x80))
}

/// Eight of each a lane, from sums of 2^(8 − `SHIFT`) pixels.
#[inline(always)]
fn store_chroma<S: Simd, const SHIFT: i32>(
    simd: S,
    [r, g, b]: Colours<S>,
    cb: &mut [u8; CHUNK / 2],
    cr: &mut [u8; CHUNK / 2],
    i: usize,
) {
    let [blue, red] = chroma(simd, [simd.shl16::<SHIFT>(r), simd.shl16::<SHIFT>(g), simd.shl16::<SHIFT>(b)]);
    let lanes: [[[u8; 8]; 2]; 2] = simd.lanes(shifted(simd, blue, red));
    for (lane, [blue, red]) in lanes.into_iter().take(S::LANES).enumerate() {
        cb.as_chunks_mut().0[i + lane] = blue;
        cr.as_chunks_mut().0[i + lane] = red;
    }
}
