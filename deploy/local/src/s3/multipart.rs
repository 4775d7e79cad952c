//! Objects that are stored in parts.
//!
//! `s3s-fs` has multipart uploads of its own, which take their upload apart before they look at its parts, and are not kept apart
//! from PUTs of the same key. Here parts wait in memory, apart from all objects, and the completed object is written as a PUT of
//! all bytes is: whole, and on the same condition.
//!
//! As the real service does, it refuses parts that are too small, in another order or with another entity tag than they were
//! given, and a length other than that of `x-amz-mp-object-size`. The completed object's entity tag is that of a PUT, without a
//! number of parts.

use std::collections::{BTreeMap, HashMap};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    ETag, PutObjectInput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Response, S3Result, s3_error};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::exact::{ExactKeys, request};

/// Least bytes of every part but the last.
const MIN_PART: usize = 5 << 20;

/// Highest number of a part.
const MAX_NUMBER: i32 = 10_000;

/// Uploads that are neither completed nor aborted, by their names.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Upload>>);

struct Upload {
    /// What the object will be, without its bytes.
    created: CreateMultipartUploadInput,
    /// By number.
    parts: BTreeMap<i32, Part>,
}

struct Part {
    bytes: Bytes,
    /// Not quoted.
    tag: String,
}

impl Upload {
    fn is_of(&self, bucket: &str, key: &str) -> bool {
        self.created.bucket == bucket && self.created.key == key
    }
}

impl Uploads {
    /// How many there are of a bucket.
    pub(super) async fn count(&self, bucket: &str) -> usize {
        self.0.lock().await.values().filter(|upload| upload.created.bucket == bucket).count()
    }

    pub(super) async fn create(
        &self,
        created: CreateMultipartUploadInput,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let mut name = [0; 24];
        getrandom::fill(&mut name).map_err(|error| s3_error!(InternalError, "{error}"))?;
        let name = hex::encode(name);
        let output = CreateMultipartUploadOutput {
            bucket: Some(created.bucket.clone()),
            key: Some(created.key.clone()),
            upload_id: Some(name.clone()),
            ..Default::default()
        };
        self.0.lock().await.insert(name, Upload { created, parts: BTreeMap::new() });
        Ok(S3Response::new(output))
    }

    pub(super) async fn part(&self, input: UploadPartInput) -> S3Result<S3Response<UploadPartOutput>> {
        let UploadPartInput { body, bucket, key, part_number, upload_id, .. } = input;
        if !(1..=MAX_NUMBER).contains(&part_number) {
            return Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000"));
        }
        let mut bytes = BytesMut::new();
        let mut body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
        while let Some(chunk) = body.next().await {
            // Where they are not the bytes that were signed, the last one is an error.
            bytes.extend_from_slice(&chunk.map_err(|error| s3_error!(BadDigest, "{error}"))?);
        }
        let mut uploads = self.0.lock().await;
        let upload = of_object(&mut uploads, &bucket, &key, &upload_id)?;
        // A tag is opaque: it need not be an MD5.
        let tag = hex::encode(Sha256::digest(&bytes).get(..16).unwrap_or_default());
        upload.parts.insert(part_number, Part { bytes: bytes.freeze(), tag: tag.clone() });
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(ETag::Strong(tag)), ..Default::default() }))
    }

    pub(super) async fn complete(
        &self,
        store: &ExactKeys,
        input: CompleteMultipartUploadInput,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let listed = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let mut uploads = self.0.lock().await;
        let upload = of_object(&mut uploads, &input.bucket, &input.key, &input.upload_id)?;
        let bytes = assembled(upload, &listed)?;
        let length = i64::try_from(bytes.len()).ok();
        if input.mpu_object_size.is_some() && input.mpu_object_size != length {
            return Err(s3_error!(InvalidRequest, "The object is not as long as x-amz-mp-object-size"));
        }
        let created = &upload.created;
        let put = PutObjectInput {
            bucket: created.bucket.clone(),
            key: created.key.clone(),
            content_length: length,
            body: Some(s3s::Body::from(bytes).into()),
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            cache_control: created.cache_control.clone(),
            content_disposition: created.content_disposition.clone(),
            content_encoding: created.content_encoding.clone(),
            content_language: created.content_language.clone(),
            content_type: created.content_type.clone(),
            metadata: created.metadata.clone(),
            ..Default::default()
        };
        // Where it is refused, the upload stays.
        let stored = store.put_object(request(put)).await?.output;
        uploads.remove(&input.upload_id);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: stored.e_tag,
            ..Default::default()
        }))
    }

    pub(super) async fn abort(
        &self,
        input: &AbortMultipartUploadInput,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let mut uploads = self.0.lock().await;
        of_object(&mut uploads, &input.bucket, &input.key, &input.upload_id)?;
        uploads.remove(&input.upload_id);
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// The upload of that name, if it is of this object.
fn of_object<'u>(
    uploads: &'u mut HashMap<String, Upload>,
    bucket: &str,
    key: &str,
    name: &str,
) -> S3Result<&'u mut Upload> {
    let found = uploads.get_mut(name).filter(|upload| upload.is_of(bucket, key));
    found.ok_or_else(|| {
        s3_error!(NoSuchUpload, "The upload does not exist: completed, aborted, or never begun")
    })
}

/// The listed parts, one after the other.
fn assembled(upload: &Upload, listed: &[CompletedPart]) -> S3Result<Bytes> {
    let numbers: Vec<i32> = listed.iter().map(|part| part.part_number.unwrap_or_default()).collect();
    if numbers.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part"));
    }
    if !numbers.is_sorted_by(|before, after| before < after) {
        return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order"));
    }
    let mut bytes = BytesMut::new();
    for (index, (number, listed_part)) in numbers.iter().zip(listed).enumerate() {
        let tag = listed_part.e_tag.as_ref().map(ETag::value);
        let part = upload.parts.get(number).filter(|part| Some(part.tag.as_str()) == tag);
        let part = part.ok_or_else(|| s3_error!(InvalidPart, "One of the parts could not be found"))?;
        if index + 1 < listed.len() && part.bytes.len() < MIN_PART {
            return Err(s3_error!(EntityTooSmall, "A part but the last has less than 5 MiB"));
        }
        bytes.extend_from_slice(&part.bytes);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use s3s::S3ErrorCode;
    use s3s::dto::CompletedMultipartUpload;
    use tempfile::TempDir;

    use super::*;

    const BUCKET: &str = "photos";
    const KEY: &str = "a//b";
    const FIVE_MIB: usize = 5 << 20;
    /// That and three bytes more.
    const WHOLE: i64 = (5 << 20) + 3;

    struct Origin {
        store: ExactKeys,
        uploads: Uploads,
        _root: TempDir,
    }

    impl Origin {
        async fn start() -> Self {
            let root = tempfile::tempdir().unwrap();
            let store = ExactKeys::new(root.path()).unwrap();
            store.create_bucket_named(BUCKET).await.unwrap();
            Self { store, uploads: Uploads::default(), _root: root }
        }

        async fn create(&self, key: &str) -> String {
            let created = CreateMultipartUploadInput {
                bucket: BUCKET.into(),
                key: key.into(),
                content_type: Some("image/png".into()),
                ..Default::default()
            };
            self.uploads.create(created).await.unwrap().output.upload_id.unwrap()
        }

        async fn part(&self, name: &str, number: i32, bytes: Vec<u8>) -> S3Result<CompletedPart> {
            let mut input = UploadPartInput::builder();
            input.set_bucket(BUCKET.into());
            input.set_key(KEY.into());
            input.set_upload_id(name.into());
            input.set_part_number(number);
            input.set_body(Some(s3s::Body::from(bytes).into()));
            let answer = self.uploads.part(input.build().unwrap()).await?;
            Ok(CompletedPart { part_number: Some(number), e_tag: answer.output.e_tag, ..Default::default() })
        }

        async fn complete(
            &self,
            name: &str,
            key: &str,
            parts: &[CompletedPart],
            change: impl FnOnce(&mut CompleteMultipartUploadInput),
        ) -> S3Result<()> {
            let mut input = CompleteMultipartUploadInput {
                bucket: BUCKET.into(),
                key: key.into(),
                upload_id: name.into(),
                multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts.to_vec()) }),
                ..Default::default()
            };
            change(&mut input);
            self.uploads.complete(&self.store, input).await.map(drop)
        }
    }

    #[track_caller]
    fn assert_refused<T>(answer: S3Result<T>, code: &S3ErrorCode) {
        assert_eq!(answer.map(drop).unwrap_err().code(), code);
    }

    #[tokio::test]
    async fn parts_are_one_object_once_they_are_complete() {
        let origin = Origin::start().await;
        let name = origin.create(KEY).await;
        let other = origin.create("other").await;
        let second = origin.part(&name, 2, vec![2; 3]).await.unwrap();
        let replaced = origin.part(&name, 1, vec![0; FIVE_MIB]).await.unwrap();
        let first = origin.part(&name, 1, vec![1; FIVE_MIB]).await.unwrap();
        let all = [first.clone(), second.clone()];
        for (parts, code) in [
            (&[][..], S3ErrorCode::MalformedXML),
            (&[second.clone(), first.clone()], S3ErrorCode::InvalidPartOrder),
            (&[first.clone(), first.clone()], S3ErrorCode::InvalidPartOrder),
            (&[replaced, second.clone()], S3ErrorCode::InvalidPart),
            (&[CompletedPart { part_number: Some(3), ..second.clone() }], S3ErrorCode::InvalidPart),
        ] {
            assert_refused(origin.complete(&name, KEY, parts, |_| ()).await, &code);
        }
        let of_other = origin.complete(&other, KEY, &all, |_| ()).await;
        assert_refused(of_other, &S3ErrorCode::NoSuchUpload);
        let shorter = origin.complete(&name, KEY, &all[..1], |input| input.mpu_object_size = Some(WHOLE));
        assert_refused(shorter.await, &S3ErrorCode::InvalidRequest);
        assert_eq!(origin.store.get_bytes(BUCKET, KEY).await.unwrap(), None);
        assert_eq!(origin.uploads.count(BUCKET).await, 2);

        let size = |input: &mut CompleteMultipartUploadInput| input.mpu_object_size = Some(WHOLE);
        origin.complete(&name, KEY, &all, size).await.unwrap();
        let bytes = origin.store.get_bytes(BUCKET, KEY).await.unwrap().unwrap();
        assert!(bytes == [vec![1; FIVE_MIB], vec![2; 3]].concat());
        assert_eq!(origin.uploads.count(BUCKET).await, 1);
        assert_refused(origin.complete(&name, KEY, &all, |_| ()).await, &S3ErrorCode::NoSuchUpload);
    }

    #[tokio::test]
    async fn a_small_part_is_refused_unless_it_is_the_last() {
        let origin = Origin::start().await;
        let name = origin.create(KEY).await;
        let parts = [
            origin.part(&name, 1, vec![1; FIVE_MIB - 1]).await.unwrap(),
            origin.part(&name, 7, vec![2; 1]).await.unwrap(),
        ];
        assert_refused(origin.complete(&name, KEY, &parts, |_| ()).await, &S3ErrorCode::EntityTooSmall);
        for number in [0, -1, 10_001] {
            assert_refused(origin.part(&name, number, vec![1]).await, &S3ErrorCode::InvalidArgument);
        }
        origin.complete(&name, KEY, &parts[1..], |_| ()).await.unwrap();
    }

    #[tokio::test]
    async fn an_object_that_is_there_stays_and_an_aborted_upload_is_gone() {
        let origin = Origin::start().await;
        origin.store.put_bytes(BUCKET, KEY, Bytes::from_static(b"first")).await.unwrap();
        let name = origin.create(KEY).await;
        let parts = [origin.part(&name, 1, b"second".to_vec()).await.unwrap()];
        let unless = |input: &mut CompleteMultipartUploadInput| {
            input.if_none_match = Some(s3s::dto::ETagCondition::Any);
        };
        assert_refused(origin.complete(&name, KEY, &parts, unless).await, &S3ErrorCode::PreconditionFailed);
        assert_eq!(origin.store.get_bytes(BUCKET, KEY).await.unwrap().unwrap(), "first");
        assert_eq!(origin.uploads.count(BUCKET).await, 1);

        let abort = |key: &str| AbortMultipartUploadInput {
            bucket: BUCKET.into(),
            key: key.into(),
            upload_id: name.clone(),
            ..Default::default()
        };
        assert_refused(origin.uploads.abort(&abort("other")).await, &S3ErrorCode::NoSuchUpload);
        origin.uploads.abort(&abort(KEY)).await.unwrap();
        assert_refused(origin.uploads.abort(&abort(KEY)).await, &S3ErrorCode::NoSuchUpload);
        assert_refused(origin.part(&name, 1, vec![1]).await, &S3ErrorCode::NoSuchUpload);
        assert_eq!(origin.uploads.count(BUCKET).await, 0);
    }
}
