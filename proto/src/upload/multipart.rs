//! Files that are stored in parts: S3's multipart upload.
//!
//! Where a part begins and ends follows from its number alone. So whatever files a resizer names while it stores one object, the
//! part of a number is at the same place in all of them, and parts that were signed for different files do not add up to more
//! bytes than one file may have.

use std::num::NonZeroU16;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Bytes of every part but the last: 8 MiB. S3 takes no less than 5 MiB.
pub const PART_SIZE: u64 = 8 << 20;

/// Most parts of a file. S3 takes 10,000; with more, a request to the signer would be larger than it accepts.
pub const MAX_PARTS: u16 = 512;

/// Longest name of a multipart upload, in bytes.
const MAX_ID_BYTES: usize = 1024;

/// The query of a request that begins a multipart upload.
pub const CREATE_QUERY: &str = "uploads";

/// What a value of a query is encoded with: everything but the unreserved characters of RFC 3986.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How many parts a file of this many bytes has; `None`: none, or more than [`MAX_PARTS`].
#[must_use]
pub fn count(length: u64) -> Option<NonZeroU16> {
    let count = u16::try_from(length.div_ceil(PART_SIZE)).ok().filter(|count| *count <= MAX_PARTS)?;
    NonZeroU16::new(count)
}

/// The numbers of a file's parts, from 1, and their lengths in bytes. Nothing of a file that [`count`] has no number for.
pub fn parts(length: u64) -> impl Iterator<Item = (u16, u64)> {
    let count = count(length).map_or(0, NonZeroU16::get);
    (1..=count).map(move |number| (number, PART_SIZE.min(length - u64::from(number - 1) * PART_SIZE)))
}

/// What a store has named a multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUploadId {
    /// Percent-encoded for a query.
    encoded: String,
}

impl StoreUploadId {
    /// Takes the name if it is one that stores give: 1 to 1,024 letters, digits and `-._~+/=`. What is taken can be nothing but one
    /// value of a query, however it is decoded.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        let is_one = (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(is_known);
        is_one.then(|| Self { encoded: utf8_percent_encode(text, QUERY).to_string() })
    }

    /// The query of requests for all of it: completion and abortion.
    #[must_use]
    pub fn query(&self) -> String {
        format!("uploadId={}", self.encoded)
    }

    /// The query of a request for one part.
    #[must_use]
    pub fn part_query(&self, number: u16) -> String {
        format!("partNumber={number}&uploadId={}", self.encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_of_a_file() {
        for length in [1, PART_SIZE - 1, PART_SIZE, PART_SIZE + 1, 3 * PART_SIZE, 512 * PART_SIZE] {
            let all: Vec<_> = parts(length).collect();
            assert_eq!(all.len(), usize::from(count(length).unwrap().get()));
            assert_eq!(all.iter().map(|(_, length)| length).sum::<u64>(), length);
            assert!(all.iter().map(|(number, _)| *number).eq(1..=count(length).unwrap().get()));
            let (last, rest) = all.split_last().unwrap();
            assert!((1..=PART_SIZE).contains(&last.1) && rest.iter().all(|(_, length)| *length == PART_SIZE));
        }
        for length in [0, 512 * PART_SIZE + 1, u64::MAX] {
            assert_eq!((count(length), parts(length).count()), (None, 0), "{length}");
        }
    }

    #[test]
    fn an_id_is_one_value_of_a_query() {
        for (id, query) in [
            (
                "VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA",
                "uploadId=VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA",
            ),
            ("2~aB.c-d_e", "uploadId=2~aB.c-d_e"),
            ("a+/b==", "uploadId=a%2B%2Fb%3D%3D"),
        ] {
            assert_eq!(StoreUploadId::parse(id).unwrap().query(), query);
        }
        assert_eq!(StoreUploadId::parse("a=").unwrap().part_query(12), "partNumber=12&uploadId=a%3D");
        assert!(StoreUploadId::parse(&"a".repeat(1024)).is_some());
        for id in
            ["", "a b", "a&acl", "a?acl", "a#", "a%26acl", "a;acl", "a\r\nb", "é", "a\0", "a\"", "a,b", "a\\"]
        {
            assert_eq!(StoreUploadId::parse(id), None, "{id:?}");
        }
        assert_eq!(StoreUploadId::parse(&"a".repeat(1025)), None);
    }
}
