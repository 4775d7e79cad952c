//! Signed POST forms: a policy that says what may be stored, in base64, signed as it stands.
//!
//! ```text
//! policy    = base64({"expiration": "…Z", "conditions": […]})
//! signature = lower-hex(HMAC-SHA256(signing key of day, region and s3, policy))
//! ```
//!
//! S3 takes a form only if each of its fields has a condition and meets it, `policy`, `x-amz-signature` and `file` apart. The
//! host is not signed: the condition `bucket` says where the form is good. Source: S3 API reference, "sigv4-HTTPPOSTConstructPolicy",
//! "RESTObjectPOST".

use std::time::{Duration, SystemTime};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Credentials, Scope, SignError};
use crate::stack;

/// What a field of a form must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Exactly this.
    Is(&'a str),
    /// It begins with this.
    StartsWith(&'a str),
}

/// A POST form.
#[derive(Clone, Debug)]
pub struct PostForm<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The object's key. Of one that begins with something, the form sends that and `${filename}`.
    pub key: Condition<'a>,
    /// The file's type. Of one that begins with something, the client adds the field.
    pub content_type: Condition<'a>,
    /// Fewest and most bytes of the file.
    pub length: (u64, u64),
    /// Fields that have exactly these values.
    pub fields: &'a [(&'a str, &'a str)],
}

/// Signs a form at the time `now`, for `lifetime`, both in seconds. Answers its fields, in order.
///
/// # Errors
/// The credentials are none of these that can sign.
pub fn sign_post(
    credentials: &Credentials,
    form: &PostForm<'_>,
    scope: &Scope<'_>,
    now: u64,
    lifetime: u64,
) -> Result<Vec<(String, String)>, SignError> {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
    let expires = humantime::format_rfc3339_seconds(at + Duration::from_secs(lifetime)).to_string();
    // 2023-11-14T22:13:20Z
    let date = humantime::format_rfc3339_seconds(at).to_string().replace(['-', ':'], "");
    let day = date.get(..8).unwrap_or_default();
    let Scope { region, service, .. } = scope;
    let credential = format!("{}/{day}/{region}/{service}/aws4_request", credentials.access_key_id);
    let keys = credentials.identity.data::<aws_credential_types::Credentials>().ok_or(SignError)?;

    let mut fields: Vec<(String, String)> = Vec::new();
    let mut conditions = vec![json!({ "bucket": form.bucket })];
    let mut add = |name: &str, value: &str| {
        conditions.push(condition(name, value));
        fields.push((name.to_owned(), value.to_owned()));
    };
    if let Condition::Is(key) = form.key {
        add("key", key);
    }
    if let Condition::Is(content_type) = form.content_type {
        add("Content-Type", content_type);
    }
    for (name, value) in form.fields {
        add(name, value);
    }
    add("x-amz-algorithm", "AWS4-HMAC-SHA256");
    add("x-amz-credential", &credential);
    add("x-amz-date", &date);
    if let Some(token) = keys.session_token() {
        add("x-amz-security-token", token);
    }
    if let Condition::StartsWith(prefix) = form.key {
        conditions.push(json!(["starts-with", "$key", prefix]));
        fields.insert(0, ("key".to_owned(), format!("{prefix}${{filename}}")));
    }
    if let Condition::StartsWith(prefix) = form.content_type {
        conditions.push(json!(["starts-with", "$Content-Type", prefix]));
    }
    let (least, most) = form.length;
    conditions.push(json!(["content-length-range", least, most]));

    let policy = STANDARD.encode(json!({ "expiration": expires, "conditions": conditions }).to_string());
    let signature = stack::wiped::<{ stack::SIGV4 }, _>(|| {
        let key = generate_signing_key(keys.secret_access_key(), at, region, service);
        calculate_signature(key, policy.as_bytes())
    });
    fields.push(("policy".to_owned(), policy));
    fields.push(("x-amz-signature".to_owned(), signature));
    Ok(fields)
}

fn condition(name: &str, value: &str) -> Value {
    json!(["eq", format!("${name}"), value])
}
