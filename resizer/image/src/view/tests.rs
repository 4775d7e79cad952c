use std::num::NonZeroU32;

use image::RgbaImage;
use proptest::prelude::*;

use super::*;
use crate::{
    accept::Accepts,
    cancel::Cancel,
    limits::Limits,
    options::{Fit, FocalMode, FormatChoice, Gravity, Options},
    orient::Orientation,
    pipeline::process,
    pixels::{Layout, Pixels},
    plan,
    probe::probe,
    sample::{self, Jpeg, drawing},
};

fn options(fit: Fit, width: u32, height: u32) -> Options {
    let (width, height) = (NonZeroU32::new(width), NonZeroU32::new(height));
    Options { width, height, fit, format: FormatChoice::Png, ..Options::default() }
}

fn jobs(info: &Info, all: &[Options]) -> Vec<Job> {
    all.iter()
        .map(|options| Job {
            options: options.clone(),
            plan: plan::plan(info.size(), options, &[], &Limits::default()).unwrap(),
            accepts: Accepts::CLASSIC,
        })
        .collect()
}

/// What a JPEG of this size would be.
fn jpeg(width: u32, height: u32) -> Info {
    let info = probe(&Jpeg::default().write(&drawing(8, 8, Layout::Rgb)), &Limits::default()).unwrap();
    Info { stored_size: Size::new(width, height), ..info }
}

#[test]
fn twice_the_output_is_left() {
    let info = jpeg(4000, 3000);
    for (wanted, scale) in [
        (&[options(Fit::ScaleDown, 0, 0)][..], Scale::Full),
        (&[options(Fit::ScaleDown, 1600, 0)], Scale::Full),
        (&[options(Fit::ScaleDown, 1000, 0)], Scale::Half),
        (&[options(Fit::ScaleDown, 1020, 0)], Scale::Full),
        (&[options(Fit::ScaleDown, 800, 600)], Scale::Half),
        (&[options(Fit::ScaleDown, 400, 0)], Scale::Quarter),
        // 188 rows, from 187.5.
        (&[options(Fit::ScaleDown, 250, 0)], Scale::Eighth),
        (&[options(Fit::Cover, 200, 200)], Scale::Quarter),
        // One direction is not enough.
        (&[options(Fit::Squeeze, 100, 1600)], Scale::Full),
        (&[options(Fit::Squeeze, 1600, 100)], Scale::Full),
        // The largest output decides.
        (&[options(Fit::ScaleDown, 100, 0), options(Fit::ScaleDown, 800, 0)], Scale::Half),
        (&[options(Fit::ScaleDown, 100, 0), options(Fit::ScaleDown, 0, 0)], Scale::Full),
        // A crop at the source's own size is a copy.
        (&[options(Fit::Crop, 4000, 100)], Scale::Full),
    ] {
        assert_eq!(View::of(&info, &jobs(&info, wanted)).scale, scale, "{}", wanted[0]);
    }
    let doubled = Options { dpr: 2.0, ..options(Fit::ScaleDown, 400, 0) };
    assert_eq!(View::of(&info, &jobs(&info, &[doubled])).scale, Scale::Half);
    let other = Info { work: Work::Whole(1), ..info };
    let view = View::of(&other, &jobs(&other, &[options(Fit::Cover, 100, 100)]));
    assert_eq!(view, View::whole(other.stored_size));
}

#[test]
fn only_what_is_shown_is_kept() {
    let info = jpeg(4000, 3000);
    let wide = View::of(&info, &jobs(&info, &[options(Fit::Crop, 4000, 100)]));
    // 1450 to 1550, and the filter's reach.
    assert_eq!((wide.left, wide.size.width), (0, 4000));
    assert!(wide.top >= 1440 && wide.top + wide.size.height <= 1560, "{wide:?}");
    // The left third of what is seen is the top third of what is stored.
    let turned = Info { orientation: Orientation::Rotate90, stored_size: Size::new(3000, 4000), ..info };
    let left = Options { gravity: Gravity::Left, ..options(Fit::Cover, 1000, 2250) };
    let view = View::of(&turned, &jobs(&turned, &[left]));
    assert_eq!((view.scale, view.left, view.size.width), (Scale::Full, 0, 3000));
    assert!(view.size.height < 1400, "{view:?}");
}

/// How alike two pictures are in decibels (PSNR), and by how many pixels the first is shifted against the second to the
/// right and down: the least squares fit of the difference to the second's slopes.
fn compare(a: &RgbaImage, b: &RgbaImage) -> (f64, f64, f64) {
    assert_eq!(a.dimensions(), b.dimensions());
    let (width, height) = a.dimensions();
    let (mut square, mut across, mut down) = (0.0, (0.0, 0.0), (0.0, 0.0));
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            for c in 0..3 {
                let at = |image: &RgbaImage, x, y| f64::from(image.get_pixel(x, y).0[c]);
                let error = at(a, x, y) - at(b, x, y);
                square += error * error;
                let slope = (at(b, x - 1, y) - at(b, x + 1, y)) / 2.0;
                across = (across.0 + error * slope, across.1 + slope * slope);
                let slope = (at(b, x, y - 1) - at(b, x, y + 1)) / 2.0;
                down = (down.0 + error * slope, down.1 + slope * slope);
            }
        }
    }
    let samples = f64::from((width - 2) * (height - 2) * 3);
    let decibels = 10.0 * (255.0 * 255.0 * samples / square.max(1e-9)).log10();
    (decibels, across.0 / across.1, down.0 / down.1)
}

/// From a scaled decode comes the picture that comes from a full one: as large, and nothing is shifted.
#[test]
fn scaled_decodes_look_like_full_ones() {
    let odd = drawing(1047, 791, Layout::Rgb);
    let inks = odd.data().as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 20]).collect();
    let inks = Pixels::new(odd.size(), Layout::Cmyk, inks).unwrap();
    let full_chroma = Jpeg { full_chroma: true, ..Jpeg::default() };
    let mut files = vec![
        ("4:4:4".to_owned(), full_chroma.write(&odd)),
        ("gray".to_owned(), Jpeg::default().write(&drawing(1047, 791, Layout::Gray))),
        ("progressive".to_owned(), Jpeg { progressive: true, ..Jpeg::default() }.write(&odd)),
        ("CMYK".to_owned(), full_chroma.write(&inks)),
        ("YCCK".to_owned(), Jpeg { ycck: true, ..Jpeg::default() }.write(&inks)),
    ];
    for orientation in Orientation::ALL {
        let exif = Some(sample::exif(orientation.exif()));
        files.push((format!("4:2:0 {orientation:?}"), Jpeg { exif, ..Jpeg::default() }.write(&odd)));
    }
    let wanted = [
        options(Fit::ScaleDown, 150, 150),
        options(Fit::ScaleDown, 80, 0),
        options(Fit::Contain, 0, 41),
        Options { dpr: 1.5, ..options(Fit::Contain, 0, 41) },
        options(Fit::Pad, 91, 120),
        options(Fit::Squeeze, 130, 40),
        Options { gravity: Gravity::Right, ..options(Fit::Cover, 77, 90) },
        Options { gravity: Gravity::Top, ..options(Fit::Cover, 150, 30) },
        Options { gravity: Gravity::Left, ..options(Fit::Crop, 40, 101) },
        Options { gravity: Gravity::Bottom, ..options(Fit::AspectCrop, 101, 40) },
        options(Fit::Cover, 45, 45),
    ];
    let mut scales = Vec::new();
    for (name, bytes) in files {
        let info = probe(&bytes, &Limits::default()).unwrap();
        // A copy needs every pixel, and so do those beside it.
        let mut all = wanted.to_vec();
        all.push(options(Fit::ScaleDown, 0, 0));
        let run = |all: &[Options]| {
            let jobs = jobs(&info, all);
            let mut pictures = vec![RgbaImage::default(); jobs.len()];
            process(&bytes, &info, &jobs, &Cancel::new(), |index, output| {
                assert_eq!(output.size, jobs[index].plan.canvas, "{name}");
                pictures[index] = image::load_from_memory(&output.bytes).unwrap().to_rgba8();
            })
            .unwrap();
            pictures
        };
        let full = run(&all);
        for (options, full) in wanted.iter().zip(full) {
            let view = View::of(&info, &jobs(&info, std::slice::from_ref(options)));
            scales.push(view.scale);
            let (decibels, across, down) = compare(&run(std::slice::from_ref(options))[0], &full);
            let case = format!("{name} {options} {:?}: {decibels:.1} dB, {across:.4} {down:.4}", view.scale);
            println!("{case}");
            assert!(decibels >= 40.0, "{case}");
            assert!(across.abs() < 0.01 && down.abs() < 0.01, "{case}");
        }
    }
    for scale in [Scale::Half, Scale::Quarter, Scale::Eighth] {
        assert!(scales.contains(&scale), "{scale:?} is not tried");
    }
}

#[test]
fn the_smallest_jpegs_work() {
    for (width, height) in [(1, 1), (1, 300), (300, 1), (7, 33), (64, 65), (129, 16)] {
        let bytes = Jpeg::default().write(&drawing(width, height, Layout::Rgb));
        let info = probe(&bytes, &Limits::default()).unwrap();
        for fit in Fit::ALL {
            for (width, height) in [(1, 1), (3, 2), (8, 0), (0, 1), (1, 40)] {
                let jobs = jobs(&info, &[options(fit, width, height)]);
                process(&bytes, &info, &jobs, &Cancel::new(), |_, output| {
                    assert_eq!(output.size, jobs[0].plan.canvas);
                })
                .unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever is planned: a view inside the picture at its scale, and every box inside the view.
    #[test]
    fn views_are_sound(
        width in 1..=65_535_u32, height in 1..=65_535_u32,
        orientation in proptest::sample::select(&Orientation::ALL[..]),
        sides in proptest::collection::vec((0..=9000_u32, 0..=9000_u32), 1..4),
        fit in proptest::sample::select(&Fit::ALL[..]), x in 0.0..=1.0_f64, y in 0.0..=1.0_f64,
    ) {
        let info = Info { orientation, ..jpeg(width, height) };
        let gravity = Gravity::Point { x, y, mode: FocalMode::Remainder };
        let planned: Vec<Job> = sides
            .into_iter()
            .filter_map(|(width, height)| {
                let options = Options { gravity, ..options(fit, width, height) };
                let plan = plan::plan(info.size(), &options, &[], &Limits::default()).ok()?;
                Some(Job { options, plan, accepts: Accepts::CLASSIC })
            })
            .collect();
        let view = View::of(&info, &planned);
        let scaled = |side: u32| view.scale.apply(side);
        prop_assert!(view.size.area() > 0);
        prop_assert!(view.left + view.size.width <= scaled(width), "{view:?}");
        prop_assert!(view.top + view.size.height <= scaled(height), "{view:?}");
        for job in planned {
            let CropBox { left, top, width, height } =
                view.place(info.orientation.stored_box(job.plan.source, job.plan.crop));
            prop_assert!(left >= 0.0 && width > 0.0 && left + width <= f64::from(view.size.width));
            prop_assert!(top >= 0.0 && height > 0.0 && top + height <= f64::from(view.size.height));
        }
    }
}
