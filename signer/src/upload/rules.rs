//! What a token may be made for.

use super::{
    State,
    image_id::{self, ImageIdError},
    record::{Details, Record},
};

/// Shortest life of a token, in seconds.
pub const MIN_TTL: u64 = 120;
/// Longest life of a token, in seconds.
pub const MAX_TTL: u64 = 6 * 3600;
/// Life of a token that was asked for without an expiry, in seconds.
pub const DEFAULT_TTL: u64 = 1800;

/// Shortest lease of a reservation, in seconds.
pub const MIN_LEASE: u64 = 1;
/// Longest lease of a reservation, in seconds.
pub const MAX_LEASE: u64 = 15 * 60;
/// Lease of a reservation that was asked for without one, in seconds.
pub const DEFAULT_LEASE: u64 = 5 * 60;

/// Longest account and request id, in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// Longest creator, in bytes.
pub const MAX_CREATOR_BYTES: usize = 1024;
/// Largest metadata, in bytes.
pub const MAX_METADATA_BYTES: usize = 4096;
/// Most content types.
pub const MAX_CONTENT_TYPES: usize = 16;
/// Longest content type, in bytes.
pub const MAX_CONTENT_TYPE_BYTES: usize = 100;

/// What a caller wants of a new token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The tenant.
    pub account: String,
    /// When it is to expire.
    pub expiry: Expiry,
    /// The rest; an empty `image_id` asks for a generated one, and `created` is overwritten.
    pub details: Details,
}

/// When a token is to expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// After [`DEFAULT_TTL`].
    #[default]
    Default,
    /// At this moment, in Unix seconds.
    At(i64),
    /// After so many seconds.
    In(i64),
}

/// Why no token is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The account is not a name.
    #[error("expected 1 to 128 visible ASCII characters")]
    Account,
    /// The expiry is too near or too far away.
    #[error("expected 120 to 21600 s from now")]
    Expiry,
    /// The image id is none.
    #[error(transparent)]
    ImageId(#[from] ImageIdError),
    /// The image id looks like a generated one.
    #[error("an image id of your own must not be a UUID")]
    ImageIdIsUuid,
    /// An image id of the caller's choice, and private.
    #[error("an image with an id of your own cannot require signed URLs")]
    CustomIdCannotBePrivate,
    /// The creator is too long, or holds control characters.
    #[error("expected at most 1024 bytes without control characters")]
    Creator,
    /// The metadata is too large.
    #[error("expected at most 4096 bytes")]
    Metadata,
    /// Too many content types.
    #[error("expected at most 16")]
    ContentTypes,
    /// A content type is none; its index.
    #[error("expected type/subtype or type/*, in lower case, without parameters, at most 100 bytes")]
    ContentType(usize),
}

/// The record of a new token, all but a generated image id.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn record(wish: Wish, private_custom_ids: bool, now: u64) -> Result<Record, Invalid> {
    let Wish { account, expiry, mut details } = wish;
    if account.is_empty() || !is_name(&account) {
        return Err(Invalid::Account);
    }
    let expires = expires(expiry, now).ok_or(Invalid::Expiry)?;
    if !details.image_id.is_empty() {
        image_id::check(&details.image_id)?;
        if image_id::is_uuid(&details.image_id) {
            return Err(Invalid::ImageIdIsUuid);
        }
        if details.require_signed_urls && !private_custom_ids {
            return Err(Invalid::CustomIdCannotBePrivate);
        }
    }
    check_notes(&details.creator, &details.metadata)?;
    if details.allowed_content_types.len() > MAX_CONTENT_TYPES {
        return Err(Invalid::ContentTypes);
    }
    if let Some(index) = details.allowed_content_types.iter().position(|text| !is_content_type(text)) {
        return Err(Invalid::ContentType(index));
    }
    details.created = now;
    Ok(Record { account, expires, state: State::Pending, details })
}

/// A lease in seconds; `None` where what was asked is out of range.
#[must_use]
pub fn lease(asked: Option<i64>) -> Option<u64> {
    let lease = asked.map_or(Some(DEFAULT_LEASE), |asked| u64::try_from(asked).ok())?;
    (MIN_LEASE..=MAX_LEASE).contains(&lease).then_some(lease)
}

/// Whether a text may name a tenant or a request, or is empty.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Checks what is kept beside an image.
///
/// # Errors
/// [`Invalid::Creator`] or [`Invalid::Metadata`].
pub fn check_notes(creator: &str, metadata: &[u8]) -> Result<(), Invalid> {
    if creator.len() > MAX_CREATOR_BYTES || creator.contains(char::is_control) {
        return Err(Invalid::Creator);
    }
    if metadata.len() > MAX_METADATA_BYTES {
        return Err(Invalid::Metadata);
    }
    Ok(())
}

fn expires(expiry: Expiry, now: u64) -> Option<u64> {
    let expires = match expiry {
        Expiry::Default => now.checked_add(DEFAULT_TTL)?,
        Expiry::At(time) => u64::try_from(time).ok()?,
        Expiry::In(ttl) => now.checked_add(u64::try_from(ttl).ok()?)?,
    };
    let ttl = expires.checked_sub(now)?;
    (MIN_TTL..=MAX_TTL).contains(&ttl).then_some(expires)
}

/// `type/subtype` of RFC 9110's tokens in lower case, or `type/*`.
#[must_use]
pub fn is_content_type(text: &str) -> bool {
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'+-.^_`|~".contains(&b))
    };
    text.len() <= MAX_CONTENT_TYPE_BYTES
        && text
            .split_once('/')
            .is_some_and(|(kind, subtype)| token(kind) && (subtype == "*" || token(subtype)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn checked(change: impl FnOnce(&mut Wish)) -> Result<Record, Invalid> {
        let mut wish = Wish { account: "acme".to_owned(), ..Wish::default() };
        change(&mut wish);
        record(wish, false, NOW)
    }

    #[test]
    fn expiries() {
        for (expiry, expires) in [
            (Expiry::Default, NOW + 1800),
            (Expiry::In(120), NOW + 120),
            (Expiry::In(21_600), NOW + 21_600),
            (Expiry::At(1_700_000_120), NOW + 120),
        ] {
            assert_eq!(checked(|wish| wish.expiry = expiry).unwrap().expires, expires);
        }
        for expiry in [
            Expiry::In(119),
            Expiry::In(21_601),
            Expiry::In(-1),
            Expiry::In(i64::MAX),
            Expiry::At(0),
            Expiry::At(-5),
            Expiry::At(i64::MIN),
            Expiry::At(i64::MAX),
            Expiry::At(1_700_000_119),
        ] {
            assert_eq!(checked(|wish| wish.expiry = expiry), Err(Invalid::Expiry), "{expiry:?}");
        }
    }

    #[test]
    fn image_ids() {
        let id = |id: &str| checked(|wish| wish.details.image_id = id.to_owned()).map(|_| ());
        for good in ["", "a", "a/b/c", "a b", "...", ".a", "%2e%2e", "日本/😍", &"😍".repeat(1024)] {
            assert_eq!(id(good), Ok(()), "{good:?}");
        }
        for bad in ["/", "/a", "a/", "a//b", ".", "..", "a/../b", "a\\b", "a\0", "a\nb", "a\u{85}"] {
            assert_eq!(id(bad), Err(Invalid::ImageId(ImageIdError::Invalid)), "{bad:?}");
        }
        for uuid in ["083eb7b2-5392-4565-b69e-aff66acddd00", "083EB7B2-5392-4565-B69E-AFF66ACDDD00"] {
            assert_eq!(id(uuid), Err(Invalid::ImageIdIsUuid), "{uuid}");
        }
        assert_eq!(id("083eb7b2-5392-4565-b69e-aff66acddd0g"), Ok(()));
        for long in ["a".repeat(1025), "é".repeat(1025), "a".repeat(1 << 20)] {
            assert_eq!(id(&long), Err(Invalid::ImageId(ImageIdError::TooLong)));
        }
    }

    #[test]
    fn private_custom_ids_are_an_option() {
        let wish = |image_id: &str| Wish {
            account: "acme".to_owned(),
            details: Details {
                image_id: image_id.to_owned(),
                require_signed_urls: true,
                ..Details::default()
            },
            ..Wish::default()
        };
        assert_eq!(record(wish("a"), false, NOW), Err(Invalid::CustomIdCannotBePrivate));
        assert!(record(wish("a"), true, NOW).is_ok());
        assert!(record(wish(""), false, NOW).is_ok());
    }

    #[test]
    fn the_rest_is_bounded() {
        let long = "x".repeat(129);
        for account in ["", "a b", "é", "a\0", &long] {
            assert_eq!(checked(|wish| wish.account = account.to_owned()), Err(Invalid::Account));
        }
        for creator in ["a\nb", "\0", &"x".repeat(1025)] {
            assert_eq!(checked(|wish| wish.details.creator = creator.to_owned()), Err(Invalid::Creator));
        }
        assert!(checked(|wish| wish.details.metadata = vec![0; 4096]).is_ok());
        assert_eq!(checked(|wish| wish.details.metadata = vec![0; 4097]), Err(Invalid::Metadata));
    }

    #[test]
    fn content_types() {
        let types = |types: &[&str]| {
            let types = types.iter().map(|text| (*text).to_owned()).collect();
            checked(|wish| wish.details.allowed_content_types = types).map(|_| ())
        };
        assert_eq!(types(&["image/jpeg", "image/*", "image/svg+xml", "image/vnd.x-1"]), Ok(()));
        for bad in [
            "",
            "image",
            "image/",
            "/jpeg",
            "*/*",
            "*",
            "Image/jpeg",
            "image/jpeg;q=1",
            "image/a b",
            "a/b/c",
            "image/é",
        ] {
            assert_eq!(types(&["image/png", bad]), Err(Invalid::ContentType(1)), "{bad:?}");
        }
        assert_eq!(types(&[&format!("image/{}", "x".repeat(95))]), Err(Invalid::ContentType(0)));
        assert_eq!(types(&["image/png"; 16]), Ok(()));
        assert_eq!(types(&["image/png"; 17]), Err(Invalid::ContentTypes));
    }
}
