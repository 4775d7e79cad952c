//! Objects that are written, and what a store says of one.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method,
    header::{ETAG, HeaderMap},
};
use safelight_proto::upload::object;

use super::{super::OriginError, Fetcher, Sending, SignedRequest, Trace};

/// What a store says of an object, without its bytes.
#[derive(Debug, Clone, Default)]
pub struct Stat {
    headers: HeaderMap,
}

impl Stat {
    /// Its entity tag, quotes included. Empty where the store gives none.
    #[must_use]
    pub fn etag(&self) -> String {
        let tag = self.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
        tag.unwrap_or_default().to_owned()
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
    /// is [`Kind::Exists`](super::Kind::Exists) as well.
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
        let sending = Sending { method, request, trace, body };
        let (response, _, _) = self.send(&sending, remaining).await?;
        Ok(Stat { headers: response.headers().clone() })
    }
}
