//! Objects that are written, copied and deleted, and what a store says of one.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED},
};
use safelight_proto::upload::object;

use super::{
    super::{
        Kind, OriginError,
        error::Cause,
        s3::refusal::{self, Refusal},
    },
    ERROR_BODY_TIMEOUT, Fetcher, Sending, SignedRequest, Trace,
};

/// Most bytes that are read of an answer to a request for one.
const MAX_FIRST_BYTE: usize = 4096;

/// What a store says of an object, without its bytes.
#[derive(Debug, Clone, Default)]
pub struct Stat {
    headers: HeaderMap,
}

impl Stat {
    pub(super) const fn new(headers: HeaderMap) -> Self {
        Self { headers }
    }

    #[cfg(test)]
    pub(crate) fn for_test(headers: &[(&'static str, &str)]) -> Self {
        let header =
            |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
        Self { headers: headers.iter().map(header).collect() }
    }

    /// Its entity tag, if it is a strong one: in quotes (RFC 9110, section 8.8.3). A weak one may stay when bytes change, and
    /// so may what is no tag.
    #[must_use]
    pub fn strong_etag(&self) -> Option<String> {
        strong(self.headers.get(ETAG)?.to_str().ok()?)
    }

    /// When it changed last.
    #[must_use]
    pub fn last_modified(&self) -> Option<SystemTime> {
        self.time(&LAST_MODIFIED)
    }

    /// When it was asked, by the store's clock.
    #[must_use]
    pub fn asked(&self) -> Option<SystemTime> {
        self.time(&DATE)
    }

    fn time(&self, name: &HeaderName) -> Option<SystemTime> {
        let text = self.headers.get(name)?.to_str().ok()?;
        text.parse::<httpdate::HttpDate>().ok().map(SystemTime::from)
    }

    /// What it says of the object by headers whose name `is_wanted`: names in lower case, each once.
    ///
    /// # Errors
    /// The name of one whose value is not ASCII.
    pub fn described(&self, is_wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, String>, String> {
        let wanted = self.headers.keys().filter(|name| is_wanted(name.as_str()));
        let text = |name: &HeaderName| {
            let values: Result<Vec<&str>, _> =
                self.headers.get_all(name).iter().map(|value| value.to_str()).collect();
            let values = values.map_err(|_| name.to_string())?;
            // Of several lines of one name (RFC 9110, section 5.3).
            Ok((name.to_string(), values.join(", ")))
        };
        wanted.map(text).collect()
    }

    /// Its declared media type.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// Its entity tag, quotes included. Empty where the store gives none.
    #[must_use]
    pub fn etag(&self) -> String {
        let tag = self.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
        tag.unwrap_or_default().to_owned()
    }

    /// Number of its bytes, as its store says.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// A value of its user metadata, decoded.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<String> {
        object::decode(self.headers.get(name)?.to_str().ok()?)
    }
}

impl Fetcher {
    /// Writes an object whole. What the store says of it has its entity tag.
    ///
    /// A request that failed on its way is sent a second time: with `if-none-match: *` that one may find its own object, which
    /// is [`Kind::Exists`] as well.
    ///
    /// # Errors
    /// [`OriginError`].
    pub async fn put(
        &self,
        request: &SignedRequest,
        bytes: Bytes,
        trace: &Trace,
        remaining: Duration,
    ) -> Result<Stat, OriginError> {
        self.stat(Method::PUT, request, Some(bytes), trace, remaining).await
    }

    /// Has an object copied, and answers the copy's entity tag; empty where the store does not say it. The request says from where,
    /// and on what condition.
    ///
    /// # Errors
    /// [`OriginError`]; [`Kind::Changed`] where the condition does not hold.
    pub async fn copy(
        &self,
        request: &SignedRequest,
        trace: &Trace,
        remaining: Duration,
    ) -> Result<String, OriginError> {
        let sending = Sending {
            method: Method::PUT,
            request,
            trace,
            body: Some(Bytes::new()),
            first_byte: false,
            unmet: Some(Kind::Changed),
        };
        let (mut response, cause, until) = self.send(&sending, remaining).await?;
        let mut document = Vec::new();
        let ended = loop {
            match until.wait(response.chunk()).await {
                // Blanks come for as long as the store copies.
                Ok(Ok(Some(chunk))) if document.is_empty() => {
                    document.extend_from_slice(chunk.trim_ascii_start())
                }
                Ok(Ok(Some(chunk))) if document.len() < refusal::MAX_BODY => {
                    document.extend_from_slice(&chunk)
                }
                Ok(Ok(Some(_) | None)) => break None,
                Ok(Err(_)) => break Some(Kind::Interrupted),
                Err(kind) => break Some(kind),
            }
        };
        if let Some(etag) = refusal::copied(&document) {
            return Ok(etag);
        }
        let refusal = Refusal::read(response.headers(), &document, &request.headers);
        let kind = match refusal.code.as_deref() {
            Some("PreconditionFailed" | "ConditionalRequestConflict") => Kind::Changed,
            Some("NoSuchKey") => Kind::NotFound,
            Some("AccessDenied") => Kind::Denied(StatusCode::FORBIDDEN.as_u16()),
            Some(_) => Kind::Failed(response.status().as_u16()),
            None => ended.unwrap_or(Kind::Interrupted),
        };
        let cause = cause.with_detail("the copy was not made, though its answer began well");
        Err(OriginError::new(kind, Cause { refusal, ..cause }))
    }

    /// Has an object deleted.
    ///
    /// # Errors
    /// [`OriginError`]; [`Kind::Changed`] where the request's condition does not hold, [`Kind::NotFound`] from stores that say so.
    pub async fn delete(
        &self,
        request: &SignedRequest,
        trace: &Trace,
        remaining: Duration,
    ) -> Result<(), OriginError> {
        let sending = Sending {
            method: Method::DELETE,
            request,
            trace,
            body: None,
            first_byte: false,
            unmet: Some(Kind::Changed),
        };
        self.send(&sending, remaining).await.map(|_| ())
    }

    /// Asks what an origin says of an object, by a GET of its first byte: a signature for a GET serves, as S3 signs no range.
    /// An origin without ranges answers with the whole object, of which nothing is read.
    ///
    /// # Errors
    /// [`OriginError`].
    pub async fn probe(
        &self,
        request: &SignedRequest,
        trace: &Trace,
        remaining: Duration,
    ) -> Result<Stat, OriginError> {
        let mut sending =
            Sending { method: Method::GET, request, trace, body: None, first_byte: true, unmet: None };
        let response = match self.send(&sending, remaining).await {
            // An object without bytes has no first one.
            Err(error) if error.kind() == Kind::Failed(StatusCode::RANGE_NOT_SATISFIABLE.as_u16()) => {
                sending.first_byte = false;
                self.send(&sending, remaining).await?.0
            }
            answered => answered?.0,
        };
        let stat = Stat::new(response.headers().clone());
        if response.status() == StatusCode::PARTIAL_CONTENT {
            finish(response).await;
        }
        Ok(stat)
    }

    /// Asks what the store says of an object.
    ///
    /// # Errors
    /// [`OriginError`].
    pub async fn look(
        &self,
        request: &SignedRequest,
        trace: &Trace,
        remaining: Duration,
    ) -> Result<Stat, OriginError> {
        self.stat(Method::HEAD, request, None, trace, remaining).await
    }

    async fn stat(
        &self,
        method: Method,
        request: &SignedRequest,
        body: Option<Bytes>,
        trace: &Trace,
        remaining: Duration,
    ) -> Result<Stat, OriginError> {
        let unmet = body.is_some().then_some(Kind::Exists);
        let sending = Sending { method, request, trace, body, first_byte: false, unmet };
        let (response, _, _) = self.send(&sending, remaining).await?;
        Ok(Stat::new(response.headers().clone()))
    }
}

/// Reads a short body to its end: the connection can then be used again.
async fn finish(mut response: Response) {
    let until = Instant::now() + ERROR_BODY_TIMEOUT;
    let mut read = 0;
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout_at(until.into(), response.chunk()).await {
        read += chunk.len();
        if read > MAX_FIRST_BYTE {
            break;
        }
    }
}

/// An entity tag, if it is one and strong.
pub(super) fn strong(tag: &str) -> Option<String> {
    let text = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    text.is_some_and(|text| !text.contains('"')).then(|| tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_quotes_is_a_strong_tag() {
        for tag in ["\"a\"", "\"\"", "\"a b\""] {
            assert_eq!(strong(tag).as_deref(), Some(tag));
        }
        for tag in ["", "\"", "a", "W/\"a\"", "\"a", "a\"", "\"a\", \"b\""] {
            assert_eq!(strong(tag), None, "{tag}");
        }
    }
}
