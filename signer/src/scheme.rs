//! Signature schemes, one module each: pure functions over text, a key and a time.
//!
//! No I/O, no clock, no key ring: whoever calls says what time it is and which keys may be tried.
//!
//! # Layout
//! - [`url`]: what schemes that sign URLs have in common
//! - [`cloudflare_images`]: signed URLs
//! - [`cloudinary_upload`]: signed upload parameters
//! - [`aws_sigv4`]: signed requests to S3
//! - `strict`: the canonical spellings that a verifier accepts

pub mod aws_sigv4;
pub mod cloudflare_images;
pub mod cloudinary_upload;
mod strict;
pub mod url;
