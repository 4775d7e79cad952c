//! Configuration: one TOML file, read field by field, with all errors reported at once.
//!
//! Each module of a service reads its own [`Section`]; whatever nobody took is an unknown key. Errors name
//! a path such as `keys[1].versions[0].state` and what was expected there. They never show the value that
//! was found: a secret pasted in the wrong place must not reach a log.
//!
//! # Layout
//! - [`Section`]: a table while it is being read
//! - `value`: a TOML value into any `Deserialize` type, with errors that hide the value
//! - [`ConfigErrors`]: what was wrong
//! - [`Fixed`]: what needs a restart when it changes

mod errors;
mod fixed;
mod section;
#[cfg(test)]
mod tests;
mod value;

use std::path::Path;

pub use errors::{ConfigError, ConfigErrors};
pub use fixed::Fixed;
pub use section::Section;

/// Reads the TOML file at `path` with `f`.
///
/// # Errors
/// The file cannot be read or is not TOML, `f` recorded an error, or a key was left over.
pub fn load<T>(path: &Path, f: impl FnOnce(&mut Section) -> T) -> Result<T, ConfigErrors> {
    read(&text(path)?, f)
}

/// Reads the file at `path`.
///
/// # Errors
/// It cannot be read, or is empty, as it is for a moment while it is written in place.
pub fn text(path: &Path) -> Result<String, ConfigErrors> {
    let wrong = |what| ConfigErrors::one(path.display().to_string(), what);
    let text =
        std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {}", error.kind())))?;
    if text.trim_ascii().is_empty() { Err(wrong("is empty".to_owned())) } else { Ok(text) }
}

/// Reads TOML text with `f`.
///
/// # Errors
/// As [`load`].
pub fn read<T>(text: &str, f: impl FnOnce(&mut Section) -> T) -> Result<T, ConfigErrors> {
    let table = text.parse::<toml::Table>().map_err(|error| {
        // `message` says what was expected; Display would also quote the line.
        ConfigErrors::one(place(text, error.span()), error.message())
    })?;
    let mut root = Section::new(String::new(), table);
    let answer = f(&mut root);
    let errors = root.finish();
    if errors.is_empty() { Ok(answer) } else { Err(ConfigErrors { errors }) }
}

/// `line 3, column 5`, counted in characters from 1.
fn place(text: &str, span: Option<std::ops::Range<usize>>) -> String {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}
