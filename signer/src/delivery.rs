//! Which object a delivery URL names: the proof that a fetch is signed for.
//!
//! A resizer asks for the object of a URL, and not for an object: what is signed is what the URL names by the template of its
//! delivery, and that the URL names it is authenticated, or public.
//!
//! # What is authenticated, by scheme
//! The object is taken from the *authenticated target's* path, never from what was asked for:
//!
//! | scheme | the authenticated target's path |
//! | --- | --- |
//! | cloudflare-images, google-cloud-cdn, google-media-cdn, cloudfront, akamai-edgeauth, cloudinary-auth-token, imgix, fastly | as it was sent: signed byte for byte, or covered by the prefix or pattern that was |
//! | bunny | as it was sent; in its directory form without the first segment, which holds the token |
//! | imgproxy | what follows the signature: without it, and without `path_prefix` before it |
//! | thumbor | what follows the signature |
//! | cloudinary-delivery | a slash and what follows the signature, `[transformation/]public_id`, without the version unless that was signed, and in the one encoding where the signature is of the unescaped text |
//!
//! The template of such a delivery says the path without the signature, `/{key...}/{variant}`, or with it, as the resizer's
//! route does: `/demo/image/upload/{signature}/{key...}/{variant}`. What stands before the signature is then not compared.
//!
//! Of the schemes from bunny on the path that was sent is another one ([`Scheme::signs_in_path`]). There a signature counts
//! before a public variant does: `/SIGNATURE/a/thumb` could be a path of the template as well.
//!
//! # Layout
//! - [`Delivery`]: one of `[[deliveries]]`
//! - [`Deliveries`]: all of them, by digest and by name
//! - `config`: reads `[[deliveries]]`
//!
//! [`Scheme::signs_in_path`]: crate::keyring::Scheme::signs_in_path

mod config;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use safelight_proto::delivery::{
    Identity,
    template::{self, Captures, Template},
};

use crate::origin::Origin;

/// Every delivery of the signer.
#[derive(Debug, Default)]
pub struct Deliveries {
    by_digest: HashMap<String, Arc<Delivery>>,
    by_name: BTreeMap<String, Arc<Delivery>>,
}

/// A family of delivery URLs, and where their objects are.
#[derive(Debug)]
pub struct Delivery {
    /// Unique in the signer.
    pub name: String,
    /// What it and a route must agree on.
    pub digest: String,
    path_text: String,
    path: Template,
    /// Which paths a signature covers that stands in the path: see [`Template::behind_signature`].
    behind_signature: Option<Template>,
    object_key: String,
    /// The key that URLs are signed with; `None`: everything is public.
    pub url_key: Option<String>,
    variant: Option<String>,
    public_variants: Vec<String>,
    /// Where the objects are, and what signs the fetch.
    pub origin: Origin,
    /// Whether the scheme of `url_key` writes signatures into paths.
    pub signature_in_path: bool,
}

/// The object that a path names.
#[derive(Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key, decoded.
    pub key: String,
    /// Whether the variant that the path asks for is delivered without a signature.
    pub is_public: bool,
}

impl Deliveries {
    /// The delivery that has this digest.
    #[must_use]
    pub fn of_digest(&self, digest: &str) -> Option<&Arc<Delivery>> {
        self.by_digest.get(digest)
    }

    /// All, by name.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<String, Arc<Delivery>> {
        &self.by_name
    }
}

impl Delivery {
    /// The object that a path, still percent-encoded, names; `None` if it is none of this delivery's.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<Object> {
        self.read(&self.path.matches(path)?)
    }

    /// The object that an authenticated path names, of a request for `asked`. Where the two are not the same the signature
    /// stood in the path.
    #[must_use]
    pub fn authenticated_object(&self, asked: &str, authenticated: &str) -> Option<Object> {
        let path = self.behind_signature.as_ref().filter(|_| asked != authenticated).unwrap_or(&self.path);
        self.read(&path.matches(authenticated)?)
    }

    fn read(&self, captures: &Captures<'_>) -> Option<Object> {
        let key = captures.fill(&self.object_key)?;
        let segment = captures.raw("variant").or(self.variant.as_deref())?;
        let is_public =
            template::variant_name(segment).is_some_and(|name| self.public_variants.contains(&name));
        Some(Object { key, is_public })
    }

    /// Names of the keys that it uses.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.url_key
            .as_deref()
            .into_iter()
            .chain(self.origin.signing.as_ref().map(|signing| signing.key.as_str()))
    }

    /// What it and a route must agree on.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            path: &self.path_text,
            object_key: &self.object_key,
            url_key: self.url_key.as_deref().unwrap_or_default(),
            variant: self.variant.as_deref().unwrap_or_default(),
            public_variants: &self.public_variants,
            signing_key: self.origin.signing_key(),
            base_url: &self.origin.base_url,
            region: self.origin.region(),
        }
    }
}
