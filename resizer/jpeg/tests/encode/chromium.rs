//! Chromium shows the encoder's files: the same pixels as libjpeg-turbo's, orientation and colour profile applied.

use safelight_jpeg::decode::{Decoder, Limits, Options};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::pictures::picture;
use super::*;

/// Draws every file on a canvas and writes "width height hexadecimal-RGB" into the page. All of it before the page counts
/// as loaded, which is when Chromium prints it.
const SCRIPT: &str = r"
const images = files.map((file) => {
    const image = new Image();
    const bytes = Uint8Array.from(file.match(/../g), (byte) => parseInt(byte, 16));
    image.src = URL.createObjectURL(new Blob([bytes], { type: 'image/jpeg' }));
    return image;
});
onload = () => {
    const lines = images.map((image) => {
        if (image.naturalWidth == 0) return '0 0 not a picture';
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const context = canvas.getContext('2d', { willReadFrequently: true });
        context.drawImage(image, 0, 0);
        const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
        const rgb = Array.from(data.filter((_, i) => i % 4 != 3), (byte) => byte.toString(16).padStart(2, '0'));
        return `${canvas.width} ${canvas.height} ${rgb.join('')}`;
    });
    document.body.textContent = lines.join('\n') + '\nEND';
};";

/// A picture as Chromium shows it.
struct Shown {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

/// What Chromium makes of the files; none if it is not installed, which only CI does not forgive.
fn shown(files: &[Vec<u8>]) -> Option<Vec<Shown>> {
    let mut page = "<!doctype html><body><script>const files = [".to_owned();
    for file in files {
        page.push('"');
        for byte in file {
            write!(page, "{byte:02x}").unwrap();
        }
        page.push_str("\",");
    }
    page.push_str("];");
    page.push_str(SCRIPT);
    page.push_str("</script></body>");
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("safelight-chromium-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder: PathBuf = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("page.html"), page).unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--force-color-profile=srgb", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", folder.join("page.html").display()))
        .stdin(Stdio::null())
        .output();
    std::fs::remove_dir_all(&folder).unwrap();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "chromium: {error}");
            eprintln!("SKIPPED: no chromium ({error}); apt-get install chromium");
            return None;
        }
    };
    let dom = String::from_utf8_lossy(&output.stdout);
    let (_, body) = dom.split_once("<body>").unwrap();
    let lines = body.split_once("\nEND").map(|(lines, _)| lines);
    assert!(lines.is_some(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = lines.unwrap_or_default().lines().map(|line| {
        let mut parts = line.splitn(3, ' ');
        let mut part = || parts.next().unwrap();
        let (width, height, hex) = (part().parse().unwrap(), part().parse().unwrap(), part());
        assert!(width > 0, "Chromium says {hex}");
        let rgb =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        Shown { width, height, rgb }
    });
    let shown: Vec<_> = shown.collect();
    assert_eq!(shown.len(), files.len());
    Some(shown)
}

/// The file's pixels as this crate decodes them: byte for byte libjpeg-turbo's with its accurate transform.
fn decoded(file: &[u8]) -> Vec<u8> {
    let decoder = Decoder::new(file, Limits::default()).unwrap();
    let (width, height) = decoder.size(Options::default().scale);
    let mut rgb = vec![0; (width * height * 3) as usize];
    decoder.picture(&Options::default(), &mut rgb, width as usize * 3).unwrap();
    rgb
}

/// The largest and the mean difference.
fn difference(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (differences.clone().max().unwrap_or(0), differences.map(f64::from).sum::<f64>() / a.len() as f64)
}

/// EXIF data that holds an orientation and nothing else.
fn orientation(value: u8) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([value, 0, 0, 0, 0, 0, 0, 0]);
    exif
}

#[test]
fn chromium_shows_what_libjpeg_turbo_decodes() {
    let pixels = picture(67, 51, 3);
    let gray = picture(67, 51, 1);
    let mut files = Vec::new();
    for sampling in SAMPLINGS {
        for process in [Process::Baseline, Process::Progressive] {
            for (huffman, effort, restart_interval) in [
                (Huffman::Standard, Effort::Plain, 0),
                (Huffman::Optimised, Effort::Plain, 3),
                (Huffman::Optimised, Effort::Trellis, 0),
            ] {
                let settings =
                    Settings { sampling, process, huffman, effort, restart_interval, ..Settings::default() };
                files.push(encode(&pixels, 67, 51, PixelLayout::Rgb8, &settings).unwrap());
                files.push(encode(&gray, 67, 51, PixelLayout::Gray8, &settings).unwrap());
            }
        }
    }
    let Some(shown) = shown(&files) else { return };
    let mut largest = (0, 0.0_f64);
    for (i, (shown, file)) in shown.iter().zip(&files).enumerate() {
        assert_eq!((shown.width, shown.height), (67, 51));
        let (most, mean) = difference(&shown.rgb, &decoded(file));
        assert!(most <= 2 && mean < 0.2, "file {i}: {most} at most, {mean:.3} on average");
        largest = (most.max(largest.0), largest.1.max(mean));
    }
    println!("{} files: {} at most, {:.3} on average", files.len(), largest.0, largest.1);
}

#[test]
fn chromium_sees_orientation_and_profile() {
    let pixels = picture(40, 24, 3);
    let mut files = Vec::new();
    let orientations: Vec<_> = (1..=8).map(orientation).collect();
    for exif in &orientations {
        let settings = Settings { exif: Some(exif), sampling: Sampling::Full, ..Settings::default() };
        files.push(encode(&pixels, 40, 24, PixelLayout::Rgb8, &settings).unwrap());
    }
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let flat = [200, 100, 60].repeat(40 * 24);
    for icc in [None, Some(&*profile)] {
        let settings = Settings { icc, quality: 100, ..Settings::default() };
        files.push(encode(&flat, 40, 24, PixelLayout::Rgb8, &settings).unwrap());
    }
    let Some(shown) = shown(&files) else { return };
    let upright = &shown[0].rgb;
    for (value, shown) in (1..).zip(&shown[..8]) {
        let turned = value >= 5;
        assert_eq!(
            (shown.width, shown.height),
            if turned { (24, 40) } else { (40, 24) },
            "orientation {value}"
        );
        // Where the stored picture's first row and column are, by the table of the EXIF standard.
        for (y, x) in (0..24_usize).flat_map(|y| (0..40_usize).map(move |x| (y, x))) {
            let (x_shown, y_shown) = match value {
                1 => (x, y),
                2 => (39 - x, y),
                3 => (39 - x, 23 - y),
                4 => (x, 23 - y),
                5 => (y, x),
                6 => (23 - y, x),
                7 => (23 - y, 39 - x),
                _ => (y, 39 - x),
            };
            let at = (y_shown * shown.width as usize + x_shown) * 3;
            assert_eq!(
                shown.rgb[at..at + 3],
                upright[(y * 40 + x) * 3..][..3],
                "orientation {value}: {x}, {y}"
            );
        }
    }
    // Without a profile the numbers are sRGB; Display P3's (200, 100, 60) is (215, 93, 47) in sRGB.
    for (shown, colour) in shown[8..].iter().zip([[200, 100, 60], [215, 93, 47]]) {
        assert!(
            difference(&shown.rgb, &colour.repeat(40 * 24)).0 <= 3,
            "{:?}, not {colour:?}",
            &shown.rgb[..3]
        );
    }
}
