//! AWS Signature Version 4, by the `aws-sigv4` crate.
//!
//! For S3 the path is percent-encoded once and then signed as it stands: no dot segments are resolved, no
//! slashes merged, nothing is encoded again. Whoever sends the request must send it so as well.
//! Sources: IAM guide "Create a signed AWS API request"; S3 API reference "sigv4-query-string-auth".
//!
//! # Layout
//! - [`Request`]: what is signed
//! - [`S3Request`]: a request that S3 will understand as it was signed, checked
//! - [`Change`]: a request that copies an object onto itself, or deletes it
//! - [`Step`]: the requests that store an object in parts
//! - [`sign_headers`], [`presign`]: the two ways a signature travels
//! - [`sign_post`]: a form by which a browser stores a file

mod change;
mod multipart;
mod post_policy;
mod request;
mod sign;
#[cfg(test)]
mod tests;

use aws_smithy_runtime_api::client::identity::Identity;

pub use change::Change;
pub use multipart::Step;
pub use post_policy::{Condition, PostForm, sign_post};
pub use request::{MAX_HEADER_BYTES, MAX_URL_BYTES, RequestError, S3Request};
pub use sign::{SignError, presign, sign_headers};

/// How long S3 accepts a request that is signed in its headers, in seconds: 15 minutes.
pub const HEADERS_LIFETIME: u64 = 15 * 60;

/// Longest life of a presigned URL, in seconds: 7 days.
pub const MAX_PRESIGNED_LIFETIME: u64 = 7 * 24 * 60 * 60;

/// An access key: id, secret, and a session token if it is temporary. Wiped on drop.
pub struct Credentials {
    access_key_id: String,
    identity: Identity,
}

impl Credentials {
    /// Takes the texts as AWS issued them.
    #[must_use]
    pub fn new(access_key_id: &str, secret_access_key: &str, session_token: Option<&str>) -> Self {
        // Its `Debug` shows neither the secret nor the token, and its strings are wiped on drop.
        let credentials = aws_credential_types::Credentials::new(
            access_key_id,
            secret_access_key,
            session_token.map(str::to_owned),
            None,
            "safelight",
        );
        Self { access_key_id: access_key_id.to_owned(), identity: credentials.into() }
    }

    /// The public half.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }
}

/// An HTTP request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// HTTP method, upper-case.
    pub method: &'a str,
    /// Absolute URL, percent-encoded once.
    pub url: &'a str,
    /// Headers to sign beside `host`, which is taken from the URL.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: Body<'a>,
}

/// What is known of a request's body.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// Nothing: `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// Its SHA-256 in lower-case hexadecimal.
    Sha256(&'a str),
}

/// Where a signature is good, and how that service wants it.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Region, such as `eu-west-1`.
    pub region: &'a str,
    /// Service, such as `s3`.
    pub service: &'a str,
    /// Whether dot segments and double slashes of the path are resolved before signing.
    pub normalize_path: bool,
    /// Whether `x-amz-content-sha256` is added and signed.
    pub content_sha256_header: bool,
}

impl<'a> Scope<'a> {
    /// S3 in a region.
    #[must_use]
    pub const fn s3(region: &'a str) -> Self {
        Self { region, service: "s3", normalize_path: false, content_sha256_header: true }
    }
}
