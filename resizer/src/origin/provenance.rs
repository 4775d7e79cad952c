//! Where an object's bytes are from: for the log, when they turn out to be no picture.

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};

use super::{
    error::Cause,
    s3::refusal::{self, Refusal},
    text,
};

/// How much of the bytes is looked at to say what they are.
const HEAD: usize = 512;

/// Where an object's bytes are from. Its Debug shows no header: headers may authorize.
pub struct Provenance {
    cause: Cause,
    headers: HeaderMap,
    /// The request's headers: what they hold is not for the log.
    secrets: HeaderMap,
}

impl Provenance {
    pub(super) const fn new(cause: Cause, headers: HeaderMap, secrets: HeaderMap) -> Self {
        Self { cause, headers, secrets }
    }

    pub(super) fn into_cause(self) -> Cause {
        self.cause
    }

    /// Writes to the log why the object is no picture that can be used: to be called once, where that is answered. `reason`
    /// is what the caller is told, `error` why.
    pub fn log(&self, reason: &str, error: &str, bytes: &[u8], is_image: bool) {
        let header = |name: &HeaderName| {
            self.headers
                .get(name)
                .map(|value| text::shown(&String::from_utf8_lossy(value.as_bytes()), &self.secrets))
        };
        let first_bytes = if is_image { "image" } else { kind(bytes) };
        let document = if first_bytes == "xml" { bytes } else { b"" };
        let document = document.get(..refusal::MAX_BODY).unwrap_or(document);
        let refusal = Refusal::read(&self.headers, document, &self.secrets);
        let hint = match first_bytes {
            "html" => Some(
                "the origin sends a page in place of the object: compare its base with where the objects are",
            ),
            "xml" if refusal.code.is_some() => Some("the store sends an error document with HTTP 200"),
            "empty" => Some("the object has no bytes: upload it again"),
            _ => None,
        };
        let Cause { origin, host, address, status, .. } = &self.cause;
        tracing::info!(
            reason,
            origin,
            host,
            address,
            http.status = status,
            s3.code = refusal.code,
            s3.message = refusal.message,
            s3.request_id = refusal.request_id,
            error,
            content_type = header(&CONTENT_TYPE),
            content_encoding = header(&CONTENT_ENCODING),
            first_bytes,
            hint,
            "image.refused"
        );
    }
}

impl std::fmt::Debug for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provenance").field("origin", &self.cause.origin).finish_non_exhaustive()
    }
}

/// What the bytes look like, in a word.
fn kind(bytes: &[u8]) -> &'static str {
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    if head.is_empty() {
        return "empty";
    }
    let text = match str::from_utf8(head) {
        Ok(text) => text,
        // Cut in the middle of a character.
        Err(error) if error.error_len().is_none() => {
            head.get(..error.valid_up_to()).and_then(|head| str::from_utf8(head).ok()).unwrap_or_default()
        }
        Err(_) => return "unknown",
    };
    if text.is_empty() || text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return "unknown";
    }
    let text = text.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    if !text.starts_with('<') {
        "text"
    } else if text.starts_with("<!doctype html") || text.contains("<html") {
        "html"
    } else {
        "xml"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_in_a_word() {
        let long = format!("{}é", "a".repeat(HEAD - 1));
        for (bytes, word) in [
            (&b""[..], "empty"),
            (b"<!DOCTYPE HTML>\n<title>x", "html"),
            (b"\xef\xbb\xbf \n<!-- x --><HTML lang=en>", "html"),
            (b"<?xml version=\"1.0\"?><Error>", "xml"),
            (b"<svg xmlns=\"x\">", "xml"),
            (b"iVBORw0KGgoAAAANSUhEUg==", "text"),
            ("r\u{e9}sum\u{e9}\r\n\tx".as_bytes(), "text"),
            (long.as_bytes(), "text"),
            (b"\xfd7zXZ\x00", "unknown"),
            (b"\x00\x01", "unknown"),
            (b"\xff\xd8\xff", "unknown"),
            (b"\xc3", "unknown"),
        ] {
            assert_eq!(kind(bytes), word, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
