//! The requests by which an object is stored in parts: S3's multipart upload.
//!
//! A POST and a DELETE can do much else (delete objects, restore them, run queries), and `SignOriginRequest` signs neither. Here
//! they are made of the checked PUT of the same object: only the method and the query differ, and both follow from the step.

use safelight_proto::upload::multipart::{CREATE_QUERY, StoreUploadId};

use super::{Request, S3Request};

/// One request of a multipart upload.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Begins it. The answer names the upload.
    Create,
    /// Stores the part of this number.
    Part(u16, &'a StoreUploadId),
    /// Makes the object of its parts.
    Complete(&'a StoreUploadId),
    /// Removes its parts.
    Abort(&'a StoreUploadId),
}

impl Step<'_> {
    /// Its URL. The object's has no query.
    #[must_use]
    pub fn url(self, object: &str) -> String {
        let query = match self {
            Self::Create => CREATE_QUERY.to_owned(),
            Self::Part(number, upload) => upload.part_query(number),
            Self::Complete(upload) | Self::Abort(upload) => upload.query(),
        };
        format!("{object}?{query}")
    }

    /// The request, from a checked PUT of the object with the headers and the body of this step. `url` is that of [`Self::url`].
    #[must_use]
    pub const fn request<'r>(self, put: &S3Request<'r>, url: &'r str) -> S3Request<'r> {
        let method = match self {
            Self::Create | Self::Complete(_) => "POST",
            Self::Part(..) => "PUT",
            Self::Abort(_) => "DELETE",
        };
        let Request { headers, body, .. } = put.request;
        S3Request { request: Request { method, url, headers, body }, region: put.region }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Body, RequestError},
        *,
    };

    const OBJECT: &str = "https://photos.s3.eu-west-1.amazonaws.com/a%20b";

    #[test]
    fn a_step_is_of_the_object_alone() {
        let upload = StoreUploadId::parse("a+b").unwrap();
        let put =
            Request { method: "PUT", url: OBJECT, headers: &[("content-length", "7")], body: Body::Unsigned };
        let put = S3Request::new(put, "eu-west-1", false).unwrap();
        for (step, method, query) in [
            (Step::Create, "POST", "uploads"),
            (Step::Part(7, &upload), "PUT", "partNumber=7&uploadId=a%2Bb"),
            (Step::Complete(&upload), "POST", "uploadId=a%2Bb"),
            (Step::Abort(&upload), "DELETE", "uploadId=a%2Bb"),
        ] {
            let url = step.url(OBJECT);
            assert_eq!(url, format!("{OBJECT}?{query}"));
            let request = step.request(&put, &url);
            assert_eq!((request.request.method, request.request.url), (method, &*url));
            assert_eq!((request.request.headers, request.region), (put.request.headers, "eu-west-1"));
        }
    }

    /// None of these can be made into a step.
    #[test]
    fn a_bucket_and_a_copy_are_not_put() {
        let put = |url, headers| {
            S3Request::new(Request { method: "PUT", url, headers, body: Body::Unsigned }, "eu-west-1", false)
        };
        let bucket = put("https://photos.s3.eu-west-1.amazonaws.com/", &[]);
        assert!(matches!(bucket, Err(RequestError::Url(_))));
        let copy = put(OBJECT, &[("x-amz-copy-source", "/photos/other")]);
        assert!(matches!(copy, Err(RequestError::Header(0, _))));
    }
}
