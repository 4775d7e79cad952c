//! A request target, split at its signature.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::scheme::{
    strict::{self, has_dot_segment},
    url::{Policy, Refusal},
};

/// What the segment after the cloud name, or the first one of a private CDN, may be.
const RESOURCE_TYPES: [&str; 3] = ["image", "video", "raw"];

/// A signature, by its length.
pub(super) enum Signature {
    /// 8 characters.
    Short([u8; 6]),
    /// 32 characters.
    Long([u8; 24]),
}

/// A request target whose form is beyond doubt. Nothing in it is authentic yet.
pub(super) struct Target<'t> {
    pub(super) signature: Signature,
    /// Everything after the signature and its slash, without the query.
    pub(super) rest: &'t str,
}

impl<'t> Target<'t> {
    pub(super) fn parse(target: &'t str, policy: &Policy) -> Result<Self, Refusal> {
        if target.len() > policy.max_target_bytes {
            return Err(Refusal::InputTooLong);
        }
        let (path, _) = target.split_once('?').unwrap_or((target, ""));
        if has_dot_segment(path) {
            return Err(Refusal::AmbiguousPath);
        }
        let (_, rest) = split(path).ok_or(Refusal::SignatureMissing)?;
        let rest = rest.strip_prefix("s--").ok_or(Refusal::SignatureMissing)?;
        // By length: a signature may itself hold dashes, at its ends as well.
        let (segment, rest) = rest.split_once('/').ok_or(Refusal::SignatureMalformed)?;
        let text = segment.strip_suffix("--").ok_or(Refusal::SignatureMalformed)?;
        let signature = match text.len() {
            8 => strict::base64(&URL_SAFE_NO_PAD, text).map(Signature::Short),
            32 => strict::base64(&URL_SAFE_NO_PAD, text).map(Signature::Long),
            _ => None,
        }
        .ok_or(Refusal::SignatureMalformed)?;
        Ok(Self { signature, rest })
    }
}

/// Splits a path after `/cloud_name/resource_type/type/`, or after `/resource_type/type/` of a private CDN.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let mut segments = path.strip_prefix('/')?.splitn(4, '/');
    let first = segments.next()?;
    let second = segments.next()?;
    let third = segments.next()?;
    let is_type = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let prefix = if RESOURCE_TYPES.contains(&second) && is_type(third) {
        segments.next()?;
        first.len() + second.len() + third.len() + 4
    } else if RESOURCE_TYPES.contains(&first) && is_type(second) {
        first.len() + second.len() + 3
    } else {
        return None;
    };
    path.split_at_checked(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for (path, parts) in [
            ("/demo/image/upload/a.jpg", Some(("/demo/image/upload/", "a.jpg"))),
            ("/image/upload/a.jpg", Some(("/image/upload/", "a.jpg"))),
            ("/image/image/upload/a", Some(("/image/image/upload/", "a"))),
            ("/raw/authenticated/image/upload/a", Some(("/raw/authenticated/", "image/upload/a"))),
            ("/demo/video/fetch/http://h//a", Some(("/demo/video/fetch/", "http://h//a"))),
            ("/demo/image/upload/", Some(("/demo/image/upload/", ""))),
            ("/demo/image/upload", None),
            ("/demo/images/upload/a", None),
            ("/demo/image//a", None),
            ("demo/image/upload/a", None),
            ("/", None),
        ] {
            assert_eq!(split(path), parts, "{path}");
        }
    }
}
