//! Storage that keeps every key apart from every other.
//!
//! `s3s-fs` uses an object's key as a path, so `a//b`, `a/./b` and `a/b` are one file to it, `a` and `a/b` cannot
//! both be stored, and a key that ends with `/` holds no bytes. To S3 a key is just bytes, and a client that fetches
//! `a/b` when it was asked for `a//b` has delivered the wrong picture. So a key becomes its SHA-256 in hexadecimal
//! before `s3s-fs` sees it: one file name of one length for any key.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, Uri};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopySource, CreateBucketInput, CreateBucketOutput, DeleteObjectInput,
    DeleteObjectOutput, ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadBucketInput,
    HeadBucketOutput, HeadObjectInput, HeadObjectOutput, MetadataDirective, PutObjectInput, PutObjectOutput,
};
use s3s::path::{check_bucket_name, check_key};
use s3s::{S3, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::multipart::Uploads;

/// The store: the S3 operations that this origin has, over one directory.
#[derive(Clone)]
pub(super) struct ExactKeys {
    files: Arc<FileSystem>,
    root: Arc<Path>,
    /// One PUT with a condition, copy or deletion at a time: `s3s-fs` looks first and writes then.
    conditional: Arc<Mutex<()>>,
    uploads: Arc<Uploads>,
}

impl ExactKeys {
    pub(super) fn new(root: &Path) -> Result<Self, super::S3Error> {
        let files = FileSystem::new(root).map_err(|error| super::S3Error::Root(format!("{error:?}")))?;
        Ok(Self {
            files: Arc::new(files),
            root: root.into(),
            conditional: Arc::default(),
            uploads: Arc::default(),
        })
    }

    pub(super) async fn create_bucket_named(&self, bucket: &str) -> S3Result<()> {
        if !check_bucket_name(bucket) {
            return Err(s3_error!(InvalidBucketName));
        }
        let input = CreateBucketInput { bucket: bucket.to_owned(), ..Default::default() };
        self.create_bucket(request(input)).await.map(drop)
    }

    pub(super) async fn put_bytes(&self, bucket: &str, key: &str, bytes: Bytes) -> S3Result<()> {
        if key.is_empty() || !check_key(key) {
            return Err(s3_error!(KeyTooLongError, "a key has 1 to 1024 bytes"));
        }
        let input = PutObjectInput {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            content_length: i64::try_from(bytes.len()).ok(),
            body: Some(s3s::Body::from(bytes).into()),
            ..Default::default()
        };
        self.put_object(request(input)).await.map(drop)
    }

    pub(super) async fn get_bytes(&self, bucket: &str, key: &str) -> S3Result<Option<Bytes>> {
        let input = GetObjectInput { bucket: bucket.to_owned(), key: key.to_owned(), ..Default::default() };
        let output = match self.get_object(request(input)).await {
            Err(error) if *error.code() == S3ErrorCode::NoSuchKey => return Ok(None),
            answer => answer?.output,
        };
        let Some(mut body) = output.body else { return Ok(Some(Bytes::new())) };
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| s3_error!(InternalError, "{error}"))?);
        }
        Ok(Some(bytes.freeze()))
    }

    /// Objects have names of 64 digits; what `s3s-fs` keeps beside them has others.
    pub(super) async fn count(&self, bucket: &str) -> std::io::Result<usize> {
        let mut entries = tokio::fs::read_dir(self.root.join(bucket)).await?;
        let mut count = 0;
        while let Some(entry) = entries.next_entry().await? {
            count += usize::from(entry.file_name().len() == 64);
        }
        Ok(count)
    }

    /// How many multipart uploads of a bucket are neither completed nor aborted.
    pub(super) async fn uploads(&self, bucket: &str) -> usize {
        self.uploads.count(bucket).await
    }

    /// The entity tag of a file; `None` where there is none.
    async fn etag(&self, bucket: &str, file: &str) -> S3Result<Option<ETag>> {
        let input = HeadObjectInput { bucket: bucket.to_owned(), key: file.to_owned(), ..Default::default() };
        match self.files.head_object(request(input)).await {
            Ok(answer) => Ok(answer.output.e_tag),
            Err(error) if *error.code() == S3ErrorCode::NoSuchKey => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every operation on an object starts here: `s3s-fs` would make a missing bucket on the way.
    async fn require_bucket(&self, bucket: &str) -> S3Result<()> {
        let input = HeadBucketInput { bucket: bucket.to_owned(), ..Default::default() };
        self.files.head_bucket(request(input)).await.map(drop)
    }
}

/// The file name that stands for a key.
fn file_name(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}

/// A request of the process itself: no headers, no signature.
pub(super) fn request<T>(input: T) -> S3Request<T> {
    S3Request {
        input,
        method: Method::GET,
        uri: Uri::default(),
        headers: HeaderMap::new(),
        extensions: http::Extensions::new(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

/// What the storage gets of a verified request: the input and the trailing checksums, which it verifies. The headers
/// stay behind, because `s3s-fs` puts its whole request into a tracing span, and they hold a signature.
fn without_headers<T>(verified: S3Request<T>) -> S3Request<T> {
    S3Request { trailing_headers: verified.trailing_headers, ..request(verified.input) }
}

#[async_trait]
impl S3 for ExactKeys {
    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(without_headers(req)).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(without_headers(req)).await
    }

    async fn get_object(&self, mut req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.require_bucket(&req.input.bucket).await?;
        req.input.key = file_name(&req.input.key);
        self.files.get_object(without_headers(req)).await
    }

    async fn head_object(
        &self,
        mut req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.require_bucket(&req.input.bucket).await?;
        req.input.key = file_name(&req.input.key);
        self.files.head_object(without_headers(req)).await
    }

    async fn put_object(&self, mut req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.require_bucket(&req.input.bucket).await?;
        req.input.key = file_name(&req.input.key);
        let is_conditional = req.input.if_none_match.is_some() || req.input.if_match.is_some();
        let _one = if is_conditional { Some(self.conditional.lock().await) } else { None };
        self.files.put_object(without_headers(req)).await
    }

    /// Of an object onto itself, with other metadata: no other copy.
    async fn copy_object(
        &self,
        mut req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        self.require_bucket(&req.input.bucket).await?;
        let CopySource::Bucket { bucket, key, version_id: None } = &req.input.copy_source else {
            return Err(s3_error!(NotImplemented, "no copy of a version, and none from an access point"));
        };
        if **bucket != *req.input.bucket || **key != *req.input.key {
            return Err(s3_error!(NotImplemented, "an object is copied onto itself only"));
        }
        let directive = req.input.metadata_directive.as_ref().map(MetadataDirective::as_str);
        if directive != Some(MetadataDirective::REPLACE) {
            return Err(s3_error!(InvalidRequest, "A copy onto itself must change something of the object"));
        }
        let file = file_name(&req.input.key);
        req.input.copy_source =
            CopySource::Bucket { bucket: bucket.clone(), key: file.clone().into(), version_id: None };
        req.input.key = file;
        let _one = self.conditional.lock().await;
        self.files.copy_object(without_headers(req)).await
    }

    async fn delete_object(
        &self,
        mut req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.require_bucket(&req.input.bucket).await?;
        req.input.key = file_name(&req.input.key);
        let _one = self.conditional.lock().await;
        if let Some(ETagCondition::ETag(wanted)) = &req.input.if_match
            && let Some(found) = self.etag(&req.input.bucket, &req.input.key).await?
            && !found.strong_cmp(wanted)
        {
            return Err(s3_error!(PreconditionFailed));
        }
        self.files.delete_object(without_headers(req)).await
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.require_bucket(&req.input.bucket).await?;
        self.uploads.create(req.input).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.require_bucket(&req.input.bucket).await?;
        self.uploads.part(req.input).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.require_bucket(&req.input.bucket).await?;
        self.uploads.complete(self, req.input).await
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.require_bucket(&req.input.bucket).await?;
        self.uploads.abort(&req.input).await
    }
}
