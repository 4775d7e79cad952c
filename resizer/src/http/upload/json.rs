//! Values of protobuf as JSON.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use prost_types::{Struct, value::Kind};
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
