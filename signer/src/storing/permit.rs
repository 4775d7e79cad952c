//! What lets a file be stored, once it was checked.

use prost_types::Struct;
use safelight_proto::upload::Form;

use super::{id, metadata};
use crate::upload::{ImageIdError, TokenId, image_id, record::Details};

/// Longest id of a form, in characters: Cloudinary's limit.
const MAX_PUBLIC_ID_CHARACTERS: usize = 255;

/// Characters that Cloudinary has in no public id. The answer to an upload is signed as text in which `&` parts parameters: with
/// one in a public id, that could be the signature of another upload.
const NOT_IN_PUBLIC_IDS: [char; 8] = ['?', '&', '#', '%', '<', '>', '+', '\\'];

/// What a token, a form or a grant lets be stored.
#[derive(Debug, Clone)]
pub struct Permit {
    /// What it rests on.
    pub authority: Authority,
    /// The tenant; empty for none.
    pub account: String,
    /// The image's id.
    pub image_id: ImageId,
    /// Most bytes of the file; 0 for no limit.
    pub max_bytes: u64,
    /// Media types of which the file must have one, such as `image/jpeg` or `image/*`; none for any.
    pub content_types: Vec<String>,
    /// Whether the image is delivered by signed URLs only.
    pub require_signed_urls: bool,
    /// Who uploads.
    pub creator: String,
    /// Whether an object may be replaced where the rule does so.
    pub overwrite: bool,
    /// JSON; empty for none.
    pub(super) metadata: String,
}

/// What lets a file be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// A token.
    Token(TokenId),
    /// A form with this signature, which holds. It is not shown: it lets its holder upload.
    Form(Signature),
    /// The caller's grant, for this request.
    Grant {
        /// Names the attempt.
        request_id: String,
    },
}

/// A form's signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature(pub(super) String);

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signature")
    }
}

/// How an image gets its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageId {
    /// It is known.
    Known(String),
    /// A folder, and what follows from a form and the file.
    OfForm {
        /// Before the id; empty for none.
        folder: String,
        /// Of a file's name.
        filename: Option<OfFilename>,
    },
    /// A UUID that follows from a grant's request and the file.
    OfGrant,
}

/// An id that is made of a file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfFilename {
    /// Instead of the name that the file has.
    pub instead: Option<String>,
    /// Whether files of one name are told apart.
    pub unique: bool,
}

impl Permit {
    /// What a token lets be stored.
    #[must_use]
    pub fn of_token(token: TokenId, account: String, details: Details, metadata: Option<&Struct>) -> Self {
        Self {
            authority: Authority::Token(token),
            account,
            image_id: ImageId::Known(details.image_id),
            max_bytes: details.max_bytes,
            content_types: details.allowed_content_types,
            require_signed_urls: details.require_signed_urls,
            creator: details.creator,
            overwrite: true,
            metadata: metadata.map(metadata::of_struct).unwrap_or_default(),
        }
    }

    /// What a form lets be stored whose signature holds.
    #[must_use]
    pub fn of_form(form: &Form, signature: &str) -> Self {
        let folder = form.folder.clone().unwrap_or_default();
        let image_id = match &form.public_id {
            Some(public_id) => ImageId::Known(below(&folder, public_id)),
            None => ImageId::OfForm {
                folder,
                filename: form.use_filename.then(|| OfFilename {
                    instead: form.filename_override.clone(),
                    unique: form.unique_filename,
                }),
            },
        };
        Self {
            authority: Authority::Form(Signature(signature.to_owned())),
            account: String::new(),
            image_id,
            max_bytes: 0,
            content_types: form.allowed_types.clone(),
            require_signed_urls: form.is_private,
            creator: String::new(),
            overwrite: form.overwrite,
            metadata: metadata::of_form(form),
        }
    }

    /// What a grant lets be stored. An empty `image_id` asks for one that follows from the request and the file.
    #[must_use]
    pub fn of_grant(
        request_id: &str,
        account: &str,
        image_id: &str,
        require_signed_urls: bool,
        creator: &str,
        metadata: Option<&Struct>,
    ) -> Self {
        let known = Some(image_id).filter(|id| !id.is_empty());
        Self {
            authority: Authority::Grant { request_id: request_id.to_owned() },
            account: account.to_owned(),
            image_id: known.map_or(ImageId::OfGrant, |id| ImageId::Known(id.to_owned())),
            max_bytes: 0,
            content_types: Vec::new(),
            require_signed_urls,
            creator: creator.to_owned(),
            overwrite: true,
            metadata: metadata.map(metadata::of_struct).unwrap_or_default(),
        }
    }

    /// The id that is known before the file is; empty where it follows from that.
    #[must_use]
    pub fn known_id(&self) -> &str {
        match &self.image_id {
            ImageId::Known(id) => id,
            ImageId::OfForm { .. } | ImageId::OfGrant => "",
        }
    }

    /// The id of a file's image, checked.
    ///
    /// # Errors
    /// It is none.
    pub fn image_id(&self, filename: &str, sha256: &str) -> Result<String, ImageIdError> {
        let id = match (&self.image_id, &self.authority) {
            (ImageId::Known(id), _) => id.clone(),
            (ImageId::OfForm { folder, filename: asked }, Authority::Form(Signature(signature))) => {
                let name = match asked {
                    None => id::of_form(signature, sha256),
                    Some(OfFilename { instead, unique }) => {
                        let filename = instead.as_deref().unwrap_or(filename);
                        if *unique {
                            id::of_unique_filename(filename, signature, sha256)
                        } else {
                            id::of_filename(filename)
                        }
                    }
                };
                below(folder, &name)
            }
            (ImageId::OfGrant, Authority::Grant { request_id }) => {
                id::of_grant(&self.account, request_id, sha256)
            }
            (ImageId::OfForm { .. } | ImageId::OfGrant, _) => return Err(ImageIdError::Invalid),
        };
        image_id::check(&id)?;
        if let Authority::Form(_) = self.authority {
            check_public_id(&id)?;
        }
        Ok(id)
    }

    /// The id of its token; empty for none.
    #[must_use]
    pub fn token_id(&self) -> String {
        match &self.authority {
            Authority::Token(id) => id.to_string(),
            Authority::Form(_) | Authority::Grant { .. } => String::new(),
        }
    }

    /// Names the upload of a file, in the object's metadata.
    #[must_use]
    pub fn upload_id(&self, sha256: &str) -> String {
        let of = |parts: [&str; 3]| {
            let mut id = safelight_proto::digest::of(parts);
            id.truncate(32);
            id
        };
        match &self.authority {
            Authority::Token(id) => id.to_string(),
            Authority::Form(Signature(signature)) => of(["safelight upload by a form", signature, sha256]),
            Authority::Grant { request_id } => of(["safelight upload by a grant", &self.account, request_id]),
        }
    }
}

fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// What Cloudinary demands of a public id beside what every id must be.
fn check_public_id(id: &str) -> Result<(), ImageIdError> {
    if id.chars().count() > MAX_PUBLIC_ID_CHARACTERS {
        return Err(ImageIdError::TooLong);
    }
    let spaced = id.split('/').any(|part| part.trim() != part);
    if id.contains(NOT_IN_PUBLIC_IDS) || spaced { Err(ImageIdError::Invalid) } else { Ok(()) }
}
