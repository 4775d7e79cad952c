//! An answer whose head has come, and its body.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};

use super::{
    super::{
        OriginError,
        encoding::{self, LooksLikeImage},
        error::{Cause, Kind},
        provenance::Provenance,
    },
    Body, READ_TIMEOUT, Stat, Until,
    store::strong,
};

/// An answer whose headers have come and whose body has not been read.
pub struct Opened {
    response: reqwest::Response,
    /// Of the whole body: the client counts down what is left of it.
    declared: Option<u64>,
    until: Until,
    cause: Cause,
    /// The request's headers: what they hold is not for the log.
    secrets: HeaderMap,
}

impl Opened {
    pub(super) fn new(response: reqwest::Response, until: Until, cause: Cause, secrets: HeaderMap) -> Self {
        Self { declared: response.content_length(), response, until, cause, secrets }
    }

    /// The origin's entity tag, if it gave a strong one: in quotes (RFC 9110, section 8.8.3). A weak one may stay when bytes
    /// change, and so may what is no tag.
    #[must_use]
    pub fn etag(&self) -> Option<String> {
        self.text(&ETAG).and_then(strong)
    }

    /// When the origin says that the object changed last.
    #[must_use]
    pub fn last_modified(&self) -> Option<SystemTime> {
        self.text(&LAST_MODIFIED)?.parse::<httpdate::HttpDate>().ok().map(SystemTime::from)
    }

    /// What the origin says of the object besides.
    #[must_use]
    pub fn stat(&self) -> Stat {
        Stat::new(self.response.headers().clone())
    }

    /// The media type that the origin declares. Nothing is decided by it.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.text(&CONTENT_TYPE)
    }

    /// The length the origin declares, in bytes: of the body as it travels, which may be encoded.
    #[must_use]
    pub const fn declared_length(&self) -> Option<u64> {
        self.declared
    }

    /// Reads the body. `reserve` is asked before the bytes held grow to a number; what it refuses ends the reading with its
    /// error.
    ///
    /// # Errors
    /// [`Kind::TooLarge`], [`Kind::Interrupted`], [`Kind::Timeout`], [`Kind::Deadline`], [`Kind::Encoded`], or
    /// `reserve`'s.
    pub async fn read<E: From<OriginError>>(
        mut self,
        limit: u64,
        looks_like_image: LooksLikeImage,
        mut reserve: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<Body, E> {
        let bytes = self.collect(limit, &mut reserve).await?;
        if encoding::is_chunk_framed(&bytes, looks_like_image) {
            let mut error =
                self.error(Kind::Encoded, "the object is stored with the frames of its upload around it");
            error.set_hint("a proxy or store did not decode aws-chunked: upload it again without");
            return Err(error.into());
        }
        let codings = encoding::declared(self.response.headers());
        let codings = codings.map_err(|error| self.error(Kind::Encoded, &error.to_string()))?;
        let provenance = Provenance::new(self.cause, self.response.headers().clone(), self.secrets);
        Ok(Body::new(bytes, codings, limit, self.until, provenance))
    }

    async fn collect<E: From<OriginError>>(
        &mut self,
        limit: u64,
        reserve: &mut impl FnMut(u64) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        let declared = self.declared_length();
        if let Some(length) = declared.filter(|length| *length > limit) {
            return Err(self.too_large(limit, &format!("declares {length} bytes")).into());
        }
        let mut bytes = BytesMut::new();
        if let Some(length) = declared.and_then(|length| usize::try_from(length).ok()) {
            reserve(declared.unwrap_or(0))?;
            bytes.reserve(length);
        }
        while let Some(chunk) = self.next(bytes.len()).await? {
            let total = bytes.len() as u64 + chunk.len() as u64;
            if total > limit {
                return Err(self.too_large(limit, "without a declared length").into());
            }
            if declared.is_none_or(|length| total > length) {
                reserve(total)?;
            }
            bytes.extend_from_slice(&chunk);
        }
        if declared.is_some_and(|length| length != bytes.len() as u64) {
            return Err(self.error(Kind::Interrupted, &self.progress(bytes.len())).into());
        }
        Ok(bytes.freeze())
    }

    async fn next(&mut self, got: usize) -> Result<Option<Bytes>, OriginError> {
        let until = self.until;
        match until.wait(self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) if error.is_timeout() => {
                let detail = format!("silent for {READ_TIMEOUT:?} in the body: {}", self.progress(got));
                Err(self.error(Kind::Timeout, &detail))
            }
            Ok(Err(_)) => Err(self.error(Kind::Interrupted, &self.progress(got))),
            Err(kind) => {
                let detail = format!("{:?} passed in the body: {}", until.time, self.progress(got));
                Err(self.error(kind, &detail))
            }
        }
    }

    /// `got 10 of 20 bytes`
    fn progress(&self, got: usize) -> String {
        match self.declared_length() {
            Some(length) => format!("got {got} of {length} bytes"),
            None => format!("got {got} bytes of an unknown number"),
        }
    }

    fn too_large(&self, limit: u64, how: &str) -> OriginError {
        self.cause.clone().too_large(limit, how)
    }

    fn error(&self, kind: Kind, detail: &str) -> OriginError {
        OriginError::new(kind, self.cause.clone().with_detail(detail))
    }

    fn text(&self, name: &HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }
}
