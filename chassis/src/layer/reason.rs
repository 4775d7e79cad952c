//! Sees to it that every error carries `ErrorInfo`.
//!
//! Our handlers make errors from [`Reason`]; tonic makes its own without a reason: an unknown method, a
//! message that is too large or cannot be decoded, an unknown service in the health protocol. Those are
//! recognised by code and text (pinned by tests) and given the reason, code and message of our table.
//! Whatever is not recognised is a fault of ours: INTERNAL, with the text in the log only.

use http::{HeaderMap, Request, Response};
use safelight_proto::reason::{CallError, Reason};
use tonic::{Code, Status};

use super::{
    around::{Hooks, Layer},
    request_id::RequestId,
};

/// What tonic and prost say when they cannot take a message, all with code INTERNAL. The texts tell only
/// sizes and field names, so they are passed on.
const UNREADABLE: &[&str] = &[
    "failed to decode Protobuf message",
    "protocol error: received message",
    "Missing request message",
    "Unexpected EOF decoding stream",
    "Error decompressing",
];

/// What tonic says of a message that is announced to be too large.
const TOO_LARGE: &str = "Error, decoded message length too large";

/// Most bytes of tonic's texts that are passed on. Some repeat what the caller sent, and an answer whose trailers are
/// longer than the caller's limit on headers reaches it without a status at all.
const MAX_TEXT: usize = 256;

/// A fault of ours: the caller gets nothing but the id to ask about.
pub(crate) fn internal(id: Option<&RequestId>) -> CallError {
    match id {
        None => Reason::Internal.error("internal error"),
        Some(id) => {
            Reason::Internal.error(format!("internal error; request id {id}")).with("request_id", id.as_str())
        }
    }
}

fn explain(status: &Status, id: Option<&RequestId>, chunk: Option<usize>) -> CallError {
    let text = shortened(status.message());
    match status.code() {
        Code::Unimplemented if text.is_empty() => Reason::MethodUnknown.error("no such method here"),
        Code::Unimplemented if text.starts_with("Content is compressed with") => {
            Reason::CompressionUnsupported.error(text)
        }
        // A handler refuses a method, and says which.
        Code::Unimplemented => Reason::MethodUnknown.error(text),
        // Oversize is OUT_OF_RANGE in tonic, which promises that a smaller range would do; ours says that the
        // message is wrong. An answer that is too large ("encoded") is our fault.
        Code::OutOfRange if text.starts_with(TOO_LARGE) => too_large(text, chunk),
        // Its size is not known: it is not decompressed any further.
        Code::ResourceExhausted if text.starts_with("Error decompressing: size limit") => {
            too_large(text, chunk)
        }
        Code::Internal if UNREADABLE.iter().any(|known| text.starts_with(known)) => {
            Reason::MessageInvalid.error(text)
        }
        // The caller's stream broke while a handler read it.
        Code::Internal if text.starts_with("h2 protocol error") => {
            Reason::Cancelled.error("the stream broke off")
        }
        Code::Cancelled => Reason::Cancelled.error("cancelled"),
        Code::DeadlineExceeded => Reason::DeadlineExceeded.error("the deadline passed"),
        // Health.
        Code::NotFound => Reason::ServiceUnknown.error(text),
        code => {
            tracing::error!(grpc.code = ?code, grpc.message = text, "an error without a reason was hidden");
            internal(id)
        }
    }
}

/// Says which size fits: of tonic's text, "... the limit is: 65536 bytes" or "... size limit, of 65536 bytes, exceeded".
fn too_large(text: &str, chunk: Option<usize>) -> CallError {
    let numbers: Vec<&str> =
        text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()).collect();
    let said = match numbers.as_slice() {
        [found, limit] => format!("the message has {found} bytes, and at most {limit} are taken"),
        [limit] => {
            format!("the message has more than {limit} bytes once decompressed, and no more are taken")
        }
        _ => return Reason::MessageInvalid.error(text),
    };
    Reason::MessageInvalid.error(match chunk {
        None => said,
        Some(chunk) => format!("{said}; in a stream, send chunks of at most {chunk} bytes"),
    })
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default()
}

#[derive(Debug, Clone)]
pub(crate) struct Reasons {
    /// Longest chunk of a stream, in bytes, where the service takes streams of chunks.
    chunk: Option<usize>,
}

impl Reasons {
    pub(crate) const fn new(chunk: Option<usize>) -> Self {
        Self { chunk }
    }
}

impl Layer for Reasons {
    type Hooks = Completed;

    fn begin<B>(&self, request: &mut Request<B>) -> Result<Completed, Response<()>> {
        Ok(Completed { id: request.extensions().get::<RequestId>().cloned(), chunk: self.chunk })
    }
}

#[derive(Debug)]
pub(crate) struct Completed {
    id: Option<RequestId>,
    chunk: Option<usize>,
}

impl Hooks for Completed {
    fn head<B>(&mut self, response: &mut Response<B>) {
        self.complete(response.headers_mut());
    }

    fn trailers(&mut self, trailers: &mut HeaderMap) {
        self.complete(trailers);
    }
}

impl Completed {
    /// Gives the status in a head or trailers a reason, if it is an error without one.
    fn complete(&self, headers: &mut HeaderMap) {
        if headers.contains_key(Status::GRPC_STATUS_DETAILS) {
            return;
        }
        match Status::from_header_map(headers) {
            Some(status) if status.code() != Code::Ok => {
                let error = explain(&status, self.id.as_ref(), self.chunk);
                // Cannot fail: the message is percent-encoded and the details are base64.
                _ = Status::from(error).add_header(headers);
            }
            _ => {}
        }
    }
}
