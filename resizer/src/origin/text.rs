//! Text of others in our log: short, on one line, and without what authorizes.

use reqwest::header::HeaderMap;

/// Most characters of one value.
const MAX_CHARS: usize = 300;
/// A part of a header as long as this may be a secret, or a piece of one.
const MIN_SECRET: usize = 6;
/// Longer than any word, codes of S3 among them: a signature has 64 digits.
const MAX_WORD: usize = 63;

/// The text as it may be logged. `secrets` are the headers of the request that it answers.
#[must_use]
pub fn shown(text: &str, secrets: &HeaderMap) -> String {
    let mut text: String =
        text.chars().take(MAX_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let values =
        secrets.values().filter(|value| value.is_sensitive()).filter_map(|value| value.to_str().ok());
    for part in values.flat_map(parts) {
        text = text.replace(part, "…");
    }
    let long: Vec<String> =
        text.split(is_between).filter(|word| word.len() > MAX_WORD).map(str::to_owned).collect();
    for word in long {
        text = text.replace(&word, "…");
    }
    text.trim().to_owned()
}

/// What of a header's value may be secret: its words, and of `name=value` the value. Names of headers are none.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'))
        .map(|word| match word.split_once('=') {
            Some((_, value)) if !value.trim_matches('=').is_empty() => value,
            _ => word,
        })
        .map(|part| part.trim_matches(['"', '=']))
        .filter(|part| part.len() >= MIN_SECRET && !part.starts_with("x-amz-"))
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | '=' | '\'' | '"' | '<' | '>' | '&' | '.' | ':' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_authorizes_is_not_shown() {
        let mut headers = HeaderMap::new();
        let mut secret: reqwest::header::HeaderValue = "Bearer hush-token".parse().unwrap();
        secret.set_sensitive(true);
        headers.insert("authorization", secret);
        headers.insert("x-request-id", "request-17".parse().unwrap());
        assert_eq!(shown("no: 'hush-token'\r\nof request-17", &headers), "no: '…'  of request-17");
        assert_eq!(shown(&format!("sig={} bad", "ab12".repeat(16)), &headers), "sig=… bad");
        assert_eq!(shown(&"a b ".repeat(500), &headers).chars().count(), MAX_CHARS - 1);
    }
}
