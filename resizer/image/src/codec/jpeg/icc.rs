//! The ICC profile in a JPEG's APP2 segments (ICC.1:2022, B.4).

use safelight_jpeg::decode::Header;

use crate::colour::profile;

/// What such a segment begins with; then come its number, from 1, and how many there are.
const NAME: &[u8] = b"ICC_PROFILE\0";

/// Whether there is one, be it usable or not.
pub(super) fn is_embedded(header: &Header<'_>) -> bool {
    header.app2().any(|segment| segment.starts_with(NAME))
}

/// The parts of the profile, in order. `None`: there is no profile, a part is missing or there twice with different bytes,
/// or together they are larger than any that is used. Files that were written again by careless programs hold the same
/// profile twice.
pub(super) fn parts<'a>(header: &Header<'a>) -> Option<Vec<&'a [u8]>> {
    let mut parts: Vec<Option<&[u8]>> = Vec::new();
    let mut length = 0;
    for segment in header.app2() {
        let Some([number, count, part @ ..]) = segment.strip_prefix(NAME) else { continue };
        if parts.is_empty() {
            parts.resize((*count).into(), None);
        }
        let slot = parts.get_mut(usize::from(*number).checked_sub(1)?)?;
        match slot {
            Some(first) if *first == part => continue,
            Some(_) => return None,
            None => *slot = Some(part),
        }
        length += part.len();
        if length > profile::MAX_BYTES {
            return None;
        }
    }
    if parts.is_empty() { None } else { parts.into_iter().collect() }
}
