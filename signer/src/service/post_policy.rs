//! `SignPostPolicy`: forms by which a browser stores a file in a bucket, past us.

use safelight_proto::{
    reason::{CallError, Reason},
    signer::v1::{
        FormField, Header, SignPostPolicyRequest, SignPostPolicyResponse,
        sign_post_policy_request::{Object, Type},
    },
    upload::object::MAX_METADATA_BYTES,
};

use super::{
    call::Call,
    expiry::{self, timestamp},
    origin, refusal,
};
use crate::{
    scheme::{
        aws_sigv4::{
            self, Body, Condition, HEADERS_LIFETIME, MAX_PRESIGNED_LIFETIME, PostForm, Request, RequestError,
            S3Request, Scope,
        },
        url::HttpUrl,
    },
    signer::Signer,
    upload::rules,
};

/// Most bytes of a file that S3 takes in one request: 5 GiB.
const MAX_BYTES: u64 = 5 << 30;

/// Longest URL that a browser is sent to, in bytes.
const MAX_REDIRECT_BYTES: usize = 1024;

/// What the names of metadata begin with.
const META: &str = "x-amz-meta-";

impl Signer {
    pub(super) fn post_policy(
        &self,
        call: &mut Call<'_>,
        request: &SignPostPolicyRequest,
    ) -> Result<SignPostPolicyResponse, CallError> {
        let SignPostPolicyRequest { key, url, bucket, region, metadata, success_redirect, .. } = request;
        let ring = self.keyring();
        call.key(key)?;
        let key = ring.aws_sigv4(key).map_err(refusal::key)?;
        if key.headers.iter().next().is_some() {
            return Err(CallError::field(
                "key",
                "it adds headers to every request (request_payer, sse_customer_key_file), and a form has none",
            ));
        }
        let (object, path) = read_object(request.object.as_ref())?;
        let content_type = read_type(request.r#type.as_ref())?;
        let length = (request.min_bytes.max(1), request.max_bytes);
        if !(length.0..=MAX_BYTES).contains(&length.1) {
            return Err(CallError::field("max_bytes", "expected at least min_bytes, and at most 5 GiB"));
        }
        check_metadata(metadata)?;
        check_redirect(success_redirect)?;

        // As a PUT of the object: a grant's prefix that this begins with is one that every longer key begins with too.
        let stored = format!("{url}{path}");
        call.note(|entry| stored.clone_into(&mut entry.subject));
        let headers: Vec<_> =
            metadata.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
        let put = Request { method: "PUT", url: &stored, headers: &headers, body: Body::Unsigned };
        S3Request::new(put, region, false).map_err(|error| match error {
            RequestError::Header(index, why) => CallError::field(format!("metadata[{index}]"), why),
            other => refusal::origin_request(other),
        })?;
        check_bucket(url, bucket)?;
        let granted = call.granted().origin_request("PUT", &stored).map_err(refusal::denied)?;
        origin::check_allowed(key, &stored)?;

        let max_ttl = expiry::least(granted, key.max_ttl);
        let lifetime =
            expiry::lifetime(request.ttl.as_ref(), HEADERS_LIFETIME, MAX_PRESIGNED_LIFETIME, max_ttl)?;
        let now = self.clock.now();
        let version = key.versions.primary(now);
        let issued = version.material.at(now).map_err(refusal::credentials)?;
        let lifetime = issued.at_most(lifetime, now);
        let mut fields = vec![match success_redirect.as_str() {
            "" => ("success_action_status", "201"),
            redirect => ("success_action_redirect", redirect),
        }];
        fields.extend(headers);
        let form = PostForm { bucket, key: object, content_type, length, fields: &fields };
        let signed = aws_sigv4::sign_post(&issued.credentials, &form, &Scope::s3(region), now, lifetime)
            .map_err(refusal::unsignable)?;
        call.note(|entry| entry.key_version = Some(version.info.id));
        Ok(SignPostPolicyResponse {
            url: url.clone(),
            fields: signed.into_iter().map(|(name, value)| FormField { name, value }).collect(),
            expire_time: Some(timestamp(now + lifetime)),
            key_version: version.info.id,
        })
    }
}

/// The object's key or what it begins with, and the same as a path.
fn read_object(object: Option<&Object>) -> Result<(Condition<'_>, String), CallError> {
    let (field, text, condition) = match object {
        None => return Err(CallError::field("object", "expected object_key or object_key_prefix")),
        Some(Object::ObjectKey(key)) => ("object_key", key, Condition::Is(key)),
        Some(Object::ObjectKeyPrefix(prefix)) => ("object_key_prefix", prefix, Condition::StartsWith(prefix)),
    };
    if text.contains("${") || text.contains(char::is_control) {
        // S3 puts the file's name in the place of `${filename}`, wherever it stands.
        let why = "expected no ${ and no control character";
        return Err(Reason::ObjectKeyUnsupported.error(format!("{field}: {why}")).with_violation(field, why));
    }
    let path = safelight_proto::delivery::object_key::encode(text)
        .map_err(|error| refusal::object_key(error).with_violation(field, error.to_string()))?;
    Ok((condition, path))
}

fn read_type(content_type: Option<&Type>) -> Result<Condition<'_>, CallError> {
    match content_type {
        None => Err(CallError::field("type", "expected content_type or content_type_prefix")),
        Some(Type::ContentType(text)) if rules::is_content_type(text) && !text.ends_with("/*") => {
            Ok(Condition::Is(text))
        }
        Some(Type::ContentType(_)) => {
            Err(CallError::field("content_type", "expected type/subtype, in lower case, without parameters"))
        }
        Some(Type::ContentTypePrefix(text)) => match text.split_once('/') {
            // What is missing at its end is added, to see whether it begins a type.
            Some(_) if rules::is_content_type(&format!("{text}x")) => Ok(Condition::StartsWith(text)),
            _ => Err(CallError::field(
                "content_type_prefix",
                "expected the beginning of a type, such as image/",
            )),
        },
    }
}

fn check_metadata(metadata: &[Header]) -> Result<(), CallError> {
    for (index, header) in metadata.iter().enumerate() {
        let name = header.name.as_str();
        let is_known = metadata.iter().take(index).any(|other| other.name == name);
        let is_good = name.strip_prefix(META).is_some_and(|rest| !rest.is_empty())
            && !name.bytes().any(|byte| byte.is_ascii_uppercase());
        if is_known || !is_good {
            let why = "expected a name that begins with x-amz-meta-, in lower case, and stands there once";
            return Err(CallError::field(format!("metadata[{index}]"), why));
        }
    }
    let bytes: usize = metadata.iter().map(|header| header.name.len() + header.value.len()).sum();
    if bytes > MAX_METADATA_BYTES {
        return Err(refusal::unstorable(crate::storing::Unstorable::Metadata(bytes)));
    }
    Ok(())
}

fn check_redirect(url: &str) -> Result<(), CallError> {
    let is_good = url.len() <= MAX_REDIRECT_BYTES
        && url.bytes().all(|byte| byte.is_ascii_graphic())
        && HttpUrl::parse(url).is_ok();
    if url.is_empty() || is_good {
        return Ok(());
    }
    Err(CallError::field("success_redirect", "expected an absolute http or https URL of at most 1,024 bytes"))
}

/// The bucket is the URL's. S3 looks at the policy's: with another one, a grant for this URL would be one for that bucket.
fn check_bucket(url: &str, bucket: &str) -> Result<(), CallError> {
    let is_name = !bucket.is_empty()
        && bucket
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'));
    let is_of = |url: HttpUrl<'_>| {
        let host = url.authority().split(':').next().unwrap_or_default();
        match url.path() {
            // A bucket with a dot could be a longer one's beginning.
            "/" => {
                host == bucket
                    || (!bucket.contains('.')
                        && host.split_once('.').is_some_and(|(first, _)| first == bucket))
            }
            path => path.strip_prefix('/').and_then(|path| path.strip_suffix('/')) == Some(bucket),
        }
    };
    if !is_name {
        return Err(CallError::field("bucket", "expected the name of a bucket"));
    }
    if url.contains(['?', '#']) || !url.ends_with('/') || !HttpUrl::parse(url).is_ok_and(is_of) {
        return Err(CallError::field(
            "url",
            "expected the bucket's: its name before the host or as its path, with a slash at the end",
        ));
    }
    Ok(())
}
