//! Uploads that are not as they should be.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use safelight_local::{Settings, picture::sample};
use safelight_proto::{
    CHUNK_SIZE, framing,
    reason::Reason,
    resizer::v1::{
        InspectOpen, InspectRequest, ResizeOpen, ResizeRequest, UploadFinish, UploadSource, inspect_open,
        inspect_request, resize_request,
    },
};
use tokio::sync::mpsc;
use tonic_types::StatusExt as _;

use crate::{harness::*, pictures::noise_file};

/// A message of an upload, of either method.
#[derive(Clone, Debug)]
enum Say {
    Open(Option<u64>),
    Chunk(Bytes),
    Finish(u64, Option<u32>),
    Nothing,
}

impl Say {
    fn resize(self) -> ResizeRequest {
        use resize_request::Message;
        ResizeRequest {
            message: match self {
                Self::Open(declared_length) => Some(Message::Open(ResizeOpen {
                    outputs: vec![output("", png())],
                    declared_length,
                    ..Default::default()
                })),
                Self::Chunk(bytes) => Some(Message::Chunk(bytes)),
                Self::Finish(length, crc32c) => Some(Message::Finish(UploadFinish { length, crc32c })),
                Self::Nothing => None,
            },
        }
    }

    fn inspect(self) -> InspectRequest {
        use inspect_request::Message;
        InspectRequest {
            message: match self {
                Self::Open(declared_length) => Some(Message::Open(InspectOpen {
                    source: Some(inspect_open::Source::Upload(UploadSource { declared_length })),
                })),
                Self::Chunk(bytes) => Some(Message::Chunk(bytes)),
                Self::Finish(length, crc32c) => Some(Message::Finish(UploadFinish { length, crc32c })),
                Self::Nothing => None,
            },
        }
    }
}

fn chunk(bytes: &[u8]) -> Say {
    Say::Chunk(Bytes::copy_from_slice(bytes))
}

/// A stream whose messages are sent one by one, and which stays open while the sender lives.
fn held() -> (mpsc::Sender<ResizeRequest>, impl futures_util::Stream<Item = ResizeRequest> + Send + 'static) {
    let (send, mut receive) = mpsc::channel(1);
    (send, stream::poll_fn(move |cx| receive.poll_recv(cx)))
}

#[tokio::test]
async fn messages_in_the_wrong_order_or_number() {
    let local = start(Settings::default()).await;
    let picture = sample::png(48, 32).unwrap();
    let length = picture.len() as u64;
    let crc = framing_crc(&picture);
    let (open, all, finish) = (Say::Open(None), chunk(&picture), Say::Finish(length, Some(crc)));
    let cases = [
        ("chunk before open", vec![all.clone(), open.clone(), finish.clone()], Reason::UploadProtocol),
        ("finish before open", vec![finish.clone()], Reason::UploadProtocol),
        ("nothing before open", vec![Say::Nothing, open.clone()], Reason::UploadProtocol),
        ("open twice", vec![open.clone(), open.clone()], Reason::UploadProtocol),
        ("open again after a chunk", vec![open.clone(), all.clone(), open.clone()], Reason::UploadProtocol),
        (
            "an empty message",
            vec![open.clone(), Say::Nothing, all.clone(), finish.clone()],
            Reason::UploadProtocol,
        ),
        ("more than declared", vec![Say::Open(Some(length - 1)), all.clone()], Reason::UploadLengthMismatch),
        (
            "less than declared",
            vec![Say::Open(Some(length + 1)), all.clone(), finish.clone()],
            Reason::UploadLengthMismatch,
        ),
        (
            "finish says less",
            vec![open.clone(), all.clone(), Say::Finish(length - 1, None)],
            Reason::UploadLengthMismatch,
        ),
        (
            "finish says more",
            vec![open.clone(), all.clone(), Say::Finish(length + 1, None)],
            Reason::UploadLengthMismatch,
        ),
        (
            "finish says nothing",
            vec![open.clone(), all.clone(), Say::Finish(0, None)],
            Reason::UploadLengthMismatch,
        ),
        (
            "another checksum",
            vec![open.clone(), all.clone(), Say::Finish(length, Some(crc ^ 1))],
            Reason::UploadChecksumMismatch,
        ),
        (
            "a checksum of zero is a checksum",
            vec![open.clone(), all.clone(), Say::Finish(length, Some(0))],
            Reason::UploadChecksumMismatch,
        ),
        (
            "other bytes of the same number",
            vec![open.clone(), chunk(&vec![0; picture.len()]), finish.clone()],
            Reason::UploadChecksumMismatch,
        ),
        ("too large a chunk", vec![open.clone(), chunk(&[0; CHUNK_SIZE + 1])], Reason::FieldInvalid),
        ("too large a message", vec![open.clone(), chunk(&[0; 4 * CHUNK_SIZE])], Reason::MessageInvalid),
        ("no bytes at all", vec![open.clone(), Say::Finish(0, Some(0))], Reason::FormatUnsupported),
        // The stream ends without `finish`, wherever it ends.
        ("no message", vec![], Reason::UploadIncomplete),
        ("open alone", vec![open.clone()], Reason::UploadIncomplete),
        ("all but finish", vec![Say::Open(Some(length)), all.clone()], Reason::UploadIncomplete),
        // Would be IMAGE_CORRUPT if anybody had looked.
        ("half", vec![open.clone(), chunk(&picture[..picture.len() / 2])], Reason::UploadIncomplete),
    ];
    for (name, messages, reason) in cases {
        println!("{name}");
        let answer = local.send(stream::iter(messages.clone()).map(Say::resize)).await;
        let status = refused(answer, reason);
        if reason == Reason::FieldInvalid {
            assert_eq!(fields(&status), ["chunk"]);
        }
        refused(local.send_inspect(stream::iter(messages).map(Say::inspect)).await, reason);
    }
    // And the right order, at the exact length.
    let right = [Say::Open(Some(length)), all, finish];
    local.send(stream::iter(right.clone()).map(Say::resize)).await.unwrap();
    local.send_inspect(stream::iter(right).map(Say::inspect)).await.unwrap();
}

fn framing_crc(bytes: &[u8]) -> u32 {
    let open = ResizeOpen::default();
    let last =
        framing::resize(open, Bytes::copy_from_slice(bytes)).last().and_then(|message| message.message);
    let Some(resize_request::Message::Finish(finish)) = last else { panic!("the last message is `finish`") };
    finish.crc32c.unwrap()
}

#[tokio::test]
async fn chunks_of_any_size_add_up() {
    let local = start(Settings::default()).await;
    let picture = noise_file(30, 20, image::ImageFormat::Png);
    let length = picture.len() as u64;
    for size in [1, 7, 1000, CHUNK_SIZE] {
        let chunks = picture.chunks(size).flat_map(|bytes| [chunk(bytes), chunk(&[])]).collect::<Vec<_>>();
        let messages = [vec![Say::Open(None)], chunks, vec![Say::Finish(length, None)]].concat();
        let (pictures, summary) = local.send(stream::iter(messages).map(Say::resize)).await.unwrap();
        assert_eq!(summary.source.unwrap().size, length, "{size}");
        assert_eq!(
            decode(&only(pictures)),
            image::load_from_memory(&picture).unwrap().into_rgba8(),
            "{size}"
        );
    }
}

#[tokio::test]
async fn finish_is_answered_though_the_stream_stays_open() {
    let local = start(Settings::default()).await;
    let picture = sample::png(48, 32).unwrap();
    let messages = [Say::Open(None), chunk(&picture), Say::Finish(picture.len() as u64, None)];
    let open_ended = stream::iter(messages).map(Say::resize).chain(stream::pending());
    let answer = tokio::time::timeout(PATIENCE, local.send(open_ended)).await.expect("an answer");
    assert_eq!(only(answer.unwrap().0).header.width, 48);
}

#[tokio::test]
async fn too_many_bytes_are_refused_while_they_come() {
    let local = start_limited("max_source_bytes = '100KiB'").await;
    // Declared: before any chunk. The stream stays open.
    for declared in [102_401, u64::MAX] {
        let open = stream::iter([Say::Open(Some(declared)).resize()]).chain(stream::pending());
        refused(local.send(open).await, Reason::ImageTooLarge);
        let open = stream::iter([Say::Open(Some(declared)).inspect()]).chain(stream::pending());
        refused(local.send_inspect(open).await, Reason::ImageTooLarge);
    }
    // Undeclared: a stream that never ends is answered all the same.
    let endless =
        stream::iter([Say::Open(None)]).chain(stream::repeat(chunk(&[0; CHUNK_SIZE]))).map(Say::resize);
    refused(local.send(endless).await, Reason::ImageTooLarge);
    // Exactly as many as are allowed are looked at.
    let filler = vec![0; 100 << 10];
    refused(local.resize_one(png(), filler).await, Reason::FormatUnsupported);
    refused(local.resize_one(png(), vec![0; (100 << 10) + 1]).await, Reason::ImageTooLarge);
}

#[tokio::test]
async fn memory_for_uploads_is_shared_out_and_comes_back() {
    // A quarter of the budget, 16 MiB, is for uploads.
    let local = start_limited("memory_budget = '64MiB'").await;
    let declare = |length: u64| stream::iter([Say::Open(Some(length)).resize()]).chain(stream::pending());
    refused(local.send(declare(17 << 20)).await, Reason::ImageTooLarge);

    let mut client = local.another_client().await;
    let first = tokio::spawn(async move { client.resize(declare(10 << 20)).await });
    let small = sample::png(8, 8).unwrap();
    let declared_large = || {
        // A small picture that says it were large: refused for its length if there is room for it.
        let messages = [Say::Open(Some(10 << 20)), chunk(&small), Say::Finish(small.len() as u64, None)];
        local.send(stream::iter(messages).map(Say::resize))
    };
    let busy = eventually("the first upload holds its memory", async || {
        let answer = declared_large().await;
        if is(&answer, Reason::Busy) {
            return answer.err();
        }
        refused(answer, Reason::UploadLengthMismatch);
        None
    })
    .await;
    assert!(
        busy.get_details_retry_info().and_then(|info| info.retry_delay).is_some_and(|delay| !delay.is_zero())
    );
    // What is small still fits beside it.
    local.resize_one(png(), small.clone()).await.unwrap();

    first.abort();
    eventually("a cancelled upload gives its memory back", async || {
        is(&declared_large().await, Reason::UploadLengthMismatch).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_upload_gives_its_place_back() {
    let local = start_limited("max_requests = 1").await;
    let picture = sample::png(48, 32).unwrap();
    let (send, messages) = held();
    let mut client = local.another_client().await;
    let upload = tokio::spawn(async move { client.resize(messages).await.map(drop) });
    send.send(Say::Open(None).resize()).await.unwrap();
    send.send(chunk(&picture).resize()).await.unwrap();

    let busy = eventually("the upload has the only place", async || {
        let answer = local.resize_one(png(), picture.clone()).await;
        is(&answer, Reason::Busy).then(|| answer.unwrap_err())
    })
    .await;
    assert!(busy.get_details_retry_info().and_then(|info| info.retry_delay).is_some());
    assert!(!upload.is_finished());

    upload.abort();
    eventually("its place is free", async || local.resize_one(png(), picture.clone()).await.ok()).await;
    drop(send);
}

#[tokio::test]
async fn inspect_needs_a_source() {
    let local = start(Settings::default()).await;
    let open = InspectRequest { message: Some(inspect_request::Message::Open(InspectOpen { source: None })) };
    let status = refused(local.send_inspect(stream::iter([open])).await, Reason::FieldInvalid);
    assert_eq!(fields(&status), ["open.source"]);
}
