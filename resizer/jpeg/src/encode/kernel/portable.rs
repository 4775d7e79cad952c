//! The kernels without instruction sets in mind; loops over arrays of eight that compilers vectorise.

use super::super::quantisation::{Quantiser, mulhi};
use super::{
    Block, CB_G, CB_R, CHROMA_OFFSET, CHUNK, CR_B, CR_G, Kernel, LUMA_B, LUMA_G, LUMA_R, LUMA_ROUND, Mask,
    dct,
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
        let outputs = y.as_chunks_mut().0.iter_mut().zip(cb.as_chunks_mut().0).zip(cr.as_chunks_mut().0);
        for (pixels, ((y, cb), cr)) in row.as_chunks::<B>().0.as_chunks::<CHUNK>().0.iter().zip(outputs) {
            let colours = planes(pixels);
            luma(&colours, y);
            chroma(&colours, 8, cb, cr);
        }
    }

    fn half<const B: usize>(self, row: &[u8], y: &mut [u8], [cb, cr]: [&mut [u8]; 2]) {
        let outputs = y.as_chunks_mut().0.iter_mut().zip(cb.as_chunks_mut().0).zip(cr.as_chunks_mut().0);
        for (pixels, ((y, cb), cr)) in row.as_chunks::<B>().0.as_chunks::<CHUNK>().0.iter().zip(outputs) {
            let colours = planes(pixels);
            luma(&colours, y);
            chroma(&pairs(&colours), 7, cb, cr);
        }
    }

    fn quarter<const B: usize>(self, rows: [&[u8]; 2], [y0, y1]: [&mut [u8]; 2], [cb, cr]: [&mut [u8]; 2]) {
        let [top, bottom] = rows.map(|row| row.as_chunks::<B>().0.as_chunks::<CHUNK>().0);
        let lumas = y0.as_chunks_mut().0.iter_mut().zip(y1.as_chunks_mut().0);
        let chromas = cb.as_chunks_mut().0.iter_mut().zip(cr.as_chunks_mut().0);
        for (((top, bottom), (y0, y1)), (cb, cr)) in top.iter().zip(bottom).zip(lumas).zip(chromas) {
            let (top, bottom) = (planes(top), planes(bottom));
            luma(&top, y0);
            luma(&bottom, y1);
            let (mut sums, bottom) = (pairs(&top), pairs(&bottom));
            for (sum, bottom) in sums.as_flattened_mut().iter_mut().zip(bottom.as_flattened()) {
                *sum += bottom;
            }
            chroma(&sums, 6, cb, cr);
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

/// Red, green and blue of a chunk, each together: the arithmetic that follows is one loop a line.
fn planes<const B: usize>(pixels: &[[u8; B]; CHUNK]) -> [[u16; CHUNK]; 3] {
    let mut planes = [[0; CHUNK]; 3];
    let [r, g, b] = &mut planes;
    for (((r, g), b), pixel) in r.iter_mut().zip(g).zip(b).zip(pixels) {
        (*r, *g, *b) = (pixel[0].into(), pixel[1].into(), pixel[2].into());
    }
    planes
}

/// Sums of neighbours.
fn pairs(planes: &[[u16; CHUNK]; 3]) -> [[u16; CHUNK / 2]; 3] {
    let mut sums = [[0; CHUNK / 2]; 3];
    for (sums, plane) in sums.iter_mut().zip(planes) {
        for (sum, [a, b]) in sums.iter_mut().zip(plane.as_chunks().0) {
            *sum = a + b;
        }
    }
    sums
}

/// `(a·b + 2¹⁴) >> 15`, as the instruction pmulhrsw rounds; from the halves of the product, so that 16-bit vector
/// instructions do.
#[inline(always)]
fn mulhrs(a: i16, b: i16) -> i16 {
    let high = ((i32::from(a) * i32::from(b)) >> 16) as i16;
    let low = a.wrapping_mul(b).cast_unsigned();
    (high << 1) + (((low >> 14) + 1) >> 1).cast_signed()
}

fn luma([r, g, b]: &[[u16; CHUNK]; 3], y: &mut [u8; CHUNK]) {
    for (((y, &r), &g), &b) in y.iter_mut().zip(r).zip(g).zip(b) {
        let sum = mulhi(r << 8, LUMA_R) + mulhi(g << 8, LUMA_G) + mulhi(b << 8, LUMA_B) + LUMA_ROUND;
        *y = sum.to_be_bytes()[0] ^ 0x80;
    }
}

/// Cb and Cr from sums of 2^(8 − `shift`) pixels.
fn chroma<const N: usize>([r, g, b]: &[[u16; N]; 3], shift: u32, cb: &mut [u8; N], cr: &mut [u8; N]) {
    for ((((cb, cr), &r), &g), &b) in cb.iter_mut().zip(cr).zip(r).zip(g).zip(b) {
        let (r, g, b) = (r << shift, g << shift, b << shift);
        let blue = (b >> 1) + CHROMA_OFFSET - mulhi(r, CB_R) - mulhi(g, CB_G);
        let red = (r >> 1) + CHROMA_OFFSET - mulhi(g, CR_G) - mulhi(b, CR_B);
        (*cb, *cr) = (blue.to_be_bytes()[0] ^ 0x80, red.to_be_bytes()[0] ^ 0x80);
    }
}

/// Both passes; the result stands column by column.
fn forward(plane: &[u8], stride: usize) -> [Row; 8] {
    let mut rows = [[0; 8]; 8];
    for (row, samples) in rows.iter_mut().zip(plane.chunks(stride)) {
        for (out, &sample) in row.iter_mut().zip(&samples[..8]) {
            *out = i16::from(sample.cast_signed()) << 4;
        }
    }
    let mut once = pass(&rows);
    for row in &mut once {
        *row = times(row, dct::QUARTER);
    }
    let mut columns = [[0; 8]; 8];
    for (x, column) in columns.iter_mut().enumerate() {
        for (out, row) in column.iter_mut().zip(&once) {
            *out = row[x];
        }
    }
    pass(&columns)
}

#[inline(always)]
fn each(a: &Row, b: &Row, f: impl Fn(i16, i16) -> i16) -> Row {
    let mut out = [0; 8];
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
    out
}

#[inline(always)]
fn add(a: &Row, b: &Row) -> Row {
    each(a, b, i16::wrapping_add)
}

#[inline(always)]
fn sub(a: &Row, b: &Row) -> Row {
    each(a, b, i16::wrapping_sub)
}

#[inline(always)]
fn times(a: &Row, c: i16) -> Row {
    each(a, a, |a, _| mulhrs(a, c))
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
