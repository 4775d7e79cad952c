//! Checks the fields of a form as they were received.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    ops::BitOr,
};

use subtle::Choice;

use super::{Algorithm, Key, UNSIGNED, Version, check_age, is_name, message, timestamp};
use crate::scheme::strict;

/// What a key demands of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The key's algorithm. The length of a signature never decides.
    pub algorithm: Algorithm,
    /// Whether a signature of version 1 is accepted as well.
    pub accept_v1: bool,
}

/// Why an upload is not valid, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A name is not `[a-z][a-z0-9_]*`, optionally followed by `[]`.
    #[error("a field's name is invalid")]
    ParameterNameInvalid,
    /// A plain name occurs twice, or beside its `[]` form.
    #[error("a field occurs twice")]
    DuplicateParameter,
    /// There is no `signature`.
    #[error("there is no signature")]
    SignatureMissing,
    /// `signature` is not lower-case hexadecimal of the length of the key's algorithm.
    #[error("the signature is malformed")]
    SignatureMalformed,
    /// There is no `timestamp`.
    #[error("there is no timestamp")]
    TimestampMissing,
    /// `timestamp` is not a plain decimal of at most 12 digits.
    #[error("the timestamp is malformed")]
    TimestampMalformed,
    /// No key makes this signature.
    #[error("no key makes this signature")]
    SignatureMismatch,
    /// The timestamp is more than [`super::MAX_AGE`] ago.
    #[error("the timestamp is too long ago")]
    Stale,
    /// The timestamp is more than [`super::MAX_AHEAD`] in the future.
    #[error("the timestamp is too far ahead")]
    NotYetValid,
}

/// An upload that is authentic and in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which of the keys signed: its place among those given.
    pub key: usize,
}

/// A field, all its occurrences together.
enum Field<'f> {
    Plain(&'f str),
    /// `name[]`, joined by commas.
    List(Cow<'f, str>),
}

/// Verifies the fields of a form, (name, value) in the order received, at the time `now` in Unix seconds.
///
/// All keys are tried in every case, and compared in constant time.
///
/// Cloudinary documents no verifier; this is our policy (reference/signing.md, section 1b). Two consequences of the
/// format itself: the fields of [`UNSIGNED`] may have any value, and so may there be empty fields that nobody signed.
///
/// # Errors
/// The first check that fails, in the order of [`Refusal`].
pub fn verify<'k>(
    keys: impl IntoIterator<Item = &'k Key>,
    fields: &[(&str, &str)],
    now: u64,
    policy: &Policy,
) -> Result<Verified, Refusal> {
    let fields = collect(fields)?;
    // Neither may be written as a list: `signature[]` is another spelling of a reserved name.
    let signature = match fields.get("signature") {
        None => return Err(Refusal::SignatureMissing),
        Some(Field::Plain(text)) => decode(text, policy.algorithm),
        Some(Field::List(_)) => None,
    }
    .ok_or(Refusal::SignatureMalformed)?;
    let timestamp = match fields.get("timestamp") {
        None => return Err(Refusal::TimestampMissing),
        Some(Field::Plain(text)) => timestamp(text),
        Some(Field::List(_)) => None,
    }
    .ok_or(Refusal::TimestampMalformed)?;

    let signed = |version| {
        let params = fields.iter().filter(|(name, _)| **name != "signature" && !UNSIGNED.contains(name));
        message(params.map(|(name, field)| (*name, field.text())), version)
    };
    let mut messages = vec![signed(Version::V2)];
    if policy.accept_v1 {
        messages.push(signed(Version::V1));
    }
    let key = strict::first_fit(keys, |key| {
        let fits = |message: &String| key.signature(policy.algorithm, &[message.as_bytes()]).fits(&signature);
        messages.iter().map(fits).fold(Choice::from(0), BitOr::bitor)
    })
    .ok_or(Refusal::SignatureMismatch)?;
    check_age(timestamp, now)?;
    Ok(Verified { key })
}

impl Field<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::List(text) => text,
        }
    }
}

/// A signature of the length of the algorithm.
pub(super) fn decode(text: &str, algorithm: Algorithm) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Sha1 => strict::lower_hex::<20>(text).map(Into::into),
        Algorithm::Sha256 => strict::lower_hex::<32>(text).map(Into::into),
    }
}

/// A signature by one of some algorithms: each has a length of its own.
pub(super) fn decode_any(text: &str, algorithms: &[Algorithm]) -> Option<(Algorithm, Vec<u8>)> {
    algorithms.iter().find_map(|algorithm| Some((*algorithm, decode(text, *algorithm)?)))
}

/// Checks 1 and 2: the fields by name. A bad name anywhere outranks a duplicate.
fn collect<'f>(fields: &[(&'f str, &'f str)]) -> Result<BTreeMap<&'f str, Field<'f>>, Refusal> {
    let mut collected = BTreeMap::new();
    let mut duplicate = false;
    for &(name, value) in fields {
        let (name, is_list) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
        if !is_name(name) {
            return Err(Refusal::ParameterNameInvalid);
        }
        match (collected.entry(name), is_list) {
            (Entry::Vacant(entry), false) => {
                entry.insert(Field::Plain(value));
            }
            (Entry::Vacant(entry), true) => {
                entry.insert(Field::List(value.into()));
            }
            (Entry::Occupied(mut entry), true) => match entry.get_mut() {
                Field::List(list) => {
                    list.to_mut().push(',');
                    list.to_mut().push_str(value);
                }
                Field::Plain(_) => duplicate = true,
            },
            (Entry::Occupied(_), false) => duplicate = true,
        }
    }
    if duplicate { Err(Refusal::DuplicateParameter) } else { Ok(collected) }
}
