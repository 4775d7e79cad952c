//! Reads `[[uploads]]`.
//!
//! ```toml
//! [[uploads]]                            # one for each upload rule of a resizer, and in the same words
//! name = "avatars"                       # 1 to 64 letters, digits, '.', '_' or '-'; for grants and the log
//! kind = "one-time"                      # upload tokens; "cloudinary": signed forms; "grant": the caller's grant alone
//! object_key = "{account}/{id}"          # of {account} (not of a form), {id}, {sha256}, {ext} and text; default "{id}". Of
//!                                        # "one-time" neither {sha256} nor {ext}: a token has one object, whatever the file is
//! key = "uploads"                        # cloudinary: the key of scheme cloudinary-upload that forms are signed with
//! max_bytes = "20MiB"                    # of a file
//! content_types = ["image/jpeg"]         # that are stored; default: JPEG, PNG, WebP, GIF and AVIF
//! overwrite = false                      # whether an object that exists is replaced; of "one-time" never
//! signing_key = "s3"                     # a key of scheme aws-sigv4, which signs the PUT
//! region = "eu-west-1"                   # the bucket's
//! base_url = "https://photos.s3.eu-west-1.amazonaws.com/"   # what stands before the object's key
//! callback = "https://app.example.com/hooks/uploads"        # where outcomes are sent, by a resizer; needs [upload_tokens]
//! callback_key = "uploads"               # the key of scheme cloudinary-upload that signs them; default: that of forms
//! ```

use std::{collections::HashSet, sync::Arc};

use safelight_chassis::config::Section;
use safelight_proto::{signer::v1::UploadKind, upload::object};
use serde::Deserialize;

use super::{Callback, Rule, Uploads};
use crate::{
    keyring::{Keyring, is_name},
    origin::{self, Origin},
    scheme::url::HttpUrl,
};

/// Media types that are stored unless said otherwise.
const DEFAULT_TYPES: [&str; 5] = ["image/avif", "image/gif", "image/jpeg", "image/png", "image/webp"];

/// Longest URL of a callback, in bytes.
const MAX_CALLBACK: usize = 1024;

/// The default only lets reading go on.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    OneTime,
    Cloudinary,
    #[default]
    Grant,
}

impl Uploads {
    /// Reads `[[uploads]]`. Whatever is wrong is recorded in the section; the rules must not be used then.
    pub(crate) fn read(section: &mut Section, keyring: &Keyring, has_upload_tokens: bool) -> Self {
        let mut uploads = Self::default();
        let mut names = HashSet::new();
        section.tables("uploads", |section| {
            let rule = Arc::new(read(section, keyring));
            if !is_name(&rule.name) {
                section.error("name", "expected 1 to 64 letters, digits, '.', '_' or '-'");
            } else if !names.insert(rule.name.clone()) {
                section.error("name", "another upload rule has this name");
            }
            if rule.kind == UploadKind::OneTime && !has_upload_tokens {
                section.error("kind", "needs [upload_tokens]");
            }
            if uploads.by_digest.insert(rule.digest.clone(), Arc::clone(&rule)).is_some() {
                section.error("", "another upload rule differs from this one in its name alone");
            }
            if rule.callback.is_some() && !has_upload_tokens {
                section.error(
                    "callback",
                    "needs [upload_tokens], where outcomes are kept until they were received",
                );
            }
            uploads.by_name.insert(rule.name.clone(), rule);
        });
        uploads
    }
}

fn read(section: &mut Section, keyring: &Keyring) -> Rule {
    let kind = match section.required("kind") {
        Kind::OneTime => UploadKind::OneTime,
        Kind::Cloudinary => UploadKind::Cloudinary,
        Kind::Grant => UploadKind::Grant,
    };
    let object_key = section.or("object_key", "{id}".to_owned());
    if !object::is_key_template(&object_key) {
        section.error(
            "object_key",
            "must be made of text, {account} (a whole part between slashes), {id}, {sha256} and {ext}, with {id} or {sha256}",
        );
    } else if kind == UploadKind::Cloudinary && object_key.contains("{account}") {
        section.error("object_key", "has {account}, and a form has none");
    }
    let overwrite = section.or("overwrite", false);
    if kind == UploadKind::OneTime {
        // That a token stores one picture rests on its one key, and on that an object there is not replaced.
        if object_key.contains("{sha256}") || object_key.contains("{ext}") {
            section
                .error("object_key", "has {sha256} or {ext}: a token has one object, whatever the file is");
        }
        if overwrite {
            section.error("overwrite", "must be false: a token stores one picture");
        }
    }
    let form_key = read_form_key(section, keyring, kind);
    let callback = read_callback(section, keyring, form_key.as_deref());
    let max_bytes = section.bytes("max_bytes");
    if matches!(max_bytes, None | Some(0)) {
        section.error("max_bytes", "expected a number of bytes, such as \"20MiB\", and more than 0");
    }
    let mut rule = Rule {
        name: section.required("name"),
        digest: String::new(),
        kind,
        object_key,
        form_key,
        max_bytes: max_bytes.unwrap_or_default(),
        content_types: read_types(section),
        overwrite,
        origin: Origin::read(section, keyring),
        callback,
    };
    if rule.origin.signing.is_none() {
        section.error("signing_key", "missing");
    }
    origin::check_lengths(section, &[("object_key", &rule.object_key), ("base_url", &rule.origin.base_url)]);
    rule.digest = rule.identity().digest();
    rule
}

fn read_form_key(section: &mut Section, keyring: &Keyring, kind: UploadKind) -> Option<String> {
    let key: Option<String> = section.optional("key");
    match &key {
        Some(_) if kind != UploadKind::Cloudinary => {
            section.error("key", "belongs to `kind = \"cloudinary\"`")
        }
        Some(name) => {
            if let Err(error) = keyring.cloudinary_upload(name) {
                origin::no_key(section, "key", keyring, name, error, "forms");
            }
        }
        None if kind == UploadKind::Cloudinary => section.error("key", "missing"),
        None => {}
    }
    key
}

fn read_callback(section: &mut Section, keyring: &Keyring, form_key: Option<&str>) -> Option<Callback> {
    let url: Option<String> = section.optional("callback");
    let key: Option<String> = section.optional("callback_key");
    let Some(url) = url else {
        if key.is_some() {
            section.error("callback_key", "belongs to `callback`");
        }
        return None;
    };
    if url.len() > MAX_CALLBACK || HttpUrl::parse(&url).is_err() || url.contains('#') {
        section.error("callback", "expected an absolute http or https URL of at most 1,024 bytes");
    }
    let is_own = key.is_some();
    let Some(key) = key.or_else(|| form_key.map(str::to_owned)) else {
        section.error("callback_key", "missing");
        return None;
    };
    if is_own && let Err(error) = keyring.cloudinary_upload(&key) {
        origin::no_key(section, "callback_key", keyring, &key, error, "callbacks");
    }
    Some(Callback { url, key })
}

fn read_types(section: &mut Section) -> Vec<String> {
    let mut types: Vec<String> = section.or("content_types", DEFAULT_TYPES.map(str::to_owned).to_vec());
    if types.is_empty() || !types.iter().all(|text| object::extension(text).is_some()) {
        let known = object::TYPES.map(|(text, _)| text).join(", ");
        section.error("content_types", format!("expected some of {known}"));
    }
    types.sort_unstable();
    types.dedup();
    types
}
