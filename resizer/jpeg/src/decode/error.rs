//! Why a file is not decoded, with the place in the file.

/// What is wrong, and at which byte of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(clippy::error_impl_error, reason = "read as `decode::Error`, beside `encode`'s")]
pub enum Error {
    /// The file does not start with the JPEG signature.
    #[error("not a JPEG file: it does not start with FF D8")]
    NotJpeg,
    /// The file ends before what it promises.
    #[error("truncated: the file ends at byte {at}, inside {inside}")]
    Truncated {
        /// The byte, counted from the start of the file, where data was missing.
        at: usize,
        /// What was being read.
        inside: &'static str,
    },
    /// The file contradicts itself or the standard.
    #[error("corrupt at byte {at}: {what}")]
    Corrupt {
        /// The byte, counted from the start of the file. Inside entropy-coded data it is the byte that holds
        /// the first bit of the offending code.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A correct file of a kind that this crate does not decode, or an output that its colours do not have.
    #[error("unsupported at byte {at}: {what}")]
    Unsupported {
        /// The byte, counted from the start of the file.
        at: usize,
        /// What the file is, as a noun with its article.
        what: &'static str,
    },
    /// More than a limit given by the caller.
    #[error("{what} is {value}, more than the limit of {limit}")]
    Limit {
        /// What was limited.
        what: &'static str,
        /// What the file asks for.
        value: u64,
        /// What the caller allows.
        limit: u64,
    },
    /// The buffer given for the picture is too small.
    #[error("the buffer holds {given} bytes where {needed} are needed")]
    Buffer {
        /// Bytes given.
        given: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// The caller's cancel check, or its row callback, said stop.
    #[error("cancelled")]
    Cancelled,
}
