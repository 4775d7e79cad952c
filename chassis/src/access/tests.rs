//! Grants of a service that restricts a color.

use super::*;
use crate::config;

const METHODS: Methods =
    Methods::new(&[Method::new("p.S", "Paint"), Method::new("p.S", "Look").public_without_grant()]);

const TEXT: &str = "[[grants]]\ncaller = 'a'\nmethods = ['Paint']\ncolor = 'red'\n\
    [[grants]]\ncaller = 'a'\nmethods = ['*']\ncolor = 'blue'\n";

fn read(text: &str) -> Result<Grants<String>, String> {
    let color = |section: &mut config::Section, _: &Names| section.required("color");
    config::read(text, |section| Grants::read(section, METHODS, color)).map_err(|errors| errors.to_string())
}

fn granted(caller: &str, method: &str) -> Option<Granted<String>> {
    read(TEXT).unwrap().granted(&Caller::new(caller), METHODS.of_name(method).unwrap())
}

#[test]
fn the_grants_of_a_caller_for_a_method_are_narrowed_until_none_is_left() {
    let mut both = granted("a", "Paint").unwrap();
    assert_eq!(both.iter().collect::<Vec<_>>(), ["red", "blue"]);
    both.narrow("color", "red", |color| color == "red").unwrap();
    assert_eq!(both.iter().collect::<Vec<_>>(), ["red"]);
    let denied = both.narrow("color", "blue", |color| color == "blue").unwrap_err();
    assert_eq!(denied, both.denied("color", "blue"));
    assert_eq!(denied.to_string(), "the caller has no grant for this color");
    assert_eq!(both.iter().count(), 0);
    assert_eq!(granted("a", "Look").unwrap().iter().collect::<Vec<_>>(), ["blue"]);
    assert!(granted("b", "Paint").is_none());
}

#[test]
fn what_is_public_of_a_method_needs_no_grant_and_the_rest_does() {
    assert!(!granted("a", "Look").unwrap().is_public_only());
    for caller in ["b", ANONYMOUS] {
        let mut none = granted(caller, "Look").unwrap();
        assert!(none.is_public_only());
        assert!(none.narrow("color", "red", |_| true).is_err());
    }
}

#[test]
fn methods_are_found_by_name_and_by_path() {
    assert_eq!(METHODS.of_path("/p.S/Paint"), METHODS.of_name("Paint"));
    assert_eq!(METHODS[0].path(), "/p.S/Paint");
    for path in ["", "/", "p.S/Paint", "/p.S/paint", "/p.S/Paint/", "/p.T/Paint", "/x/p.S/Paint", "/p.S/"] {
        assert_eq!(METHODS.of_path(path), None, "{path}");
    }
}

#[test]
fn mistakes_are_told_at_the_start() {
    for (text, path) in [
        ("[[grants]]\nmethods = ['*']\ncolor = ''", "grants[0].caller: missing"),
        ("[[grants]]\ncaller = 'a'\ncolor = ''", "grants[0].methods: missing"),
        ("[[grants]]\ncaller = 'a'\nmethods = []\ncolor = ''", "grants[0].methods: expected at least one"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['paint']\ncolor = ''", "grants[0].methods: there is no such"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']", "grants[0].color"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\ncolor = ''\nx = 1", "grants[0].x: unknown key"),
    ] {
        let errors = read(text).unwrap_err();
        assert!(errors.contains(path), "{path}: {errors}");
    }
    assert!(read("").unwrap().is_empty());
}
