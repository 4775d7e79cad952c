//! Grants of a service that restricts a color.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tonic::Status;
use tonic_types::StatusExt as _;

use super::*;
use crate::config;

const METHODS: Methods =
    Methods::new(&[Method::new("p.S", "Paint"), Method::new("p.S", "Look").public_without_grant()]);

const TEXT: &str = "[[grants]]\ncaller = 'a'\nmethods = ['Paint']\ncolor = 'red'\n\
    [[grants]]\ncaller = 'a'\nmethods = ['*']\ncolor = 'blue'\n";

fn read(text: &str) -> Result<Grants<String>, String> {
    let color = |section: &mut config::Section, _: &Names| section.required("color");
    config::read(text, |section| Grants::read(section, METHODS, color))
        .map(|grants| grants.with_known(["green".to_owned()]))
        .map_err(|errors| errors.to_string())
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

/// In words to act on: which caller, which method, what was missing. Names that are not configured are not shown.
#[test]
fn a_refusal_stands_in_the_log_and_tells_the_caller_no_more_than_it_knows() {
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let writer = sink.clone();
    let log = tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || writer.clone());
    let granted = granted("a", "Paint").unwrap();
    let method = granted.denied("method", "");
    let told = tracing::subscriber::with_default(log.finish(), || {
        _ = method.refuse();
        _ = granted.denied("color", "fake-token-in-a-wrong-field").refuse();
        Status::from(granted.denied("color", "green").refuse())
    });
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains("no [[grants]] of caller a allows Paint"), "{text}");
    assert!(lines[1].contains("allows the color (not one that is configured; 27 bytes)"), "{text}");
    assert!(!text.contains("fake-token"), "{text}");
    assert!(lines[2].contains("no [[grants]] of caller a for Paint allows the color \"green\""), "{text}");
    let info = told.get_details_error_info().unwrap();
    assert_eq!((info.metadata["denied"].as_str(), info.metadata["caller"].as_str()), ("color", "a"));
    assert!(!told.message().contains("green"));
}
