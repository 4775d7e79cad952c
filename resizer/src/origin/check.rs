//! Whether an origin answers, before a roll-out: for `check-config --connect`.

use reqwest::{StatusCode, header::HeaderMap};
use safelight_chassis::check::Finding;

use super::{
    Fetcher, Origin, OriginKind,
    guard::GuardedResolver,
    request::{Authority, SignedRequest},
    s3::refusal::Refusal,
};

/// Resolves, connects, and asks for the bucket or base, without a signature: what a wrong name, a firewall, a
/// certificate or a region would break is found; whether the key's credentials may read is not.
pub async fn check(origin: &Origin, fetcher: &Fetcher) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(url) = reqwest::Url::parse(&origin.base) else {
        return vec![Finding::problem(format!("{} is not a URL", origin.base))];
    };
    if let Some(name) = url.domain() {
        match GuardedResolver::new(origin.allow_private_network).addresses(name).await {
            Ok(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
                findings.push(Finding::fine(format!("{name} resolves to {}", addresses.join(", "))));
            }
            // The request says it too, with what to do.
            Err(error) => tracing::debug!(%error, "origin.check"),
        }
    }
    let request = SignedRequest { url, headers: HeaderMap::new(), authority: Authority::Unsigned };
    match fetcher.head(&request).await {
        Err(error) => {
            let cause = error.cause();
            let parts = [cause.detail.as_ref(), cause.hint.as_ref()];
            let why = parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("; ");
            findings.push(Finding::problem(format!("{}: {error}: {why}", cause.host)));
        }
        Ok((status, headers)) => {
            let answered = format!("{} answers (HTTP {})", origin.host(), status.as_u16());
            match bucket_problem(origin, status, &headers) {
                Some(text) => findings.push(Finding::problem(format!("{answered}: {text}"))),
                None => findings.push(Finding::fine(answered)),
            }
        }
    }
    findings
}

/// What the answer to an unsigned HEAD of a bucket says of the configuration. 403 is as it should be.
fn bucket_problem(origin: &Origin, status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let OriginKind::S3 { region, .. } = &origin.kind else {
        return status.is_server_error().then(|| "the server fails".into());
    };
    let refusal = Refusal::read(headers, b"", &HeaderMap::new());
    if let Some(actual) = refusal.region.filter(|actual| actual != region) {
        return Some(format!("the bucket is in region {actual}: set region = \"{actual}\""));
    }
    match status {
        StatusCode::NOT_FOUND => {
            Some("there is no such bucket: check bucket, endpoint and path_style".into())
        }
        _ if status.is_redirection() => Some("the bucket is elsewhere: check region and endpoint".into()),
        _ if status.is_server_error() => Some("the store fails".into()),
        _ => None,
    }
}
