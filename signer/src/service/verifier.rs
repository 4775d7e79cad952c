//! `VerifierService` as it is served: webhooks may be larger than what else is verified.
//!
//! tonic bounds messages by service, before it knows the method's type. So two of them stand behind one name, and the path says
//! which one decodes.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{Request, Response};
use safelight_proto::signer::v1::verifier_service_server::{SERVICE_NAME, VerifierServiceServer};
use tonic::{body::Body, codec::CompressionEncoding::Gzip, server::NamedService};
use tower_service::Service;

use crate::signer::Signer;

/// The path of the method whose messages may be larger.
const NOTIFICATION: &str = "/safelight.signer.v1.VerifierService/VerifyNotification";

/// Largest message to `VerifyNotification`, in bytes: Cloudinary's webhooks name every resource of a bulk operation, which
/// takes 90 kB and more. 128 calls at once that all send this much take 128 MiB, and need a grant for the method.
const MAX_NOTIFICATION: usize = 1024 * 1024;

/// The service.
#[derive(Clone)]
pub(super) struct Verifier {
    notifications: VerifierServiceServer<Signer>,
    others: VerifierServiceServer<Signer>,
}

impl Verifier {
    /// `decoding` is the largest message to the other methods, `encoding` the largest answer.
    pub(super) fn new(signer: &Signer, decoding: usize, encoding: usize) -> Self {
        let bounded = |decoding| {
            VerifierServiceServer::new(signer.clone())
                .accept_compressed(Gzip)
                .max_decoding_message_size(decoding)
                .max_encoding_message_size(encoding)
        };
        Self { notifications: bounded(MAX_NOTIFICATION), others: bounded(decoding) }
    }
}

impl NamedService for Verifier {
    const NAME: &'static str = SERVICE_NAME;
}

impl Service<Request<Body>> for Verifier {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <VerifierServiceServer<Signer> as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(())) // as those behind it
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() == NOTIFICATION {
            self.notifications.call(request)
        } else {
            self.others.call(request)
        }
    }
}
