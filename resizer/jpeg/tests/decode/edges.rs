//! What lies beyond the picture's edge in its last MCUs is no part of a scaled sample, whatever it is.

use crate::support::{Picture, decode, picture};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use safelight_jpeg::decode::{Decoder, Lanes, Limits, Options, Output, Path, Scale};
use std::ops::ControlFlow;

/// Sampling factors of luma; chroma has 1 and 1.
const LAYOUTS: [(u8, u8); 8] = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (4, 2), (1, 4), (2, 4)];

const SCALES: [Scale; 3] = [Scale::Half, Scale::Quarter, Scale::Eighth];

/// How a file is written.
#[derive(Debug, Clone, Copy)]
struct Way {
    sampling: (u8, u8),
    progressive: bool,
    restarts: bool,
}

/// A file of the left top of a picture: its frame header says less than was encoded. As `jpegtran -crop` and many
/// cameras leave it, the rest of the last MCUs holds something else.
fn cropped(picture: &Picture, width: u32, height: u32, way: Way) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 100);
    let (h, v) = way.sampling;
    encoder.set_sampling_factor(SamplingFactor::from_factors(h, v).unwrap());
    encoder.set_progressive(way.progressive);
    if way.restarts {
        encoder.set_restart_interval(3);
    }
    encoder.encode(&picture.bytes, picture.width as u16, picture.height as u16, ColorType::Rgb).unwrap();
    let frame = file.windows(2).position(|pair| pair[0] == 0xFF && matches!(pair[1], 0xC0..=0xC2)).unwrap();
    file[frame + 5..frame + 7].copy_from_slice(&(height as u16).to_be_bytes());
    file[frame + 7..frame + 9].copy_from_slice(&(width as u16).to_be_bytes());
    file
}

/// A file of `inside` with black beyond its edge, up to the end of the last MCUs; where scans hold single components, which
/// end with a block, up to the end of the last blocks.
fn surrounded(inside: &Picture, way: Way) -> Vec<u8> {
    let (width, height) = (inside.width, inside.height);
    let wide = |(h, v): (u8, u8)| {
        let (full_width, full_height) =
            (width.next_multiple_of(8 * u32::from(h)), height.next_multiple_of(8 * u32::from(v)));
        let mut bytes = Vec::new();
        for y in 0..full_height {
            for x in 0..full_width {
                let at = ((y * width + x) * 3) as usize;
                let within = x < width && y < height;
                bytes.extend_from_slice(if within { &inside.bytes[at..at + 3] } else { &[0; 3] });
            }
        }
        cropped(&Picture { width: full_width, height: full_height, channels: 3, bytes }, width, height, way)
    };
    let file = wide(way.sampling);
    let header = Decoder::new(&file, Limits::default()).unwrap().header().clone();
    if header.interleaved && !header.progressive { file } else { wide((1, 1)) }
}

fn white(width: u32, height: u32) -> Picture {
    Picture { width, height, channels: 3, bytes: vec![255; (width * height * 3) as usize] }
}

fn ways() -> impl Iterator<Item = Way> {
    LAYOUTS.into_iter().flat_map(|sampling| {
        [(false, false), (false, true), (true, false)].map(|(progressive, restarts)| Way {
            sampling,
            progressive,
            restarts,
        })
    })
}

/// Every remainder of a side by the largest MCU's, with the other side's following it.
fn sizes() -> impl Iterator<Item = (u32, u32)> {
    (0..32).map(|i| (33 + i, 33 + (i * 7 + 5) % 32))
}

#[test]
fn white_stays_white_whatever_is_beyond() {
    for (width, height) in sizes() {
        for way in ways() {
            let file = surrounded(&white(width, height), way);
            for scale in SCALES {
                for (lanes, path) in [(Lanes::Four, Path::Auto), (Lanes::One, Path::Portable)] {
                    let options = Options { scale, lanes, path, ..Options::default() };
                    let ours = decode(&file, &options);
                    let darkest = ours.bytes.iter().min().unwrap();
                    assert!(*darkest >= 253, "{width}x{height} {way:?} {scale:?}: {darkest}");
                }
            }
        }
    }
}

/// The components as they come: their widths and samples.
fn planes(file: &[u8], scale: Scale) -> Vec<(usize, Vec<u8>)> {
    let decoder = Decoder::new(file, Limits::default()).unwrap();
    let mut planes: Vec<(usize, Vec<u8>)> = Vec::new();
    let options = Options { scale, output: Output::Planes, ..Options::default() };
    let summary = decoder.planes(&options, |rows| {
        planes.resize_with(rows.len(), Default::default);
        for (plane, rows) in planes.iter_mut().zip(rows) {
            plane.0 = rows.width as usize;
            for row in rows.bytes.chunks_exact(rows.stride) {
                plane.1.extend_from_slice(&row[..plane.0]);
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!(summary.unwrap().damage, None);
    planes
}

#[test]
fn samples_of_cut_blocks_are_means_of_what_is_inside() {
    let mut cut = 0;
    for (width, height) in sizes() {
        let inside = picture(width, height, 40);
        for way in ways() {
            let file = surrounded(&inside, way);
            let full = planes(&file, Scale::Full);
            for scale in SCALES {
                let (size, block) = (scale.divisor() as usize, 8 / scale.divisor() as usize);
                for (i, (ours, full)) in planes(&file, scale).iter().zip(&full).enumerate() {
                    let (full_width, full_height) = (full.0, full.1.len() / full.0);
                    for (at, sample) in ours.1.iter().enumerate() {
                        let (x, y) = (at % ours.0, at / ours.0);
                        let ends = (8 * (x / block + 1), 8 * (y / block + 1));
                        if ends.0 <= full_width && ends.1 <= full_height {
                            continue;
                        }
                        let rows = y * size..((y + 1) * size).min(full_height);
                        let columns = x * size..((x + 1) * size).min(full_width);
                        let count = rows.len() * columns.len();
                        let row = |y: usize| &full.1[y * full_width..][columns.clone()];
                        let sum: usize = rows.flat_map(row).map(|s| usize::from(*s)).sum();
                        let mean = (sum + count / 2) / count;
                        let what = format!("{width}x{height} {way:?} {scale:?} component {i} at {x}, {y}");
                        assert_eq!(usize::from(*sample), mean, "{what}");
                        cut += 1;
                    }
                }
            }
        }
    }
    assert!(cut > 100_000, "{cut}");
}

/// Large enough for lanes, which are not told of the edge.
#[test]
fn large_pictures_end_at_their_edge_too() {
    for (width, height) in [(1001, 700), (1000, 701), (1003, 711)] {
        let inside = picture(width, height, 30);
        for sampling in [(1, 1), (2, 2)] {
            let way = Way { sampling, progressive: false, restarts: false };
            let file = surrounded(&inside, way);
            let full = decode(&file, &Options::default());
            for scale in SCALES {
                let ours = decode(&file, &Options { scale, ..Options::default() });
                let one = decode(&file, &Options { scale, lanes: Lanes::One, ..Options::default() });
                assert!(ours == one, "{width}x{height} {sampling:?} {scale:?}: lanes");
                let (near, brighter) = edge(&ours).difference(&edge(&full.boxes(scale.divisor())));
                let what = format!("{width}x{height} {sampling:?} {scale:?}");
                assert!(near > 30.0 && brighter.abs() < 1.0, "{what}: {near:.1} dB, {brighter:.2} brighter");
            }
        }
    }
}

/// The last column and row, one behind the other.
fn edge(picture: &Picture) -> Picture {
    let row = picture.width as usize * 3;
    let mut bytes: Vec<u8> = picture.bytes.chunks_exact(row).flat_map(|r| r[row - 3..].to_vec()).collect();
    bytes.extend_from_slice(&picture.bytes[picture.bytes.len() - row..]);
    Picture { width: bytes.len() as u32 / 3, height: 1, channels: 3, bytes }
}
