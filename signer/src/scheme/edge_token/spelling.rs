//! How the vendors' SDKs write values.

use std::{borrow::Cow, fmt::Write};

use percent_encoding::percent_decode_str;

/// Which values are escaped, and how. Escapes have lower-case digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scheme) enum Spelling {
    /// Akamai: nothing is.
    Plain,
    /// Akamai's `escape_early`: all but the acl, as Python's `quote_plus` does it.
    Early,
    /// Cloudinary: the acl and the URL, some ASCII characters only.
    Cloudinary,
}

impl Spelling {
    /// A field's value as it is written.
    pub(super) fn write<'v>(self, field: &str, value: &'v str) -> Cow<'v, str> {
        match (self, field) {
            (Self::Early, "ip" | "id" | "data" | "url") => {
                escape(value, |c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.' | '-' | '~'), true)
            }
            (Self::Cloudinary, "acl" | "url") => {
                escape(value, |c| " \"#%&'/:;<=>?@[\\]^`{|}~".contains(c), false)
            }
            _ => value.into(),
        }
    }

    /// The value of what is written, if this is how it is written.
    pub(super) fn read<'v>(self, field: &str, written: &'v str) -> Option<Cow<'v, str>> {
        let value = match (self, field) {
            (Self::Early, "ip" | "id" | "data" | "url") => {
                Cow::Owned(percent_decode_str(&written.replace('+', " ")).decode_utf8().ok()?.into_owned())
            }
            (Self::Cloudinary, "acl" | "url") => percent_decode_str(written).decode_utf8().ok()?,
            _ => written.into(),
        };
        (self.write(field, &value) == written).then_some(value)
    }
}

fn escape(value: &str, escaped: impl Fn(char) -> bool, plus: bool) -> Cow<'_, str> {
    if !value.contains(&escaped) {
        return value.into();
    }
    let mut written = String::with_capacity(value.len() * 3);
    for c in value.chars() {
        if c == ' ' && plus {
            written.push('+');
        } else if escaped(c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String does not fail.
                let _ = write!(written, "%{byte:02x}");
            }
        } else {
            written.push(c);
        }
    }
    written.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_sdks_write() {
        let all = " \"#%&'/:;<=>?@[\\]^`{|}~!$()*+,-._é";
        // Python: quote_plus(all), its escapes in lower case.
        let early =
            "+%22%23%25%26%27%2f%3a%3b%3c%3d%3e%3f%40%5b%5c%5d%5e%60%7b%7c%7d~%21%24%28%29%2a%2b%2c-._%c3%a9";
        let cloudinary = "%20%22%23%25%26%27%2f%3a%3b%3c%3d%3e%3f%40%5b%5c%5d%5e%60%7b%7c%7d%7e!$()*+,-._é";
        for field in ["url", "acl", "ip", "id", "data"] {
            let akamai = if field == "acl" { all } else { early };
            let other = if matches!(field, "acl" | "url") { cloudinary } else { all };
            for (spelling, written) in
                [(Spelling::Plain, all), (Spelling::Early, akamai), (Spelling::Cloudinary, other)]
            {
                assert_eq!(spelling.write(field, all), written);
                assert_eq!(spelling.read(field, written).as_deref(), Some(all));
            }
        }
    }

    #[test]
    fn pitfall_05_a_value_has_one_spelling() {
        for (spelling, field, written) in [
            (Spelling::Early, "id", "%20"),
            (Spelling::Early, "id", "%2F"),
            (Spelling::Early, "id", "/"),
            (Spelling::Early, "id", "%41"),
            (Spelling::Early, "id", "%ff"),
            (Spelling::Cloudinary, "acl", "/"),
            (Spelling::Cloudinary, "acl", "%2F"),
            (Spelling::Cloudinary, "acl", "%21"),
            (Spelling::Cloudinary, "acl", "%"),
        ] {
            assert_eq!(spelling.read(field, written), None, "{written}");
        }
    }
}
