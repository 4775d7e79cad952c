//! Small changes to what was signed.

/// Bytes of an edit.
const EDIT: usize = 4;

/// Edits one of `parts` for every four bytes of `edits`: which part and what is done to it, where (two bytes), and a byte.
/// `None` where that is no longer text.
pub fn edited<const N: usize>(parts: [&str; N], edits: &[u8]) -> Option<[String; N]> {
    let mut bytes = parts.map(|part| part.as_bytes().to_vec());
    for edit in edits.chunks_exact(EDIT) {
        let part = &mut bytes[usize::from(edit[0]) % N];
        let action = usize::from(edit[0]) / N % 4;
        let place = usize::from(u16::from_be_bytes([edit[1], edit[2]])) % (part.len() + 1);
        match (action, part.get(place)) {
            (0, Some(_)) => part[place] = edit[3],
            (1, Some(_)) => drop(part.remove(place)),
            // All before it, or all behind it, once more at the end: parameters that come twice, paths that are joined.
            (2, _) => part.extend_from_within(if edit[3] < 128 { ..place } else { ..part.len() - place }),
            _ => part.insert(place, edit[3]),
        }
        if part.len() > 16 << 10 {
            return None;
        }
    }
    let mut texts = bytes.into_iter().map(String::from_utf8);
    let mut edited = [const { String::new() }; N];
    for text in &mut edited {
        *text = texts.next()?.ok()?;
    }
    Some(edited)
}
