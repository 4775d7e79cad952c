use proptest::prelude::*;

use super::*;

#[test]
fn a_url_as_it_stands() {
    let verbatim = |text| HttpUrl::parse(text).and_then(|url| url.verbatim());
    assert_eq!(verbatim("https://h:8443/a%20b?x=~&y"), Ok(("https://h:8443", "/a%20b?x=~&y")));
    assert_eq!(verbatim("http://h/"), Ok(("http://h", "/")));
    for (url, error) in [
        ("https://h/a#f", "has a fragment"),
        ("https://h/a#", "has a fragment"),
        ("https://h/a b", "is not spelled as a client sends it: percent-encode it"),
        ("https://h/a/../b", "is not spelled as a client sends it: percent-encode it"),
        ("https://h/é", "is not spelled as a client sends it: percent-encode it"),
        ("https://h/a\\b", "is not spelled as a client sends it: percent-encode it"),
        ("https://H/a", "is not spelled as a client sends it: percent-encode it"),
        ("https://h:443/a", "is not spelled as a client sends it: percent-encode it"),
        ("https://h", "is not spelled as a client sends it: percent-encode it"),
        ("https://u@h/", "has credentials"),
        ("/a", "is not an absolute http or https URL"),
    ] {
        assert_eq!(verbatim(url), Err(SignError::Invalid(error)), "{url}");
    }
}

#[test]
fn the_parts_of_a_url() {
    for (text, authority, path, query, fragment) in [
        ("https://h/", "h", "/", "", ""),
        ("https://h/?", "h", "/", "", ""),
        ("https://h/#", "h", "/", "", "#"),
        ("https://a.b-c.d/e//f?g?h", "a.b-c.d", "/e//f", "g?h", ""),
        ("http://H:8080?x#y?z", "h:8080", "/", "x", "#y?z"),
        ("https://[::1]:8443/a/../b?c='#é", "[::1]:8443", "/b", "c=%27", "#%C3%A9"),
        ("https://0x7f.1/", "127.0.0.1", "/", "", ""),
    ] {
        let url = HttpUrl::parse(text).unwrap();
        assert_eq!(
            (url.authority(), url.path(), url.query(), url.fragment()),
            (authority, path, query, fragment)
        );
        let scheme = if text.starts_with("https") { "https" } else { "http" };
        assert_eq!(url.origin(), format!("{scheme}://{authority}"));
    }
}

/// What both must say of a URL that is recognised.
fn assert_as_parsed(text: &str) {
    let Some(parts) = serialised(text) else { return };
    let ours = HttpUrl { text: Cow::Borrowed(text), parts };
    let url = Url::parse(text).unwrap();
    assert_eq!(url.as_str(), text);
    assert_eq!((ours.authority(), ours.path()), (url.host_str().unwrap(), url.path()), "{text}");
    assert_eq!((ours.query(), ours.fragment()), (url.query().unwrap_or_default(), ""), "{text}");
    assert!(url.username().is_empty() && url.password().is_none() && url.port().is_none());
    assert_eq!(url.fragment(), None);
}

#[test]
fn only_what_the_parser_leaves_as_it_is_is_recognised() {
    for text in [
        "https://img.example.com/cheeW4oKsx5ljh8e8BoL2A/bc27a117-9509-446b-8c69-c81bfeac0a01/mobile",
        "https://h/?a=1&b=%7e~",
        "http://a-.-b.c-d.e3/x//y/...;@:!$&()*+,='%zz?/?",
    ] {
        assert!(serialised(text).is_some(), "{text}");
    }
    for text in [
        "https://h",
        "https://h?x",
        "https:///a",
        "https://.h/",
        "https://h./",
        "https://a..b/",
        "https://xn--a/",
        "https://a.xn--b.c/",
        "https://1.2.3.4/",
        "https://a.0x1/",
        "https://a.1/",
        "https://h:443/",
        "https://h:8443/",
        "https://u@h/",
        "https://h/a/.%2E/b",
        "https://h/a/.",
        "https://h/a?b#",
        "https://h/a?b'c",
        "https://h/a|b",
    ] {
        assert!(serialised(text).is_none(), "{text}");
    }
}

/// Bytes are looked at in blocks of 16: host, path and query are as long as some blocks, and one byte shorter or longer.
#[test]
fn every_byte_in_every_place_is_as_parsed() {
    for text in [
        "https://h/",
        "http://a.b/?c",
        "https://img1.example.co/0123456789/01-abc/%2E.a/~/.jpg?w=100&h=200&fi",
        "https://img1.example.com/0123456789/01-abc/%2E.a/~/b.jpg?w=100&h=200&fit",
        "https://cdn-7.images.img1.example.com/bc27a117-9509-446b-8c69-c81bfeac0a01/mo/..b/?",
    ] {
        assert!(serialised(text).is_some(), "{text}");
        for at in 0..=text.len() {
            let (before, after) = text.split_at(at);
            assert_as_parsed(before);
            // Beside ASCII: a letter, and three of which IDNA makes nothing, a dot and a hyphen.
            for byte in (0..=127_u8).map(char::from).chain(['é', '\u{ad}', '\u{3002}', '\u{ff0d}']) {
                assert_as_parsed(&format!("{before}{byte}{after}"));
                assert_as_parsed(&format!("{before}{byte}{}", after.get(1..).unwrap_or_default()));
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_recognised_is_as_parsed(
        text in r"https?://(([a-z0-9.-]|xn--|0x|\PC){0,8}\.?){1,3}(:[0-9]{0,5})?(/(\.|%2e|[ -~]|\PC){0,6}){0,3}(\?([ -~]|\PC){0,8})?",
    ) {
        assert_as_parsed(&text);
    }

    #[test]
    fn plain_urls_are_recognised(
        text in r"https?://[a-z]([a-z0-9-]{0,6}[a-z0-9])?(\.[a-z]{1,4}){0,2}(/[A-Za-z0-9_~!@$()*+,;:=-]{0,9}){1,3}(\?[a-z0-9=&%]{0,9})?",
    ) {
        // Two hyphens may be those of punycode.
        prop_assert!(serialised(&text).is_some() || text.contains("--"));
        assert_as_parsed(&text);
    }
}
