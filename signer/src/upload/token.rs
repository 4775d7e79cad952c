//! A token, and the id that names it without its power.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Characters of a token: 32 bytes in base64url without padding.
pub const TOKEN_CHARACTERS: usize = 43;

/// 32 random bytes that let whoever has them upload one image. Neither kept nor shown, wiped on drop.
pub struct Token(Zeroizing<[u8; 32]>);

impl Token {
    /// A new one, from the system's generator.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// Reads a token's one spelling: 43 characters of base64url (RFC 4648, section 5), no padding, no stray bits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TOKEN_CHARACTERS {
            return None;
        }
        // `decode_slice` wants room for its estimate, which is a byte more.
        let mut buffer = Zeroizing::new([0; 33]);
        let length = URL_SAFE_NO_PAD.decode_slice(text, buffer.as_mut_slice()).ok()?;
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(buffer.get(..length).filter(|decoded| decoded.len() == 32)?);
        Some(Self(bytes))
    }

    /// The token as text, to be told to its owner and to nobody else.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> TokenId {
        TokenId(Sha256::digest(self.0.as_slice()).into())
    }
}

/// SHA-256 of a token: names it in the store and in logs, and cannot be redeemed.
///
/// A plain hash is enough: nobody can guess 256 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub [u8; 32]);

impl TokenId {
    /// Reads 64 digits of lower-case hexadecimal.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_spelling() {
        let token = Token(Zeroizing::new([0xff; 32]));
        let text = token.reveal();
        assert_eq!(text.as_str(), "__________________________________________8");
        assert_eq!(Token::parse(&text).unwrap().id(), token.id());
        for other in [
            "",
            "________________________________________8",
            "__________________________________________8=",
            "___________________________________________",
            "__________________________________________9",
            "//////////////////////////////////////////8",
            " _________________________________________8",
            "é_________________________________________",
        ] {
            assert!(Token::parse(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn the_id_is_the_hash() {
        let id = Token(Zeroizing::new([0; 32])).id();
        // printf '\0%.0s' {1..32} | sha256sum
        let text = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        assert_eq!(id.to_string(), text);
        assert_eq!(TokenId::parse(text), Some(id));
        for other in ["", &text[1..], &text.to_uppercase(), &format!("{text}00"), &text.replace('6', "g")] {
            assert_eq!(TokenId::parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn no_two_are_alike() {
        let (one, other) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), TOKEN_CHARACTERS);
    }
}
