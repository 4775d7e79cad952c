//! What fuzzing starts from: the texts of the signing vectors, and some that are not in them.

use std::{fs, path::Path};

use prost::Message as _;
use safelight_proto::envoy::{
    config::core::v3::{Address, SocketAddress, address},
    service::auth::v3::{
        AttributeContext, CheckRequest,
        attribute_context::{self, HttpRequest, Peer},
    },
};
use serde_json::Value as Json;

use crate::checks::schemes::{Kind, SCHEMES};

/// The inputs that a target starts from.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "signed" => signed(),
        "presented" => presented(),
        "uploads" => uploads(),
        "origin" => origin(),
        "files" => files(),
        "urls" => urls(),
        _ => envoy(),
    }
}

fn cases(scheme: &str) -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/vectors/{scheme}.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The vectors that hold texts of a kind.
const fn vectors(kind: Kind) -> &'static str {
    match kind {
        Kind::CloudflareImages => "cloudflare_images",
        Kind::Imgproxy => "imgproxy",
        Kind::Thumbor => "thumbor",
        Kind::Imgix => "imgix",
        Kind::Fastly => "fastly_token",
        Kind::Bunny => "bunny_token",
        Kind::DeliveryLong | Kind::DeliveryShort => "cloudinary_delivery_url",
        Kind::GoogleCloudCdn => "google_cloud_cdn",
        Kind::GoogleMediaCdn => "google_media_cdn",
        Kind::Cloudfront => "cloudfront",
        Kind::Akamai | Kind::AkamaiEarly => "akamai_edgeauth",
        Kind::CloudinaryAuthToken => "cloudinary_auth_token",
    }
}

/// Every text in the inputs and expectations of a scheme's cases.
fn texts(kind: Kind) -> Vec<String> {
    fn collect(json: &Json, texts: &mut Vec<String>) {
        match json {
            Json::String(text) if text.len() < 1000 => texts.push(text.clone()),
            Json::Array(items) => items.iter().for_each(|item| collect(item, texts)),
            Json::Object(items) => items.values().for_each(|item| collect(item, texts)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    for case in cases(vectors(kind)) {
        collect(&case["inputs"], &mut texts);
        collect(&case["expected"], &mut texts);
    }
    texts.sort();
    texts.dedup();
    texts
}

fn signed() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (scheme, (kind, _)) in (0_u8..).zip(SCHEMES.iter()) {
        let mut at = 0_u8;
        for text in texts(*kind) {
            let url = match text.split_once("://") {
                Some(_) => text,
                None if text.starts_with('/') => format!("https://example.com{text}"),
                None => continue,
            };
            // Expiries, carriers, starts and clients by turns.
            at = at.wrapping_add(1);
            let [flags, more] = if at.is_multiple_of(4) { [at.rotate_left(5), at >> 2] } else { [0, 0] };
            let edits = [at % 12, 0, at, b'x', 2, 0, 30, at];
            seeds.push([&[scheme, flags, more], url.as_bytes(), b"\n\n\n", &edits].concat());
        }
        let (scope, extra) = match kind {
            Kind::GoogleCloudCdn | Kind::GoogleMediaCdn => ("https://h/a/", ""),
            Kind::Cloudfront => ("https://h/a/*", ""),
            Kind::Bunny => ("/a", "countriesAllowed=CA,US speedLimit=5"),
            Kind::Akamai | Kind::AkamaiEarly => ("/a/* /c?", "id=session data=payload"),
            Kind::CloudinaryAuthToken => ("/a/* /c?", ""),
            Kind::DeliveryLong => ("", "sign_version=true"),
            _ => ("", ""),
        };
        let path =
            if matches!(kind, Kind::DeliveryLong) { "/demo/image/upload/v1/b.jpg" } else { "/a/b.jpg?w=1" };
        for (flags, more) in [(0, 0), (1, 0), (2, 1), (3, 2), (0, 7), (6, 1)] {
            for edits in [&[0, 0, 3, b'c'][..], &[9, 0, 0, 0], &[6, 0, 200, 255, 3, 0, 5, 0], &[]] {
                let text = format!("https://h{path}\n{scope}\n{extra}\n");
                seeds.push([&[scheme, flags, more], text.as_bytes(), edits].concat());
            }
        }
    }
    seeds
}

fn presented() -> Vec<Vec<u8>> {
    const POLICIES: [&str; 4] = [
        r#"{"Statement":[{"Resource":"https://h/a/*","Condition":{"DateLessThan":{"AWS:EpochTime":1700000100}}}]}"#,
        r#"{"Statement":[{"Resource":"*","Condition":{"DateLessThan":{"AWS:EpochTime":1700000100},"DateGreaterThan":{"AWS:EpochTime":1},"IpAddress":{"AWS:SourceIp":"192.0.2.0/24"}}}]}"#,
        r#"{"Statement":[]}"#,
        r#"{ "Statement" : [{"Resource":"https:\/\/h/?/\u0062","Condition":{"DateLessThan":{"AWS:EpochTime":1.7e9}}}]}"#,
    ];
    let mut seeds = Vec::new();
    for (scheme, (kind, _)) in (0_u8..).zip(SCHEMES.iter()) {
        let mut texts = texts(*kind);
        match kind {
            Kind::Cloudfront => texts.extend(POLICIES.map(str::to_owned)),
            Kind::Akamai | Kind::AkamaiEarly => texts.extend(
                [
                    "exp=1700000100~acl=/a/*!/c?",
                    "ip=192.0.2.1~st=1~exp=1700000100~acl=*~id=a~data=b",
                    "exp=1700000100~acl=%2fa%2f*",
                ]
                .map(str::to_owned),
            ),
            Kind::CloudinaryAuthToken => {
                texts.extend(
                    ["exp=1700000100~acl=%2fa%2f*!%2fc", "st=1~exp=1700000100~acl=*"].map(str::to_owned),
                );
            }
            Kind::CloudflareImages => texts.extend(
                ["/a?exp=1700000100", "/a?exp=1700000100&exp=1", "/a?e%78p=1", "/a?exp=01"]
                    .map(str::to_owned),
            ),
            Kind::Imgix => texts.extend(["/a?expires=1700000100", "/a?w=1&expires=1e9"].map(str::to_owned)),
            Kind::GoogleCloudCdn | Kind::GoogleMediaCdn => {
                texts.extend(["https://h/a/", "/a/b", "https://h"].map(str::to_owned));
            }
            _ => texts.push("/a//b;c/%41%2f~.jpg".to_owned()),
        }
        for text in texts {
            seeds.push([&[scheme, 0], text.as_bytes(), b"\n", text.as_bytes(), b"\nhttps://h"].concat());
            let pairs = if *kind == Kind::Bunny { "limit=5&token_countries=CA%2CUS" } else { "/a/b?c=d" };
            for flags in [1, 9] {
                seeds.push([&[scheme, flags], text.as_bytes(), b"\n", pairs.as_bytes()].concat());
            }
            if *kind == Kind::Bunny {
                seeds.push(
                    [&[scheme, 1], text.as_bytes(), b"\ntoken_ignore_params=true&token_path=%2F"].concat(),
                );
                seeds.push([&[scheme, 1], text.as_bytes(), b"\n"].concat());
            }
        }
    }
    seeds
}

fn text(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

fn uploads() -> Vec<Vec<u8>> {
    const EDITS: &[u8] = b"\n=\n\x00\x00\x05x";
    let mut seeds = Vec::new();
    for case in cases("cloudinary_upload") {
        let inputs = &case["inputs"];
        let mut lines = String::new();
        for (name, value) in inputs["params"].as_object().into_iter().flatten() {
            lines += &format!("{name}={}\n", text(value));
        }
        for field in inputs["fields"].as_array().into_iter().flatten() {
            lines += &format!("{}={}\n", text(&field[0]), text(&field[1]));
        }
        for flags in 0..3 {
            seeds.push([&[0, flags], lines.trim_end().as_bytes(), EDITS].concat());
        }
    }
    for case in cases("cloudinary_response") {
        let answer = format!("{}\n{}", text(&case["inputs"]["public_id"]), text(&case["inputs"]["version"]));
        seeds.push([&[1, 0], answer.as_bytes(), EDITS].concat());
        seeds.push([&[1, 1], answer.as_bytes()].concat());
    }
    for case in cases("cloudinary_webhook") {
        let body = text(&case["inputs"]["body"]);
        for (flags, time) in [(0, 1_700_000_000), (1, 1_699_992_801), (0, 1_600_000_000), (1, 700_000_000)] {
            seeds.push([&[2, flags], body.as_bytes(), b"\n", time.to_string().as_bytes(), EDITS].concat());
        }
    }
    for token in ["__________________________________________8", "AAAA", &"0a".repeat(32), &"0A".repeat(32)] {
        seeds.push([&[3, 0], token.as_bytes()].concat());
    }
    seeds
}

fn origin() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for case in cases("aws_sigv4_s3") {
        let inputs = &case["inputs"];
        let (Some(url), Some(method)) = (inputs["url"].as_str(), inputs["method"].as_str()) else { continue };
        let mut lines = format!("{method}\n{url}\n{}", text(&inputs["region"]));
        for (name, value) in inputs["headers"].as_object().into_iter().flatten() {
            lines += &format!("\n{name}:{}", text(value));
        }
        for flags in [0, 1, 2, 4, 6] {
            seeds.push([&[flags], lines.as_bytes()].concat());
        }
    }
    for lines in [
        "PUT\nhttps://h:8443/b/k?partNumber=1&uploadId=a%20b\neu-west-1\ncontent-type:  a   b ",
        "GET\nhttp://h/?x&y=&a=%2F&a\nr\nX-A:1\nx-a:2\nx-B:",
        "HEAD\nhttps://h/a/../b//%2F\nr",
    ] {
        seeds.extend([0, 5, 6].map(|flags| [&[flags], lines.as_bytes()].concat()));
    }
    seeds
}

fn files() -> Vec<Vec<u8>> {
    const GRANT: &str = "[[grants]]\ncaller = \"anonymous\"\nmethods = [\"*\"]\nkeys = [\"*\"]\n";
    let schemes = [
        (
            "cloudflare-images",
            "max_ttl = \"1h\"\nclock_skew = \"5s\"\nallowed_hosts = [\"h\"]",
            "secret_file = '@'",
        ),
        ("imgproxy", "signature_size = 16\nrequire_expiry = false", "secret_file = '@'\nsalt_file = '@'"),
        ("imgix", "allow_legacy = true\nallowed_path_prefixes = [\"/a/\"]", "secret_file = '@'"),
        (
            "cloudinary-delivery",
            "signature_length = \"short\"\nalgorithm = \"sha256-suffix\"",
            "secret_file = '@'",
        ),
        ("cloudinary-upload", "identifier = \"1\"\naccept_signature_v1 = true", "secret_file = '@'"),
        ("google-media-cdn", "", "secret_file = '@'\nkey_name = \"k\""),
        ("cloudfront", "algorithm = \"ecdsa-sha256\"", "secret_file = '@'\nkey_pair_id = \"K\""),
        ("akamai-edgeauth", "token_name = \"t\"\nescape_early = true", "secret_file = '@'\nsalt_file = '@'"),
        (
            "aws-sigv4",
            "max_ttl = \"7d\"",
            "secret_file = '@'\naccess_key_id = \"A\"\nsession_token_file = '@'",
        ),
        ("bunny", "max_target_bytes = 100", "secret_file = '@'\nverify_until = 2026-12-02T00:00:00Z"),
    ];
    let mut seeds = Vec::new();
    for (scheme, options, version) in schemes {
        let key = format!(
            "[[keys]]\nname = \"web\"\nscheme = \"{scheme}\"\n{options}\n[[keys.versions]]\nid = 1\nstate = \"primary\"\n{version}\n"
        );
        seeds.push(format!("\0{key}{GRANT}").into_bytes());
    }
    let more = "reload_interval = \"1s\"\nallow_readable_secrets = true\nfingerprint_key_file = '@'\n[audit]\nsink = \"file\"\npath = \"/nowhere/a\"\nkey_file = '@'\n[upload_tokens]\nstore = \"embedded\"\npath = \"/nowhere/t\"\n[[tokens]]\ncaller = \"b\"\nsha256 = \"00\"\n";
    seeds.push(format!("\0{more}{GRANT}").into_bytes());
    for edits in
        [&[][..], &[0, 0, 40, b'A'], &[1, 0, 40, 0], &[2, 0, 0, 0], &[3, 1, 0, b'\n'], &[3, 0, 255, b'=']]
    {
        seeds.push([&[2], edits].concat());
        seeds.push([&[4], edits].concat());
    }
    for whole in [
        &b""[..],
        b"AAAA",
        b"5ea1+/==\n",
        b"{\"event\":\"open\",\"sequence\":1,\"previous\":\"0\",\"hash\":\"0\"}\n",
    ] {
        seeds.push([&[1], whole].concat());
        seeds.push([&[3], whole].concat());
    }
    seeds
}

fn envoy() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for path in ["/a/b.jpg", "/a?w=1&exp=5", "/a?sig=00", "*", "", "/a/../b", "/é?~=%7E"] {
        for (flags, method, scheme, host, key) in [
            (1, "GET", "https", "img.example.com", "web"),
            (0, "HEAD", "http", "img.example.com:8080", "web"),
            (1, "GET", "https", "h/a", "other"),
        ] {
            let http = HttpRequest {
                method: method.to_owned(),
                path: path.to_owned(),
                host: host.to_owned(),
                scheme: scheme.to_owned(),
                headers: [("cookie".to_owned(), "a=b".to_owned())].into(),
            };
            let address = address::Address::SocketAddress(SocketAddress { address: "192.0.2.1".to_owned() });
            let message = CheckRequest {
                attributes: Some(AttributeContext {
                    source: Some(Peer { address: Some(Address { address: Some(address) }) }),
                    request: Some(attribute_context::Request { http: Some(http) }),
                    context_extensions: [("key".to_owned(), key.to_owned())].into(),
                }),
            };
            seeds.push([&[flags], &*message.encode_to_vec()].concat());
        }
    }
    seeds
}

fn urls() -> Vec<Vec<u8>> {
    const ODD: [&str; 18] = [
        "https://img.example.com/cheeW4oKsx5ljh8e8BoL2A/bc27a117-9509-446b-8c69-c81bfeac0a01/mobile?a=b&exp=1",
        "http://a-.-b.c--d.xn--e.e3/x//y/...;@:!$&()*+,='%zz?/?'%2Fx=%C3%A9&&=&+",
        "https://h/?",
        "https://h/?#",
        "https://h?sig",
        "https://h/?e%78p=1&exp=2&s%69g%00=3#f",
        "HTTPS://EXAMPLE.com:443/a/../b",
        "https://h:8443\\a\\.\\%2E%2e\\b",
        "https://[::1]:80/",
        "https://1.2.3.0x4/",
        "https://0x7f.1/",
        "https://h./",
        "https://a..b/",
        "https://-h-/",
        "https:///h/",
        "https://:@h/",
        "https://é.ß/é?é",
        "https://h/\t%2\te/C:/../x ",
    ];
    let texts =
        SCHEMES.iter().flat_map(|(kind, _)| texts(*kind)).filter_map(|text| match text.contains("://") {
            true => Some(text),
            false => text.starts_with('/').then(|| format!("https://example.com{text}")),
        });
    ODD.map(str::to_owned).into_iter().chain(texts).map(String::into_bytes).collect()
}
