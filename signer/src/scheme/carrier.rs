//! How signatures travel: in reserved parameters of the query, or in cookies.
//!
//! A target that has one of the reserved parameters is judged by them alone, whatever cookies come with it: browsers
//! send cookies along with every URL, and CloudFront documents it so.

use super::{
    strict::{has_dot_segment, spells},
    trailing::pairs,
    url::{Policy, Presented, Refusal, SignError, Signed, UrlScheme, Wanted},
};

/// A request target, and the reserved parameters that were in it. Nothing in it is authentic yet.
#[derive(Debug, PartialEq)]
pub(super) struct Taken<'t, const N: usize> {
    /// The target without them and without the `&` or `?` before each: what the client asks for.
    pub(super) rest: String,
    /// Their values, undecoded.
    pub(super) values: [Option<&'t str>; N],
}

impl<const N: usize> Taken<'_, N> {
    /// Whether the target has any of them.
    pub(super) fn any(&self) -> bool {
        self.values.iter().any(Option::is_some)
    }
}

/// Takes the parameters `names` out of a target.
///
/// # Errors
/// It is too long or ambiguous, or one of them occurs twice or is written with escapes.
pub(super) fn take<'t, const N: usize>(
    target: &'t str,
    names: [&str; N],
    policy: &Policy,
) -> Result<Taken<'t, N>, Refusal> {
    if target.len() > policy.max_target_bytes {
        return Err(Refusal::InputTooLong);
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if has_dot_segment(path) {
        return Err(Refusal::AmbiguousPath);
    }
    let mut rest = String::with_capacity(target.len());
    rest.push_str(path);
    let mut values = [None; N];
    let (mut duplicate, mut aliased, mut separator) = (false, false, '?');
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let reserved =
            names.iter().zip(&mut values).find_map(|(wanted, slot)| Some((spells(name, wanted)?, slot)));
        if let Some((literal, slot)) = reserved {
            duplicate |= slot.replace(value).is_some();
            aliased |= !literal;
        } else {
            rest.push(separator);
            rest.push_str(pair);
            separator = '&';
        }
    }
    if duplicate {
        Err(Refusal::DuplicateParameter)
    } else if aliased {
        Err(Refusal::SignatureMalformed)
    } else {
        Ok(Taken { rest, values })
    }
}

/// The values of the cookies `names`.
///
/// # Errors
/// One of them occurs twice, or they are longer than a target may be.
pub(super) fn cookies<'c, const N: usize>(
    header: &'c str,
    names: [&str; N],
    policy: &Policy,
) -> Result<[Option<&'c str>; N], Refusal> {
    let mut values = [None; N];
    for pair in header.split(';') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let slot =
            names.iter().zip(&mut values).find_map(|(wanted, slot)| (name.trim() == *wanted).then_some(slot));
        if slot.is_some_and(|slot| slot.replace(value.trim()).is_some()) {
            return Err(Refusal::DuplicateParameter);
        }
    }
    let bytes: usize = values.iter().flatten().map(|value| value.len()).sum();
    if bytes > policy.max_target_bytes { Err(Refusal::InputTooLong) } else { Ok(values) }
}

/// Refuses a target that already has one of the parameters.
///
/// # Errors
/// It has, literally or with escapes.
pub(super) fn without_reserved(target: &str, names: &[&'static str]) -> Result<(), SignError> {
    let (_, query) = target.split_once('?').unwrap_or_default();
    for (name, _) in pairs(query) {
        if let Some(reserved) = names.iter().find(|reserved| spells(name, reserved).is_some()) {
            return Err(SignError::Reserved(reserved));
        }
    }
    Ok(())
}

/// What was signed, if its key verifies it for the URL that was asked for: what would not verify is not handed out.
///
/// # Errors
/// It does not.
pub(super) fn checked<K: UrlScheme>(
    key: &K,
    policy: &Policy,
    wanted: &Wanted<'_>,
    signed: Signed,
) -> Result<Signed, SignError> {
    let (origin, asked) = wanted.url.verbatim()?;
    if wanted.starts.is_some_and(|starts| wanted.expires.is_none_or(|expires| starts >= expires)) {
        return Err(SignError::Unsupported("start_time", "is not before the expiry"));
    }
    let cookies: Vec<_> = signed.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let presented = Presented {
        target: signed.url.get(origin.len()..).unwrap_or_default(),
        origin: Some(origin),
        client: wanted.client.map(|network| network.addr()),
        cookies: &cookies.join("; "),
        now: wanted.starts.unwrap_or(0),
    };
    match K::verify([key], policy, &presented) {
        Ok(verified) if verified.expires == wanted.expires && verified.authenticated_target == asked => {
            Ok(signed)
        }
        Err(Refusal::InputTooLong) => Err(SignError::TooLong),
        Err(Refusal::ResourceMismatch) => Err(SignError::Unsupported("scope", "does not cover the URL")),
        _ => Err(SignError::Invalid("would not verify")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { require_expiry: true, clock_skew: 0, max_target_bytes: 20 };

    #[test]
    fn parameters_are_taken_out_wherever_they_stand() {
        for (target, rest, values) in [
            ("/p", "/p", [None, None]),
            ("/p?", "/p?", [None, None]),
            ("/p?a", "/p", [Some(""), None]),
            ("/p?a=1&b=2", "/p", [Some("1"), Some("2")]),
            ("/p?&a=1", "/p?", [Some("1"), None]),
            ("/p?a=1&", "/p?", [Some("1"), None]),
            ("/p?x&a=1&y&b==&z", "/p?x&y&z", [Some("1"), Some("=")]),
            ("/p??a=1&A=2&b=3", "/p??a=1&A=2", [None, Some("3")]),
        ] {
            assert_eq!(
                take(target, ["a", "b"], &POLICY),
                Ok(Taken { rest: rest.to_owned(), values }),
                "{target}"
            );
        }
    }

    #[test]
    fn pitfall_02_duplicates_and_aliases_of_reserved_names() {
        for (target, refusal) in [
            ("/p?a=1&a=1", Refusal::DuplicateParameter),
            ("/p?a=1&%61=1", Refusal::DuplicateParameter),
            ("/p?%61=1", Refusal::SignatureMalformed),
            ("/../p?a=1", Refusal::AmbiguousPath),
            ("/ppppppppppppppppp?a=1", Refusal::InputTooLong),
        ] {
            assert_eq!(take(target, ["a", "b"], &POLICY), Err(refusal), "{target}");
        }
        for reserved in ["/p?a=1", "/p?x&a", "/p?%61=1"] {
            assert_eq!(without_reserved(reserved, &["a"]), Err(SignError::Reserved("a")), "{reserved}");
        }
        assert_eq!(without_reserved("/a?A=1&b=a", &["a"]), Ok(()));
    }

    #[test]
    fn cookies_are_found_among_others() {
        assert_eq!(cookies("x=1; a=1=2;b=; c", ["a", "b"], &POLICY), Ok([Some("1=2"), Some("")]));
        assert_eq!(cookies("", ["a", "b"], &POLICY), Ok([None, None]));
        assert_eq!(cookies("a=1; a=1", ["a"], &POLICY), Err(Refusal::DuplicateParameter));
        assert_eq!(cookies("a=111111111111111111111", ["a"], &POLICY), Err(Refusal::InputTooLong));
        assert_eq!(cookies("x=111111111111111111111; a=1", ["a"], &POLICY), Ok([Some("1")]));
    }
}
