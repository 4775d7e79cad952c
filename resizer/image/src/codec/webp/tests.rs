//! Rows of views against the mean of boxes, and libwebp against `image-webp`.

use image::{ImageDecoder, codecs::webp::WebPDecoder};

use super::*;
use crate::{
    codec::{decode_whole, rows::Samples},
    probe::probe,
    sample::{self, drawing},
    size::Size,
};

fn decode_view(file: &[u8], view: &View) -> Result<Pixels, ImageError> {
    let info = probe(file, &Limits::default())?;
    decode_whole(file, &info, view, &Cancel::new()).map(|decoded| decoded.pixels)
}

fn decode(file: &[u8]) -> Pixels {
    let info = probe(file, &Limits::default()).unwrap();
    decode_view(file, &View::whole(info.stored_size)).unwrap()
}

/// What `image-webp` makes of a file.
fn by_image_webp(file: &[u8]) -> Vec<u8> {
    let decoder = WebPDecoder::new(std::io::Cursor::new(file)).unwrap();
    let mut data = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut data).unwrap();
    data
}

/// Mean and largest difference.
fn difference(one: &[u8], other: &[u8]) -> (f64, u8) {
    assert_eq!(one.len(), other.len());
    let differences = one.iter().zip(other).map(|(one, other)| one.abs_diff(*other));
    let sum: u64 = differences.clone().map(u64::from).sum();
    (sum as f64 / one.len() as f64, differences.max().unwrap())
}

/// The mean of each box of stored pixels, in f64; colour weighted with alpha.
fn boxes(pixels: &Pixels, scale: Scale) -> Vec<f64> {
    let by = scale.divisor();
    let Size { width, height } = pixels.size();
    let channels = pixels.layout().channels();
    let mut means = Vec::new();
    for top in (0..height).step_by(by as usize) {
        for left in (0..width).step_by(by as usize) {
            let (mut sums, mut weight, mut count) = ([0.0; 4], 0.0, 0.0);
            for y in top..(top + by).min(height) {
                for x in left..(left + by).min(width) {
                    let pixel = &pixels.data()[(y * width + x) as usize * channels..][..channels];
                    let alpha = if channels == 4 { f64::from(pixel[3]) } else { 1.0 };
                    for (sum, &sample) in sums.iter_mut().zip(&pixel[..3]) {
                        *sum += f64::from(sample) * alpha;
                    }
                    weight += alpha;
                    count += 1.0;
                }
            }
            means.extend(sums[..3].iter().map(|sum| if weight > 0.0 { sum / weight } else { 0.0 }));
            if channels == 4 {
                means.push(weight / count);
            }
        }
    }
    means
}

fn whole_at(scale: Scale, size: Size) -> View {
    View { scale, left: 0, top: 0, size: Size::new(scale.apply(size.width), scale.apply(size.height)) }
}

/// Mean and largest distance of a decoded view from the mean of boxes of the whole decoded picture.
fn error_of_boxes(file: &[u8], scale: Scale) -> (f64, f64) {
    let whole = decode(file);
    let small = decode_view(file, &whole_at(scale, whole.size())).unwrap();
    let expected = boxes(&whole, scale);
    assert_eq!(expected.len(), small.data().len());
    let errors = small.data().iter().zip(&expected).map(|(&made, mean)| (f64::from(made) - mean).abs());
    (errors.clone().sum::<f64>() / expected.len() as f64, errors.fold(0.0, f64::max))
}

#[test]
fn pixels_are_means_of_boxes() {
    let mut worst = (0.0_f64, 0.0_f64);
    for scale in &Scale::ALL[1..] {
        for (width, height) in
            [(64, 48), (65, 49), (71, 63), (57, 50), (8, 9), (3, 2), (1, 1), (1, 17), (16, 1)]
        {
            for layout in [Layout::Rgb, Layout::Rgba] {
                for lossless in [false, true] {
                    let file = sample::webp(&drawing(width, height, layout), lossless);
                    let (mean, most) = error_of_boxes(&file, *scale);
                    // Alpha that is 255 everywhere is not written.
                    let planes = !lossless && !probe(&file, &Limits::default()).unwrap().has_alpha;
                    // Whole pixels: half a level of rounding, which tiny pictures can have everywhere. Planes: what is
                    // clipped pixel by pixel is not known.
                    let limits = if planes { (0.5, 6.0) } else { (0.5001, 0.5001) };
                    assert!(
                        mean <= limits.0 && most <= limits.1,
                        "{scale:?} {width}x{height} {layout:?} lossless: {lossless}: {mean} {most}"
                    );
                    if planes && width > 16 {
                        worst = (worst.0.max(mean), worst.1.max(most));
                    }
                }
            }
        }
    }
    println!("planes: mean at most {:.3}, most {:.2}", worst.0, worst.1);
}

#[test]
fn a_partial_box_weighs_real_samples_only() {
    for size in 1..=33 {
        for layout in [Layout::Rgb, Layout::Rgba] {
            for lossless in [false, true] {
                let pixel: &[u8] =
                    if layout == Layout::Rgba { &[255, 255, 255, 255] } else { &[255, 255, 255] };
                let white = sample::plain(size, 34 - size, layout, pixel);
                let file = sample::webp(&white, lossless);
                for scale in Scale::ALL {
                    let small = decode_view(&file, &whole_at(scale, white.size())).unwrap();
                    assert!(small.data().iter().all(|&value| value == 255), "{size} {scale:?} {layout:?}");
                }
            }
        }
    }
}

#[test]
fn windows_are_parts_of_the_whole() {
    let mut random = sample::Random::new(5);
    let (rgb, rgba) = (drawing(75, 53, Layout::Rgb), drawing(75, 53, Layout::Rgba));
    let frame = drawing(40, 21, Layout::Rgba);
    let files = [
        sample::webp(&rgb, false),
        sample::webp(&rgba, false),
        sample::webp(&rgb, true),
        sample::webp(&rgba, true),
        sample::animated_webp(&sample::webp(&frame, true), rgb.size(), frame.size(), (14, 30)),
        sample::animated_webp(
            &sample::webp(&drawing(40, 21, Layout::Rgb), false),
            rgb.size(),
            frame.size(),
            (0, 0),
        ),
    ];
    for (kind, file) in files.iter().enumerate() {
        for scale in Scale::ALL {
            let whole = decode_view(file, &whole_at(scale, rgb.size())).unwrap();
            let (width, height) = (whole.size().width as usize, whole.size().height as usize);
            for _ in 0..12 {
                let (left, top) = (random.below(width), random.below(height));
                let (columns, rows) = (1 + random.below(width - left), 1 + random.below(height - top));
                let size = Size::new(columns as u32, rows as u32);
                let view = View { scale, left: left as u32, top: top as u32, size };
                let part = decode_view(file, &view).unwrap();
                let channels = part.layout().channels();
                for (y, row) in part.rows().enumerate() {
                    let start = ((top + y) * width + left) * channels;
                    assert_eq!(row, &whole.data()[start..start + row.len()], "{kind} {view:?} {y}");
                }
            }
        }
    }
}

#[test]
fn libwebp_and_image_webp_agree() {
    for (width, height) in [(160, 120), (161, 119), (33, 64), (1, 1), (2, 17)] {
        for layout in [Layout::Rgb, Layout::Rgba] {
            let pixels = drawing(width, height, layout);
            let lossless = sample::webp(&pixels, true);
            assert_eq!(decode(&lossless).data(), by_image_webp(&lossless));
            for quality in [5, 50, 90] {
                let file = sample::encode(sample::as_webp(quality), &pixels, &Cancel::new()).unwrap();
                let (mean, most) = difference(decode(&file).data(), &by_image_webp(&file));
                println!("{width}x{height} {layout:?} q{quality}: {mean:.4} {most}");
                assert!(mean < 0.2 && most <= 2, "{width}x{height} {layout:?} q{quality}: {mean} {most}");
            }
        }
    }
}

#[test]
fn damage_is_an_error_whatever_is_asked_for() {
    let pixels = drawing(37, 29, Layout::Rgb);
    for lossless in [false, true] {
        let file = sample::webp(&pixels, lossless);
        let info = probe(&file, &Limits::default()).unwrap();
        for scale in Scale::ALL {
            let view = View { scale, left: 0, top: 0, size: Size::new(1, 1) };
            for length in 0..file.len() {
                let cut = decode_whole(&file[..length], &info, &view, &Cancel::new());
                assert_eq!(cut.err(), Some(crate::codec::reader::CUT_OFF), "{length}");
            }
            // A chunk that is shorter than its picture, in a file that is as long as it says.
            for length in (30..file.len() - 2).step_by(7) {
                let mut short = file[..length & !1].to_vec();
                let riff = (short.len() as u32 - 8).to_le_bytes();
                let chunk = (short.len() as u32 - 20).to_le_bytes();
                short[4..8].copy_from_slice(&riff);
                short[16..20].copy_from_slice(&chunk);
                let made = decode_whole(&short, &info, &view, &Cancel::new());
                assert_eq!(made.err(), Some(DAMAGED), "{scale:?} {length}");
            }
        }
    }
}

/// Cancels with the first row, and counts what comes.
struct Stop<'c>(&'c Cancel, usize);
impl RowSink for Stop<'_> {
    fn begin(&mut self, _: Option<Embedded>) -> Result<(), ImageError> {
        Ok(())
    }
    fn rows(&mut self, _: Samples<'_>) -> Result<(), ImageError> {
        self.1 += 1;
        self.0.cancel();
        Ok(())
    }
}

#[test]
fn cancelled_work_ends() {
    let file = sample::webp(&drawing(200, 100, Layout::Rgb), true);
    let info = probe(&file, &Limits::default()).unwrap();
    let cancel = Cancel::new();
    cancel.cancel();
    let view = View::whole(info.stored_size);
    assert_eq!(decode_whole(&file, &info, &view, &cancel).err(), Some(ImageError::Cancelled));

    // On the way too.
    let cancel = Cancel::new();
    let mut sink = Stop(&cancel, 0);
    let made = Decoder.decode_rows(&file, &info, &view, &cancel, &mut sink);
    assert_eq!(made, Err(ImageError::Cancelled));
    assert!((1..100).contains(&sink.1), "{}", sink.1);
}

#[test]
fn every_profile_writes_the_picture() {
    for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
        let pixels = drawing(61, 47, layout);
        for profile in [QualityProfile::Fast, QualityProfile::Balanced, QualityProfile::Best] {
            let cancel = Cancel::new();
            let lossless =
                encode(&pixels, &Encoding { profile, ..sample::as_lossless_webp() }, &cancel).unwrap();
            let wide = if layout.has_alpha() { Layout::Rgba } else { Layout::Rgb };
            let stored = pixels.clone().into_layout(wide).unwrap();
            let read = decode(&lossless);
            if !layout.has_alpha() {
                assert_eq!(read, stored, "{layout:?} {profile:?}");
            }
            let lossy = encode(&pixels, &Encoding { profile, ..sample::as_webp(90) }, &cancel).unwrap();
            let (mean, _) = difference(decode(&lossy).data(), stored.data());
            assert!(mean < 6.0, "{layout:?} {profile:?}: {mean}");
        }
    }
}

/// Changes a file in one of the ways that find faults: bits, runs, cuts, pieces of another, sizes of chunks that fit again.
fn mutate(random: &mut sample::Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut file = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(3) {
        let length = file.len();
        let at = 12 + random.below(length - 12);
        match random.below(7) {
            0 | 1 => file[at] ^= 1 << random.below(8),
            2 => file[at..]
                .iter_mut()
                .take(1 + random.below(8))
                .for_each(|byte| *byte = random.below(256) as u8),
            3 if length > 60 => file.truncate(30 + random.below(length - 30)),
            // Headers and codes stand at the start.
            4 => file[12 + random.below(60.min(length - 12))] = random.below(256) as u8,
            5 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let count = (1 + random.below(40)).min(other.len() - from).min(length - at);
                file[at..at + count].copy_from_slice(&other[from..from + count]);
            }
            _ => file.insert(at, random.below(256) as u8),
        }
    }
    if random.below(8) > 0 {
        let riff = (file.len() as u32 - 8).to_le_bytes();
        file[4..8].copy_from_slice(&riff);
        // The picture's chunk goes to the end again.
        let kinds: [&[u8]; 2] = [b"VP8 ", b"VP8L"];
        if let Some(at) =
            file.windows(4).position(|name| kinds.contains(&name)).filter(|at| at + 8 < file.len())
        {
            let length = (file.len() - at - 8) as u32;
            file[at + 4..at + 8].copy_from_slice(&length.to_le_bytes());
        }
    }
    file
}

/// Any file gives a whole picture at every scale, or an error at every scale; a window is as large as asked for. Seconds of
/// CPU time, or a second: `WEBP_FUZZ_SECONDS=600 cargo test -p safelight-image --lib webp::tests::changed -- --nocapture`.
#[test]
fn changed_files_are_whole_or_refused_at_every_scale() {
    let seconds: u64 =
        std::env::var("WEBP_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let seed: u64 = std::env::var("WEBP_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut random = sample::Random::new(seed);
    let mut seeds = Vec::new();
    for (width, height) in [(37, 29), (16, 16), (70, 45), (1, 9)] {
        for (layout, lossless) in
            [(Layout::Rgb, false), (Layout::Rgba, false), (Layout::Rgb, true), (Layout::Rgba, true)]
        {
            let pixels = drawing(width, height, layout);
            let file = sample::webp(&pixels, lossless);
            seeds.push(sample::animated_webp(&file, Size::new(width + 9, height + 3), pixels.size(), (4, 2)));
            seeds.push(file);
        }
        let few: Vec<u8> =
            (0..width * height).flat_map(|at| [(at % 7) as u8 * 30, 9, (at / 5 % 3) as u8]).collect();
        seeds.push(sample::webp(&Pixels::new(Size::new(width, height), Layout::Rgb, few).unwrap(), true));
    }
    let limits = Limits { max_source_pixels: 1 << 16, ..Limits::default() };
    let now = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec.cast_unsigned();
    let begin = now();
    let (mut files, mut headers, mut decodes, mut whole) = (0_u64, 0_u64, 0_u64, 0_u64);
    while now() < begin + seconds {
        let file = mutate(&mut random, &seeds);
        files += 1;
        let Ok(info) = probe(&file, &limits) else { continue };
        headers += 1;
        let mut ends = Vec::new();
        for scale in Scale::ALL {
            let all = whole_at(scale, info.stored_size);
            let (width, height) = (all.size.width as usize, all.size.height as usize);
            let (left, top) = (random.below(width), random.below(height));
            let (columns, rows) = (1 + random.below(width - left), 1 + random.below(height - top));
            let size = Size::new(columns as u32, rows as u32);
            let part = View { scale, left: left as u32, top: top as u32, size };
            for view in [all, part] {
                decodes += 1;
                let made = decode_whole(&file, &info, &view, &Cancel::new());
                ends.push(made.as_ref().err().cloned());
                let Ok(made) = made else { continue };
                assert_eq!(made.pixels.size(), view.size);
                whole += 1;
            }
        }
        assert!(ends.iter().all(|end| *end == ends[0]), "file {files} of seed {seed}: {ends:?}");
        let refused = ends.swap_remove(0);
        assert!(
            matches!(refused, None | Some(ImageError::Corrupt(_) | ImageError::Unsupported(_))),
            "file {files} of seed {seed}: {refused:?}"
        );
    }
    println!("{files} files, {headers} with a header, {decodes} decodes, {whole} whole, seed {seed}");
    assert!(whole > 0 && decodes > whole);
}

/// CPU time of whole requests to JPEG, the longer side first as decoded at full size, then at the scale that would be chosen:
/// `cargo test --release -p safelight-image --lib webp::tests::whole_or_scaled -- --ignored --nocapture`, with `WEBP_FILES`
/// naming a folder.
#[test]
#[ignore = "a measurement"]
fn whole_or_scaled() {
    use crate::{accept::Accepts, options::FormatChoice, options::Options, pipeline::Job, pipeline::process};
    let Some(folder) = std::env::var_os("WEBP_FILES") else { return };
    let cpu = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        std::time::Duration::try_from(time).unwrap().as_secs_f64() * 1e3
    };
    let limits = Limits::default();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let file = std::fs::read(&path).unwrap();
        let info = probe(&file, &limits).unwrap();
        for width in [200, 512, 800] {
            let width = std::num::NonZeroU32::new(width);
            let options = Options { width, format: FormatChoice::Jpeg, ..Options::default() };
            let plan = crate::plan::plan(info.size(), &options, &[], &limits).unwrap();
            let jobs = [Job { options, plan, accepts: Accepts::CLASSIC }];
            let full = info.work.at(Scale::Full);
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..5 {
                for (work, times) in [Work::Whole(full), Work::Scaled([full; 4])].into_iter().zip(&mut times)
                {
                    let info = Info { work, ..info.clone() };
                    let begin = cpu();
                    process(&file, &info, &jobs, &Cancel::new(), |_, output| drop(output)).unwrap();
                    times.push(cpu() - begin);
                }
            }
            let medians = times.map(|mut times| {
                times.sort_by(f64::total_cmp);
                times[times.len() / 2]
            });
            println!("{} to {width:?}: whole, scaled {medians:.1?} ms", path.file_name().unwrap().display());
        }
    }
}

/// Memory, times and likeness of real files: `cargo test --release -p safelight-image webp::tests::figures -- --ignored
/// --nocapture`, with `WEBP_FILES` naming a folder of them.
#[test]
#[ignore = "a measurement"]
fn figures() {
    let Some(folder) = std::env::var_os("WEBP_FILES") else { return };
    let rounds: usize = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let cpu = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
    };
    let limits = Limits { max_source_pixels: 1 << 30, ..Limits::default() };
    for path in files {
        let file = std::fs::read(&path).unwrap();
        let info = probe(&file, &limits).unwrap();
        let mut times = vec![Vec::new(); 5];
        for _ in 0..rounds {
            let begin = cpu();
            let other = by_image_webp(&file);
            times[4].push(cpu() - begin);
            drop(other);
            for (scale, times) in Scale::ALL.iter().zip(&mut times) {
                let begin = cpu();
                let view = whole_at(*scale, info.stored_size);
                let made = decode_whole(&file, &info, &view, &Cancel::new()).unwrap();
                times.push(cpu() - begin);
                drop(made);
            }
        }
        for times in &mut times {
            times.sort_by(f64::total_cmp);
        }
        let median: Vec<f64> = times.iter().map(|times| times[times.len() / 2]).collect();
        let ours = decode_whole(&file, &info, &View::whole(info.stored_size), &Cancel::new()).unwrap();
        let likeness = difference(ours.pixels.data(), &by_image_webp(&file));
        let boxes: Vec<_> = Scale::ALL[1..].iter().map(|scale| error_of_boxes(&file, *scale)).collect();
        println!(
            "{} {:?} ms: image-webp {:.1}, 1/1..1/8 {:.1?}, of image-webp {:.2?}; image-webp differs by mean {:.4} most {}; \
             boxes (mean, most) {boxes:.3?}",
            path.file_name().unwrap().display(),
            info.stored_size,
            median[4],
            &median[..4],
            median[..4].iter().map(|ms| ms / median[4]).collect::<Vec<_>>(),
            likeness.0,
            likeness.1,
        );
    }
}
