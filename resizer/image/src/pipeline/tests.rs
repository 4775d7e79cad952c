use std::{num::NonZeroU32, time::Instant};

use super::*;
use crate::{
    color::Color,
    limits::Limits,
    options::{Fit, FormatChoice, Gravity},
    orient::Orientation,
    pixels::{Layout, Pixels},
    plan,
    probe::probe,
    sample::{self, Jpeg, drawing},
};

fn options(fit: Fit, width: u32, height: u32, format: FormatChoice) -> Options {
    let (width, height) = (NonZeroU32::new(width), NonZeroU32::new(height));
    Options { width, height, fit, format, ..Options::default() }
}

fn job(info: &Info, options: &Options) -> Job {
    let plan = plan::plan(info.size(), options, &[], &Limits::default()).unwrap();
    Job { options: options.clone(), plan, accepts: Accepts::CLASSIC }
}

fn run(bytes: &[u8], all: &[Options]) -> Vec<Encoded> {
    let info = probe(bytes, &Limits::default()).unwrap();
    let jobs: Vec<Job> = all.iter().map(|options| job(&info, options)).collect();
    let mut outputs = vec![None; jobs.len()];
    process(bytes, &info, &jobs, &Cancel::new(), |index, encoded| {
        assert!(outputs[index].replace(encoded).is_none(), "output {index} twice");
    })
    .unwrap();
    outputs.into_iter().map(Option::unwrap).collect()
}

fn one(bytes: &[u8], options: &Options) -> Encoded {
    run(bytes, std::slice::from_ref(options)).remove(0)
}

/// An output's pixels, read by another decoder.
fn rgba(encoded: &Encoded) -> image::RgbaImage {
    let image = image::load_from_memory(&encoded.bytes).unwrap();
    assert_eq!((image.width(), image.height()), (encoded.size.width, encoded.size.height));
    image.to_rgba8()
}

/// Colours of [`quarters`]. Lanczos overshoots at edges by a tenth of their height, which stays within 0..=255.
const RED: [u8; 3] = [200, 50, 50];
const GREEN: [u8; 3] = [50, 200, 50];
const BLUE: [u8; 3] = [50, 50, 200];
const YELLOW: [u8; 3] = [200, 200, 50];

/// The four quarters red, green, blue and yellow, from the top left.
fn quarters(width: u32, height: u32) -> Pixels {
    let colors = [[RED, GREEN], [BLUE, YELLOW]];
    let at = |x: u32, y: u32| colors[usize::from(2 * y >= height)][usize::from(2 * x >= width)];
    let data = (0..height).flat_map(|y| (0..width).flat_map(move |x| at(x, y))).collect();
    Pixels::new(Size::new(width, height), Layout::Rgb, data).unwrap()
}

#[test]
fn every_fit_of_every_kind_has_its_size() {
    for (name, bytes, _) in sample::files() {
        let all: Vec<Options> = Fit::ALL
            .into_iter()
            .flat_map(|fit| {
                [(20, 30), (200, 50), (53, 0), (0, 0)]
                    .into_iter()
                    .zip(FormatChoice::ALL)
                    .map(move |((width, height), format)| options(fit, width, height, format))
            })
            .collect();
        let info = probe(&bytes, &Limits::default()).unwrap();
        for (options, encoded) in all.iter().zip(run(&bytes, &all)) {
            assert_eq!(encoded.size, job(&info, options).plan.canvas, "{name} {options}");
            rgba(&encoded);
        }
    }
}

/// Whatever the orientation it is stored in, a picture comes out the same.
#[test]
fn orientations_come_out_alike() {
    let seen = quarters(60, 40);
    let wanted = [
        options(Fit::ScaleDown, 0, 0, FormatChoice::Png),
        options(Fit::ScaleDown, 30, 0, FormatChoice::Png),
        Options { gravity: Gravity::Right, ..options(Fit::Cover, 20, 20, FormatChoice::Png) },
        Options { gravity: Gravity::Top, ..options(Fit::Crop, 60, 10, FormatChoice::Png) },
        options(Fit::Pad, 30, 30, FormatChoice::Png),
        options(Fit::Squeeze, 25, 50, FormatChoice::Png),
    ];
    let upright = run(&sample::png(&seen, None, None), &wanted);
    for orientation in Orientation::ALL {
        // The stored picture is the one that the orientation turns into the seen one: turn it back by the inverse, which
        // differs from itself for quarter turns alone.
        let inverse = match orientation {
            Orientation::Rotate90 => Orientation::Rotate270,
            Orientation::Rotate270 => Orientation::Rotate90,
            other => other,
        };
        let stored = inverse.apply(seen.clone()).unwrap();
        let outputs = run(&sample::png(&stored, Some(sample::exif(orientation.exif())), None), &wanted);
        for ((options, output), upright) in wanted.iter().zip(&outputs).zip(&upright) {
            let (output, upright) = (rgba(output), rgba(upright));
            assert_eq!(output.dimensions(), upright.dimensions(), "{orientation:?} {options}");
            let worst = output.as_raw().iter().zip(upright.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
            // Passes in another order round differently.
            assert!(worst <= Some(5), "{orientation:?} {options}: {worst:?}");
        }
    }
}

#[test]
fn gravity_keeps_the_right_part() {
    let bytes = sample::png(&quarters(80, 80), None, None);
    for (gravity, width, height, color) in [
        (Gravity::Left, 10, 80, [RED, BLUE]),
        (Gravity::Right, 10, 80, [GREEN, YELLOW]),
        (Gravity::Top, 80, 10, [RED, GREEN]),
        (Gravity::Bottom, 80, 10, [BLUE, YELLOW]),
    ] {
        let output =
            one(&bytes, &Options { gravity, ..options(Fit::Cover, width, height, FormatChoice::Png) });
        let image = rgba(&output);
        let (first, last) = (image.get_pixel(0, 0).0, image.get_pixel(width - 1, height - 1).0);
        assert_eq!([[first[0], first[1], first[2]], [last[0], last[1], last[2]]], color, "{gravity:?}");
    }
}

#[test]
fn auto_writes_what_the_pixels_need() {
    let transparent = sample::png(&sample::plain(40, 40, Layout::Rgba, &[255, 0, 0, 100]), None, None);
    let opaque = sample::png(&sample::plain(40, 40, Layout::Rgba, &[255, 0, 0, 255]), None, None);
    let auto = options(Fit::ScaleDown, 20, 20, FormatChoice::Auto);
    assert_eq!(one(&transparent, &auto).format, Format::Png);
    // An alpha channel that hides nothing.
    assert_eq!(one(&opaque, &auto).format, Format::Jpeg);
    let opaque_png = Options { format: FormatChoice::Png, ..auto.clone() };
    assert_eq!(
        image::load_from_memory(&one(&opaque, &opaque_png).bytes).unwrap().color(),
        image::ColorType::Rgb8
    );
    // Nothing shows through a background.
    let blue = Options { background: Some(Color::new(0, 0, 255, 255)), ..auto.clone() };
    assert_eq!(one(&transparent, &blue).format, Format::Jpeg);
    // Transparent bars are transparency.
    let bars =
        Options { background: Some(Color::TRANSPARENT), ..options(Fit::Pad, 20, 30, FormatChoice::Auto) };
    let output = one(&opaque, &bars);
    assert_eq!((output.format, rgba(&output).get_pixel(10, 0).0[3]), (Format::Png, 0));

    let info = probe(&transparent, &Limits::default()).unwrap();
    let webp = Job { accepts: Accepts::CLASSIC.with(Format::Webp), ..job(&info, &auto) };
    process(&transparent, &info, &[webp], &Cancel::new(), |_, encoded| {
        assert_eq!(encoded.format, Format::Webp);
        assert_eq!(rgba(&encoded).get_pixel(5, 5).0[3], 100);
    })
    .unwrap();
}

#[test]
fn backgrounds_are_behind() {
    let half = sample::png(&sample::plain(40, 20, Layout::Rgba, &[255, 0, 0, 128]), None, None);
    let png = options(Fit::Pad, 20, 20, FormatChoice::Png);
    let pixel = |options: &Options, x, y| rgba(&one(&half, options)).get_pixel(x, y).0;

    // Unset: white bars, and transparency stays.
    assert_eq!(pixel(&png, 10, 0), [255, 255, 255, 255]);
    assert_eq!(pixel(&png, 10, 10), [255, 0, 0, 128]);
    // Set: in the bars and behind the picture.
    let blue = Options { background: Some(Color::new(0, 0, 255, 255)), ..png.clone() };
    assert_eq!(pixel(&blue, 10, 0), [0, 0, 255, 255]);
    assert_eq!(pixel(&blue, 10, 10), [128, 0, 127, 255]);
    // JPEG: white where nothing else was asked for, also below a background that is itself transparent.
    let jpeg = Options { format: FormatChoice::Jpeg, quality: 100, ..png };
    for background in [None, Some(Color::TRANSPARENT), Some(Color::new(255, 255, 255, 7))] {
        let [r, g, b, _] = pixel(&Options { background, ..jpeg.clone() }, 10, 10);
        assert!(r >= 250 && g.abs_diff(127) <= 4 && b.abs_diff(127) <= 4, "{background:?}: {r} {g} {b}");
        let [r, g, b, _] = pixel(&Options { background, ..jpeg.clone() }, 10, 1);
        assert!(r >= 250 && g >= 250 && b >= 250, "{background:?}: {r} {g} {b}");
    }
}

#[test]
fn profiles_are_applied_and_cmyk_becomes_rgb() {
    let p3 = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let flat = sample::plain(32, 32, Layout::Rgb, &[200, 100, 50]);
    let tagged = sample::png(&flat, None, Some(p3.clone()));
    for (width, height) in [(0, 0), (16, 16), (64, 64)] {
        let output = one(&tagged, &options(Fit::Contain, width, height, FormatChoice::Png));
        let [r, g, b, _] = rgba(&output).get_pixel(3, 3).0;
        assert!(r > 205 && g.abs_diff(96) < 6 && b < 45, "{r} {g} {b}");
    }
    let tagged = Jpeg { icc: Some(p3), full_chroma: true, ..Jpeg::default() }.write(&flat);
    let [r, _, b, _] =
        rgba(&one(&tagged, &options(Fit::Contain, 16, 16, FormatChoice::Png))).get_pixel(3, 3).0;
    assert!(r > 205 && b < 45, "{r} {b}");

    for ycck in [false, true] {
        let jpeg = Jpeg { full_chroma: true, ycck, ..Jpeg::default() };
        let bytes = jpeg.write(&sample::plain(32, 32, Layout::Cmyk, &[0, 255, 255, 0]));
        let output = one(&bytes, &options(Fit::ScaleDown, 16, 16, FormatChoice::Auto));
        let [r, g, b, _] = rgba(&output).get_pixel(8, 8).0;
        assert!(output.format == Format::Jpeg && r > 245 && g < 10 && b < 10, "{ycck}: {r} {g} {b}");
    }
}

/// The same bytes every time, alone and in company, in whichever order.
#[test]
fn outputs_do_not_depend_on_each_other() {
    let bytes = sample::png(&drawing(120, 90, Layout::Rgba), None, None);
    let all = [
        options(Fit::ScaleDown, 40, 0, FormatChoice::WebpLossless),
        options(Fit::ScaleDown, 0, 0, FormatChoice::Png),
        options(Fit::Cover, 33, 33, FormatChoice::Jpeg),
        options(Fit::Cover, 120, 30, FormatChoice::Webp),
        options(Fit::Contain, 240, 0, FormatChoice::Auto),
    ];
    let together = run(&bytes, &all);
    for (options, expected) in all.iter().zip(&together) {
        assert_eq!(one(&bytes, options), *expected, "{options}");
    }
    let mut reversed = all;
    reversed.reverse();
    let mut backwards = run(&bytes, &reversed);
    backwards.reverse();
    assert_eq!(backwards, together);
    // What is not resampled keeps its pixels, though others premultiply theirs.
    assert_eq!(rgba(&together[1]).as_raw(), drawing(120, 90, Layout::Rgba).data());
}

#[test]
fn work_stops_when_told() {
    let bytes = Jpeg::default().write(&drawing(64, 64, Layout::Rgb));
    let info = probe(&bytes, &Limits::default()).unwrap();
    let jobs = vec![job(&info, &options(Fit::ScaleDown, 16, 16, FormatChoice::Png)); 5];

    let cancel = Cancel::new();
    let mut made = 0;
    let result = process(&bytes, &info, &jobs, &cancel, |_, _| {
        made += 1;
        if made == 2 {
            cancel.cancel();
        }
    });
    assert_eq!((result, made), (Err(ImageError::Cancelled), 2));

    let late = Cancel::new().with_deadline(Instant::now());
    let result = process(&bytes, &info, &jobs, &late, |_, _| panic!("made after the deadline"));
    assert_eq!(result, Err(ImageError::DeadlineExceeded));
}

#[test]
fn a_plan_for_another_source_is_refused() {
    let small = Jpeg::default().write(&drawing(64, 64, Layout::Rgb));
    let large = Jpeg::default().write(&drawing(64, 65, Layout::Rgb));
    let (small_info, info) =
        (probe(&small, &Limits::default()).unwrap(), probe(&large, &Limits::default()).unwrap());
    let jobs = [job(&info, &Options::default())];
    assert!(matches!(
        process(&small, &small_info, &jobs, &Cancel::new(), |_, _| {}),
        Err(ImageError::Internal(_))
    ));
    // Nor are bytes of another size decoded than those that were probed.
    assert!(process(&small, &info, &jobs, &Cancel::new(), |_, _| {}).is_err());
}

#[test]
fn the_smallest_pictures_work() {
    for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
        for (width, height) in [(1, 1), (1, 500), (500, 1), (2, 3)] {
            let bytes = sample::png(&drawing(width, height, layout), None, None);
            let all: Vec<Options> = Fit::ALL
                .into_iter()
                .flat_map(|fit| {
                    [(1, 1), (7, 300), (300, 7)].map(|(w, h)| options(fit, w, h, FormatChoice::Auto))
                })
                .collect();
            for output in run(&bytes, &all) {
                rgba(&output);
            }
        }
    }
}

/// A white picture with black beyond its edge, in its last MCUs, comes out white: turned any way, whole or cropped, and as
/// small as each scale of the decoder.
#[test]
fn nothing_from_beyond_the_edge_is_seen() {
    for (width, height) in [(321, 241), (327, 250), (334, 255), (329, 240)] {
        let (full_width, full_height) = (u32::next_multiple_of(width, 16), u32::next_multiple_of(height, 16));
        let at = |x: u32, y: u32| if x < width && y < height { [255; 3] } else { [0; 3] };
        let data = (0..full_height).flat_map(|y| (0..full_width).flat_map(move |x| at(x, y))).collect();
        let pixels = Pixels::new(Size::new(full_width, full_height), Layout::Rgb, data).unwrap();
        for orientation in Orientation::ALL {
            let jpeg = Jpeg { exif: Some(sample::exif(orientation.exif())), ..Jpeg::default() };
            let mut file = jpeg.write(&pixels);
            let frame = file.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
            file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes()[2..]);
            file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes()[2..]);
            for divisor in [4, 8, 17] {
                for fit in [Fit::ScaleDown, Fit::Cover] {
                    let options = options(fit, width / divisor, height / divisor, FormatChoice::Png);
                    let picture = rgba(&one(&file, &options));
                    let darkest = picture.pixels().flat_map(|pixel| pixel.0).min().unwrap();
                    assert!(
                        darkest >= 250,
                        "{width}x{height} {orientation:?} 1/{divisor} {fit:?}: {darkest}"
                    );
                }
            }
        }
    }
}
