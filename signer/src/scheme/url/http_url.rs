//! Absolute http and https URLs, as the WHATWG URL writes them.
//!
//! Most URLs that are to be signed are already written so. Those are recognised, and neither copied nor parsed;
//! all others go through the `url` crate's parser, which is what decides: a test compares the two.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, ops::Range};

use url::{Position, Url};

use super::SignError;
use crate::scheme::has_dot_segment;

/// Longest URL that is signed, in bytes.
pub const MAX_URL_BYTES: usize = 8192;

/// An absolute http or https URL without credentials, in the WHATWG URL's serialisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl<'a> {
    /// Borrowed if, and only if, the URL was given in this spelling.
    text: Cow<'a, str>,
    parts: Parts,
}

/// Where parts of a URL begin, in bytes; one that is not there is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    /// Behind `://`.
    host: usize,
    path: usize,
    /// At the `?`.
    query: usize,
    /// At the `#`.
    fragment: usize,
}

impl<'a> HttpUrl<'a> {
    /// Parses a URL.
    ///
    /// # Errors
    /// It is longer than [`MAX_URL_BYTES`], or not an absolute http or https URL without credentials.
    pub fn parse(text: &'a str) -> Result<Self, SignError> {
        if text.len() > MAX_URL_BYTES {
            return Err(SignError::TooLong);
        }
        if let Some(parts) = serialised(text) {
            return Ok(Self { text: Cow::Borrowed(text), parts });
        }
        // The parser also takes `https:host` and leading spaces; those are mistakes, not absolute URLs.
        let is_absolute = ["http://", "https://"]
            .iter()
            .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        if !is_absolute {
            return Err(SignError::Invalid("is not an absolute http or https URL"));
        }
        let url = Url::parse(text).map_err(|_| SignError::Invalid("cannot be parsed"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(SignError::Invalid("has credentials"));
        }
        let at = |position| url[..position].len();
        let parts = Parts {
            host: at(Position::BeforeHost),
            path: at(Position::BeforePath),
            query: at(Position::AfterPath),
            fragment: at(Position::AfterQuery),
        };
        let same = url.as_str() == text;
        Ok(Self { text: if same { Cow::Borrowed(text) } else { Cow::Owned(url.into()) }, parts })
    }

    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `https://host`, or `https://host:port` where the port is not the scheme's own.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.part(0..self.parts.path)
    }

    /// `host`, or `host:port` where the port is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.part(self.parts.host..self.parts.path)
    }

    /// The path; begins with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.part(self.parts.path..self.parts.query)
    }

    /// The query, without its `?`; empty if there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        let query = self.part(self.parts.query..self.parts.fragment);
        query.strip_prefix('?').unwrap_or(query)
    }

    /// The fragment with its `#`; empty if there is none.
    #[must_use]
    pub fn fragment(&self) -> &str {
        self.part(self.parts.fragment..self.text.len())
    }

    /// Origin (`https://host:port`) and request target, byte for byte as given: for schemes that sign a URL as it stands.
    ///
    /// # Errors
    /// It has a fragment, which would never reach a verifier; or something that a client would write anew before it sends
    /// it (spaces, controls, non-ASCII, backslashes, dot segments; in the origin capitals and a scheme's own port).
    pub fn verbatim(&self) -> Result<(&'a str, &'a str), SignError> {
        if !self.fragment().is_empty() {
            return Err(SignError::Invalid("has a fragment"));
        }
        match self.text {
            Cow::Borrowed(text) => Ok(text.split_at(self.parts.path)),
            Cow::Owned(_) => {
                Err(SignError::Invalid("is not spelled as a client sends it: percent-encode it"))
            }
        }
    }

    fn part(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }
}

/// The parts of a URL that is surely written as the WHATWG URL writes it, has a host name and a path, and neither port nor
/// credentials nor fragment. Less than the WHATWG URL allows: what is not recognised here is left to its parser.
fn serialised(text: &str) -> Option<Parts> {
    let bytes = text.as_bytes();
    let host = ["https://", "http://"].iter().find(|scheme| text.starts_with(**scheme))?.len();
    let path = host + host_name(bytes.get(host..)?)?;
    let query = memchr::memchr(b'?', bytes.get(path..)?).map_or(bytes.len(), |at| path + at);
    let sound = all(bytes.get(path..query)?, |byte| is_plain(byte) | (byte == b'\''))
        && (query == bytes.len() || all(bytes.get(query..)?, |byte| is_plain(byte) | (byte == b'?')))
        && !has_dot_segment(text.get(path..query)?);
    sound.then_some(Parts { host, path, query, fragment: bytes.len() })
}

/// Whether all bytes are so. In blocks of which no byte is skipped: one instruction looks at all of a block.
fn all(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    let of_block = |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & is(*byte));
    // The last block overlaps the one before it.
    match bytes.last_chunk::<16>() {
        Some(last) => bytes.as_chunks::<16>().0.iter().chain([last]).all(|block| of_block(block)),
        None => of_block(bytes),
    }
}

/// Whether a byte stays as it is in a path and in a query: letters, digits, `-._~%/:@` and RFC 3986's sub-delims but `'`.
const fn is_plain(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `!` to `;` but for three of them: digits and most of the others.
    let is_low = (byte.wrapping_sub(b'!') <= b';' - b'!') & (byte != b'"') & (byte != b'#') & (byte != b'\'');
    is_letter | is_low | (byte == b'=') | (byte == b'@') | (byte == b'_') | (byte == b'~')
}

/// The length of the host name before the first slash, if it is one that stays as it is: in lower case, no punycode (`xn--`),
/// which would be checked, and nothing that is an IPv4 address or would be taken for one.
fn host_name(bytes: &[u8]) -> Option<usize> {
    // As if behind a dot: it begins with a label, which is not empty.
    let (mut before, mut label) = (b'.', b'.');
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => {}
            b'-' | b'.' if *byte != before => {}
            b'/' => return (before != b'.' && label.is_ascii_lowercase()).then_some(at),
            _ => return None,
        }
        if before == b'.' {
            label = *byte;
        }
        before = *byte;
    }
    None
}
