//! What the SDKs are given to sign.

use serde_json::json;

use crate::sdks::{Case, Ours, case};

/// Targets as clients send them, of which signers and HTTP stacks like to disagree.
pub(crate) const TARGETS: [&str; 22] = [
    "/a.jpg",
    "/",
    "/a/",
    "/a//b.jpg",
    "/with%20space.jpg",
    "/plus+plus%2B.jpg",
    "/a%2Fb%2fc.jpg",
    "/%C3%A9t%C3%A9/%E5%86%99%E7%9C%9F/%F0%9F%8C%B9.jpg",
    "/%c3%a9.jpg",
    "/percent%25%252F.jpg",
    "/-._~!$&'()+,;=:@.jpg",
    "/%2A%7E%7e.jpg",
    "/...;v=1/...",
    "/a.jpg?",
    "/a.jpg?w=300",
    "/a.jpg?w=1&w=2&w=1",
    "/a.jpg?z=1&a=2&&b",
    "/a.jpg?a&b=&=c&=",
    "/a.jpg?q=a+b&r=a%20b&t=%2B",
    "/a.jpg?u=https://o.example/x?y=1&v=%26%3D%23",
    "/a.jpg?%C3%A9=%F0%9F%8C%B9&~=%7e",
    "/a.jpg?a=b=c;d=e,f:g@h/i?j",
];

pub(crate) fn node() -> Vec<Case> {
    let cloudfront = cloudfront("@aws-sdk/cloudfront-signer");
    [imgix("@imgix/js-core"), imgproxy(), cloudfront, akamai(), cloudinary()].concat()
}

pub(crate) fn python() -> Vec<Case> {
    let google = [google(false), google(true)].concat();
    [imgix("imgix"), thumbor(), cloudfront("botocore"), akamai(), cloudinary(), google].concat()
}

/// Python's sorts the parameters, and `expires` with them; ours is the last, as JavaScript's is.
fn imgix(sdk: &'static str) -> Vec<Case> {
    let mut cases = Vec::new();
    for path in [
        "a.jpg",
        "/a b/é+c.jpg",
        "été/写真/🌹.jpg",
        "a%2Fb%25.jpg",
        "a//b/?#:+.jpg",
        "~!$&'()*,;=@.jpg",
        "https://o.example/a b?x=1&y=é#z",
    ] {
        for params in [
            json!({}),
            json!({ "w": 300, "h": 200, "fit": "crop" }),
            json!({ "txt": "a b+c&d=é/🌹?#%", "txt64": "é🌹 base64?>", "mark": "" }),
            json!({ "été": "~*()-._!", "a=b&c": "=", "rect": "1,2,3,4" }),
        ] {
            for expires in [false, true] {
                let ask = json!({ "domain": "example.imgix.net", "path": path, "params": params });
                let ours = if expires && sdk == "imgix" { Ours::Another } else { Ours::Same };
                cases.push(Case { expires, ours, ..case(sdk, "imgix", ask) });
            }
        }
    }
    cases
}

fn imgproxy() -> Vec<Case> {
    let mut cases = Vec::new();
    for (source, form) in [
        ("https://o.example/a.jpg", "plain"),
        ("https://o.example/a%20b/%C3%A9+.jpg", "plain"),
        ("s3://bucket//a%2Fb.jpg", "plain"),
        ("local:///a.jpg%40png", "plain"),
        ("https://o.example/été 写真/🌹.jpg?x=1&y=2#z", "base64"),
        ("https://o.example/??>>~~.jpg", "base64"),
    ] {
        for options in [
            json!({}),
            json!({ "resize": { "resizing_type": "fill", "width": 300, "height": 200 }, "quality": 80 }),
            json!({ "width": 300, "gravity": { "type": "sm" }, "format": "webp", "dpr": 2 }),
            json!({ "preset": ["sharp", "small"], "filename": { "name": "a-b_c" }, "cachebuster": "1" }),
        ] {
            let ask = json!({ "endpoint": "https://h", "source": source, "as": form, "options": options });
            cases.push(case("@imgproxy/imgproxy-node", "imgproxy", ask));
        }
    }
    cases
}

fn thumbor() -> Vec<Case> {
    let mut cases = Vec::new();
    for image in [
        "a.jpg",
        "o.example/a.jpg",
        "https://o.example/a.jpg",
        "https%3A%2F%2Fo.example%2Fa%20b.jpg%3Fx%3D1",
        "%C3%A9t%C3%A9/%E5%86%99%E7%9C%9F/%F0%9F%8C%B9.jpg",
        "a//b+c%2B~!$&'()*,;=:@.jpg",
    ] {
        for mut options in [
            json!({ "width": 300, "height": 200, "smart": true }),
            json!({ "fit_in": true, "width": 300, "filters": ["quality(80)", "format(webp)"] }),
            json!({ "crop": [[1, 2], [30, 40]], "flip": true, "halign": "left", "valign": "top" }),
            json!({ "meta": true, "trim": ["top-left", 50] }),
        ] {
            options["image_url"] = image.into();
            cases.push(case("libthumbor", "thumbor", json!({ "origin": "https://h", "options": options })));
        }
    }
    cases
}

/// botocore writes `Key-Pair-Id` after the signature and `IpAddress` before the start; it signs with SHA-1 alone.
/// JavaScript's writes URLs anew before it signs them, `%2A` as a `*`, which is a pattern then: we make no such URL.
fn cloudfront(sdk: &'static str) -> Vec<Case> {
    let is_python = sdk == "botocore";
    let mut cases = Vec::new();
    let mut add = |key, case: Case| {
        let ours = match (key, is_python) {
            ("cloudfront-ecdsa", _) => Ours::Another,
            (_, false) => Ours::Same,
            (_, true) if case.starts && !case.client.is_empty() => Ours::Another,
            (_, true) => Ours::Reordered,
        };
        cases.push(Case { expires: true, ours, ..case });
    };
    let keys: &[_] = if is_python {
        &[("cloudfront-sha1", "sha1")]
    } else {
        &[("cloudfront", "sha256"), ("cloudfront-sha1", "sha1"), ("cloudfront-ecdsa", "ecdsa")]
    };
    for &(key, algorithm) in keys {
        let ask = |url: String| case(sdk, key, json!({ "url": url, "algorithm": algorithm }));
        // RSA with SHA-1 is slow in a debug build.
        let targets = TARGETS.iter().filter(|target| is_python || !target.contains("%2A"));
        for target in targets.step_by(if algorithm == "sha1" { 3 } else { 1 }) {
            add(key, ask(format!("https://h{target}")));
        }
        if !is_python {
            for raw in ["/a b+c/été/🌹.jpg", "/a.jpg?q=é 🌹&r=\"<>&s='&t"] {
                add(key, ask(format!("https://h{raw}")));
            }
        }
        let ask = |target| ask(format!("https://h:8443{target}"));
        for cookies in [false, true] {
            if cookies && is_python {
                continue;
            }
            add(key, Case { cookies, ..ask("/a%20b.jpg") });
            add(key, Case { cookies, starts: true, ..ask("/a.jpg?x=1&x=2") });
            add(key, Case { cookies, client: "192.0.2.0/24", ..ask("/a.jpg") });
            add(key, Case { cookies, client: "192.0.2.7/32", starts: true, ..ask("/a.jpg") });
            add(key, Case { cookies, scope: vec!["https://h:8443/photos/*"], ..ask("/photos/a.jpg") });
            add(key, Case { cookies, scope: vec!["http?://*/a.???"], ..ask("/photos/a.jpg") });
        }
    }
    cases
}

fn akamai() -> Vec<Case> {
    let mut cases = Vec::new();
    let ask = |target, cookies| {
        let ask = json!({ "origin": "https://h", "target": target, "algorithm": "sha256" });
        Case { expires: true, cookies, ..case("akamai-edgeauth", "akamai", ask) }
    };
    for cookies in [false, true] {
        cases.extend(TARGETS.map(|target| ask(target, cookies)));
        let plain = || ask("/photos/a.jpg", cookies);
        cases.extend([
            Case { scope: vec!["/photos/*"], ..plain() },
            Case { scope: vec!["/nothing", "/p?otos/*.jpg", "/*"], ..plain() },
            Case { client: "192.0.2.7", ..plain() },
            Case { client: "2001:db8::7", starts: true, ..plain() },
            Case {
                starts: true,
                extra: vec![("id", "session-1"), ("data", if cookies { "a=b&c:d" } else { "a=b:c" })],
                ..plain()
            },
            Case {
                scope: vec!["/*"],
                starts: true,
                client: "192.0.2.7",
                extra: vec![("id", "s")],
                ..plain()
            },
        ]);
    }
    // Only here do the SDKs disagree: for Python a space is `+`, and `~` stays.
    let ask = |target, key, algorithm, escaped| {
        let ask =
            json!({ "origin": "https://h", "target": target, "algorithm": algorithm, "escaped": escaped });
        Case { expires: true, ..case("akamai-edgeauth", key, ask) }
    };
    for target in ["/a.jpg", "/a//b%20c+d,e;f=g:h@i&j$.jpg?x=%C3%A9&y=1/2?"] {
        cases.push(ask(target, "akamai-md5", "md5", false));
        let escaped = ask(target, "akamai-escaped", "sha1", true);
        cases.push(escaped.clone());
        cases.push(Case { extra: vec![("id", "a/b"), ("data", "é=写真&🌹")], cookies: true, ..escaped });
    }
    cases
}

/// Delivery URLs, which have no expiry, and tokens, which have.
fn cloudinary() -> Vec<Case> {
    let mut cases = Vec::new();
    for public_id in [
        "cat.jpg",
        "folder/my image é.jpg",
        "été/写真/🌹",
        "a+b&c=d,e;f@g.jpg",
        "a%20b?c#d.jpg",
        "~!'()*$:_-.jpg",
    ] {
        for options in [
            json!({}),
            json!({ "type": "authenticated", "version": 1234 }),
            json!({ "transformation": [{ "width": 300, "crop": "fill" }, { "angle": 20 }], "format": "png" }),
            json!({ "raw_transformation": "if_w_gt_100/c_scale,w_100/if_end", "version": 7 }),
            json!({ "overlay": "text:Arial_20:a%20b", "resource_type": "video", "force_version": false }),
        ] {
            for (key, long) in [("cloudinary", true), ("cloudinary-short", false)] {
                let ask = json!({ "public_id": public_id, "options": options, "long": long });
                cases.push(case("cloudinary", key, ask));
            }
        }
    }
    // A public id that starts like a version: the SDKs sign it, ours must be told to.
    let ask = |options| {
        let ask = json!({ "public_id": "v12/cat.jpg", "options": options, "long": true });
        case("cloudinary", "cloudinary", ask)
    };
    cases.push(ask(json!({ "version": 1234 })));
    cases.push(Case { extra: vec![("sign_version", "true")], ..ask(json!({})) });
    let ask = |target: &str, cookies| {
        let ask = json!({ "origin": "https://h", "target": target });
        Case { expires: true, cookies, ..case("cloudinary", "cloudinary-token", ask) }
    };
    for cookies in [false, true] {
        cases.extend(TARGETS.iter().map(|target| ask(target, cookies)));
        let plain = || ask("/demo/image/authenticated/a.jpg", cookies);
        cases.extend([
            Case { scope: vec!["/demo/*"], ..plain() },
            Case { scope: vec!["/nothing", "/*/image/?uthenticated/*.jpg"], starts: true, ..plain() },
            Case { client: "192.0.2.7", starts: true, ..plain() },
        ]);
    }
    cases
}

fn google(media: bool) -> Vec<Case> {
    let key = if media { "google-media" } else { "google" };
    let ask = |target: &str| {
        let ask = json!({ "url": format!("https://h:8443{target}"), "media": media });
        Case { expires: true, ..case("cryptography", key, ask) }
    };
    let mut cases: Vec<_> = TARGETS.iter().map(|target| ask(target)).collect();
    for cookies in [false, true] {
        for target in ["/photos/a.jpg", "/photos/", "/photos/a.jpg?w=1&w=2", "/photos/%C3%A9//+?"] {
            for prefix in ["https://h:8443/", "https://h:8443/photos/", "https://h:8443/ph"] {
                cases.push(Case { cookies, scope: vec![prefix], ..ask(target) });
            }
        }
    }
    cases
}
