//! The token of Akamai's EdgeAuth, which Cloudinary's auth token is too.
//!
//! ```text
//! token   = fields "~hmac=" lower-hex(HMAC(key, message))
//! fields  = ["ip=" I "~"] ["st=" S "~"] "exp=" E ["~acl=" A] ["~id=" …] ["~data=" …]         in this order
//! message = fields ["~url=" U] ["~salt=" …]                                                  U where there is no acl
//! A       = patterns joined by "!", for the path: `*` stands for any text, `?` for one character
//! ```
//!
//! It travels in a query parameter or in a cookie of the same name.
//!
//! # Policy
//! Neither vendor documents a verifier; this is ours:
//! - The fields have the order above, each at most once and none empty; there are no others.
//! - No value holds a `~`, no pattern a `!`: unescaped, `/a~exp=9999999999` would be a second expiry. What does is not
//!   signed, and a token in which they do something is malformed. With that, no two sets of fields have one message.
//! - U is the request target as received without the token: path **and query**. With an `acl` it is the path that must
//!   fit, and the query is **not signed**.
//! - The versions of a key share its settings: name, algorithm and spelling are the first one's.
//!
//! # Layout
//! - `spelling`: how values are escaped
//! - `sign`, `verify`

mod sign;
mod spelling;
mod verify;

use hmac::{Hmac, KeyInit};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

pub(super) use sign::sign;
pub(super) use spelling::Spelling;
pub(super) use verify::verify;

use super::{Tag, material::KeyFormatError};

/// The fields before the MAC, in their order.
const FIELDS: [&str; 6] = ["ip", "st", "exp", "acl", "id", "data"];

/// A key and what its tokens look like. Wiped on drop; has neither `Debug` nor `Clone`.
pub(super) struct TokenKey {
    /// The parameter's or cookie's name.
    name: Box<str>,
    mac: Mac,
    spelling: Spelling,
    salt: Option<Zeroizing<String>>,
}

/// An HMAC key schedule.
pub(super) enum Mac {
    Sha256(Hmac<Sha256>),
    Sha1(Hmac<Sha1>),
    Md5(Hmac<Md5>),
}

impl Mac {
    pub(super) fn sha256(key: &[u8]) -> Self {
        Self::Sha256(prepare(key))
    }

    pub(super) fn sha1(key: &[u8]) -> Self {
        Self::Sha1(prepare(key))
    }

    pub(super) fn md5(key: &[u8]) -> Self {
        Self::Md5(prepare(key))
    }

    /// Bytes of a MAC.
    const fn bytes(&self) -> usize {
        match self {
            Self::Sha256(_) => 32,
            Self::Sha1(_) => 20,
            Self::Md5(_) => 16,
        }
    }

    fn of(&self, message: &str) -> Tag {
        match self {
            Self::Sha256(mac) => Tag::of_mac(mac, [message]),
            Self::Sha1(mac) => Tag::of_mac(mac, [message]),
            Self::Md5(mac) => Tag::of_mac(mac, [message]),
        }
    }
}

fn prepare<M: KeyInit>(key: &[u8]) -> M {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
    M::new_from_slice(key).expect("HMAC takes keys of any length")
}

impl TokenKey {
    pub(super) fn new(
        name: &str,
        mac: Mac,
        spelling: Spelling,
        salt: Option<&str>,
    ) -> Result<Self, KeyFormatError> {
        let known = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if name.is_empty() || name.len() > 64 || !known {
            return Err(KeyFormatError("expected a token name of at most 64 letters, digits, - and _"));
        }
        if salt == Some("") {
            return Err(KeyFormatError("expected a salt that is not empty"));
        }
        let salt = salt.map(|salt| Zeroizing::new(salt.to_owned()));
        Ok(Self { name: name.into(), mac, spelling, salt })
    }

    pub(super) const fn is_legacy(&self) -> bool {
        !matches!(self.mac, Mac::Sha256(_))
    }

    /// The MAC of some fields and, where there is no acl, of the URL.
    fn mac(&self, fields: &str, url: Option<&str>) -> Tag {
        let mut message = Zeroizing::new(String::from(fields));
        if let Some(url) = url {
            message.push_str("~url=");
            message.push_str(&self.spelling.write("url", url));
        }
        if let Some(salt) = &self.salt {
            message.push_str("~salt=");
            message.push_str(salt);
        }
        self.mac.of(&message)
    }
}

/// The MAC of any fields, for tests that forge tokens.
#[cfg(test)]
pub(super) fn mac(key: &TokenKey, fields: &str, url: Option<&str>) -> Tag {
    key.mac(fields, url)
}
