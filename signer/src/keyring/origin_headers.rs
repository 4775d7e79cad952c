//! Headers that every request to an S3 origin carries, beside those of its signature.
//!
//! ```text
//! x-amz-request-payer: requester                                     who asks pays, and not the bucket's owner
//! x-amz-server-side-encryption-customer-algorithm: AES256           SSE-C: objects are encrypted with a key of the customer,
//! x-amz-server-side-encryption-customer-key: base64(key)            which S3 does not keep
//! x-amz-server-side-encryption-customer-key-MD5: base64(MD5(key))
//! ```
//!
//! A copy has those of SSE-C twice, for its source as `x-amz-copy-source-server-side-encryption-customer-*`; a deletion has none.
//!
//! Source: S3 User Guide, "Using Requester Pays buckets", "Using server-side encryption with customer-provided keys". The SSE-C
//! key goes to whoever may have a request signed with the key; it is in no log and no `Debug`.

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

/// What the names of the headers of SSE-C begin with.
const SSE_CUSTOMER: &str = "x-amz-server-side-encryption-customer-";
/// Their names where a copy reads its source, and those where it writes.
const OF_COPY_SOURCE: [(&str, &str); 3] = [
    (
        "x-amz-copy-source-server-side-encryption-customer-algorithm",
        "x-amz-server-side-encryption-customer-algorithm",
    ),
    ("x-amz-copy-source-server-side-encryption-customer-key", "x-amz-server-side-encryption-customer-key"),
    (
        "x-amz-copy-source-server-side-encryption-customer-key-md5",
        "x-amz-server-side-encryption-customer-key-md5",
    ),
];

/// Names in lower case, and values. May hold a secret: has neither `Debug` nor `Clone`.
#[derive(Default)]
pub struct OriginHeaders(Vec<(&'static str, Zeroizing<String>)>);

impl OriginHeaders {
    /// Those of a bucket whose requesters pay, and of objects that are encrypted with this key (32 bytes).
    pub(super) fn new(request_payer: bool, sse_customer_key: Option<&[u8]>) -> Self {
        let mut headers = Vec::new();
        let mut add = |name, value| headers.push((name, Zeroizing::new(value)));
        if request_payer {
            add("x-amz-request-payer", "requester".to_owned());
        }
        if let Some(key) = sse_customer_key {
            add("x-amz-server-side-encryption-customer-algorithm", "AES256".to_owned());
            add("x-amz-server-side-encryption-customer-key", STANDARD.encode(key));
            add("x-amz-server-side-encryption-customer-key-md5", STANDARD.encode(Md5::digest(key)));
        }
        Self(headers)
    }

    /// Those of a copy: its source is encrypted with the same key.
    pub fn of_copy(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let of_source = OF_COPY_SOURCE.iter().filter_map(|(name, written)| {
            self.iter().find(|(known, _)| known == written).map(|(_, value)| (*name, value))
        });
        self.iter().chain(of_source)
    }

    /// Those of a deletion, which reads nothing.
    pub fn of_deletion(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.iter().filter(|(name, _)| !name.starts_with(SSE_CUSTOMER))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}
