//! The `[[uploads]]` tables.
//!
//! ```toml
//! [[uploads]]
//! name = "direct"                        # in grants and in the log
//! kind = "one-time"                      # what lets a file be stored: "one-time", an upload token of the signer;
//!                                        # "cloudinary", a form that is signed as Cloudinary's uploads are; "grant", the
//!                                        # caller's grant for `Store` alone (the resizer can then store by itself)
//! path = "/upload/{account}/{token}"     # where HTTP uploads come in; default: nowhere. Of "cloudinary":
//!                                        # "/v1_1/{cloud}/{resource_type}/upload"
//! account = "acme"                       # the tenant of "one-time", where the path has no {account}
//! origin = "photos"                      # an S3 origin with a signing key
//! object_key = "{account}/{id}"          # of {account}, {id}, {sha256}, {ext} and text; default "{id}"
//! key = "uploads"                        # "cloudinary": the signer's key of forms
//! max_bytes = "20MiB"                    # needed; limits.max_source_bytes holds besides
//! max_pixels = 50000000                  # default: as limits.max_source_pixels
//! max_side = 12000                       # default: as limits.max_source_side
//! formats = ["jpeg", "png", "webp", "gif"]   # that are taken; the default
//! overwrite = false                      # whether an object that exists is replaced
//! variant = "original"                   # stores what this variant makes of the picture, upright and without its metadata;
//!                                        # default: the picture as it came
//! metadata = "keep"                      # default; "no-location": without what tells where it was taken, "none": without any.
//!                                        # Pixels stay as they are: see safelight_image::strip
//! eager = ["thumb", "card"]              # variants that are made at once and stored as results, for every route of the origin
//!                                        # that serves them; needs [results]. A form may ask for others by `eager`
//! callback = "https://app.example.com/hooks/uploads"   # where outcomes are sent, signed by the signer
//! callback_key = "uploads"               # the signer's key of those signatures; default: `key`
//! delivery_url = "https://img.example.com/{account}/{id}/{variant}"   # for answers that say where pictures are
//! cors = ["https://app.example.com"]     # sites whose scripts may upload; or ["*"]
//! ```
//!
//! The signer's `[[uploads]]` must say the same of kind, object key, key, `max_bytes`, types, overwrite, origin and
//! callback.

use std::{collections::BTreeSet, sync::Arc};

use safelight_chassis::config::Section;
use safelight_image::{limits::Limits, sniff::Format, strip::Metadata};
use safelight_proto::{
    delivery::template::{self, Template},
    signer::v1::UploadKind,
    upload::object,
};

use super::{Rule, Uploads};
use crate::{
    delivery::{Delivery, presentation},
    origin::{Origins, callback},
};

/// A format's name in the configuration.
fn name_of(format: Format) -> String {
    format.to_string().to_ascii_lowercase()
}

/// Reads `[[uploads]]`.
pub fn read(
    section: &mut Section,
    origins: &Origins,
    delivery: &Delivery,
    limits: &Limits,
    has_results: bool,
) -> Uploads {
    let mut names = BTreeSet::new();
    let rules = section.tables("uploads", |section| {
        let rule = read_rule(section, origins, delivery, limits);
        if !rule.eager.is_empty() && !has_results {
            section.error("eager", "needs [results], where variants are stored");
        }
        if !names.insert(rule.name.clone()) {
            section.error("name", "another rule has this name");
        }
        Arc::new(rule)
    });
    Uploads { rules }
}

fn read_rule(section: &mut Section, origins: &Origins, delivery: &Delivery, limits: &Limits) -> Rule {
    let kind = match section.required::<String>("kind").as_str() {
        "one-time" => UploadKind::OneTime,
        "cloudinary" => UploadKind::Cloudinary,
        "grant" => UploadKind::Grant,
        "" => UploadKind::Unspecified, // reported as missing
        _ => {
            section.error("kind", "must be \"one-time\", \"cloudinary\" or \"grant\"");
            UploadKind::Unspecified
        }
    };
    let account = section.optional("account");
    let path = read_path(section, kind, account.is_some());
    let object_key = section.or("object_key", "{id}".to_owned());
    if !object::is_key_template(&object_key) {
        section.error(
            "object_key",
            "must be made of text, {account}, {id}, {sha256} and {ext}, with {id} or {sha256}",
        );
    } else if kind == UploadKind::Cloudinary && object_key.contains("{account}") {
        section.error("object_key", "must not have {account}: a signed form names none");
    }
    let overwrite = section.or("overwrite", false);
    if kind == UploadKind::OneTime {
        // That a token stores one picture rests on its one key, and on that an object there is not replaced.
        if object_key.contains("{sha256}") || object_key.contains("{ext}") {
            section.error(
                "object_key",
                "must not have {sha256} or {ext}: a token has one object, whatever the file is",
            );
        }
        if overwrite {
            section.error("overwrite", "must be false: a token stores one picture");
        }
    }
    let form_key: Option<String> = section.optional("key");
    if form_key.is_some() != (kind == UploadKind::Cloudinary) {
        section.error("key", "is needed for kind = \"cloudinary\", and belongs to no other");
    }
    let max_bytes = section.bytes("max_bytes").unwrap_or_else(|| {
        section.error("max_bytes", "is needed, such as \"20MiB\"");
        1
    });
    if max_bytes == 0 {
        section.error("max_bytes", "must be at least 1");
    }
    let formats = read_formats(section);
    let variant: Option<String> = section.optional("variant");
    if variant.as_ref().is_some_and(|name| !delivery.variants.contains_key(name)) {
        section.error("variant", "no variant of that name is configured");
    }
    let origin: String = section.required("origin");
    let eager: Vec<String> = section.or("eager", Vec::new());
    for name in &eager {
        let is_served =
            |name| delivery.routes.iter().any(|route| route.origin == origin && route.serves(name));
        if !delivery.variants.contains_key(name) {
            section.error("eager", format!("no variant {name:?} is configured"));
        } else if !is_served(name) {
            section.error("eager", format!("no route of this origin serves the variant {name:?}"));
        }
    }
    let callback: Option<String> = section.optional("callback");
    let callback_key: Option<String> = section.optional("callback_key");
    match &callback {
        Some(url) if !callback::is_url(url) => {
            section.error("callback", "must be an absolute http or https URL without credentials");
        }
        Some(_) if callback_key.is_none() && form_key.is_none() => section.error("callback_key", "missing"),
        None if callback_key.is_some() => section.error("callback_key", "belongs to callback"),
        _ => {}
    }
    let callback_key = callback_key.or_else(|| form_key.clone().filter(|_| callback.is_some()));
    let metadata = match section.or("metadata", "keep".to_owned()).as_str() {
        "keep" => Metadata::Keep,
        "no-location" => Metadata::NoLocation,
        "none" => Metadata::None,
        _ => {
            section.error("metadata", "must be \"keep\", \"no-location\" or \"none\"");
            Metadata::Keep
        }
    };
    if metadata != Metadata::Keep && variant.is_some() {
        section.error("metadata", "belongs to no rule with a variant, which leaves it out");
    }
    let content_types = content_types(&formats, variant.is_some());
    let delivery_url: Option<String> = section.optional("delivery_url");
    if delivery_url.as_ref().is_some_and(|url| !is_delivery_url(url)) {
        section.error("delivery_url", "must be an http or https URL of text, {account}, {id} and {variant}");
    }
    let mut rule = Rule {
        name: section.required("name"),
        kind,
        path,
        account,
        origin,
        object_key,
        form_key: form_key.unwrap_or_default(),
        max_bytes,
        max_pixels: section.or("max_pixels", limits.max_source_pixels),
        max_side: section.or("max_side", limits.max_source_side),
        formats,
        content_types,
        overwrite,
        variant,
        metadata,
        eager,
        callback,
        callback_key: callback_key.unwrap_or_default(),
        delivery_url,
        cors: presentation::read_origins(section, "cors"),
        digest: String::new(),
    };
    match origins.get(&rule.origin).map(|origin| (origin, origin.signing())) {
        None if rule.origin.is_empty() => {} // reported as missing
        None => section.error("origin", "no origin of that name is configured"),
        Some((_, None)) => section.error("origin", "must be an S3 origin with a signing_key"),
        Some((origin, Some((key, region)))) => {
            rule.digest = rule.identity((key, region), &origin.base).digest();
        }
    }
    rule
}

fn read_path(section: &mut Section, kind: UploadKind, has_account: bool) -> Option<Template> {
    let text: String = section.optional("path")?;
    let path = match Template::parse(&text) {
        Ok(path) => path,
        Err(message) => {
            section.error("path", message);
            return None;
        }
    };
    let problem = match kind {
        UploadKind::OneTime if !path.has("token") => "must have {token}",
        UploadKind::OneTime if path.has("account") == has_account => {
            "must have {account}, or the rule an account, and not both"
        }
        UploadKind::Cloudinary if !path.has("resource_type") => "must have {resource_type}",
        UploadKind::Grant => "must not be set: files are stored by a grant over gRPC alone",
        _ => return Some(path),
    };
    section.error("path", problem);
    None
}

fn read_formats(section: &mut Section) -> Vec<Format> {
    let all = || Format::all().map(name_of).collect::<Vec<String>>();
    let names: Vec<String> = section.or("formats", all());
    let formats: Vec<_> =
        names.iter().filter_map(|name| Format::all().find(|format| name_of(*format) == *name)).collect();
    if formats.is_empty() || formats.len() < names.len() {
        section.error("formats", format!("must be some of {}", all().join(", ")));
    }
    formats
}

/// Media types of what is stored: of what is taken, or of what a variant may make of it.
fn content_types(formats: &[Format], is_made: bool) -> Vec<String> {
    let made: Vec<_> = Format::all().filter(|format| format.is_written()).collect();
    let formats = if is_made { &made } else { formats };
    let mut types: Vec<_> = formats.iter().map(|format| format.media_type().to_owned()).collect();
    types.sort_unstable();
    types.dedup();
    types
}

fn is_delivery_url(text: &str) -> bool {
    let known = |name: &&str| ["account", "id", "variant"].contains(name);
    (text.starts_with("https://") || text.starts_with("http://"))
        && template::names(text).is_some_and(|names| names.iter().all(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    const START: &str = "[origins.photos]\nkind = 's3'\nbucket = 'photos'\nregion = 'eu-west-1'\nsigning_key = 's3'\n\
        [origins.web]\nkind = 'http'\nbase_url = 'https://img.example.com/'\n\
        [variants.small]\nwidth = 100\n[[uploads]]\n";

    fn uploads(rule: &str) -> Result<Uploads, String> {
        let config = Config::read(&format!("{START}{rule}")).map_err(|errors| errors.to_string())?;
        Ok(config.uploads)
    }

    #[test]
    fn a_rule_is_found_by_name_and_by_path() {
        let uploads = uploads(
            "name = 'direct'\nkind = 'one-time'\npath = '/upload/{account}/{token}'\norigin = 'photos'\nmax_bytes = '1MiB'\n\
             object_key = '{account}/{id}'\ndelivery_url = 'https://img.example.com/{account}/{id}/{variant}'\n",
        )
        .unwrap();
        let rule = uploads.named("direct").unwrap();
        assert_eq!(rule.content_types, ["image/gif", "image/jpeg", "image/png", "image/webp"]);
        assert_eq!(
            rule.url("acme", "a b/c", "small").as_deref(),
            Some("https://img.example.com/acme/a%20b/c/small")
        );
        assert!(uploads.at("/upload/acme/token").is_some() && uploads.at("/upload/acme").is_none());
        assert_eq!(rule.digest.len(), 64);
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        for (rule, keys) in [
            ("", &["name", "kind", "origin", "max_bytes"][..]),
            (
                "name = 'a'\nkind = 'other'\norigin = 'nowhere'\nmax_bytes = 0\nobject_key = 'x'\nformats = ['svg']\n\
                 variant = 'large'\ndelivery_url = 'x'\ncors = ['app']\nmode = 1\n",
                &[
                    "kind",
                    "origin",
                    "max_bytes",
                    "object_key",
                    "formats",
                    "variant",
                    "delivery_url",
                    "cors",
                    "mode",
                ],
            ),
            (
                "name = 'a'\nkind = 'one-time'\norigin = 'web'\nmax_bytes = 1\npath = '/u/{account}'",
                &["path", "origin"],
            ),
            (
                "name = 'a'\nkind = 'one-time'\norigin = 'photos'\nmax_bytes = 1\npath = '/u/{token}'",
                &["path"],
            ),
            ("name = 'a'\nkind = 'one-time'\norigin = 'photos'\nmax_bytes = 1\nkey = 'k'", &["key"]),
            (
                "name = 'a'\nkind = 'one-time'\norigin = 'photos'\nmax_bytes = 1\nobject_key = '{id}.{ext}'\noverwrite = true",
                &["object_key", "overwrite"],
            ),
            (
                "name = 'a'\nkind = 'cloudinary'\norigin = 'photos'\nmax_bytes = 1\nobject_key = '{account}/{id}'",
                &["key", "object_key"],
            ),
            ("name = 'a'\nkind = 'grant'\norigin = 'photos'\nmax_bytes = 1\npath = '/u'", &["path"]),
        ] {
            let errors = uploads(rule).unwrap_err();
            for key in keys {
                assert!(errors.contains(&format!("uploads[0].{key}")), "{key} not in\n{errors}");
            }
        }
    }
}
