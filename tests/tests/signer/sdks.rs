//! The vendors' SDKs for signed URLs: what they sign verifies here, and what is signed here is what they sign.
//!
//! Fastly and Bunny have none: Fastly documents VCL, Bunny an algorithm with code on GitHub.

use std::{collections::BTreeMap, process::Command};

use safelight_proto::signer::v1::{
    Cookie, GetKeyRequest, Reason, SignUrlRequest, SignatureCarrier, VerifyUrlRequest,
    sign_url_request::Expiry,
};
use safelight_tests::counterpart;
use serde_json::{Map, Value as Json, json};

use crate::{
    harness::{NOW, Pair, ask, cookie_header, ok, script, target, timestamp, url_request, verify_request},
    schemes::{KEY_NAME, KEY_PAIR_ID},
    sdk_cases,
};

/// When what is signed with an expiry expires.
pub(crate) const EXPIRES: u64 = NOW + 1800;

/// Something to sign, for an SDK and for us.
#[derive(Clone, Default)]
pub(crate) struct Case {
    /// The SDK, by the name of its package.
    pub(crate) sdk: &'static str,
    /// Our key.
    pub(crate) key: &'static str,
    /// What the script is to be told beside the following.
    pub(crate) ask: Map<String, Json>,
    /// Whether it expires, at [`EXPIRES`].
    pub(crate) expires: bool,
    /// A minute ago, if it starts.
    pub(crate) starts: bool,
    pub(crate) client: &'static str,
    pub(crate) scope: Vec<&'static str>,
    pub(crate) cookies: bool,
    pub(crate) extra: Vec<(&'static str, &'static str)>,
    pub(crate) ours: Ours,
}

/// What ours is to theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Ours {
    /// The same, to the byte.
    #[default]
    Same,
    /// The same parameters and cookies in another order.
    Reordered,
    /// Another: the scheme has several texts, or several signatures, for one thing.
    Another,
}

/// A case whose script is told these things.
pub(crate) fn case(sdk: &'static str, key: &'static str, ask: Json) -> Case {
    let Json::Object(ask) = ask else { panic!("not an object: {ask}") };
    Case { sdk, key, ask, ..Case::default() }
}

impl Case {
    fn question(&self) -> Json {
        let mut question = json!({
            "sdk": self.sdk,
            "expires": self.expires.then_some(EXPIRES),
            "starts": self.starts.then_some(NOW - 60),
            "client": self.client,
            "scope": self.scope,
            "cookies": self.cookies,
            "extra": self.extra.iter().copied().collect::<BTreeMap<_, _>>(),
        });
        question.as_object_mut().unwrap().extend(self.ask.clone());
        question
    }

    fn request(&self, url: &str) -> SignUrlRequest {
        let carrier = if self.cookies { SignatureCarrier::Cookies } else { SignatureCarrier::Url };
        SignUrlRequest {
            expiry: self.expires.then(|| Expiry::ExpireTime(timestamp(EXPIRES))),
            start_time: self.starts.then(|| timestamp(NOW - 60)),
            client_ip: self.client.to_owned(),
            scope: self.scope.iter().map(|pattern| (*pattern).to_owned()).collect(),
            carrier: carrier.into(),
            extra: self.extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..url_request(self.key, url, None)
        }
    }
}

/// What an SDK signed.
struct Theirs {
    url: String,
    authenticated: String,
    signed: String,
    cookies: Vec<Cookie>,
}

impl Theirs {
    fn read(answer: &Json) -> Self {
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        let cookies = answer["cookies"].as_object().into_iter().flatten().map(|(name, value)| Cookie {
            name: name.clone(),
            value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        });
        let url = text("url").unwrap();
        Self {
            authenticated: text("authenticated").unwrap_or_else(|| url.clone()),
            signed: text("signed").unwrap(),
            cookies: cookies.collect(),
            url,
        }
    }

    /// What a client that got this would have verified.
    fn presented(&self, case: &Case) -> VerifyUrlRequest {
        VerifyUrlRequest {
            client_ip: case.client.split('/').next().unwrap_or_default().to_owned(),
            cookies: cookie_header(&self.cookies),
            ..verify_request(case.key, &self.signed)
        }
    }
}

/// The parameters and the cookies in an order of their own.
fn in_order(url: &str, cookies: &[Cookie]) -> (String, Vec<String>) {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut parts: Vec<_> = query.split('&').map(str::to_owned).collect();
    parts.extend(cookies.iter().map(|cookie| format!("{}: {}", cookie.name, cookie.value)));
    parts.sort_unstable();
    (path.to_owned(), parts)
}

fn keys(pair: &Pair) -> Json {
    json!({
        "text": pair.secret("hex"),
        "hex": pair.secret("hex"),
        "salt": pair.secret("salt"),
        "google": pair.secret("16-bytes"),
        "google_media": pair.secret("32-bytes"),
        "rsa": pair.secret("rsa"),
        "ecdsa": pair.secret("ecdsa"),
        "key_pair_id": KEY_PAIR_ID,
        "key_name": KEY_NAME,
    })
}

async fn agree(sdks: Command, cases: Vec<Case>) {
    let pair = Pair::of_schemes().await;
    let questions: Vec<_> = cases.iter().map(Case::question).collect();
    let answer = ask(sdks, &json!({ "keys": keys(&pair), "cases": questions }));
    let theirs: Vec<_> = answer["answers"].as_array().unwrap().iter().map(Theirs::read).collect();
    assert_eq!(theirs.len(), cases.len());
    // SDK to cases, and to those of them that are the same.
    let mut counts = BTreeMap::<_, (u32, u32)>::new();
    for (case, theirs) in cases.iter().zip(&theirs) {
        let about = format!("{} {} {}", case.sdk, case.key, theirs.signed);
        let presented = theirs.presented(case);
        let verified = pair.verify(presented.clone()).await;
        assert_eq!(verified.reason(), Reason::Ok, "{about}");
        assert_eq!(verified.authenticated_target, target(&theirs.authenticated), "{about}");
        assert_eq!(verified.expire_time, case.expires.then(|| timestamp(EXPIRES)), "{about}");
        if case.scope.is_empty() {
            let target = &presented.request_target;
            let mut elsewhere = target.clone();
            elsewhere.insert(target.find('?').unwrap_or(target.len()), 'x');
            let verified = pair.verify(VerifyUrlRequest { request_target: elsewhere, ..presented }).await;
            let reason = verified.reason();
            // CloudFront's policies say themselves what they are for.
            let refusals = [Reason::SignatureMismatch, Reason::SignatureMalformed, Reason::ResourceMismatch];
            assert!(refusals.contains(&reason), "{about}: {reason:?}");
        }

        let ours = pair.sign(case.request(&theirs.url)).await;
        match case.ours {
            Ours::Same => {
                assert_eq!(ours.signed_url, theirs.signed, "{about}");
                assert_eq!(in_order("", &ours.cookies), in_order("", &theirs.cookies), "{about}");
            }
            Ours::Reordered => assert_eq!(
                in_order(&ours.signed_url, &ours.cookies),
                in_order(&theirs.signed, &theirs.cookies)
            ),
            Ours::Another => assert_ne!(
                in_order(&ours.signed_url, &ours.cookies),
                in_order(&theirs.signed, &theirs.cookies),
                "then it is not another"
            ),
        }
        let (all, same) = counts.entry((case.sdk, case.key)).or_default();
        *all += 1;
        *same += u32::from(case.ours != Ours::Another);
    }
    pair.clock.set(EXPIRES);
    for (case, theirs) in cases.iter().zip(&theirs).filter(|(case, _)| case.expires) {
        let reason = pair.verify(theirs.presented(case)).await.reason();
        assert_eq!(reason, Reason::Expired, "{} {}", case.sdk, theirs.signed);
    }
    for ((sdk, key), (all, same)) in counts {
        let version = answer["versions"][sdk].as_str().unwrap();
        println!("{sdk} {version}, {key}: {all} verify, {same} of them are ours too");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn for_python() {
    let Some(python) = counterpart::python() else { return };
    agree(script(python, "url_sdks.py"), sdk_cases::python()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_node() {
    let (Some(node), Some(modules)) = (counterpart::program("node"), counterpart::node_modules()) else {
        return;
    };
    let mut sdks = script(node, "url_sdks.js");
    sdks.env("NODE_PATH", modules);
    agree(sdks, sdk_cases::node()).await;
}

/// What is signed here, verified there: by thumbor's own code, and by CloudFront's policy and the public key that we tell.
#[tokio::test(flavor = "multi_thread")]
async fn ours_verify_theirs() {
    let Some(python) = counterpart::python() else { return };
    let pair = Pair::of_schemes().await;
    let public_key = ok(pair.keys().get_key(GetKeyRequest { name: "cloudfront-ecdsa".to_owned() }).await);
    let public_key = &public_key.key.unwrap().versions[0].public_key;
    let mut cases = Vec::new();
    for path in sdk_cases::TARGETS.iter().filter(|target| !target.contains('?')) {
        let signed = pair.sign(url_request("thumbor", &format!("https://h{path}"), None)).await.signed_url;
        let signed = target(&signed);
        for (verify, valid) in [(signed.to_owned(), true), (format!("{signed}x"), false)] {
            cases.push((json!({ "sdk": "libthumbor", "verify": verify }), valid));
        }
    }
    for path in sdk_cases::TARGETS {
        let url = format!("https://h{path}");
        let mut request = url_request("cloudfront-ecdsa", &url, None);
        request.expiry = Some(Expiry::ExpireTime(timestamp(EXPIRES)));
        let signed = pair.sign(request).await.signed_url;
        let signature = signed.split("Signature=").nth(1).unwrap().split('&').next().unwrap();
        let verify = json!({ "public_key": public_key, "signature": signature });
        cases.push((json!({ "sdk": "botocore", "url": url, "expires": EXPIRES, "verify": verify }), true));
    }
    let questions: Vec<_> = cases.iter().map(|(question, _)| question).collect();
    let question = json!({ "keys": keys(&pair), "cases": questions });
    let answers = ask(script(python, "url_sdks.py"), &question)["answers"].take();
    assert_eq!(answers.as_array().unwrap().len(), cases.len());
    for ((question, valid), answer) in cases.iter().zip(answers.as_array().unwrap()) {
        assert_eq!(answer["valid"], *valid, "{question}");
    }
    println!("{} signatures verified by others", cases.len());
}
