//! What is signed, and whether that can be read in one way only.
//!
//! The parts are joined without separators. `/a` until 1700000000 with `5x=1` has the message of `/a1` until
//! 7000000005 with `x=1`: so no name starts with a digit. A path `/a9999999999b=1` until 1700000000 has the message
//! of `/a` until 9999999999 with `b=11700000000`: so no path holds `=`. What such rules do not reach is looked for: a
//! message that the verifier's own rules could split at another place is refused.

use std::net::IpAddr;

use super::canonical;

/// The client's part of a message.
#[derive(Clone, Copy)]
pub(super) struct Address {
    bytes: [u8; 16],
    length: usize,
}

impl Address {
    /// That of a token for any client.
    pub(super) const NONE: Self = Self { bytes: [0; 16], length: 0 };

    /// `None` for an address that could be text.
    pub(super) fn of(client: IpAddr) -> Option<Self> {
        let mut bytes = [0; 16];
        let length = match canonical(client) {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                bytes = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                4
            }
            IpAddr::V6(address) => {
                let network = address.octets();
                for (to, from) in bytes.iter_mut().zip(network).take(8) {
                    *to = from;
                }
                16
            }
        };
        let address = Self { bytes, length };
        is_address(address.bytes()).then_some(address)
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The parts of a message.
pub(super) struct Message<'m> {
    /// The path that the token is good for.
    pub(super) path: &'m str,
    /// Ten digits.
    pub(super) expires: u64,
    pub(super) address: Address,
    /// Names and decoded values, sorted by name.
    pub(super) pairs: &'m [(&'m str, String)],
}

impl Message<'_> {
    /// The message, unless a part breaks the rules or the whole has another reading.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let lawful =
            is_path(self.path) && self.pairs.iter().all(|(name, value)| is_name(name) && is_value(value));
        if !lawful {
            return None;
        }
        let mut bytes = self.path.as_bytes().to_vec();
        bytes.extend_from_slice(self.expires.to_string().as_bytes());
        bytes.extend_from_slice(self.address.bytes());
        for (index, (name, value)) in self.pairs.iter().enumerate() {
            let separator: &[u8] = if index == 0 { b"" } else { b"&" };
            for part in [separator, name.as_bytes(), b"=", value.as_bytes()] {
                bytes.extend_from_slice(part);
            }
        }
        (readings(&bytes) == 1).then_some(bytes)
    }
}

/// In how many ways the bytes split into a path, ten digits, an address or none, and pairs. Counts some splits that
/// the verifier would refuse, never too few. Linear: only ten digits in a row are looked at, and few things may follow.
fn readings(bytes: &[u8]) -> usize {
    let path_ends = bytes.iter().position(|byte| !is_path_byte(*byte)).unwrap_or(bytes.len());
    let mut digits = 0;
    let mut readings = 0;
    for (end, byte) in bytes.iter().enumerate().map(|(at, byte)| (at + 1, byte)) {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        let Some(start) = end.checked_sub(10).filter(|start| digits >= 10 && (1..=path_ends).contains(start))
        else {
            continue;
        };
        if bytes.get(start) == Some(&b'0') {
            continue;
        }
        for address in [0, 4, 16] {
            if let Some((address, pairs)) = bytes.get(end..).and_then(|rest| rest.split_at_checked(address)) {
                readings += usize::from((address.is_empty() || is_address(address)) && may_be_pairs(pairs));
            }
        }
    }
    readings
}

/// Whether the bytes begin as pairs do.
fn may_be_pairs(bytes: &[u8]) -> bool {
    let name = bytes.iter().take_while(|byte| is_name_byte(**byte)).count();
    bytes.is_empty()
        || (bytes.get(name) == Some(&b'=') && name > 0 && !bytes.first().is_some_and(u8::is_ascii_digit))
}

/// Whether the bytes are an address that cannot be text: of IPv6 a network, whose second half is zero.
fn is_address(bytes: &[u8]) -> bool {
    match bytes.get(8..) {
        Some(host) => host.iter().all(|byte| *byte == 0),
        None => !bytes.iter().all(|byte| (b' '..=b'~').contains(byte)),
    }
}

/// A path of a request target that holds no `=`.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(is_path_byte)
}

const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'=' | b'?')
}

/// Letters, digits, `_` and `-`, and no digit at the start.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(is_name_byte)
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Printable ASCII without `&`.
pub(super) fn is_value(value: &str) -> bool {
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'&')
}
