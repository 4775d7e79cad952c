//! The parameters of an upload, from JSON-like values to the text that is signed.

use std::collections::BTreeMap;

use prost_types::{Struct, value::Kind};
use safelight_proto::reason::{CallError, Reason};

use crate::scheme::cloudinary_upload::{UNSIGNED, Value, check_age, is_name, timestamp};

/// Largest whole number that a JSON number (a 64-bit float) holds exactly, with all below it: 2^53.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Most bytes of names and values that are signed, with [`FIELD_OVERHEAD`] for each: `VerifyUpload` takes messages of
/// 64 KiB, and the fields that the signature adds, the longest API key included, need less than 1 KiB of them.
const MAX_SIGNED: usize = 60 * 1024;

/// Bytes beside the name and the value of a field in a message, at most: three tags and three lengths.
const FIELD_OVERHEAD: usize = 12;

/// Names that the signature adds.
const RESERVED: [&str; 2] = ["signature", "signature_algorithm"];

/// What is to be signed: texts by name, `timestamp` among them.
#[derive(Debug, PartialEq)]
pub(super) struct Parameters {
    pub(super) signed: BTreeMap<String, String>,
    /// In Unix seconds.
    pub(super) timestamp: u64,
}

/// Reads the parameters, at the time `now`.
pub(super) fn read(parameters: &Struct, now: u64) -> Result<Parameters, CallError> {
    let mut signed = BTreeMap::new();
    for (name, value) in &parameters.fields {
        if RESERVED.contains(&name.as_str()) {
            let text = format!("`{name}` is added by the signature");
            return Err(Reason::ReservedParameter
                .error(&*text)
                .with("parameter", name)
                .with_violation(format!("parameters.{name}"), text));
        }
        if !is_name(name) {
            // The name is the caller's text, of any length: it is not repeated.
            return Err(CallError::field("parameters", "a name is not [a-z][a-z0-9_]*"));
        }
        if UNSIGNED.contains(&name.as_str()) {
            continue;
        }
        let text = read_value(value, true)
            .map_err(|expected| CallError::field(format!("parameters.{}", shown(name)), expected))?
            .text();
        if !text.is_empty() {
            signed.insert(name.clone(), text);
        }
    }
    let bytes: usize = signed.iter().map(|(name, value)| name.len() + value.len() + FIELD_OVERHEAD).sum();
    if bytes > MAX_SIGNED {
        const TEXT: &str = "the parameters are longer than can be verified";
        return Err(Reason::InputTooLong.error(TEXT).with_violation("parameters", TEXT));
    }
    let timestamp = match signed.get("timestamp") {
        None => {
            signed.insert("timestamp".to_owned(), now.to_string());
            now
        }
        Some(text) => {
            const FIELD: &str = "parameters.timestamp";
            let timestamp = timestamp(text)
                .ok_or_else(|| CallError::field(FIELD, "expected Unix seconds, at most 12 digits"))?;
            check_age(timestamp, now).map_err(|why| {
                Reason::ExpiryOutOfRange.error(why.to_string()).with_violation(FIELD, why.to_string())
            })?;
            timestamp
        }
    };
    Ok(Parameters { signed, timestamp })
}

/// A name short enough to be shown: errors travel in headers.
fn shown(name: &str) -> &str {
    name.get(..64).unwrap_or(name)
}

/// `Err` says what was expected. A list is not expected within a list.
fn read_value(value: &prost_types::Value, allow_list: bool) -> Result<Value, &'static str> {
    match &value.kind {
        None | Some(Kind::NullValue(_)) if allow_list => Ok(Value::Null),
        None | Some(Kind::NullValue(_)) => Err("expected no null within a list"),
        Some(Kind::BoolValue(value)) => Ok(Value::Bool(*value)),
        Some(Kind::StringValue(value)) => Ok(Value::Text(value.clone())),
        Some(Kind::NumberValue(value)) => whole(*value).map(Value::Integer).ok_or(
            "expected a whole number of at most 2^53: write others as strings, as they are to be signed",
        ),
        Some(Kind::ListValue(list)) if allow_list => list
            .values
            .iter()
            .map(|value| read_value(value, false))
            .collect::<Result<_, _>>()
            .map(Value::List),
        Some(Kind::ListValue(_) | Kind::StructValue(_)) => {
            Err("expected a string, a whole number, a boolean, or a list of these")
        }
    }
}

/// Fractions are refused: SDKs in different languages write them differently, and each would sign another text.
fn whole(number: f64) -> Option<i64> {
    // NaN and the infinities have the fraction NaN, which is not 0 either.
    if number.fract() != 0.0 || number.abs() > MAX_WHOLE {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53")]
    Some(number as i64)
}

#[cfg(test)]
mod tests {
    use prost_types::{ListValue, Value as Json};

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn json(kind: Kind) -> Json {
        Json { kind: Some(kind) }
    }

    fn text(text: &str) -> Json {
        json(Kind::StringValue(text.to_owned()))
    }

    fn number(number: f64) -> Json {
        json(Kind::NumberValue(number))
    }

    fn list(values: Vec<Json>) -> Json {
        json(Kind::ListValue(ListValue { values }))
    }

    fn null() -> Json {
        json(Kind::NullValue(0))
    }

    fn parameters(fields: impl IntoIterator<Item = (&'static str, Json)>) -> Result<Parameters, CallError> {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        read(&Struct { fields }, NOW)
    }

    #[test]
    fn values_become_the_text_that_is_signed() {
        for (value, expected) in [
            (text("a b&c"), Some("a b&c")),
            (text(""), None),
            (null(), None),
            (Json { kind: None }, None),
            (list(vec![]), None),
            (list(vec![text("")]), None),
            (list(vec![text("a"), number(2.0), json(Kind::BoolValue(false))]), Some("a,2,false")),
            (json(Kind::BoolValue(true)), Some("true")),
            (number(0.0), Some("0")),
            (number(-0.0), Some("0")),
            (number(-5.0), Some("-5")),
            (number(MAX_WHOLE), Some("9007199254740992")),
            (number(-MAX_WHOLE), Some("-9007199254740992")),
        ] {
            let read = parameters([("x", value)]).unwrap();
            assert_eq!(read.signed.get("x").map(String::as_str), expected);
            assert_eq!(read.signed["timestamp"], "1700000000");
        }
    }

    #[test]
    fn other_values_are_refused() {
        for value in [
            number(0.5),
            number(MAX_WHOLE * 2.0),
            number(f64::NAN),
            number(f64::INFINITY),
            json(Kind::StructValue(Struct::default())),
            list(vec![list(vec![])]),
            list(vec![null()]),
            list(vec![number(0.5)]),
        ] {
            let error = parameters([("x", value)]).unwrap_err();
            assert_eq!(error.reason(), Reason::FieldInvalid);
            assert!(error.message().starts_with("parameters.x: expected"), "{error}");
        }
    }

    #[test]
    fn names() {
        for name in ["file", "cloud_name", "resource_type", "api_key"] {
            assert!(!parameters([(name, text("v"))]).unwrap().signed.contains_key(name));
        }
        for name in RESERVED {
            assert_eq!(parameters([(name, text("v"))]).unwrap_err().reason(), Reason::ReservedParameter);
        }
        for name in ["", "Tags", "a=b", "tags[]", "_a", "1a", "é"] {
            assert_eq!(parameters([(name, text("v"))]).unwrap_err().reason(), Reason::FieldInvalid, "{name}");
        }
    }

    #[test]
    fn timestamps() {
        for (value, expected) in [
            (number(1_700_000_000.0), 1_700_000_000),
            (text("1699996400"), 1_699_996_400),
            (text("1700000300"), 1_700_000_300),
            (null(), NOW),
        ] {
            assert_eq!(parameters([("timestamp", value)]).unwrap().timestamp, expected);
        }
        for (value, reason) in [
            (text("1699996399"), Reason::ExpiryOutOfRange),
            (text("1700000301"), Reason::ExpiryOutOfRange),
            (text("01700000000"), Reason::FieldInvalid),
            (number(-1.0), Reason::FieldInvalid),
            (number(1_700_000_000_000.0), Reason::FieldInvalid),
            (json(Kind::BoolValue(true)), Reason::FieldInvalid),
        ] {
            assert_eq!(parameters([("timestamp", value)]).unwrap_err().reason(), reason);
        }
    }
}
