//! Bearer tokens: for development, and for callers that cannot have a certificate. Only their hashes stand in the
//! configuration.
//!
//! ```toml
//! [[tokens]]
//! caller = "dev"                 # 1 to 64 letters, digits, '.', '_' or '-'
//! sha256 = "9f86d081884c7d65..."   # of the token, which has at least 128 random bits: `openssl rand -hex 32`
//! ```

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{ANONYMOUS, Caller, Unidentified};
use crate::config::Section;

/// The scheme of `authorization`; case does not matter (RFC 9110, 11.1).
const SCHEME: &[u8] = b"Bearer";

/// Longest name of a token's caller, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The bearer tokens that are taken, by their hashes. A handle: clones share them, also when they are replaced.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<ArcSwap<Vec<Token>>>);

/// One of them.
#[derive(Debug)]
struct Token {
    caller: Caller,
    sha256: [u8; 32],
}

impl Tokens {
    /// Reads `[[tokens]]`.
    pub fn read(section: &mut Section) -> Self {
        let tokens = section.tables("tokens", |section| {
            let name: String = section.required("caller");
            let digits: String = section.required("sha256");
            let legal = (1..=MAX_NAME_BYTES).contains(&name.len())
                && name != ANONYMOUS
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            if !legal {
                section.error(
                    "caller",
                    "expected 1 to 64 letters, digits, '.', '_' or '-', and not \"anonymous\"",
                );
            }
            let mut sha256 = [0; 32];
            if hex::decode_to_slice(&digits, &mut sha256).is_err() {
                section.error("sha256", "expected 64 hexadecimal digits");
            } else if sha256 == hash(b"") {
                section.error("sha256", "is the hash of nothing: expected that of a token");
            }
            Token { caller: Caller::new(&name), sha256 }
        });
        Self(Arc::new(ArcSwap::from_pointee(tokens)))
    }

    /// Takes the tokens of another reading. The next call on any connection is known by them.
    pub fn replace(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }

    /// Who a request's metadata says it is from. Where no token is configured, `authorization` means nothing here.
    pub(crate) fn identify(&self, headers: &HeaderMap) -> Result<Caller, Unidentified> {
        let tokens = self.0.load();
        if tokens.is_empty() {
            return Ok(Caller::anonymous());
        }
        let mut values = headers.get_all(AUTHORIZATION).into_iter();
        let Some(value) = values.next() else { return Ok(Caller::anonymous()) };
        if values.next().is_some() {
            return Err(Unidentified::Repeated);
        }
        let shown = match value.as_bytes().split_at_checked(SCHEME.len()) {
            Some((scheme, [])) if scheme.eq_ignore_ascii_case(SCHEME) => &[],
            Some((scheme, [b' ', shown @ ..])) if scheme.eq_ignore_ascii_case(SCHEME) => shown,
            _ => return Err(Unidentified::Scheme),
        };
        if shown.is_empty() {
            return Err(Unidentified::Empty);
        }
        let hash = hash(shown);
        let mut found = Err(Unidentified::Unknown);
        for token in &**tokens {
            // All are compared, and in constant time: not that a hash of the caller's choice would tell much.
            if hash.ct_eq(&token.sha256).into() {
                found = Ok(token.caller.clone());
            }
        }
        found
    }
}

fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
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
        assert_eq!(name(&["bearer fake-token-a"]), Ok("a".to_owned()));
        assert_eq!(name(&["BEARER fake-token-a"]), Ok("a".to_owned()));
        for (bad, why) in [
            (&["Bearer fake-token-c"][..], Unidentified::Unknown),
            (&["Bearer Fake-token-a"], Unidentified::Unknown),
            (&["Bearer "], Unidentified::Empty),
            (&["Bearer"], Unidentified::Empty),
            (&[""], Unidentified::Scheme),
            (&["fake-token-a"], Unidentified::Scheme),
            (&["Bearerfake-token-a"], Unidentified::Scheme),
            (&["Basic fake-token-a"], Unidentified::Scheme),
            (&["Bearer fake-token-a", "Bearer fake-token-b"], Unidentified::Repeated),
            (&["Bearer fake-token-a", "Bearer fake-token-a"], Unidentified::Repeated),
        ] {
            assert_eq!(name(bad), Err(why), "{bad:?}");
        }
        assert!(!format!("{tokens:?}").contains("fake-token"));
    }

    #[test]
    fn tokens_are_replaced_for_everyone_who_holds_them() {
        let (tokens, none) = (tokens(), Tokens::default());
        let held = tokens.clone();
        let who = || held.identify(&headers(&["Bearer fake-token-a"])).map(|caller| caller.to_string());
        assert_eq!(who(), Ok("a".to_owned()));
        let text = format!("[[tokens]]\ncaller = 'new'\nsha256 = '{}'", hex::encode(hash(b"fake-token-n")));
        tokens.replace(&config::read(&text, Tokens::read).unwrap());
        assert_eq!(who(), Err(Unidentified::Unknown));
        tokens.replace(&none);
        assert_eq!(who(), Ok(ANONYMOUS.to_owned()));
    }

    #[test]
    fn bad_tokens_are_not_configured() {
        for (text, path) in [
            ("[[tokens]]\ncaller = 'spiffe://x'\nsha256 = ''", "tokens[0].caller"),
            ("[[tokens]]\ncaller = 'anonymous'\nsha256 = ''", "tokens[0].caller"),
            ("[[tokens]]\ncaller = 'a'\nsha256 = 'abc'", "tokens[0].sha256"),
            ("[[tokens]]\ncaller = 'a'", "tokens[0].sha256"),
            // Of the empty token, in either case.
            (
                "[[tokens]]\ncaller = 'a'\nsha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
                "tokens[0].sha256",
            ),
            (
                "[[tokens]]\ncaller = 'a'\nsha256 = 'E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855'",
                "tokens[0].sha256",
            ),
        ] {
            let errors = config::read(text, Tokens::read).unwrap_err().to_string();
            assert!(errors.contains(path), "{path}: {errors}");
        }
    }
}
