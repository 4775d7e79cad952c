//! Uploads: a POST of a form, or a PUT of the bytes, at the path of an upload rule.
//!
//! # Layout
//! - `body`: a request's body: its pace, and its end when it is refused
//! - `form`: `multipart/form-data`
//! - `json`: values of protobuf as JSON
//! - `cloudinary`: Cloudinary's upload API
//! - `one_time`: Cloudflare's direct creator upload: the token stands in the path
//!
//! A browser that is refused while it sends hears of it: what it still sends is read, for a while, and thrown away.

mod body;
mod cloudinary;
mod form;
mod json;
mod one_time;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::{HeaderMap, Method, Response, StatusCode, header, request::Parts};
use bytes::Bytes;
use hyper::body::Incoming;
use safelight_chassis::http::Body;
use safelight_proto::{
    reason::{CallError, Reason},
    signer::v1::UploadKind,
};

use super::{Door, cors, headers, problem, request::only};
use crate::{
    app::{
        App, Context, error,
        ingest::{Begun, Received},
    },
    transfer::receive::Upload,
    upload::Rule,
};
use body::Incoming as Pieces;

/// The methods of uploads.
pub(super) const METHODS: &str = "POST, PUT, OPTIONS";

/// How long a picture that has been received may take to be stored.
pub(super) const STORE_TIME: Duration = Duration::from_secs(30);

/// A request for an upload.
struct Asking<'a> {
    app: &'a Arc<App>,
    rule: &'a Arc<Rule>,
    parts: &'a Parts,
    context: Context,
    /// When the bytes must be there.
    received_by: Instant,
}

impl Door {
    /// Answers a request at the path of an upload rule.
    pub(super) async fn upload(
        &self,
        rule: &Arc<Rule>,
        parts: &Parts,
        incoming: Incoming,
        context: Context,
    ) -> Response<Body> {
        let request_id = context.request_id.clone().unwrap_or_default();
        let mut response = if parts.method == Method::OPTIONS {
            cors::options(&rule.cors, METHODS, &parts.headers)
        } else {
            let received_by = Instant::now() + self.upload_deadline;
            let context = Context { deadline: received_by + STORE_TIME, ..context };
            let asking = Asking { app: &self.app, rule, parts, context, received_by };
            let mut pieces = Pieces::new(incoming, &parts.headers);
            let is_cloudinary = rule.kind == UploadKind::Cloudinary;
            let answered = match check(parts, rule) {
                Err(error) => Err(error),
                Ok(()) if is_cloudinary => cloudinary::answer(&asking, &mut pieces).await,
                Ok(()) => one_time::answer(&asking, &mut pieces).await,
            };
            pieces.discard();
            answered.unwrap_or_else(|error| {
                let tell = if is_cloudinary { cloudinary::told } else { one_time::told };
                let body = tell(&error, &request_id);
                let mut response = problem::response(&error, "application/json", body.into(), METHODS);
                if is_cloudinary && let Ok(status) = StatusCode::from_u16(cloudinary::status(&error)) {
                    *response.status_mut() = status;
                }
                response
            })
        };
        headers::guard(response.headers_mut(), None);
        cors::mark(&rule.cors, &rule.cors, &parts.headers, response.headers_mut());
        response
    }
}

/// Refuses what is known of a request to be none before its body is read.
fn check(parts: &Parts, rule: &Rule) -> Result<(), CallError> {
    let is_put = parts.method == Method::PUT && rule.kind == UploadKind::OneTime;
    if !is_put && parts.method != Method::POST {
        return Err(Reason::HttpMethodUnsupported.error(format!("only {METHODS} are answered here")));
    }
    let codings = parts.headers.get_all(header::CONTENT_ENCODING);
    if codings.iter().any(|coding| coding != "identity") {
        return Err(Reason::CompressionUnsupported.error("a request with a Content-Encoding is not taken"));
    }
    Ok(())
}

/// `Content-Length`.
fn declared_length(headers: &HeaderMap) -> Option<u64> {
    only(headers, &header::CONTENT_LENGTH)?.parse().ok()
}

/// A file as it comes.
enum File<'a> {
    /// As the request's body.
    Body(&'a mut Pieces),
    /// As a part of a form.
    Part(Box<form::File>),
}

impl File<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        match self {
            Self::Body(pieces) => pieces.next().await,
            Self::Part(file) => file.next().await,
        }
    }
}

/// Receives a file of at most `limit` bytes, with memory reserved as it grows. `declared` is its length, where that is known. It
/// may be received before its upload has begun.
async fn receive(
    asking: &Asking<'_>,
    mut begun: Option<&mut Begun>,
    limit: u64,
    declared: Option<u64>,
    file: &mut File<'_>,
    filename: String,
) -> Result<Received, CallError> {
    let mut upload = Upload::new(limit, declared).map_err(error::receive_upload)?;
    // As bytes come, and not as they are announced: a client that sends nothing takes nothing.
    let mut reserved = asking.app.admission().upload_slowly();
    while let Some(piece) = file.next().await? {
        if let Some(begun) = &mut begun {
            begun.keep().await?;
        }
        let total = upload.after(piece.len()).map_err(error::receive_upload)?;
        reserved.grow_to(total).map_err(error::rejected)?;
        upload.push(piece).map_err(error::receive_upload)?;
    }
    let length = upload.received();
    let bytes = upload.finish(length, None).map_err(error::receive_upload)?;
    if bytes.is_empty() {
        return Err(Reason::UploadFormInvalid.error("the file has no bytes"));
    }
    Ok(Received { bytes, reserved, filename })
}
