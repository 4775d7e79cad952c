//! Where outputs go.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use safelight_image::{probe::Info, size::Size, sniff::Format};

use crate::{
    admission::{Place, Reserved},
    transfer::send::SendError,
};

/// Describes an output, ahead of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputHead {
    /// Position of the output in the request, from 0.
    pub index: usize,
    /// The id given in the request.
    pub id: String,
    /// The format that was chosen.
    pub format: Format,
    /// Width and height in pixels.
    pub size: Size,
    /// Encoded size in bytes.
    pub length: u64,
    /// CRC-32C of the encoded bytes.
    pub crc32c: u32,
}

/// What is said when all outputs are complete.
#[derive(Debug, Clone)]
pub struct Summary {
    /// What the source was; `None` for a stored result.
    pub source: Option<Info>,
    /// Number of outputs.
    pub outputs: usize,
    /// Where the time went.
    pub timings: Timings,
}

/// Time spent in each part of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Waiting for the signer; `None` when nothing was asked of it.
    pub signer: Option<Duration>,
    /// Receiving the source.
    pub receive: Duration,
    /// Waiting for memory and a CPU slot.
    pub queue: Duration,
    /// Decoding, once.
    pub decode: Duration,
    /// Resizing, all outputs together.
    pub resize: Duration,
    /// Encoding, all outputs together.
    pub encode: Duration,
}

/// What outputs occupy of the process: their memory and the request's place. To be kept for as long as they are.
#[derive(Debug)]
pub struct Held {
    /// Their memory; of all requests that get the same bytes.
    pub memory: Arc<Reserved>,
    /// The request's place.
    pub place: Place,
}

/// Takes outputs one after the other: the head of one, its bytes, the head of the next, and the end.
///
/// Every call may wait for the reader. An error ends the work.
pub trait Sink: Send {
    /// An output begins.
    fn head(&mut self, head: OutputHead) -> impl Future<Output = Result<(), SendError>> + Send;

    /// All bytes of the output begun last.
    fn bytes(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), SendError>> + Send;

    /// All outputs are complete. A sink that has not handed them on yet keeps `held`.
    fn end(&mut self, summary: Summary, held: Held) -> impl Future<Output = Result<(), SendError>> + Send;
}

/// A sink that keeps the only output of an order.
#[derive(Debug, Default)]
pub struct Collected {
    /// What it is.
    pub head: Option<OutputHead>,
    /// Its bytes.
    pub bytes: Bytes,
    /// What was said at the end.
    pub end: Option<(Summary, Held)>,
}

impl Sink for Collected {
    async fn head(&mut self, head: OutputHead) -> Result<(), SendError> {
        self.head = Some(head);
        Ok(())
    }

    async fn bytes(&mut self, bytes: Bytes) -> Result<(), SendError> {
        self.bytes = bytes;
        Ok(())
    }

    async fn end(&mut self, summary: Summary, held: Held) -> Result<(), SendError> {
        self.end = Some((summary, held));
        Ok(())
    }
}
