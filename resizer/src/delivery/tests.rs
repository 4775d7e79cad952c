//! Resolution against a configuration as an operator writes it.

use std::time::Duration;

use safelight_chassis::config;

use super::*;
use crate::origin;
use safelight_image::options::Fit;

fn delivery(text: &str) -> Result<Delivery, String> {
    config::read(text, |section| {
        let origins = origin::config::read(section);
        super::config::read(section, &origins)
    })
    .map_err(|errors| errors.to_string())
}

const ORIGIN: &str = "[origins.photos]\nkind = 'http'\nbase_url = 'https://img.example.com/'\n";
const VARIANTS: &str = "[variants.thumb]\nwidth = 300\nheight = 300\nfit = 'cover'\npublic = true\n\
    [variants.hero]\nwidth = 1600\nbackground = '#ff0000'\ndpr = 1.5\n";

fn with_route(route: &str) -> Result<Delivery, String> {
    delivery(&format!("{ORIGIN}{VARIANTS}[[routes]]\n{route}"))
}

#[test]
fn named_public_and_flexible_variants() {
    let delivery = with_route(
        "path = '/{account}/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nflexible = true\n\
         object_key = 'originals/{account}/{key}'\nmax_width = 2000\n",
    )
    .unwrap();

    let thumb = delivery.resolve("/acct/a%20b/c.jpg/thumb").unwrap();
    assert_eq!(
        (thumb.route.origin.as_str(), thumb.object_key.as_str()),
        ("photos", "originals/acct/a b/c.jpg")
    );
    assert_eq!((thumb.variant.as_str(), thumb.url_key, thumb.options.fit), ("thumb", None, Fit::Cover));
    assert!(thumb.route.bounds.is_some());

    let hero = delivery.resolve("/acct/c.jpg/hero").unwrap();
    assert_eq!((hero.url_key, hero.options.width.map(u32::from)), (Some("web"), Some(1600)));
    assert_eq!(hero.route.max_age, Duration::from_secs(172_800));

    let flexible = delivery.resolve("/acct/c.jpg/width=400,fit=cover").unwrap();
    assert_eq!((flexible.url_key, flexible.options.width.map(u32::from)), (Some("web"), Some(400)));
    assert!(
        matches!(delivery.resolve("/acct/c.jpg/width=0"), Err(DeliveryError::Options { violations, .. }) if violations.len() == 1)
    );
    assert!(matches!(delivery.resolve("/acct/c.jpg/large"), Err(DeliveryError::VariantNotFound { .. })));
    assert_eq!(delivery.resolve("/acct"), Err(DeliveryError::RouteNotFound));
}

#[test]
fn a_route_serves_only_what_it_allows() {
    let route = "path = '/i/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nvariants = ['thumb']\n";
    let delivery = with_route(route).unwrap();
    assert!(delivery.resolve("/i/a/thumb").is_ok());
    assert!(matches!(delivery.resolve("/i/a/hero"), Err(DeliveryError::VariantNotFound { .. })));
    assert!(matches!(delivery.resolve("/i/a/width=400"), Err(DeliveryError::VariantNotFound { .. })));

    let fixed = with_route("path = '/t/{key...}'\norigin = 'photos'\nvariant = 'thumb'\n").unwrap();
    assert_eq!(fixed.resolve("/t/a/b").unwrap().object_key, "a/b");
}

#[test]
fn routes_that_could_not_work_or_would_leak_are_refused() {
    for (route, path) in [
        ("path = '/{key...}/{variant}'\norigin = 'photos'\n", "routes[0].url_key"),
        (
            "path = '/{key...}/{variant}'\norigin = 'photos'\nvariants = ['thumb']\nflexible = true\n",
            "routes[0].url_key",
        ),
        ("path = '/{key...}/{variant}'\norigin = 'nowhere'\nurl_key = 'web'\n", "routes[0].origin"),
        ("path = '/{key...}'\norigin = 'photos'\nurl_key = 'web'\n", "routes[0].variant"),
        (
            "path = '/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nvariant = 'thumb'\n",
            "routes[0].variant",
        ),
        (
            "path = '/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nvariants = ['x']\n",
            "routes[0].variants",
        ),
        ("path = '/{k...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\n", "routes[0].object_key"),
        (
            "path = '/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nobject_key = 'x'\n",
            "routes[0].object_key",
        ),
        ("path = 'x'\norigin = 'photos'\nurl_key = 'web'\n", "routes[0].path"),
        (
            "path = '/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nmax_width = 0\n",
            "routes[0].max_width",
        ),
        (
            "path = '/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\non_exceed = 'x'\n",
            "routes[0].on_exceed",
        ),
        (
            "path = '/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nmax_size = 9\n",
            "routes[0].max_size",
        ),
    ] {
        let errors = with_route(route).unwrap_err();
        assert!(errors.contains(path), "{path} not in\n{errors}");
    }
    let errors = delivery("[variants.a]\nwidth = 0\nfit = 'stretch'\n[variants.'b=c']\n").unwrap_err();
    for path in ["variants.a.width", "variants.a.fit", "variants.\"b=c\""] {
        assert!(errors.contains(path), "{path} not in\n{errors}");
    }
}

#[test]
fn a_signature_in_the_path_covers_what_follows_it() {
    let route = "path = '/demo/image/{sig}/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\n";
    let delivery = with_route(route).unwrap();
    let path = "/demo/image/s--abc--/a/b/hero";
    let asked = delivery.resolve(path).unwrap();
    assert!(asked.object_key == "a/b" && asked.is_of(path) && !asked.is_of("/a/b/hero"));
    for (authenticated, key) in [
        ("/a/b/hero", Some("a/b")),
        // What was authenticated counts, not what was asked for.
        ("/v1/a/b/hero", Some("v1/a/b")),
        ("/demo/image/a/b/hero", Some("demo/image/a/b")),
        // Of another key, of no variant, of no path.
        ("/a/b/thumb", None),
        ("/a/b/other", None),
        ("/hero", None),
        ("", None),
    ] {
        let signed = delivery.resolve_signed(&asked, authenticated);
        assert_eq!(signed.map(|signed| signed.object_key).as_deref(), key, "{authenticated}");
    }
    // A name that the object's key is made of is no place for a signature.
    let used = with_route(
        "path = '/{account}/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nobject_key = '{account}/{key}'\n",
    )
    .unwrap();
    let asked = used.resolve("/x/a/b/hero").unwrap();
    assert_eq!(used.resolve_signed(&asked, "/a/hero"), None);
    assert_eq!(used.resolve_signed(&asked, "/a/b/hero").unwrap().object_key, "a/b");
}

#[test]
fn a_signature_in_front_of_the_path_leaves_a_guess_that_is_never_public() {
    let route = "path = '/ip/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\n";
    let delivery = with_route(route).unwrap();
    for (path, key) in [
        ("/SIG/ip/a/b/hero", Some("a/b")),
        ("/prefix/SIG/ip/a/hero", Some("a")),
        ("/1/2/3/4/5/6/7/8/ip/a/hero", Some("a")),
        ("/1/2/3/4/5/6/7/8/9/ip/a/hero", None),
        ("/SIG/other/a/hero", None),
        ("/SIG/ip/a/thumb", None),
        ("", None),
    ] {
        let found = delivery.resolve_behind_signature(path).ok().map(|resolved| resolved.object_key);
        assert_eq!(found.as_deref(), key, "{path}");
    }
}
