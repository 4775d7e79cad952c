//! Uploads that are stored in parts: the requests of S3's multipart upload.
//!
//! What a resizer that was taken over can do with them: write the object that `AuthorizeUpload` would let it write by a PUT, with
//! the same type and metadata, and of no more bytes than the rule and the token allow.
//!
//! - The key is in every URL, and all that is signed is signed for it: S3 knows an upload by its name and its key.
//! - Type and metadata are signed with the creation, and cannot be changed later. `x-amz-meta-sha256` is what the resizer said:
//!   of a PUT S3 compares it with the bytes, of an upload in parts nobody does.
//! - Every part is signed with its number, its length and its SHA-256. The length follows from the number ([`multipart`]), so
//!   that parts of several files that are named for one upload are together no longer than the longest of them.
//! - The body of the completion is not signed (`UNSIGNED-PAYLOAD`). It lists entity tags that the store gives later, and to have
//!   its hash signed would take one more call for each upload, and would show nothing: the resizer says what the bytes are in any
//!   case, and parts can be neither added nor reordered, for each was signed with its number. That none is left out, by the
//!   resizer or on an unencrypted way to the store, is ensured by `x-amz-mp-object-size`: a store that knows it compares it with
//!   the object's bytes.
//! - The abortion removes parts that are no object yet.

use safelight_proto::{
    reason::{CallError, Reason as Cause},
    signer::v1::{
        AuthorizeUploadPartsRequest, AuthorizeUploadPartsResponse, Header, ObjectRequest, Reason, Verdict,
    },
    upload::multipart::{self, StoreUploadId},
};

use super::{
    call::Call,
    expiry::timestamp,
    origin::{self, SignedHeaders},
    refusal,
    uploads::{gone, own, received},
};
use crate::{
    scheme::aws_sigv4::{Body, Request, S3Request, Step},
    signer::Signer,
    storing::Rule,
    upload::Refusal,
};

/// SHA-256 of nothing.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The header that forbids to replace an object.
const IF_NONE_MATCH: &str = "if-none-match";

/// The header by which S3 checks how many bytes the parts have together.
const OBJECT_SIZE: &str = "x-amz-mp-object-size";

/// Headers of a PUT that the creation of a multipart upload does not have: they are of the bytes, and of the moment when the
/// object comes to be.
const NOT_OF_CREATION: [&str; 2] = ["content-length", IF_NONE_MATCH];

/// Refuses a file that has too many parts, or none.
pub(super) fn check_length(length: u64) -> Result<(), CallError> {
    match multipart::count(length) {
        Some(_) => Ok(()),
        None => Err(CallError::field("multipart", "expected a file of at most 512 parts of 8 MiB")),
    }
}

impl Signer {
    pub(super) async fn authorize_parts(
        &self,
        call: &mut Call<'_>,
        request: AuthorizeUploadPartsRequest,
    ) -> Result<AuthorizeUploadPartsResponse, CallError> {
        let AuthorizeUploadPartsRequest {
            upload_digest,
            authority,
            request_id,
            file,
            part_sha256s,
            store_upload_id,
        } = request;
        let rule = self.rule(call, &upload_digest, &request_id)?;
        let file = file.ok_or_else(|| CallError::field("file", "missing"))?;
        let upload = StoreUploadId::parse(&store_upload_id).ok_or_else(|| {
            CallError::field("store_upload_id", "expected 1 to 1,024 letters, digits and -._~+/=")
        })?;
        let permitted = match self.permitted(call, &rule, authority, &request_id).await? {
            Ok(permitted) => permitted,
            Err(reason) => {
                return Ok(AuthorizeUploadPartsResponse {
                    verdict: Verdict::Invalid.into(),
                    reason: reason.into(),
                    ..AuthorizeUploadPartsResponse::default()
                });
            }
        };
        if permitted.already_stored {
            return Err(refusal::token(Refusal::NotReserved, self.clock.now()));
        }
        let object = rule.object(&permitted.permit, &received(&file)).map_err(refusal::unstorable)?;
        check_length(file.length)?;
        if part_sha256s.len() != multipart::parts(file.length).count() {
            return Err(CallError::field(
                "part_sha256s",
                "expected one for every 8 MiB of the file that begin",
            ));
        }
        let url = rule.origin.url(&object.key).map_err(refusal::object_key)?;
        call.note(|entry| object.key.clone_into(&mut entry.subject));
        call.granted().object(&url).map_err(refusal::denied)?;

        let mut parts = Vec::with_capacity(part_sha256s.len());
        for ((number, length), sha256) in multipart::parts(file.length).zip(&part_sha256s) {
            let headers = [("content-length", length.to_string())];
            let step = Step::Part(number, &upload);
            let signed = self.signed_step(&rule, &url, step, &headers, Body::Sha256(sha256));
            parts.push(signed.map_err(|error| of_part(error, number))?.request);
        }
        let is_kept = |(name, _): &&(&'static str, String)| *name == IF_NONE_MATCH;
        let mut headers: Vec<_> = object.headers.iter().filter(is_kept).cloned().collect();
        headers.push((OBJECT_SIZE, file.length.to_string()));
        let complete = self.signed_step(&rule, &url, Step::Complete(&upload), &headers, Body::Unsigned)?;
        let abort = self.signed_step(&rule, &url, Step::Abort(&upload), &[], Body::Sha256(NOTHING))?;
        call.note(|entry| entry.signing_key_version = Some(complete.key_version));
        Ok(AuthorizeUploadPartsResponse {
            verdict: Verdict::Valid.into(),
            reason: Reason::Ok.into(),
            parts,
            complete: Some(complete.request),
            abort: Some(abort.request),
            expire_time: Some(timestamp(complete.expires)),
        })
    }

    /// The headers that begin a multipart upload of an object whose PUT would have these.
    pub(super) fn signed_creation(
        &self,
        rule: &Rule,
        url: &str,
        of_put: &[(&'static str, String)],
    ) -> Result<Vec<Header>, CallError> {
        let is_kept = |(name, _): &&(&'static str, String)| !NOT_OF_CREATION.contains(name);
        let headers: Vec<_> = of_put.iter().filter(is_kept).cloned().collect();
        let signed = self.signed_step(rule, url, Step::Create, &headers, Body::Sha256(NOTHING))?;
        Ok(signed.request.headers)
    }

    /// Signs a step of the multipart upload of an object.
    fn signed_step(
        &self,
        rule: &Rule,
        url: &str,
        step: Step<'_>,
        headers: &[(&'static str, String)],
        body: Body<'_>,
    ) -> Result<SignedStep, CallError> {
        let ring = self.keyring();
        let key = ring.aws_sigv4(rule.origin.signing_key()).map_err(gone(rule))?;
        origin::check_allowed(key, url)?;
        let added: Vec<_> = match step {
            // It reads and writes no bytes, as a deletion does not.
            Step::Abort(_) => key.headers.of_deletion().collect(),
            Step::Create | Step::Part(..) | Step::Complete(_) => key.headers.iter().collect(),
        };
        let mut own = own(headers);
        let given = origin::with(&own, added.iter().copied())?;
        let put = Request { method: "PUT", url, headers: &given, body };
        let put = S3Request::new(put, rule.origin.region(), false).map_err(refusal::origin_request)?;
        let url = step.url(url);
        let added =
            added.iter().map(|(name, value)| Header { name: (*name).to_owned(), value: (*value).to_owned() });
        let SignedHeaders { headers: signed, expires, key_version } =
            origin::sign_with(key, &step.request(&put, &url), added, self.clock.now())?;
        own.extend(signed);
        Ok(SignedStep { request: ObjectRequest { url, headers: own }, expires, key_version })
    }
}

/// A step, signed.
struct SignedStep {
    request: ObjectRequest,
    /// When the store stops accepting it, in Unix seconds.
    expires: u64,
    key_version: u32,
}

/// Of what is wrong with a part only its hash is the caller's.
fn of_part(error: CallError, number: u16) -> CallError {
    if error.reason() == Cause::FieldInvalid {
        let field = format!("part_sha256s[{}]", number - 1);
        return CallError::field(field, "expected 64 lower-case hexadecimal digits");
    }
    error
}
