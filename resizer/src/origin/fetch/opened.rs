//! An answer whose head has come, and its body.

use std::{
    io::Read as _,
    time::{Instant, SystemTime},
};

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED};

use super::{
    super::{
        OriginError,
        encoding::{self, LooksLikeImage},
        error::{Cause, Kind},
    },
    READ_TIMEOUT, Until,
};

/// How much is decoded between two looks at the clock and at other tasks: a few milliseconds.
const DECODE_STEP: u64 = 1 << 20;

/// An answer whose headers have come and whose body has not been read.
pub struct Opened {
    response: reqwest::Response,
    /// Of the whole body: the client counts down what is left of it.
    declared: Option<u64>,
    until: Until,
    cause: Cause,
}

impl Opened {
    pub(super) fn new(response: reqwest::Response, until: Until, cause: Cause) -> Self {
        Self { declared: response.content_length(), response, until, cause }
    }

    /// The origin's entity tag, if it gave a strong one that is text. A weak one may stay when bytes change
    /// (RFC 9110, section 8.8.1).
    #[must_use]
    pub fn etag(&self) -> Option<String> {
        self.text(&ETAG).filter(|tag| !tag.starts_with("W/")).map(str::to_owned)
    }

    /// When the origin says that the object changed last.
    #[must_use]
    pub fn last_modified(&self) -> Option<SystemTime> {
        self.text(&LAST_MODIFIED)?.parse::<httpdate::HttpDate>().ok().map(SystemTime::from)
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

    /// Reads the body and undoes its content codings, as far as they are real: bytes that look like an image are
    /// taken as they are. `reserve` is asked before the bytes held grow to a number; what it refuses ends the reading
    /// with its error.
    ///
    /// # Errors
    /// [`Kind::TooLarge`], [`Kind::Interrupted`], [`Kind::Timeout`], [`Kind::Deadline`], [`Kind::Encoded`], or
    /// `reserve`'s.
    pub async fn read<E: From<OriginError>>(
        mut self,
        limit: u64,
        looks_like_image: LooksLikeImage,
        mut reserve: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        let bytes = self.collect(limit, &mut reserve).await?;
        if encoding::is_chunk_framed(&bytes, looks_like_image) {
            let mut error =
                self.error(Kind::Encoded, "the object is stored with the frames of its upload around it");
            error.set_hint("a proxy or store did not decode aws-chunked: upload it again without");
            return Err(error.into());
        }
        let codings = encoding::declared(self.response.headers());
        let codings = codings.map_err(|error| self.error(Kind::Encoded, &error.to_string()))?;
        if codings.is_empty() {
            return Ok(bytes);
        }
        let held = bytes.len() as u64;
        let memory = held + codings.iter().map(|coding| coding.memory()).sum::<u64>();
        let broken = |error: std::io::Error| {
            self.error(Kind::Encoded, &format!("its content coding ({codings:?}) is broken: {error}"))
        };
        let Some(mut decoder) =
            encoding::decoder(&codings, bytes.clone(), looks_like_image).map_err(broken)?
        else {
            return Ok(bytes);
        };
        let mut decoded = BytesMut::new();
        let mut piece = vec![0; encoding::PIECE];
        let mut pause_at = DECODE_STEP;
        loop {
            let length = decoder.read(&mut piece).map_err(broken)?;
            let total = decoded.len() as u64 + length as u64;
            if total > limit {
                return Err(self.too_large(limit, "decoded").into());
            }
            if length == 0 {
                return Ok(decoded.freeze());
            }
            reserve(memory + total)?;
            decoded.extend_from_slice(piece.get(..length).unwrap_or_default());
            if total >= pause_at {
                pause_at = total + DECODE_STEP;
                tokio::task::yield_now().await;
                if Instant::now() >= self.until.at {
                    return Err(self.error(self.until.passed(), "while decoding its content coding").into());
                }
            }
        }
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
        let mut error = self.error(Kind::TooLarge(limit), how);
        error.set_hint("limits.max_source_bytes is how much is taken");
        error
    }

    fn error(&self, kind: Kind, detail: &str) -> OriginError {
        OriginError::new(kind, Cause { detail: Some(detail.to_owned()), ..self.cause.clone() })
    }

    fn text(&self, name: &HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }
}
