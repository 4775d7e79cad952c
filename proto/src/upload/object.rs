//! Objects that uploads become: their keys and their metadata.

use crate::delivery::template;

/// Media types that pictures are stored with, and the extension that `{ext}` stands for.
pub const TYPES: [(&str, &str); 6] = [
    ("image/avif", "avif"),
    ("image/gif", "gif"),
    ("image/heic", "heic"),
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/webp", "webp"),
];

/// The names that object keys are made of.
pub const KEY_NAMES: [&str; 4] = ["account", "id", "sha256", "ext"];

/// Most bytes of an object's user metadata, names and values, as S3 counts them.
pub const MAX_METADATA_BYTES: usize = 2048;

/// Names of the user metadata of objects. Each value is visible ASCII: [`encode`] makes it so.
pub mod metadata {
    /// Names the upload that wrote the object.
    pub const UPLOAD: &str = "x-amz-meta-upload";
    /// Lower-case hex SHA-256 of the object.
    pub const SHA256: &str = "x-amz-meta-sha256";
    /// `true` where the object is delivered by signed URLs only. Absent otherwise.
    pub const REQUIRE_SIGNED_URLS: &str = "x-amz-meta-require-signed-urls";
    /// The name that the file had, encoded. Absent where it had none.
    pub const FILENAME: &str = "x-amz-meta-filename";
    /// Who uploaded, encoded. Absent where that was not said.
    pub const CREATOR: &str = "x-amz-meta-creator";
    /// What the owner keeps beside the picture: a JSON object, encoded. Absent where there is none.
    pub const METADATA: &str = "x-amz-meta-metadata";
}

/// The extension of a media type.
#[must_use]
pub fn extension(content_type: &str) -> Option<&'static str> {
    TYPES.iter().find(|(known, _)| *known == content_type).map(|(_, extension)| *extension)
}

/// Whether keys can be made from a template: its names are [`KEY_NAMES`], and one of them tells pictures apart. `{account}` is
/// a part of its own between slashes: else account `a` and image `b-c` could be account `a-b` and image `c`.
#[must_use]
pub fn is_key_template(text: &str) -> bool {
    let is_apart = |part: &str| !part.contains("{account}") || part == "{account}";
    text.split('/').all(is_apart)
        && template::names(text).is_some_and(|names| {
            names.iter().all(|name| KEY_NAMES.contains(name))
                && names.iter().any(|name| ["id", "sha256"].contains(name))
        })
}

/// A text as a value of metadata: every byte that is not visible ASCII, and `%`, as `%XX`.
#[must_use]
pub fn encode(text: &str) -> String {
    const ESCAPED: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ').add(b'%');
    percent_encoding::utf8_percent_encode(text, ESCAPED).to_string()
}

/// The text of a value that [`encode`] made. `None` if it is none.
#[must_use]
pub fn decode(value: &str) -> Option<String> {
    template::decode(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_pictures_apart() {
        for text in ["{id}", "{account}/{id}.{ext}", "a/{sha256}", "u/{account}/{id}"] {
            assert!(is_key_template(text), "{text}");
        }
        for text in
            ["", "a", "{account}", "{ext}", "{id}/{key}", "{id", "id}", "{account}-{id}", "{id}/x{account}"]
        {
            assert!(!is_key_template(text), "{text}");
        }
    }

    #[test]
    fn any_text_is_a_value() {
        for (text, value) in [
            ("beach 1.jpg", "beach%201.jpg"),
            ("100%", "100%25"),
            ("写\r\n", "%E5%86%99%0D%0A"),
            ("{\"a\":1}", "{\"a\":1}"),
        ] {
            assert_eq!(encode(text), value);
            assert_eq!(decode(value).as_deref(), Some(text));
        }
    }
}
