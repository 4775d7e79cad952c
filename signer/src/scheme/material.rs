//! How keys are written: text, hexadecimal, base64.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// A key, or a setting beside it, that a scheme cannot use. Says why, never what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyFormatError(pub(super) &'static str);

/// Text, used as it is.
///
/// # Errors
/// It is empty: an empty key would make signatures that anyone can make.
pub(super) fn text(secret: &[u8]) -> Result<&[u8], KeyFormatError> {
    if secret.is_empty() { Err(KeyFormatError("expected a key, found nothing")) } else { Ok(secret) }
}

/// Hexadecimal in any case.
///
/// # Errors
/// It is not, or it is empty.
pub(super) fn hexadecimal(secret: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFormatError> {
    let mut bytes = Zeroizing::new(vec![0; text(secret)?.len() / 2]);
    hex::decode_to_slice(secret, &mut bytes)
        .map_err(|_| KeyFormatError("expected an even number of hexadecimal digits"))?;
    Ok(bytes)
}

/// Base64 of the standard alphabet, padded.
///
/// # Errors
/// It is not, or it is empty.
pub(super) fn base64(secret: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFormatError> {
    let mut bytes = Zeroizing::new(vec![0; text(secret)?.len()]);
    let length = STANDARD
        .decode_slice(secret, &mut bytes)
        .map_err(|_| KeyFormatError("expected base64 of the standard alphabet, with padding"))?;
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_or_refused() {
        assert_eq!(hexadecimal(b"0aFF").unwrap().as_slice(), [10, 255]);
        assert_eq!(base64(b"+/+/AA==").unwrap().as_slice(), [251, 255, 191, 0]);
        assert_eq!(text(b" k").unwrap(), b" k");
        for bad in [&b""[..], b"0", b"0g", b"0a ", b"\xff"] {
            assert!(hexadecimal(bad).is_err());
        }
        for bad in [&b""[..], b"AA", b"-_-_AA==", b"+/+/AB==", b"AAAA\n", b"\xff"] {
            assert!(base64(bad).is_err());
        }
        assert!(text(b"").is_err());
    }
}
