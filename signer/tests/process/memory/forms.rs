//! In which forms a secret can stand in memory.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use hmac::{Hmac, KeyInit, Mac as _, digest::FixedOutput as _};
use sha2::{Digest as _, Sha256, Sha512};

/// A name for each form, and its bytes.
pub(crate) type Forms = Vec<(&'static str, Vec<u8>)>;

/// Whose HMAC it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha1,
    Md5,
}

impl Hash {
    /// The state after one block, as words.
    fn after(self, block: &[u8; 64]) -> Vec<u32> {
        match self {
            Self::Sha256 => {
                let mut state = [
                    0x6a09_e667,
                    0xbb67_ae85,
                    0x3c6e_f372,
                    0xa54f_f53a,
                    0x510e_527f,
                    0x9b05_688c,
                    0x1f83_d9ab,
                    0x5be0_cd19,
                ];
                sha2::block_api::compress256(&mut state, &[*block]);
                state.into()
            }
            Self::Sha1 => {
                let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
                sha1::block_api::compress(&mut state, &[*block]);
                state.into()
            }
            Self::Md5 => {
                let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
                md5::block_api::compress(&mut state, &[*block]);
                state.into()
            }
        }
    }
}

/// Bytes as they are and, as hash functions read them, with the four of each word the other way round.
fn words(name: &'static str, swapped: &'static str, bytes: &[u8]) -> Forms {
    let turned = bytes.chunks(4).flat_map(|word| word.iter().rev().copied()).collect();
    vec![(name, bytes.to_vec()), (swapped, turned)]
}

/// Numbers are held lowest byte first.
fn number(bytes: &[u8]) -> Forms {
    vec![("as it is", bytes.to_vec()), ("as a number", bytes.iter().rev().copied().collect())]
}

/// Text or bytes that are hashed.
pub(crate) fn of_bytes(bytes: &[u8]) -> Forms {
    words("as it is", "as words", bytes)
}

/// A key of an HMAC: the key, what is made of it before it is hashed, and the states that are left of that.
pub(crate) fn of_hmac_key(hash: Hash, key: &[u8]) -> Forms {
    assert!(key.len() <= 64);
    let mut forms = of_bytes(key);
    for (pad, name, swapped, state, registers) in [
        (0x36, "inner block", "inner block as words", "inner state", "inner state in registers"),
        (0x5c, "outer block", "outer block as words", "outer state", "outer state in registers"),
    ] {
        let padded: Vec<_> = key.iter().map(|byte| byte ^ pad).collect();
        forms.extend(words(name, swapped, &padded));
        let mut block = [pad; 64];
        block[..key.len()].copy_from_slice(&padded);
        let words = hash.after(&block);
        let bytes = |order: &[usize]| order.iter().flat_map(|word| words[*word].to_le_bytes()).collect();
        forms.push((state, bytes(&[0, 1, 2, 3, 4, 5, 6, 7][..words.len()])));
        match hash {
            Hash::Sha256 => forms.push((registers, bytes(&[5, 4, 1, 0, 7, 6, 3, 2]))),
            Hash::Sha1 => forms.push((registers, bytes(&[3, 2, 1, 0]))),
            Hash::Md5 => {}
        }
    }
    forms
}

/// AWS's secret access key, and the keys that are derived from it for S3 in a region, on each of these days.
pub(crate) fn of_sigv4(secret: &[u8], days: &[String], region: &str) -> Forms {
    let mac = |key: &[u8], text: &str| {
        Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize_fixed().to_vec()
    };
    let first = [b"AWS4", secret].concat();
    let mut forms = of_bytes(secret);
    forms.extend(of_hmac_key(Hash::Sha256, &first));
    for day in days {
        let mut key = first.clone();
        for text in [day, region, "s3", "aws4_request"] {
            key = mac(&key, text);
            // Each is the key of the next HMAC.
            forms.extend(
                of_hmac_key(Hash::Sha256, &key).into_iter().map(|(name, form)| (derived(name), form)),
            );
        }
    }
    forms
}

fn derived(name: &str) -> &'static str {
    match name {
        "as it is" => "derived key",
        "as words" => "derived key as words",
        name if name.contains("block") => "derived key's block",
        _ => "derived key's state",
    }
}

/// The seed of an Ed25519 key, and what RFC 8032 (section 5.1.5) makes of it: a number and a prefix.
pub(crate) fn of_ed25519(seed: &[u8]) -> Forms {
    let expanded = Sha512::digest(seed);
    let (scalar, prefix) = expanded.split_at(32);
    // Of the number the lowest and the highest byte are changed.
    let mut forms = number(seed);
    forms.extend([("its number", scalar[1..31].to_vec()), ("its prefix", prefix.to_vec())]);
    forms
}

/// A key in PEM: its secret numbers, and the text that says them. `is_rsa`: otherwise on P-256.
pub(crate) fn of_pem(pem: &str, is_rsa: bool) -> Forms {
    let lines: Vec<_> = pem.lines().collect();
    let der = STANDARD.decode(lines[1..lines.len() - 1].concat()).unwrap();
    let secrets: Vec<&[u8]> = if is_rsa {
        // RFC 8017, appendix A.1.2: n, e, d, p, q, d mod (p-1), d mod (q-1), 1/q mod p behind the version and what RFC 5208
        // puts around them.
        let start = der.windows(4).position(|window| window == [2, 1, 0, 2]).unwrap() + 3;
        let mut rest = &der[start..];
        let mut numbers = Vec::new();
        while let [2, after @ ..] = rest {
            let (length, after) = match after {
                [0x81, length, after @ ..] => (usize::from(*length), after),
                [0x82, high, low, after @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), after),
                [length, after @ ..] => (usize::from(*length), after),
                [] => unreachable!(),
            };
            numbers.push(&after[..length]);
            rest = &after[length..];
        }
        assert_eq!(numbers.len(), 8);
        numbers.split_off(2)
    } else {
        // RFC 5915: version 1, then the number.
        let start = der.windows(5).position(|window| window == [2, 1, 1, 4, 32]).unwrap() + 5;
        vec![&der[start..start + 32]]
    };
    let mut forms = Forms::new();
    for secret in secrets {
        forms.extend(number(secret.strip_prefix(&[0]).unwrap_or(secret)));
        // Four characters say three bytes; a line has 64.
        let first = der.windows(secret.len()).position(|window| window == secret).unwrap();
        let (from, to) = (first.div_ceil(3) * 4, (first + secret.len()) / 3 * 4);
        let place = |character: usize| lines[0].len() + 1 + character + character / 64;
        forms.push(("in its file", pem.as_bytes()[place(from)..place(to)].to_vec()));
    }
    forms
}

/// A secret as its file says it.
pub(crate) fn hexadecimal(secret: &[u8]) -> String {
    hex::encode(secret)
}

/// The same in base64.
pub(crate) fn base64(secret: &[u8]) -> String {
    STANDARD.encode(secret)
}

/// The same in the alphabet for URLs.
pub(crate) fn base64url(secret: &[u8]) -> String {
    URL_SAFE.encode(secret)
}
