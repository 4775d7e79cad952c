//! Schemes that sign in the path, from SignUrl to the picture, over both doors.

use safelight_local::{Settings, keys, picture::sample};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{DeliverRequest, DeliveryOutcome},
    signer::v1::SignUrlRequest,
};

use crate::{harness::*, http_door::wire::get};

/// Key, how routes say the path, and what is signed.
const SCHEMES: [(&str, &str, &str, &str); 8] = [
    ("imgproxy", "", "/ip/{key...}/{variant}", "/ip/a/b.jpg/card"),
    ("imgproxy", "", "/{sig}/ip-whole/{key...}/{variant}", "/ip-whole/a/b.jpg/card"),
    ("imgproxy", "path_prefix = '/pre'", "/ipp/{key...}/{variant}", "/pre/ipp/a/b.jpg/card"),
    ("imgproxy", "path_prefix = '/whole'", "/whole/{sig}/{key...}/{variant}", "/whole/a/b.jpg/card"),
    ("thumbor", "allow_legacy = true", "/ts/{key...}/{variant}", "/ts/a/b.jpg/card"),
    ("thumbor", "allow_legacy = true", "/{sig}/ts-whole/{key...}/{variant}", "/ts-whole/a/b.jpg/card"),
    ("cloudinary-delivery", "", "/cl/{key...}/{variant}", "/demo/image/upload/cl/a/b.jpg/card"),
    (
        "cloudinary-delivery",
        "",
        "/demo2/image/upload/{sig}/{key...}/{variant}",
        "/demo2/image/upload/a/b.jpg/card",
    ),
];

/// A stack with a key and a route for each; the signer has `[[deliveries]]` for them, or has not.
async fn start_all(one_call: bool) -> Local {
    let secrets = tempfile::tempdir().unwrap();
    keys::write(secrets.path(), "hex", "00112233445566778899aabbccddeeff").unwrap();
    let dir = secrets.path().display();
    let (mut signer_toml, mut resizer_toml, mut deliveries) = (String::new(), String::new(), String::new());
    for (at, (scheme, options, path, _)) in SCHEMES.iter().enumerate() {
        let salt = if *scheme == "imgproxy" { format!(", salt_file = '{dir}/hex'") } else { String::new() };
        signer_toml += &format!(
            "[[keys]]\nname = 'k{at}'\nscheme = '{scheme}'\n{options}\n\
             versions = [{{ id = 1, state = 'primary', secret_file = '{dir}/hex'{salt} }}]\n"
        );
        resizer_toml += &format!("[[routes]]\npath = '{path}'\norigin = 'photos'\nurl_key = 'k{at}'\n");
        deliveries += &format!(
            "[[deliveries]]\nname = 'd{at}'\npath = '{path}'\nurl_key = 'k{at}'\npublic_variants = ['thumbnail']\n\
             signing_key = 's3-photos'\nregion = 'us-east-1'\nbase_url = '{{s3}}/photos/'\n"
        );
    }
    if one_call {
        signer_toml += "[[grants]]\ncaller = 'resizer'\nmethods = ['AuthorizeDelivery', 'ListDeliveries']\nkeys = ['*']\n";
        signer_toml += &deliveries;
    }
    let local = start(Settings { signer_toml, resizer_toml, own_route: false, ..Settings::default() }).await;
    local.put("a/b.jpg", sample::jpeg(96, 64).unwrap()).await;
    local
}

#[tokio::test]
async fn what_was_signed_is_delivered_and_nothing_else() {
    for one_call in [false, true] {
        let local = start_all(one_call).await;
        let mut signer = local.stack.signer_client().await.unwrap();
        for (at, (scheme, _, path, wanted)) in SCHEMES.iter().enumerate() {
            let url = format!("https://img.example.com{wanted}");
            let request = SignUrlRequest { key: format!("k{at}"), url, ..SignUrlRequest::default() };
            let signed = signer.sign_url(request).await.unwrap().into_inner().signed_url;
            let target = signed.strip_prefix("https://img.example.com").unwrap();
            let told = format!("{scheme} {path} {target}, in one call: {one_call}");

            assert_eq!(get(&local, target, &[]).await.status, 200, "{told}");
            let request = DeliverRequest { url: target.to_owned(), ..DeliverRequest::default() };
            let (delivery, _) =
                local.deliver(request).await.unwrap_or_else(|error| panic!("{told}: {error}"));
            assert_eq!(delivery.outcome(), DeliveryOutcome::Ok);

            for changed in
                [target.replace("/b.jpg", "/c.jpg"), target.replace("/card", "/large"), (*wanted).to_owned()]
            {
                let answer = get(&local, &changed, &[]).await;
                assert!([403, 404].contains(&answer.status), "{told}: {changed} {}", answer.status);
            }
        }
        let request = DeliverRequest { url: "/ip/a/b.jpg/card".to_owned(), ..DeliverRequest::default() };
        refused(local.deliver(request).await, Reason::UrlRefused);
    }
}
