use prost::Message as _;
use prost_types::FileDescriptorSet;
use safelight_chassis::{access::Caller, config};

use super::*;
use crate::Config;

const TEXT: &str = r#"
[origins.photos]
kind = "http"
base_url = "https://photos.example.com/"
[origins.secrets]
kind = "http"
base_url = "https://secrets.example.com/"
[variants.thumb]
width = 100
[[routes]]
name = "web"
path = "/web/{key...}/{variant}"
origin = "photos"
url_key = "web"
[[routes]]
path = "/other/{key...}/{variant}"
origin = "secrets"
url_key = "web"

[[grants]]
caller = "backend"
methods = ["ResizeObject", "Inspect"]
origins = ["photos"]
key_prefixes = ["albums/", "avatars/"]
max_width = 2000
max_area = 1000000
[[grants]]
caller = "backend"
methods = ["ResizeObject"]
origins = ["secrets"]
max_width = 10
[[grants]]
caller = "edge"
methods = ["Deliver"]
routes = ["web", "/other/{key...}/{variant}"]
key_prefixes = ["albums/"]
[[grants]]
caller = "ops"
methods = ["*"]
origins = ["*"]
routes = ["*"]
uploads = ["*"]
"#;

fn granted(caller: &str, method: &str) -> Option<Granted> {
    let config = Config::read(TEXT).unwrap_or_else(|errors| panic!("{errors}"));
    let grants = config.access.grants.load();
    grants.granted(&Caller::new(caller), METHODS.of_name(method).unwrap()).map(Granted::new)
}

#[test]
fn pitfall_20_every_method_of_the_contract_has_a_rule_and_no_rule_is_without_a_method() {
    let set = FileDescriptorSet::decode(safelight_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut declared = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let full = format!("{}.{}", file.package(), service.name());
            if full.starts_with("safelight.resizer.") {
                declared.extend(service.method.iter().map(|method| format!("/{full}/{}", method.name())));
            }
        }
    }
    assert!(declared.len() >= 5, "{declared:?}");
    for method in &declared {
        assert!(METHODS.of_path(method).is_some(), "{method} has no rule");
    }
    assert_eq!(declared.len(), METHODS.len());
    for (index, method) in METHODS.iter().enumerate() {
        assert!(METHODS[..index].iter().all(|other| other.name != method.name), "{} is twice", method.name);
    }
}

/// Method × caller.
#[test]
fn what_is_not_granted_is_denied_but_for_what_is_public() {
    for method in METHODS.iter() {
        assert!(granted("ops", method.name).is_some(), "{}", method.name);
        for caller in ["nobody", "anonymous", "", "backend/"] {
            let granted = granted(caller, method.name);
            assert_eq!(granted.is_some(), method.name == "Deliver", "{caller} {}", method.name);
            assert!(granted.is_none_or(|granted| granted.is_public_only()), "{caller}");
        }
        let has =
            |caller: &str| granted(caller, method.name).is_some_and(|granted| !granted.is_public_only());
        assert_eq!(has("backend"), matches!(method.name, "ResizeObject" | "Inspect"), "{}", method.name);
        assert_eq!(has("edge"), method.name == "Deliver", "{}", method.name);
    }
}

#[test]
fn one_grant_must_allow_origin_key_and_size() {
    let backend = granted("backend", "ResizeObject").unwrap();
    let missing = |origin, key| backend.allows(None, origin, key, false).map_err(|denied| denied.what);
    let widths = |bounds: Vec<OutputBounds>| {
        bounds.iter().map(|bounds| bounds.max_width.map(NonZeroU32::get)).collect::<Vec<_>>()
    };
    assert_eq!(widths(missing("photos", "albums/a.jpg").unwrap()), [Some(2000)]);
    assert_eq!(widths(missing("secrets", "x").unwrap()), [Some(10)]);
    assert!(missing("photos", "avatars/b/c.jpg").is_ok());
    for key in
        ["albums", "album/a", "albums-of-others/a", "albums/../secret", "albums/x\\..\\y", "/albums/a", ""]
    {
        assert_eq!(missing("photos", key), Err("object key"), "{key}");
    }
    assert_eq!(missing("elsewhere", "albums/a"), Err("origin"));
    // The grant of one method is none of another.
    assert_eq!(
        granted("backend", "Inspect").unwrap().allows(None, "secrets", "x", false).unwrap_err().what,
        "origin"
    );

    assert_eq!(granted("ops", "Resize").unwrap().bounds(), []);

    // Of two grants neither takes from the other.
    let two = |second: &str| {
        let text = format!(
            "[[grants]]\ncaller = 'a'\nmethods = ['Resize']\nmax_width = 1000\nmax_area = 1000000\n\
             [[grants]]\ncaller = 'a'\nmethods = ['Resize']\n{second}"
        );
        let config = Config::read(&text).unwrap_or_else(|errors| panic!("{errors}"));
        let grants = config.access.grants.load();
        let granted = grants.granted(&Caller::new("a"), METHODS.of_name("Resize").unwrap()).map(Granted::new);
        let bounds = granted.unwrap().bounds();
        [(500, 400), (10, 5000), (2000, 400), (500, 5000)].map(|(width, height)| {
            let size = safelight_image::size::Size::new(width, height);
            let limits = safelight_image::limits::Limits::default();
            safelight_image::plan::plan(size, &Default::default(), &bounds, &limits).is_ok()
        })
    };
    assert_eq!(two("max_width = 10"), [true, true, false, false]);
    assert_eq!(two("max_height = 400"), [true, true, true, false]);
    assert_eq!(two(""), [true; 4]);
}

#[test]
fn a_delivery_needs_its_route_unless_it_is_public() {
    let edge = granted("edge", "Deliver").unwrap();
    assert_eq!(edge.allows(Some("web"), "photos", "albums/a", false), Ok(vec![]));
    assert!(edge.allows(Some("/other/{key...}/{variant}"), "secrets", "albums/a", false).is_ok());
    assert_eq!(edge.allows(Some("third"), "photos", "albums/a", false).unwrap_err().what, "route");
    assert_eq!(edge.allows(Some("web"), "photos", "x", false).unwrap_err().what, "object key");
    let anonymous = granted("anonymous", "Deliver").unwrap();
    for granted in [&edge, &anonymous] {
        assert_eq!(granted.allows(Some("third"), "photos", "x", true), Ok(vec![]));
    }
    assert!(anonymous.allows(Some("web"), "photos", "albums/a", false).is_err());
}

#[test]
fn mistakes_are_told_at_the_start() {
    let start = TEXT.split("[[grants]]").next().unwrap();
    for (grant, at) in [
        ("methods = ['ResizeObject']", "grants[0].origins: needed"),
        ("methods = ['Inspect']", "grants[0].origins: needed"),
        ("methods = ['Deliver']", "grants[0].routes: needed"),
        ("methods = ['*']", "grants[0].origins: needed"),
        ("methods = ['*']\norigins = ['*']", "grants[0].routes: needed"),
        ("methods = ['Keep']", "grants[0].methods: there is no such method"),
        ("methods = ['Store']\nuploads = ['a']", "grants[0].uploads: names something"),
        ("methods = ['ResizeObject']\norigins = ['photo']", "grants[0].origins: names something"),
        ("methods = ['Deliver']\nroutes = ['/web/{key...}/{variant}']", "grants[0].routes: names something"),
        ("methods = ['Resize']\nkey_prefixes = ['a']", "grants[0].key_prefixes"),
        ("methods = ['Resize']\nkey_prefixes = []", "grants[0].key_prefixes"),
        ("methods = ['Resize']\nmax_width = 0", "grants[0].max_width"),
        ("methods = ['Resize']\nkeys = ['*']", "grants[0].keys: unknown key"),
    ] {
        let errors =
            Config::read(&format!("{start}[[grants]]\ncaller = 'a'\n{grant}")).unwrap_err().to_string();
        assert!(errors.contains(at), "{at}: {errors}");
    }
    let uploads = "[origins.s3]\nkind = 's3'\nbucket = 'photos'\nregion = 'eu-west-1'\nsigning_key = 's3'\n\
        [[uploads]]\nname = 'direct'\nkind = 'grant'\norigin = 's3'\nmax_bytes = 1\n";
    for methods in ["['Store']", "['*']\norigins = ['*']\nroutes = ['*']"] {
        let text = format!("{start}{uploads}[[grants]]\ncaller = 'a'\nmethods = {methods}");
        let errors = Config::read(&text).unwrap_err().to_string();
        assert!(errors.contains("grants[0].uploads: needed"), "{errors}");
        assert!(Config::read(&format!("{text}\nuploads = ['direct']")).is_ok());
    }
    let text = format!("{start}[[grants]]\ncaller = 'a'\nmethods = ['Resize', 'ListVariants']");
    assert!(Config::read(&text).is_ok(), "methods that use neither need neither");
    assert!(
        config::read("", |section| Access::read(
            section,
            &Origins::new(),
            &Delivery::default(),
            &Uploads::default()
        ))
        .is_ok()
    );
}

#[test]
fn a_reload_replaces_the_grants_of_calls_to_come() {
    let config = Config::read(TEXT).unwrap();
    let look = METHODS.of_name("ListVariants").unwrap();
    let has = |access: &Access| access.grants.load().granted(&Caller::new("new"), look).is_some();
    let held = config.access.clone();
    assert!(!has(&held));
    let text = format!("{TEXT}[[grants]]\ncaller = 'new'\nmethods = ['ListVariants']\n");
    config.access.replace(&Config::read(&text).unwrap().access);
    assert!(has(&held), "whoever holds the same access");
}

/// Names of the configuration are shown to those who write grants; whatever else stands in a field may be a secret.
#[test]
fn the_log_shows_no_name_that_is_not_configured() {
    let known = |name: &str| access::Name::Known(name.to_owned());
    let mut object = granted("backend", "Inspect").unwrap();
    assert_eq!(object.origin("secrets").unwrap_err().name, known("secrets"));
    assert_eq!(granted("edge", "Deliver").unwrap().route("web").map_err(|denied| denied.name), Ok(()));
    let token = "fake-token-in-a-wrong-field";
    let hidden = access::Name::Unknown(token.len());
    assert_eq!(granted("backend", "Inspect").unwrap().origin(token).unwrap_err().name, hidden);
    assert_eq!(granted("backend", "Inspect").unwrap().object_key(token).unwrap_err().name, hidden);
    assert_eq!(granted("edge", "Deliver").unwrap().route(token).unwrap_err().name, hidden);
}

#[test]
fn a_reload_replaces_the_tokens_too_and_the_rest_needs_a_restart() {
    let text =
        |token: &str, limits: &str| format!("{TEXT}{limits}[[tokens]]\ncaller = 'a'\nsha256 = '{token}'\n");
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    let old = Config::read(&text(&one, "")).unwrap();
    let new = Config::read(&text(&two, "")).unwrap();
    assert_eq!(old.fixed, new.fixed);
    assert_ne!(old.fixed, Config::read(&text(&one, "[limits]\nmax_outputs = 3\n")).unwrap().fixed);
    let held = old.access.clone();
    old.access.replace(&new.access);
    assert_eq!(format!("{:?}", held.security.tokens), format!("{:?}", new.access.security.tokens));
}
