//! Patterns of the vendors' access lists: `*` for any text, `?` for one character.

/// Whether the whole text fits.
///
/// Takes at most (length of the pattern) × (length of the text) steps; patterns are authentic when they are tried.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Behind the last `*`, and where the text went on after what that `*` stood for.
    let mut retry = None;
    loop {
        let mut ahead = pattern.clone();
        let mut read = text.clone();
        match (ahead.next(), read.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((ahead.clone(), text.clone()));
                pattern = ahead;
                continue;
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                (pattern, text) = (ahead, read);
                continue;
            }
            _ => {}
        }
        // The `*` takes one character more.
        let Some((behind, mut from)) = retry else { return false };
        if from.next().is_none() {
            return false;
        }
        retry = Some((behind.clone(), from.clone()));
        (pattern, text) = (behind, from);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "/a/b"),
            ("/a/*", "/a/"),
            ("/a/*", "/a/b/c"),
            ("/?", "/é"),
            ("/??r??", "/world"),
            ("*.jpg", "/a.jpg.jpg"),
            ("/*/t_foobar", "/a/b/t_foobar"),
            ("/*a*b*c", "/xaybzaabbc"),
            ("/**?", "/a"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "/"),
            ("?", ""),
            ("/a/*", "/a"),
            ("/a", "/a/"),
            ("/A", "/a"),
            ("/*a", "/ab"),
            ("/?", "/"),
            ("/?", "/ab"),
            ("/*a*b*c", "/xbyacz"),
            ("/\\*", "/*"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        // Time is the product of the lengths, not exponential.
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
        assert!(!matches(&format!("{}b", "*a".repeat(100)), &"a".repeat(1000)));
    }

    /// The plain definition, which takes exponential time.
    fn defined(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| defined(rest, &text[taken..])),
            ([b'?', rest @ ..], [_, after @ ..]) => defined(rest, after),
            ([wanted, rest @ ..], [found, after @ ..]) => wanted == found && defined(rest, after),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn as_defined(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &text), defined(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
