//! Reading an option list: `width=400,height=300,fit=cover,gravity=0.5x0.3,background=%23ff0000`.
//!
//! Names and values are Cloudflare's URL interface, with those of the [table](super::table); values may be percent-encoded.
//! An unknown name, a name given twice (also under its alias) and every value that is not implemented are refused: nothing is
//! silently ignored.

use percent_encoding::percent_decode_str;

use super::{
    FocalMode, Gravity, Options, Violation,
    table::{Entry, decimal},
};

/// Longest option list that is read, in bytes. All options in their longest forms take about 300.
const MAX_LENGTH: usize = 1024;

/// The field under which the list as a whole is refused.
const LIST: &str = "options";

impl Options {
    /// Reads an option list as it stands in a URL. An empty list is refused: it is a mistake of the caller.
    ///
    /// # Errors
    /// All violations at once.
    pub fn parse(list: &str) -> Result<Self, Vec<Violation>> {
        if list.is_empty() {
            return Err(vec![Violation::new(LIST, "the option list is empty")]);
        }
        if list.len() > MAX_LENGTH {
            return Err(vec![Violation::new(
                LIST,
                format!("the option list is longer than {MAX_LENGTH} bytes"),
            )]);
        }
        let mut reader = Reader::default();
        for item in list.split(',') {
            let read = match item.split_once('=') {
                Some((name, value)) => match percent_decode_str(value).decode_utf8() {
                    Ok(value) => reader.read(name, &value),
                    Err(_) => Err(Violation::new(full_name(name), "not UTF-8 after percent-decoding")),
                },
                None => Err(Violation::new(LIST, "every option is written name=value")),
            };
            reader.violations.extend(read.err());
        }
        reader.finish()
    }

    /// Reads options by name, with values as they stand in an option list but not percent-encoded. Of none: the default.
    ///
    /// # Errors
    /// All violations at once.
    pub fn from_texts<N: AsRef<str>, T: AsRef<str>>(
        texts: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, Vec<Violation>> {
        let mut reader = Reader::default();
        for (name, text) in texts {
            let read = reader.read(name.as_ref(), text.as_ref());
            reader.violations.extend(read.err());
        }
        reader.finish()
    }
}

/// Options as far as they are read.
#[derive(Default)]
struct Reader {
    options: Options,
    seen: Vec<&'static str>,
    violations: Vec<Violation>,
}

impl Reader {
    fn read(&mut self, name: &str, text: &str) -> Result<(), Violation> {
        let Some(entry) = Entry::named(name) else {
            return Err(Violation::new(name, "there is no such option here"));
        };
        if self.seen.contains(&entry.name) {
            return Err(Violation::new(entry.name, "given twice"));
        }
        self.seen.push(entry.name);
        entry.read(&mut self.options, text)
    }

    fn finish(mut self) -> Result<Options, Vec<Violation>> {
        // What could not be read has its default, which is valid.
        self.violations.extend(self.options.validate().err().into_iter().flatten());
        if self.violations.is_empty() { Ok(self.options) } else { Err(self.violations) }
    }
}

/// The full name of an option or of its alias; another name as it is.
fn full_name(given: &str) -> &str {
    Entry::named(given).map_or(given, |entry| entry.name)
}

/// The names of what is no point.
pub(super) const SIDES: [(&str, Gravity); 5] = [
    ("center", Gravity::Center),
    ("left", Gravity::Left),
    ("right", Gravity::Right),
    ("top", Gravity::Top),
    ("bottom", Gravity::Bottom),
];

impl Gravity {
    /// Reads a side's name, or `XxY`, and behind a colon the mode: our addition, Cloudflare has no word for it.
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Some((_, side)) = SIDES.into_iter().find(|(name, _)| *name == text) {
            return Some(side);
        }
        let (point, mode) = match text.split_once(':') {
            Some((point, mode)) => (point, FocalMode::named(mode)?),
            None => (text, FocalMode::default()),
        };
        let (x, y) = point.split_once('x')?;
        Some(Self::Point { x: decimal(x)?, y: decimal(y)?, mode })
    }
}
