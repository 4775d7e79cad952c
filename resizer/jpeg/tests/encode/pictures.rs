//! Pictures made in code: smooth shades, edges and noise in one, so that blocks of every kind occur.

/// Interleaved 8-bit samples of `channels` a pixel; the same for the same arguments.
pub(crate) fn picture(width: usize, height: usize, channels: usize) -> Vec<u8> {
    let mut noise = 0x2545_F491u32;
    let mut samples = Vec::with_capacity(width * height * channels);
    for y in 0..height {
        for x in 0..width {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let grain = if (x / 16 + y / 16) % 3 == 0 { (noise & 31) as usize } else { 0 };
            let edge = if (x * 3 + y * 2) % 40 < 9 { 60 } else { 0 };
            for c in 0..channels {
                let shade = match c {
                    0 => x * 180 / width.max(1),
                    1 => y * 180 / height.max(1),
                    2 => (x + y) * 90 / (width + height).max(1) + 40,
                    _ => noise as usize >> 8 & 255,
                };
                samples.push((shade + edge + grain).min(255) as u8);
            }
        }
    }
    samples
}

/// Colour without detail: what is left of it after coding does not depend on how chroma is sampled.
pub(crate) fn smooth(width: usize, height: usize) -> Vec<u8> {
    let mut samples = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            samples.extend([
                (x * 200 / width.max(100)) as u8 + 20,
                (y * 200 / height.max(100)) as u8 + 20,
                128,
            ]);
        }
    }
    samples
}

/// Mean signal-to-noise ratio of two pictures, dB.
pub(crate) fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    10.0 * (65025.0 * a.len() as f64 / (sum as f64).max(1e-9)).log10()
}
