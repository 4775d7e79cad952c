//! Attacks on the boundary to C: shapes, lengths, limits, and many at once.

use super::*;

const EFFORT: Effort = Effort { method: 4, sharp_yuv: false };
const SHARP: Effort = Effort { method: 6, sharp_yuv: true };

fn pixels(width: u32, height: u32, channels: usize) -> Vec<u8> {
    (0..width as usize * height as usize * channels).map(|i| (i * 7 % 251) as u8).collect()
}

#[test]
fn every_shape_comes_back_with_its_size() {
    let shapes = [
        (1, 1),
        (1, 2),
        (2, 1),
        (3, 5),
        (15, 17),
        (16, 16),
        (17, 15),
        (1, 333),
        (333, 1),
        (16_383, 1),
        (1, 16_383),
    ];
    for (width, height) in shapes {
        for has_alpha in [false, true] {
            let data = pixels(width, height, if has_alpha { 4 } else { 3 });
            let channels = if has_alpha { Channels::Rgba } else { Channels::Rgb };
            let picture = Picture::new(&data, width, height, channels).unwrap();
            for mode in
                [Mode::Lossy(0, EFFORT), Mode::Lossy(75, SHARP), Mode::Lossy(100, EFFORT), Mode::Lossless(3)]
            {
                let file = encode(&picture, mode, &Cancel::new()).unwrap();
                let read = image::load_from_memory(&file).unwrap();
                assert_eq!((read.width(), read.height()), (width, height), "{mode:?}");
            }
        }
    }
}

#[test]
fn buffers_must_be_exactly_the_pixels() {
    let data = pixels(10, 10, 4);
    assert!(Picture::new(&data, 10, 10, Channels::Rgba).is_some());
    for (length, width, height, channels) in [
        (399, 10, 10, Channels::Rgba),
        (400, 10, 10, Channels::Rgb),
        (400, 10, 11, Channels::Rgba),
        (400, 11, 10, Channels::Rgba),
        (0, 0, 0, Channels::Rgba),
        (0, 10, 0, Channels::Rgb),
        (400, u32::MAX, 1, Channels::Rgba),
        // 16385 * 16385 * 4 would wrap in 32 bits to a small number.
        (400, 1 << 16, 1 << 16, Channels::Rgba),
    ] {
        assert!(Picture::new(&data[..length], width, height, channels).is_none(), "{width}x{height}");
    }
    let long = pixels(16_384, 1, 3);
    assert!(Picture::new(&long, 16_384, 1, Channels::Rgb).is_none());
    assert!(Picture::new(&long, 1, 16_384, Channels::Rgb).is_none());
}

#[test]
fn qualities_beyond_the_scale_are_refused() {
    let data = pixels(8, 8, 3);
    let picture = Picture::new(&data, 8, 8, Channels::Rgb).unwrap();
    assert!(encode(&picture, Mode::Lossy(101, EFFORT), &Cancel::new()).is_none());
    assert!(encode(&picture, Mode::Lossy(255, EFFORT), &Cancel::new()).is_none());
}

#[test]
fn threads_do_not_meet() {
    let data = pixels(97, 61, 4);
    let make = || {
        let picture = Picture::new(&data, 97, 61, Channels::Rgba).unwrap();
        {
            let encode = |mode| encode(&picture, mode, &Cancel::new()).unwrap();
            (encode(Mode::Lossy(80, EFFORT)), encode(Mode::Lossless(3)))
        }
    };
    let expected = make();
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| (0..5).map(|_| make()).collect::<Vec<_>>())).collect();
        for thread in threads {
            assert!(thread.join().unwrap().iter().all(|made| *made == expected));
        }
    });
}

#[test]
fn it_stops_when_nobody_wants_the_file_any_more() {
    let data = pixels(640, 480, 4);
    let picture = Picture::new(&data, 640, 480, Channels::Rgba).unwrap();
    for mode in [Mode::Lossy(75, EFFORT), Mode::Lossless(3)] {
        let cancel = Cancel::new();
        assert!(encode(&picture, mode, &cancel).is_some(), "{mode:?}");
        cancel.cancel();
        assert!(encode(&picture, mode, &cancel).is_none(), "{mode:?}");
        let late = Cancel::new().with_deadline(std::time::Instant::now());
        assert!(encode(&picture, mode, &late).is_none(), "{mode:?}");
    }
}

#[test]
fn gray_planes_are_what_libwebp_makes_of_gray_pixels() {
    for (width, height) in [(1, 1), (16, 16), (17, 9), (256, 3), (333, 1)] {
        let gray = pixels(width, height, 1);
        let wide: Vec<u8> = gray.iter().flat_map(|&value| [value; 3]).collect();
        for quality in [10, 75, 100] {
            let gray = Picture::new(&gray, width, height, Channels::Gray).unwrap();
            let wide = Picture::new(&wide, width, height, Channels::Rgb).unwrap();
            let [gray, wide] = [gray, wide]
                .map(|picture| encode(&picture, Mode::Lossy(quality, EFFORT), &Cancel::new()).unwrap());
            assert_eq!(gray, wide, "{width}x{height} {quality}");
        }
    }
}
