//! Objects that are written in parts: S3's multipart upload.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode,
    header::{ETAG, HeaderName, HeaderValue},
};
use safelight_proto::upload::multipart::StoreUploadId;

use super::{
    super::{
        Kind, OriginError,
        error::Cause,
        s3::refusal::{self, Refusal},
    },
    ATTEMPTS, Fetcher, RETRY_PAUSE, Sending, SignedRequest, Stat, Trace, Until,
};

/// What S3 says of an upload that is completed, aborted, or never was.
const NO_UPLOAD: &str = "NoSuchUpload";

impl Fetcher {
    /// Begins a multipart upload. Answers the name that the store has given it.
    ///
    /// # Errors
    /// [`OriginError`]. Where the store has done it and its answer was lost, an upload without parts stays there.
    pub async fn create_multipart(
        &self,
        request: &SignedRequest,
        trace: &Trace,
        remaining: Duration,
    ) -> Result<String, OriginError> {
        let (document, cause) = self.post(request, Bytes::new(), trace, remaining).await?;
        let named = refusal::element(&document, "UploadId").filter(|id| StoreUploadId::parse(id).is_some());
        named.ok_or_else(|| {
            unreadable(cause, "the answer names no multipart upload, or by a name that is none of S3")
        })
    }

    /// Stores a part. Answers its entity tag.
    ///
    /// # Errors
    /// [`OriginError`].
    pub async fn put_part(
        &self,
        request: &SignedRequest,
        bytes: Bytes,
        trace: &Trace,
        remaining: Duration,
    ) -> Result<String, OriginError> {
        let stat = self.put(request, bytes, trace, remaining).await.map_err(no_upload)?;
        Some(stat.etag())
            .filter(|etag| !etag.is_empty())
            .ok_or_else(|| unreadable(self.cause(), "a part was stored without an entity tag"))
    }

    /// Makes the object of all parts, by their entity tags in order. What the store says of it is its entity tag at most.
    ///
    /// # Errors
    /// [`OriginError`]; [`Kind::Exists`] where there is an object that must not be replaced.
    pub async fn complete_multipart(
        &self,
        request: &SignedRequest,
        etags: &[String],
        trace: &Trace,
        remaining: Duration,
    ) -> Result<Stat, OriginError> {
        let body = Bytes::from(completion(etags));
        let began = Instant::now();
        let mut attempt = 1;
        loop {
            let left = remaining.saturating_sub(began.elapsed());
            match self.post(request, body.clone(), trace, left).await {
                Ok((document, cause)) if !document.contains("CompleteMultipartUploadResult") => {
                    return Err(unreadable(cause, "the answer does not say that the upload is completed"));
                }
                Ok((document, _)) => return Ok(Stat::new(etag_of(&document).into_iter().collect())),
                // An answer that begins well and is an error, or breaks off.
                Err(error)
                    if attempt < ATTEMPTS
                        && (error.is_transient() || error.kind() == Kind::Interrupted)
                        && remaining > began.elapsed() + RETRY_PAUSE =>
                {
                    tracing::debug!(attempt, %error, "origin.retry");
                    attempt += 1;
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes the parts of an upload. One that is none any more has none.
    ///
    /// # Errors
    /// [`OriginError`].
    pub async fn abort_multipart(
        &self,
        request: &SignedRequest,
        trace: &Trace,
        remaining: Duration,
    ) -> Result<(), OriginError> {
        let sending =
            Sending { method: Method::DELETE, request, trace, body: None, first_byte: false, unmet: None };
        match self.send(&sending, remaining).await {
            Err(error) if error.kind() != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Sends a request whose answer is a document. S3 begins to answer before it is done: a document may be that of an error,
    /// whatever the status.
    async fn post(
        &self,
        request: &SignedRequest,
        body: Bytes,
        trace: &Trace,
        remaining: Duration,
    ) -> Result<(String, Cause), OriginError> {
        let sending = Sending {
            method: Method::POST,
            request,
            trace,
            body: Some(body),
            first_byte: false,
            unmet: Some(Kind::Exists),
        };
        let (response, cause, until) = self.send(&sending, remaining).await.map_err(no_upload)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let document = match document(response, until).await {
            Ok(document) => document,
            Err(kind) => {
                return Err(OriginError::new(kind, cause.with_detail("in the middle of its answer")));
            }
        };
        let refusal = Refusal::read(&headers, document.as_bytes(), &request.headers);
        match refusal.code.as_deref() {
            None => Ok((document, cause)),
            Some(code) => {
                let kind = kind_of(code, status);
                let cause = cause.with_detail("an error, though its answer began well");
                Err(OriginError::new(kind, Cause { refusal, ..cause }))
            }
        }
    }
}

/// The first bytes of a document, as many as are of interest.
async fn document(mut response: Response, until: Until) -> Result<String, Kind> {
    let mut document = Vec::new();
    loop {
        match until.wait(response.chunk()).await? {
            // Blanks come for as long as the store works.
            Ok(Some(chunk)) if chunk.trim_ascii().is_empty() => {}
            Ok(Some(chunk)) => {
                let room = refusal::MAX_BODY.saturating_sub(document.len());
                document.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
                if chunk.len() >= room {
                    break;
                }
            }
            Ok(None) => break,
            Err(_) => return Err(Kind::Interrupted),
        }
    }
    Ok(String::from_utf8_lossy(&document).into_owned())
}

/// What an error means that comes with a status of success.
fn kind_of(code: &str, status: StatusCode) -> Kind {
    match code {
        "PreconditionFailed" => Kind::Exists,
        "AccessDenied" => Kind::Denied(403),
        "InternalError" => Kind::Failed(500),
        "SlowDown" | "ServiceUnavailable" => Kind::Failed(503),
        NO_UPLOAD => Kind::Failed(404),
        _ => Kind::Failed(status.as_u16()),
    }
}

/// An upload that is none any more is a failure, and no object that is missing.
fn no_upload(error: OriginError) -> OriginError {
    let cause = error.cause();
    if error.kind() == Kind::NotFound && cause.refusal.code.as_deref() == Some(NO_UPLOAD) {
        return OriginError::new(Kind::Failed(404), cause.clone());
    }
    error
}

/// An answer of success that cannot be used.
fn unreadable(cause: Cause, detail: &str) -> OriginError {
    OriginError::new(Kind::Failed(cause.status.unwrap_or(200)), cause.with_detail(detail))
}

/// The object's entity tag, as a header.
fn etag_of(document: &str) -> Option<(HeaderName, HeaderValue)> {
    let tag = refusal::element(document, "ETag")?;
    let tag = if tag.ends_with('"') { tag } else { format!("\"{tag}\"") };
    Some((ETAG, HeaderValue::from_str(&tag).ok()?))
}

/// The body of a completion.
fn completion(etags: &[String]) -> String {
    let mut body =
        String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (number, etag) in (1..).zip(etags) {
        let etag =
            etag.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        _ = write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    body.push_str("</CompleteMultipartUpload>");
    body
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn a_completion_lists_parts_in_order() {
        let etags = ["\"a1\"".to_owned(), "<&>".to_owned()];
        assert_eq!(
            completion(&etags),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Part><PartNumber>1</PartNumber><ETag>&quot;a1&quot;</ETag></Part>\
             <Part><PartNumber>2</PartNumber><ETag>&lt;&amp;&gt;</ETag></Part></CompleteMultipartUpload>"
        );
    }

    #[test]
    fn an_entity_tag_is_read_however_it_is_quoted() {
        for text in ["&quot;a-3&quot;", "&#34;a-3&#34;", "\"a-3\"", "a-3"] {
            let document = format!(
                "<CompleteMultipartUploadResult><Key>k</Key><ETag>{text}</ETag></CompleteMultipartUploadResult>"
            );
            let headers: HeaderMap = etag_of(&document).into_iter().collect();
            assert_eq!(Stat::new(headers).etag(), "\"a-3\"", "{text}");
        }
        assert!(etag_of("<CompleteMultipartUploadResult/>").is_none());
    }
}
