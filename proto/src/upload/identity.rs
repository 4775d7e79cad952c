//! What an upload rule of a resizer and one of a signer must agree on.

use crate::{
    digest,
    signer::v1::{self as pb, UploadKind},
};

/// Part of every digest: to be changed when the meaning of what is digested does.
const GRAMMAR: &str = "safelight upload 1";
/// The same of a rule with a callback, whose digest has two parts more.
const GRAMMAR_WITH_CALLBACK: &str = "safelight upload 2";

/// One rule, as each service reads it from its own configuration. What is not set is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// What lets files be stored.
    pub kind: UploadKind,
    /// The template of object keys.
    pub object_key: &'a str,
    /// The key that forms are signed with.
    pub form_key: &'a str,
    /// Most bytes of a stored file.
    pub max_bytes: u64,
    /// Media types that are stored. In any order.
    pub content_types: &'a [String],
    /// Whether an object that exists is replaced.
    pub overwrite: bool,
    /// The key that signs the PUT.
    pub signing_key: &'a str,
    /// What stands before the encoded object key.
    pub base_url: &'a str,
    /// The bucket's region.
    pub region: &'a str,
    /// Where outcomes are sent.
    pub callback: &'a str,
    /// The key that signs them.
    pub callback_key: &'a str,
}

impl<'a> Identity<'a> {
    /// Lower-case hex SHA-256.
    #[must_use]
    pub fn digest(&self) -> String {
        let texts = self.texts();
        let parts = texts.iter().map(|(_, text)| text.as_str());
        let (grammar, callback) = if self.callback.is_empty() && self.callback_key.is_empty() {
            (GRAMMAR, &[][..])
        } else {
            (GRAMMAR_WITH_CALLBACK, &[self.callback, self.callback_key][..])
        };
        // The types last, so that how many there are needs no saying.
        digest::of([grammar].into_iter().chain(parts).chain(callback.iter().copied()).chain(self.sorted()))
    }

    /// Names of the parts in which the two differ, as the contract's `UploadRule` has them. Empty when they agree.
    #[must_use]
    pub fn differences(&self, other: &Identity<'_>) -> Vec<&'static str> {
        let texts = self.texts().into_iter().zip(other.texts());
        let mut names: Vec<_> =
            texts.filter(|((_, one), (_, other))| one != other).map(|((name, _), _)| name).collect();
        if self.callback != other.callback {
            names.push("callback");
        }
        if self.callback_key != other.callback_key {
            names.push("callback_key");
        }
        if self.sorted() != other.sorted() {
            names.push("content_types");
        }
        names
    }

    fn texts(&self) -> [(&'static str, String); 8] {
        [
            ("kind", self.kind.as_str_name().to_owned()),
            ("object_key", self.object_key.to_owned()),
            ("form_key", self.form_key.to_owned()),
            ("max_bytes", self.max_bytes.to_string()),
            ("overwrite", self.overwrite.to_string()),
            ("signing_key", self.signing_key.to_owned()),
            ("base_url", self.base_url.to_owned()),
            ("region", self.region.to_owned()),
        ]
    }

    fn sorted(&self) -> Vec<&'a str> {
        let mut types: Vec<_> = self.content_types.iter().map(String::as_str).collect();
        types.sort_unstable();
        types.dedup();
        types
    }
}

/// A rule as a signer lists it.
impl<'a> From<&'a pb::UploadRule> for Identity<'a> {
    fn from(rule: &'a pb::UploadRule) -> Self {
        Self {
            kind: rule.kind(),
            object_key: &rule.object_key,
            form_key: &rule.form_key,
            max_bytes: rule.max_bytes,
            content_types: &rule.content_types,
            overwrite: rule.overwrite,
            signing_key: &rule.signing_key,
            base_url: &rule.base_url,
            region: &rule.region,
            callback: &rule.callback,
            callback_key: &rule.callback_key,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn listed() -> pb::UploadRule {
        pb::UploadRule {
            kind: UploadKind::OneTime.into(),
            object_key: "{account}/{id}".to_owned(),
            max_bytes: 10_000_000,
            content_types: vec!["image/jpeg".to_owned(), "image/png".to_owned()],
            signing_key: "s3".to_owned(),
            base_url: "https://photos.s3.eu-west-1.amazonaws.com/".to_owned(),
            region: "eu-west-1".to_owned(),
            ..pb::UploadRule::default()
        }
    }

    #[test]
    fn every_part_changes_the_digest_and_is_named() {
        type Change = fn(&mut pb::UploadRule);
        let changes: [(Change, &str); 12] = [
            (|r| r.kind = UploadKind::Grant.into(), "kind"),
            (|r| r.object_key += "x", "object_key"),
            (|r| r.form_key += "x", "form_key"),
            (|r| r.max_bytes += 1, "max_bytes"),
            (|r| r.content_types.truncate(1), "content_types"),
            (|r| r.content_types = vec!["image/jpegimage/png".to_owned()], "content_types"),
            (|r| r.overwrite = true, "overwrite"),
            (|r| r.signing_key += "x", "signing_key"),
            (|r| r.base_url += "x", "base_url"),
            (|r| r.region += "x", "region"),
            (|r| r.callback += "x", "callback"),
            (|r| r.callback_key += "x", "callback_key"),
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
    }

    #[test]
    fn order_and_name_do_not_count() {
        let mut other = listed();
        other.name = "x".to_owned();
        other.content_types = ["image/png", "image/jpeg", "image/png"].map(str::to_owned).to_vec();
        assert_eq!(Identity::from(&listed()).digest(), Identity::from(&other).digest());
    }

    #[test]
    fn the_digest_stays_what_it_is() {
        // Computed with Python's hashlib, part by part: a resizer and a signer of two releases must agree.
        assert_eq!(
            Identity::from(&listed()).digest(),
            "0bbf2006b26cb564e35ca6fb44eb9ca02b497098840a3313fc657151998dce4e"
        );
    }
}
