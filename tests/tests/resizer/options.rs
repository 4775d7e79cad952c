//! What is refused before a byte is taken.

use futures_util::{StreamExt as _, stream};
use safelight_local::{Settings, picture::sample};
use safelight_proto::{
    image::v1::{Fit, FocalPoint, Format, Gravity, TransformOptions, gravity::Anchor},
    reason::Reason,
    resizer::v1::{Output, ResizeObjectRequest, ResizeOpen, ResizeRequest, resize_request},
};

use crate::{harness::*, pictures::hollow_png};

/// Sends `open` alone and leaves the stream open: what is refused now needs no picture.
async fn open_only(local: &Local, outputs: Vec<Output>) -> Answer {
    let open = ResizeOpen { outputs, ..Default::default() };
    let message = ResizeRequest { message: Some(resize_request::Message::Open(open)) };
    local.send(stream::iter([message]).chain(stream::pending())).await
}

fn point(x: f64, y: f64) -> Option<Gravity> {
    Some(Gravity { anchor: Some(Anchor::Point(FocalPoint { x, y, mode: 0 })) })
}

/// Options that are each wrong in one field.
fn wrong() -> Vec<(&'static str, TransformOptions)> {
    let default = TransformOptions::default;
    let side = Gravity { anchor: Some(Anchor::Side(99)) };
    let mode = Gravity { anchor: Some(Anchor::Point(FocalPoint { x: 0.5, y: 0.5, mode: 99 })) };
    let dprs = [0.0, -1.0, 2.0001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let qualities = [0, 101, 256, 257, u32::MAX];
    let points = [(-0.1, 0.5), (1.1, 0.5), (0.5, f64::NAN), (f64::INFINITY, 0.5)];
    let backgrounds = ["red", "#ff", "#ggg", "fff", " ", "#12345", "#1234567890", "rgb(0,0,0)", "#ééé"];
    let mut wrong = vec![
        ("width", TransformOptions { width: Some(0), ..default() }),
        ("height", TransformOptions { height: Some(0), ..default() }),
        ("fit", TransformOptions { fit: 99, ..default() }),
        ("fit", TransformOptions { fit: -1, ..default() }),
        ("format", TransformOptions { format: 99, ..default() }),
        ("gravity", TransformOptions { gravity: Some(side), ..default() }),
        ("gravity", TransformOptions { gravity: Some(mode), ..default() }),
    ];
    wrong.extend(dprs.map(|dpr| ("dpr", TransformOptions { dpr: Some(dpr), ..default() })));
    wrong.extend(qualities.map(|q| ("quality", TransformOptions { quality: Some(q), ..default() })));
    wrong.extend(points.map(|(x, y)| ("gravity", TransformOptions { gravity: point(x, y), ..default() })));
    wrong.extend(
        backgrounds.map(|text| ("background", TransformOptions { background: text.into(), ..default() })),
    );
    wrong
}

#[tokio::test]
async fn a_bad_option_is_named_by_its_path() {
    let local = start(Settings::default()).await;
    for (field, options) in wrong() {
        let outputs = vec![output("good", png()), output("bad", options.clone())];
        let status = refused(open_only(&local, outputs.clone()).await, Reason::FieldInvalid);
        assert_eq!(fields(&status), [format!("outputs[1].options.{field}")], "{options:?}");
        // The same of an object, before its origin is asked.
        let request = ResizeObjectRequest { source: Some(object("none")), outputs, ..Default::default() };
        let status = refused(local.client.clone().resize_object(request).await, Reason::FieldInvalid);
        assert_eq!(fields(&status), [format!("outputs[1].options.{field}")], "{options:?}");
    }
    assert_eq!(local.stack.s3.requests(), 0);
}

#[tokio::test]
async fn everything_bad_is_told_at_once() {
    let local = start(Settings::default()).await;
    let all_bad = TransformOptions {
        width: Some(0),
        height: Some(0),
        fit: 99,
        gravity: point(2.0, 2.0),
        dpr: Some(3.0),
        quality: Some(101),
        format: 99,
        background: "blue".into(),
        quality_profile: 99,
        chroma: 420,
        light: 99,
        kernel: 99,
        ..Default::default()
    };
    let outputs = vec![output("", all_bad), output(&"x".repeat(65), png()), output("ok", png())];
    let status = refused(open_only(&local, outputs).await, Reason::FieldInvalid);
    let mut found = fields(&status);
    found.sort();
    let mut expected = [
        "background",
        "chroma",
        "dpr",
        "fit",
        "format",
        "gravity",
        "height",
        "kernel",
        "light",
        "quality",
        "quality_profile",
        "width",
    ]
    .map(|field| format!("outputs[0].options.{field}"))
    .to_vec();
    expected.push("outputs[1].id".into());
    assert_eq!(found, expected);
}

#[tokio::test]
async fn gif_is_not_written_and_hides_no_other_mistake() {
    let local = start(Settings::default()).await;
    let gif = || output("", TransformOptions { format: Format::Gif.into(), ..Default::default() });
    let status = refused(open_only(&local, vec![gif()]).await, Reason::FormatUnsupported);
    assert_eq!(fields(&status), ["outputs[0].options.format"]);

    let bad = output("", TransformOptions { quality: Some(0), ..Default::default() });
    let status = refused(open_only(&local, vec![bad, gif()]).await, Reason::FormatUnsupported);
    assert_eq!(fields(&status), ["outputs[0].options.quality", "outputs[1].options.format"]);
}

#[tokio::test]
async fn one_to_sixteen_outputs() {
    let local = start(Settings::default()).await;
    let outputs =
        |count: usize| (0..count).map(|index| output(&format!("{index}"), png())).collect::<Vec<_>>();
    for count in [0, 17] {
        let status = refused(open_only(&local, outputs(count)).await, Reason::FieldInvalid);
        assert_eq!(fields(&status), ["outputs"], "{count}");
    }
    let (pictures, summary) = local.resize(outputs(16), sample::png(8, 8).unwrap()).await.unwrap();
    assert_eq!((pictures.len(), summary.outputs), (16, 16));
    let ids: Vec<_> = pictures.iter().map(|picture| picture.header.id.clone()).collect();
    assert_eq!(ids, (0..16).map(|index| index.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_id_has_64_bytes() {
    let local = start(Settings::default()).await;
    let longest = "é".repeat(32);
    let picture = local.resize(vec![output(&longest, png())], sample::png(8, 8).unwrap()).await.unwrap().0;
    assert_eq!(only(picture).header.id, longest);
    let status = refused(open_only(&local, vec![output(&"é".repeat(33), png())]).await, Reason::FieldInvalid);
    assert_eq!(fields(&status), ["outputs[0].id"]);
}

#[tokio::test]
async fn outputs_that_are_too_large_are_refused_before_decoding() {
    let local = start_limited("max_output_side = 1000\nmax_output_pixels = 500_000").await;
    // Pixels that would not decode: nobody looks at them.
    for source in [sample::png(48, 32).unwrap(), hollow_png(48, 32)] {
        for (width, height) in [(1001, 1), (1000, 501), (u32::MAX, u32::MAX)] {
            let answer = local.resize_one(fitted(Fit::Squeeze, width, height), source.clone()).await;
            refused(answer, Reason::OutputTooLarge);
        }
    }
    let within =
        local.resize_one(fitted(Fit::Squeeze, 1000, 500), sample::png(48, 32).unwrap()).await.unwrap();
    assert_eq!(size(&within), (1000, 500));
}
