use prost::Message as _;
use prost_types::FileDescriptorSet;
use safelight_chassis::config;

use super::*;
use crate::scheme::url::HttpUrl;

const TEXT: &str = r#"
[[grants]]
caller = "spiffe://prod/backend"
methods = ["SignUrl"]
keys = ["web"]
path_prefixes = ["/photos/"]
max_ttl = "1h"

[[grants]]
caller = "spiffe://prod/backend"
methods = ["SignUrl", "VerifyUrl"]
keys = ["other"]

[[grants]]
caller = "spiffe://prod/resizer"
methods = ["VerifyUrl", "SignOriginRequest"]
keys = ["web", "s3"]
url_prefixes = ["https://s3.example.com/photos/"]

[[grants]]
caller = "ops"
methods = ["*"]
keys = ["*"]
"#;

fn grants() -> Grants {
    config::read(TEXT, Grants::read).unwrap()
}

/// What was missing, of what kind and which.
fn missing<T>(answer: Result<T, access::Denied>) -> Result<T, (&'static str, access::Name)> {
    answer.map_err(|denied| (denied.what, denied.name))
}

fn granted(caller: &str, method: &str) -> Option<Granted> {
    grants().granted(&Caller::new(caller), METHODS.of_name(method).unwrap())
}

#[test]
fn pitfall_20_every_method_of_the_contract_has_a_rule_and_no_rule_is_without_a_method() {
    let set = FileDescriptorSet::decode(safelight_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut declared = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let full = format!("{}.{}", file.package(), service.name());
            if full.starts_with("safelight.signer.") || full.starts_with("envoy.") {
                declared.extend(service.method.iter().map(|method| format!("/{full}/{}", method.name())));
            }
        }
    }
    assert!(declared.len() >= 8, "{declared:?}");
    for method in &declared {
        assert!(METHODS.of_path(method).is_some(), "{method} has no rule");
    }
    assert_eq!(declared.len(), METHODS.len());
    for (index, method) in METHODS.iter().enumerate() {
        assert!(METHODS[..index].iter().all(|other| other.name != method.name), "{} is twice", method.name);
    }
}

#[test]
fn pitfall_20_what_is_not_granted_is_denied() {
    for method in METHODS.iter() {
        assert!(granted("ops", method.name).is_some(), "{}", method.name);
        for caller in ["nobody", "anonymous", "", "spiffe://prod/backend/", "SPIFFE://prod/backend"] {
            assert!(granted(caller, method.name).is_none(), "{caller} {}", method.name);
        }
    }
    assert!(granted("spiffe://prod/backend", "SignUpload").is_none());
    assert!(granted("spiffe://prod/resizer", "SignUrl").is_none());
}

#[test]
fn pitfall_20_one_grant_must_allow_all_of_a_call() {
    let none: [&str; 0] = [];
    let of_key = |name| {
        let mut granted = granted("spiffe://prod/backend", "SignUrl").unwrap();
        assert_eq!(granted.has_key(name), granted.clone().key(name).is_ok(), "{name}");
        granted.key(name).map(|()| granted)
    };
    assert_eq!(missing(of_key("third")).unwrap_err(), ("key", access::Name::Unknown(5)));

    let web = of_key("web").unwrap();
    for (url, scope, allowed) in [
        ("https://h/photos/a.jpg", &none[..], true),
        ("https://h/photos/x/../a.jpg", &none, true),
        ("https://h/photos/../a.jpg", &none, false),
        ("https://h/photos/%2e%2e/a.jpg", &none, false),
        ("https://h/photos", &none, false),
        ("https://h/%70hotos/a.jpg", &none, false),
        ("https://h/other/photos/a.jpg", &none, false),
        ("https://h/photos/a.jpg", &["/photos/*"], true),
        ("https://h/photos/a.jpg", &["https://h/photos/"], true),
        ("https://h/photos/a.jpg", &["/photos/*", "/*"], false),
        ("https://h/photos/a.jpg", &["https://h/"], false),
        ("https://h/photos/a.jpg", &["/photos/../*"], false),
        ("https://h/photos/..%2Fa.jpg", &none, false),
        ("https://h/photos/..%5Ca.jpg", &none, false),
        // A wildcard stands for slashes too: what comes before the first one must decide.
        ("https://h/photos/a.jpg", &["https://h/photos/*"], true),
        ("https://h/photos/a.jpg", &["http*://h/photos/*"], false),
        ("https://h/photos/a.jpg", &["https://h*/photos/*"], false),
        ("https://h/photos/a.jpg", &["*://h/photos/*"], false),
        ("https://h/photos/a.jpg", &["https://h?/photos/"], false),
        ("https://h/photos/a.jpg", &["/photos/*", "/*://x/photos/*"], false),
        ("https://h/photos/a.jpg", &["/photos/*!/*://x/photos/*"], false),
    ] {
        let url = HttpUrl::parse(url).unwrap();
        let wanted =
            if allowed { Ok(Some(3600)) } else { Err(("path", access::Name::Unknown(url.path().len()))) };
        assert_eq!(missing(web.url_to_sign(&url, scope)), wanted, "{url:?} {scope:?}");
    }

    let other = of_key("other").unwrap();
    assert_eq!(other.url_to_sign(&HttpUrl::parse("https://h/anything").unwrap(), &none), Ok(None));
}

/// Of every set of these grants, one must allow all of a call; it lives as long as the longest of those that do.
#[test]
fn pitfall_20_a_set_of_grants_allows_what_one_of_them_does() {
    const GRANTS: [(&str, &str, &str, Option<u64>); 6] = [
        ("k", "/a/", "GET", Some(60)),
        ("*", "/a/", "GET", Some(120)),
        ("k", "/a/b/", "PUT", None),
        ("l", "/", "GET", Some(1)),
        ("l", "/a/b/", "GET", None),
        ("k", "/", "PUT", Some(5)),
    ];
    let none: [&str; 0] = [];
    for set in 0..1_u32 << GRANTS.len() {
        let set: Vec<_> =
            (0..).zip(GRANTS).filter(|(place, _)| set >> place & 1 == 1).map(|(_, grant)| grant).collect();
        let grants = set.iter().map(|(key, prefix, http_method, max_ttl)| {
            let rest = Grant {
                path: String::new(),
                keys: Names::new(vec![(*key).to_owned()]),
                accounts: Names::new(vec![(*key).to_owned()]),
                deliveries: Names::All,
                uploads: Names::All,
                paths: Allowed { path_prefixes: vec![(*prefix).to_owned()], ..Allowed::default() },
                url_prefixes: Some(vec![format!("https://h{prefix}")]),
                http_methods: vec![(*http_method).to_owned()],
                buckets: BTreeMap::new(),
                max_ttl: *max_ttl,
            };
            (Caller::anonymous(), access::Grant { methods: Names::All, rest })
        });
        let grants = Grants(access::Grants::new(METHODS, grants));
        for key in ["k", "l"] {
            let longest = |allows: &dyn Fn(&str, &str) -> bool| {
                let lives = set
                    .iter()
                    .filter(|(of, prefix, method, _)| (*of == key || *of == "*") && allows(prefix, method));
                let longest = lives.map(|(.., max_ttl)| max_ttl.unwrap_or(u64::MAX)).max();
                longest.map(|longest| (longest < u64::MAX).then_some(longest))
            };
            let is_known = longest(&|_, _| true).is_some();
            let Some(mut granted) = grants.granted(&Caller::anonymous(), &METHODS[0]) else {
                assert!(set.is_empty());
                continue;
            };
            let of_account = granted.clone().account(key).is_ok();
            assert_eq!(
                [granted.has_key(key), of_account, granted.key(key).is_ok()],
                [is_known; 3],
                "{set:?}"
            );
            // One after the other, as in a batch.
            for path in ["/a/b/x", "/x", "/a/x"] {
                let url = format!("https://h{path}");
                let signed = granted.url_to_sign(&HttpUrl::parse(&url).unwrap(), &none).ok();
                assert_eq!(signed, longest(&|prefix, _| path.starts_with(prefix)), "{set:?} {key} {path}");
                for method in ["GET", "PUT", "HEAD"] {
                    let wanted = longest(&|prefix, of| path.starts_with(prefix) && of == method);
                    assert_eq!(
                        granted.origin_request(method, &url).ok(),
                        wanted,
                        "{set:?} {key} {path} {method}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_resizer_reads_its_bucket_and_nothing_else() {
    let mut resizer = granted("spiffe://prod/resizer", "SignOriginRequest").unwrap();
    resizer.key("s3").unwrap();
    for (method, url, denied) in [
        ("GET", "https://s3.example.com/photos/a.jpg", None),
        ("HEAD", "https://s3.example.com/photos/x/a.jpg?versionId=1", None),
        ("PUT", "https://s3.example.com/photos/a.jpg", Some("HTTP method")),
        ("GET", "https://s3.example.com/secrets/a.jpg", Some("URL")),
        ("GET", "https://s3.example.com.evil.org/photos/a.jpg", Some("URL")),
        ("GET", "http://s3.example.com/photos/a.jpg", Some("URL")),
        ("GET", "https://s3.example.com/photos/../secrets/a.jpg", Some("URL")),
        ("GET", "https://s3.example.com/photos/%2E./secrets/a.jpg", Some("URL")),
    ] {
        let answer = resizer.origin_request(method, url).err().map(|denied| denied.what);
        assert_eq!(answer, denied, "{method} {url}");
    }
}

#[test]
fn one_grant_must_allow_an_upload_rule_its_keys_and_the_object() {
    let text = "[[grants]]\ncaller = 'c'\nmethods = ['AuthorizeUpload']\nuploads = ['a', 'b']\nkeys = ['forms', 's3']\n\
        url_prefixes = ['https://o/x/']\naccounts = ['acme']\n\
        [[grants]]\ncaller = 'c'\nmethods = ['AuthorizeUpload']\nuploads = ['c']\nkeys = ['other']\n\
        [[grants]]\ncaller = 'd'\nmethods = ['AuthorizeUpload']\nkeys = ['s3']\n";
    let grants = config::read(text, Grants::read).unwrap();
    let of = |caller: &str| {
        grants.granted(&Caller::new(caller), METHODS.of_name("AuthorizeUpload").unwrap()).unwrap()
    };
    for (caller, rule, keys, denied) in [
        ("c", "a", &["forms", "s3"][..], None),
        ("c", "b", &["s3"], None),
        ("c", "a", &["other"], Some("key")),
        ("c", "c", &["other"], None),
        ("c", "c", &["s3"], Some("key")),
        ("c", "d", &["s3"], Some("upload rule")),
        ("d", "any", &["s3"], None),
        ("d", "any", &["forms", "s3"], Some("key")),
    ] {
        let answer = of(caller).upload(rule, keys.iter().copied()).err().map(|denied| denied.what);
        assert_eq!(answer, denied, "{caller} {rule} {keys:?}");
    }
    let mut narrowed = of("c");
    narrowed.upload("a", ["s3"]).unwrap();
    for (url, allowed) in [
        ("https://o/x/a", true),
        ("https://o/y/a", false),
        ("https://o/x/../y/a", false),
        ("https://o/x/..%2Fy", false),
    ] {
        assert_eq!(narrowed.object(url).is_ok(), allowed, "{url}");
    }
    narrowed.account("acme").unwrap();
    assert_eq!(missing(narrowed.account("umbrella")).unwrap_err().0, "account");
    of("d").object("https://anywhere/a").unwrap();
}

#[test]
fn mistakes_are_told_at_the_start() {
    for (text, key) in [
        ("", "grants"),
        ("[[grants]]\nmethods = ['*']", "grants[0].caller"),
        ("[[grants]]\ncaller = 'a'", "grants[0].methods"),
        ("[[grants]]\ncaller = 'a'\nmethods = []", "grants[0].methods"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['SignURL']", "grants[0].methods"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\npath_prefixes = ['/photos']", "grants[0].path_prefixes"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\npath_prefixes = []", "grants[0].path_prefixes"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\nurl_prefixes = ['s3/']", "grants[0].url_prefixes"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\nhttp_methods = ['POST']", "grants[0].http_methods"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\nhttp_methods = ['DELETE']", "grants[0].buckets"),
        (
            "[[grants]]\ncaller = 'a'\nmethods = ['*']\nhttp_methods = ['COPY']\nbuckets = {}",
            "grants[0].buckets",
        ),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\nbuckets = { b = 'https://h/b' }", "grants[0].buckets"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\nbuckets = { b = 'https:///' }", "grants[0].buckets"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\nbuckets = { '' = 'https://b.h/' }", "grants[0].buckets"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\nmax_ttl = '0s'", "grants[0].max_ttl"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\nuploads = 'x'", "grants[0].uploads"),
        ("[[grants]]\ncaller = 'a'\nmethods = ['*']\nkey = 'x'", "grants[0].key"),
    ] {
        let errors = config::read(text, Grants::read).unwrap_err().to_string();
        assert!(errors.contains(key), "{key}: {errors}");
    }
}

/// Names of the configuration are shown to those who write grants; whatever else stands in a field may be a secret.
#[test]
fn the_log_shows_no_name_that_is_not_configured() {
    let text = "[[grants]]\ncaller = 'c'\nmethods = ['SignUrl', 'GetUploadToken', 'SignOriginRequest', 'AuthorizeDelivery', 'BeginUpload']\n\
        keys = ['other']\naccounts = ['acme']\nhttp_methods = ['GET']\ndeliveries = []\nuploads = []\n\
        [[grants]]\ncaller = 'd'\nmethods = ['GetUploadToken']\naccounts = ['second']\n";
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "fake-secret").unwrap();
    let keys = format!(
        "[[keys]]\nname = 'web'\nscheme = 'cloudflare-images'\n\
         versions = [{{ id = 1, state = 'primary', secret_file = '{0}' }}]\n\
         [[deliveries]]\nname = 'photos'\npath = '/{{key...}}/{{variant}}'\nurl_key = 'web'\nbase_url = 'https://o/'\n\
         [[keys]]\nname = 's3'\nscheme = 'aws-sigv4'\n\
         versions = [{{ id = 1, state = 'primary', access_key_id = 'A', secret_file = '{0}' }}]\n\
         [[uploads]]\nname = 'pictures'\nkind = 'grant'\nmax_bytes = 1\nsigning_key = 's3'\nregion = 'r'\nbase_url = 'https://o/'\n",
        secret.path().display()
    );
    let config = crate::Config::read(&format!("{text}{keys}")).unwrap_or_else(|errors| panic!("{errors}"));
    let of =
        |method: &str| config.grants.granted(&Caller::new("c"), METHODS.of_name(method).unwrap()).unwrap();
    let known = |name: &str| access::Name::Known(name.to_owned());
    assert_eq!(of("SignUrl").key("web").unwrap_err().name, known("web"));
    assert_eq!(of("GetUploadToken").account("second").unwrap_err().name, known("second"));
    assert_eq!(of("AuthorizeDelivery").delivery("photos", []).unwrap_err().name, known("photos"));
    assert_eq!(of("BeginUpload").upload("pictures", []).unwrap_err().name, known("pictures"));
    let put = of("SignOriginRequest").origin_request("PUT", "https://o/a");
    assert_eq!(put.unwrap_err().name, known("PUT"));
    let token = "fake-token-in-a-wrong-field";
    let hidden = access::Name::Unknown(token.len());
    assert_eq!(of("SignUrl").key(token).unwrap_err().name, hidden);
    assert_eq!(of("GetUploadToken").account(token).unwrap_err().name, hidden);
}
