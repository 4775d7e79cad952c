use safelight_chassis::config;
use safelight_proto::delivery::object_key::KeyError;

use super::*;
use crate::{Config, keyring::seen::Seen};

const KEYS: &str = "[[keys]]\nname = 'web'\nscheme = 'cloudflare-images'\n\
    versions = [{ id = 1, state = 'primary', secret_file = 'FILE' }]\n\
    [[keys]]\nname = 's3'\nscheme = 'aws-sigv4'\nallowed_hosts = ['b.example.com']\n\
    versions = [{ id = 1, state = 'primary', access_key_id = 'A', secret_file = 'FILE' }]\n";

const GOOD: &str = "[[deliveries]]\nname = 'web'\npath = '/{account}/{key...}/{variant}'\n\
    object_key = 'originals/{account}/{key}'\nurl_key = 'web'\npublic_variants = ['tiny', 'thumb', 'tiny']\n\
    signing_key = 's3'\nregion = 'eu-west-1'\nbase_url = 'https://b.example.com/'\n";

fn read(text: &str) -> Result<Deliveries, String> {
    use std::os::unix::fs::PermissionsExt;

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "fake-secret").unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o400)).unwrap();
    let keys = KEYS.replace("FILE", &file.path().display().to_string());
    config::read(&format!("{keys}{text}"), |section| {
        let keyring = crate::keyring::Keyring::read(section, &Seen::default());
        Deliveries::read(section, &keyring)
    })
    .map_err(|errors| errors.to_string())
}

fn changed(from: &str, to: &str) -> Result<Deliveries, String> {
    assert!(GOOD.contains(from), "{from}");
    read(&GOOD.replace(from, to))
}

#[test]
fn a_path_names_an_object() {
    let deliveries = read(GOOD).unwrap();
    let delivery = &deliveries.all()["web"];
    assert!(Arc::ptr_eq(delivery, deliveries.of_digest(&delivery.digest).unwrap()));
    assert_eq!(delivery.public_variants, ["thumb", "tiny"]);
    assert!(!delivery.signature_in_path);
    for (path, object) in [
        ("/acct/a%20b/c.jpg/hero", Some(("originals/acct/a b/c.jpg", false))),
        ("/acct/a/thumb", Some(("originals/acct/a", true))),
        ("/acct/a/%74humb", Some(("originals/acct/a", true))),
        ("/acct/a/thumb=", Some(("originals/acct/a", false))),
        ("/acct/a/thumb%3D", Some(("originals/acct/a", false))),
        ("/acct/a/width=9,thumb", Some(("originals/acct/a", false))),
        ("/acct/a/THUMB", Some(("originals/acct/a", false))),
        ("/acct/a/%ff", Some(("originals/acct/a", false))),
        ("/acct/thumb", None),
        ("/acct/%ff/thumb", None),
        ("acct/a/thumb", None),
    ] {
        let object = object.map(|(key, is_public)| Object { key: key.to_owned(), is_public });
        assert_eq!(delivery.object(path), object, "{path}");
    }
    assert_eq!(delivery.origin.url("a b/ü").as_deref(), Ok("https://b.example.com/a%20b/%C3%BC"));
    assert_eq!(delivery.origin.url("a/../b"), Err(KeyError::DotSegment));

    let fixed =
        GOOD.replace("/{variant}'", "'\nvariant = 'thumb'").replace("'tiny', 'thumb', 'tiny'", "'thumb'");
    let fixed = read(&fixed);
    let fixed = &fixed.unwrap_or_else(|errors| panic!("{errors}")).by_name["web"];
    assert_eq!(fixed.object("/a/b/c").map(|object| object.is_public), Some(true));
}

#[test]
fn everything_that_is_wrong_is_said() {
    for (from, to, at) in [
        ("name = 'web'", "name = 'a b'", "deliveries[0].name"),
        ("path = '/{", "path = '{", "deliveries[0].path"),
        ("{account}/{key}'", "{other}'", "deliveries[0].object_key"),
        ("url_key = 'web'", "url_key = 'nope'", "deliveries[0].url_key"),
        ("url_key = 'web'", "url_key = 's3'", "deliveries[0].url_key"),
        ("url_key = 'web'\npublic_variants = ['tiny', 'thumb', 'tiny']", "", "deliveries[0].url_key"),
        ("'tiny', 'thumb'", "'w=1', 'thumb'", "deliveries[0].public_variants"),
        ("url_key", "variant = 'hero'\nurl_key", "deliveries[0].variant"),
        ("/{variant}", "", "deliveries[0].variant"),
        ("/{variant}'", "'\nvariant = 'hero'", "deliveries[0].public_variants"),
        ("signing_key = 's3'", "signing_key = 'web'", "deliveries[0].signing_key"),
        ("signing_key = 's3'\n", "", "deliveries[0].region"),
        ("region = 'eu-west-1'\n", "", "deliveries[0].region"),
        ("eu-west-1", "eu west", "deliveries[0].region"),
        ("example.com/'", "example.com'", "deliveries[0].base_url"),
        ("https://b", "HTTPS://B", "deliveries[0].base_url"),
        ("https://b", "https://c", "deliveries[0].base_url"),
        ("example.com/'", "example.com/?x/'", "deliveries[0].base_url"),
        ("example.com/'", "example.com/a:b/'", "deliveries[0].base_url"),
        ("example.com/'", "example.com/a/../b/'", "deliveries[0].base_url"),
        ("name", "unknown = 1\nname", "deliveries[0].unknown"),
    ] {
        let errors = changed(from, to).unwrap_err();
        assert!(errors.contains(at), "{at} not in\n{errors}");
    }
    let twice = format!("{GOOD}{}", GOOD.replace("name = 'web'", "name = 'other'"));
    assert!(read(&twice).unwrap_err().contains("deliveries[1]: another delivery differs"));
    let named = format!("{GOOD}{}", GOOD.replace("/{account}/", "/x/{account}/"));
    assert!(read(&named).unwrap_err().contains("deliveries[1].name: another delivery has this name"));
    let both = read(&GOOD.replace("name = 'web'", "name = ''").replace("eu-west-1", "")).unwrap_err();
    assert!(both.contains("deliveries[0].name") && both.contains("deliveries[0].region"), "{both}");
}

#[test]
fn a_signer_without_deliveries_has_none() {
    assert!(read("").unwrap().all().is_empty());
    assert!(Config::read("").is_err(), "for want of keys and grants");
}
