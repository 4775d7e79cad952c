//! The bytes of a source, and where they are from.

use std::{ops::Deref, sync::Arc};

use bytes::Bytes;
use safelight_image::{error::ImageError, sniff::sniff};
use safelight_proto::reason::{CallError, Reason};

use super::error;
use crate::origin::Provenance;

/// An encoded picture. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SourceBytes {
    bytes: Bytes,
    /// `None`: the caller sent them.
    provenance: Option<Arc<Provenance>>,
}

impl SourceBytes {
    /// The bytes of an origin's object.
    pub(super) fn fetched(bytes: Bytes, provenance: Provenance) -> Self {
        Self { bytes, provenance: Some(Arc::new(provenance)) }
    }

    /// What is answered when they are no picture that can be used. Of an origin's object the cause goes into the log: the
    /// caller does not have the bytes.
    pub(super) fn refused(&self, error: ImageError) -> CallError {
        let error = error::image(error);
        let is_of_bytes = matches!(
            error.reason(),
            Reason::FormatUnsupported | Reason::ImageCorrupt | Reason::ImageTooLarge
        );
        if let Some(provenance) = self.provenance.as_ref().filter(|_| is_of_bytes) {
            provenance.log(error.reason().as_str(), error.message(), &self.bytes, is_image(&self.bytes));
        }
        error
    }
}

/// Images that are not decoded here are images all the same: they are refused by name.
pub(super) fn is_image(bytes: &[u8]) -> bool {
    !matches!(sniff(bytes), Err(ImageError::NotAnImage))
}

impl Deref for SourceBytes {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

impl From<Bytes> for SourceBytes {
    /// The caller's.
    fn from(bytes: Bytes) -> Self {
        Self { bytes, provenance: None }
    }
}
