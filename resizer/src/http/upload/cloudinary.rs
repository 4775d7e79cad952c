//! Cloudinary's upload API for signed uploads: a form of parameters and a part `file`, in any order, at
//! `/v1_1/{cloud}/{resource_type}/upload`.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Response, header};
use safelight_chassis::http::Body;
use safelight_proto::{
    reason::{CallError, Reason},
    signer::v1::{FormAuthority, FormField, UploadAuthority, upload_authority::Authority},
    upload::form::Form as Parameters,
};
use serde_json::{Value, json};

use super::{
    Asking, File, Pieces,
    body::MAX_FORM_OVERHEAD,
    declared_length,
    form::{self, Form, Part},
    json::time,
    receive,
};
use crate::{
    admission::Place,
    app::{
        error,
        ingest::{self, Begun, Derived, Received, Stored, Wish},
    },
    http::headers::insert,
};

/// The name that a file has which has none.
const NO_NAME: &str = "file";

/// Stores a picture and says what Cloudinary says of one.
pub(super) async fn answer(asking: &Asking<'_>, pieces: &mut Pieces) -> Result<Response<Body>, CallError> {
    let Asking { app, rule, parts, context, received_by } = asking;
    let captures = rule.path.as_ref().and_then(|path| path.matches(parts.uri.path()));
    let kind = captures.as_ref().and_then(|captures| captures.raw("resource_type")).unwrap_or_default();
    if !["image", "auto"].contains(&kind) {
        return Err(unsupported("resource_type", "expected image or auto"));
    }
    if parts.headers.contains_key(header::CONTENT_RANGE) {
        return Err(form::invalid("a file in several requests (Content-Range) is not taken: send it whole"));
    }
    let longest = in_base64(rule.max_bytes) + MAX_FORM_OVERHEAD;
    pieces.check_length(longest, declared_length(&parts.headers))?;
    let max_bytes = rule.max_bytes.min(app.limits().max_source_bytes);
    let mut place = Some(app.enter_slowly()?);
    pieces.start(*received_by);
    let mut form = Form::new(&parts.headers, pieces)?;
    let mut fields: Vec<FormField> = Vec::new();
    let mut begun: Option<(usize, Begun)> = None;
    let received = match read(asking, &mut form, max_bytes, &mut place, &mut fields, &mut begun).await {
        Ok(received) => received,
        Err(error) => {
            if let Some((_, begun)) = &mut begun {
                begun.refuse(error.reason().as_str()).await;
            }
            return Err(error);
        }
    };
    let parameters = parameters(&fields)?;
    let begun = match begun {
        Some((known, begun)) if known == fields.len() => begun,
        early => {
            // More fields came after the file: it is one upload all the same.
            if let Some((_, mut early)) = early {
                early.forget();
            }
            begin(asking, &fields, place).await?
        }
    };
    let stored = begun.store(received, context.clone()).await?;
    let mut text = success(&stored, &parameters).to_string();
    text.push('\n');
    let mut response = Response::new(Body::full(text));
    insert(response.headers_mut(), header::CONTENT_TYPE, "application/json");
    insert(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    Ok(response)
}

/// Receives all of a form. An upload is begun as soon as its signature is known.
async fn read(
    asking: &Asking<'_>,
    form: &mut Form,
    max_bytes: u64,
    place: &mut Option<Place>,
    fields: &mut Vec<FormField>,
    begun: &mut Option<(usize, Begun)>,
) -> Result<Received, CallError> {
    let mut received = None;
    while let Some(part) = form.next().await? {
        match part {
            Part::Field(name, value) => fields.push(FormField { name, value }),
            Part::File(mut file) => {
                // What is signed may be known already: then bytes that are not wanted are not received.
                if fields.iter().any(|field| field.name == "signature") {
                    match begin(asking, fields, place.take()).await {
                        Ok(early) => *begun = Some((fields.len(), early)),
                        // What is signed may not be here yet: the whole form decides.
                        Err(error) if error.reason() == Reason::UploadRefused => {}
                        Err(error) => return Err(error),
                    }
                }
                let (filename, is_text) = (std::mem::take(&mut file.filename), file.is_text);
                let begun = begun.as_mut().map(|(_, begun)| begun);
                let limit = if is_text { in_base64(max_bytes) } else { max_bytes };
                let file = receive(asking, begun, limit, None, &mut File::Part(file), filename).await?;
                received = Some(if is_text { of_text(file, max_bytes)? } else { file });
            }
        }
    }
    received.ok_or_else(|| form::invalid("the form has no part \"file\""))
}

async fn begin(asking: &Asking<'_>, fields: &[FormField], place: Option<Place>) -> Result<Begun, CallError> {
    let eager = eager(asking, &parameters(fields)?)?;
    let place = match place {
        Some(place) => place,
        None => asking.app.enter_slowly()?,
    };
    let authority = Authority::Form(FormAuthority { fields: fields.to_vec() });
    let wish = Wish {
        rule: asking.rule.clone(),
        authority: UploadAuthority { authority: Some(authority) },
        request_id: ingest::new_request_id(),
        eager,
    };
    asking.app.begin(wish, place, &asking.context).await
}

fn parameters(fields: &[FormField]) -> Result<Parameters, CallError> {
    let pairs = fields.iter().map(|field| (field.name.as_str(), field.value.as_str()));
    Parameters::read(pairs).map_err(|error| unsupported(&error.name, error.why))
}

/// The variants that a form asks for at once.
fn eager(asking: &Asking<'_>, parameters: &Parameters) -> Result<Vec<String>, CallError> {
    let names: Vec<String> = parameters.eager.iter().map(|name| variant(name).to_owned()).collect();
    let is_served =
        |name: &String| !asking.app.eager(&asking.rule.origin, std::slice::from_ref(name)).is_empty();
    if names.is_empty() {
        return Ok(names);
    }
    if !asking.app.has_results() {
        return Err(unsupported("eager", "variants are made when they are asked for: there is no [results]"));
    }
    if names.len() > asking.app.max_outputs() {
        return Err(unsupported("eager", "too many variants"));
    }
    if !names.iter().all(is_served) {
        let why = "expected t_ and the name of a variant that is delivered from here, several between |";
        return Err(unsupported("eager", why));
    }
    Ok(names)
}

/// The variant that a transformation names: `t_thumb` is Cloudinary's way to name `thumb`.
fn variant(transformation: &str) -> &str {
    transformation.strip_prefix("t_").unwrap_or(transformation)
}

fn unsupported(name: &str, why: &str) -> CallError {
    Reason::ParameterUnsupported.error(format!("{name}: {why}")).with_violation(name, why)
}

/// Most characters of a file as text.
const fn in_base64(bytes: u64) -> u64 {
    bytes.saturating_mul(4) / 3 + 1024
}

/// A file as text: a data URI (RFC 2397) in base64. Nothing is fetched from a URL.
fn of_text(mut file: Received, limit: u64) -> Result<Received, CallError> {
    let data = file.bytes.strip_prefix(b"data:").and_then(|rest| {
        let comma = rest.iter().position(|byte| *byte == b',')?;
        let (head, data) = rest.split_at_checked(comma)?;
        head.ends_with(b";base64").then_some(data.get(1..)?)
    });
    let Some(data) = data else {
        return Err(unsupported("file", "expected a file, or a data URI in base64: URLs are not fetched"));
    };
    // Both are there while it is decoded.
    let both = file.bytes.len() as u64 + data.len() as u64 / 4 * 3;
    file.reserved.grow_to(both).map_err(error::rejected)?;
    let bytes = BASE64_STANDARD.decode(data).map_err(|_| unsupported("file", "is no base64"))?;
    if bytes.len() as u64 > limit {
        return Err(Reason::UploadTooLarge.error(format!("the upload has more than {limit} bytes")));
    }
    file.reserved.shrink_to(bytes.len() as u64);
    Ok(Received { bytes: bytes.into(), filename: NO_NAME.to_owned(), ..file })
}

/// The answer of Cloudinary's API. Its SDKs verify `signature`.
fn success(stored: &Stored, parameters: &Parameters) -> Value {
    let size = stored.info.size();
    let (version, signature) = &stored.answer;
    let name = stored.filename.rsplit_once('.').map_or(stored.filename.as_str(), |(name, _)| name);
    let mut answer = json!({
        "public_id": stored.image_id,
        "version": version,
        "signature": signature,
        "width": size.width,
        "height": size.height,
        "format": stored.info.format.extension(),
        "resource_type": "image",
        "created_at": time(stored.time, Duration::from_secs(1)),
        "tags": parameters.tags,
        "bytes": stored.size,
        "type": if stored.require_signed_urls { "private" } else { "upload" },
        "etag": stored.etag.trim_matches('"'),
        "placeholder": false,
        "original_filename": name,
    });
    if !parameters.context.is_empty() {
        answer["context"] = json!({ "custom": parameters.context });
    }
    if !parameters.eager.is_empty() {
        let eager = parameters.eager.iter().map(|transformation| derived(stored, transformation));
        answer["eager"] = eager.collect();
    }
    if let Some(folder) = &parameters.asset_folder {
        answer["asset_folder"] = folder.as_str().into();
    }
    // Where pictures are is known where one URL shows them.
    let is_of_variant =
        stored.rule.delivery_url.as_ref().is_none_or(|template| template.contains("{variant}"));
    if let Some(url) = stored.rule.url("", &stored.image_id, "").filter(|_| !is_of_variant) {
        answer["url"] = url.as_str().into();
        answer["secure_url"] = url.into();
    }
    answer
}

/// What is said of a variant that was asked for at once.
fn derived(stored: &Stored, transformation: &str) -> Value {
    let name = variant(transformation);
    let Some(Derived { picture, .. }) = stored.eager.iter().find(|derived| derived.variant == name) else {
        return json!({ "transformation": transformation, "status": "failed" });
    };
    let mut answer = json!({
        "transformation": transformation,
        "width": picture.size.width,
        "height": picture.size.height,
        "bytes": picture.length,
        "format": picture.format.extension(),
    });
    if let Some(url) = stored.rule.url("", &stored.image_id, name) {
        answer["url"] = url.as_str().into();
        answer["secure_url"] = url.into();
    }
    answer
}

/// An error as Cloudinary's API has it, with our reason.
pub(super) fn told(error: &CallError, request_id: &str) -> String {
    let answer = json!({
        "error": { "message": error.message(), "reason": error.reason().as_str(), "request_id": request_id },
    });
    format!("{answer}\n")
}

/// The status of an error: of those that Cloudinary's SDKs read the message of.
pub(super) const fn status(error: &CallError) -> u16 {
    match (error.reason(), error.reason().http_status()) {
        (Reason::UploadRefused, _) => 401,
        (_, status @ (400 | 404 | 405 | 429 | 500..)) => status,
        _ => 400,
    }
}
