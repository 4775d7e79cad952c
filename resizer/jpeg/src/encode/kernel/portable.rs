//! The kernels without instruction sets in mind; loops over arrays of eight that compilers vectorise.

use super::super::quantisation::{Quantiser, mulhi};
use super::{
    Block, CB_G, CB_R, CHROMA_OFFSET, CR_B, CR_G, Kernel, LUMA_B, LUMA_G, LUMA_R, LUMA_ROUND, Mask, dct,
};

/// Works everywhere.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Portable;

/// Eight coefficients, one of each column.
type Row = [i16; 8];

impl Kernel for Portable {
    fn gray(self, row: &[u8], y: &mut [u8]) {
        for (y, &sample) in y.iter_mut().zip(row) {
            *y = sample ^ 0x80;
        }
    }

    fn full<const B: usize>(self, row: &[u8], y: &mut [u8], [cb, cr]: [&mut [u8]; 2]) {
        let (pixels, _) = row.as_chunks::<B>();
        for (((pixel, y), cb), cr) in pixels.iter().zip(y).zip(cb).zip(cr) {
            *y = luma(pixel);
            [*cb, *cr] = chroma(colours(pixel).map(|c| c << 8));
        }
    }

    fn half<const B: usize>(self, row: &[u8], y: &mut [u8], [cb, cr]: [&mut [u8]; 2]) {
        let (pairs, _) = row.as_chunks::<B>().0.as_chunks::<2>();
        for (((pair, y), cb), cr) in pairs.iter().zip(y.as_chunks_mut::<2>().0).zip(cb).zip(cr) {
            *y = [luma(&pair[0]), luma(&pair[1])];
            [*cb, *cr] = chroma(sum(pair).map(|c| c << 7));
        }
    }

    fn quarter<const B: usize>(self, rows: [&[u8]; 2], y: [&mut [u8]; 2], [cb, cr]: [&mut [u8]; 2]) {
        let [top, bottom] = rows.map(|row| row.as_chunks::<B>().0.as_chunks::<2>().0);
        let [y0, y1] = y.map(|y| y.as_chunks_mut::<2>().0);
        for (((((top, bottom), y0), y1), cb), cr) in top.iter().zip(bottom).zip(y0).zip(y1).zip(cb).zip(cr) {
            *y0 = [luma(&top[0]), luma(&top[1])];
            *y1 = [luma(&bottom[0]), luma(&bottom[1])];
            let (a, b) = (sum(top), sum(bottom));
            [*cb, *cr] = chroma([a[0] + b[0], a[1] + b[1], a[2] + b[2]].map(|c| c << 6));
        }
    }

    fn levels(self, plane: &[u8], stride: usize, quantiser: &Quantiser, out: &mut [Block; 2]) -> [Mask; 2] {
        let mut masks = [0; 2];
        for (i, (out, mask)) in out.iter_mut().zip(&mut masks).enumerate() {
            let mut raw = [0; 64];
            raw.copy_from_slice(forward(&plane[8 * i..], stride).as_flattened());
            (*out, *mask) = quantiser.round(&raw);
        }
        masks
    }

    fn coefficients(self, plane: &[u8], stride: usize, out: &mut [Block; 2]) {
        for (i, out) in out.iter_mut().enumerate() {
            out.copy_from_slice(forward(&plane[8 * i..], stride).as_flattened());
        }
    }
}

fn colours<const B: usize>(pixel: &[u8; B]) -> [u16; 3] {
    [u16::from(pixel[0]), u16::from(pixel[1]), u16::from(pixel[2])]
}

fn sum<const B: usize>(pair: &[[u8; B]; 2]) -> [u16; 3] {
    let (a, b) = (colours(&pair[0]), colours(&pair[1]));
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// `(a·b + 2¹⁴) >> 15`, as the instruction pmulhrsw rounds.
#[expect(clippy::cast_possible_truncation, reason = "b is below 2¹⁵, so the result is no larger than a")]
fn mulhrs(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b) + 0x4000) >> 15) as i16
}

fn luma<const B: usize>(pixel: &[u8; B]) -> u8 {
    let [r, g, b] = colours(pixel).map(|c| c << 8);
    let y = mulhi(r, LUMA_R) + mulhi(g, LUMA_G) + mulhi(b, LUMA_B) + LUMA_ROUND;
    y.to_be_bytes()[0] ^ 0x80
}

/// Cb and Cr of colours in units of 2⁻⁸.
fn chroma([r, g, b]: [u16; 3]) -> [u8; 2] {
    let cb = (b >> 1) + CHROMA_OFFSET - mulhi(r, CB_R) - mulhi(g, CB_G);
    let cr = (r >> 1) + CHROMA_OFFSET - mulhi(g, CR_G) - mulhi(b, CR_B);
    [cb.to_be_bytes()[0] ^ 0x80, cr.to_be_bytes()[0] ^ 0x80]
}

/// Both passes; the result stands column by column.
fn forward(plane: &[u8], stride: usize) -> [Row; 8] {
    let mut rows = [[0; 8]; 8];
    for (row, samples) in rows.iter_mut().zip(plane.chunks(stride)) {
        for (out, &sample) in row.iter_mut().zip(&samples[..8]) {
            *out = i16::from(sample.cast_signed()) << 4;
        }
    }
    let once = pass(&rows).map(|row| times(&row, dct::QUARTER));
    let mut columns = [[0; 8]; 8];
    for (x, column) in columns.iter_mut().enumerate() {
        for (out, row) in column.iter_mut().zip(&once) {
            *out = row[x];
        }
    }
    pass(&columns)
}

fn each(a: &Row, b: &Row, f: impl Fn(i16, i16) -> i16) -> Row {
    let mut out = [0; 8];
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
    out
}

fn add(a: &Row, b: &Row) -> Row {
    each(a, b, i16::wrapping_add)
}

fn sub(a: &Row, b: &Row) -> Row {
    each(a, b, i16::wrapping_sub)
}

fn times(a: &Row, c: i16) -> Row {
    a.map(|a| mulhrs(a, c))
}

/// One pass of eight 8-point DCTs, √8 times the orthonormal one; see [`dct`].
fn pass(x: &[Row; 8]) -> [Row; 8] {
    let sums = [add(&x[0], &x[7]), add(&x[1], &x[6]), add(&x[2], &x[5]), add(&x[3], &x[4])];
    let d = [sub(&x[0], &x[7]), sub(&x[1], &x[6]), sub(&x[2], &x[5]), sub(&x[3], &x[4])];
    let (e0, e3) = (add(&sums[0], &sums[3]), sub(&sums[0], &sums[3]));
    let (e1, e2) = (add(&sums[1], &sums[2]), sub(&sums[1], &sums[2]));
    let big3 = add(&e3, &times(&e3, dct::R6_SIN_LESS_1));
    let big2 = add(&e2, &times(&e2, dct::R6_SIN_LESS_1));

    let a = sub(&times(&d[0], dct::C3), &times(&d[3], dct::S3));
    let b = add(&times(&d[0], dct::S3), &times(&d[3], dct::C3));
    let c = add(&times(&d[1], dct::S1), &times(&d[2], dct::C1));
    let e = sub(&times(&d[1], dct::C1), &times(&d[2], dct::S1));
    let (ac, be) = (add(&a, &c), add(&b, &e));
    let (a_c, b_e) = (sub(&a, &c), sub(&b, &e));
    [
        add(&e0, &e1),
        add(&ac, &be),
        add(&big3, &times(&e2, dct::R6_COS)),
        add(&a_c, &times(&a_c, dct::SQRT2_LESS_1)),
        sub(&e0, &e1),
        add(&b_e, &times(&b_e, dct::SQRT2_LESS_1)),
        sub(&times(&e3, dct::R6_COS), &big2),
        sub(&ac, &be),
    ]
}
