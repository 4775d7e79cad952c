//! `multipart/form-data`: fields and one file.

use std::error::Error as _;

use bytes::Bytes;
use http::{HeaderMap, header};
use multer::{Field, Multipart};
use safelight_proto::reason::{CallError, Reason};

use super::{
    super::request::only,
    body::{Incoming, Progress},
};

/// Most fields of a form.
const MAX_FIELDS: usize = 128;
/// Longest name of a file, in bytes.
const MAX_FILENAME_BYTES: usize = 255;
/// The name of the part that is the file.
const FILE: &str = "file";

/// A form as it comes.
pub(super) struct Form {
    parts: Multipart<'static>,
    progress: Progress,
    fields: usize,
    has_file: bool,
}

/// The next part of a form.
pub(super) enum Part {
    /// A field, whole.
    Field(String, String),
    /// The file begins. It must be read to its end before the next part.
    File(Box<File>),
}

/// A file as it comes.
pub(super) struct File {
    field: Field<'static>,
    progress: Progress,
    /// The name that the client gives it; empty when it gives none.
    pub(super) filename: String,
    /// Whether it comes as a field of text comes: it may be a data URI.
    pub(super) is_text: bool,
}

impl Form {
    /// Begins to read a form.
    pub(super) fn new(headers: &HeaderMap, incoming: &mut Incoming) -> Result<Self, CallError> {
        let boundary =
            only(headers, &header::CONTENT_TYPE).and_then(|text| multer::parse_boundary(text).ok());
        let boundary = boundary.ok_or_else(|| {
            invalid("POST takes a form (multipart/form-data with a boundary) whose part \"file\" is the file")
        })?;
        let (stream, progress) = incoming.stream();
        Ok(Self { parts: Multipart::new(stream, boundary), progress, fields: 0, has_file: false })
    }

    /// The next part; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, CallError> {
        let Some(field) = self.parts.next_field().await.map_err(broken)? else { return Ok(None) };
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(invalid(format!("the form has more than {MAX_FIELDS} fields")));
        }
        let name = field.name().unwrap_or_default().to_owned();
        if name == FILE {
            if std::mem::replace(&mut self.has_file, true) {
                return Err(invalid("the form has two parts \"file\""));
            }
            let is_text = field.file_name().is_none();
            let filename = shown(field.file_name().unwrap_or_default());
            let progress = self.progress.clone();
            return Ok(Some(Part::File(Box::new(File { field, progress, filename, is_text }))));
        }
        if field.file_name().is_some_and(|name| !name.is_empty()) {
            return Err(invalid("the form has a file in a part that is not named \"file\""));
        }
        // Bounded by what a form may have besides its file.
        let value = field.bytes().await.map_err(broken)?;
        let value = String::from_utf8(value.into()).map_err(|_| invalid("a field is not UTF-8"))?;
        Ok(Some(Part::Field(name, value)))
    }
}

impl File {
    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        let piece = self.field.chunk().await.map_err(broken)?;
        if let Some(bytes) = &piece {
            self.progress.take(bytes.len());
        }
        Ok(piece)
    }
}

/// What the parser says, or what its stream said.
fn broken(error: multer::Error) -> CallError {
    use multer::Error;
    if let Some(error) = error.source().and_then(|source| source.downcast_ref::<CallError>()) {
        return error.clone();
    }
    match error {
        Error::IncompleteFieldData { .. } | Error::IncompleteHeaders | Error::IncompleteStream => {
            Reason::UploadIncomplete.error("the form ends before its closing boundary")
        }
        _ => invalid("the body is no multipart/form-data form"),
    }
}

pub(super) fn invalid(text: impl Into<String>) -> CallError {
    Reason::UploadFormInvalid.error(text)
}

/// A file's name as it may be kept: the last part of a path, without controls, not too long.
fn shown(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    name.get(..name.floor_char_boundary(MAX_FILENAME_BYTES)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_names() {
        for (name, kept) in [
            ("beach 1.jpg", "beach 1.jpg"),
            ("C:\\photos\\a.jpg", "a.jpg"),
            ("../../etc/passwd", "passwd"),
            ("a\r\nb\0", "ab"),
            ("写.jpg", "写.jpg"),
            ("", ""),
        ] {
            assert_eq!(shown(name), kept);
        }
        assert_eq!(shown(&"é".repeat(200)).len(), 254);
    }
}
