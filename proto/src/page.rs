//! Pages of a list that is sorted by name (AIP-158).

use std::{borrow::Borrow, collections::BTreeMap, ops::Bound};

/// Items of a page when the caller names no number.
const DEFAULT_SIZE: u32 = 100;
/// Most items of a page.
pub const MAX_SIZE: u32 = 1000;

/// A page of `all`, and the token of the next one (empty on the last). `token` is the last name of the page
/// before: a list that changes between two pages neither repeats nor loses what did not change.
pub fn page<'a, K: Borrow<str> + Ord, V>(
    all: &'a BTreeMap<K, V>,
    size: u32,
    token: &str,
) -> (Vec<(&'a str, &'a V)>, String) {
    let size = if size == 0 { DEFAULT_SIZE } else { size.min(MAX_SIZE) };
    let after = if token.is_empty() { Bound::Unbounded } else { Bound::Excluded(token) };
    let mut rest = all.range::<str, _>((after, Bound::Unbounded)).map(|(name, value)| (name.borrow(), value));
    let items: Vec<_> = rest.by_ref().take(usize::try_from(size).unwrap_or(usize::MAX)).collect();
    let more = rest.next().is_some();
    let next = items.last().filter(|_| more).map_or_else(String::new, |(name, _)| (*name).to_owned());
    (items, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_add_up() {
        let all: BTreeMap<String, u32> = (0..250).map(|n| (format!("{n:03}"), n)).collect();
        for size in [0, 1, 7, 100, 249, 250, 5000] {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let (items, next) = page(&all, size, &token);
                seen.extend(items.iter().map(|(_, n)| **n));
                if next.is_empty() {
                    break;
                }
                token = next;
            }
            assert_eq!(seen, (0..250).collect::<Vec<_>>(), "{size}");
        }
        assert_eq!(page(&all, 0, "").0.len(), 100);
        assert_eq!(page(&all, 0, "zzz"), (Vec::new(), String::new()));
    }
}
