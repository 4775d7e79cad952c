//! More at once, and more than fits.

use futures_util::{StreamExt as _, future::join_all, stream};
use image::ImageFormat;
use safelight_local::{Settings, picture::sample};
use safelight_proto::{
    framing,
    image::v1::{Fit, Format, TransformOptions},
    resizer::v1::{DeliverRequest, ListVariantsRequest, ResizeOpen, frame},
};

use crate::{harness::*, pictures::noise_file};

#[tokio::test]
async fn many_at_once_are_all_right() {
    let local = start_limited("cpu_slots = 2").await;
    for width in [30, 90, 400] {
        local.put(&format!("{width}.png"), sample::png(width, 60).unwrap()).await;
    }
    // A connection's first call: until the server has said how many streams it takes, a client may open more, and
    // has them refused.
    local.resize_one(png(), sample::png(8, 8).unwrap()).await.unwrap();
    let calls = (0..48_u16).map(|call| {
        let local = &local;
        async move {
            let width = [30, 90, 400][usize::from(call % 3)];
            if call % 4 == 3 {
                let picture = local.resize_object(object(&format!("{width}.png"))).await.unwrap();
                return assert_eq!(size(&picture), (width, 60));
            }
            let source = [
                sample::jpeg(width.try_into().unwrap(), 60 + call).unwrap(),
                sample::webp(width.try_into().unwrap(), 60 + call).unwrap(),
                sample::two_frame_gif(width.try_into().unwrap(), 60 + call).unwrap(),
            ];
            let formats = [Format::Png, Format::Jpeg, Format::Webp];
            let outputs = formats.map(|format| {
                output(
                    &format!("{call}"),
                    TransformOptions {
                        format: format.into(),
                        ..fitted(Fit::Squeeze, width / 2, u32::from(call) + 1)
                    },
                )
            });
            let source = source[usize::from(call / 3 % 3)].clone();
            let (pictures, summary) = local.resize(outputs.to_vec(), source).await.unwrap();
            let info = summary.source.unwrap();
            assert_eq!((info.width, info.height), (width, 60 + u32::from(call)));
            for (picture, format) in pictures.iter().zip(formats) {
                assert_eq!(
                    (picture.header.id.as_str(), picture.header.format()),
                    (format!("{call}").as_str(), format)
                );
                assert_eq!(size(picture), (width / 2, u32::from(call) + 1));
            }
        }
    });
    join_all(calls).await;
}

#[tokio::test]
async fn a_caller_who_stops_reading_holds_up_nobody() {
    let local = start_limited("cpu_slots = 1").await;
    let mut slow = narrow_client(&local).await;
    // 3 MB of answer, far more than the windows and buffers between.
    let source = noise_file(1000, 1000, ImageFormat::Png);
    let open = ResizeOpen { outputs: vec![output("", png()), output("", png())], ..Default::default() };
    let messages: Vec<_> = framing::resize(open, source.clone().into()).collect();
    let mut frames = slow.resize(stream::iter(messages)).await.unwrap().into_inner();
    let header = frames.message().await.unwrap().unwrap().frame.unwrap();
    assert!(matches!(header.frame, Some(frame::Frame::Header(_))));

    // The only CPU slot is free while it waits.
    for _ in 0..3 {
        local.resize_one(png(), sample::png(8, 8).unwrap()).await.unwrap();
    }
    // And its answer is whole when it goes on.
    let rest = frames.map(|response| Ok(response?.frame.unwrap()));
    let all = stream::iter([Ok(header)]).chain(rest);
    let (pictures, _) = assemble(all).await.unwrap();
    let pixels = image::load_from_memory(&source).unwrap().into_rgba8();
    assert!(pictures.iter().all(|picture| decode(picture) == pixels));
}

#[tokio::test]
async fn one_place_serves_one_after_the_other() {
    let local = start_limited("max_requests = 1\ncpu_slots = 1").await;
    for _ in 0..20 {
        local.resize_one(png(), sample::png(8, 8).unwrap()).await.unwrap();
        // A refusal gives its place back as well.
        local.resize_one(png(), vec![1; 10]).await.unwrap_err();
    }
}

/// Each needs more than half of the memory for pixels: they wait for one another, and none is refused.
#[tokio::test]
async fn memory_for_pixels_is_waited_for() {
    let local = start(Settings { limits: "memory_budget = '64MiB'".into(), ..Settings::default() }).await;
    let source = sample::png(8, 8).unwrap();
    let options = TransformOptions { format: Format::Jpeg.into(), ..fitted(Fit::Squeeze, 1800, 1800) };
    let calls = (0..4).map(|_| local.resize_one(options.clone(), source.clone()));
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap().header.width, 1800);
    }
}

/// The resizer's own connection to the signer is new as well, and more calls than it has streams are waiting for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_on_a_new_connection_to_the_signer() {
    let local = start(Settings::default()).await;
    local.put("a.png", sample::png(8, 8).unwrap()).await;
    let url = local.sign("/acct/a.png/card").await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = local.another_client().await;
        client.list_variants(ListVariantsRequest::default()).await.unwrap();
        clients.push(client);
    }
    let calls = clients.iter().flat_map(|client| std::iter::repeat_n(client, 30)).map(|client| {
        let request = DeliverRequest { url: url.clone(), ..Default::default() };
        async move { deliver(&mut client.clone(), request).await.map(drop) }
    });
    for answer in join_all(calls).await {
        answer.unwrap();
    }
}
