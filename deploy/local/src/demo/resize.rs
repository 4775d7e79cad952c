//! Pictures resized for a backend: a file that it sends, and an object that it names.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use safelight_chassis::BoxError;
use safelight_proto::{
    framing::{self, Assembler},
    image::v1::{Fit, Format, TransformOptions},
    resizer::v1::{ObjectSource, Output, ResizeObjectRequest, ResizeOpen, Summary},
};

use super::{Demo, ensure};

impl Demo<'_> {
    /// Three outputs of a file, from one decode; then one of the object `key`.
    pub(super) async fn resize(&self, picture: Bytes, key: &str) -> Result<(), BoxError> {
        self.say.line("\n2. A file streamed through the resizer: three outputs from one decode");
        let mut resizer = self.stack.resizer_client().await?;
        let open = ResizeOpen {
            declared_length: Some(picture.len() as u64),
            outputs: outputs(),
            ..Default::default()
        };
        let mut frames = resizer.resize(stream::iter(framing::resize(open, picture))).await?.into_inner();
        let mut assembler = Assembler::default();
        while let Some(response) = frames.message().await? {
            assembler.push(response.frame.ok_or("an answer without a frame")?)?;
        }
        let (pictures, summary) = assembler.finish()?;
        ensure(pictures.len() == 3, "three outputs were asked for")?;
        for picture in &pictures {
            self.write(picture, &picture.header.id)?;
        }
        self.say.step("time", times(&summary));

        let source = ObjectSource { origin: "photos".into(), key: key.to_owned(), caller_headers: None };
        let options = TransformOptions { width: Some(640), ..Default::default() };
        let request = ResizeObjectRequest {
            source: Some(source),
            outputs: vec![output("object", options)],
            ..Default::default()
        };
        let mut frames = resizer.resize_object(request).await?.into_inner();
        let mut assembler = Assembler::default();
        while let Some(response) = frames.message().await? {
            assembler.push(response.frame.ok_or("an answer without a frame")?)?;
        }
        let (pictures, _) = assembler.finish()?;
        let picture = pictures.first().ok_or("an object must be answered with a picture")?;
        self.write(picture, &picture.header.id)
    }
}

fn outputs() -> Vec<Output> {
    vec![
        output(
            "hero",
            TransformOptions { width: Some(1200), format: Format::Jpeg.into(), ..Default::default() },
        ),
        output(
            "square",
            TransformOptions {
                width: Some(400),
                height: Some(400),
                fit: Fit::Cover.into(),
                format: Format::Webp.into(),
                ..Default::default()
            },
        ),
        output(
            "padded",
            TransformOptions {
                width: Some(320),
                height: Some(180),
                fit: Fit::Pad.into(),
                background: "#202830".into(),
                format: Format::Png.into(),
                ..Default::default()
            },
        ),
    ]
}

fn output(id: &str, options: TransformOptions) -> Output {
    Output { id: id.to_owned(), options: Some(options) }
}

fn times(summary: &Summary) -> String {
    let times = summary.timings.unwrap_or_default();
    let milliseconds = |time: Option<prost_types::Duration>| {
        let time = time.and_then(|time| Duration::try_from(time).ok()).unwrap_or_default();
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    };
    format!(
        "receive {}, decode {}, resize {}, encode {}",
        milliseconds(times.receive),
        milliseconds(times.decode),
        milliseconds(times.resize),
        milliseconds(times.encode)
    )
}
