//! What a file is stored as.

use safelight_proto::{
    delivery::{
        object_key::{self, KeyError},
        template,
    },
    upload::object::{self, MAX_METADATA_BYTES, metadata},
};

use super::{Permit, Rule};
use crate::upload::ImageIdError;

/// Longest name of a file, in bytes.
const MAX_FILENAME_BYTES: usize = 255;

/// What was received.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Lower-case hex.
    pub sha256: &'a str,
    /// Bytes.
    pub length: u64,
    /// By content.
    pub content_type: &'a str,
    /// The name that it had; may be empty.
    pub filename: &'a str,
}

/// What a file is stored as.
#[derive(Debug, PartialEq, Eq)]
pub struct Object {
    /// The image's id.
    pub image_id: String,
    /// The object's key, decoded.
    pub key: String,
    /// Names the upload.
    pub upload_id: String,
    /// Headers of the PUT that are not of the signature.
    pub headers: Vec<(&'static str, String)>,
}

/// Why nothing is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unstorable {
    /// A field of the file is malformed: its name, and what was expected.
    #[error("{0}: {1}")]
    File(&'static str, &'static str),
    /// It has more bytes than the rule or the permit allows.
    #[error("at most {0} bytes are stored")]
    TooLarge(u64),
    /// It is of a type that the rule or the permit does not allow.
    #[error("a file of this type is not stored")]
    Type,
    /// The image's id is none.
    #[error(transparent)]
    ImageId(#[from] ImageIdError),
    /// The account cannot be a part of a key.
    #[error("an account that is a part of keys has no slash and no backslash, and is not `.` or `..`")]
    Account,
    /// The object's key cannot be sent exactly.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The metadata is too large.
    #[error("the object's metadata would have {0} bytes, and at most 2,048 are stored")]
    Metadata(usize),
}

impl Rule {
    /// What is wrong with a permit, whatever the file.
    ///
    /// # Errors
    /// [`Unstorable`].
    pub fn check(&self, permit: &Permit) -> Result<(), Unstorable> {
        let sha256 = "0".repeat(64);
        let file = File { sha256: &sha256, length: 1, content_type: "image/jpeg", filename: "" };
        self.check_account(permit)?;
        object_key::encode(&self.key(permit, &permit.image_id("", &sha256)?, &file))?;
        headers(self, permit, &file, &permit.upload_id(&sha256)).map(|_| ())
    }

    /// What a file is stored as.
    ///
    /// # Errors
    /// [`Unstorable`].
    pub fn object(&self, permit: &Permit, file: &File<'_>) -> Result<Object, Unstorable> {
        self.check_file(permit, file)?;
        self.check_account(permit)?;
        let image_id = permit.image_id(file.filename, file.sha256)?;
        let key = self.key(permit, &image_id, file);
        object_key::encode(&key)?;
        let upload_id = permit.upload_id(file.sha256);
        let headers = headers(self, permit, file, &upload_id)?;
        Ok(Object { image_id, key, upload_id, headers })
    }

    /// The key of an object. Every name of the template has a value: that was checked when it was read.
    fn key(&self, permit: &Permit, image_id: &str, file: &File<'_>) -> String {
        let value = |name: &str| match name {
            "account" => Some(permit.account.clone()),
            "id" => Some(image_id.to_owned()),
            "sha256" => Some(file.sha256.to_owned()),
            "ext" => object::extension(file.content_type).map(str::to_owned),
            _ => None,
        };
        template::fill(&self.object_key, value).unwrap_or_default()
    }

    fn check_file(&self, permit: &Permit, file: &File<'_>) -> Result<(), Unstorable> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if file.sha256.len() != 64 || !file.sha256.bytes().all(is_digit) {
            return Err(Unstorable::File("sha256", "expected 64 lower-case hexadecimal digits"));
        }
        if file.length == 0 {
            return Err(Unstorable::File("length", "expected at least 1"));
        }
        if file.filename.len() > MAX_FILENAME_BYTES || file.filename.contains(char::is_control) {
            return Err(Unstorable::File(
                "filename",
                "expected at most 255 bytes without control characters",
            ));
        }
        let limit = self.max_bytes(permit);
        if file.length > limit {
            return Err(Unstorable::TooLarge(limit));
        }
        let is_of = |accepted: &String| match accepted.strip_suffix("/*") {
            Some(kind) => file.content_type.split('/').next() == Some(kind),
            None => file.content_type == accepted,
        };
        let is_accepted = self.content_types.iter().any(|known| known == file.content_type)
            && (permit.content_types.is_empty() || permit.content_types.iter().any(is_of));
        if is_accepted { Ok(()) } else { Err(Unstorable::Type) }
    }

    /// One account is one part of a key: else account `a/b` and image `c` would be account `a` and image `b/c`.
    fn check_account(&self, permit: &Permit) -> Result<(), Unstorable> {
        let account = permit.account.as_str();
        let is_part = !matches!(account, "" | "." | "..") && !account.contains(['/', '\\']);
        if is_part || !self.object_key.contains("{account}") { Ok(()) } else { Err(Unstorable::Account) }
    }
}

/// The headers of the PUT that are not of the signature.
fn headers(
    rule: &Rule,
    permit: &Permit,
    file: &File<'_>,
    upload_id: &str,
) -> Result<Vec<(&'static str, String)>, Unstorable> {
    let mut kept = vec![(metadata::UPLOAD, upload_id.to_owned()), (metadata::SHA256, file.sha256.to_owned())];
    if permit.require_signed_urls {
        kept.push((metadata::REQUIRE_SIGNED_URLS, "true".to_owned()));
    }
    for (name, text) in [
        (metadata::FILENAME, file.filename),
        (metadata::CREATOR, permit.creator.as_str()),
        (metadata::METADATA, permit.metadata.as_str()),
    ] {
        if !text.is_empty() {
            kept.push((name, object::encode(text)));
        }
    }
    let bytes = kept.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_METADATA_BYTES {
        return Err(Unstorable::Metadata(bytes));
    }
    let mut headers =
        vec![("content-type", file.content_type.to_owned()), ("content-length", file.length.to_string())];
    if !(rule.overwrite && permit.overwrite) {
        headers.push(("if-none-match", "*".to_owned()));
    }
    headers.extend(kept);
    Ok(headers)
}
