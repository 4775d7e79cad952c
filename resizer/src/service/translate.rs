//! Messages ↔ values.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
pub(super) use safelight_proto::resizer::v1::DeliveryOutcome;
use safelight_proto::{
    image::v1 as proto,
    reason::{CallError, Reason},
    resizer::v1::{
        self as messages, CacheScope, DeliverResponse, Delivery, Frame, Output, ResultStatus,
        deliver_response,
    },
    signer::v1::{self as signer, UploadKind},
    upload::object::metadata,
};

use super::options;
use crate::{
    app::{
        deliver::{Head, Scope},
        ingest::{self, Stored, Wish},
        objects::{self, Changes, Updated},
        render::Order,
        results::{ResultSource, Status},
        sink::{OutputHead, Summary, Timings},
    },
    delivery::Variant,
    origin::{CallerHeaders, InvalidHeader, Stat},
    upload::Uploads,
};
use safelight_image::{options::Violation, probe::Info, render, sniff::Format};

/// Longest id of an output, in bytes.
const MAX_ID_BYTES: usize = 64;
/// Why a GIF is not made.
const GIF: &str = "GIF is read but not written";

/// Reads the outputs of a request; every bad field of every output is reported at once.
pub(super) fn orders(outputs: Vec<Output>, max: usize) -> Result<Vec<Order>, CallError> {
    if outputs.is_empty() || outputs.len() > max {
        return Err(CallError::field("outputs", format!("must be 1 to {max}")));
    }
    let mut violations = Vec::new();
    let mut gif = false;
    let mut orders = Vec::with_capacity(outputs.len());
    for (index, output) in outputs.into_iter().enumerate() {
        let at = format!("outputs[{index}]");
        if output.id.len() > MAX_ID_BYTES {
            violations.push((format!("{at}.id"), format!("must have at most {MAX_ID_BYTES} bytes")));
        }
        let mut options = output.options.unwrap_or_default();
        if options.format() == proto::Format::Gif {
            gif = true;
            violations.push((format!("{at}.options.format"), GIF.to_owned()));
            options.format = proto::Format::Unspecified.into();
        }
        match options::read(&options) {
            Ok(options) => orders.push(Order::new(output.id, options)),
            Err(more) => violations.extend(
                more.into_iter()
                    .map(|Violation { field, description }| (format!("{at}.options.{field}"), description)),
            ),
        }
    }
    if violations.is_empty() {
        return Ok(orders);
    }
    Err(if gif {
        violations.into_iter().fold(Reason::FormatUnsupported.error(GIF), |error, (field, text)| {
            error.with_violation(field, text)
        })
    } else {
        CallError::fields(violations)
    })
}

/// A variant as `ListVariants` shows it.
pub(super) fn variant(name: &str, variant: &Variant) -> messages::Variant {
    messages::Variant {
        name: name.to_owned(),
        public: variant.public,
        options: Some(options::message(&variant.options)),
    }
}

/// The headers by which a caller authorises a fetch itself. `at` is what stands before `caller_headers` in the path of
/// a bad one.
pub(super) fn caller_headers(
    message: Option<&messages::CallerHeaders>,
    at: &str,
) -> Result<CallerHeaders, CallError> {
    let Some(message) = message else { return Ok(CallerHeaders::default()) };
    CallerHeaders::new([
        &message.authorization,
        &message.cookie,
        &message.x_amz_content_sha256,
        &message.x_amz_date,
        &message.x_amz_security_token,
    ])
    .map_err(|InvalidHeader(name)| {
        let field = format!("{at}caller_headers.{}", name.replace('-', "_"));
        CallError::field(field, "is not a valid header value")
    })
}

/// An answer's message, made of a frame.
pub(super) trait FromFrame {
    fn from_frame(frame: Frame) -> Self;
}

impl FromFrame for messages::ResizeResponse {
    fn from_frame(frame: Frame) -> Self {
        Self { frame: Some(frame) }
    }
}

impl FromFrame for messages::ResizeObjectResponse {
    fn from_frame(frame: Frame) -> Self {
        Self { frame: Some(frame) }
    }
}

impl FromFrame for DeliverResponse {
    fn from_frame(frame: Frame) -> Self {
        Self { message: Some(deliver_response::Message::Frame(frame)) }
    }
}

/// The viewer's address; empty when not known.
pub(super) fn client_ip(text: &str) -> Result<Option<IpAddr>, CallError> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| CallError::field("client_ip", "expected an IP address")),
    }
}

/// What an edge needs for its headers. Its reader counts from then on, so the lifetime is taken now: the original and the
/// picture have had their time.
pub(super) fn delivery(head: &Head, outcome: DeliveryOutcome) -> DeliverResponse {
    let scope = match head.scope {
        Scope::Public => CacheScope::Public,
        Scope::Signed => CacheScope::Signed,
        Scope::Caller => CacheScope::Caller,
    };
    let delivery = Delivery {
        outcome: outcome.into(),
        etag: head.etag.clone(),
        max_age: duration(head.lifetime(SystemTime::now())),
        cache_scope: scope.into(),
        vary_accept: head.vary_accept,
        variant: head.variant.clone(),
        expire_time: head.expires.map(prost_types::Timestamp::from),
        last_modified: head.last_modified.map(prost_types::Timestamp::from),
        result_status: result_status(head.result).into(),
        result_stored: head.result.stored,
    };
    DeliverResponse { message: Some(deliver_response::Message::Delivery(delivery)) }
}

const fn result_status(status: Status) -> ResultStatus {
    match status.source {
        ResultSource::Hit => ResultStatus::Hit,
        ResultSource::Miss | ResultSource::Bypass if status.collapsed => ResultStatus::Collapsed,
        ResultSource::Miss => ResultStatus::Miss,
        ResultSource::Bypass => ResultStatus::Bypass,
    }
}

/// What an object's metadata says of it.
pub(super) fn described(stat: &Stat) -> messages::InspectResponse {
    let text = |name| stat.metadata(name).unwrap_or_default();
    messages::InspectResponse {
        image: None,
        require_signed_urls: text(metadata::REQUIRE_SIGNED_URLS) == "true",
        creator: text(metadata::CREATOR),
        filename: text(metadata::FILENAME),
        metadata: serde_json::from_str(&text(metadata::METADATA)).ok().map(json_struct),
        upload: text(metadata::UPLOAD),
        etag: stat.etag(),
    }
}

/// What is to be changed of which object.
pub(super) fn object_changes(
    request: messages::UpdateObjectRequest,
) -> Result<(objects::Named, Changes), CallError> {
    let messages::UpdateObjectRequest { origin, key, require_signed_urls, metadata, if_match } = request;
    if require_signed_urls.is_none() && metadata.is_none() {
        return Err(CallError::field("require_signed_urls", "set it, or metadata: nothing is to be changed"));
    }
    let metadata = metadata.map(|metadata| {
        if metadata.fields.is_empty() {
            String::new()
        } else {
            serde_json::Value::Object(struct_json(metadata)).to_string()
        }
    });
    Ok((
        objects::Named { origin, key },
        Changes { require_signed_urls, metadata, if_match: self::if_match(if_match)? },
    ))
}

/// An entity tag that a caller names; `None` where it names none.
pub(super) fn if_match(tag: String) -> Result<Option<String>, CallError> {
    let is_tag = |tag: &str| {
        let text = tag.strip_prefix("W/").unwrap_or(tag);
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
    };
    match tag.as_str() {
        "" => Ok(None),
        text if is_tag(text) => Ok(Some(tag)),
        _ => Err(CallError::field("if_match", "expected an entity tag, quotes included")),
    }
}

/// What has become of an object.
pub(super) fn updated(updated: Updated) -> messages::UpdateObjectResponse {
    let Updated { require_signed_urls, metadata, etag } = updated;
    messages::UpdateObjectResponse {
        require_signed_urls,
        metadata: serde_json::from_str(&metadata).ok().map(json_struct),
        etag,
    }
}

fn struct_json(object: prost_types::Struct) -> serde_json::Map<String, serde_json::Value> {
    object.fields.into_iter().map(|(name, value)| (name, value_json(value))).collect()
}

/// Whole numbers without a point, as JSON of protobuf has them. What is no number in JSON is null.
fn value_json(value: prost_types::Value) -> serde_json::Value {
    use prost_types::value::Kind;
    use serde_json::{Number, Value};
    /// Largest whole number that a 64-bit float holds exactly, with all below it: 2^53.
    const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number.abs() <= MAX_WHOLE =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53")]
            Value::from(number as i64)
        }
        Some(Kind::NumberValue(number)) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(value_json).collect(),
        Some(Kind::StructValue(object)) => Value::Object(struct_json(object)),
    }
}

fn json_struct(object: serde_json::Map<String, serde_json::Value>) -> prost_types::Struct {
    let fields = object.into_iter().map(|(name, value)| (name, json_value(value))).collect();
    prost_types::Struct { fields }
}

/// As deep as the JSON parser goes, which has a limit.
fn json_value(value: serde_json::Value) -> prost_types::Value {
    use prost_types::value::Kind;
    use serde_json::Value;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(values) => {
            let values = values.into_iter().map(json_value).collect();
            Kind::ListValue(prost_types::ListValue { values })
        }
        Value::Object(object) => Kind::StructValue(json_struct(object)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// What stands ahead of an output's bytes.
pub(super) fn output_header(head: OutputHead) -> messages::OutputHeader {
    let OutputHead { index, id, format, size, length, crc32c } = head;
    messages::OutputHeader {
        output: count(index),
        id,
        content_type: format.media_type().to_owned(),
        format: format_of(format).into(),
        width: size.width,
        height: size.height,
        size: length,
        crc32c,
    }
}

/// What ends an answer.
pub(super) fn summary(summary: &Summary) -> messages::Summary {
    let Timings { signer, receive, queue, decode, resize, encode } = summary.timings;
    messages::Summary {
        source: summary.source.as_ref().map(image_info),
        outputs: count(summary.outputs),
        timings: Some(messages::Timings {
            signer: signer.and_then(duration),
            receive: duration(receive),
            queue: duration(queue),
            decode: duration(decode),
            resize: duration(resize),
            encode: duration(encode),
        }),
    }
}

/// What was found in a source.
pub(super) fn image_info(info: &Info) -> proto::ImageInfo {
    let size = info.size();
    proto::ImageInfo {
        format: format_of(info.format).into(),
        width: size.width,
        height: size.height,
        orientation: info.orientation.exif().into(),
        has_alpha: info.has_alpha,
        has_icc_profile: info.has_icc_profile,
        size: info.bytes,
        memory_estimate: render::memory_at_source_size(info),
    }
}

/// What is to be stored, and by which authority.
pub(super) fn store_wish(open: messages::StoreOpen, uploads: &Uploads) -> Result<Wish, CallError> {
    use messages::store_open::Authority;
    use signer::upload_authority::Authority as Asked;

    let rule = uploads.named(&open.upload).cloned();
    let rule =
        rule.ok_or_else(|| Reason::UploadRuleNotFound.error("no upload rule of that name is configured"))?;
    let authority = match open.authority {
        Some(Authority::Token(messages::UploadToken { account, token })) => {
            Asked::Token(signer::TokenAuthority { account, token })
        }
        Some(Authority::Form(messages::SignedForm { fields })) => {
            let field = |messages::SignedFormField { name, value }| signer::FormField { name, value };
            Asked::Form(signer::FormAuthority { fields: fields.into_iter().map(field).collect() })
        }
        Some(Authority::Object(wish)) => Asked::Grant(signer::GrantAuthority {
            account: wish.account,
            image_id: wish.image_id,
            creator: wish.creator,
            metadata: wish.metadata,
            require_signed_urls: wish.require_signed_urls,
        }),
        None => return Err(CallError::field("open.authority", "is required")),
    };
    let is_of_kind = matches!(
        (&authority, rule.kind),
        (Asked::Token(_), UploadKind::OneTime)
            | (Asked::Form(_), UploadKind::Cloudinary)
            | (Asked::Grant(_), UploadKind::Grant)
    );
    if !is_of_kind {
        return Err(CallError::field("open.authority", "is not of the rule's kind"));
    }
    let request_id = if open.request_id.is_empty() { ingest::new_request_id() } else { open.request_id };
    let authority = signer::UploadAuthority { authority: Some(authority) };
    Ok(Wish { rule, authority, request_id, eager: Vec::new() })
}

/// What was stored.
pub(super) fn stored(stored: Stored) -> messages::StoreResponse {
    messages::StoreResponse {
        object: Some(messages::StoredObject {
            origin: stored.rule.origin.clone(),
            image: Some(image_info(&stored.info)),
            content_type: stored.info.format.media_type().to_owned(),
            thumbhash: BASE64.encode(&stored.thumbhash),
            key: stored.key,
            image_id: stored.image_id,
            size: stored.size,
            crc32c: stored.crc32c,
            sha256: stored.sha256,
            etag: stored.etag,
            require_signed_urls: stored.require_signed_urls,
        }),
        replayed: stored.replayed,
    }
}

/// Outputs are few: the configuration allows at most 256.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

const fn format_of(format: Format) -> proto::Format {
    match format {
        Format::Jpeg => proto::Format::Jpeg,
        Format::Png => proto::Format::Png,
        Format::Webp => proto::Format::Webp,
        Format::Gif => proto::Format::Gif,
    }
}
