//! Request headers that the HTTP/2 library takes badly, seen before it sees them.
//!
//! h2 resets a stream whose `:authority` is no authority of a URI (`127.0.0.1:1,127.0.0.1:2`, `outbound|50051||svc.ns`,
//! a socket's path), although gRPC does not route by it. It answers headers above its limit with an HTTP status and no
//! gRPC status, and ends the whole connection when they are four times as long. Neither can be set. So the frames that
//! a client sends are looked at on their way in:
//!
//! - As long as all is well nothing is changed or copied; the header blocks are decoded, for HPACK has a state.
//! - A bad `:authority` is left out. Headers above the limit give way to a few that say so ([`TOO_LARGE`]), which the
//!   gate answers with a status and its reason. From the first such block on, a connection's blocks are written anew as
//!   literals, which need no table on the other side.
//! - What is malformed is left to h2, which ends the connection.
//!
//! # Layout
//! - [`Headers`]: from bytes to frames, and what becomes of them
//! - `hpack`, `huffman`: header blocks

mod hpack;
mod huffman;
#[cfg(test)]
mod tests;

use std::io;

use http::{HeaderName, uri::Authority};
use tokio::sync::{Semaphore, SemaphorePermit};

use self::hpack::{
    Bad::{self, Malformed},
    Decoder, OVERHEAD,
};

/// Stands in a request in place of its headers when they were too large; the value is their size in bytes. A client that
/// sends it is taken at its word.
pub(crate) const TOO_LARGE: HeaderName = HeaderName::from_static("x-safelight-headers-too-large");

/// Headers of a request that was too large which are kept: what answers and the log go by.
const KEPT: [&str; 8] =
    [":method", ":scheme", ":path", "content-type", "te", "x-request-id", "traceparent", "grpc-timeout"];

/// Most bytes of them.
const MAX_KEPT: usize = 4096;

/// Largest header block that is waited for, in bytes as sent. A larger one ends the connection.
const MAX_BLOCK: usize = 256 * 1024;

/// Why a connection ends that sends one.
pub(super) const BLOCK_TOO_LARGE: &str = "a header block above 256 KiB";

/// Why a connection ends that sends one which its table makes much larger.
pub(super) const DECODES_TOO_LARGE: &str = "a header block that decodes to more than 1 MiB";

/// Why a connection ends when [`LARGE`] has no room.
pub(super) const TOO_MANY_LARGE_BLOCKS: &str = "too many large header blocks at once";

/// Connections that may be sending a block above the limit at once, in the process: 16 MiB in all.
static LARGE: Semaphore = Semaphore::const_new(64);

const FRAME_HEAD: usize = 9;
/// Largest frame that is written, in bytes: HTTP/2's default.
const FRAME: usize = 16 * 1024;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// What becomes of a connection's header blocks.
#[derive(Debug, PartialEq, Eq)]
enum Mode {
    /// All was well so far: they go on as they are.
    Watch,
    /// They are written anew.
    Rewrite,
    /// One was malformed: h2 is left to find that out.
    Ignore,
    /// One decoded to more than is borne: the connection is to end.
    End,
}

/// One connection's.
#[derive(Debug)]
pub(super) struct Headers {
    /// Largest headers, names and values and 32 for each.
    limit: usize,
    mode: Mode,
    decoder: Decoder,
    /// Bytes of the current frame that go on whatever they are.
    pass: usize,
    /// The beginning of a frame or block whose end has not come.
    held: Vec<u8>,
    /// Of `held`: where the first frame begins that has not come whole.
    walked: usize,
    large: Option<SemaphorePermit<'static>>,
}

/// What to do with the first of some bytes.
enum Step {
    Pass(usize),
    /// They are replaced, by what was written.
    Replace(usize),
    /// Too few to tell.
    Wait,
}

impl Headers {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            mode: Mode::Watch,
            decoder: Decoder::new(),
            pass: 0,
            held: Vec::new(),
            walked: 0,
            large: None,
        }
    }

    /// Takes what was read. As many of the first bytes as are returned go on in place; what comes after them is in `out`,
    /// which was empty.
    pub(super) fn take(&mut self, read: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        if !self.held.is_empty() {
            self.held.extend_from_slice(read);
            if self.is_waiting() {
                self.admit(self.held.len())?;
                return Ok(0);
            }
            let held = std::mem::take(&mut self.held);
            let done = self.all(&held, out);
            self.hold(held.get(done..).unwrap_or_default())?;
            return Ok(0);
        }
        let mut in_place = 0;
        while let Some(rest) = read.get(in_place..).filter(|rest| !rest.is_empty()) {
            match self.step(rest, out) {
                Step::Pass(length) => in_place += length,
                Step::Wait => {
                    self.hold(rest)?;
                    break;
                }
                Step::Replace(length) => {
                    let rest = rest.get(length..).unwrap_or_default();
                    let done = self.all(rest, out);
                    self.hold(rest.get(done..).unwrap_or_default())?;
                    break;
                }
            }
        }
        Ok(in_place)
    }

    /// Writes what becomes of `bytes` to `out`, as far as that is known; how many of them.
    fn all(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.step(rest, out) {
                Step::Pass(length) => {
                    out.extend_from_slice(rest.get(..length).unwrap_or(rest));
                    done += length;
                }
                Step::Replace(length) => done += length,
                Step::Wait => break,
            }
        }
        done
    }

    /// Keeps bytes until more come.
    fn hold(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.mode == Mode::End {
            return Err(io::Error::new(io::ErrorKind::InvalidData, DECODES_TOO_LARGE));
        }
        (self.held, self.walked) = (bytes.to_vec(), 0);
        self.admit(bytes.len())
    }

    /// Whether what is held is the beginning of a block whose end has not come. Each frame is looked at once, however many
    /// there are and however they come.
    fn is_waiting(&mut self) -> bool {
        let stream = match Head::read(&self.held) {
            None => return true,
            Some(first) if first.kind == HEADERS => first.stream,
            Some(_) => return false,
        };
        while let Some(head) = Head::read(self.held.get(self.walked..).unwrap_or_default()) {
            let is_next = head.kind == CONTINUATION && head.stream == stream;
            if self.walked > 0 && !is_next {
                return false;
            }
            let end = self.walked + FRAME_HEAD + head.length;
            if end > self.held.len() {
                return true;
            }
            if head.flags & END_HEADERS != 0 {
                return false;
            }
            self.walked = end;
        }
        true
    }

    /// Whether so many bytes may be held.
    fn admit(&mut self, length: usize) -> io::Result<()> {
        if length <= self.limit + FRAME {
            self.large = None;
        } else if length > MAX_BLOCK {
            return Err(io::Error::new(io::ErrorKind::InvalidData, BLOCK_TOO_LARGE));
        } else if self.large.is_none() {
            let busy = |_| io::Error::new(io::ErrorKind::QuotaExceeded, TOO_MANY_LARGE_BLOCKS);
            self.large = Some(LARGE.try_acquire().map_err(busy)?);
        }
        Ok(())
    }

    fn step(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        if self.mode == Mode::Ignore {
            return Step::Pass(bytes.len());
        }
        if self.pass == 0 {
            let Some(head) = Head::read(bytes) else { return Step::Wait };
            if head.kind == HEADERS {
                return match whole(bytes) {
                    Ok(None) => Step::Wait,
                    Ok(Some(frames)) => {
                        self.block(head, frames, out).unwrap_or_else(|bad| self.refuse(bad, bytes))
                    }
                    Err(bad) => self.refuse(bad, bytes),
                };
            }
            self.pass = FRAME_HEAD + head.length;
        }
        let length = self.pass.min(bytes.len());
        self.pass -= length;
        Step::Pass(length)
    }

    fn refuse(&mut self, bad: Bad, bytes: &[u8]) -> Step {
        match bad {
            Malformed => {
                self.mode = Mode::Ignore;
                Step::Pass(bytes.len())
            }
            Bad::TooLarge => {
                self.mode = Mode::End;
                Step::Wait
            }
        }
    }

    /// A whole block, in one frame or several.
    fn block(&mut self, head: Head, frames: &[u8], out: &mut Vec<u8>) -> Result<Step, Bad> {
        let joined;
        let block = match fragment(frames)? {
            (block, []) => block,
            (first, mut rest) => {
                let mut block = first.to_vec();
                while !rest.is_empty() {
                    let (next, after) = fragment(rest)?;
                    block.extend_from_slice(next);
                    rest = after;
                }
                joined = block;
                &joined
            }
        };
        if self.mode == Mode::Watch {
            let (mut size, mut is_bad) = (0, false);
            self.decoder.decode(block, |name, value, is_new| {
                size += name.len() + value.len() + OVERHEAD;
                // What is in the table was looked at when it came; the empty one of the static table is bad as well.
                is_bad |= (is_new || value.is_empty()) && is_bad_authority(name, value);
            })?;
            if size < self.limit && !is_bad {
                self.decoder.forget();
                return Ok(Step::Pass(frames.len()));
            }
            self.decoder.undo();
            self.mode = Mode::Rewrite;
        }
        let block = self.rewritten(block)?;
        self.decoder.forget();
        write(head, &block, out);
        Ok(Step::Replace(frames.len()))
    }

    /// The block as plain literals, without what h2 would take badly.
    fn rewritten(&mut self, block: &[u8]) -> Result<Vec<u8>, Bad> {
        let (limit, mut size) = (self.limit, 0);
        let (mut fields, mut kept) = (Vec::new(), Vec::new());
        // A second one is malformed, for h2 to say; a block may have very many.
        let mut is_first = true;
        self.decoder.decode(block, |name, value, _| {
            size += name.len() + value.len() + OVERHEAD;
            if name == b":authority" && std::mem::take(&mut is_first) && is_bad_authority(name, value) {
                return;
            }
            if size < limit {
                hpack::encode(name, value, &mut fields);
            }
            let is_kept = KEPT.iter().any(|kept| kept.as_bytes() == name);
            if is_kept && kept.len() + name.len() + value.len() < MAX_KEPT {
                hpack::encode(name, value, &mut kept);
            }
        })?;
        if size < limit {
            return Ok(fields);
        }
        hpack::encode(TOO_LARGE.as_str().as_bytes(), size.to_string().as_bytes(), &mut kept);
        Ok(kept)
    }
}

fn is_bad_authority(name: &[u8], value: &[u8]) -> bool {
    name == b":authority" && Authority::try_from(value).is_err()
}

/// The head of a frame.
#[derive(Debug, Clone, Copy)]
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: [u8; 4],
}

impl Head {
    const fn read(bytes: &[u8]) -> Option<Self> {
        let [high, middle, low, kind, flags, a, b, c, d, ..] = *bytes else { return None };
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        // A reserved bit, which means nothing.
        Some(Self { length, kind, flags, stream: [a & 0x7f, b, c, d] })
    }
}

/// The frames of the block that `bytes` begin with; `None` if it is not whole.
fn whole(bytes: &[u8]) -> Result<Option<&[u8]>, Bad> {
    let mut end = 0;
    let mut first: Option<Head> = None;
    while let Some(head) = Head::read(bytes.get(end..).unwrap_or_default()) {
        if first.is_some_and(|first| head.kind != CONTINUATION || head.stream != first.stream) {
            return Err(Malformed);
        }
        first = first.or(Some(head));
        end += FRAME_HEAD + head.length;
        if head.flags & END_HEADERS != 0 {
            return Ok(bytes.get(..end));
        }
    }
    Ok(None)
}

/// The part of a block in the first of `frames`, and the other frames.
fn fragment(frames: &[u8]) -> Result<(&[u8], &[u8]), Bad> {
    let head = Head::read(frames).ok_or(Malformed)?;
    let (frame, rest) = frames.split_at_checked(FRAME_HEAD + head.length).ok_or(Malformed)?;
    let mut payload = frame.get(FRAME_HEAD..).ok_or(Malformed)?;
    if head.kind == HEADERS {
        if head.flags & PADDED != 0 {
            let padding = usize::from(*payload.split_off_first().ok_or(Malformed)?);
            let length = payload.len().checked_sub(padding).ok_or(Malformed)?;
            payload = payload.get(..length).ok_or(Malformed)?;
        }
        if head.flags & PRIORITY != 0 {
            payload = payload.get(5..).ok_or(Malformed)?;
        }
    }
    Ok((payload, rest))
}

/// Writes a block in as many frames as it takes.
fn write(head: Head, mut block: &[u8], out: &mut Vec<u8>) {
    let (mut kind, mut flags) = (HEADERS, head.flags & END_STREAM);
    loop {
        let (fragment, rest) = block.split_at(block.len().min(FRAME));
        if rest.is_empty() {
            flags |= END_HEADERS;
        }
        let [.., high, middle, low] = fragment.len().to_be_bytes();
        out.extend_from_slice(&[high, middle, low, kind, flags]);
        out.extend_from_slice(&head.stream);
        out.extend_from_slice(fragment);
        if rest.is_empty() {
            return;
        }
        (block, kind, flags) = (rest, CONTINUATION, 0);
    }
}
