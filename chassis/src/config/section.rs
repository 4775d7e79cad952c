//! A table of the configuration while it is being read.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{ConfigError, Fixed, value};

/// A table of the configuration. Every getter takes its key out; what is left at the end is unknown.
///
/// Errors are recorded, not returned, so that reading goes on and all of them are reported together.
#[derive(Debug)]
pub struct Section {
    path: String,
    table: Table,
    errors: Vec<ConfigError>,
}

impl Section {
    pub(super) const fn new(path: String, table: Table) -> Self {
        Self { path, table, errors: Vec::new() }
    }

    /// Where this table stands, such as `keys[1]`; empty for the file itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// All that has not been taken yet but the keys `reloaded`: of a file that is about to be read, what needs a restart
    /// when it changes.
    #[must_use]
    pub fn fixed(&self, reloaded: &[&str]) -> Fixed {
        Fixed::of(&self.table, reloaded)
    }

    /// Records an error at `key` of this table, or at the table itself when `key` is empty.
    ///
    /// The message must not contain the value.
    pub fn error(&mut self, key: &str, message: impl Into<String>) {
        let path = self.at(key);
        self.errors.push(ConfigError { path, message: message.into() });
    }

    /// The value at `key`; `None` when it is absent, or of the wrong type (which is recorded).
    pub fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.table.remove(key)?;
        match value::decode(value) {
            Ok(decoded) => Some(decoded),
            Err(mismatch) => {
                let path = self.at(key) + &mismatch.path;
                self.errors.push(ConfigError { path, message: mismatch.message });
                None
            }
        }
    }

    /// The value at `key`. Absence is recorded; the default returned then only lets reading go on.
    pub fn required<T: DeserializeOwned + Default>(&mut self, key: &str) -> T {
        if !self.table.contains_key(key) {
            self.error(key, "missing");
        }
        self.optional(key).unwrap_or_default()
    }

    /// The value at `key`, or `default` when it is absent.
    pub fn or<T: DeserializeOwned>(&mut self, key: &str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// A duration such as `"24h"` or `"1m 30s"`.
    pub fn duration(&mut self, key: &str) -> Option<Duration> {
        let duration = match self.table.remove(key)? {
            Value::String(text) => humantime::parse_duration(&text).ok(),
            _ => None,
        };
        if duration.is_none() {
            self.error(key, r#"expected a duration such as "90s" or "24h""#);
        }
        duration
    }

    /// A moment such as `2026-12-01T00:00:00Z`, quoted or not, in whole Unix seconds. Only in UTC: of two spellings of one
    /// moment, one is misread.
    pub fn time(&mut self, key: &str) -> Option<u64> {
        let text = match self.table.remove(key)? {
            Value::String(text) => text,
            Value::Datetime(time) => time.to_string(),
            _ => String::new(),
        };
        let time = humantime::parse_rfc3339(&text).ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let time = time.filter(|time| time.subsec_nanos() == 0).map(|time| time.as_secs());
        if time.is_none() {
            self.error(key, "expected a moment in UTC and whole seconds such as 2026-12-01T00:00:00Z");
        }
        time
    }

    /// A number of bytes: `65536`, or `"64KiB"`, `"64MiB"`, `"1GiB"`.
    pub fn bytes(&mut self, key: &str) -> Option<u64> {
        let bytes = match self.table.remove(key)? {
            Value::Integer(number) => u64::try_from(number).ok(),
            Value::String(text) => value::bytes(&text),
            _ => None,
        };
        if bytes.is_none() {
            self.error(key, r#"expected a number of bytes such as 65536, "64KiB", "64MiB" or "1GiB""#);
        }
        bytes
    }

    /// The table `[key]`, read by `f`; `None` when it is absent.
    pub fn table<T>(&mut self, key: &str, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        match self.table.remove(key)? {
            Value::Table(table) => Some(self.enter(self.at(key), table, f)),
            _ => {
                self.error(key, "expected a table");
                None
            }
        }
    }

    /// Every `[[key]]` in the order of the file, each read by `f`; none when it is absent.
    pub fn tables<T>(&mut self, key: &str, mut f: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let items = match self.table.remove(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.error(key, format!("expected an array of tables: [[{key}]]"));
                return Vec::new();
            }
        };
        let mut answers = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{}[{index}]", self.at(key));
            match item {
                Value::Table(table) => answers.push(self.enter(path, table, &mut f)),
                _ => self.errors.push(ConfigError { path, message: "expected a table".into() }),
            }
        }
        answers
    }

    /// Every `[key.NAME]`, each read by `f` with its name; none when it is absent.
    pub fn named<T>(&mut self, key: &str, mut f: impl FnMut(&str, &mut Self) -> T) -> BTreeMap<String, T> {
        self.table(key, |outer| {
            let names: Vec<String> = outer.table.keys().cloned().collect();
            names
                .into_iter()
                .filter_map(|name| {
                    let answer = outer.table(&name, |inner| f(&name, inner))?;
                    Some((name, answer))
                })
                .collect()
        })
        .unwrap_or_default()
    }

    /// Every error of this table, the keys that nobody took last.
    pub(super) fn finish(mut self) -> Vec<ConfigError> {
        let left: Vec<String> = self.table.keys().cloned().collect();
        for key in left {
            self.error(&key, "unknown key");
        }
        self.errors
    }

    fn enter<T>(&mut self, path: String, table: Table, f: impl FnOnce(&mut Self) -> T) -> T {
        let mut inner = Self::new(path, table);
        let answer = f(&mut inner);
        self.errors.extend(inner.finish());
        answer
    }

    fn at(&self, key: &str) -> String {
        if key.is_empty() {
            return self.path.clone();
        }
        let key = value::quoted(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }
}
