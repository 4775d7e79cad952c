//! Cloudflare's direct creator upload: the token stands in the path. A form with a part `file` is posted, or the bytes are put.

use std::time::Duration;

use http::{HeaderName, Method, Response, header};
use safelight_chassis::http::Body;
use safelight_proto::{
    delivery::template,
    reason::CallError,
    signer::v1::{TokenAuthority, UploadAuthority, upload_authority::Authority},
};
use serde_json::{Value, json as value};

use super::{
    Asking, File, Pieces,
    body::MAX_FORM_OVERHEAD,
    declared_length,
    form::{self, Form, Part},
    json, receive,
};
use crate::{
    app::{
        App,
        ingest::{self, Begun, Received, Stored, Wish},
    },
    http::{headers::insert, request::only},
};

/// Names an upload, so that it can be repeated (IETF draft "The Idempotency-Key HTTP Header Field").
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Stores a picture and says what Cloudflare says of one.
pub(super) async fn answer(asking: &Asking<'_>, pieces: &mut Pieces) -> Result<Response<Body>, CallError> {
    let Asking { app, rule, parts, context, .. } = asking;
    let captures = rule.path.as_ref().and_then(|path| path.matches(parts.uri.path()));
    let named = |name| captures.as_ref().and_then(|captures| captures.raw(name)).and_then(template::decode);
    let authority = TokenAuthority {
        account: named("account").or_else(|| rule.account.clone()).unwrap_or_default(),
        token: named("token").unwrap_or_default(),
    };
    let request_id = match parts.headers.contains_key(&IDEMPOTENCY_KEY) {
        false => None,
        true => Some(idempotency_key(only(&parts.headers, &IDEMPOTENCY_KEY))?),
    };
    let wish = Wish {
        rule: (*rule).clone(),
        authority: UploadAuthority { authority: Some(Authority::Token(authority)) },
        request_id: request_id.unwrap_or_else(ingest::new_request_id),
        eager: Vec::new(),
    };
    let mut begun = app.begin(wish, app.enter_slowly()?, context).await?;
    let received = match received(asking, pieces, &mut begun).await {
        Ok(received) => received,
        Err(error) => {
            begun.refuse(error.reason().as_str()).await;
            return Err(error);
        }
    };
    let stored = begun.store(received, context.clone()).await?;
    let mut text = success(app, &stored).to_string();
    text.push('\n');
    let mut response = Response::new(Body::full(text));
    insert(response.headers_mut(), header::CONTENT_TYPE, "application/json");
    insert(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    Ok(response)
}

/// The name of an upload. The draft writes it in quotes, most clients do not.
fn idempotency_key(text: Option<&str>) -> Result<String, CallError> {
    let text = text.unwrap_or_default();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_key = (1..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let refused = || CallError::field("Idempotency-Key", "expected one of 1 to 128 visible ASCII characters");
    is_key.then(|| key.to_owned()).ok_or_else(refused)
}

async fn received(
    asking: &Asking<'_>,
    pieces: &mut Pieces,
    begun: &mut Begun,
) -> Result<Received, CallError> {
    let Asking { parts, received_by, .. } = asking;
    let (declared, limit) = (declared_length(&parts.headers), begun.max_bytes());
    if parts.method == Method::PUT {
        pieces.check_length(limit, declared)?;
        pieces.start(*received_by);
        return receive(asking, Some(begun), limit, declared, &mut File::Body(pieces), String::new()).await;
    }
    // A form is longer than its file: only what is surely too long is refused by its length.
    pieces.check_length(limit + MAX_FORM_OVERHEAD, declared)?;
    pieces.start(*received_by);
    let mut form = Form::new(&parts.headers, pieces)?;
    let mut received = None;
    while let Some(part) = form.next().await? {
        // Fields besides are what a page's form may have for itself.
        if let Part::File(mut file) = part {
            let filename = std::mem::take(&mut file.filename);
            received =
                Some(receive(asking, Some(begun), limit, None, &mut File::Part(file), filename).await?);
        }
    }
    received.ok_or_else(|| form::invalid("the form has no part \"file\""))
}

/// The answer of Cloudflare's API, and beside it what the picture is.
fn success(app: &App, stored: &Stored) -> Value {
    let variants = app.delivery().variants.keys();
    let urls = variants.filter_map(|variant| stored.rule.url(&stored.account, &stored.image_id, variant));
    let size = stored.info.size();
    let mut result = value!({
        "id": stored.image_id,
        "filename": stored.filename,
        "uploaded": json::time(stored.time, Duration::from_millis(1)),
        "requireSignedURLs": stored.require_signed_urls,
        "variants": urls.collect::<Vec<_>>(),
        "image": {
            "width": size.width,
            "height": size.height,
            "content_type": stored.info.format.media_type(),
            "size": stored.size,
            "sha256": stored.sha256,
            "crc32c": format!("{:08x}", stored.crc32c),
            "thumbhash": json::base64(&stored.thumbhash),
        },
    });
    if let Some(metadata) = &stored.metadata {
        result["meta"] = json::of_struct(metadata);
    }
    value!({ "result": result, "success": true, "errors": [], "messages": [] })
}

/// An error as Cloudflare's API has it, with our reason.
pub(super) fn told(error: &CallError, request_id: &str) -> String {
    let reason = error.reason();
    let answer = value!({
        "result": null,
        "success": false,
        "errors": [{ "code": reason.http_status(), "message": error.message(), "reason": reason.as_str() }],
        "messages": [],
        "request_id": request_id,
    });
    format!("{answer}\n")
}
