//! What a route of a resizer and a delivery of a signer must agree on.

use crate::{digest, signer::v1 as pb};

/// Part of every digest: to be changed when the meaning of what is digested does.
const GRAMMAR: &str = "safelight delivery 2";

/// One delivery, as each service reads it from its own configuration. What is not set is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The template of paths.
    pub path: &'a str,
    /// The template of object keys.
    pub object_key: &'a str,
    /// The key that URLs are signed with.
    pub url_key: &'a str,
    /// The variant, where the path has none.
    pub variant: &'a str,
    /// Variants that this path serves without a signature. In any order.
    pub public_variants: &'a [String],
    /// The key that signs the fetch.
    pub signing_key: &'a str,
    /// What stands before the encoded object key.
    pub base_url: &'a str,
    /// The bucket's region. Counts only with a `signing_key`.
    pub region: &'a str,
}

impl<'a> Identity<'a> {
    /// Lower-case hex SHA-256.
    #[must_use]
    pub fn digest(&self) -> String {
        let texts = self.texts().into_iter().map(|(_, text)| text);
        // The variants last, so that how many there are needs no saying.
        digest::of([GRAMMAR].into_iter().chain(texts).chain(self.sorted()))
    }

    /// Names of the parts in which the two differ, as the contract's `Delivery` has them. Empty when they agree.
    #[must_use]
    pub fn differences(&self, other: &Identity<'_>) -> Vec<&'static str> {
        let texts = self.texts().into_iter().zip(other.texts());
        let mut names: Vec<_> =
            texts.filter(|((_, one), (_, other))| one != other).map(|((name, _), _)| name).collect();
        if self.sorted() != other.sorted() {
            names.push("public_variants");
        }
        names
    }

    fn texts(&self) -> [(&'static str, &'a str); 7] {
        let region = if self.signing_key.is_empty() { "" } else { self.region };
        [
            ("path", self.path),
            ("object_key", self.object_key),
            ("url_key", self.url_key),
            ("variant", self.variant),
            ("signing_key", self.signing_key),
            ("base_url", self.base_url),
            ("region", region),
        ]
    }

    fn sorted(&self) -> Vec<&'a str> {
        let mut variants: Vec<_> = self.public_variants.iter().map(String::as_str).collect();
        variants.sort_unstable();
        variants.dedup();
        variants
    }
}

/// A delivery as a signer lists it.
impl<'a> From<&'a pb::Delivery> for Identity<'a> {
    fn from(delivery: &'a pb::Delivery) -> Self {
        Self {
            path: &delivery.path,
            object_key: &delivery.object_key,
            url_key: &delivery.url_key,
            variant: &delivery.variant,
            public_variants: &delivery.public_variants,
            signing_key: &delivery.signing_key,
            base_url: &delivery.base_url,
            region: &delivery.region,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn listed() -> pb::Delivery {
        pb::Delivery {
            path: "/{key...}/{variant}".to_owned(),
            object_key: "{key}".to_owned(),
            url_key: "web".to_owned(),
            public_variants: vec!["thumb".to_owned(), "tiny".to_owned()],
            signing_key: "s3".to_owned(),
            base_url: "https://photos.s3.eu-west-1.amazonaws.com/".to_owned(),
            region: "eu-west-1".to_owned(),
            ..pb::Delivery::default()
        }
    }

    #[test]
    fn every_part_changes_the_digest_and_is_named() {
        type Change = fn(&mut pb::Delivery);
        let changes: [(Change, &str); 11] = [
            (|d| d.path += "x", "path"),
            (|d| d.object_key += "x", "object_key"),
            (|d| d.url_key.clear(), "url_key"),
            (|d| d.variant += "x", "variant"),
            (|d| d.public_variants.clear(), "public_variants"),
            (|d| d.public_variants = vec!["thumbtiny".to_owned()], "public_variants"),
            (
                |d| d.public_variants = vec!["thumb".to_owned(), "tiny".to_owned(), String::new()],
                "public_variants",
            ),
            (|d| d.public_variants = vec!["thumbt".to_owned(), "iny".to_owned()], "public_variants"),
            (|d| d.signing_key += "x", "signing_key"),
            (|d| d.base_url += "x", "base_url"),
            (|d| d.region += "x", "region"),
        ];
        let first = listed();
        let first = Identity::from(&first);
        let mut digests = HashSet::from([first.digest()]);
        for (change, name) in changes {
            let mut other = listed();
            change(&mut other);
            let other = Identity::from(&other);
            assert_eq!(first.differences(&other), [name]);
            assert!(digests.insert(other.digest()), "{name}");
        }
        // Text that moves from one part to the next.
        let moved = pb::Delivery { variant: "web".to_owned(), url_key: String::new(), ..listed() };
        assert!(digests.insert(Identity::from(&moved).digest()));
    }

    #[test]
    fn order_and_name_do_not_count_nor_a_region_that_nothing_is_signed_for() {
        let mut other = listed();
        other.name = "x".to_owned();
        other.public_variants = ["tiny", "thumb", "tiny"].map(str::to_owned).to_vec();
        let first = listed();
        assert_eq!(Identity::from(&first).digest(), Identity::from(&other).digest());
        let unsigned = pb::Delivery { signing_key: String::new(), ..listed() };
        let regionless = pb::Delivery { region: String::new(), ..unsigned.clone() };
        assert_eq!(Identity::from(&unsigned).digest(), Identity::from(&regionless).digest());
    }

    #[test]
    fn the_digest_stays_what_it_is() {
        // Computed with Python's hashlib, part by part: a resizer and a signer of two releases must agree.
        assert_eq!(
            Identity::from(&listed()).digest(),
            "ea9157d958a9f94d07883cb26066fe049b52a5c6297afdcc7e8f1b763eb381c1"
        );
    }
}
