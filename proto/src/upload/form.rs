//! Forms that are signed as Cloudinary's uploads are: the parameters that are served, and how they are read.
//!
//! The signer reads a form to know the object's key and who may see it, and the resizer to do the rest: both read it here.
//!
//! | parameter | value | what it does |
//! | --- | --- | --- |
//! | `public_id` | text | the image's id, below `folder` |
//! | `folder` | text | what stands before the id, and a slash |
//! | `use_filename` | `true`, `false` (default) | without `public_id`: the id is made of the file's name |
//! | `unique_filename` | `true` (default), `false` | with `use_filename`: characters follow that the form and the file decide |
//! | `filename_override` | text | with `use_filename`: the file's name, whatever it was |
//! | `type` | `upload` (default), `private`, `authenticated` | the latter two: delivered by signed URLs only |
//! | `overwrite` | `true` (default), `false` | `false`: no object is replaced, though the rule would |
//! | `allowed_formats` | `jpg,png` | the file must be of one of them |
//! | `tags` | `a,b` | kept with the object |
//! | `context` | `key=value\|key=value` | kept with the object; `\=` and `\|` stand for themselves |
//! | `asset_folder` | text | kept with the object; no part of its id |
//! | `eager` | names of variants, between `\|` | made by the resizer |
//! | `timestamp`, `signature` | | the signature, and when it was made |
//! | `signature_algorithm`, `api_key`, `cloud_name`, `file` | | not signed: decide nothing |
//! | `resource_type` | `image`, `auto` | not signed: decides nothing |
//!
//! Every other parameter is refused by name. An empty parameter is none: a signature does not cover it. `tags[]` may stand for
//! `tags`, several times; this is true of every parameter, as it is in what a signature covers.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

/// The parameters that are served.
pub const PARAMETERS: [&str; 19] = [
    "allowed_formats",
    "api_key",
    "asset_folder",
    "cloud_name",
    "context",
    "eager",
    "file",
    "filename_override",
    "folder",
    "overwrite",
    "public_id",
    "resource_type",
    "signature",
    "signature_algorithm",
    "tags",
    "timestamp",
    "type",
    "unique_filename",
    "use_filename",
];

/// Most bytes of a name that is shown.
const MAX_SHOWN: usize = 64;

/// What a form asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// The id below the folder.
    pub public_id: Option<String>,
    /// What stands before the id.
    pub folder: Option<String>,
    /// Whether the id is made of the file's name, where there is no `public_id`.
    pub use_filename: bool,
    /// Whether something is added to the file's name that tells files apart.
    pub unique_filename: bool,
    /// The file's name, whatever it was.
    pub filename_override: Option<String>,
    /// Whether the image is delivered by signed URLs only.
    pub is_private: bool,
    /// Whether an object may be replaced, as far as the form has a say.
    pub overwrite: bool,
    /// Media types of the file. None means any.
    pub allowed_types: Vec<String>,
    /// Kept with the object.
    pub tags: Vec<String>,
    /// Kept with the object.
    pub context: BTreeMap<String, String>,
    /// Kept with the object.
    pub asset_folder: Option<String>,
    /// What is made at once.
    pub eager: Vec<String>,
}

/// A parameter that is not served, or a value of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {why}")]
pub struct Unsupported {
    /// Name of the parameter.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Form {
    /// Reads the fields of a form, (name, value) in the order received. Whether it is signed is for the signer to say.
    ///
    /// # Errors
    /// The first parameter that is not served, or whose value is not.
    pub fn read<'f>(fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> Result<Self, Unsupported> {
        let values = collect(fields)?;
        let text = |name: &str| {
            values.get(name).filter(|value| !value.is_empty()).map(|value| value.clone().into_owned())
        };
        let flag = |name: &'static str, default| match text(name).as_deref() {
            None => Ok(default),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err(unsupported(name, "expected true or false")),
        };
        let is_private = match text("type").as_deref() {
            None | Some("upload") => false,
            Some("private" | "authenticated") => true,
            Some(_) => return Err(unsupported("type", "expected upload, private or authenticated")),
        };
        if !matches!(text("resource_type").as_deref(), None | Some("image" | "auto")) {
            return Err(unsupported("resource_type", "expected image or auto"));
        }
        let list = |name: &str, separator: char| -> Vec<String> {
            let text = text(name).unwrap_or_default();
            text.split(separator).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let context = text("context").map(|text| context(&text)).transpose()?.unwrap_or_default();
        let allowed_types: Vec<_> =
            list("allowed_formats", ',').iter().map(|format| media_type(format)).collect();
        if allowed_types.is_empty() && text("allowed_formats").is_some() {
            return Err(unsupported("allowed_formats", "expected names of formats"));
        }
        Ok(Self {
            public_id: text("public_id"),
            folder: text("folder"),
            use_filename: flag("use_filename", false)?,
            unique_filename: flag("unique_filename", true)?,
            filename_override: text("filename_override"),
            is_private,
            overwrite: flag("overwrite", true)?,
            allowed_types,
            tags: list("tags", ','),
            context,
            asset_folder: text("asset_folder"),
            eager: list("eager", '|'),
        })
    }
}

/// The values by name, of those that are served.
fn collect<'f>(
    fields: impl IntoIterator<Item = (&'f str, &'f str)>,
) -> Result<BTreeMap<&'f str, Cow<'f, str>>, Unsupported> {
    let mut values: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    for (name, value) in fields {
        let (plain, is_list) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
        if !PARAMETERS.contains(&plain) {
            return Err(unsupported(name, "is not served here"));
        }
        match values.entry(plain) {
            Entry::Vacant(entry) => {
                entry.insert(value.into());
            }
            // One beside its `[]` form is refused when the signature is verified.
            Entry::Occupied(mut entry) if is_list => {
                let list = entry.get_mut().to_mut();
                list.push(',');
                list.push_str(value);
            }
            Entry::Occupied(_) => return Err(unsupported(name, "stands there twice")),
        }
    }
    Ok(values)
}

/// The pairs of a context.
fn context(text: &str) -> Result<BTreeMap<String, String>, Unsupported> {
    let bad = |why| unsupported("context", why);
    let mut pairs = BTreeMap::new();
    let (mut key, mut part) = (None, String::new());
    let mut end = |key: &mut Option<String>, part: &mut String| {
        let key = key.take().filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| bad("expected pairs such as key=value|key=value"))?;
        match pairs.insert(key, std::mem::take(part)) {
            None => Ok(()),
            Some(_) => Err(bad("has a key twice")),
        }
    };
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if matches!(characters.peek(), Some('=' | '|')) => part.extend(characters.next()),
            '=' if key.is_none() => key = Some(std::mem::take(&mut part)),
            '|' => end(&mut key, &mut part)?,
            other => part.push(other),
        }
    }
    end(&mut key, &mut part)?;
    Ok(pairs)
}

/// The media type of a format, by the names that Cloudinary has. One that is not stored here is a type that no file has.
fn media_type(format: &str) -> String {
    let format = format.to_ascii_lowercase();
    match format.as_str() {
        "jpg" | "jpe" => "image/jpeg".to_owned(),
        "heif" => "image/heic".to_owned(),
        _ => format!("image/{format}"),
    }
}

fn unsupported(name: &str, why: &'static str) -> Unsupported {
    let name = name.get(..name.floor_char_boundary(MAX_SHOWN)).unwrap_or_default().to_owned();
    Unsupported { name, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<Form, Unsupported> {
        Form::read(fields.iter().copied())
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn every_parameter_that_is_served_is_read() {
        let form = read(&[
            ("public_id", "a/b"),
            ("folder", "f"),
            ("use_filename", "true"),
            ("unique_filename", "0"),
            ("filename_override", "x.jpg"),
            ("type", "authenticated"),
            ("overwrite", "false"),
            ("allowed_formats", "jpg,PNG, heif,pdf"),
            ("tags[]", "a"),
            ("tags[]", "b, c"),
            ("context", r"alt=a\=b\|c\d|caption=x=y|empty="),
            ("asset_folder", "g"),
            ("eager", "thumb|hero"),
            ("timestamp", "1"),
            ("signature", "2"),
            ("signature_algorithm", "sha256"),
            ("api_key", "3"),
            ("cloud_name", "demo"),
            ("file", ""),
            ("resource_type", "auto"),
        ]);
        let context = [("alt", r"a=b|c\d"), ("caption", "x=y"), ("empty", "")];
        let expected = Form {
            public_id: Some("a/b".to_owned()),
            folder: Some("f".to_owned()),
            use_filename: true,
            unique_filename: false,
            filename_override: Some("x.jpg".to_owned()),
            is_private: true,
            overwrite: false,
            allowed_types: texts(&["image/jpeg", "image/png", "image/heic", "image/pdf"]),
            tags: texts(&["a", "b", "c"]),
            context: context.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            asset_folder: Some("g".to_owned()),
            eager: texts(&["thumb", "hero"]),
        };
        assert_eq!(read(&[]), Ok(Form { unique_filename: true, overwrite: true, ..Form::default() }));
        assert_eq!(form, Ok(expected));
        for name in PARAMETERS {
            assert_eq!(read(&[(name, "")]), read(&[]), "an empty {name} is none");
        }
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        for (fields, name) in [
            (&[("notification_url", "x")][..], "notification_url"),
            (&[("public_id_prefix", "")], "public_id_prefix"),
            (&[("transformation[]", "x")], "transformation[]"),
            (&[("é", "x")], "é"),
            (&[("public_id", "a"), ("public_id", "b")], "public_id"),
            (&[("use_filename", "yes")], "use_filename"),
            (&[("unique_filename", "True")], "unique_filename"),
            (&[("overwrite", "2")], "overwrite"),
            (&[("type", "fetch")], "type"),
            (&[("type[]", "upload"), ("type[]", "private")], "type"),
            (&[("resource_type", "video")], "resource_type"),
            (&[("allowed_formats", " , ")], "allowed_formats"),
            (&[("context", "alt")], "context"),
            (&[("context", "=a")], "context"),
            (&[("context", "a=b|")], "context"),
            (&[("context", "a=b|a=c")], "context"),
        ] {
            assert_eq!(read(fields).unwrap_err().name, name);
        }
        let long = "é".repeat(100);
        assert_eq!(read(&[(&long, "")]).unwrap_err().name, "é".repeat(32));
    }

    #[test]
    fn names_are_sorted_and_once() {
        assert!(PARAMETERS.is_sorted_by(|one, other| one < other));
    }
}
