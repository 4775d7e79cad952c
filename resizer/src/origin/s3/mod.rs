//! S3: buckets of AWS and of everything that speaks its protocol.
//!
//! # Layout
//! - [`bucket`]: names and access points
//! - [`partition`]: which domain a region's endpoints are in
//! - [`endpoint`]: where a bucket is
//! - [`refusal`]: what an answer that is an error says, and what to do about it

pub mod bucket;
pub mod endpoint;
pub mod partition;
pub mod refusal;
#[cfg(test)]
mod tests;

use safelight_chassis::config::Section;

use super::{
    base::{self, Url},
    config::OriginKind,
};
use bucket::Bucket;
use endpoint::Place;

/// Reads the part of `[origins.*]` that `kind = "s3"` has.
pub(super) fn read(section: &mut Section) -> (OriginKind, String, Option<String>) {
    let name: String = section.required("bucket");
    let bucket = Bucket::parse(&name).map_err(|message| {
        if !name.is_empty() {
            section.error("bucket", message);
        }
    });
    // An access point's ARN has its region.
    let region = match bucket {
        Ok(Bucket::AccessPoint { region, .. }) => {
            section.optional("region").unwrap_or_else(|| region.to_owned())
        }
        _ => match section.required::<Option<String>>("region") {
            Some(region) if !is_region(&region) => {
                section.error("region", "expected the bucket's region, such as eu-west-1");
                String::new()
            }
            region => region.unwrap_or_default(),
        },
    };
    let signing_key = section.optional("signing_key");
    let endpoint = section.optional::<String>("endpoint").map(base::closed);
    let place = Place {
        bucket: bucket.unwrap_or(Bucket::Name("unreadable")),
        region: &region,
        endpoint: endpoint.as_deref().and_then(|endpoint| {
            read_endpoint(endpoint).map_err(|message| section.error("endpoint", message)).ok()
        }),
        path_style: section.or("path_style", false),
        dual_stack: section.or("dual_stack", false),
        fips: section.or("fips", false),
        accelerate: section.or("accelerate", false),
    };
    let unreadable = bucket.is_err() || region.is_empty() || endpoint.is_some() && place.endpoint.is_none();
    let base = match place.base() {
        _ if unreadable => String::new(), // reported above
        Ok(base) => base,
        Err((key, message)) => {
            section.error(key, message);
            String::new()
        }
    };
    let signed_for = match place.bucket {
        Bucket::AccessPoint { region, .. } => region.to_owned(),
        Bucket::Name(_) => region.clone(),
    };
    let doubt = match place.bucket {
        Bucket::Name(name) => doubt(place.endpoint, name),
        Bucket::AccessPoint { .. } => None,
    };
    (OriginKind::S3 { bucket: name.clone(), region: signed_for, signing_key }, base, doubt)
}

/// An endpoint that requests can be signed for.
fn read_endpoint(endpoint: &str) -> Result<Url<'_>, String> {
    let url = Url::parse(endpoint)?;
    match url.path_for_s3() {
        None => Ok(url),
        Some(path) => {
            let Url { scheme, authority, .. } = url;
            Err(format!("has a path that S3 spells in another way: write {scheme}://{authority}{path}"))
        }
    }
}

/// What is odd about an endpoint that names the bucket: objects' URLs name it twice then.
fn doubt(endpoint: Option<Url<'_>>, bucket: &str) -> Option<String> {
    let url = endpoint?;
    let in_host = url.authority.strip_prefix(bucket).is_some_and(|rest| rest.starts_with('.'));
    let in_path = url.path.trim_matches('/') == bucket;
    (in_host || in_path)
        .then(|| format!("the endpoint already names the bucket {bucket:?}, and URLs name it twice: leave it out of endpoint"))
}

/// As the signer wants it. Stores that are not AWS's have names of their own.
fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && text != "aws-global" // AWS's clients sign for us-east-1 then, and ask a host that redirects
}
