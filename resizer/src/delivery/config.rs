//! The `[variants.*]` and `[[routes]]` tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use safelight_chassis::config::Section;

use super::{
    Delivery, Variant,
    presentation::{self, Presentation},
    template::{Captures, Template},
};
use crate::origin::Origins;
use safelight_image::{
    options::{
        Options,
        table::{Entry, TABLE},
    },
    plan::{OnExceed, OutputBounds},
};

/// Cache lifetime when a route names none: two days, Cloudflare Images' default browser TTL.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(2 * 24 * 3600);

/// What decides whether a URL without a signature is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Privacy {
    /// The variant: it is public.
    #[default]
    Variant,
    /// The variant and the object: the variant is public, and the object's metadata does not say
    /// `x-amz-meta-require-signed-urls: true`.
    Object,
}

/// A family of URLs.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Its name, in grants and in the log: the path template unless it is given one.
    pub name: String,
    /// Which paths it serves.
    pub path: Template,
    /// The same, as it is written.
    pub path_text: String,
    /// Name of the origin.
    pub origin: String,
    /// The object's key, from the names of the path.
    pub key_text: String,
    /// Which paths a signature covers that stands in the path: see [`Template::behind_signature`].
    pub(super) behind_signature: Option<Template>,
    /// The signer's key for URLs of variants that are not public.
    pub url_key: Option<String>,
    /// The variant, where the path has none.
    pub variant: Option<String>,
    /// Variants that are allowed; empty: all.
    pub variants: BTreeSet<String>,
    /// Whether option lists are allowed in place of a variant.
    pub flexible: bool,
    /// The largest picture that is given out.
    pub bounds: Option<OutputBounds>,
    /// How long answers may be cached.
    pub max_age: Duration,
    /// What decides whether an unsigned URL is served.
    pub privacy: Privacy,
    /// What its answers say to browsers and caches.
    pub presentation: Presentation,
}

impl Route {
    /// Whether it has a named variant.
    #[must_use]
    pub fn serves(&self, variant: &str) -> bool {
        match &self.variant {
            Some(only) => variant == only,
            None => self.variants.is_empty() || self.variants.contains(variant),
        }
    }

    /// The object's key for a matched path.
    #[must_use]
    pub fn object_key(&self, captures: &Captures<'_>) -> Option<String> {
        captures.fill(&self.key_text)
    }
}

/// Reads `[variants.*]` and `[[routes]]`.
pub fn read(section: &mut Section, origins: &Origins) -> Delivery {
    let variants = section.named("variants", |name, section| {
        if name.contains('=') {
            section.error("", "a variant's name must not hold =, which marks option lists");
        }
        Variant { public: section.or("public", false), options: read_options(section) }
    });
    let routes = section.tables("routes", |section| read_route(section, origins, &variants));
    Delivery { variants, routes }
}

/// Reads options, with the values that they have in URLs.
fn read_options(section: &mut Section) -> Options {
    let mut texts = Vec::new();
    for Entry { name, .. } in &TABLE {
        match section.optional::<toml::Value>(name) {
            Some(toml::Value::String(text)) => texts.push((name, text)),
            Some(toml::Value::Integer(number)) => texts.push((name, number.to_string())),
            Some(toml::Value::Float(number)) => texts.push((name, number.to_string())),
            Some(_) => section.error(name, "must be a number or text"),
            None => {}
        }
    }
    Options::from_texts(texts).unwrap_or_else(|violations| {
        for violation in violations {
            section.error(&violation.field, violation.description);
        }
        Options::default()
    })
}

fn read_route(section: &mut Section, origins: &Origins, variants: &BTreeMap<String, Variant>) -> Route {
    let text: String = section.required("path");
    let path = Template::parse(&text).unwrap_or_else(|message| {
        section.error("path", message);
        Template::default() // matches nothing, and is never used
    });
    let origin: String = section.required("origin");
    if !origin.is_empty() && !origins.contains_key(&origin) {
        section.error("origin", "no origin of that name is configured");
    }
    let key_text = section.or("object_key", "{key}".to_owned());
    if !path.fills(&key_text) {
        section.error("object_key", "must be made of text and at least one {name} of the path");
    }
    let route = Route {
        name: section.optional("name").unwrap_or_else(|| text.clone()),
        behind_signature: path.behind_signature(&key_text),
        path,
        path_text: text,
        origin,
        key_text,
        url_key: section.optional("url_key"),
        variant: section.optional("variant"),
        variants: section.or("variants", BTreeSet::new()),
        flexible: section.or("flexible", false),
        bounds: read_bounds(section),
        max_age: section.duration("max_age").unwrap_or(DEFAULT_MAX_AGE),
        privacy: read_privacy(section),
        presentation: section.table("http", presentation::read).unwrap_or_default(),
    };
    check_variants(section, &route, variants);
    route
}

fn check_variants(section: &mut Section, route: &Route, variants: &BTreeMap<String, Variant>) {
    match &route.variant {
        None if !route.path.has("variant") => {
            section.error("variant", "is needed: the path has no {variant}");
        }
        Some(_) if route.path.has("variant") => {
            section.error("variant", "must not be set: the path has {variant}");
        }
        _ => {}
    }
    for (key, name) in
        route.variants.iter().map(|n| ("variants", n)).chain(route.variant.iter().map(|n| ("variant", n)))
    {
        if !variants.contains_key(name) {
            section.error(key, "names a variant that is not configured");
        }
    }
    if route.url_key.is_some() {
        return;
    }
    if route.privacy == Privacy::Object {
        section.error("url_key", "is needed: private objects are only served when their URLs are signed");
    }
    if route.flexible {
        section.error("url_key", "is needed: option lists are only served when they are signed");
    }
    if variants.iter().any(|(name, variant)| route.serves(name) && !variant.public) {
        section.error("url_key", "is needed: not every variant of the route is public");
    }
}

fn read_privacy(section: &mut Section) -> Privacy {
    match section.optional::<String>("privacy").as_deref() {
        None | Some("variant") => Privacy::Variant,
        Some("object") => Privacy::Object,
        Some(_) => {
            section.error("privacy", "must be \"variant\" or \"object\"");
            Privacy::Variant
        }
    }
}

fn read_bounds(section: &mut Section) -> Option<OutputBounds> {
    let max_width: Option<NonZeroU32> = section.optional("max_width");
    let max_height: Option<NonZeroU32> = section.optional("max_height");
    let max_area: Option<NonZeroU64> = section.optional("max_area");
    let on_exceed = match section.optional::<String>("on_exceed").as_deref() {
        None | Some("refuse") => OnExceed::Refuse,
        Some("clamp") => OnExceed::Clamp,
        Some(_) => {
            section.error("on_exceed", "must be \"refuse\" or \"clamp\"");
            OnExceed::Refuse
        }
    };
    let any = max_width.is_some() || max_height.is_some() || max_area.is_some();
    any.then_some(OutputBounds { max_width, max_height, max_area, on_exceed })
}
