//! What is kept with an object, as JSON.

use std::collections::BTreeMap;

use prost_types::{Struct, value::Kind};
use safelight_proto::upload::Form;
use serde_json::{Map, Number, Value, json};

/// Largest whole number that a JSON number (a 64-bit float) holds exactly, with all below it: 2^53.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// A token's or a request's metadata. Empty for none.
pub(super) fn of_struct(metadata: &Struct) -> String {
    if metadata.fields.is_empty() {
        String::new()
    } else {
        Value::Object(object(&metadata.fields)).to_string()
    }
}

/// A form's tags, context and folder. Empty for none.
pub(super) fn of_form(form: &Form) -> String {
    let mut kept = Map::new();
    if !form.tags.is_empty() {
        kept.insert("tags".to_owned(), json!(form.tags));
    }
    if !form.context.is_empty() {
        kept.insert("context".to_owned(), json!(form.context));
    }
    if let Some(folder) = &form.asset_folder {
        kept.insert("asset_folder".to_owned(), json!(folder));
    }
    if kept.is_empty() { String::new() } else { Value::Object(kept).to_string() }
}

fn object(fields: &BTreeMap<String, prost_types::Value>) -> Map<String, Value> {
    fields.iter().map(|(name, field)| (name.clone(), value(field))).collect()
}

fn value(value: &prost_types::Value) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(*flag),
        Some(Kind::StringValue(text)) => Value::String(text.clone()),
        Some(Kind::NumberValue(number)) => self::number(*number),
        Some(Kind::ListValue(list)) => list.values.iter().map(self::value).collect(),
        Some(Kind::StructValue(fields)) => Value::Object(object(&fields.fields)),
    }
}

/// Whole numbers without a point, as JSON of protobuf has them. What is no number in JSON is null.
fn number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= MAX_WHOLE {
        #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53")]
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}
