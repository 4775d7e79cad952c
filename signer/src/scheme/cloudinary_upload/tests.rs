use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_700_000_000;

fn policy(algorithm: Algorithm) -> Policy {
    Policy { algorithm, accept_v1: false }
}

fn key(secret: &str) -> Key {
    Key::new(secret.as_bytes())
}

fn check(fields: &[(&str, &str)]) -> Result<Verified, Refusal> {
    verify([&key("s")], fields, NOW, &policy(Algorithm::Sha256))
}

#[test]
fn the_order_of_the_checks() {
    let zeros = "0".repeat(64);
    for (fields, refusal) in [
        (&[("a", "1"), ("a", "2"), ("B", "")][..], Refusal::ParameterNameInvalid),
        (&[("a", "1"), ("a", "2")], Refusal::DuplicateParameter),
        (&[("file", "1"), ("file", "2")], Refusal::DuplicateParameter),
        (&[("timestamp", "x")], Refusal::SignatureMissing),
        (&[("signature", "x")], Refusal::SignatureMalformed),
        (&[("signature", &zeros)], Refusal::TimestampMissing),
        (&[("signature", &zeros), ("timestamp", "")], Refusal::TimestampMalformed),
        (&[("signature", &zeros), ("timestamp", "1")], Refusal::SignatureMismatch),
        (&[], Refusal::SignatureMissing),
    ] {
        assert_eq!(check(fields), Err(refusal), "{fields:?}");
    }
}

#[test]
fn reserved_names_may_not_be_lists() {
    let zeros = "0".repeat(64);
    assert_eq!(check(&[("signature[]", &zeros), ("timestamp", "1")]), Err(Refusal::SignatureMalformed));
    assert_eq!(check(&[("signature", &zeros), ("timestamp[]", "1")]), Err(Refusal::TimestampMalformed));
    assert_eq!(check(&[("signature", &zeros), ("signature[]", "")]), Err(Refusal::DuplicateParameter));
}

#[test]
fn names() {
    for name in ["a", "public_id", "a1_"] {
        assert!(is_name(name), "{name}");
    }
    for name in ["", "A", "1", "_a", "a-b", "a=b", "a[]", "é", "a b", "aB"] {
        assert!(!is_name(name), "{name}");
    }
    assert_eq!(check(&[("a[][]", "")]), Err(Refusal::ParameterNameInvalid));
    assert_eq!(check(&[("[]", "")]), Err(Refusal::ParameterNameInvalid));
}

#[test]
fn ages() {
    for (timestamp, answer) in [
        (NOW - 3600, Ok(())),
        (NOW - 3601, Err(Refusal::Stale)),
        (NOW + 300, Ok(())),
        (NOW + 301, Err(Refusal::NotYetValid)),
        (0, Err(Refusal::Stale)),
        (u64::MAX, Err(Refusal::NotYetValid)),
    ] {
        assert_eq!(check_age(timestamp, NOW), answer);
    }
}

#[test]
fn version_1_is_accepted_only_where_the_key_says_so() {
    let params = [("context", "a&b"), ("timestamp", "1700000000")];
    let signature = sign(&key("s"), Algorithm::Sha256, Version::V1, params);
    let fields = [params[0], params[1], ("signature", signature.as_str())];
    assert_eq!(check(&fields), Err(Refusal::SignatureMismatch));
    let accepting = Policy { algorithm: Algorithm::Sha256, accept_v1: true };
    assert_eq!(verify([&key("other"), &key("s")], &fields, NOW, &accepting), Ok(Verified { key: 1 }));
}

fn params() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    // Names that are neither reserved nor unsigned.
    proptest::collection::btree_map("p[a-z0-9_]{0,6}", r"\PC{1,12}", 0..6)
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop_oneof![Just(Algorithm::Sha1), Just(Algorithm::Sha256)]
}

proptest! {
    #[test]
    fn what_is_signed_verifies_in_any_order(params in params(), algorithm in algorithms(), secret in ".{1,40}") {
        let mut fields: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.push(("timestamp", "1700000000"));
        let signature = sign(&key(&secret), algorithm, Version::V2, fields.iter().copied());
        fields.insert(0, ("signature", &signature));
        fields.push(("api_key", "free"));
        fields.reverse();
        prop_assert_eq!(verify([&key(&secret)], &fields, NOW, &policy(algorithm)), Ok(Verified { key: 0 }));
        let other = key(&format!("{secret}!"));
        prop_assert_eq!(verify([&other], &fields, NOW, &policy(algorithm)), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn a_changed_added_or_missing_parameter_does_not_verify(params in params(), at: prop::sample::Index) {
        let mut fields: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.push(("timestamp", "1700000000"));
        let signature = sign(&key("s"), Algorithm::Sha256, Version::V2, fields.iter().copied());
        let at = at.index(fields.len());
        fields.push(("signature", &signature));

        let mut added = fields.clone();
        added.push(("q", "1"));
        prop_assert_eq!(check(&added), Err(Refusal::SignatureMismatch));
        let mut removed = fields.clone();
        removed.remove(at);
        prop_assert!(check(&removed).is_err());
        let mut changed = fields.clone();
        let value = format!("{}1", changed[at].1);
        changed[at].1 = &value;
        prop_assert!(check(&changed).is_err());
    }

    #[test]
    fn any_fields_get_an_answer_and_none_is_valid(
        fields in proptest::collection::vec((r"[a-z]{1,3}(\[\])?|\PC*|signature|timestamp", r"\PC*|[0-9]{1,13}|[0-9a-f]{64}"), 0..8),
        now: u64,
    ) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        prop_assert!(verify([&key("s")], &fields, now, &policy(Algorithm::Sha256)).is_err());
    }
}
