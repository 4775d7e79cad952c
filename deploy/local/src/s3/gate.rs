//! Who gets in: the secret that `s3s` verifies signatures with, and the refusals that it leaves out.
//!
//! `s3s` recomputes the signature over the headers that the request *says* it signed, so it accepts some requests
//! that the real service refuses. After a signature has verified, [`Gate`] therefore also asks for
//!
//! - Signature Version 4: `s3s` would still take version 2, which signs no headers;
//! - the server's own [`REGION`](super::REGION) in the credential scope;
//! - `host` and every `x-amz-*` header that was received to be among the signed ones (AWS, "Create a signed AWS API
//!   request", step 1: the host header and any `x-amz-*` headers must be signed);
//! - the path in the one encoding that S3 signs, every byte but `A-Z a-z 0-9 - . _ ~ /` as `%XX`: `s3s` falls back
//!   to the path as it was sent, S3 encodes it anew;
//! - the session token that belongs to the credentials, and none where none belongs.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::{S3Host, VirtualHost};
use s3s::{S3Result, s3_error};

use super::{Credentials, REGION};

/// The domain that buckets are labels of. Under `localhost`, so that it can never name another machine.
pub(super) const BASE_DOMAIN: &str = "s3.localhost";

const SECURITY_TOKEN: &str = "x-amz-security-token";

/// What S3's canonical path encodes: everything but the unreserved characters of RFC 3986, and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The rules above, for one pair of keys.
#[derive(Clone)]
pub(super) struct Gate(Arc<Credentials>);

impl Gate {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self(Arc::new(credentials))
    }
}

#[async_trait]
impl S3Auth for Gate {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.0.access_key_id {
            Ok(SecretKey::from(self.0.secret_access_key.as_str()))
        } else {
            Err(s3_error!(InvalidAccessKeyId, "The access key id does not exist"))
        }
    }
}

#[async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "The request is not signed"));
        }
        let Some(claim) = Claim::of(cx.headers(), cx.uri()) else {
            return Err(s3_error!(AccessDenied, "Only Signature Version 4 is accepted"));
        };
        if claim.region() != Some(REGION) {
            return Err(s3_error!(AuthorizationHeaderMalformed, "The region is wrong; expecting '{REGION}'"));
        }
        let amz_headers =
            cx.headers().keys().map(header::HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
        if let Some(name) = ["host"].into_iter().chain(amz_headers).find(|name| !claim.signed(name)) {
            return Err(s3_error!(AccessDenied, "There is a header which was not signed: {name}"));
        }
        if !is_canonical(cx.uri().path()) {
            return Err(s3_error!(SignatureDoesNotMatch, "The path is not in the encoding that is signed"));
        }
        match (&self.0.session_token, &claim.session_token) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(s3_error!(InvalidAccessKeyId, "These credentials need a session token")),
            (Some(expected), Some(sent)) if expected == sent => Ok(()),
            (_, Some(_)) => {
                Err(s3_error!(InvalidToken, "The session token is not the one of these credentials"))
            }
        }
    }
}

impl S3Host for Gate {
    /// A label before [`BASE_DOMAIN`] is a bucket; any other name of this machine (`127.0.0.1`, `localhost`) is path
    /// style. Host names are compared without case (RFC 9110, section 4.2.3), and the port says nothing.
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _port)| name).to_ascii_lowercase();
        let bucket = name.strip_suffix(BASE_DOMAIN).and_then(|labels| labels.strip_suffix('.'));
        Ok(match bucket {
            Some(bucket) => VirtualHost::new(BASE_DOMAIN).with_bucket(bucket.to_owned()),
            None => VirtualHost::new(name),
        })
    }
}

/// What a request says of its own signature. `s3s` has verified it before this reads it.
struct Claim {
    /// `AKID/20260102/eu-west-1/s3/aws4_request`
    credential: String,
    /// `host;x-amz-date`
    signed_headers: String,
    session_token: Option<String>,
}

impl Claim {
    /// From the `Authorization` header, or from the query of a presigned URL (where every parameter is signed).
    fn of(headers: &HeaderMap, uri: &Uri) -> Option<Self> {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(fields) = authorization.and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256 ")) {
            let field = |name: &str| {
                fields
                    .split(',')
                    .filter_map(|field| field.trim().split_once('='))
                    .find(|(key, _)| *key == name)
            };
            return Some(Self {
                credential: field("Credential")?.1.to_owned(),
                signed_headers: field("SignedHeaders")?.1.to_owned(),
                session_token: match headers.get(SECURITY_TOKEN) {
                    Some(token) => Some(token.to_str().ok()?.to_owned()),
                    None => None,
                },
            });
        }
        let query = uri.query()?.as_bytes();
        let parameter = |name: &str| {
            form_urlencoded::parse(query).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        Some(Self {
            credential: parameter("X-Amz-Credential")?,
            signed_headers: parameter("X-Amz-SignedHeaders")?,
            session_token: parameter("X-Amz-Security-Token"),
        })
    }

    fn region(&self) -> Option<&str> {
        self.credential.rsplit('/').nth(2)
    }

    fn signed(&self, name: &str) -> bool {
        self.signed_headers.split(';').any(|signed| signed == name)
    }
}

/// Whether a path is encoded as S3 encodes it to verify: decoding and encoding again changes nothing.
fn is_canonical(path: &str) -> bool {
    percent_encode(&percent_decode_str(path).collect::<Vec<u8>>(), PATH).to_string() == path
}
