//! The pictures: photographs from `../shared/photos` where they are, else made here; and what is made of them with our
//! encoders, for kinds of which there is no file.

use std::path::{Path, PathBuf};

use safelight_image::{
    accept::Accepts,
    cancel::Cancel,
    limits::Limits,
    options::{FormatChoice, Options},
    pipeline::{Job, process},
    plan::plan,
    probe::probe,
};
use safelight_jpeg::encode::{PixelLayout, Process, Settings, encode};

/// An encoded picture.
#[derive(Clone)]
pub(crate) struct Picture {
    pub(crate) name: String,
    /// `jpg`, `png` or `webp`.
    pub(crate) extension: &'static str,
    pub(crate) file: Vec<u8>,
}

/// Every picture of the bench, by its part in the cases.
pub(crate) struct Pictures {
    /// 12 megapixels, baseline.
    pub(crate) large: Picture,
    /// The same, progressive.
    pub(crate) progressive: Picture,
    /// More baseline JPEGs.
    pub(crate) jpeg: Vec<Picture>,
    /// Photographs as PNG, without alpha.
    pub(crate) png: Vec<Picture>,
    pub(crate) alpha: Picture,
    /// Lossy.
    pub(crate) webp: Vec<Picture>,
    pub(crate) webp_lossless: Picture,
}

/// How many of clic's pictures are taken, and at which quality they are made JPEGs.
const CLIC: (usize, u8) = (2, 85);
/// Of WebP sources, what cameras' pictures are kept at.
const WEBP_QUALITY: u8 = 90;

/// Reads or makes them.
pub(crate) fn all() -> Pictures {
    let folder = ["../../shared/photos", "../../../shared/photos", "../../../../shared/photos"]
        .map(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .into_iter()
        .find(|folder| folder.is_dir());
    let Some(folder) = folder else {
        eprintln!(
            "no ../shared/photos: pictures are made here, figures are not comparable with published ones"
        );
        let photo = made(2048, 1536);
        return from(
            jpeg("made", &made(4000, 3000), 92),
            Vec::new(),
            vec![png("made", image::DynamicImage::ImageRgb8(photo.clone()))],
            png("made-alpha", image::DynamicImage::ImageRgba8(transparent(&photo))),
        );
    };
    let read = |name: &str, extension: &'static str| Picture {
        name: name.to_owned(),
        extension,
        file: std::fs::read(folder.join(name).with_extension(extension)).expect("a photograph"),
    };
    let entries = std::fs::read_dir(folder.join("clic")).expect("a folder of photographs");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let clic = paths.iter().take(CLIC.0).map(|path| Picture {
        name: format!("clic-{}", path.file_stem().unwrap_or_default().to_string_lossy()),
        extension: "png",
        file: std::fs::read(path).expect("a photograph"),
    });
    from(
        read("mosaic-4000x3000-q92", "jpg"),
        vec![read("photo-2725x2225", "jpg")],
        clic.collect(),
        read("alpha-2048x1536", "png"),
    )
}

/// What is made of the others.
fn from(large: Picture, mut jpegs: Vec<Picture>, pngs: Vec<Picture>, alpha: Picture) -> Pictures {
    for picture in &pngs {
        jpegs.push(jpeg(&picture.name, &open(picture), CLIC.1));
    }
    let pixels = open(&large);
    let settings = Settings { quality: 92, process: Process::Progressive, ..Settings::default() };
    let file = encode(pixels.as_raw(), pixels.width(), pixels.height(), PixelLayout::Rgb8, &settings);
    let name = large.name.replace("-q92", "");
    let progressive = Picture {
        name: format!("{name}-progressive"),
        extension: "jpg",
        file: file.expect("a progressive JPEG"),
    };
    Pictures {
        webp: vec![webp(&large, "lossy", FormatChoice::Webp), webp(&pngs[0], "lossy", FormatChoice::Webp)],
        webp_lossless: webp(&pngs[0], "lossless", FormatChoice::WebpLossless),
        large,
        progressive,
        jpeg: jpegs,
        png: pngs,
        alpha,
    }
}

/// The pixels.
pub(crate) fn open(picture: &Picture) -> image::RgbImage {
    image::load_from_memory(&picture.file).expect("a photograph").to_rgb8()
}

/// A baseline JPEG of these pixels.
pub(crate) fn jpeg(name: &str, image: &image::RgbImage, quality: u8) -> Picture {
    let (width, height) = image.dimensions();
    let settings = Settings { quality, ..Settings::default() };
    let file = encode(image.as_raw(), width, height, PixelLayout::Rgb8, &settings).expect("a JPEG");
    Picture { name: format!("{name}-{width}x{height}-q{quality}"), extension: "jpg", file }
}

fn png(name: &str, image: image::DynamicImage) -> Picture {
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, image::ImageFormat::Png).expect("a PNG");
    Picture { name: name.to_owned(), extension: "png", file: file.into_inner() }
}

/// The same picture as WebP, by our pipeline, which encodes with libwebp.
fn webp(picture: &Picture, kind: &str, format: FormatChoice) -> Picture {
    let limits = Limits::default();
    let info = probe(&picture.file, &limits).expect("a picture");
    let options = Options { format, quality: WEBP_QUALITY, ..Options::default() };
    let plan = plan(info.size(), &options, &[], &limits).expect("a plan");
    let job = Job { options, plan, accepts: Accepts::CLASSIC };
    let mut file = Vec::new();
    process(&picture.file, &info, &[job], &Cancel::new(), |_, output| file = output.bytes).expect("a WebP");
    let name = picture.name.replace("-q92", "");
    Picture { name: format!("{name}-{kind}"), extension: "webp", file }
}

/// Waves of several lengths with noise on them, as detailed as a photograph at this quality.
fn made(width: u32, height: u32) -> image::RgbImage {
    let mut seed = 1_u32;
    image::RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        let wave = (x / 97.0).sin() * 50.0 + (y / 41.0 + x / 230.0).cos() * 40.0 + (x * y / 9e4).sin() * 25.0;
        image::Rgb([0.0, 0.7, 1.9].map(|phase| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(seed >> 28) - 8.0;
            // The cast saturates.
            (128.0 + wave + 30.0 * (x / 300.0 + phase).sin() + noise) as u8
        }))
    })
}

/// A disc of it with a soft edge.
fn transparent(image: &image::RgbImage) -> image::RgbaImage {
    let (width, height) = image.dimensions();
    image::RgbaImage::from_fn(width, height, |x, y| {
        let across = f64::from(x) / f64::from(width) * 2.0 - 1.0;
        let down = f64::from(y) / f64::from(height) * 2.0 - 1.0;
        let alpha = ((0.9 - across.hypot(down)) * 2000.0).clamp(0.0, 255.0);
        let image::Rgb([red, green, blue]) = *image.get_pixel(x, y);
        image::Rgba([red, green, blue, alpha as u8])
    })
}
