//! What is made.

use futures_util::stream;
use image::ImageFormat;
use safelight_local::{
    Settings,
    picture::sample::{self, ALPHAS, COLOURS},
};
use safelight_proto::{
    CHUNK_SIZE, framing,
    image::v1::{Fit, FocalMode, FocalPoint, Format, Gravity, Side, TransformOptions, gravity::Anchor},
    resizer::v1::{Output, ResizeOpen, frame},
};

use crate::{harness::*, pictures::noise_file};

fn as_format(format: Format) -> TransformOptions {
    TransformOptions { format: format.into(), ..Default::default() }
}

#[tokio::test]
async fn three_outputs_from_one_decode() {
    let local = start(Settings::default()).await;
    let source = sample::jpeg(120, 80).unwrap();
    let outputs = vec![
        output("hero", TransformOptions { width: Some(60), ..as_format(Format::Jpeg) }),
        output("same", fitted(Fit::Cover, 30, 30)),
        output(
            "same",
            TransformOptions { width: Some(240), fit: Fit::Contain.into(), ..as_format(Format::Webp) },
        ),
    ];
    let (pictures, summary) = local.resize(outputs, source.clone()).await.unwrap();
    let expected = [
        ("hero", "image/jpeg", Format::Jpeg, (60, 40), ImageFormat::Jpeg),
        ("same", "image/png", Format::Png, (30, 30), ImageFormat::Png),
        ("same", "image/webp", Format::Webp, (240, 160), ImageFormat::WebP),
    ];
    assert_eq!(pictures.len(), expected.len());
    for (index, (picture, (id, content_type, format, dimensions, file))) in
        pictures.iter().zip(expected).enumerate()
    {
        let header = &picture.header;
        assert_eq!(usize::try_from(header.output).unwrap(), index);
        assert_eq!((header.id.as_str(), header.content_type.as_str()), (id, content_type));
        assert_eq!((header.format(), (header.width, header.height)), (format, dimensions));
        assert_eq!((size(picture), image::guess_format(&picture.bytes).unwrap()), (dimensions, file));
        assert_near(&middles(picture), &COLOURS, 12, id);
    }
    let info = summary.source.unwrap();
    assert_eq!((info.format(), info.width, info.height, info.orientation), (Format::Jpeg, 120, 80, 1));
    assert_eq!((info.size, info.has_alpha, info.has_icc_profile), (source.len() as u64, false, false));
    assert!(info.memory_estimate > 120 * 80 * 3);
    let timings = summary.timings.unwrap();
    assert!(timings.decode.is_some() && timings.resize.is_some() && timings.encode.is_some());
    assert!(timings.receive.is_some() && timings.queue.is_some() && timings.signer.is_none());
}

#[tokio::test]
async fn every_format_in_becomes_every_format_out() {
    let local = start(Settings::default()).await;
    let grey = [0, 85, 170, 255].map(|value| [value; 3]);
    for (name, source, format, colours, alpha) in [
        ("jpeg", sample::jpeg(48, 32).unwrap(), Format::Jpeg, COLOURS, false),
        ("png", sample::png(48, 32).unwrap(), Format::Png, COLOURS, false),
        ("grey png", sample::grey_png(48, 32).unwrap(), Format::Png, grey, false),
        ("rgba png", sample::rgba_png(48, 32).unwrap(), Format::Png, COLOURS, true),
        ("webp", sample::webp(48, 32).unwrap(), Format::Webp, COLOURS, false),
        ("rgba webp", sample::rgba_webp(48, 32).unwrap(), Format::Webp, COLOURS, true),
        ("gif, of two frames", sample::two_frame_gif(48, 32).unwrap(), Format::Gif, COLOURS, false),
    ] {
        assert_eq!(local.inspect(source.clone()).await.unwrap().format(), format, "{name}");
        let asked = [Format::Jpeg, Format::Png, Format::Webp, Format::WebpLossless];
        // At its own size, and resampled.
        for width in [None, Some(24)] {
            let outputs = asked.map(|format| output(name, TransformOptions { width, ..as_format(format) }));
            let (pictures, summary) = local.resize(outputs.to_vec(), source.clone()).await.unwrap();
            assert_eq!(summary.source.unwrap().format(), format, "{name}");
            let made = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::WebP];
            for ((picture, asked), made) in pictures.iter().zip(asked).zip(made) {
                let what = format!("{name} to {asked:?} at {width:?}");
                assert_eq!(image::guess_format(&picture.bytes).unwrap(), made, "{what}");
                let told = if asked == Format::WebpLossless { Format::Webp } else { asked };
                assert_eq!(picture.header.format(), told, "{what}");
                assert_eq!(size(picture), (width.unwrap_or(48), width.map_or(32, |_| 16)), "{what}");
                let found = middles(picture);
                match (alpha, asked) {
                    (false, _) => assert_near(&found, &colours, 12, &what),
                    // Blended onto white.
                    (true, Format::Jpeg) => {
                        let half = COLOURS[1].map(|value| u8::midpoint(value, 255));
                        assert_near(&found, &[COLOURS[0], half, [255; 3], COLOURS[3]], 12, &what);
                    }
                    (true, _) => {
                        assert_near(
                            &found.map(|pixel| [pixel[3]; 4]),
                            &ALPHAS.map(|alpha| [alpha]),
                            3,
                            &what,
                        );
                        for seen in [0, 1, 3] {
                            assert_near(&found[seen..=seen], &COLOURS[seen..=seen], 12, &what);
                        }
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn without_options_the_source_comes_at_its_own_size() {
    let local = start(Settings::default()).await;
    let outputs = vec![Output { id: "as it is".into(), options: None }];
    let (pictures, _) = local.resize(outputs, sample::png(50, 40).unwrap()).await.unwrap();
    let picture = only(pictures);
    assert_eq!((size(&picture), picture.header.format()), ((50, 40), Format::Jpeg));
}

#[tokio::test]
async fn format_auto_follows_accept_and_pixels() {
    let local = start(Settings::default()).await;
    for (accept, transparent, expected) in [
        ("", false, Format::Jpeg),
        ("", true, Format::Png),
        ("image/avif,image/webp,*/*;q=0.8", false, Format::Webp),
        ("image/avif,image/webp,*/*;q=0.8", true, Format::Webp),
        ("image/webp;q=0, */*", false, Format::Jpeg),
        ("*/*", true, Format::Png),
    ] {
        let source = if transparent { sample::rgba_png(48, 32) } else { sample::webp(48, 32) }.unwrap();
        for format in [Format::Unspecified, Format::Auto] {
            let outputs = vec![output("", as_format(format))];
            let open = ResizeOpen { outputs, accept: accept.into(), ..Default::default() };
            let messages: Vec<_> = framing::resize(open, source.clone().into()).collect();
            let (pictures, _) = local.send(stream::iter(messages)).await.unwrap();
            assert_eq!(only(pictures).header.format(), expected, "{accept:?}, transparent: {transparent}");
        }
    }
}

#[tokio::test]
async fn webp_at_quality_100_is_lossless() {
    let local = start(Settings::default()).await;
    let source = noise_file(40, 30, ImageFormat::Png);
    let pixels = image::load_from_memory(&source).unwrap().into_rgba8();
    let webp = |quality| TransformOptions { quality: Some(quality), ..as_format(Format::Webp) };
    let exact = local.resize_one(webp(100), source.clone()).await.unwrap();
    assert!(decode(&exact) == pixels);
    let lossy = local.resize_one(webp(99), source).await.unwrap();
    assert!(decode(&lossy) != pixels && lossy.bytes.len() < exact.bytes.len());
}

#[tokio::test]
async fn quality_and_background_are_heeded() {
    let local = start(Settings::default()).await;
    let noise = noise_file(64, 64, ImageFormat::Png);
    let mut sizes = Vec::new();
    for quality in [1, 50, 85, 100] {
        let options = TransformOptions { quality: Some(quality), ..as_format(Format::Jpeg) };
        sizes.push(local.resize_one(options, noise.clone()).await.unwrap().bytes.len());
    }
    assert!(sizes.is_sorted_by(|low, high| low < high), "{sizes:?}");
    let unset = local.resize_one(as_format(Format::Jpeg), noise).await.unwrap();
    assert_eq!(unset.bytes.len(), sizes[2], "85 is the default");

    let on_blue = TransformOptions { background: "#00f".into(), ..png() };
    let blended = local.resize_one(on_blue, sample::rgba_png(48, 32).unwrap()).await.unwrap();
    let [red, green, blue] = COLOURS[1];
    let half = [red / 2, green / 2, u8::midpoint(blue, 255), 255];
    assert_near(&middles(&blended)[1..3], &[half, [0, 0, 255, 255]], 2, "background");
}

#[tokio::test]
async fn every_exif_orientation_comes_out_upright() {
    let local = start(Settings::default()).await;
    for orientation in 0..=9 {
        let source = sample::oriented_jpeg(48, 32, orientation).unwrap();
        let outputs = vec![
            output("own", png()),
            output("smaller", TransformOptions { width: Some(24), ..png() }),
            output(
                "top left",
                TransformOptions {
                    gravity: Some(Gravity { anchor: Some(Anchor::Point(FocalPoint::default())) }),
                    ..fitted(Fit::Crop, 24, 16)
                },
            ),
        ];
        let (pictures, summary) = local.resize(outputs, source).await.unwrap();
        let told = if (1..=8).contains(&orientation) { orientation } else { 1 };
        let info = summary.source.unwrap();
        assert_eq!((info.orientation, info.width, info.height), (told.into(), 48, 32), "{orientation}");
        assert_eq!((size(&pictures[0]), size(&pictures[1])), ((48, 32), (24, 16)), "{orientation}");
        for picture in &pictures[..2] {
            assert_near(&middles(picture), &COLOURS, 6, &format!("{orientation} {}", picture.header.id));
        }
        assert_eq!(size(&pictures[2]), (24, 16));
    }
}

/// The examples of Cloudflare's documentation, with a look at the pixels of crops.
#[tokio::test]
async fn documented_fits_and_gravities() {
    let local = start(Settings::default()).await;
    let source = |width, height| sample::png(width, height).unwrap();
    for (from, fit, to, expected) in [
        ((1080, 720), Fit::ScaleDown, (500, 500), (500, 333)),
        ((1080, 720), Fit::Unspecified, (500, 500), (500, 333)),
        ((1080, 720), Fit::ScaleDown, (2000, 2000), (1080, 720)),
        ((1080, 720), Fit::Cover, (500, 500), (500, 500)),
        ((1080, 720), Fit::Crop, (1296, 1296), (1080, 720)),
        ((612, 613), Fit::AspectCrop, (1920, 1120), (612, 357)),
        ((1080, 720), Fit::Pad, (1080, 1080), (1080, 1080)),
        ((1080, 720), Fit::Squeeze, (1080, 540), (1080, 540)),
        ((1080, 1080), Fit::Squeeze, (1080, 540), (1080, 540)),
        ((1080, 720), Fit::Contain, (1200, 1200), (1200, 800)),
        ((1080, 720), Fit::ScaleUp, (500, 500), (1080, 720)),
        ((1080, 720), Fit::ScaleUp, (1200, 1200), (1200, 800)),
    ] {
        let made = local.resize_one(fitted(fit, to.0, to.1), source(from.0, from.1)).await.unwrap();
        assert_eq!(size(&made), expected, "{from:?} {fit:?} {to:?}");
        assert_eq!((made.header.width, made.header.height), expected);
    }

    // Bars above and below: 180 lines each, white.
    let padded = local.resize_one(fitted(Fit::Pad, 1080, 1080), source(1080, 720)).await.unwrap();
    let pixels = decode(&padded);
    let column = [0, 179, 180, 899, 900, 1079].map(|y| pixels.get_pixel(0, y).0);
    let [red, _, blue, _] = COLOURS;
    assert_near(&column, &[[255; 3], [255; 3], red, blue, [255; 3], [255; 3]], 0, "pad");

    // The bottom stays: the seam at line 360 comes to line 40.
    let side = |side: Side| Some(Gravity { anchor: Some(Anchor::Side(side.into())) });
    let options = TransformOptions { gravity: side(Side::Bottom), ..fitted(Fit::Cover, 1080, 400) };
    let pixels = decode(&local.resize_one(options, source(1080, 720)).await.unwrap());
    let lines = [39, 40].map(|y| pixels.get_pixel(0, y).0);
    assert_near(&lines, &[red, blue], 0, "bottom");

    // 0.33 of the remainder, 600, is cut off on the left: the seam at column 450 comes to 252.
    for (x, mode, seam) in [
        (0.33, FocalMode::Unspecified, 252),
        (0.33, FocalMode::Remainder, 252),
        (0.4, FocalMode::BoxCenter, 240), // the box begins at 0.4 × 900 - 150 = 210
    ] {
        let point = FocalPoint { x, y: 0.5, mode: mode.into() };
        let gravity = Some(Gravity { anchor: Some(Anchor::Point(point)) });
        let options = TransformOptions { gravity, ..fitted(Fit::Cover, 300, 900) };
        let pixels = decode(&local.resize_one(options, source(900, 900)).await.unwrap());
        let columns = [seam - 1, seam].map(|x| pixels.get_pixel(x, 0).0);
        assert_near(&columns, &COLOURS[..2], 0, &format!("{x} {mode:?}"));
    }
}

#[tokio::test]
async fn dpr_multiplies_the_target_and_not_the_source() {
    let local = start(Settings::default()).await;
    let source = sample::png(300, 200).unwrap();
    let asked = |width, dpr| TransformOptions { width, dpr: Some(dpr), ..png() };
    for (options, expected) in [
        (asked(Some(101), 1.5), (152, 101)),
        (asked(Some(100), 2.0), (200, 133)),
        (asked(None, 2.0), (300, 200)),
    ] {
        assert_eq!(
            size(&local.resize_one(options.clone(), source.clone()).await.unwrap()),
            expected,
            "{options:?}"
        );
    }
}

#[tokio::test]
async fn a_large_output_comes_in_chunks_of_at_most_64_kib() {
    let local = start(Settings::default()).await;
    let open = ResizeOpen { outputs: vec![output("", png())], ..Default::default() };
    let source = noise_file(300, 200, ImageFormat::Png);
    let messages: Vec<_> = framing::resize(open, source.into()).collect();
    let mut answer = local.client.clone().resize(stream::iter(messages)).await.unwrap().into_inner();
    let (mut chunks, mut length, mut announced) = (0, 0, 0);
    while let Some(response) = answer.message().await.unwrap() {
        match response.frame.unwrap().frame.unwrap() {
            frame::Frame::Header(header) => announced = header.size,
            frame::Frame::Chunk(chunk) => {
                assert_eq!(chunk.offset, length);
                assert!((1..=CHUNK_SIZE).contains(&chunk.data.len()));
                length += chunk.data.len() as u64;
                chunks += 1;
            }
            frame::Frame::Summary(_) => {}
        }
    }
    assert_eq!(length, announced);
    assert_eq!(chunks, length.div_ceil(CHUNK_SIZE as u64));
    assert!(chunks > 1);
}
