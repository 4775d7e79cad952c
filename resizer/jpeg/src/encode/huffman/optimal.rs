//! Shortest Huffman codes of at most 16 bits, by package-merge.
//!
//! ITU-T T.81, Annex K.2 builds an unlimited code and then shortens it by a rule of thumb; package-merge
//! (Larmore and Hirschberg, 1990) gives the optimum under the limit directly.

use super::Spec;

/// Longest code JPEG allows, bits.
const LIMIT: usize = 16;
/// Symbols, and the one that stands for the code of all ones, which JPEG reserves (ITU-T T.81, C).
const SLOTS: usize = 257;

/// The best table for symbols that occur `counts` times.
pub(in super::super) fn optimal(counts: &[u32; 256]) -> Spec {
    // Ascending weights; the reserved code weighs nothing, so it comes first and gets the longest code.
    let mut used: Vec<(u64, usize)> = vec![(0, 256)];
    used.extend(
        counts.iter().enumerate().filter(|&(_, &count)| count > 0).map(|(i, &count)| (u64::from(count), i)),
    );
    used[1..].sort_unstable_by_key(|&(count, symbol)| (count, symbol));
    let lengths = package_merge(&used);

    let mut spec = Spec { counts: [0; 16], symbols: [0; 256] };
    // `used` ascends in weight, so lengths descend: backwards, codes come shortest first.
    let mut at = 0;
    for (&(_, symbol), &length) in used.iter().zip(&lengths).rev() {
        if let Ok(symbol) = u8::try_from(symbol) {
            spec.counts[usize::from(length) - 1] += 1;
            spec.symbols[at] = symbol;
            at += 1;
        }
    }
    spec
}

/// Code lengths of items in ascending order of weight.
///
/// A level's list merges the items with pairs ("packages") of the list before. It is enough to remember which
/// entries are items: of the first 2n − 2 entries of the last list, those that are items get one bit longer, and
/// the packages among them say how many entries of the list before count in turn.
fn package_merge(items: &[(u64, usize)]) -> Vec<u8> {
    let n = items.len();
    if n < 2 {
        return vec![1; n];
    }
    let mut levels: Vec<Vec<bool>> = Vec::with_capacity(LIMIT);
    let mut list: Vec<u64> = Vec::new();
    for _ in 0..LIMIT {
        let mut packages = list.chunks_exact(2).map(|pair| pair[0] + pair[1]).peekable();
        let mut merged = Vec::with_capacity(2 * SLOTS);
        let mut is_item = Vec::with_capacity(2 * SLOTS);
        for &(weight, _) in items {
            while let Some(package) = packages.next_if(|&package| package < weight) {
                merged.push(package);
                is_item.push(false);
            }
            merged.push(weight);
            is_item.push(true);
        }
        for package in packages {
            merged.push(package);
            is_item.push(false);
        }
        list = merged;
        levels.push(is_item);
    }
    let mut lengths = vec![0; n];
    let mut taken = 2 * n - 2;
    for is_item in levels.iter().rev() {
        let chosen = is_item[..taken].iter().filter(|&&item| item).count();
        for length in &mut lengths[..chosen] {
            *length += 1;
        }
        taken = 2 * (taken - chosen);
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::super::Codes;
    use super::*;
    use proptest::prelude::*;

    /// Kraft's sum in units of 2⁻¹⁶: room must be left for the code of all ones.
    fn kraft(spec: &Spec) -> u32 {
        spec.counts.iter().zip(1u32..).map(|(&count, length)| u32::from(count) << (16 - length)).sum()
    }

    #[test]
    fn fibonacci_weights_meet_the_limit() {
        let mut counts = [0; 256];
        let (mut a, mut b) = (1, 1);
        for count in counts.iter_mut().take(40) {
            *count = a;
            (a, b) = (b, a + b);
        }
        let spec = optimal(&counts);
        assert_eq!(spec.len(), 40);
        assert!(kraft(&spec) < 1 << 16);
    }

    #[test]
    fn one_symbol_gets_one_bit() {
        let mut counts = [0; 256];
        counts[7] = 9;
        let spec = optimal(&counts);
        assert_eq!((spec.counts[0], spec.len(), spec.symbols[0]), (1, 1, 7));
    }

    proptest! {
        #[test]
        fn any_counts_give_a_valid_code(counts in proptest::collection::vec(0u32..1_000_000, 256)) {
            let counts: [u32; 256] = counts.try_into().unwrap();
            let spec = optimal(&counts);
            prop_assert!(kraft(&spec) < 1 << 16);
            let codes = Codes::new(&spec);
            for (symbol, &count) in counts.iter().enumerate() {
                prop_assert_eq!(count > 0, codes.length[symbol] > 0);
                if count > 0 {
                    prop_assert!(u32::from(codes.code[symbol]) < (1 << codes.length[symbol]) - 1);
                }
            }
        }
    }
}
