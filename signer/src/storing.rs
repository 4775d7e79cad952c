//! What may be stored, and as which object: `[[uploads]]`.
//!
//! A resizer asks for the PUT of a file, and not of an object: what is signed is the PUT of the object that follows from the
//! rule, from what lets the file be stored, and from the file's type and hash. A resizer that was taken over can write that,
//! and nothing else. The same is written in parts where the file is large: see `service/upload_parts.rs`.
//!
//! # How objects get their ids
//! | what lets the file be stored | id |
//! | --- | --- |
//! | a token | the token's |
//! | a grant | the one asked for; else a UUID (version 8) of account, `request_id` and the file's SHA-256 |
//! | a form with `public_id` | `folder/public_id` |
//! | a form with `use_filename` | `folder/` and the file's name, as [`id::of_filename`] writes it; unless `unique_filename` is false, `_` and 12 characters of the form's signature and the file's SHA-256 |
//! | another form | `folder/` and 20 characters of the form's signature and the file's SHA-256 |
//!
//! So a repeated request names the same object, and a form that is used for another file another one, unless the form itself
//! says the id. A file's name is signed only as `filename_override`: with `unique_filename` false, the holder of the form may say
//! the id below its `folder`.
//!
//! A token is good for every rule of kind `one-time` that the caller has a grant for, and a form for every such rule with its
//! key: rules that are to be kept apart have keys, or callers, of their own.
//!
//! # Layout
//! - [`Rule`]: one of `[[uploads]]`
//! - [`Uploads`]: all of them, by digest and by name
//! - [`Permit`]: what a token, a form or a grant lets be stored
//! - [`File`]: what was received
//! - [`Object`]: what it is stored as
//! - [`outcome`]: what a callback says of an upload
//! - `id`: ids
//! - `metadata`: what is kept with the object
//! - `config`: reads `[[uploads]]`

mod config;
pub mod id;
mod metadata;
mod object;
pub mod outcome;
mod permit;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use safelight_proto::{signer::v1::UploadKind, upload::Identity};

pub use object::{File, Object, Unstorable};
pub use permit::{Authority, ImageId, Permit};

use crate::origin::Origin;

/// Every upload rule of the signer.
#[derive(Debug, Default)]
pub struct Uploads {
    by_digest: HashMap<String, Arc<Rule>>,
    by_name: BTreeMap<String, Arc<Rule>>,
}

/// What may be stored, and where.
#[derive(Debug)]
pub struct Rule {
    /// Unique in the signer.
    pub name: String,
    /// What it and a resizer's rule must agree on.
    pub digest: String,
    /// What lets files be stored.
    pub kind: UploadKind,
    object_key: String,
    /// The key that forms are signed with.
    pub form_key: Option<String>,
    /// Most bytes of a file.
    pub max_bytes: u64,
    /// Media types that are stored, sorted.
    pub content_types: Vec<String>,
    overwrite: bool,
    /// Where objects go, and what signs the PUT.
    pub origin: Origin,
    /// Where outcomes are sent.
    pub callback: Option<Callback>,
}

/// Where outcomes are sent.
#[derive(Debug)]
pub struct Callback {
    /// An absolute URL.
    pub url: String,
    /// The key that signs them.
    pub key: String,
}

impl Uploads {
    /// The rule that has this digest.
    #[must_use]
    pub fn of_digest(&self, digest: &str) -> Option<&Arc<Rule>> {
        self.by_digest.get(digest)
    }

    /// The rule of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Rule>> {
        self.by_name.get(name)
    }

    /// All, by name.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<String, Arc<Rule>> {
        &self.by_name
    }
}

impl Rule {
    /// Names of the keys that it uses.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let callback = self.callback.as_ref().map(|callback| callback.key.as_str());
        self.form_key.as_deref().into_iter().chain([self.origin.signing_key()]).chain(callback)
    }

    /// What it and a resizer's rule must agree on.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            kind: self.kind,
            object_key: &self.object_key,
            form_key: self.form_key.as_deref().unwrap_or_default(),
            max_bytes: self.max_bytes,
            content_types: &self.content_types,
            overwrite: self.overwrite,
            signing_key: self.origin.signing_key(),
            base_url: &self.origin.base_url,
            region: self.origin.region(),
            callback: self.callback.as_ref().map_or("", |callback| &callback.url),
            callback_key: self.callback.as_ref().map_or("", |callback| &callback.key),
        }
    }

    /// Whether an object that exists is replaced.
    #[must_use]
    pub const fn overwrites(&self) -> bool {
        self.overwrite
    }

    /// Most bytes of a file that a permit lets be stored by this rule.
    #[must_use]
    pub fn max_bytes(&self, permit: &Permit) -> u64 {
        match permit.max_bytes {
            0 => self.max_bytes,
            limit => limit.min(self.max_bytes),
        }
    }
}
