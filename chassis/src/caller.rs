//! Who calls, and whether they may.
//!
//! A caller is the first URI in its certificate (a SPIFFE ID, such as `spiffe://prod/ns/web/sa/backend`), or the name that the
//! configuration gives to a bearer token, or `anonymous`. Tokens are for development, and for callers that cannot have a
//! certificate; only their hashes stand in the configuration.
//!
//! ```toml
//! [[tokens]]
//! caller = "dev"                 # 1 to 64 letters, digits, '.', '_' or '-'
//! sha256 = "9f86d081884c7d65..."   # of the token, which has at least 128 random bits: `openssl rand -hex 32`
//! ```

use std::{fmt, sync::Arc};

use http::{Extensions, HeaderMap, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::Section;

/// Longest name of a token's caller, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The name of whoever shows neither certificate nor token.
pub const ANONYMOUS: &str = "anonymous";

/// Who calls; see [`Caller::of`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller(Arc<str>);

impl Caller {
    /// A caller of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Whoever shows nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::new(ANONYMOUS)
    }

    /// The caller of a request that a server let in.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        match extensions.get::<Identified>() {
            Some(Identified(Ok(caller))) => caller.clone(),
            _ => Self::anonymous(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Decides who may call what. Asked for every call but those of health and reflection, before its message is read.
pub trait Authorise: fmt::Debug + Send + Sync + 'static {
    /// Whether `caller` may call `method` (`/package.Service/Method`). What the handler needs to know of the grant
    /// may be put into `extensions`.
    fn authorise(&self, caller: &Caller, method: &str, extensions: &mut Extensions) -> bool;

    /// A call was refused because its bearer token is nobody's. For whoever keeps a record.
    fn unknown(&self, method: &str, extensions: &Extensions) {
        _ = (method, extensions);
    }
}

/// Who a call says it is from, or that its token is nobody's; in the extensions of every request.
#[derive(Clone, Debug)]
pub(crate) struct Identified(pub(crate) Result<Caller, UnknownToken>);

/// A bearer token that is not in the configuration, or not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownToken;

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
