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
fn pitfall_09_version_1_is_accepted_only_where_the_key_says_so() {
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

fn response<'a>(public_id: &'a str, version: &'a str, signature: &'a str) -> Result<usize, ResponseRefusal> {
    let response = Response { public_id, version, signature };
    verify_response([&key("other"), &key("s")], &[Algorithm::Sha256], &response).map(|verified| verified.key)
}

#[test]
fn responses() {
    let signature = sign_response(&key("s"), Algorithm::Sha256, "a/b&c=d", 1);
    assert_eq!(response("a/b&c=d", "1", &signature), Ok(1));
    let zeros = "0".repeat(64);
    for (public_id, version, signature, refusal) in [
        ("", "x", "", ResponseRefusal::PublicIdInvalid),
        ("a", "", "", ResponseRefusal::VersionMalformed),
        ("a", "01", &signature, ResponseRefusal::VersionMalformed),
        ("a", "1&x=1", &signature, ResponseRefusal::VersionMalformed),
        ("a", "1", "", Refusal::SignatureMalformed.into()),
        ("a", "1", &signature[..40], Refusal::SignatureMalformed.into()),
        ("a/b&c=d", "1", &signature.to_uppercase(), Refusal::SignatureMalformed.into()),
        ("a", "1", &zeros, Refusal::SignatureMismatch.into()),
        ("a/b", "1", &signature, Refusal::SignatureMismatch.into()),
        ("a/b&c=d", "2", &signature, Refusal::SignatureMismatch.into()),
    ] {
        assert_eq!(response(public_id, version, signature), Err(refusal), "{public_id} {version}");
    }
}

fn notification(body: &str, timestamp: &str, now: u64, max_age: u64) -> Result<usize, NotificationRefusal> {
    let signature = key("s").signature(Algorithm::Sha256, &[body.as_bytes(), timestamp.as_bytes()]).hex();
    let notification = Notification { body: body.as_bytes(), timestamp, signature: &signature };
    verify_notification([&key("other"), &key("s")], &[Algorithm::Sha256], &notification, max_age, now)
        .map(|verified| verified.key)
}

#[test]
fn pitfall_04_ages_of_notifications() {
    for (timestamp, max_age, answer) in [
        (NOW - 7200, 7200, Ok(1)),
        (NOW - 7201, 7200, Err(Refusal::Stale)),
        (NOW - 7201, u64::MAX, Err(Refusal::Stale)),
        (NOW - 60, 60, Ok(1)),
        (NOW - 61, 60, Err(Refusal::Stale)),
        (NOW + 300, 60, Ok(1)),
        (NOW + 301, 60, Err(Refusal::NotYetValid)),
        (9_999_999_999, 60, Err(Refusal::NotYetValid)),
    ] {
        let answer = answer.map_err(NotificationRefusal::Signature);
        assert_eq!(notification("{}", &timestamp.to_string(), NOW, max_age), answer, "{timestamp}");
    }
}

#[test]
fn the_order_of_the_checks_of_a_notification() {
    let zeros = "0".repeat(64);
    let good = key("s").signature(Algorithm::Sha256, &[b"{", b"1000000000"]).hex();
    for (timestamp, signature, refusal) in [
        ("", "", Refusal::SignatureMissing.into()),
        ("", "0", Refusal::SignatureMalformed.into()),
        ("", &zeros[..40], Refusal::SignatureMalformed.into()),
        ("", &zeros, Refusal::TimestampMissing.into()),
        ("1", &zeros, Refusal::TimestampMalformed.into()),
        ("1000000000", &zeros, Refusal::SignatureMismatch.into()),
        ("1000000000", &good, NotificationRefusal::BodyMalformed),
    ] {
        let notification = Notification { body: b"{", timestamp, signature };
        let answer = verify_notification([&key("s")], &[Algorithm::Sha256], &notification, 7200, NOW);
        assert_eq!(answer, Err(refusal), "{timestamp} {signature}");
    }
}

#[test]
fn pitfall_08_signatures_of_one_kind_are_not_of_another() {
    // An upload's, as a notification: the timestamp is the last parameter.
    let upload =
        sign(&key("s"), Algorithm::Sha256, Version::V2, [("folder", "x"), ("timestamp", "1700000000")]);
    let disguised =
        Notification { body: b"folder=x&timestamp=", timestamp: "1700000000", signature: &upload };
    assert_eq!(
        verify_notification([&key("s")], &[Algorithm::Sha256], &disguised, 7200, NOW),
        Err(NotificationRefusal::BodyMalformed)
    );
    // An upload's, as a response: the public id swallows the timestamp.
    let params = [("public_id", "a"), ("timestamp", "1700000000"), ("version", "1")];
    let upload = sign(&key("s"), Algorithm::Sha256, Version::V2, params);
    assert_eq!(response("a&timestamp=1700000000", "1", &upload), Err(ResponseRefusal::PublicIdInvalid));
    // A response's, as an upload.
    let answer = sign_response(&key("s"), Algorithm::Sha256, "a", 1);
    let fields = [("public_id", "a"), ("version", "1"), ("signature", answer.as_str())];
    assert_eq!(check(&fields), Err(Refusal::TimestampMissing));
    // A notification's, as an upload: its body would have to be JSON and parameters at once.
    let fields = [("{\"a\"", "1}"), ("timestamp", "1700000000"), ("signature", answer.as_str())];
    assert_eq!(check(&fields), Err(Refusal::ParameterNameInvalid));
}

#[test]
fn pitfall_10_what_the_format_cannot_tell_apart_is_refused() {
    let signed = |params: &[(&str, &str)]| {
        sign(
            &key("s"),
            Algorithm::Sha256,
            Version::V2,
            params.iter().copied().chain([("timestamp", "1700000000")]),
        )
    };
    // `&` and `%26` in a value: one message, and one value to us, which is the one that was signed or its twin.
    assert_eq!(signed(&[("a", "b&c")]), signed(&[("a", "b%26c")]));
    // A name with `=`: `a=b` with `c` is `a` with `b=c`.
    let signature = signed(&[("a", "b=c")]);
    assert_eq!(signature, signed(&[("a=b", "c")]));
    let check_with = |fields: &[(&str, &str)], signature: &str| {
        let mut fields = fields.to_vec();
        fields.extend([("timestamp", "1700000000"), ("signature", signature)]);
        check(&fields)
    };
    assert!(check_with(&[("a", "b=c")], &signature).is_ok());
    assert_eq!(check_with(&[("a=b", "c")], &signature), Err(Refusal::ParameterNameInvalid));
    // An array and its joined text: the same value, but never both.
    let signature = signed(&[("tags", "x,y")]);
    assert!(check_with(&[("tags[]", "x"), ("tags[]", "y")], &signature).is_ok());
    assert_eq!(check_with(&[("tags", "x"), ("tags[]", "y")], &signature), Err(Refusal::DuplicateParameter));
    // Version 2 keeps `&` in its pair; version 1 would not.
    let signature = signed(&[("a", "b"), ("c", "d")]);
    assert_eq!(check_with(&[("a", "b&c=d")], &signature), Err(Refusal::SignatureMismatch));
}

#[test]
fn pitfall_11_digits_cannot_move_between_a_body_and_its_timestamp() {
    assert_eq!(
        key("s").signature(Algorithm::Sha256, &[b"[1]", b"1700000000"]).hex(),
        key("s").signature(Algorithm::Sha256, &[b"[1]1", b"700000000"]).hex()
    );
    assert_eq!(notification("[1]", "1700000000", NOW, 7200), Ok(1));
    for (body, timestamp) in [("[1]1", "700000000"), ("[1]", "01700000000"), ("1", "11700000000")] {
        let refused = NotificationRefusal::Signature(Refusal::TimestampMalformed);
        assert_eq!(notification(body, timestamp, NOW, 7200), Err(refused), "{body}");
    }
    assert_eq!(notification("[1]x", "1700000000", NOW, 7200), Err(NotificationRefusal::BodyMalformed));
}

proptest! {
    #[test]
    fn a_change_of_one_byte_of_a_notification_does_not_verify(text in "[ -~é]{0,40}", at: prop::sample::Index, to: u8) {
        let mut body = serde_json::to_vec(&serde_json::json!({ "public_id": text })).unwrap();
        let timestamp = NOW.to_string();
        let signature = key("s").signature(Algorithm::Sha256, &[&body, timestamp.as_bytes()]).hex();
        let check = |body: &[u8]| {
            let notification = Notification { body, timestamp: &timestamp, signature: &signature };
            verify_notification([&key("s")], &[Algorithm::Sha256], &notification, 60, NOW).map(|verified| verified.key)
        };
        prop_assert_eq!(check(&body), Ok(0));
        let at = at.index(body.len());
        prop_assume!(body[at] != to);
        body[at] = to;
        prop_assert_eq!(check(&body), Err(NotificationRefusal::Signature(Refusal::SignatureMismatch)));
    }

    #[test]
    fn any_notification_or_response_gets_an_answer(
        body: Vec<u8>, timestamp in r"\PC*|[0-9]{10}", signature in r"\PC*|[0-9a-f]{64}", now: u64,
    ) {
        let notification = Notification { body: &body, timestamp: &timestamp, signature: &signature };
        prop_assert!(verify_notification([&key("s")], &[Algorithm::Sha256], &notification, 7200, now).is_err());
        prop_assert!(response(&timestamp, &timestamp, &signature).is_err());
    }
}
