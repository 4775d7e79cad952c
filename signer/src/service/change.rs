//! Signing the copy of an object onto itself, and its deletion: of `SignOriginRequest`, for those whose grant names it.

use safelight_proto::{
    reason::CallError,
    signer::v1::{Header, SignOriginRequestRequest, SignOriginRequestResponse},
};

use super::{
    expiry::timestamp,
    origin::{self, SignedHeaders},
    refusal,
};
use crate::{
    access::Granted,
    keyring::AwsSigv4Key,
    scheme::aws_sigv4::{Body, Change, Request, S3Request},
};

/// Signs it in its headers at `now`, in Unix seconds.
pub(super) fn sign(
    key: &AwsSigv4Key,
    change: Change<'_>,
    request: &SignOriginRequestRequest,
    body: Body<'_>,
    granted: &Granted,
    now: u64,
) -> Result<SignOriginRequestResponse, CallError> {
    let SignOriginRequestRequest { method, url, region, headers: own, .. } = request;
    let added: Vec<_> = match change {
        Change::Copy(_) => key.headers.of_copy().collect(),
        Change::Delete => key.headers.of_deletion().collect(),
    };
    let headers = origin::with(own, added.iter().copied())?;
    let given = Request { method, url, headers: &headers, body };
    let checked = S3Request::change(given, region, own.len()).map_err(refusal::origin_request)?;
    granted.object_change(change, url).map_err(refusal::denied)?;
    origin::check_allowed(key, url)?;
    let added =
        added.iter().map(|(name, value)| Header { name: (*name).to_owned(), value: (*value).to_owned() });
    let SignedHeaders { headers, expires, key_version } = origin::sign_with(key, &checked, added, now)?;
    let expire_time = Some(timestamp(expires));
    Ok(SignOriginRequestResponse { headers, url: url.clone(), expire_time, key_version })
}
