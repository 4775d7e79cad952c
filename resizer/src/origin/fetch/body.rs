//! A body that has come, and its content codings.

use std::time::Instant;

use bytes::Bytes;

use super::{
    super::{
        OriginError,
        encoding::{self, Coding, Failed, LooksLikeImage},
        error::Kind,
        provenance::Provenance,
    },
    Until,
};

/// A body as it came.
pub struct Body {
    bytes: Bytes,
    codings: Vec<Coding>,
    limit: u64,
    until: Until,
    provenance: Provenance,
}

impl Body {
    pub(super) const fn new(
        bytes: Bytes,
        codings: Vec<Coding>,
        limit: u64,
        until: Until,
        provenance: Provenance,
    ) -> Self {
        Self { bytes, codings, limit, until, provenance }
    }

    /// Until when it must be decoded.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.until.at
    }

    /// Whether its headers name content codings.
    #[must_use]
    pub const fn is_coded(&self) -> bool {
        !self.codings.is_empty()
    }

    /// Its bytes as they came.
    #[must_use]
    pub fn into_bytes(self) -> (Bytes, Provenance) {
        (self.bytes, self.provenance)
    }

    /// Undoes its content codings, as far as they are real: bytes that look like an image are taken as they are. Takes CPU
    /// time, and holds up its thread. `reserve` is asked before the bytes held grow to a number; what it refuses ends the
    /// decoding with its error.
    ///
    /// # Errors
    /// [`Kind::TooLarge`], [`Kind::Timeout`], [`Kind::Deadline`], [`Kind::Encoded`], or `reserve`'s.
    pub fn decode<E: From<OriginError>>(
        self,
        looks_like_image: LooksLikeImage,
        reserve: impl FnMut(u64) -> Result<(), E>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(Bytes, Provenance), E> {
        let Self { bytes, codings, limit, until, provenance } = self;
        let is_over = || is_cancelled() || Instant::now() >= until.at;
        let failed = match encoding::undo(&codings, &bytes, limit, looks_like_image, reserve, &is_over) {
            Ok(bytes) => return Ok((bytes, provenance)),
            Err(failed) => failed,
        };
        let cause = provenance.into_cause();
        Err(match failed {
            Failed::Memory(error) => error,
            Failed::TooLarge => cause.too_large(limit, "decoded").into(),
            Failed::Over => {
                let cause = cause.with_detail("while decoding its content coding");
                OriginError::new(until.passed(), cause).into()
            }
            Failed::Broken(error) => {
                let cause =
                    cause.with_detail(&format!("its content coding ({codings:?}) is broken: {error}"));
                OriginError::new(Kind::Encoded, cause).into()
            }
        })
    }
}
