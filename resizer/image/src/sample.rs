//! Pictures for the tests, made in code: what is drawn, and files of every kind that is read.

use std::io::Cursor;

use image::{
    ExtendedColorType, ImageEncoder,
    codecs::{gif::GifEncoder, png::PngEncoder},
};
use jpeg_encoder::{ColorType, SamplingFactor};

use super::{
    accept::{Accepts, Encoding},
    cancel::Cancel,
    codec::{self, rows::Samples},
    colour::{Colors, Embedded, straight::Straight},
    error::ImageError,
    options::{FormatChoice, Options},
    pixels::{Layout, Pixels},
    size::Size,
    step::Shape,
};

/// Small random numbers, the same in every run (Knuth's MMIX generator).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// A drawing with smooth parts, edges and some noise, so that it compresses like a photograph. Alpha, where the
/// layout has it, falls off towards the right.
pub(crate) fn drawing(width: u32, height: u32, layout: Layout) -> Pixels {
    let mut random = Random::new(7);
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
            let ring = ((u - 0.5).hypot(v - 0.4) * 40.0).sin() * 40.0;
            let noise = random.below(9) as f64;
            let block = if (u * 6.0) as u32 % 2 == (v * 4.0) as u32 % 2 { 30.0 } else { 0.0 };
            let r = (u * 170.0 + ring + noise + block) as u8;
            let g = (v * 150.0 + 40.0 + ring + noise) as u8;
            let b = ((1.0 - u) * 120.0 + v * 60.0 + block + noise) as u8;
            let a = ((1.0 - u) * 300.0) as u8;
            match layout {
                Layout::Gray => data.push(g),
                Layout::GrayAlpha => data.extend([g, a]),
                Layout::Rgb => data.extend([r, g, b]),
                _ => data.extend([r, g, b, a]),
            }
        }
    }
    Pixels::new(Size::new(width, height), layout, data).unwrap()
}

/// A picture of one colour.
pub(crate) fn plain(width: u32, height: u32, layout: Layout, pixel: &[u8]) -> Pixels {
    Pixels::new(Size::new(width, height), layout, pixel.repeat((width * height) as usize)).unwrap()
}

/// What a JPEG is to be like.
#[derive(Clone, Default)]
pub(crate) struct Jpeg {
    pub(crate) progressive: bool,
    pub(crate) full_chroma: bool,
    /// Inks in Adobe's form of YCCK.
    pub(crate) ycck: bool,
    pub(crate) restarts: bool,
    pub(crate) exif: Option<Vec<u8>>,
    pub(crate) icc: Option<Vec<u8>>,
}

impl Jpeg {
    pub(crate) fn write(&self, pixels: &Pixels) -> Vec<u8> {
        let color = match pixels.layout() {
            Layout::Gray => ColorType::Luma,
            Layout::Rgb => ColorType::Rgb,
            Layout::Cmyk if self.ycck => ColorType::CmykAsYcck,
            Layout::Cmyk => ColorType::Cmyk,
            Layout::Rgba | Layout::GrayAlpha => panic!("no alpha in JPEG"),
        };
        let mut file = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut file, 92);
        encoder.set_progressive(self.progressive);
        encoder.set_sampling_factor(if self.full_chroma {
            SamplingFactor::F_1_1
        } else {
            SamplingFactor::F_2_2
        });
        if self.restarts {
            encoder.set_restart_interval(4);
        }
        if let Some(exif) = &self.exif {
            encoder.add_app_segment(1, [b"Exif\0\0", &exif[..]].concat()).unwrap();
        }
        if let Some(icc) = &self.icc {
            encoder.add_icc_profile(icc).unwrap();
        }
        let size = pixels.size();
        encoder.encode(pixels.data(), size.width as u16, size.height as u16, color).unwrap();
        file
    }
}

/// An EXIF block that says nothing but the orientation, 1 to 8.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    block
}

/// A PNG of 8 bits a channel, with metadata if given.
pub(crate) fn png(pixels: &Pixels, exif: Option<Vec<u8>>, icc: Option<Vec<u8>>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).unwrap();
    }
    if let Some(icc) = icc {
        encoder.set_icc_profile(icc).unwrap();
    }
    let color = match pixels.layout() {
        Layout::Gray => ExtendedColorType::L8,
        Layout::GrayAlpha => ExtendedColorType::La8,
        Layout::Rgb => ExtendedColorType::Rgb8,
        _ => ExtendedColorType::Rgba8,
    };
    encoder.write_image(pixels.data(), pixels.size().width, pixels.size().height, color).unwrap();
    file
}

/// A PNG of 16 bits a channel; the low bytes are noise.
pub(crate) fn png16(pixels: &Pixels) -> Vec<u8> {
    let mut file = Vec::new();
    let mut random = Random::new(3);
    let samples: Vec<u8> = pixels
        .data()
        .iter()
        // Within half of a step of the 8-bit value.
        .flat_map(|&v| (u16::from(v) * 257).saturating_sub(random.below(100) as u16).to_ne_bytes())
        .collect();
    let color = match pixels.layout() {
        Layout::Gray => ExtendedColorType::L16,
        Layout::GrayAlpha => ExtendedColorType::La16,
        Layout::Rgb => ExtendedColorType::Rgb16,
        _ => ExtendedColorType::Rgba16,
    };
    PngEncoder::new(&mut file)
        .write_image(&samples, pixels.size().width, pixels.size().height, color)
        .unwrap();
    file
}

/// A GIF animation of these frames, all RGBA.
pub(crate) fn gif(frames: &[Pixels]) -> Vec<u8> {
    let mut file = Vec::new();
    {
        let mut encoder = GifEncoder::new_with_speed(Cursor::new(&mut file), 30);
        encoder.set_repeat(image::codecs::gif::Repeat::Infinite).unwrap();
        for frame in frames {
            let size = frame.size();
            encoder.encode(frame.data(), size.width, size.height, ExtendedColorType::Rgba8).unwrap();
        }
    }
    file
}

/// A simple WebP.
pub(crate) fn webp(pixels: &Pixels, lossless: bool) -> Vec<u8> {
    encode(if lossless { as_lossless_webp() } else { as_webp(90) }, pixels, &Cancel::new()).unwrap()
}

/// The chunks of a simple WebP, made into an extended one with a canvas of `canvas` and more chunks at the end.
pub(crate) fn extended_webp(simple: &[u8], canvas: Size, flags: u8, more: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut chunks = simple[12..].to_vec();
    for (kind, data) in more {
        chunks.extend(riff_chunk(kind, data));
    }
    // A lossy picture with alpha is extended already.
    if chunks.starts_with(b"VP8X") {
        chunks.drain(..18);
    }
    riff(&[vp8x(canvas, flags), chunks].concat())
}

/// An animation with one frame, made from a simple WebP.
pub(crate) fn animated_webp(simple: &[u8], canvas: Size, frame: Size, at: (u32, u32)) -> Vec<u8> {
    let u24 = |value: u32| value.to_le_bytes()[..3].to_vec();
    let position = [u24(at.0 / 2), u24(at.1 / 2), u24(frame.width - 1), u24(frame.height - 1)].concat();
    let anmf = [position, u24(100), vec![2], simple[12..].to_vec()].concat();
    let chunks = [
        vp8x(canvas, 0x02 | 0x10),
        riff_chunk(b"ANIM", &[0; 6]),
        riff_chunk(b"ANMF", &anmf),
        riff_chunk(b"ANMF", &anmf),
    ];
    riff(&chunks.concat())
}

fn vp8x(canvas: Size, flags: u8) -> Vec<u8> {
    let mut body = vec![flags, 0, 0, 0];
    body.extend(&(canvas.width - 1).to_le_bytes()[..3]);
    body.extend(&(canvas.height - 1).to_le_bytes()[..3]);
    riff_chunk(b"VP8X", &body)
}

fn riff(chunks: &[u8]) -> Vec<u8> {
    [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", chunks].concat()
}

fn riff_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = [kind, &(data.len() as u32).to_le_bytes()[..], data].concat();
    if data.len() % 2 == 1 {
        chunk.push(0);
    }
    chunk
}

/// One file of every kind, with a name for messages and the pixels that went in.
pub(crate) fn files() -> Vec<(&'static str, Vec<u8>, Pixels)> {
    let (gray, gray_alpha) = (drawing(53, 41, Layout::Gray), drawing(53, 41, Layout::GrayAlpha));
    let (rgb, rgba) = (drawing(53, 41, Layout::Rgb), drawing(53, 41, Layout::Rgba));
    let baseline = Jpeg::default();
    let icc = moxcms::ColorProfile::new_srgb().encode().unwrap();
    let tagged = Jpeg { exif: Some(exif(1)), icc: Some(icc.clone()), ..Jpeg::default() };
    let progressive = Jpeg { progressive: true, ..Jpeg::default() };
    let restarts = Jpeg { restarts: true, full_chroma: true, ..Jpeg::default() };
    let lossless = webp(&rgba, true);
    let lossy = webp(&rgb, false);
    let palette = gif(std::slice::from_ref(&rgba));
    // GIF has few colours and no half transparency: take what was really stored.
    let shown = image::load_from_memory(&palette).unwrap().to_rgba8().into_raw();
    let shown = Pixels::new(rgba.size(), Layout::Rgba, shown).unwrap();
    let moving = gif(&[rgba.clone(), rgba.clone(), rgba.clone()]);
    vec![
        ("gray JPEG", baseline.write(&gray), gray.clone()),
        ("baseline JPEG", baseline.write(&rgb), rgb.clone()),
        ("JPEG with metadata", tagged.write(&rgb), rgb.clone()),
        ("progressive JPEG", progressive.write(&rgb), rgb.clone()),
        ("JPEG with restarts", restarts.write(&rgb), rgb.clone()),
        ("gray PNG", png(&gray, None, None), gray.clone()),
        ("gray PNG with alpha", png(&gray_alpha, None, None), gray_alpha.clone()),
        ("PNG", png(&rgb, None, None), rgb.clone()),
        ("PNG with alpha and metadata", png(&rgba, Some(exif(1)), Some(icc.clone())), rgba.clone()),
        ("PNG of 16 bits", png16(&rgb), rgb.clone()),
        ("PNG of 16 bits with alpha", png16(&rgba), rgba.clone()),
        ("lossless WebP", lossless.clone(), rgba.clone()),
        ("lossless opaque WebP", webp(&rgb, true), rgb.clone()),
        ("lossy WebP", lossy.clone(), rgb.clone()),
        ("lossy WebP with alpha", webp(&rgba, false), rgba.clone()),
        ("extended WebP", extended_webp(&lossy, rgb.size(), 0x08, &[(b"EXIF", &exif(1))]), rgb),
        ("animated WebP", animated_webp(&lossless, rgba.size(), rgba.size(), (0, 0)), rgba),
        ("GIF", palette, shown.clone()),
        ("animated GIF", moving, shown),
    ]
}

fn encoding(format: FormatChoice, quality: u8) -> Encoding {
    let options = Options { format, quality, ..Options::default() };
    Encoding::choose(&options, Accepts::default(), Size::new(1, 1), false)
}

pub(crate) fn as_jpeg(quality: u8) -> Encoding {
    encoding(FormatChoice::Jpeg, quality)
}

pub(crate) fn as_png() -> Encoding {
    encoding(FormatChoice::Png, 85)
}

/// With loss at any quality.
pub(crate) fn as_webp(quality: u8) -> Encoding {
    Encoding { lossless: false, ..encoding(FormatChoice::Webp, quality) }
}

pub(crate) fn as_lossless_webp() -> Encoding {
    encoding(FormatChoice::WebpLossless, 85)
}

pub(crate) fn encode(encoding: Encoding, pixels: &Pixels, cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
    let shape = Shape { size: pixels.size(), layout: pixels.layout() };
    codec::encoder(&encoding, shape)?.encode(pixels, &encoding, cancel)
}

/// A whole picture as it is shown: sRGB.
pub(crate) fn shown(pixels: &Pixels, embedded: Option<&Embedded>) -> Pixels {
    let colors = Colors::new(pixels.layout(), embedded);
    let layout = colors.layout(pixels.layout());
    let mut straight = Straight::new(&colors, layout, false);
    let mut data = Vec::new();
    for row in pixels.rows() {
        match &colors {
            Colors::Pixels(conversion) => {
                let mut converted = vec![0; row.len() / pixels.layout().channels() * layout.channels()];
                conversion.rows(row.len())(row, &mut converted).unwrap();
                straight.row(Samples::Bits8(&converted), &mut data);
            }
            _ => straight.row(Samples::Bits8(row), &mut data),
        }
    }
    Pixels::new(pixels.size(), layout, data).unwrap()
}
