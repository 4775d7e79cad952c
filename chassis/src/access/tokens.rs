//! Bearer tokens: for development, and for callers that cannot have a certificate. Only their hashes stand in the
//! configuration.
//!
//! ```toml
//! [[tokens]]
//! caller = "dev"                 # 1 to 64 letters, digits, '.', '_' or '-'
//! sha256 = "9f86d081884c7d65..."   # of the token, which has at least 128 random bits: `openssl rand -hex 32`
//! ```

use std::sync::Arc;

use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{ANONYMOUS, Caller, UnknownToken};
use crate::config::Section;

/// Longest name of a token's caller, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The bearer tokens that are taken, by their hashes.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<[(Caller, [u8; 32])]>);

impl Tokens {
    /// Reads `[[tokens]]`.
    pub fn read(section: &mut Section) -> Self {
        let tokens = section.tables("tokens", |section| {
            let name: String = section.required("caller");
            let hash: String = section.required("sha256");
            let legal = (1..=MAX_NAME_BYTES).contains(&name.len())
                && name != ANONYMOUS
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            if !legal {
                section.error(
                    "caller",
                    "expected 1 to 64 letters, digits, '.', '_' or '-', and not \"anonymous\"",
                );
            }
            let mut bytes = [0; 32];
            if hex::decode_to_slice(&hash, &mut bytes).is_err() {
                section.error("sha256", "expected 64 hexadecimal digits");
            }
            (Caller::new(&name), bytes)
        });
        Self(tokens.into())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who a request's metadata says it is from. Where no token is configured, `authorization` means nothing here.
    pub(crate) fn identify(&self, headers: &HeaderMap) -> Result<Caller, UnknownToken> {
        if self.is_empty() {
            return Ok(Caller::anonymous());
        }
        let mut values = headers.get_all(AUTHORIZATION).into_iter();
        let Some(value) = values.next() else { return Ok(Caller::anonymous()) };
        let token = value.as_bytes().strip_prefix(b"Bearer ").ok_or(UnknownToken)?;
        if values.next().is_some() {
            return Err(UnknownToken);
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        let mut found = Err(UnknownToken);
        for (caller, known) in &*self.0 {
            // All are compared, and in constant time: not that a hash of the caller's choice would tell much.
            if hash.ct_eq(known).into() {
                found = Ok(caller.clone());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::config;

    fn tokens() -> Tokens {
        let hash = |token: &str| hex::encode(Sha256::digest(token));
        let text = format!(
            "[[tokens]]\ncaller = 'a'\nsha256 = '{}'\n[[tokens]]\ncaller = 'b'\nsha256 = '{}'",
            hash("fake-token-a"),
            hash("fake-token-b")
        );
        config::read(&text, Tokens::read).unwrap()
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let value = |text: &&str| (AUTHORIZATION, HeaderValue::from_str(text).unwrap());
        values.iter().map(value).collect()
    }

    #[test]
    fn a_token_names_its_caller() {
        let tokens = tokens();
        let name = |values: &[&str]| tokens.identify(&headers(values)).map(|caller| caller.to_string());
        assert_eq!(name(&["Bearer fake-token-a"]), Ok("a".to_owned()));
        assert_eq!(name(&["Bearer fake-token-b"]), Ok("b".to_owned()));
        assert_eq!(name(&[]), Ok(ANONYMOUS.to_owned()));
        for bad in [
            &["Bearer fake-token-c"][..],
            &["Bearer "],
            &["fake-token-a"],
            &["bearer fake-token-a"],
            &["Basic fake-token-a"],
            &["Bearer fake-token-a", "Bearer fake-token-b"],
        ] {
            assert_eq!(name(bad), Err(UnknownToken), "{bad:?}");
        }
        assert!(!format!("{tokens:?}").contains("fake-token"));
    }

    #[test]
    fn bad_tokens_are_not_configured() {
        for (text, path) in [
            ("[[tokens]]\ncaller = 'spiffe://x'\nsha256 = ''", "tokens[0].caller"),
            ("[[tokens]]\ncaller = 'anonymous'\nsha256 = ''", "tokens[0].caller"),
            ("[[tokens]]\ncaller = 'a'\nsha256 = 'abc'", "tokens[0].sha256"),
            ("[[tokens]]\ncaller = 'a'", "tokens[0].sha256"),
        ] {
            let errors = config::read(text, Tokens::read).unwrap_err().to_string();
            assert!(errors.contains(path), "{path}: {errors}");
        }
    }
}
