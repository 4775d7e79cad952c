//! Values of protobuf as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use prost_types::{Struct, Timestamp, value::Kind};
use serde_json::{Map, Value};

pub(super) fn of_struct(message: &Struct) -> Value {
    let fields = message.fields.iter().map(|(name, value)| (name.clone(), of_value(value)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn of_value(message: &prost_types::Value) -> Value {
    match &message.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(*value),
        Some(Kind::NumberValue(value)) => whole(*value),
        Some(Kind::StringValue(text)) => Value::String(text.clone()),
        Some(Kind::ListValue(list)) => list.values.iter().map(of_value).collect(),
        Some(Kind::StructValue(message)) => of_struct(message),
    }
}

/// A number without a fraction is written without one.
fn whole(number: f64) -> Value {
    const MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= MAX {
        #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53")]
        return Value::from(number as i64);
    }
    Value::from(number)
}

pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// A time (RFC 3339) in whole units.
pub(super) fn time(time: SystemTime, unit: Duration) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let rest = since.as_nanos() % unit.as_nanos().max(1);
    let cut = since.saturating_sub(Duration::from_nanos(u64::try_from(rest).unwrap_or_default()));
    Timestamp::from(UNIX_EPOCH + cut).to_string()
}
