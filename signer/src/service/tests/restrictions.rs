use safelight_proto::signer::v1::Reason;

use super::{resizer::granted_by, *};

fn with_key(key: &str) -> Signer {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    fs::write(&path, SECRETS[0]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let version = format!("versions = [{{ id = 1, state = 'primary', secret_file = '{}' }}]", path.display());
    let grant = "[[grants]]\ncaller = 'anonymous'\nmethods = ['*']\nkeys = ['*']";
    let text = format!("[[keys]]\nname = 'k'\n{key}\n{version}\n{grant}");
    Signer::new(Config::read(&text).unwrap_or_else(|errors| panic!("{errors}")), Clock::fixed(NOW))
}

async fn verify_at(signer: &Signer, origin: &str, target: &str) -> Reason {
    let request = pb::VerifyUrlRequest {
        key: "k".to_owned(),
        request_target: target.to_owned(),
        origin: origin.to_owned(),
        ..pb::VerifyUrlRequest::default()
    };
    ok(signer.verify_url(allowed(request)).await).reason()
}

#[tokio::test]
async fn a_key_is_used_for_its_hosts_and_paths_alone() {
    let restricted = "scheme = 'cloudflare-images'\nmax_ttl = '1h'\nallowed_hosts = ['h']\n\
                      allowed_path_prefixes = ['/photos/']";
    let signer = with_key(restricted);
    let not_allowed = (Code::PermissionDenied, "URL_NOT_ALLOWED".to_owned());
    for url in ["https://evil/photos/a", "https://h/a", "https://h:1/photos/a", "https://h/photos/../a"] {
        assert_eq!(refused(sign_url(&signer, "k", url, None).await), not_allowed, "{url}");
    }
    assert_eq!(
        refused(sign_url(&signer, "k", "/photos/", None).await),
        (Code::InvalidArgument, "URL_INVALID".to_owned())
    );
    // What the scheme normalises to is what counts.
    let good = ok(sign_url(&signer, "k", "https://H/a/../photos/b", None).await).signed_url;
    let good = target(&good);
    assert_eq!(verify_at(&signer, "https://h", good).await, Reason::Ok);
    assert_eq!(verify_at(&signer, "https://evil", good).await, Reason::UrlNotAllowed);
    assert_eq!(verify_at(&signer, "", good).await, Reason::OriginMissing);
    // Authentic, by the same secret without the restriction.
    let other = ok(sign_url(&with_key("scheme = 'cloudflare-images'"), "k", "https://h/a", Some(60)).await);
    assert_eq!(verify_at(&signer, "https://h", target(&other.signed_url)).await, Reason::UrlNotAllowed);
    assert_eq!(verify_at(&signer, "https://evil", "/a?sig=0").await, Reason::SignatureMalformed, "first");
    // A scheme that signs less than the path is held to what it signs.
    let delivery = with_key("scheme = 'cloudinary-delivery'\nallowed_path_prefixes = ['/photos/']");
    let signed = ok(sign_url(&delivery, "k", "https://h/demo/image/upload/photos/a.jpg", None).await);
    assert_eq!(verify_at(&delivery, "", target(&signed.signed_url)).await, Reason::Ok);
    let other = sign_url(&delivery, "k", "https://h/demo/image/upload/other/a.jpg", None).await;
    assert_eq!(refused(other), not_allowed);
}

/// Cloudinary signs neither cloud name nor types, imgproxy no prefix: a grant counts for what is signed.
#[tokio::test]
async fn a_grant_is_for_what_the_signature_covers() {
    let grant =
        "[[grants]]\ncaller = 'resizer'\nmethods = ['SignUrl']\nkeys = ['k']\npath_prefixes = ['/alice/']\n";
    for (key, cases) in [
        (
            "scheme = 'cloudinary-delivery'",
            &[
                ("/demo/image/upload/alice/a.jpg", true),
                ("/demo/image/upload/v12/alice/a.jpg", true),
                ("/alice/image/upload/bob/a.jpg", false),
                ("/alice/image/upload/v12/bob/a.jpg", false),
            ][..],
        ),
        ("scheme = 'thumbor'\nallow_legacy = true", &[("/alice/a.jpg", true), ("/bob/a.jpg", false)]),
    ] {
        let signer = with_key(key);
        for (path, allowed) in cases {
            let request = |grant: &str| {
                let url = format!("https://h{path}");
                let request = pb::SignUrlRequest { key: "k".to_owned(), url, ..Default::default() };
                signer.sign_url(granted_by(grant, "SignUrl", request))
            };
            let answer = request(grant).await;
            if *allowed {
                ok(answer);
                // What never expires is not for a caller with a limit.
                let limited = request(&format!("{grant}max_ttl = '1h'\n")).await;
                assert_eq!(refused(limited).1, "EXPIRY_OUT_OF_RANGE", "{path}");
            } else {
                assert_eq!(refused(answer), (Code::PermissionDenied, "CALLER_DENIED".to_owned()), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_scheme_cannot_say_is_refused_by_its_field() {
    type Change = fn(&mut pb::SignUrlRequest);

    let signer = with_key("scheme = 'cloudflare-images'\nmax_ttl = '1h'");
    let cases: [(Change, &str); 7] = [
        (|r| r.start_time = Some(timestamp(NOW)), "start_time"),
        (|r| r.start_time = Some(timestamp(NOW + 3600)), "start_time"),
        (|r| r.client_ip = "192.0.2.7".to_owned(), "client_ip"),
        (|r| r.client_ip = "nonsense".to_owned(), "client_ip"),
        (|r| r.scope = vec!["https://h/*".to_owned()], "scope"),
        (|r| r.carrier = 9, "carrier"),
        (|r| drop(r.extra.insert("x".to_owned(), "y".to_owned())), "extra"),
    ];
    for (change, field) in cases {
        let mut request =
            pb::SignUrlRequest { key: "k".to_owned(), url: "https://h/a".to_owned(), ..Default::default() };
        change(&mut request);
        let status = signer.sign_url(allowed(request)).await.unwrap_err();
        assert_eq!(of(&status).as_deref(), Some("FIELD_INVALID"), "{field}");
        assert!(status.message().starts_with(field), "{field}: {status:?}");
    }
    let never = with_key("scheme = 'thumbor'\nallow_legacy = true");
    assert_eq!(
        refused(sign_url(&never, "k", "https://h/a", Some(60)).await),
        (Code::InvalidArgument, "FIELD_INVALID".to_owned())
    );
    assert_eq!(ok(sign_url(&never, "k", "https://h/a", None).await).expire_time, None);
}
