use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU32, time::Duration};

use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    #[default]
    Primary,
    VerifyOnly,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    width: u32,
    height: Option<u32>,
}

const PASTED: &str = "hunter2-a-pasted-secret";

fn lines<T: std::fmt::Debug>(answer: Result<T, ConfigErrors>) -> Vec<String> {
    answer.unwrap_err().to_string().lines().map(str::to_owned).collect()
}

#[test]
fn every_kind_of_error_is_reported_at_once_with_its_path() {
    let text = format!(
        r#"
        unknown_at_root = "{PASTED}"
        count = "{PASTED}"
        ttl = "{PASTED}"
        budget = "{PASTED}"
        address = "{PASTED}"
        nonzero = 0
        small = 4294967296
        negative = -1
        list = ["a", 7, "{PASTED}"]
        size = {{ width = 1, height = "{PASTED}" }}
        size2 = {{ height = 1 }}
        size3 = {{ width = 1, depth = 1 }}
        date = 1979-05-27
        bare = "{PASTED}"
        array = "{PASTED}"

        [[keys]]
        name = "web"
        [[keys]]
        nmae = "{PASTED}"
        [[keys.versions]]
        state = "{PASTED}"

        [origins."my photos"]
        bucket = 4
        [origins.docs]
        bucket = "b"
        stray = {{ inner = "{PASTED}" }}
        "#
    );
    let found = lines(read(&text, |c| {
        c.or::<u32>("count", 1);
        c.duration("ttl");
        c.bytes("budget");
        c.optional::<SocketAddr>("address");
        c.optional::<NonZeroU32>("nonzero");
        c.optional::<u32>("small");
        c.optional::<u64>("negative");
        c.optional::<Vec<String>>("list");
        c.optional::<Size>("size");
        c.optional::<Size>("size2");
        c.optional::<Size>("size3");
        c.optional::<String>("date");
        c.table("bare", |_| ());
        c.tables("array", |_| ());
        c.required::<String>("absent");
        c.tables("keys", |key| {
            key.required::<String>("name");
            key.tables("versions", |version| {
                version.required::<State>("state");
                version.error("", "needs a secret_file");
            });
        });
        c.named("origins", |_, origin| origin.required::<String>("bucket"));
        c.error("size", "must be square");
    }));
    assert_eq!(
        found,
        [
            "count: expected u32",
            r#"ttl: expected a duration such as "90s" or "24h""#,
            r#"budget: expected a number of bytes such as 65536, "64KiB", "64MiB" or "1GiB""#,
            "address: invalid socket address syntax",
            "nonzero: expected a nonzero u32",
            "small: expected u32",
            "negative: expected u64",
            "list[1]: expected a string",
            "size.height: expected u32",
            "size2.width: missing",
            "size3.depth: unknown key",
            "date: expected a string",
            "bare: expected a table",
            "array: expected an array of tables: [[array]]",
            "absent: missing",
            "keys[1].name: missing",
            "keys[1].versions[0].state: expected one of primary, verify-only",
            "keys[1].versions[0]: needs a secret_file",
            "keys[1].nmae: unknown key",
            "origins.docs.stray: unknown key",
            r#"origins."my photos".bucket: expected a string"#,
            "size: must be square",
            "unknown_at_root: unknown key",
        ]
    );
    assert!(found.iter().all(|line| !line.contains(PASTED)));
}

#[test]
fn values_are_read() {
    let text = r#"
        name = "web"
        state = "verify-only"
        listen = "127.0.0.1:50051"
        from = 2026-12-01T00:00:00Z
        until = "2026-12-01T00:00:01Z"
        ttl = "1h 30m"
        plain = 65536
        budget = "64MiB"
        giga = "1GiB"
        size = { width = 3 }
        sizes = { thumb = { width = 4, height = 5 } }
        ratio = 0.5
        on = true
        list = ["a", "b"]
        [[keys]]
        id = 2
        [[keys]]
        id = 1
        [origins.photos]
        bucket = "p"
    "#;
    read(text, |c| {
        assert_eq!(c.path(), "");
        assert_eq!(c.required::<String>("name"), "web");
        assert_eq!(c.required::<State>("state"), State::VerifyOnly);
        assert_eq!(c.optional::<SocketAddr>("listen").map(|a| a.port()), Some(50051));
        assert_eq!(c.duration("ttl"), Some(Duration::from_secs(5400)));
        assert_eq!(c.duration("no_ttl"), None);
        assert_eq!(c.time("from"), Some(1_796_083_200));
        assert_eq!(c.time("until"), Some(1_796_083_201));
        assert_eq!(c.time("no_time"), None);
        assert_eq!(c.bytes("plain"), Some(65536));
        assert_eq!(c.bytes("budget"), Some(64 << 20));
        assert_eq!(c.bytes("giga"), Some(1 << 30));
        assert_eq!(c.optional::<Size>("size"), Some(Size { width: 3, height: None }));
        let sizes = c.required::<BTreeMap<String, Size>>("sizes");
        assert_eq!(sizes["thumb"], Size { width: 4, height: Some(5) });
        assert_eq!(c.optional::<f64>("ratio"), Some(0.5));
        assert!(c.or("on", false));
        assert_eq!(c.or("off", 7), 7);
        assert_eq!(c.required::<Vec<String>>("list"), ["a", "b"]);
        assert_eq!(
            c.tables("keys", |k| (k.path().to_owned(), k.required::<u32>("id"))),
            [("keys[0]".to_owned(), 2), ("keys[1]".to_owned(), 1)]
        );
        assert!(c.tables("none", |_| ()).is_empty());
        let origins = c.named("origins", |name, o| (name.to_owned(), o.required::<String>("bucket")));
        assert_eq!(origins["photos"], ("photos".to_owned(), "p".to_owned()));
        assert_eq!(c.table("none", |_| ()), None);
    })
    .unwrap();
}

#[test]
fn text_that_is_not_toml_is_placed_and_not_quoted() {
    for (text, place) in [
        (format!("a = 1\nsecret = {PASTED}\n"), "line 2, column 10: "),
        (format!("a = 1\na = '{PASTED}'\n"), "line 2, column 1: "),
        (format!("a = \"{PASTED}"), "line 1, column "),
        (PASTED.to_owned(), "line 1, column "),
    ] {
        let found = lines(read(&text, |_| ()));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(place), "{found:?}");
        assert!(!found[0].contains(PASTED), "{found:?}");
    }
}

#[test]
fn byte_counts_do_not_wrap() {
    for (text, bytes) in [
        ("1B", Some(1)),
        ("2 KiB", Some(2048)),
        ("17179869183GiB", Some(17_179_869_183 << 30)),
        ("17179869184GiB", None),
        ("64MB", None),
        ("MiB", None),
        ("-1KiB", None),
        ("1.5GiB", None),
        ("64", None),
    ] {
        assert_eq!(value::bytes(text), bytes, "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let found = lines(load(Path::new("/nonexistent/signer.toml"), |_| ()));
    assert_eq!(found, ["/nonexistent/signer.toml: cannot be read: entity not found"]);
}

#[test]
fn moments_are_in_utc_and_whole_seconds() {
    for bad in [
        "2026-12-01T01:00:00+01:00",
        "2026-12-01T01:00:00",
        "2026-12-01",
        "2026-12-01T00:00:00.5Z",
        "\"1969-12-31T23:59:59Z\"",
        "\"tomorrow\"",
        "1796083200",
    ] {
        let errors = read(&format!("from = {bad}"), |c| c.time("from")).unwrap_err().to_string();
        let expected = "from: expected a moment in UTC and whole seconds such as 2026-12-01T00:00:00Z";
        assert_eq!(errors, expected, "{bad}");
    }
}
