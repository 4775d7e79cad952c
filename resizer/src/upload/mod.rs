//! Which files may be stored, and where.
//!
//! # Layout
//! - [`config`]: the `[[uploads]]` tables
//!
//! Pure: what is stored is authorized by the signer, whose `[[uploads]]` say the same of each rule. See
//! [`Identity`].

pub mod config;

use std::sync::Arc;

use safelight_image::{probe::Info, sniff::Format, strip::Metadata};
use safelight_proto::{
    delivery::template::{self, Template},
    reason::{CallError, Reason},
    signer::v1::UploadKind,
    upload::Identity,
};

use crate::delivery::presentation::Origins;

/// The rules of the configuration, in order.
#[derive(Debug, Clone, Default)]
pub struct Uploads {
    /// Each has a name of its own.
    pub rules: Vec<Arc<Rule>>,
}

impl Uploads {
    /// The rule of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// The rule that takes uploads at a path, still percent-encoded.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|rule| rule.path.as_ref().is_some_and(|own| own.matches(path).is_some()))
    }
}

/// One of `[[uploads]]`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// In grants and in the log.
    pub name: String,
    /// What lets files be stored.
    pub kind: UploadKind,
    /// Where HTTP uploads come in; `None`: nowhere.
    pub path: Option<Template>,
    /// The tenant, where the path has none.
    pub account: Option<String>,
    /// Name of the origin.
    pub origin: String,
    /// The template of object keys.
    pub object_key: String,
    /// The key that forms are signed with; empty where none is.
    pub form_key: String,
    /// Most bytes, received and stored.
    pub max_bytes: u64,
    /// Most pixels of the picture.
    pub max_pixels: u64,
    /// Most pixels of a side.
    pub max_side: u32,
    /// Formats that are taken.
    pub formats: Vec<Format>,
    /// Media types of what is stored.
    pub content_types: Vec<String>,
    /// Whether an object that exists is replaced.
    pub overwrite: bool,
    /// The variant that is stored in place of the bytes as they came.
    pub variant: Option<String>,
    /// What stays of a picture's metadata, where it is stored as it came.
    pub metadata: Metadata,
    /// Variants that are made of a new picture at once, and stored as results.
    pub eager: Vec<String>,
    /// Where outcomes are sent.
    pub callback: Option<String>,
    /// The signer's key that signs them; empty where none are.
    pub callback_key: String,
    /// Where a stored picture can be seen: of `{account}`, `{id}` and `{variant}`.
    pub delivery_url: Option<String>,
    /// Sites whose scripts may upload.
    pub cors: Origins,
    /// What a signer's rule must agree with.
    pub digest: String,
}

impl Rule {
    /// What the signer must have for it.
    #[must_use]
    pub fn identity<'a>(&'a self, signing: (&'a str, &'a str), base_url: &'a str) -> Identity<'a> {
        let (signing_key, region) = signing;
        Identity {
            kind: self.kind,
            object_key: &self.object_key,
            form_key: &self.form_key,
            max_bytes: self.max_bytes,
            content_types: &self.content_types,
            overwrite: self.overwrite,
            signing_key,
            base_url,
            region,
            callback: self.callback.as_deref().unwrap_or_default(),
            callback_key: &self.callback_key,
        }
    }

    /// Refuses a picture by its header.
    ///
    /// # Errors
    /// `UPLOAD_TYPE_REFUSED`, `IMAGE_TOO_LARGE`.
    pub fn check(&self, info: &Info) -> Result<(), CallError> {
        if !self.formats.contains(&info.format) {
            return Err(Reason::UploadTypeRefused.error(format!("{} files are not taken here", info.format)));
        }
        let size = info.size();
        if size.area() > self.max_pixels || size.width.max(size.height) > self.max_side {
            let (pixels, side) = (self.max_pixels, self.max_side);
            return Err(Reason::ImageTooLarge.error(format!(
                "the picture is {size}; at most {pixels} pixels are taken, and {side} of a side"
            )));
        }
        Ok(())
    }

    /// Where a variant of a stored picture can be seen. `None` where the configuration does not say.
    #[must_use]
    pub fn url(&self, account: &str, id: &str, variant: &str) -> Option<String> {
        let encoded = |text: &str| safelight_proto::delivery::object_key::encode(text).ok();
        template::fill(self.delivery_url.as_deref()?, |name| match name {
            "account" => encoded(account),
            "id" => encoded(id),
            _ => encoded(variant),
        })
    }
}
