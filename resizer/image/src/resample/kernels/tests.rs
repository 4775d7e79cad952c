use super::*;
use crate::{options::Kernel, resample::weights::Axis, sample::Random};

fn row(random: &mut Random, chunks: usize, extreme: bool) -> Vec<Chunk> {
    let mut sample = || {
        let value = random.below(if extreme { 65_536 } else { 16_385 }) as i32;
        (if extreme { value - 32_768 } else { value }) as i16
    };
    (0..chunks).map(|_| std::array::from_fn(|_| sample())).collect()
}

/// The definition, in 64 bits.
fn exact(products: impl Iterator<Item = (i16, i16)>) -> i16 {
    let sum: i64 = products.map(|(a, b)| i64::from(a) * i64::from(b)).sum();
    ((sum + i64::from(ROUND)) >> BITS).clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

#[test]
fn vertical_sums_are_exact() {
    let mut random = Random::new(1);
    for (count, extreme) in
        [(1, false), (2, true), (5, true), (15, false), (16, false), (17, false), (40, false)]
    {
        let axis = Axis { length: count, from: 0.0, span: f64::from(count), count: 1, boxed: 1 };
        let weights = Weights::new(Kernel::Lanczos3, &axis);
        let window = weights.window(0).unwrap();
        let rows: Vec<_> = (0..window.length).map(|_| row(&mut random, 3, extreme)).collect();
        let rows: Vec<&[Chunk]> = rows.iter().map(Vec::as_slice).collect();
        let of = weights.of(0);
        let (mut found, mut plain) = ([[0; 32]; 3], [[0; 32]; 3]);
        vertical(&rows, of, &mut found);
        portable::vertical(&rows, of, &mut plain);
        assert_eq!(found, plain, "{count}");
        for (x, found) in found.as_flattened().iter().enumerate() {
            let samples = rows.iter().map(|row| row.as_flattened()[x]);
            assert_eq!(*found, exact(samples.zip(of.as_flattened().iter().copied())), "{count} at {x}");
        }
    }
}

#[test]
fn horizontal_sums_are_exact() {
    let mut random = Random::new(2);
    for (length, count) in [(1, 1), (1, 40), (7, 3), (50, 49), (300, 41), (300, 2), (90, 200)] {
        let axis = Axis { length, from: 0.0, span: f64::from(length), count, boxed: 2 };
        let weights = Weights::new(Kernel::Lanczos3, &axis);
        let plane = row(&mut random, chunks(length as usize), false);
        let (mut found, mut plain) = (vec![0; count as usize], vec![0; count as usize]);
        horizontal(&plane, &weights, &mut found);
        portable::horizontal(&plane, &weights, &mut plain);
        assert_eq!(found, plain, "{length} to {count}");
        for (index, (window, found)) in weights.windows().iter().zip(&found).enumerate() {
            let samples = plane.as_flattened()[window.first..].iter().copied();
            let of = weights.of(index).as_flattened().iter().copied();
            assert_eq!(*found, exact(samples.zip(of)), "{length} to {count}");
        }
    }
}

#[test]
fn means_are_exact() {
    let mut random = Random::new(3);
    for chunks in 1..5 {
        let (upper, lower) = (row(&mut random, chunks, true), row(&mut random, chunks, true));
        let mut found = vec![[0; 32]; chunks.div_ceil(2)];
        let mut plain = found.clone();
        halve(&upper, &lower, &mut found);
        portable::halve(&upper, &lower, &mut plain);
        assert_eq!(found, plain);
        let (upper, lower) = (upper.as_flattened(), lower.as_flattened());
        for (x, found) in found.as_flattened()[..16 * chunks].iter().enumerate() {
            let sum: i32 =
                [upper[2 * x], upper[2 * x + 1], lower[2 * x], lower[2 * x + 1]].map(i32::from).iter().sum();
            assert_eq!(i32::from(*found), (sum + 2) >> 2);
        }
    }
}

#[test]
fn lights_are_those_of_the_parabolas() {
    let mut random = Random::new(4);
    let curve = Parabolas::srgb();
    for width in [0, 1, 31, 32, 33, 64, 100, 300] {
        let row: Vec<u8> = (0..3 * width).map(|_| random.below(256) as u8).collect();
        let mut planes = [(); 3].map(|()| vec![[7; 32]; chunks(width)]);
        let [red, green, blue] = &mut planes;
        let done = light(&row, [red, green, blue], curve);
        assert!(done <= width);
        for (x, pixel) in row.as_chunks::<3>().0.iter().enumerate().take(done) {
            for (plane, value) in planes.iter().zip(pixel) {
                assert_eq!(plane.as_flattened()[x], curve.light(*value), "{x} of {width}");
            }
        }
        let mut plane = vec![[7; 32]; chunks(3 * width)];
        let done = light(&row, [&mut plane], curve);
        for (number, value) in plane.as_flattened().iter().zip(&row).take(done) {
            assert_eq!(*number, curve.light(*value));
        }
        light(&row, [&mut []], curve);
    }
}

#[test]
fn lengths_that_do_not_fit_do_no_harm() {
    let axis = Axis { length: 100, from: 0.0, span: 100.0, count: 9, boxed: 1 };
    let weights = Weights::new(Kernel::Lanczos3, &axis);
    let short = [[1; 32]; 1];
    horizontal(&short, &weights, &mut [0; 4]);
    horizontal(&[], &weights, &mut [0; 20]);
    horizontal(&short, &weights, &mut []);
    vertical(&[&short, &[]], weights.of(0), &mut [[0; 32]; 5]);
    vertical(&[], &[], &mut [[0; 32]; 2]);
    halve(&short, &[], &mut [[0; 32]; 3]);
    halve(&short, &short, &mut []);
}
