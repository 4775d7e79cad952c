//! Large pictures, which are stored in parts: S3's multipart upload.
//!
//! Of parts a few are sent at a time, and one that fails on its way is sent again alone. Nothing is at the object's key before the
//! completion, and then all of it. Whatever fails, the upload is aborted: its parts would cost until a lifecycle rule of the bucket
//! removes them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use safelight_client::SignerError;
use safelight_proto::{
    reason::{CallError, Reason},
    signer::v1::{
        AuthorizeUploadPartsRequest, AuthorizeUploadPartsResponse, AuthorizeUploadResponse, ObjectRequest,
        UploadedFile,
    },
    upload::{
        multipart::{self, CREATE_QUERY, PART_SIZE, StoreUploadId},
        object::metadata,
    },
};
use sha2::{Digest as _, Sha256};

use super::{Begun, FINISH_PAUSE, error, judged, picture::Picture, signed};
use crate::{
    app::results,
    origin::{Fetcher, Kind, OriginError, SignedRequest, Stat, Trace},
};

/// Pictures of more bytes are stored in parts: below, one request is as good as several.
const THRESHOLD: usize = 16 << 20;
/// Parts that are sent at once.
const AT_ONCE: usize = 3;
/// How long an abortion may take. Its client has its error later by as much at most.
const ABORT_TIMEOUT: Duration = Duration::from_secs(3);

/// An object that is to be written.
pub(super) struct Object<'a> {
    pub(super) allowed: &'a AuthorizeUploadResponse,
    pub(super) file: &'a UploadedFile,
    pub(super) picture: &'a Picture,
    /// Its URL.
    pub(super) url: &'a reqwest::Url,
    /// A HEAD of it.
    pub(super) head: &'a SignedRequest,
    pub(super) fetcher: &'a Fetcher,
    pub(super) trace: &'a Trace,
}

/// What came of sending an object.
pub(super) enum Sent {
    /// It is stored.
    Stored(Stat),
    /// It is there, and is of this upload: an answer was lost.
    Found(Stat),
    /// There is an object of its key.
    Exists,
}

/// A multipart upload whose requests are signed.
struct Upload {
    parts: Vec<SignedRequest>,
    complete: SignedRequest,
    abort: SignedRequest,
}

/// Lower-case hex SHA-256 of every part, in order; none where the bytes are stored by one request. Takes CPU time.
pub(super) fn sha256s(bytes: &[u8]) -> Vec<String> {
    if bytes.len() <= THRESHOLD || multipart::count(bytes.len() as u64).is_none() {
        return Vec::new();
    }
    let size = usize::try_from(PART_SIZE).unwrap_or(usize::MAX);
    bytes.chunks(size).map(|part| hex::encode(Sha256::digest(part))).collect()
}

impl Begun {
    /// Sends an object in parts.
    pub(super) async fn send_parts(&self, object: &Object<'_>) -> Result<Sent, CallError> {
        let Object { allowed, url, fetcher, trace, .. } = *object;
        let create = signed(with_query(url, CREATE_QUERY), &allowed.create_headers)?;
        let id = fetcher.create_multipart(&create, trace, self.context.remaining()).await;
        let id = id.map_err(|error| error::origin(&error))?;
        let upload = match self.sign_parts(object, &id).await {
            Ok(upload) => upload,
            Err(error) => {
                self.tell_left("its abortion was not signed");
                return Err(error);
            }
        };
        let sent = self.complete(object, &upload).await;
        if !matches!(sent, Ok(Sent::Stored(_))) {
            self.abort(object, &upload.abort).await;
        }
        sent.map_err(|error| error::origin(&error))
    }

    /// Has all that follows the creation signed.
    async fn sign_parts(&self, object: &Object<'_>, id: &str) -> Result<Upload, CallError> {
        let unusable = || error::other_object(id, &self.wish.rule.origin);
        let upload = StoreUploadId::parse(id).ok_or_else(unusable)?;
        let AuthorizeUploadPartsResponse { parts, complete, abort, .. } =
            match self.authorize_parts(object, id).await {
                // Another attempt with the same name has given the token back: it is taken again.
                Err(error) if error.reason() == Reason::TokenNotReserved => {
                    self.app.terms(&self.wish, &self.context).await?;
                    self.authorize_parts(object, id).await?
                }
                answer => answer?,
            };
        let request = |step: Option<&ObjectRequest>, query: &str| {
            let url = with_query(object.url, query);
            match step {
                Some(step) if step.url == url.as_str() => signed(url, &step.headers),
                step => {
                    let named = step.map(|step| step.url.as_str()).unwrap_or_default();
                    Err(error::other_object(named, &self.wish.rule.origin))
                }
            }
        };
        let numbers = multipart::parts(object.file.length).map(|(number, _)| number);
        let mut answered = parts.iter();
        let parts: Result<_, CallError> =
            numbers.map(|number| request(answered.next(), &upload.part_query(number))).collect();
        let query = upload.query();
        Ok(Upload {
            parts: parts?,
            complete: request(complete.as_ref(), &query)?,
            abort: request(abort.as_ref(), &query)?,
        })
    }

    /// Asks the signer, a second time where it does not answer.
    async fn authorize_parts(
        &self,
        object: &Object<'_>,
        id: &str,
    ) -> Result<AuthorizeUploadPartsResponse, CallError> {
        let request = AuthorizeUploadPartsRequest {
            upload_digest: self.wish.rule.digest.clone(),
            authority: Some(self.wish.authority.clone()),
            request_id: self.wish.request_id.clone(),
            file: Some(object.file.clone()),
            part_sha256s: object.picture.part_sha256s.clone(),
            store_upload_id: id.to_owned(),
        };
        let ask = || self.app.signer.authorize_upload_parts(request.clone(), &self.context);
        let mut answer = ask().await;
        if matches!(answer, Err(SignerError::Unavailable(_))) && self.context.remaining() > FINISH_PAUSE {
            tokio::time::sleep(FINISH_PAUSE).await;
            answer = ask().await;
        }
        judged(answer, &self.wish.rule)
    }

    /// Sends all parts, and completes the upload.
    async fn complete(&self, object: &Object<'_>, upload: &Upload) -> Result<Sent, OriginError> {
        let Object { picture, head, fetcher, trace, .. } = *object;
        let parts = parts_of(&picture.bytes).zip(&upload.parts);
        let sends: Vec<_> = parts
            .map(|(bytes, request)| {
                async move { fetcher.put_part(request, bytes, trace, self.context.remaining()).await }.boxed()
            })
            .collect();
        let etags: Vec<String> = stream::iter(sends).buffered(AT_ONCE).try_collect().await?;
        let completed =
            fetcher.complete_multipart(&upload.complete, &etags, trace, self.context.remaining()).await;
        match completed {
            Ok(stat) if !stat.etag().is_empty() => Ok(Sent::Stored(stat)),
            Ok(_) => Ok(Sent::Stored(fetcher.look(head, trace, self.context.remaining()).await?)),
            Err(error) if error.kind() == Kind::Exists => Ok(Sent::Exists),
            // The first of two completions may have been done, and its answer lost: the second one is refused then.
            Err(error) => match fetcher.look(head, trace, self.context.remaining()).await {
                Ok(stat) if is_ours(object, &stat) => Ok(Sent::Found(stat)),
                _ => Err(error),
            },
        }
    }

    /// Removes the parts, as well as that can be done.
    async fn abort(&self, object: &Object<'_>, request: &SignedRequest) {
        if let Err(error) = object.fetcher.abort_multipart(request, object.trace, ABORT_TIMEOUT).await {
            self.tell_left(&results::describe(&error));
        }
    }

    fn tell_left(&self, cause: &str) {
        let rule = &self.wish.rule;
        tracing::warn!(
            upload = rule.name,
            origin = rule.origin,
            cause,
            "upload.parts_left: an unfinished multipart upload stays in the bucket, and costs, until a lifecycle rule with \
             AbortIncompleteMultipartUpload removes it"
        );
    }
}

/// Slices of the same memory.
fn parts_of(bytes: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut rest = bytes.clone();
    let size = usize::try_from(PART_SIZE).unwrap_or(usize::MAX);
    std::iter::from_fn(move || (!rest.is_empty()).then(|| rest.split_to(size.min(rest.len()))))
}

/// Whether an object is what this upload writes.
fn is_ours(object: &Object<'_>, stat: &Stat) -> bool {
    stat.metadata(metadata::UPLOAD).as_deref() == Some(object.allowed.upload_id.as_str())
        && stat.metadata(metadata::SHA256).as_deref() == Some(object.picture.sha256.as_str())
}

fn with_query(url: &reqwest::Url, query: &str) -> reqwest::Url {
    let mut url = url.clone();
    url.set_query(Some(query));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_files_have_parts_and_they_are_all_of_them() {
        assert!(sha256s(&[]).is_empty() && sha256s(&vec![7; THRESHOLD]).is_empty());
        let bytes = Bytes::from((0..THRESHOLD + 1).map(|at| at.to_le_bytes()[0]).collect::<Vec<_>>());
        let parts: Vec<_> = parts_of(&bytes).collect();
        let lengths: Vec<_> = multipart::parts(bytes.len() as u64).map(|(_, length)| length).collect();
        assert_eq!(lengths, [PART_SIZE, PART_SIZE, 1]);
        assert_eq!(parts.iter().map(|part| part.len() as u64).collect::<Vec<_>>(), lengths);
        assert_eq!(parts.concat(), bytes);
        let hashes: Vec<_> = parts.iter().map(|part| hex::encode(Sha256::digest(part))).collect();
        assert_eq!(sha256s(&bytes), hashes);
        // No copy.
        assert!(parts.iter().all(|part| bytes.as_ptr_range().contains(&part.as_ptr())));
    }
}
