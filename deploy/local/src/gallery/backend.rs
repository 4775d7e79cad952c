//! What an application's backend does: has upload URLs made, and signs the URLs of pictures.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use futures_util::future::try_join_all;
use http::Method;
use safelight_chassis::BoxError;
use safelight_local::Stack;
use safelight_proto::signer::v1::{
    CreateUploadTokenRequest, GetUploadTokenRequest, SignUrlRequest, UploadTokenState,
    get_upload_token_request::Selector, sign_url_request::Expiry, signer_service_client::SignerServiceClient,
    upload_token_service_client::UploadTokenServiceClient,
};
use serde_json::{Value as Json, json};
use tonic::{Code, transport::Channel};

use crate::client::ask;

/// The tenant of all uploads here.
pub(crate) const ACCOUNT: &str = "acme";
/// What the page shows by signed URLs. Strangers are refused the first of any picture, and get the second, which is a public
/// variant, of pictures that are public.
const VARIANTS: [&str; 2] = ["card", "thumbnail"];
/// How long signed URLs are valid.
const SECONDS: i64 = 3600;
/// The uploads that are remembered: the newest ones.
const MAX_UPLOADS: usize = 200;
/// The pictures that the page shows: the newest ones.
const MAX_PICTURES: usize = 24;

/// Who may see an uploaded picture in variants that are public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Anyone who has a signed URL.
    Private,
    /// Anyone.
    Public,
}

impl Privacy {
    /// From the query of a request for an upload URL: without one the picture is private.
    pub(super) fn of(query: Option<&str>) -> Option<Self> {
        match query {
            None | Some("privacy=private") => Some(Self::Private),
            Some("privacy=public") => Some(Self::Public),
            Some(_) => None,
        }
    }
}

/// An upload URL, and what its token is known by.
#[derive(Debug, Clone)]
pub(crate) struct NewUpload {
    /// Takes one picture, once.
    pub(crate) url: String,
    /// Names the token.
    pub(crate) token_id: String,
    /// The id that the picture will have.
    pub(crate) image_id: String,
    privacy: Privacy,
    /// Whether it is known to have arrived.
    is_stored: bool,
}

/// Talks to the signer.
#[derive(Debug)]
pub(crate) struct Backend {
    tokens: UploadTokenServiceClient<Channel>,
    signer: SignerServiceClient<Channel>,
    /// `http://` and the address of the resizer's HTTP port.
    resizer: String,
    /// The newest one last.
    uploads: Mutex<VecDeque<NewUpload>>,
}

impl Backend {
    pub(crate) async fn new(stack: &Stack) -> Result<Self, BoxError> {
        let http = stack.resizer.http().ok_or("the stack must have an HTTP port")?;
        Ok(Self {
            tokens: stack.token_client().await?,
            signer: stack.signer_client().await?,
            resizer: format!("http://{http}"),
            uploads: Mutex::default(),
        })
    }

    /// `http://` and the address of the resizer's HTTP port.
    pub(crate) fn resizer(&self) -> &str {
        &self.resizer
    }

    /// Has a one-time token made. Its URL takes one picture, which is stored with the mark that makes it private, or without.
    pub(crate) async fn new_upload(&self, privacy: Privacy) -> Result<NewUpload, BoxError> {
        let request = CreateUploadTokenRequest {
            account: ACCOUNT.into(),
            require_signed_urls: privacy == Privacy::Private,
            ..Default::default()
        };
        let made = self.tokens.clone().create_upload_token(request).await?.into_inner();
        let url = format!("{}/upload/{ACCOUNT}/{}", self.resizer, made.token);
        let (token_id, image_id) = (made.token_id, made.image_id);
        let upload = NewUpload { url, token_id, image_id, privacy, is_stored: false };
        let mut uploads = self.uploads();
        if uploads.len() == MAX_UPLOADS {
            uploads.pop_front();
        }
        uploads.push_back(upload.clone());
        Ok(upload)
    }

    /// Has a URL signed for so many seconds.
    pub(crate) async fn sign(&self, url: &str, seconds: i64) -> Result<String, BoxError> {
        let ttl = prost_types::Duration { seconds, nanos: 0 };
        let request = SignUrlRequest {
            key: "web".into(),
            url: url.to_owned(),
            expiry: Some(Expiry::Ttl(ttl)),
            ..SignUrlRequest::default()
        };
        let signed = self.signer.clone().sign_url(request).await?.into_inner();
        let expires = signed.expire_time.and_then(|time| SystemTime::try_from(time).ok());
        expires.ok_or("a signed URL must expire")?;
        Ok(signed.signed_url)
    }

    /// The newest pictures that were uploaded, with their URLs and what a stranger is answered.
    pub(crate) async fn pictures(&self) -> Result<Json, BoxError> {
        let uploads: Vec<_> = self.uploads().iter().rev().cloned().collect();
        let are_stored = try_join_all(uploads.iter().map(|upload| self.is_stored(upload))).await?;
        let stored: Vec<_> =
            uploads.iter().zip(are_stored).filter_map(|(upload, is)| is.then_some(upload)).collect();
        for upload in &mut *self.uploads() {
            upload.is_stored |= stored.iter().any(|stored| stored.token_id == upload.token_id);
        }
        let newest = stored.into_iter().take(MAX_PICTURES);
        let pictures = try_join_all(newest.map(|upload| self.picture(upload))).await?;
        Ok(json!({ "pictures": pictures }))
    }

    fn uploads(&self) -> MutexGuard<'_, VecDeque<NewUpload>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the picture has arrived: its token is redeemed then, and not before.
    async fn is_stored(&self, upload: &NewUpload) -> Result<bool, BoxError> {
        if upload.is_stored {
            return Ok(true);
        }
        let selector = Some(Selector::TokenId(upload.token_id.clone()));
        let request = GetUploadTokenRequest { account: ACCOUNT.into(), selector };
        match self.tokens.clone().get_upload_token(request).await {
            Ok(answer) => {
                let token = answer.into_inner().upload_token.unwrap_or_default();
                Ok(token.state() == UploadTokenState::Redeemed)
            }
            // The signer forgets tokens some time after they have expired.
            Err(status) if status.code() == Code::NotFound => Ok(false),
            Err(status) => Err(status.into()),
        }
    }

    async fn picture(&self, upload: &NewUpload) -> Result<Json, BoxError> {
        let url = |variant| format!("{}/local/{}/{variant}", self.resizer, upload.image_id);
        let (mut signed, mut unsigned) = (Vec::new(), Vec::new());
        for variant in VARIANTS {
            let url = url(variant);
            signed.push(json!({ "variant": variant, "url": self.sign(&url, SECONDS).await? }));
            // A page cannot read the status of a picture from elsewhere: it is read here, each time, without a signature.
            let answer = ask(Method::GET, &url, None).await?;
            let problem: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
            let (status, reason) = (answer.status.as_u16(), &problem["reason"]);
            unsigned.push(json!({ "variant": variant, "url": url, "status": status, "reason": reason }));
        }
        Ok(json!({
            "id": upload.image_id,
            "private": upload.privacy == Privacy::Private,
            "signed": signed,
            "unsigned": unsigned,
        }))
    }
}
