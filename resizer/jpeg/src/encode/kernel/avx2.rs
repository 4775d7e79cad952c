//! The kernels with AVX2: 32 pixels at a time, and two blocks side by side, one in each 128-bit lane.
#![expect(unsafe_code, reason = "unaligned vector loads and stores, and calls into code that needs AVX2")]

use core::arch::x86_64::*;

use super::super::quantisation::{Quantiser, ZIGZAG_TRANSPOSED};
use super::{
    Block, CB_G, CB_R, CHROMA_OFFSET, CHUNK, CR_B, CR_G, Job, Kernel, LUMA_B, LUMA_G, LUMA_R, LUMA_ROUND,
    Mask, WIDE, dct,
};

/// Runs a job with everything inlined into it compiled for AVX2 and BMI.
pub(super) fn run<J: Job>(kernel: Avx2, job: J) -> J::Output {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn compiled<J: Job>(kernel: Avx2, job: J) -> J::Output {
        job.run(kernel)
    }
    // SAFETY: `kernel` exists, so AVX2, BMI1, BMI2 and LZCNT are there.
    unsafe { compiled(kernel, job) }
}

/// Proof that the processor has what [`Avx2::detect`] looks for.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Avx2(());

impl Avx2 {
    /// AVX2, and the bit manipulation that every processor with it has had (Haswell, Excavator).
    pub(in super::super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt"))
        .then_some(Self(()))
    }
}

impl Kernel for Avx2 {
    fn gray(self, row: &[u8], y: &mut [u8]) {
        // The loop is a plain exclusive or: what the compiler makes of it for SSE2 is as fast as memory.
        super::Portable.gray(row, y);
    }

    fn full<const B: usize>(self, row: &[u8], y: &mut [u8], c: [&mut [u8]; 2]) {
        // SAFETY: `self` exists, so AVX2 is there.
        unsafe { full::<B>(row, y, c) }
    }

    fn half<const B: usize>(self, row: &[u8], y: &mut [u8], c: [&mut [u8]; 2]) {
        // SAFETY: `self` exists, so AVX2 is there.
        unsafe { half::<B>(row, y, c) }
    }

    fn quarter<const B: usize>(self, rows: [&[u8]; 2], y: [&mut [u8]; 2], c: [&mut [u8]; 2]) {
        // SAFETY: `self` exists, so AVX2 is there.
        unsafe { quarter::<B>(rows, y, c) }
    }

    #[inline(always)]
    fn levels(self, plane: &[u8], stride: usize, quantiser: &Quantiser, out: &mut [Block; 2]) -> [Mask; 2] {
        // SAFETY: `self` exists, so AVX2 is there.
        unsafe { levels(plane, stride, quantiser, out) }
    }

    fn coefficients(self, plane: &[u8], stride: usize, out: &mut [Block; 2]) {
        // SAFETY: `self` exists, so AVX2 is there.
        unsafe { coefficients(plane, stride, out) }
    }
}

#[target_feature(enable = "avx2")]
fn load16(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference covers the 16 bytes; the instruction asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn store16(value: __m128i, bytes: &mut [u8; 16]) {
    // SAFETY: the reference covers the 16 bytes; the instruction asks for no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), value) }
}

#[target_feature(enable = "avx2")]
fn store32(value: __m256i, bytes: &mut [u8; 32]) {
    // SAFETY: the reference covers the 32 bytes; the instruction asks for no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), value) }
}

#[target_feature(enable = "avx2")]
fn store_levels(value: __m256i, levels: &mut [i16; 16]) {
    // SAFETY: the reference covers the 32 bytes; the instruction asks for no alignment.
    unsafe { _mm256_storeu_si256(levels.as_mut_ptr().cast(), value) }
}

#[target_feature(enable = "avx2")]
fn store_row(value: __m128i, row: &mut [i16; 8]) {
    // SAFETY: the reference covers the 16 bytes; the instruction asks for no alignment.
    unsafe { _mm_storeu_si128(row.as_mut_ptr().cast(), value) }
}

/// Eight numbers in both lanes.
#[target_feature(enable = "avx2")]
fn both(numbers: &[u16; 8]) -> __m256i {
    // SAFETY: the reference covers the 16 bytes; the instruction asks for no alignment.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(numbers.as_ptr().cast()) })
}

/// Sixteen bytes in both lanes.
#[target_feature(enable = "avx2")]
fn both_bytes(bytes: [u8; 16]) -> __m256i {
    _mm256_broadcastsi128_si256(load16(&bytes))
}

#[target_feature(enable = "avx2")]
fn splat(number: u16) -> __m256i {
    _mm256_set1_epi16(number.cast_signed())
}

#[target_feature(enable = "avx2")]
fn add(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi16(a, b)
}

#[target_feature(enable = "avx2")]
fn sub(a: __m256i, b: __m256i) -> __m256i {
    _mm256_sub_epi16(a, b)
}

// Colour

/// Sixteen bytes of pixels 0–15 in the lower lane and of pixels 16–31 in the upper.
#[target_feature(enable = "avx2")]
fn lanes(lower: &[u8; 16], upper: &[u8; 16]) -> __m256i {
    _mm256_set_m128i(load16(upper), load16(lower))
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

/// Each byte's own place.
const INDICES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Where a colour's sixteen bytes stand after blending by [`THIRDS`].
const PLACES: [[u8; 16]; 3] = {
    let mut places = [[0; 16]; 3];
    let mut i = 0;
    while i < 48 {
        places[i % 3][i / 3] = INDICES[i % 16];
        i += 1;
    }
    places
};

/// Red, green and blue of 32 pixels as bytes, pixels 0–15 in the lower lane.
#[target_feature(enable = "avx2")]
#[inline]
fn planes<const B: usize>(pixels: &[u8]) -> [__m256i; 3] {
    let (parts, _) = pixels.as_chunks::<16>();
    if B == 3 {
        let (a, b, c) =
            (lanes(&parts[0], &parts[3]), lanes(&parts[1], &parts[4]), lanes(&parts[2], &parts[5]));
        let [at0, at1, at2] = [both_bytes(THIRDS[0]), both_bytes(THIRDS[1]), both_bytes(THIRDS[2])];
        let red = _mm256_blendv_epi8(_mm256_blendv_epi8(a, b, at2), c, at1);
        let green = _mm256_blendv_epi8(_mm256_blendv_epi8(a, b, at0), c, at2);
        let blue = _mm256_blendv_epi8(_mm256_blendv_epi8(a, b, at1), c, at0);
        [
            _mm256_shuffle_epi8(red, both_bytes(PLACES[0])),
            _mm256_shuffle_epi8(green, both_bytes(PLACES[1])),
            _mm256_shuffle_epi8(blue, both_bytes(PLACES[2])),
        ]
    } else {
        let gather = both_bytes([0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]);
        let a = _mm256_shuffle_epi8(lanes(&parts[0], &parts[4]), gather);
        let b = _mm256_shuffle_epi8(lanes(&parts[1], &parts[5]), gather);
        let c = _mm256_shuffle_epi8(lanes(&parts[2], &parts[6]), gather);
        let d = _mm256_shuffle_epi8(lanes(&parts[3], &parts[7]), gather);
        let (red_green, blue) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (red_green2, blue2) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        [
            _mm256_unpacklo_epi64(red_green, red_green2),
            _mm256_unpackhi_epi64(red_green, red_green2),
            _mm256_unpacklo_epi64(blue, blue2),
        ]
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn luma16([r, g, b]: [__m256i; 3]) -> __m256i {
    let red = _mm256_mulhi_epu16(r, splat(LUMA_R));
    let green = _mm256_mulhi_epu16(g, splat(LUMA_G));
    let blue = _mm256_mulhi_epu16(b, splat(LUMA_B));
    _mm256_srli_epi16::<8>(add(add(red, green), add(blue, splat(LUMA_ROUND))))
}

/// Colours as bytes into units of 2⁻⁸: the lower and the upper eight of each lane.
#[target_feature(enable = "avx2")]
#[inline]
fn widen([r, g, b]: [__m256i; 3]) -> [[__m256i; 3]; 2] {
    let zero = _mm256_setzero_si256();
    [
        [_mm256_unpacklo_epi8(zero, r), _mm256_unpacklo_epi8(zero, g), _mm256_unpacklo_epi8(zero, b)],
        [_mm256_unpackhi_epi8(zero, r), _mm256_unpackhi_epi8(zero, g), _mm256_unpackhi_epi8(zero, b)],
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
fn luma(colours: [__m256i; 3]) -> __m256i {
    let [low, high] = widen(colours);
    _mm256_xor_si256(_mm256_packus_epi16(luma16(low), luma16(high)), _mm256_set1_epi8(-128))
}

/// Cb and Cr as 16-bit numbers, level shift not yet applied.
#[target_feature(enable = "avx2")]
#[inline]
fn chroma16([r, g, b]: [__m256i; 3]) -> [__m256i; 2] {
    let offset = splat(CHROMA_OFFSET);
    let cb = add(_mm256_srli_epi16::<1>(b), offset);
    let cb = sub(sub(cb, _mm256_mulhi_epu16(r, splat(CB_R))), _mm256_mulhi_epu16(g, splat(CB_G)));
    let cr = add(_mm256_srli_epi16::<1>(r), offset);
    let cr = sub(sub(cr, _mm256_mulhi_epu16(g, splat(CR_G))), _mm256_mulhi_epu16(b, splat(CR_B)));
    [_mm256_srli_epi16::<8>(cb), _mm256_srli_epi16::<8>(cr)]
}

/// Sixteen of each, from sums of 2^(8 − `SHIFT`) pixels.
#[target_feature(enable = "avx2")]
#[inline]
fn store_chroma<const SHIFT: i32>([r, g, b]: [__m256i; 3], cb: &mut [u8; 16], cr: &mut [u8; 16]) {
    let scaled =
        [_mm256_slli_epi16::<SHIFT>(r), _mm256_slli_epi16::<SHIFT>(g), _mm256_slli_epi16::<SHIFT>(b)];
    let [b, r] = chroma16(scaled);
    let mixed = _mm256_xor_si256(_mm256_packus_epi16(b, r), _mm256_set1_epi8(-128));
    let sorted = _mm256_permute4x64_epi64::<0b11_01_10_00>(mixed);
    store16(_mm256_castsi256_si128(sorted), cb);
    store16(_mm256_extracti128_si256::<1>(sorted), cr);
}

/// Sums of neighbours.
#[target_feature(enable = "avx2")]
#[inline]
fn pairs([r, g, b]: [__m256i; 3]) -> [__m256i; 3] {
    let ones = _mm256_set1_epi8(1);
    [_mm256_maddubs_epi16(r, ones), _mm256_maddubs_epi16(g, ones), _mm256_maddubs_epi16(b, ones)]
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn full<const B: usize>(row: &[u8], y: &mut [u8], [cb, cr]: [&mut [u8]; 2]) {
    let outputs = y.as_chunks_mut().0.iter_mut().zip(cb.as_chunks_mut().0).zip(cr.as_chunks_mut().0);
    for (pixels, ((y, cb), cr)) in row.chunks_exact(CHUNK * B).zip(outputs) {
        let colours = planes::<B>(pixels);
        store32(luma(colours), y);
        let [low, high] = widen(colours);
        let (low, high) = (chroma16(low), chroma16(high));
        let flip = _mm256_set1_epi8(-128);
        store32(_mm256_xor_si256(_mm256_packus_epi16(low[0], high[0]), flip), cb);
        store32(_mm256_xor_si256(_mm256_packus_epi16(low[1], high[1]), flip), cr);
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn half<const B: usize>(row: &[u8], y: &mut [u8], [cb, cr]: [&mut [u8]; 2]) {
    let outputs = y.as_chunks_mut().0.iter_mut().zip(cb.as_chunks_mut().0).zip(cr.as_chunks_mut().0);
    for (pixels, ((y, cb), cr)) in row.chunks_exact(CHUNK * B).zip(outputs) {
        let colours = planes::<B>(pixels);
        store32(luma(colours), y);
        store_chroma::<7>(pairs(colours), cb, cr);
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn quarter<const B: usize>(rows: [&[u8]; 2], [y0, y1]: [&mut [u8]; 2], [cb, cr]: [&mut [u8]; 2]) {
    let rows = rows[0].chunks_exact(CHUNK * B).zip(rows[1].chunks_exact(CHUNK * B));
    let lumas = y0.as_chunks_mut().0.iter_mut().zip(y1.as_chunks_mut().0);
    let chromas = cb.as_chunks_mut().0.iter_mut().zip(cr.as_chunks_mut().0);
    for (((top, bottom), (y0, y1)), (cb, cr)) in rows.zip(lumas).zip(chromas) {
        let (top, bottom) = (planes::<B>(top), planes::<B>(bottom));
        store32(luma(top), y0);
        store32(luma(bottom), y1);
        let (top, bottom) = (pairs(top), pairs(bottom));
        let sums = [add(top[0], bottom[0]), add(top[1], bottom[1]), add(top[2], bottom[2])];
        store_chroma::<6>(sums, cb, cr);
    }
}

// Transform

#[target_feature(enable = "avx2")]
fn times(a: __m256i, c: i16) -> __m256i {
    _mm256_mulhrs_epi16(a, _mm256_set1_epi16(c))
}

/// One pass of eight 8-point DCTs for each of two blocks; see [`dct`].
#[target_feature(enable = "avx2")]
#[inline]
fn pass(x: [__m256i; 8]) -> [__m256i; 8] {
    let sums = [add(x[0], x[7]), add(x[1], x[6]), add(x[2], x[5]), add(x[3], x[4])];
    let d = [sub(x[0], x[7]), sub(x[1], x[6]), sub(x[2], x[5]), sub(x[3], x[4])];
    let (e0, e3) = (add(sums[0], sums[3]), sub(sums[0], sums[3]));
    let (e1, e2) = (add(sums[1], sums[2]), sub(sums[1], sums[2]));
    let big3 = add(e3, times(e3, dct::R6_SIN_LESS_1));
    let big2 = add(e2, times(e2, dct::R6_SIN_LESS_1));

    let a = sub(times(d[0], dct::C3), times(d[3], dct::S3));
    let b = add(times(d[0], dct::S3), times(d[3], dct::C3));
    let c = add(times(d[1], dct::S1), times(d[2], dct::C1));
    let e = sub(times(d[1], dct::C1), times(d[2], dct::S1));
    let (ac, be) = (add(a, c), add(b, e));
    let (a_c, b_e) = (sub(a, c), sub(b, e));
    [
        add(e0, e1),
        add(ac, be),
        add(big3, times(e2, dct::R6_COS)),
        add(a_c, times(a_c, dct::SQRT2_LESS_1)),
        sub(e0, e1),
        add(b_e, times(b_e, dct::SQRT2_LESS_1)),
        sub(times(e3, dct::R6_COS), big2),
        sub(ac, be),
    ]
}

/// Transposes the 8×8 numbers of each lane.
#[target_feature(enable = "avx2")]
#[inline]
fn transpose(x: [__m256i; 8]) -> [__m256i; 8] {
    let p = [
        _mm256_unpacklo_epi16(x[0], x[1]),
        _mm256_unpackhi_epi16(x[0], x[1]),
        _mm256_unpacklo_epi16(x[2], x[3]),
        _mm256_unpackhi_epi16(x[2], x[3]),
        _mm256_unpacklo_epi16(x[4], x[5]),
        _mm256_unpackhi_epi16(x[4], x[5]),
        _mm256_unpacklo_epi16(x[6], x[7]),
        _mm256_unpackhi_epi16(x[6], x[7]),
    ];
    let q = [
        _mm256_unpacklo_epi32(p[0], p[2]),
        _mm256_unpackhi_epi32(p[0], p[2]),
        _mm256_unpacklo_epi32(p[1], p[3]),
        _mm256_unpackhi_epi32(p[1], p[3]),
        _mm256_unpacklo_epi32(p[4], p[6]),
        _mm256_unpackhi_epi32(p[4], p[6]),
        _mm256_unpacklo_epi32(p[5], p[7]),
        _mm256_unpackhi_epi32(p[5], p[7]),
    ];
    [
        _mm256_unpacklo_epi64(q[0], q[4]),
        _mm256_unpackhi_epi64(q[0], q[4]),
        _mm256_unpacklo_epi64(q[1], q[5]),
        _mm256_unpackhi_epi64(q[1], q[5]),
        _mm256_unpacklo_epi64(q[2], q[6]),
        _mm256_unpackhi_epi64(q[2], q[6]),
        _mm256_unpacklo_epi64(q[3], q[7]),
        _mm256_unpackhi_epi64(q[3], q[7]),
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
fn forward(plane: &[u8], stride: usize) -> [__m256i; 8] {
    let mut rows = [_mm256_setzero_si256(); 8];
    for (y, row) in rows.iter_mut().enumerate() {
        let samples = plane[y * stride..].first_chunk().unwrap_or(&[0; 16]);
        *row = _mm256_slli_epi16::<4>(_mm256_cvtepi8_epi16(load16(samples)));
    }
    let mut once = pass(rows);
    for row in &mut once {
        *row = times(*row, dct::QUARTER);
    }
    pass(transpose(once))
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn coefficients(plane: &[u8], stride: usize, out: &mut [Block; 2]) {
    store_columns(forward(plane, stride), out);
}

#[target_feature(enable = "avx2")]
fn store_columns(columns: [__m256i; 8], [left, right]: &mut [Block; 2]) {
    let places = left.as_chunks_mut().0.iter_mut().zip(right.as_chunks_mut().0);
    for (column, (left, right)) in columns.into_iter().zip(places) {
        store_row(_mm256_castsi256_si128(column), left);
        store_row(_mm256_extracti128_si256::<1>(column), right);
    }
}

/// For each group of 16 zigzag places and each pair of columns: the bytes to take, or 0x80 for none.
const SORT: [[[u8; 16]; 4]; 4] = {
    let mut sort = [[[0x80; 16]; 4]; 4];
    let mut k = 0;
    while k < 64 {
        let at = ZIGZAG_TRANSPOSED[k];
        sort[k / 16][at as usize / 16][k % 16] = at % 16;
        k += 1;
    }
    sort
};

/// Whether a pair of columns has anything in a group of zigzag places.
const fn has_any(sort: &[u8; 16]) -> bool {
    let mut i = 0;
    while i < 16 {
        if sort[i] != 0x80 {
            return true;
        }
        i += 1;
    }
    false
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the DC levels come zero-extended from 16 bits")]
fn levels(plane: &[u8], stride: usize, quantiser: &Quantiser, out: &mut [Block; 2]) -> [Mask; 2] {
    let raw = forward(plane, stride);
    let (half, reciprocal, scale) =
        (quantiser.half.as_chunks().0, quantiser.reciprocal.as_chunks().0, quantiser.scale.as_chunks().0);
    let mut large = _mm256_setzero_si256();
    let mut columns = raw;
    for (u, column) in columns.iter_mut().enumerate() {
        let biased = add(_mm256_abs_epi16(*column), both(&half[u]));
        let magnitude = _mm256_mulhi_epu16(_mm256_mulhi_epu16(biased, both(&reciprocal[u])), both(&scale[u]));
        let ac = if u == 0 { _mm256_blend_epi16::<1>(magnitude, _mm256_setzero_si256()) } else { magnitude };
        large = _mm256_or_si256(large, ac);
        *column = _mm256_sign_epi16(magnitude, *column);
    }
    let dc = [_mm256_extract_epi16::<0>(columns[0]) as i16, _mm256_extract_epi16::<8>(columns[0]) as i16];
    if _mm256_testz_si256(large, splat(0xFF80)) == 0 {
        return wide(raw, quantiser, out);
    }
    // Levels fit bytes: sort them by byte shuffles, two columns of each block in a register.
    let packed = [
        _mm256_packs_epi16(columns[0], columns[1]),
        _mm256_packs_epi16(columns[2], columns[3]),
        _mm256_packs_epi16(columns[4], columns[5]),
        _mm256_packs_epi16(columns[6], columns[7]),
    ];
    let zero = _mm256_setzero_si256();
    let mut zeros = [0u64; 2];
    let [left, right] = out;
    for (group, (left, right)) in left.as_chunks_mut().0.iter_mut().zip(right.as_chunks_mut().0).enumerate() {
        let mut sorted = zero;
        for (packed, sort) in packed.iter().zip(&SORT[group]) {
            if has_any(sort) {
                sorted = _mm256_or_si256(sorted, _mm256_shuffle_epi8(*packed, both_bytes(*sort)));
            }
        }
        let is_zero = _mm256_movemask_epi8(_mm256_cmpeq_epi8(sorted, zero)).cast_unsigned();
        zeros[0] |= u64::from(is_zero & 0xFFFF) << (16 * group);
        zeros[1] |= u64::from(is_zero >> 16) << (16 * group);
        store_levels(_mm256_cvtepi8_epi16(_mm256_castsi256_si128(sorted)), left);
        store_levels(_mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(sorted)), right);
    }
    [left[0], right[0]] = dc;
    [!zeros[0] & !WIDE, !zeros[1] & !WIDE]
}

/// The rare case: some AC level does not fit a byte.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[cold]
fn wide(raw: [__m256i; 8], quantiser: &Quantiser, out: &mut [Block; 2]) -> [Mask; 2] {
    let mut unsorted = [[0; 64]; 2];
    store_columns(raw, &mut unsorted);
    let ((left, left_mask), (right, right_mask)) =
        (quantiser.round(&unsorted[0]), quantiser.round(&unsorted[1]));
    *out = [left, right];
    [left_mask, right_mask]
}
