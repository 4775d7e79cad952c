//! A source and orders, into outputs.

use std::time::{Duration, Instant};

use safelight_image::{
    accept::Accepts,
    cancel::Cancel,
    options::Options,
    pipeline::{Encoded, Job},
    plan::{self, OutputBounds},
    render::RenderPlan,
};
use safelight_proto::reason::CallError;
use tokio::sync::mpsc;

use super::{
    App, Context, error,
    sink::{Held, OutputHead, Sink, Summary, Timings},
    source::SourceBytes,
};
use crate::admission::{Place, Reserved};

/// One output that was asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// The caller's name for it.
    pub id: String,
    /// How to make it.
    pub options: Options,
    /// For whom, in place of what the work says of all.
    pub viewer: Option<Viewer>,
}

/// For whom an output is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Viewer {
    /// What is accepted.
    pub accepts: Accepts,
    /// How large it may be.
    pub bounds: Vec<OutputBounds>,
}

impl Order {
    /// An output for whom the work is for.
    #[must_use]
    pub const fn new(id: String, options: Options) -> Self {
        Self { id, options, viewer: None }
    }
}

/// A source that has been received, and what it holds of the process while it is worked on.
#[derive(Debug)]
pub struct Source {
    /// The encoded picture.
    pub bytes: SourceBytes,
    /// Memory for `bytes`.
    pub reserved: Reserved,
    /// The request's place.
    pub place: Place,
    /// How long receiving took.
    pub receive: Duration,
    /// How long the signer took, if it was asked.
    pub signer: Option<Duration>,
}

/// Everything that outputs are made from.
#[derive(Debug)]
pub struct Work {
    /// The source.
    pub source: Source,
    /// The outputs.
    pub orders: Vec<Order>,
    /// What the viewer accepts.
    pub accepts: Accepts,
    /// How large outputs may be: by the route, and by the grants.
    pub bounds: Vec<OutputBounds>,
}

impl App {
    /// Makes every output of `work` into `sink`. Nothing is decoded before its memory is admitted.
    ///
    /// # Errors
    /// The first failure ends the work; outputs that are already in the sink are good.
    pub async fn render(&self, work: Work, context: &Context, sink: &mut impl Sink) -> Result<(), CallError> {
        let Work { source, orders, accepts, bounds } = work;
        let Source { bytes, reserved, place, receive, signer } = source;
        let deadline = context.deadline;

        self.metrics.received(bytes.len());
        let queued = Instant::now();
        let info = self.inspect(bytes.clone(), context).await?;
        let jobs = orders
            .iter()
            .map(|order| {
                let (accepts, bounds) = match &order.viewer {
                    Some(viewer) => (viewer.accepts, &viewer.bounds),
                    None => (accepts, &bounds),
                };
                let plan = plan::plan(info.size(), &order.options, bounds, &self.limits)?;
                Ok(Job { options: order.options.clone(), plan, accepts })
            })
            .collect::<Result<Vec<_>, plan::PlanError>>()
            .map_err(error::plan)?;
        let plan = RenderPlan::new(&info, &jobs).map_err(|error| bytes.refused(error))?;
        let cost = plan.memory() + plan.encoded();
        let mut pixels = self.admission.pixels(cost, deadline).await.map_err(error::rejected)?;

        let cancel = Cancel::new().with_deadline(deadline);
        let _cancelled_when_dropped = CancelOnDrop(cancel.clone());
        let (made, mut outputs) = mpsc::unbounded_channel::<Output>();
        let job = move || {
            let mut kept = 0;
            let report = plan.run(&bytes, &cancel, |index, encoded| {
                kept += encoded.bytes.len() as u64;
                _ = made.send(Output::new(index, encoded)); // the receiver is gone: `cancel` is set
            });
            let report = report.map_err(|error| (error, bytes.clone()));
            // From here on memory is needed for the outputs alone, until they have been read.
            drop((bytes, reserved));
            pixels.shrink_to(kept);
            (report, pixels, info)
        };
        let running = self.admission.start(deadline, job).await.map_err(error::rejected)?;
        let queue = queued.elapsed();

        while let Some(Output { index, encoded, crc32c }) = outputs.recv().await {
            let Encoded { format, size, bytes, .. } = encoded;
            let id = orders.get(index).map(|order| order.id.clone()).unwrap_or_default();
            self.metrics.made(bytes.len() as u64);
            let head = OutputHead { index, id, format, size, length: bytes.len() as u64, crc32c };
            sink.head(head).await.map_err(error::send)?;
            sink.bytes(bytes.into()).await.map_err(error::send)?;
        }
        let (report, pixels, info) = running.finish().await.map_err(error::rejected)?;
        let report = report.map_err(|(error, bytes)| bytes.refused(error))?;
        let timings = Timings {
            signer,
            receive,
            queue,
            decode: report.decode,
            resize: report.resize,
            encode: report.encode,
        };
        self.metrics.stages(&timings);
        let summary = Summary { source: Some(info), outputs: orders.len(), timings };
        sink.end(summary, Held { memory: pixels.into(), place }).await.map_err(error::send)
    }
}

/// An encoded output with its checksum, which is computed on the CPU slot.
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
}

/// Tells the job to stop when its outputs are waited for no more.
pub(super) struct CancelOnDrop(pub(super) Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
