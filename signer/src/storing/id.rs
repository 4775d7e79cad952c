//! Ids that follow from what lets a file be stored, and from the file.

use safelight_proto::digest;

use crate::upload::image_id;

/// Characters of an id that nothing was said of; Cloudinary's have as many.
const RANDOM_CHARACTERS: usize = 20;

/// Characters that tell files of one name apart. Cloudinary's are six, made anew each time; these stay the same when a request
/// is repeated, so no two files may share them.
const UNIQUE_CHARACTERS: usize = 12;

/// The id of a file that a form says no id for.
#[must_use]
pub fn of_form(signature: &str, sha256: &str) -> String {
    characters(signature, sha256, RANDOM_CHARACTERS)
}

/// The id that a form makes of a file's name: without its extension, every other character than letters, digits, `-`, `_` and
/// `.` as `_`, and none of `_`, `-` and `.` at either end. `file` where nothing is left.
#[must_use]
pub fn of_filename(filename: &str) -> String {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem });
    let kept = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let id: String = stem.chars().map(kept).collect();
    match id.trim_matches(['_', '-', '.']) {
        "" => "file".to_owned(),
        id => id.to_owned(),
    }
}

/// The same, told apart from files of the same name.
#[must_use]
pub fn of_unique_filename(filename: &str, signature: &str, sha256: &str) -> String {
    format!("{}_{}", of_filename(filename), characters(signature, sha256, UNIQUE_CHARACTERS))
}

/// The id of a file that a caller stores by its grant.
#[must_use]
pub fn of_grant(account: &str, request_id: &str, sha256: &str) -> String {
    image_id::uuid(bits(["safelight image id of a grant", account, request_id, sha256]), 8)
}

fn characters(signature: &str, sha256: &str, count: usize) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut rest = bits(["safelight image id of a form", signature, sha256]);
    let mut next = || {
        let (at, left) = (rest % 36, rest / 36);
        rest = left;
        usize::try_from(at).ok().and_then(|at| ALPHABET.get(at)).copied().map_or('a', char::from)
    };
    (0..count).map(|_| next()).collect()
}

/// 128 bits that follow from these texts.
fn bits<const N: usize>(parts: [&str; N]) -> u128 {
    let digest = digest::of(parts);
    digest.get(..32).and_then(|digits| u128::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_all_that_they_are_made_of() {
        let id = of_form("sig", "sha");
        assert_eq!((id.len(), &id), (20, &of_form("sig", "sha")));
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{id}");
        for other in [of_form("sig2", "sha"), of_form("sig", "sha2"), of_form("sigs", "ha")] {
            assert_ne!(id, other);
        }
        let id = of_grant("acme", "r", "sha");
        assert!(image_id::is_uuid(&id), "{id}");
        for other in [of_grant("acmer", "", "sha"), of_grant("acme", "r", "sha2"), of_grant("", "r", "sha")] {
            assert_ne!(id, other);
        }
        let unique = of_unique_filename("a.jpg", "sig", "sha");
        assert_eq!(unique, format!("a_{}", of_form("sig", "sha").get(..12).unwrap()));
    }

    #[test]
    fn file_names_become_ids() {
        for (filename, id) in [
            ("beach.jpg", "beach"),
            ("été à la mer.JPG", "été_à_la_mer"),
            ("a.b.c", "a.b"),
            ("a&b?c#d%e<f>+g", "a_b_c_d_e_f__g"),
            ("../../etc/passwd", "passwd"),
            ("..\\x.png", "x"),
            ("a/..", "file"),
            (".htaccess", "htaccess"),
            ("...", "file"),
            ("", "file"),
            ("写真.png", "写真"),
            ("a\u{202e}gpj.exe", "a_gpj"),
            ("a\u{2215}b.png", "a_b"),
            ("__x__.png", "x"),
        ] {
            assert_eq!(of_filename(filename), id, "{filename:?}");
            assert_eq!(image_id::check(&of_filename(filename)), Ok(()));
        }
    }
}
