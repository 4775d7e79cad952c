use proptest::prelude::*;
use safelight_chassis::config;
use safelight_proto::upload::Form;

use super::*;
use crate::keyring::seen::Seen;

const KEYS: &str = "[[keys]]\nname = 'forms'\nscheme = 'cloudinary-upload'\n\
    versions = [{ id = 1, state = 'primary', secret_file = 'FILE' }]\n\
    [[keys]]\nname = 's3'\nscheme = 'aws-sigv4'\nallowed_hosts = ['b.example.com']\n\
    versions = [{ id = 1, state = 'primary', access_key_id = 'A', secret_file = 'FILE' }]\n";

const ORIGIN: &str =
    "max_bytes = '1MiB'\nsigning_key = 's3'\nregion = 'eu-west-1'\nbase_url = 'https://b.example.com/'\n";

fn read(text: &str, has_upload_tokens: bool) -> Result<Uploads, String> {
    use std::os::unix::fs::PermissionsExt;

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "fake-secret").unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o400)).unwrap();
    let keys = KEYS.replace("FILE", &file.path().display().to_string());
    config::read(&format!("{keys}{text}"), |section| {
        let keyring = crate::keyring::Keyring::read(section, &Seen::default());
        Uploads::read(section, &keyring, has_upload_tokens)
    })
    .map_err(|errors| errors.to_string())
}

fn forms() -> String {
    format!(
        "[[uploads]]\nname = 'forms'\nkind = 'cloudinary'\nobject_key = 'u/{{id}}'\nkey = 'forms'\n\
         content_types = ['image/png', 'image/jpeg', 'image/png']\n{ORIGIN}"
    )
}

fn tokens(options: &str) -> String {
    format!("[[uploads]]\nname = 'tokens'\nkind = 'one-time'\n{options}\n{ORIGIN}")
}

#[test]
fn rules_are_read() {
    let uploads =
        read(&format!("{}{}", forms(), tokens("")), true).unwrap_or_else(|errors| panic!("{errors}"));
    let [forms, tokens] = ["forms", "tokens"].map(|name| &uploads.all()[name]);
    assert!(Arc::ptr_eq(forms, uploads.of_digest(&forms.digest).unwrap()));
    assert_eq!(forms.content_types, ["image/jpeg", "image/png"]);
    assert_eq!(forms.keys().collect::<Vec<_>>(), ["forms", "s3"]);
    assert_eq!(tokens.keys().collect::<Vec<_>>(), ["s3"]);
    assert_eq!((tokens.object_key.as_str(), tokens.max_bytes, tokens.overwrite), ("{id}", 1 << 20, false));
    let default = ["image/avif", "image/gif", "image/jpeg", "image/png", "image/webp"];
    assert_eq!(tokens.content_types, default);
    assert!(read("", false).unwrap().all().is_empty());
}

#[test]
fn everything_that_is_wrong_is_said() {
    let good = forms();
    for (from, to, at) in [
        ("name = 'forms'\nkind", "name = 'a b'\nkind", "uploads[0].name"),
        ("'cloudinary'", "'put'", "uploads[0].kind"),
        ("kind = 'cloudinary'\n", "", "uploads[0].kind"),
        ("u/{id}", "u/{other}", "uploads[0].object_key"),
        ("u/{id}", "fixed", "uploads[0].object_key"),
        ("u/{id}", "{account}/{id}", "uploads[0].object_key"),
        ("\nkey = 'forms'", "\nkey = 'nope'", "uploads[0].key"),
        ("\nkey = 'forms'", "\nkey = 's3'", "uploads[0].key"),
        ("\nkey = 'forms'", "", "uploads[0].key"),
        ("max_bytes = '1MiB'", "max_bytes = 0", "uploads[0].max_bytes"),
        ("max_bytes = '1MiB'\n", "", "uploads[0].max_bytes"),
        ("'image/png', 'image/jpeg', 'image/png'", "", "uploads[0].content_types"),
        ("'image/png', 'image/jpeg'", "'image/svg+xml'", "uploads[0].content_types"),
        ("'image/png', 'image/jpeg'", "'image/*'", "uploads[0].content_types"),
        ("max_bytes", "overwrite = 'yes'\nmax_bytes", "uploads[0].overwrite"),
        ("signing_key = 's3'\n", "", "uploads[0].signing_key"),
        ("signing_key = 's3'", "signing_key = 'forms'", "uploads[0].signing_key"),
        ("region = 'eu-west-1'\n", "", "uploads[0].region"),
        ("eu-west-1", "eu west", "uploads[0].region"),
        ("example.com/'", "example.com'", "uploads[0].base_url"),
        ("https://b", "https://c", "uploads[0].base_url"),
        ("max_bytes", "unknown = 1\nmax_bytes", "uploads[0].unknown"),
    ] {
        assert!(good.contains(from), "{from}");
        let errors = read(&good.replace(from, to), true).unwrap_err();
        assert!(errors.contains(at), "{at} not in\n{errors}");
    }
    for (text, has_tokens, at) in [
        (tokens("key = 'forms'"), true, "uploads[0].key"),
        (tokens("object_key = '{account}-{id}'"), true, "uploads[0].object_key"),
        (tokens("object_key = '{id}.{ext}'"), true, "uploads[0].object_key"),
        (tokens("object_key = '{sha256}'"), true, "uploads[0].object_key"),
        (tokens("overwrite = true"), true, "uploads[0].overwrite"),
        (tokens("callback = 'https://a.example.com/h'"), true, "uploads[0].callback_key: missing"),
        (tokens("callback_key = 'forms'"), true, "uploads[0].callback_key: belongs"),
        (tokens("callback = '/h'\ncallback_key = 'forms'"), true, "uploads[0].callback"),
        (
            tokens("callback = 'https://a.example.com/h'\ncallback_key = 's3'"),
            true,
            "uploads[0].callback_key",
        ),
        (
            good.replace("max_bytes", "callback = 'https://a.example.com/h'\nmax_bytes"),
            false,
            "uploads[0].callback: needs",
        ),
        (tokens(""), false, "uploads[0].kind: needs [upload_tokens]"),
        (format!("{good}{good}"), true, "uploads[1].name: another upload rule"),
        (
            format!("{good}{}", good.replace("name = 'forms'\nkind", "name = 'x'\nkind")),
            true,
            "uploads[1]: another",
        ),
    ] {
        let errors = read(&text, has_tokens).unwrap_err();
        assert!(errors.contains(at), "{at} not in\n{errors}");
    }
    let all = good.replace("eu-west-1", "").replace("u/{id}", "").replace("'1MiB'", "0");
    let errors = read(&all, true).unwrap_err();
    for at in ["uploads[0].region", "uploads[0].object_key", "uploads[0].max_bytes"] {
        assert!(errors.contains(at), "{at} not in\n{errors}");
    }
}

proptest! {
    /// Whatever a form says and a file is called: an answer, and never an object that is not below the rule's `u/`.
    #[test]
    fn no_text_leads_out_of_a_rule(
        folder in ".{0,12}",
        public_id in prop_oneof![".{0,12}", "[a./\\\\%\u{ff0e}\u{2215}]{0,8}"],
        filename in ".{0,20}",
        switches in any::<[bool; 3]>(),
    ) {
        let uploads = read(&forms(), true).unwrap();
        let [use_filename, unique_filename, overwrite] = switches.map(|switch| if switch { "true" } else { "false" });
        let fields = [
            ("folder", folder.as_str()),
            ("public_id", public_id.as_str()),
            ("use_filename", use_filename),
            ("unique_filename", unique_filename),
            ("overwrite", overwrite),
        ];
        let permit = Permit::of_form(&Form::read(fields).unwrap(), "sig");
        let sha256 = "0".repeat(64);
        let file = File { sha256: &sha256, length: 1, content_type: "image/png", filename: &filename };
        if let Ok(object) = uploads.all()["forms"].object(&permit, &file) {
            prop_assert_eq!(&object.key, &format!("u/{}", object.image_id));
            let path = safelight_proto::delivery::object_key::encode(&object.key).unwrap();
            let climbs = crate::keyring::climbs(&format!("/{path}"));
            prop_assert!(!climbs);
            let parts: Vec<_> = object.image_id.split('/').collect();
            prop_assert!(parts.iter().all(|part| !matches!(*part, "" | "." | "..")));
            let below = folder.is_empty() || object.image_id.starts_with(&format!("{folder}/"));
            prop_assert!(below);
            let overwrites = object.headers.iter().all(|(name, _)| *name != "if-none-match");
            prop_assert!(!overwrites, "the rule does not");
        }
    }
}
