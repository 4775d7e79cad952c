//! Signature schemes, one module each: pure functions over text, a key and a time.
//!
//! No I/O, no clock, no key ring: whoever calls says what time it is and which keys may be tried.
//!
//! # Layout
//! - [`url`]: what schemes that sign URLs have in common
//! - [`cloudflare_images`]: signed URLs
//! - [`cloudinary_delivery`]: signed delivery URLs
//! - [`cloudinary_upload`]: signed upload parameters
//! - [`imgproxy`], [`thumbor`]: signed paths; the signature stands before the path (`leading`)
//! - [`imgix`], [`fastly`]: signed URLs; the signature is the last parameter (`trailing`)
//! - [`bunny`]: signed URLs and directories
//! - [`cloudfront`]: signed URLs and cookies, with policies
//! - [`akamai_edgeauth`], [`cloudinary_auth_token`]: tokens for URLs and access lists (`edge_token`)
//! - [`google_cloud_cdn`], [`google_media_cdn`]: signed URLs, URL prefixes and cookies (`google_cdn`)
//! - [`aws_sigv4`]: signed requests to S3
//! - `carrier`: reserved parameters and cookies
//! - `claims`, `pattern`: what authentic tokens say of times, clients and resources
//! - [`material`]: how keys are written
//! - `strict`: the canonical spellings that a verifier accepts
//! - `tag`: MACs, which nothing compares with `==`

pub mod akamai_edgeauth;
pub mod aws_sigv4;
pub mod bunny;
mod carrier;
mod claims;
pub mod cloudflare_images;
pub mod cloudfront;
pub mod cloudinary_auth_token;
pub mod cloudinary_delivery;
pub mod cloudinary_upload;
mod edge_token;
pub mod fastly;
mod google_cdn;
pub mod google_cloud_cdn;
pub mod google_media_cdn;
pub mod imgix;
pub mod imgproxy;
mod leading;
pub mod material;
mod pattern;
mod strict;
mod tag;
#[cfg(test)]
mod testing;
pub mod thumbor;
mod trailing;
pub mod url;

pub(crate) use strict::has_dot_segment;
pub(crate) use tag::Tag;
