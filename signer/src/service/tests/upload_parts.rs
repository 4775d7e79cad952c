//! Uploads that are stored in parts: as an honest resizer asks for them, and as one that was taken over.

use std::collections::BTreeMap;

use pb::{Verdict, upload_authority::Authority, upload_service_server::UploadService};

use super::{
    resizer::granted_by,
    storer::{
        BASE, LARGE, SHA, authorize_request, begin, by_form, by_token, field, file, finish, form, header,
        resizer, signer, token,
    },
    *,
};

const MIB: u64 = 1 << 20;
const ID: &str = "2~aZ0.b-c_d";

fn large(length: u64) -> pb::UploadedFile {
    pb::UploadedFile { length, ..file() }
}

fn parts_request(
    signer: &Signer,
    rule: &str,
    by: &Authority,
    request_id: &str,
    file: pb::UploadedFile,
) -> pb::AuthorizeUploadPartsRequest {
    let asked = authorize_request(signer, rule, by, request_id, file);
    pb::AuthorizeUploadPartsRequest {
        upload_digest: asked.upload_digest,
        authority: asked.authority,
        request_id: asked.request_id,
        part_sha256s: (1..=3).map(|part| format!("{part:064x}")).collect(),
        file: asked.file,
        store_upload_id: ID.to_owned(),
    }
}

async fn send(
    signer: &Signer,
    request: pb::AuthorizeUploadPartsRequest,
) -> Result<Response<pb::AuthorizeUploadPartsResponse>, Status> {
    signer.authorize_upload_parts(resizer("AuthorizeUploadParts", request)).await
}

/// Both calls, and what the second one is told.
async fn create(
    signer: &Signer,
    rule: &str,
    by: &Authority,
    request_id: &str,
    file: pb::UploadedFile,
) -> Result<Response<pb::AuthorizeUploadResponse>, Status> {
    let request = pb::AuthorizeUploadRequest {
        multipart: true,
        ..authorize_request(signer, rule, by, request_id, file)
    };
    signer.authorize_upload(resizer("AuthorizeUpload", request)).await
}

fn names(headers: &[pb::Header]) -> BTreeMap<&str, &str> {
    let all = headers.iter().map(|header| (header.name.as_str(), header.value.as_str()));
    let signed_headers = header(headers, "authorization").unwrap();
    all.filter(|(name, _)| !matches!(*name, "authorization" | "x-amz-date"))
        .inspect(|(name, _)| assert!(signed_headers.contains(name), "{name} is not signed: {signed_headers}"))
        .collect()
}

const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[tokio::test]
async fn every_step_of_a_large_file_is_signed() {
    let signer = signer();
    let token = token(&signer, |request| request.require_signed_urls = true).await;
    let by = by_token(&token);
    let begun = ok(begin(&signer, "large", &by, "r").await);
    let created = ok(create(&signer, "large", &by, "r", large(18 * MIB)).await);
    assert_eq!((created.url.as_str(), &created.put_headers), (&*format!("{BASE}u/acme/cat"), &vec![]));
    let expected = [
        ("content-type", "image/jpeg"),
        ("x-amz-content-sha256", NOTHING),
        ("x-amz-meta-filename", "Cat%201.jpg"),
        ("x-amz-meta-require-signed-urls", "true"),
        ("x-amz-meta-sha256", SHA),
        ("x-amz-meta-upload", begun.token_id.as_str()),
    ];
    assert_eq!(names(&created.create_headers), expected.into());

    let request = parts_request(&signer, "large", &by, "r", large(18 * MIB));
    let signed = ok(send(&signer, request.clone()).await);
    assert_eq!((signed.verdict(), signed.reason()), (Verdict::Valid, pb::Reason::Ok));
    assert_eq!(signed.expire_time, Some(timestamp(NOW + 900)));
    for ((part, number), length) in signed.parts.iter().zip(1..).zip([8 * MIB, 8 * MIB, 2 * MIB]) {
        assert_eq!(part.url, format!("{BASE}u/acme/cat?partNumber={number}&uploadId={ID}"));
        let (length, sha256) = (length.to_string(), format!("{number:064x}"));
        let expected = [("content-length", length.as_str()), ("x-amz-content-sha256", &sha256)];
        assert_eq!(names(&part.headers), expected.into());
    }
    assert_eq!(signed.parts.len(), 3);
    let (complete, abort) = (signed.complete.clone().unwrap(), signed.abort.clone().unwrap());
    for request in [&complete, &abort] {
        assert_eq!(request.url, format!("{BASE}u/acme/cat?uploadId={ID}"));
    }
    let expected = [
        ("if-none-match", "*"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-mp-object-size", "18874368"),
    ];
    assert_eq!(names(&complete.headers), expected.into());
    assert_eq!(names(&abort.headers), [("x-amz-content-sha256", NOTHING)].into());
    let signatures = signed.parts.iter().chain([&complete, &abort]);
    let signatures: Vec<_> = signatures.map(|step| header(&step.headers, "authorization").unwrap()).collect();
    let mut distinct = signatures.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), signatures.len());

    // The same again; and nothing once it is stored.
    assert_eq!(ok(send(&signer, request.clone()).await), signed);
    ok(finish(&signer, "large", &by, "r", true).await);
    assert_eq!(
        refused(send(&signer, request).await),
        (Code::FailedPrecondition, "TOKEN_NOT_RESERVED".to_owned())
    );
    let again = ok(create(&signer, "large", &by, "r", large(18 * MIB)).await);
    assert!(again.already_stored && again.create_headers.is_empty() && again.put_headers.is_empty());
}

#[tokio::test]
async fn a_rule_that_replaces_completes_without_a_condition() {
    let signer = signer();
    let fields = form(&signer, &[("public_id", "a b/c"), ("type", "private")]).await;
    let by = by_form(fields);
    let signed = ok(send(&signer, parts_request(&signer, "large-forms", &by, "r", large(LARGE))).await);
    let complete = signed.complete.unwrap();
    assert_eq!(complete.url, format!("{BASE}r/a%20b/c?uploadId={ID}"));
    assert_eq!(header(&complete.headers, "if-none-match"), None);
    assert_eq!(header(&complete.headers, "x-amz-mp-object-size"), Some("20971520"));
    // A form that says so keeps what is there.
    let keeps = by_form(form(&signer, &[("public_id", "a"), ("overwrite", "false")]).await);
    let signed = ok(send(&signer, parts_request(&signer, "large-forms", &keeps, "r", large(LARGE))).await);
    assert_eq!(header(&signed.complete.unwrap().headers, "if-none-match"), Some("*"));
}

/// A name of a store is one value of a query, whatever it says.
#[tokio::test]
async fn it_smuggles_nothing_into_a_url() {
    let signer = signer();
    let token = token(&signer, |_| {}).await;
    let by = by_token(&token);
    ok(begin(&signer, "large", &by, "r").await);
    for id in [
        "",
        "a&acl",
        "a&tagging=",
        "&delete",
        "a#x",
        "a?delete",
        "a;delete",
        "a%26delete",
        "a\r\nx-amz-acl: public-read",
        "a b",
        "a\0",
        "é",
        "a\\..\\b",
        "a\"",
        "a,b",
        "a:b",
        "a@b",
        "*",
        &"a".repeat(1025),
    ] {
        let request = pb::AuthorizeUploadPartsRequest {
            store_upload_id: id.to_owned(),
            ..parts_request(&signer, "large", &by, "r", large(LARGE))
        };
        let (code, reason) = refused(send(&signer, request).await);
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"), "{id:?}");
    }
    for (id, encoded) in [("../x=", "..%2Fx%3D"), ("a+b/c", "a%2Bb%2Fc"), ("~._-", "~._-")] {
        let request = pb::AuthorizeUploadPartsRequest {
            store_upload_id: id.to_owned(),
            ..parts_request(&signer, "large", &by, "r", large(LARGE))
        };
        let signed = ok(send(&signer, request).await);
        for step in signed.parts.iter().chain([&signed.complete.unwrap(), &signed.abort.unwrap()]) {
            let (object, query) = step.url.split_once('?').unwrap();
            assert_eq!(object, format!("{BASE}u/acme/cat"));
            let values: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            assert_eq!(values.last().unwrap(), &("uploadId".to_owned(), id.to_owned()));
            assert!(values.iter().all(|(name, _)| name == "uploadId" || name == "partNumber"), "{query}");
            assert!(query.ends_with(encoded), "{query}");
        }
    }
}

#[tokio::test]
async fn it_stores_no_more_in_parts_than_by_a_put() {
    type Change = fn(&mut pb::AuthorizeUploadPartsRequest);

    let signer = signer();
    let token = token(&signer, |request| {
        request.constraints = Some(pb::UploadConstraints {
            max_bytes: 18 * MIB,
            allowed_content_types: vec!["image/jpeg".to_owned()],
        });
    })
    .await;
    let by = by_token(&token);
    ok(begin(&signer, "large", &by, "r").await);
    let cases: [(Change, &str); 16] = [
        (|r| r.file.as_mut().unwrap().length = 18 * MIB + 1, "UPLOAD_TOO_LARGE"),
        (|r| r.file.as_mut().unwrap().length = u64::MAX, "UPLOAD_TOO_LARGE"),
        (|r| r.file.as_mut().unwrap().length = 0, "FIELD_INVALID"),
        (|r| r.file.as_mut().unwrap().length = 16 * MIB, "FIELD_INVALID"),
        (|r| r.file.as_mut().unwrap().length = 1, "FIELD_INVALID"),
        (|r| r.file.as_mut().unwrap().content_type = "text/html".to_owned(), "UPLOAD_TYPE_REFUSED"),
        (|r| r.file.as_mut().unwrap().content_type = "image/png".to_owned(), "UPLOAD_TYPE_REFUSED"),
        (|r| r.file.as_mut().unwrap().sha256 = "UNSIGNED-PAYLOAD".to_owned(), "FIELD_INVALID"),
        (|r| r.file = None, "FIELD_INVALID"),
        (|r| r.part_sha256s.clear(), "FIELD_INVALID"),
        (|r| drop(r.part_sha256s.pop()), "FIELD_INVALID"),
        (|r| r.part_sha256s.push("0".repeat(64)), "FIELD_INVALID"),
        (|r| r.part_sha256s = vec!["0".repeat(64); 600], "FIELD_INVALID"),
        (|r| r.part_sha256s[1] = "UNSIGNED-PAYLOAD".to_owned(), "FIELD_INVALID"),
        (|r| r.part_sha256s[2] = "A".repeat(64), "FIELD_INVALID"),
        (|r| r.request_id = "other".to_owned(), "TOKEN_NOT_RESERVED"),
    ];
    let good = parts_request(&signer, "large", &by, "r", large(18 * MIB));
    for (index, (change, reason)) in cases.into_iter().enumerate() {
        let mut request = good.clone();
        change(&mut request);
        assert_eq!(refused(send(&signer, request).await).1, reason, "case {index}");
    }
    // Whatever lengths it names, the parts of all numbers together are no longer than the token allows.
    let mut longest = BTreeMap::new();
    for length in [1, 5 * MIB, 8 * MIB, 8 * MIB + 1, 13 * MIB, 16 * MIB, 17 * MIB, 18 * MIB] {
        let mut request = good.clone();
        request.file.as_mut().unwrap().length = length;
        request.part_sha256s.truncate(usize::try_from(length.div_ceil(8 * MIB)).unwrap());
        let signed = ok(send(&signer, request).await);
        for part in signed.parts {
            let length: u64 = header(&part.headers, "content-length").unwrap().parse().unwrap();
            let kept = longest.entry(part.url).or_insert(0);
            *kept = length.max(*kept);
        }
    }
    assert_eq!((longest.len(), longest.values().sum::<u64>()), (3, 18 * MIB));
    // A file that is too large for the rule, or for any upload in parts, is not even begun.
    for length in [18 * MIB + 1, u64::MAX] {
        assert_eq!(refused(create(&signer, "large", &by, "r", large(length)).await).1, "UPLOAD_TOO_LARGE");
    }
}

#[tokio::test]
async fn it_uses_nothing_that_does_not_hold() {
    let signer = signer();
    // No token that it has not reserved, that was given up, or whose lease is over.
    let ask = async |token: &str, request_id: &str| {
        send(&signer, parts_request(&signer, "large", &by_token(token), request_id, large(LARGE))).await
    };
    let fresh = token(&signer, |_| {}).await;
    assert_eq!(refused(ask(&fresh, "r").await).1, "TOKEN_NOT_RESERVED");
    ok(begin(&signer, "large", &by_token(&fresh), "other").await);
    assert_eq!(refused(ask(&fresh, "r").await).1, "TOKEN_NOT_RESERVED");
    ok(ask(&fresh, "other").await);
    ok(finish(&signer, "large", &by_token(&fresh), "other", false).await);
    assert_eq!(refused(ask(&fresh, "other").await).1, "TOKEN_NOT_RESERVED");
    ok(begin(&signer, "large", &by_token(&fresh), "other").await);
    // A lease that ends soon is renewed for a minute.
    signer.clock.set(NOW + 299);
    ok(ask(&fresh, "other").await);
    signer.clock.set(NOW + 358);
    ok(ask(&fresh, "other").await);
    signer.clock.set(NOW + 500);
    assert_eq!(refused(ask(&fresh, "other").await).1, "TOKEN_NOT_RESERVED");
    signer.clock.set(NOW);
    assert_eq!(refused(ask(&"A".repeat(43), "r").await).1, "TOKEN_NOT_FOUND");
    // No form but as it was signed, and with its grace.
    let good = form(&signer, &[("public_id", "a")]).await;
    let ask = async |fields: Vec<pb::FormField>| {
        send(&signer, parts_request(&signer, "large-forms", &by_form(fields), "r", large(LARGE))).await
    };
    let mut other = good.clone();
    other.iter_mut().find(|field| field.name == "public_id").unwrap().value = "b".to_owned();
    let more = [good.clone(), vec![field("folder", "x")]].concat();
    for fields in [other, more] {
        let nothing = pb::AuthorizeUploadPartsResponse {
            verdict: Verdict::Invalid.into(),
            reason: pb::Reason::SignatureMismatch.into(),
            ..Default::default()
        };
        assert_eq!(ok(ask(fields).await), nothing);
    }
    signer.clock.set(NOW + 3600 + 900);
    assert_eq!(ok(ask(good.clone()).await).verdict(), Verdict::Valid);
    signer.clock.set(NOW + 3600 + 901);
    assert_eq!(ok(ask(good).await).reason(), pb::Reason::Stale);
    signer.clock.set(NOW);
    // No rule that it has no grant for, none of another kind, and none that is none.
    let by = by_token(&fresh);
    for (rule, reason) in
        [("foreign", "CALLER_DENIED"), ("other-key", "CALLER_DENIED"), ("forms", "FIELD_INVALID")]
    {
        let request = parts_request(&signer, rule, &by, "r", large(LARGE));
        assert_eq!(refused(send(&signer, request).await).1, reason, "{rule}");
    }
    // None at another place than its grant says, and none without a grant for this method.
    let form = by_form(form(&signer, &[("public_id", "a")]).await);
    let request = parts_request(&signer, "large-forms", &form, "r", large(LARGE));
    let grant = |place: &str| {
        format!(
            "[[grants]]\ncaller = 'resizer'\nmethods = ['AuthorizeUploadParts']\nkeys = ['*']\naccounts = ['*']\n\
             url_prefixes = ['{BASE}{place}']\n"
        )
    };
    for (place, is_granted) in [("r/", true), ("u/", false), ("r/a/", false)] {
        let asked = granted_by(&grant(place), "AuthorizeUploadParts", request.clone());
        let answer = signer.authorize_upload_parts(asked).await;
        assert_eq!(answer.is_ok(), is_granted, "{place}");
        if !is_granted {
            assert_eq!(refused(answer).1, "CALLER_DENIED");
        }
    }
    let unknown = pb::AuthorizeUploadPartsRequest {
        upload_digest: "0".repeat(64),
        ..parts_request(&signer, "large", &by, "r", large(LARGE))
    };
    assert_eq!(refused(send(&signer, unknown).await).1, "UPLOAD_UNKNOWN");
}
