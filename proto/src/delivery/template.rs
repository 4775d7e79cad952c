//! Path templates such as `/{account}/{key...}/{variant}`.
//!
//! A segment is literal text or one `{name}`; one segment may be `{name...}`, which takes one segment or more.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// Most segments that a signature takes before the path that it signs: Cloudinary's has cloud name, two types and itself;
/// imgproxy's may stand behind a prefix.
pub const MAX_SIGNATURE_SEGMENTS: usize = 8;

/// A parsed template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    One(String),
    Many(String),
}

/// What the names of a template stand for in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captures<'a> {
    values: BTreeMap<String, Value<'a>>,
}

/// Still percent-encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Value<'a> {
    text: &'a str,
    is_one: bool,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let path = text.strip_prefix('/').ok_or("must begin with /")?;
        let mut segments = Vec::new();
        let mut names = Vec::new();
        for text in path.split('/') {
            let segment = match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => match name.strip_suffix("...") {
                    Some(name) => Segment::Many(name.to_owned()),
                    None => Segment::One(name.to_owned()),
                },
                None if text.contains(['{', '}']) => return Err("a segment is either text or one {name}"),
                None if text.is_empty() => return Err("has an empty segment"),
                None => Segment::Literal(text.to_owned()),
            };
            if let Segment::One(name) | Segment::Many(name) = &segment {
                if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                    return Err("names are lower-case letters and _");
                }
                if names.contains(name) {
                    return Err("has a name twice");
                }
                names.push(name.clone());
            }
            segments.push(segment);
        }
        if segments.iter().filter(|segment| matches!(segment, Segment::Many(_))).count() > 1 {
            return Err("has two {name...}");
        }
        Ok(Self { segments })
    }

    /// Whether the template has this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.segments
            .iter()
            .any(|segment| matches!(segment, Segment::One(own) | Segment::Many(own) if own == name))
    }

    /// The template of what follows a signature that stands in the path, as in `/demo/image/upload/{signature}/{key...}`:
    /// the first name, if it stands for one segment and neither the variant nor `object_key` is made of it. A signature
    /// in a path covers what follows it, so that is what an authenticated path is matched with. `None` if there is no such
    /// name.
    #[must_use]
    pub fn behind_signature(&self, object_key: &str) -> Option<Self> {
        let first = self.segments.iter().position(|segment| !matches!(segment, Segment::Literal(_)))?;
        let Some(Segment::One(name)) = self.segments.get(first) else { return None };
        let segments = self.segments.get(first + 1..).filter(|rest| !rest.is_empty())?;
        let is_used = name == "variant" || names(object_key)?.contains(&name.as_str());
        if is_used {
            return None;
        }
        Some(Self { segments: segments.to_vec() })
    }

    /// Whether a text can be filled from this template: its braces pair, and hold names of the path, at least one.
    #[must_use]
    pub fn fills(&self, text: &str) -> bool {
        names(text).is_some_and(|names| !names.is_empty() && names.iter().all(|name| self.has(name)))
    }

    /// Matches a path that is still percent-encoded. Literal segments are compared as they stand.
    #[must_use]
    pub fn matches<'a>(&self, path: &'a str) -> Option<Captures<'a>> {
        let path = path.strip_prefix('/')?;
        let mut rest: Vec<&str> = path.split('/').collect();
        let many = self.segments.iter().position(|segment| matches!(segment, Segment::Many(_)));
        let (before, after) = match many {
            Some(at) => (self.segments.get(..at)?, self.segments.get(at + 1..)?),
            None => (self.segments.as_slice(), &[][..]),
        };
        let mut values = BTreeMap::new();
        let mut take = |segment: &Segment, text: &'a str| match segment {
            Segment::Literal(literal) => text == literal,
            Segment::One(name) | Segment::Many(name) => {
                values.insert(name.clone(), Value { text, is_one: matches!(segment, Segment::One(_)) });
                !text.is_empty()
            }
        };
        for segment in after.iter().rev() {
            let text = rest.pop()?;
            if !take(segment, text) {
                return None;
            }
        }
        if rest.len() < before.len() + usize::from(many.is_some())
            || (many.is_none() && rest.len() > before.len())
        {
            return None;
        }
        let tail = rest.split_off(before.len());
        if !before.iter().zip(rest).all(|(segment, text)| take(segment, text)) {
            return None;
        }
        if let Some(segment) = many.and_then(|at| self.segments.get(at)) {
            // The segments between, as one slice of the path: empty ones (`//`) are part of it.
            let (first, last) = (tail.first()?, tail.last()?);
            let start = offset(path, first)?;
            let end = offset(path, last)? + last.len();
            if !take(segment, path.get(start..end)?) {
                return None;
            }
        }
        Some(Captures { values })
    }
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset(whole: &str, part: &str) -> Option<usize> {
    (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)
}

impl<'a> Captures<'a> {
    /// The text a name stands for, still percent-encoded: a slice of the path that was matched.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.values.get(name).map(|value| value.text)
    }

    /// Fills `{name}`s in a text with the decoded values. `None` when a value does not decode, or one segment would become
    /// several: `a%2Fb` is no name of a folder.
    #[must_use]
    pub fn fill(&self, text: &str) -> Option<String> {
        fill(text, |name| {
            let value = self.values.get(name)?;
            decode(value.text).filter(|text| !(value.is_one && text.contains('/')))
        })
    }
}

/// Fills `{name}`s in a text. `None` when a name has no value.
#[must_use]
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(&value(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// The name in a segment that stands for a variant. `None` of a list of options, which holds `=` as it is sent, and when
/// it does not decode.
#[must_use]
pub fn variant_name(segment: &str) -> Option<String> {
    if segment.contains('=') { None } else { decode(segment) }
}

/// The `{name}`s in a text; `None` when its braces do not pair.
#[must_use]
pub fn names(text: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').filter(|_| !before.contains('}'))?;
        names.push(name);
        rest = after;
    }
    (!rest.contains('}')).then_some(names)
}

/// Percent-decodes once. `None` when the bytes are not UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, path: &str, text: &str) -> Option<String> {
        Template::parse(template).unwrap().matches(path)?.fill(text)
    }

    #[test]
    fn names_take_segments() {
        let text = "{account}|{key}|{variant}";
        let template = "/{account}/{key...}/{variant}";
        for (path, expected) in [
            ("/acct/a/thumb", Some("acct|a|thumb")),
            ("/acct/a/b%20c/d.jpg/thumb", Some("acct|a/b c/d.jpg|thumb")),
            ("/acct/a//b/thumb", Some("acct|a//b|thumb")),
            ("/acct/%2Fa%2520/thumb", Some("acct|/a%20|thumb")),
            ("/acct//thumb", None),
            ("/acct/thumb", None),
            ("//a/thumb", None),
            ("/acct/a/", None),
            ("/acct/%ff/thumb", None),
            ("/acct%2Fb/a/thumb", None),
            ("/%2f/a/thumb", None),
            ("acct/a/thumb", None),
            ("", None),
        ] {
            assert_eq!(fill(template, path, text).as_deref(), expected, "{path}");
        }
        assert_eq!(
            fill("/img/{variant}/{key...}", "/img/w=1,h=2/a/b", text.get(10..).unwrap()).as_deref(),
            Some("a/b|w=1,h=2")
        );
        assert_eq!(fill("/img/{key}", "/img/a", "p/{key}.jpg").as_deref(), Some("p/a.jpg"));
        assert_eq!(fill("/img/{key}", "/img/a/b", "{key}"), None);
        assert_eq!(fill("/img/{key}", "/IMG/a", "{key}"), None);
    }

    #[test]
    fn object_keys_are_made_of_names_of_the_path() {
        let template = Template::parse("/{account}/{key...}/{variant}").unwrap();
        for text in ["{key}", "originals/{account}/{key}.jpg", "{variant}"] {
            assert!(template.fills(text), "{text}");
        }
        for text in ["", "x", "{other}", "{key", "key}", "}{key}", "{key}}", "{{key}}", "{key...}"] {
            assert!(!template.fills(text), "{text}");
        }
    }

    #[test]
    fn a_signature_is_the_first_name_if_nothing_is_made_of_it() {
        for (template, behind) in [
            ("/{sig}/ip/{key...}/{variant}", Some("/ip/{key...}/{variant}")),
            ("/demo/image/upload/{sig}/{key...}/{variant}", Some("/{key...}/{variant}")),
            ("/{sig}/{other}/{key...}", Some("/{other}/{key...}")),
            ("/{key}/{sig}/{variant}", None),
            ("/{key...}/{sig}/{variant}", None),
            ("/{variant}/{key...}", None),
            ("/a/{sig}", None),
            ("/a/b", None),
        ] {
            let template = Template::parse(template).unwrap();
            let found = template.behind_signature("{key}");
            assert_eq!(found, behind.map(|text| Template::parse(text).unwrap()), "{template:?}");
        }
    }

    #[test]
    fn lists_of_options_have_no_name() {
        for (segment, name) in [
            ("thumb", Some("thumb")),
            ("%74humb", Some("thumb")),
            ("thumb%3D", Some("thumb=")),
            ("w=1", None),
            ("thumb=", None),
            ("%ff", None),
        ] {
            assert_eq!(variant_name(segment).as_deref(), name, "{segment}");
        }
    }

    #[test]
    fn bad_templates_are_refused() {
        for text in ["", "a", "/a//b", "/{a}{b}", "/x{a}", "/{}", "/{A}", "/{a}/{a}", "/{a...}/{b...}", "/a/"]
        {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
