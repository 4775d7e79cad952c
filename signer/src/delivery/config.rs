//! Reads `[[deliveries]]`.
//!
//! ```toml
//! [[deliveries]]                         # one for each route of a resizer, and in the same words
//! name = "web"                           # 1 to 64 letters, digits, '.', '_' or '-'; for grants and the log
//! path = "/{account}/{key...}/{variant}" # the route's `path`
//! object_key = "{account}/{key}"         # the route's; default "{key}"
//! url_key = "web"                        # the route's; not needed where every variant is public
//! variant = "thumb"                      # the route's, where its path has no {variant}
//! public_variants = ["thumb"]            # of the variants that the route serves, those with `public = true`
//! signing_key = "s3"                     # the origin's; a key of scheme aws-sigv4. Without it fetches are not signed
//! region = "eu-west-1"                   # the origin's; with `signing_key`
//! base_url = "https://photos.s3.eu-west-1.amazonaws.com/"   # what stands before the object's key
//! ```

use std::{collections::HashSet, sync::Arc};

use safelight_chassis::config::Section;
use safelight_proto::delivery::template::Template;

use super::{Deliveries, Delivery};
use crate::{
    keyring::{Keyring, is_name},
    origin::{self, Origin},
};

/// Most bytes of public variants, names and 8 for each.
const MAX_VARIANTS_BYTES: usize = 8 * 1024;

impl Deliveries {
    /// Reads `[[deliveries]]`. Whatever is wrong is recorded in the section; the deliveries must not be used then.
    pub(crate) fn read(section: &mut Section, keyring: &Keyring) -> Self {
        let mut deliveries = Self::default();
        let mut names = HashSet::new();
        section.tables("deliveries", |section| {
            let delivery = Arc::new(read(section, keyring));
            if !is_name(&delivery.name) {
                section.error("name", "expected 1 to 64 letters, digits, '.', '_' or '-'");
            } else if !names.insert(delivery.name.clone()) {
                section.error("name", "another delivery has this name");
            }
            if deliveries.by_digest.insert(delivery.digest.clone(), Arc::clone(&delivery)).is_some() {
                section.error("", "another delivery differs from this one in its name alone");
            }
            deliveries.by_name.insert(delivery.name.clone(), delivery);
        });
        deliveries
    }
}

fn read(section: &mut Section, keyring: &Keyring) -> Delivery {
    let path_text: String = section.required("path");
    let path = Template::parse(&path_text).unwrap_or_else(|message| {
        section.error("path", message);
        Template::default() // matches nothing, and is never used
    });
    let object_key = section.or("object_key", "{key}".to_owned());
    if !path.fills(&object_key) {
        section.error("object_key", "must be made of text and at least one {name} of the path");
    }
    let url_key: Option<String> = section.optional("url_key");
    let scheme = url_key.as_deref().and_then(|name| match keyring.url(name) {
        Ok(key) => Some(key.scheme),
        Err(error) => {
            origin::no_key(section, "url_key", keyring, name, error, "URLs");
            None
        }
    });
    let origin = Origin::read(section, keyring);
    let mut delivery = Delivery {
        name: section.required("name"),
        digest: String::new(),
        path_text,
        behind_signature: path.behind_signature(&object_key),
        path,
        object_key,
        url_key,
        variant: section.optional("variant"),
        public_variants: section.or("public_variants", Vec::new()),
        origin,
        signature_in_path: scheme.is_some_and(|scheme| scheme.signs_in_path()),
    };
    check_variants(section, &delivery);
    check_lengths(section, &delivery);
    delivery.public_variants.sort_unstable();
    delivery.public_variants.dedup();
    delivery.digest = delivery.identity().digest();
    delivery
}

fn check_variants(section: &mut Section, delivery: &Delivery) {
    let Delivery { path, variant, public_variants, url_key, .. } = delivery;
    match variant {
        None if !path.has("variant") => section.error("variant", "is needed: the path has no {variant}"),
        Some(_) if path.has("variant") => {
            section.error("variant", "must not be set: the path has {variant}");
        }
        Some(name) if name.is_empty() || name.contains(['=', '%']) => {
            section.error("variant", "expected the name of a variant");
        }
        _ => {}
    }
    if public_variants.iter().any(|name| name.is_empty() || name.contains('=')) {
        // A list of options is served only when it is signed, whatever stands here.
        section.error("public_variants", "expected names of variants, which hold no =");
    }
    if let Some(variant) = variant
        && public_variants.iter().any(|name| name != variant)
    {
        section.error("public_variants", "names a variant that the path does not serve");
    }
    if url_key.is_none() && public_variants.is_empty() {
        section.error("url_key", "is needed: no variant is public");
    }
}

/// A list of deliveries is an answer like others, and has its limit.
fn check_lengths(section: &mut Section, delivery: &Delivery) {
    let identity = delivery.identity();
    origin::check_lengths(
        section,
        &[
            ("path", identity.path),
            ("object_key", identity.object_key),
            ("variant", identity.variant),
            ("base_url", identity.base_url),
        ],
    );
    if delivery.public_variants.iter().map(|name| name.len() + 8).sum::<usize>() > MAX_VARIANTS_BYTES {
        section.error("public_variants", "expected at most 8 KiB of names");
    }
}
