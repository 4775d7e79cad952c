//! A signer with upload rules of every kind, and a resizer that may call what it needs and no more.

use prost_types::Struct;
use safelight_proto::signer::v1::{
    FormField, upload_authority::Authority, upload_service_server::UploadService,
    upload_token_service_server::UploadTokenService,
};

use super::{resizer::granted_by, *};

/// What stands before object keys.
pub(super) const BASE: &str = "https://photos.s3.eu-west-1.amazonaws.com/";

/// SHA-256 of the file that is stored unless said otherwise.
pub(super) const SHA: &str = "0000000000000000000000000000000000000000000000000000000000000001";

/// Most bytes of a file by rules that take large ones.
pub(super) const LARGE: u64 = 20 << 20;

/// A callback.
const TOLD: &str = "callback = 'https://app.example.com/hooks'\ncallback_key = 'forms'";

/// The resizer's grant: not for `foreign`, nor for the key and the account that are used there.
const GRANTS: &str = "[[grants]]\ncaller = 'resizer'\n\
    methods = ['BeginUpload', 'AuthorizeUpload', 'AuthorizeUploadParts', 'FinishUpload', 'ListUploadRules', 'TakeUploadTasks', 'EndUploadTask']\n\
    uploads = ['tokens', 'large', 'large-forms', 'forms', 'replacing', 'granted', 'other-key', 'told', 'told-forms', 'told-grants']\nkeys = ['forms', 's3']\naccounts = ['acme', 'umbrella']\n";

/// A signer with rules of every kind.
pub(super) fn signer() -> Signer {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    fs::write(&path, SECRETS[2]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let secret = path.display();
    let key = |name: &str, scheme: &str, options: &str, version: &str| {
        format!(
            "[[keys]]\nname = '{name}'\nscheme = '{scheme}'\n{options}\n\
             versions = [{{ id = 4, state = 'primary', secret_file = '{secret}'{version} }}]\n"
        )
    };
    let access = ", access_key_id = 'AKIAFAKE'";
    let mut config = [
        format!(
            "[upload_tokens]\npath = '{}'\nprivate_custom_ids = true\n",
            directory.path().join("t").display()
        ),
        key("forms", "cloudinary-upload", "", ""),
        key("s3", "aws-sigv4", "allowed_path_prefixes = ['/u/', '/f/', '/r/', '/g/', '/photos/']", access),
        key("s3-other", "aws-sigv4", "", access),
    ]
    .concat();
    for (name, kind, object_key, options, signing_key) in [
        ("tokens", "one-time", "u/{account}/{id}", "", "s3"),
        ("told-grants", "grant", "photos/{account}/{id}", TOLD, "s3"),
        ("told", "one-time", "photos/{account}/{id}", TOLD, "s3"),
        (
            "told-forms",
            "cloudinary",
            "photos/{id}",
            "key = 'forms'\ncallback = 'https://app.example.com/hooks?a=1'",
            "s3",
        ),
        ("forms", "cloudinary", "f/{id}", "key = 'forms'", "s3"),
        ("replacing", "cloudinary", "r/{id}", "key = 'forms'\noverwrite = true", "s3"),
        ("granted", "grant", "g/{account}/{id}", "", "s3"),
        ("foreign", "grant", "x/{id}", "", "s3"),
        ("other-key", "grant", "g/{id}", "", "s3-other"),
        ("large", "one-time", "u/{account}/{id}", "", "s3"),
        ("large-forms", "cloudinary", "r/{id}", "key = 'forms'\noverwrite = true", "s3"),
    ] {
        let max_bytes = if name.starts_with("large") { LARGE } else { 1000 };
        config.push_str(&format!(
            "[[uploads]]\nname = '{name}'\nkind = '{kind}'\nobject_key = '{object_key}'\n{options}\nmax_bytes = {max_bytes}\n\
             content_types = ['image/jpeg', 'image/png']\nsigning_key = '{signing_key}'\nregion = 'eu-west-1'\n\
             base_url = '{BASE}'\n"
        ));
    }
    config.push_str(GRANTS);
    Signer::open(Config::read(&config).unwrap_or_else(|errors| panic!("{errors}")), Clock::fixed(NOW))
        .unwrap()
}

/// A token of `acme`, for an image with this id.
pub(super) async fn token(signer: &Signer, change: impl FnOnce(&mut pb::CreateUploadTokenRequest)) -> String {
    let mut request = pb::CreateUploadTokenRequest {
        account: "acme".to_owned(),
        image_id: "cat".to_owned(),
        ..Default::default()
    };
    change(&mut request);
    ok(tokens(signer).create_upload_token(allowed(request)).await).token
}

/// The handlers of tokens.
pub(super) fn tokens(signer: &Signer) -> super::super::upload_tokens::UploadTokenHandlers {
    super::super::upload_tokens::UploadTokenHandlers::new(
        signer.upload_tokens.clone().unwrap(),
        signer.clock.clone(),
        signer.audit.clone(),
    )
}

pub(super) fn by_token(token: &str) -> Authority {
    Authority::Token(pb::TokenAuthority { account: "acme".to_owned(), token: token.to_owned() })
}

pub(super) fn field(name: &str, value: &str) -> FormField {
    FormField { name: name.to_owned(), value: value.to_owned() }
}

/// The fields of a form that a backend signed.
pub(super) async fn form(signer: &Signer, parameters: &[(&str, &str)]) -> Vec<FormField> {
    let text = |value: &str| prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue(value.to_owned())),
    };
    let fields = parameters.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
    let request = pb::SignUploadRequest { key: "forms".to_owned(), parameters: Some(Struct { fields }) };
    ok(signer.sign_upload(allowed(request)).await).form_fields
}

pub(super) const fn by_form(fields: Vec<FormField>) -> Authority {
    Authority::Form(pb::FormAuthority { fields })
}

pub(super) fn by_grant(account: &str, image_id: &str) -> Authority {
    Authority::Grant(pb::GrantAuthority {
        account: account.to_owned(),
        image_id: image_id.to_owned(),
        ..Default::default()
    })
}

pub(super) fn file() -> pb::UploadedFile {
    pb::UploadedFile {
        sha256: SHA.to_owned(),
        length: 1000,
        content_type: "image/jpeg".to_owned(),
        filename: "Cat 1.jpg".to_owned(),
    }
}

/// A request of the resizer, as the gate lets it in.
pub(super) fn resizer<T>(method: &str, message: T) -> Request<T> {
    granted_by(GRANTS, method, message)
}

pub(super) fn digest(signer: &Signer, name: &str) -> String {
    signer.uploads().all()[name].digest.clone()
}

fn authority(authority: &Authority) -> Option<pb::UploadAuthority> {
    Some(pb::UploadAuthority { authority: Some(authority.clone()) })
}

pub(super) fn begin_request(
    signer: &Signer,
    rule: &str,
    by: &Authority,
    request_id: &str,
) -> pb::BeginUploadRequest {
    pb::BeginUploadRequest {
        upload_digest: digest(signer, rule),
        authority: authority(by),
        request_id: request_id.to_owned(),
        lease: None,
    }
}

pub(super) async fn begin(
    signer: &Signer,
    rule: &str,
    by: &Authority,
    request_id: &str,
) -> Result<Response<pb::BeginUploadResponse>, Status> {
    signer.begin_upload(resizer("BeginUpload", begin_request(signer, rule, by, request_id))).await
}

pub(super) fn authorize_request(
    signer: &Signer,
    rule: &str,
    by: &Authority,
    request_id: &str,
    file: pb::UploadedFile,
) -> pb::AuthorizeUploadRequest {
    pb::AuthorizeUploadRequest {
        upload_digest: digest(signer, rule),
        authority: authority(by),
        request_id: request_id.to_owned(),
        file: Some(file),
        width: 40,
        height: 30,
        multipart: false,
    }
}

pub(super) async fn authorize(
    signer: &Signer,
    rule: &str,
    by: &Authority,
    request_id: &str,
    file: pb::UploadedFile,
) -> Result<Response<pb::AuthorizeUploadResponse>, Status> {
    let request = authorize_request(signer, rule, by, request_id, file);
    signer.authorize_upload(resizer("AuthorizeUpload", request)).await
}

pub(super) async fn finish(
    signer: &Signer,
    rule: &str,
    by: &Authority,
    request_id: &str,
    stored: bool,
) -> Result<Response<pb::FinishUploadResponse>, Status> {
    use pb::finish_upload_request::Outcome;

    let outcome = if stored {
        Outcome::Stored(pb::StoredUpload { file: Some(file()), width: 1, height: 1, etag: String::new() })
    } else {
        Outcome::Refused(pb::RefusedUpload { reason: "IMAGE_CORRUPT".to_owned(), sha256: SHA.to_owned() })
    };
    let request = pb::FinishUploadRequest {
        upload_digest: digest(signer, rule),
        authority: authority(by),
        request_id: request_id.to_owned(),
        outcome: Some(outcome),
    };
    signer.finish_upload(resizer("FinishUpload", request)).await
}

/// Says that another file is stored.
pub(super) async fn finish_with(
    signer: &Signer,
    rule: &str,
    by: &Authority,
    request_id: &str,
    file: pb::UploadedFile,
) -> Result<Response<pb::FinishUploadResponse>, Status> {
    let stored = pb::StoredUpload { file: Some(file), width: 1, height: 1, etag: String::new() };
    let request = pb::FinishUploadRequest {
        upload_digest: digest(signer, rule),
        authority: authority(by),
        request_id: request_id.to_owned(),
        outcome: Some(pb::finish_upload_request::Outcome::Stored(stored)),
    };
    signer.finish_upload(resizer("FinishUpload", request)).await
}

/// The value of a header.
pub(super) fn header<'h>(headers: &'h [pb::Header], name: &str) -> Option<&'h str> {
    headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
}
