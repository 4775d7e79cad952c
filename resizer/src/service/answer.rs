//! A source and orders, into frames.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use safelight_proto::{
    CHUNK_SIZE,
    image::v1 as proto,
    reason::{CallError, Reason},
    resizer::v1::{Frame, OutputChunk, OutputHeader, Summary, Timings, frame},
};
use tokio::sync::mpsc;
use tonic::Status;
use tracing::Instrument as _;

use super::{
    error,
    state::State,
    translate::{FromFrame, Order},
};
use crate::{
    admission::{Place, Reserved},
    transfer::send::{self, Receiver, Sender},
};
use safelight_image::{
    accept::Accepts,
    cancel::Cancel,
    cost,
    pipeline::{self, Encoded, Job, Report},
    plan::{self, OutputBounds},
    probe::{self, Info},
    sniff::Format,
};

/// A source that has been received, and what it holds of the process while it is worked on.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) bytes: Bytes,
    pub(super) reserved: Reserved,
    pub(super) place: Place,
    pub(super) receive: Duration,
    pub(super) signer: Option<Duration>,
}

/// Everything an answer is made from.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) source: Source,
    pub(super) orders: Vec<Order>,
    pub(super) accepts: Accepts,
    pub(super) bounds: Option<OutputBounds>,
    pub(super) deadline: Instant,
}

/// The frames of an answer, and ahead of them what `first` says once the first output has been made: an answer that
/// begins is one that can be given. They come from a task of their own: see [`crate::transfer::send`].
pub(super) fn stream<T>(
    state: Arc<State>,
    work: Work,
    first: impl FnOnce() -> Option<T> + Send + 'static,
) -> Receiver<T, Status>
where
    T: FromFrame + Send + 'static,
{
    let abandoned: Status = Reason::Internal.error("the picture could not be made").into();
    let (sender, receiver) = send::channel(send::STALL_TIMEOUT, abandoned);
    let task = async move {
        let made = tokio::select! {
            made = make(&state, work, first, &sender) => made,
            () = sender.gone() => return,
        };
        match made {
            Ok(()) => sender.finish(),
            Err(error) => sender.fail(error.into()),
        }
    };
    tokio::spawn(task.in_current_span());
    receiver
}

/// An answer of one message.
pub(super) fn only<T: Send + 'static>(message: T) -> Receiver<T, Status> {
    let abandoned: Status = Reason::Internal.error("the answer could not be sent").into();
    let (sender, receiver) = send::channel(send::STALL_TIMEOUT, abandoned);
    // The channel is empty, so the message fits; only a receiver that is gone could not take it.
    if sender.try_send(message) {
        sender.finish();
    }
    receiver
}

async fn make<T: FromFrame>(
    state: &State,
    work: Work,
    first: impl FnOnce() -> Option<T>,
    sender: &Sender<T, Status>,
) -> Result<(), CallError> {
    let Work { source, orders, accepts, bounds, deadline } = work;
    let Source { bytes, reserved, place, receive, signer } = source;

    let queued = Instant::now();
    let info = probe(state, bytes.clone(), deadline).await?;
    let jobs = orders
        .iter()
        .map(|order| {
            let plan = plan::plan(info.size(), &order.options, bounds.as_ref(), &state.limits)?;
            Ok(Job { options: order.options.clone(), plan, accepts })
        })
        .collect::<Result<Vec<_>, plan::PlanError>>()
        .map_err(error::plan)?;
    let cost = cost::memory(&info, &jobs) + cost::encoded(&jobs);
    let mut pixels = state.admission.pixels(cost, deadline).await.map_err(error::rejected)?;

    let cancel = Cancel::new().with_deadline(deadline);
    let _cancelled_when_dropped = CancelOnDrop(cancel.clone());
    let (made, mut outputs) = mpsc::unbounded_channel::<Output>();
    let job = {
        let info = info.clone();
        move || {
            let mut kept = 0;
            let report = pipeline::process(&bytes, &info, &jobs, &cancel, |index, encoded| {
                kept += encoded.bytes.len() as u64;
                _ = made.send(Output::new(index, encoded)); // nobody waits any more: `cancel` is set
            });
            // From here on memory is needed for the outputs alone, until the caller has read them.
            drop((bytes, reserved));
            pixels.shrink_to(kept);
            (report, pixels)
        }
    };
    let running = state.admission.start(deadline, job).await.map_err(error::rejected)?;
    let queue = queued.elapsed();

    let mut first = Some(first);
    while let Some(output) = outputs.recv().await {
        if let Some(message) = first.take().and_then(|first| first()) {
            sender.send(message).await.map_err(error::send)?;
        }
        let id = orders.get(output.index).map(|order| order.id.clone()).unwrap_or_default();
        output.send(id, sender).await?;
    }
    let (report, pixels) = running.finish().await.map_err(error::rejected)?;
    let report = report.map_err(error::image)?;

    let timings = timings(&report, receive, signer, queue);
    let summary =
        Summary { source: Some(image_info(&info)), outputs: count(orders.len()), timings: Some(timings) };
    sender.send(frame(frame::Frame::Summary(summary))).await.map_err(error::send)?;
    drop((pixels, place));
    Ok(())
}

/// Reads the header of a picture. On the pool: even that is parsing of untrusted bytes.
pub(super) async fn probe(state: &State, bytes: Bytes, deadline: Instant) -> Result<Info, CallError> {
    let limits = state.limits;
    let job = state.admission.start(deadline, move || probe::probe(&bytes, &limits)).await;
    job.map_err(error::rejected)?.finish().await.map_err(error::rejected)?.map_err(error::image)
}

/// An encoded output with what its header says of it.
struct Output {
    index: usize,
    encoded: Encoded,
    crc32c: u32,
}

impl Output {
    fn new(index: usize, encoded: Encoded) -> Self {
        let crc32c = crc32c::crc32c(&encoded.bytes);
        Self { index, encoded, crc32c }
    }

    async fn send<T: FromFrame>(self, id: String, sender: &Sender<T, Status>) -> Result<(), CallError> {
        let output = count(self.index);
        let Encoded { format, size, bytes, .. } = self.encoded;
        let header = OutputHeader {
            output,
            id,
            content_type: format.media_type().to_owned(),
            format: format_of(format).into(),
            width: size.width,
            height: size.height,
            size: bytes.len() as u64,
            crc32c: self.crc32c,
        };
        sender.send(frame(frame::Frame::Header(header))).await.map_err(error::send)?;
        let mut rest = Bytes::from(bytes);
        let mut offset = 0;
        while !rest.is_empty() {
            let data = rest.split_to(rest.len().min(CHUNK_SIZE));
            let length = data.len() as u64;
            let chunk = OutputChunk { output, offset, data };
            sender.send(frame(frame::Frame::Chunk(chunk))).await.map_err(error::send)?;
            offset += length;
        }
        Ok(())
    }
}

/// Tells the job to stop when nobody waits for it any more.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn frame<T: FromFrame>(frame: frame::Frame) -> T {
    T::from_frame(Frame { frame: Some(frame) })
}

/// Outputs are few: the configuration allows at most 256.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn timings(report: &Report, receive: Duration, signer: Option<Duration>, queue: Duration) -> Timings {
    let duration = |duration: Duration| prost_types::Duration::try_from(duration).ok();
    Timings {
        signer: signer.and_then(duration),
        receive: duration(receive),
        queue: duration(queue),
        decode: duration(report.decode),
        resize: duration(report.resize),
        encode: duration(report.encode),
    }
}

/// What was found in a source, as the caller sees it.
pub(super) fn image_info(info: &Info) -> proto::ImageInfo {
    let size = info.size();
    proto::ImageInfo {
        format: format_of(info.format).into(),
        width: size.width,
        height: size.height,
        orientation: info.orientation.exif().into(),
        has_alpha: info.has_alpha,
        has_icc_profile: info.has_icc_profile,
        size: info.bytes,
        memory_estimate: cost::memory_at_source_size(info),
    }
}

const fn format_of(format: Format) -> proto::Format {
    match format {
        Format::Jpeg => proto::Format::Jpeg,
        Format::Png => proto::Format::Png,
        Format::Webp => proto::Format::Webp,
        Format::Gif => proto::Format::Gif,
    }
}
