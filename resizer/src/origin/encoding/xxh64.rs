//! XXH64 with the seed 0: of which Zstandard's checksum is one half.
//!
//! Reference: `xxhash_spec.md` of github.com/Cyan4973/xxHash.

const PRIMES: [u64; 5] = [
    0x9e37_79b1_85eb_ca87,
    0xc2b2_ae3d_27d4_eb4f,
    0x1656_67b1_9e37_79f9,
    0x85eb_ca77_c2b2_ae63,
    0x27d4_eb2f_1656_67c5,
];
/// Bytes that are taken at a time: eight for each of four accumulators.
const STRIPE: usize = 32;

/// The hash of what came until now.
#[derive(Debug, Clone)]
pub(super) struct Xxh64 {
    accumulators: [u64; 4],
    /// Less than a stripe.
    rest: Vec<u8>,
    length: u64,
}

impl Default for Xxh64 {
    fn default() -> Self {
        let [first, second, ..] = PRIMES;
        let accumulators = [first.wrapping_add(second), second, 0, 0_u64.wrapping_sub(first)];
        Self { accumulators, rest: Vec::with_capacity(STRIPE), length: 0 }
    }
}

impl Xxh64 {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        let missing = if self.rest.is_empty() { 0 } else { STRIPE - self.rest.len() };
        let (first, bytes) = bytes.split_at(missing.min(bytes.len()));
        self.rest.extend_from_slice(first);
        if let Ok(stripe) = <[u8; STRIPE]>::try_from(self.rest.as_slice()) {
            self.take(&stripe);
            self.rest.clear();
        }
        let (stripes, rest) = bytes.as_chunks::<STRIPE>();
        stripes.iter().for_each(|stripe| self.take(stripe));
        self.rest.extend_from_slice(rest);
    }

    fn take(&mut self, stripe: &[u8; STRIPE]) {
        for (accumulator, word) in self.accumulators.iter_mut().zip(stripe.as_chunks().0) {
            *accumulator = round(*accumulator, u64::from_le_bytes(*word));
        }
    }

    pub(super) fn finish(&self) -> u64 {
        let [p1, p2, p3, p4, p5] = PRIMES;
        let mut hash = p5;
        if self.length >= STRIPE as u64 {
            let turned = self.accumulators.iter().zip([1, 7, 12, 18]);
            hash = turned.fold(0, |sum, (accumulator, by)| sum.wrapping_add(accumulator.rotate_left(by)));
            for accumulator in self.accumulators {
                hash = (hash ^ round(0, accumulator)).wrapping_mul(p1).wrapping_add(p4);
            }
        }
        hash = hash.wrapping_add(self.length);
        let (words, rest) = self.rest.as_chunks();
        for word in words {
            hash ^= round(0, u64::from_le_bytes(*word));
            hash = hash.rotate_left(27).wrapping_mul(p1).wrapping_add(p4);
        }
        let (halves, rest) = rest.as_chunks();
        for half in halves {
            hash ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(p1);
            hash = hash.rotate_left(23).wrapping_mul(p2).wrapping_add(p3);
        }
        for byte in rest {
            hash = (hash ^ u64::from(*byte).wrapping_mul(p5)).rotate_left(11).wrapping_mul(p1);
        }
        hash = (hash ^ hash >> 33).wrapping_mul(p2);
        hash = (hash ^ hash >> 29).wrapping_mul(p3);
        hash ^ hash >> 32
    }
}

const fn round(accumulator: u64, word: u64) -> u64 {
    let [p1, p2, ..] = PRIMES;
    accumulator.wrapping_add(word.wrapping_mul(p2)).rotate_left(31).wrapping_mul(p1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes_however_the_bytes_come() {
        for (text, expected) in [
            ("", 0xef46_db37_51d8_e999),
            ("abc", 0x44bc_2cf5_ad77_0999),
            ("Nobody inspects the spammish repetition", 0xfbce_a83c_8a37_8bf1),
        ] {
            for size in 1..=text.len().max(1) {
                let mut hash = Xxh64::default();
                text.as_bytes().chunks(size).for_each(|piece| hash.update(piece));
                assert_eq!(hash.finish(), expected, "{text} {size}");
            }
        }
    }
}
