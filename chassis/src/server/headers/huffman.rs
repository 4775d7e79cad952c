//! The Huffman code of HPACK (RFC 7541, appendix B), decoded. It is canonical: the codes of a length follow each other in
//! the order of their bytes, and those of the next length come after them, so that lengths say it all.

/// Bits of the code of each byte.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, //
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, //
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, //
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, //
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, //
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, //
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, //
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, //
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// Longest code, in bits: also that of the end, which must not stand in a string.
const MAX: usize = 30;

/// The bytes, sorted by the length of their codes, then by value.
const SORTED: [u8; 256] = TABLES.0;
/// For each length: how many codes are shorter, counted in `SORTED`.
const OFFSET: [u32; MAX + 2] = TABLES.1;
/// For each length: its first code.
const FIRST: [u32; MAX + 2] = TABLES.2;

const TABLES: ([u8; 256], [u32; MAX + 2], [u32; MAX + 2]) = {
    let mut sorted = [0; 256];
    let mut offset = [0; MAX + 2];
    let mut first = [0; MAX + 2];
    let mut at = 0;
    let mut code = 0;
    let mut length = 1;
    while length <= MAX {
        offset[length] = at;
        first[length] = code;
        let mut byte: u8 = 0;
        loop {
            if LENGTHS[byte as usize] as usize == length {
                sorted[at as usize] = byte;
                at += 1;
                code += 1;
            }
            if byte == u8::MAX {
                break;
            }
            byte += 1;
        }
        code <<= 1;
        length += 1;
    }
    offset[MAX + 1] = at;
    (sorted, offset, first)
};

/// Decodes `coded` to the end of `out`; `None` if it is no string of this code.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    // The bits that were read and not decoded yet are the last `held` of `bits`.
    let (mut bits, mut held) = (0_u64, 0_usize);
    for byte in coded {
        bits = (bits << 8) | u64::from(*byte);
        held += 8;
        // A code that is not whole yet waits for the next byte.
        while let Some((byte, length)) = symbol(bits, held)? {
            out.push(byte);
            held -= length;
        }
    }
    // The rest is the beginning of the end's code, all ones, and less than a byte.
    let padding = (1_u64 << held) - 1;
    (held < 8 && bits & padding == padding).then_some(())
}

/// The first symbol of the last `held` bits, and its length; `Some(None)` if there is none whole.
fn symbol(bits: u64, held: usize) -> Option<Option<(u8, usize)>> {
    for length in 5..=MAX.min(held) {
        let code = u32::try_from((bits >> (held - length)) & ((1 << length) - 1)).ok()?;
        let index = code.checked_sub(*FIRST.get(length)?)?.checked_add(*OFFSET.get(length)?)?;
        if index < *OFFSET.get(length + 1)? {
            return Some(Some((*SORTED.get(usize::try_from(index).ok()?)?, length)));
        }
    }
    // Longer than any code: the end, or nothing.
    if held >= MAX { None } else { Some(None) }
}

#[cfg(test)]
mod tests {
    use super::decode;

    fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(coded, &mut out).map(|()| out)
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&coded).unwrap(), b"www.example.com");
        assert_eq!(decoded(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).unwrap(), b"no-cache");
        assert_eq!(decoded(&[]).unwrap(), b"");
    }

    #[test]
    fn bad_padding_and_the_end_are_refused() {
        assert_eq!(decoded(&[0xff]), None, "a byte of padding");
        assert_eq!(decoded(&[0x00]), None, "padding of zeros");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), None, "the end");
    }
}
