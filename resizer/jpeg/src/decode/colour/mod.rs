//! Colour conversion of rows, as libjpeg's integer tables give it (`jdcolor.c`: 16-bit fractions, rounded).

mod ycc;

pub(crate) use ycc::YccToRgb;

/// 1.40200 · 2^16, and so on (BT.601 as JFIF has it).
const RED_CR: i32 = 91_881;
const GREEN_CB: i32 = -22_554;
const GREEN_CR: i32 = -46_802;
const BLUE_CB: i32 = 116_130;
const HALF: i32 = 1 << 15;

#[inline]
fn clamp(value: i32) -> u8 {
    value.clamp(0, 255).to_le_bytes()[0]
}

#[inline]
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    [
        clamp(y + ((RED_CR * cr + HALF) >> 16)),
        clamp(y + ((GREEN_CB * cb + GREEN_CR * cr + HALF) >> 16)),
        clamp(y + ((BLUE_CB * cb + HALF) >> 16)),
    ]
}

/// YCCK to CMYK: the first three are the inverse of what YCbCr gives; K passes.
pub(crate) fn ycck_to_cmyk(planes: [&[u8]; 4], out: &mut [u8]) {
    let [y, cb, cr, k] = planes;
    for ((((pixel, y), cb), cr), k) in out.chunks_exact_mut(4).zip(y).zip(cb).zip(cr).zip(k) {
        let [r, g, b] = rgb(*y, *cb, *cr);
        pixel.copy_from_slice(&[255 - r, 255 - g, 255 - b, *k]);
    }
}

/// Components side by side.
pub(crate) fn interleave<const N: usize>(planes: [&[u8]; N], out: &mut [u8]) {
    for (x, pixel) in out.chunks_exact_mut(N).enumerate() {
        for (byte, plane) in pixel.iter_mut().zip(planes) {
            *byte = plane[x];
        }
    }
}

/// Gray to three equal components.
pub(crate) fn gray_to_rgb(gray: &[u8], out: &mut [u8]) {
    for (pixel, y) in out.chunks_exact_mut(3).zip(gray) {
        pixel.fill(*y);
    }
}

/// Luma of RGB: 0.29900, 0.58700 and 0.11400 of 2^16.
pub(crate) fn rgb_to_gray(planes: [&[u8]; 3], out: &mut [u8]) {
    let [r, g, b] = planes;
    for (((gray, r), g), b) in out.iter_mut().zip(r).zip(g).zip(b) {
        *gray = clamp((19_595 * i32::from(*r) + 38_470 * i32::from(*g) + 7_471 * i32::from(*b) + HALF) >> 16);
    }
}
