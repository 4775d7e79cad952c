//! `Debug` of messages that hold credentials or signatures: what is beside these, never the values.

use std::fmt;

use crate::{
    envoy::{config::core::v3::HeaderValue, service::auth::v3::attribute_context::HttpRequest},
    resizer::v1::{CallerHeaders, DeliverRequest, SignedFormField, UploadToken},
    signer::v1::{
        AuthorizeDeliveryRequest, AuthorizeDeliveryResponse, AuthorizeUploadResponse,
        CancelUploadTokenRequest, Cookie, CreateUploadTokenResponse, FormField, GetUploadTokenRequest,
        Header, ObjectRequest, RedeemUploadTokenRequest, ReleaseUploadTokenRequest,
        ReserveUploadTokenRequest, SignOriginRequestResponse, SignPostPolicyResponse, SignUploadResponse,
        SignUrlResponse, TokenAuthority, UploadAnswer, VerifyUrlRequest, Webhook,
    },
};

impl fmt::Debug for CallerHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = [
            ("authorization", &self.authorization),
            ("cookie", &self.cookie),
            ("x_amz_content_sha256", &self.x_amz_content_sha256),
            ("x_amz_date", &self.x_amz_date),
            ("x_amz_security_token", &self.x_amz_security_token),
        ];
        f.write_str("CallerHeaders ")?;
        f.debug_set()
            .entries(fields.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name))
            .finish()
    }
}

/// `Debug` that shows these fields and says that there are others.
macro_rules! shows {
    ($($message:ident: $($field:ident),+;)+) => {$(
        impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($field), &self.$field))+
                    .finish_non_exhaustive()
            }
        }
    )+};
}

shows! {
    AuthorizeDeliveryRequest: delivery_digest, method;
    AuthorizeDeliveryResponse: verdict, reason, key_version, expire_time, public, headers, fetch_expire_time;
    AuthorizeUploadResponse: verdict, reason, image_id, put_headers, head_headers, expire_time, already_stored, create_headers;
    CancelUploadTokenRequest: account;
    CreateUploadTokenResponse: token_id, image_id, expire_time, state;
    DeliverRequest: accept, if_none_match, caller_headers, share_publicly;
    Cookie: name;
    FormField: name;
    HeaderValue: key;
    HttpRequest: method, host, scheme;
    GetUploadTokenRequest: account;
    Header: name;
    RedeemUploadTokenRequest: account, request_id;
    ReleaseUploadTokenRequest: account, request_id;
    ReserveUploadTokenRequest: account, request_id, lease;
    SignOriginRequestResponse: headers, expire_time, key_version;
    SignPostPolicyResponse: fields, expire_time, key_version;
    SignUploadResponse: form_fields, expire_time, key_version;
    SignUrlResponse: expire_time, key_version, cookies;
    SignedFormField: name;
    ObjectRequest: headers;
    TokenAuthority: account;
    UploadAnswer: public_id, version;
    UploadToken: account;
    VerifyUrlRequest: key;
    Webhook: timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::v1::{cancel_upload_token_request, get_upload_token_request};

    #[test]
    fn debug_never_shows_a_value() {
        let headers = CallerHeaders { authorization: "AWS4 fake-secret".into(), ..Default::default() };
        let secret = || "fake-secret".to_owned();
        let header = Header { name: "authorization".into(), value: secret() };
        let field = FormField { name: "signature".into(), value: secret() };
        let deliver =
            DeliverRequest { url: secret(), caller_headers: Some(headers.clone()), ..Default::default() };
        let verify = VerifyUrlRequest { request_target: secret(), cookies: secret(), ..Default::default() };
        let cookie = Cookie { name: "CloudFront-Signature".into(), value: secret() };
        let url =
            SignUrlResponse { signed_url: secret(), cookies: vec![cookie.clone()], ..Default::default() };
        let upload = SignUploadResponse {
            signature: secret(),
            form_fields: vec![field.clone()],
            ..Default::default()
        };
        let origin =
            SignOriginRequestResponse { url: secret(), headers: vec![header.clone()], ..Default::default() };
        let created = CreateUploadTokenResponse { token: secret(), ..Default::default() };
        let redeem = RedeemUploadTokenRequest { token: secret(), ..Default::default() };
        let reserve = ReserveUploadTokenRequest { token: secret(), ..Default::default() };
        let release = ReleaseUploadTokenRequest { token: secret(), ..Default::default() };
        assert!(!format!("{reserve:?} {release:?}").contains("fake-secret"));
        let get = GetUploadTokenRequest {
            selector: Some(get_upload_token_request::Selector::Token(secret())),
            ..Default::default()
        };
        let cancel = CancelUploadTokenRequest {
            selector: Some(cancel_upload_token_request::Selector::Token(secret())),
            ..Default::default()
        };
        let authorize = AuthorizeDeliveryRequest {
            request_target: secret(),
            cookies: secret(),
            client_ip: secret(),
            ..Default::default()
        };
        let authorized = AuthorizeDeliveryResponse {
            url: secret(),
            object_key: secret(),
            authenticated_target: secret(),
            headers: vec![header.clone()],
            ..Default::default()
        };
        assert!(!format!("{authorize:?} {authorized:?}").contains("fake-secret"));
        let authorized = AuthorizeUploadResponse {
            url: secret(),
            object_key: secret(),
            put_headers: vec![header.clone()],
            head_headers: vec![header.clone()],
            create_headers: vec![header.clone()],
            ..Default::default()
        };
        let step = ObjectRequest { url: secret(), headers: vec![header.clone()] };
        let (token, shown) = (
            TokenAuthority { token: secret(), ..Default::default() },
            UploadToken { token: secret(), ..Default::default() },
        );
        let signed = SignedFormField { name: "signature".into(), value: secret() };
        let policy =
            SignPostPolicyResponse { url: secret(), fields: vec![field.clone()], ..Default::default() };
        assert!(
            !format!("{authorized:?} {step:?} {token:?} {shown:?} {signed:?} {policy:?}")
                .contains("fake-secret")
        );
        let webhook = Webhook { body: secret().into(), signature: secret(), ..Default::default() };
        let answer = UploadAnswer { signature: secret(), ..Default::default() };
        assert!(!format!("{webhook:?} {answer:?}").contains("fake-secret"));
        let check = HttpRequest {
            path: secret(),
            headers: [("cookie".to_owned(), secret())].into(),
            ..Default::default()
        };
        let set = HeaderValue { key: ":path".to_owned(), value: secret() };
        let text = format!(
            "{headers:?} {header:?} {field:?} {deliver:?} {verify:?} {url:?} {upload:?} {origin:?} {cookie:?} {created:?} {redeem:?} \
             {get:?} {cancel:?} {check:?} {set:?}"
        );
        assert!(!text.contains("fake-secret"), "{text}");
        assert!(text.contains("authorization"), "{text}");
    }
}
