//! A picture uploaded over HTTP by a one-time URL, and its private variant delivered by a signed URL.

use http::{Method, StatusCode};
use safelight_chassis::BoxError;
use safelight_proto::signer::v1::{
    GetUploadTokenRequest, UploadTokenState, get_upload_token_request::Selector,
};
use serde_json::Value as Json;

use super::{Demo, PRIVATE, PUBLIC, ensure, http::answered};
use crate::{
    client::{Answer, post_file},
    gallery::{ACCOUNT, NewUpload, Privacy},
};

impl Demo<'_> {
    /// Token, upload, signed URL, picture; then what must be refused.
    pub(super) async fn store(&self, picture: &[u8]) -> Result<(), BoxError> {
        self.say.line("\n5. A picture uploaded over HTTP by a one-time URL (Cloudflare's direct upload)");
        let upload = self.backend.new_upload(Privacy::Private).await?;
        let state = self.state(&upload).await?;
        ensure(state == UploadTokenState::Pending, "a new token must be pending")?;
        self.say.step("CreateUploadToken", format!("a URL for one upload: …/upload/{ACCOUNT}/<token>"));

        let answer = post_file(&upload.url, "picture", picture).await?;
        let told = json(&answer)?;
        ensure(answer.status == StatusCode::OK && told["success"] == true, &format!("POST: {told}"))?;
        let result = &told["result"];
        ensure(result["id"] == upload.image_id, "the picture must have the id that its token has")?;
        ensure(result["requireSignedURLs"] == true, "the picture must be marked as its token says")?;
        let image = &result["image"];
        ensure(image["size"] == picture.len(), "the picture must be stored whole")?;
        let (width, height, size) = (&image["width"], &image["height"], &image["size"]);
        self.say
            .step("POST file", format!("200, {width}×{height}, {size} bytes stored as {}", upload.image_id));

        let state = self.state(&upload).await?;
        ensure(state == UploadTokenState::Redeemed, "the token must be redeemed once the picture is stored")?;
        self.say.step("GetUploadToken", state.as_str_name());

        let url = format!("{}/{PRIVATE}", self.base(&upload.image_id)?);
        let got = answered(Method::GET, &self.sign(&url, 3600).await?, None, StatusCode::OK).await?;
        let media_type = got.header(&http::header::CONTENT_TYPE);
        ensure(media_type.starts_with("image/"), "a signed URL must be answered with the picture")?;
        self.say.step("GET, signed URL", format!("200 {media_type}, {} bytes", got.body.len()));
        self.refused_get("GET, unsigned URL", &url).await?;
        // The variant is public, the picture is not.
        let url = format!("{}/{PUBLIC}", self.base(&upload.image_id)?);
        let absent = json(&answered(Method::GET, &url, None, StatusCode::NOT_FOUND).await?)?;
        ensure(absent["reason"] == "ORIGIN_NOT_FOUND", &format!("a private picture, unsigned: {absent}"))?;
        self.say.step("GET, public variant", "404 ORIGIN_NOT_FOUND: the picture is private");

        let again = post_file(&upload.url, "picture", picture).await?;
        let told = json(&again)?;
        let reason = told["errors"][0]["reason"].as_str().unwrap_or_default();
        let refused = again.status == StatusCode::CONFLICT && reason == "TOKEN_ALREADY_REDEEMED";
        ensure(refused, &format!("a second upload by the same URL: {told}"))?;
        self.say.step("POST file, again", format!("409 {reason}"));
        Ok(())
    }

    /// What has become of the token.
    async fn state(&self, upload: &NewUpload) -> Result<UploadTokenState, BoxError> {
        let selector = Some(Selector::TokenId(upload.token_id.clone()));
        let request = GetUploadTokenRequest { account: ACCOUNT.into(), selector };
        let answer = self.stack.token_client().await?.get_upload_token(request).await?.into_inner();
        Ok(answer.upload_token.unwrap_or_default().state())
    }
}

fn json(answer: &Answer) -> Result<Json, BoxError> {
    Ok(serde_json::from_slice(&answer.body)?)
}
