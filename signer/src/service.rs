//! The gRPC handlers: they translate, and call. No cryptography here.
//!
//! # Layout
//! - `sign`, `verify`, `keys`, `upload_tokens`, `uploads`, `envoy`: one file per service
//! - `upload_parts`: uploads that are stored in parts
//! - `upload_tasks`: what is left to do of uploads
//! - `delivery`: the verdict on a delivery URL, and the fetch
//! - `call`: what every handler begins and ends with
//! - `verifier`: how large messages to `VerifierService` may be
//! - `expiry`: when a URL is to expire
//! - `wish`: what is wanted of a signed URL
//! - `origin`: signing requests to origins
//! - `change`: those that copy an object onto itself, or delete it
//! - `post_policy`: forms by which a browser stores a file
//! - `parameters`: the parameters of an upload
//! - `refusal`: errors of the rooms below, as callers see them

mod call;
mod change;
mod delivery;
mod envoy;
mod expiry;
mod keys;
mod origin;
mod parameters;
mod post_policy;
mod refusal;
mod sign;
#[cfg(test)]
mod tests;
mod upload_parts;
mod upload_tasks;
mod upload_tokens;
mod uploads;
mod verifier;
mod verify;
mod wish;

use safelight_chassis::server::{Limits, Server};
use safelight_proto::{
    envoy::service::auth::v3::authorization_server::AuthorizationServer,
    signer::v1::{
        key_service_server::KeyServiceServer, signer_service_server::SignerServiceServer,
        upload_service_server::UploadServiceServer, upload_token_service_server::UploadTokenServiceServer,
    },
};

use tonic::codec::CompressionEncoding::Gzip;

use self::{upload_tokens::UploadTokenHandlers, verifier::Verifier};
use crate::signer::Signer;

/// Most URLs in a batch.
pub const MAX_BATCH: usize = 256;

/// Largest message to `SignerService`, in bytes: a full batch of URLs of 2 KiB. Also what bounds the memory that a hostile
/// message takes once decoded (an empty item is 2 bytes on the wire and about 70 in memory).
const MAX_SIGNER_REQUEST: usize = 512 * 1024;

/// Largest answer of `SignerService`, in bytes: the largest request, each URL three times as long because every byte of it
/// had to be percent-encoded or stands again, in base64, in a policy; and 1,536 bytes beside each for the signature (684 with
/// an RSA key of 4,096 bits), what goes with it, and framing.
const MAX_SIGNER_ANSWER: usize = 3 * MAX_SIGNER_REQUEST + MAX_BATCH * 1536;

/// Adds the services to a server.
pub(crate) fn add(signer: &Signer, server: Server) -> Server {
    // 64 KiB in: a URL, or the fields of a form. 256 KiB out.
    let Limits { max_decoding_message_size: decoding, max_encoding_message_size: encoding, .. } =
        crate::limits();
    let server = server
        .service(
            SignerServiceServer::new(signer.clone())
                .accept_compressed(Gzip)
                .max_decoding_message_size(MAX_SIGNER_REQUEST)
                .max_encoding_message_size(MAX_SIGNER_ANSWER),
        )
        .service(Verifier::new(signer, decoding, encoding.max(delivery::MAX_ANSWER)))
        .service(
            AuthorizationServer::new(signer.clone())
                .accept_compressed(Gzip)
                .max_decoding_message_size(decoding)
                .max_encoding_message_size(encoding),
        )
        .service(
            KeyServiceServer::new(signer.clone())
                .accept_compressed(Gzip)
                .max_decoding_message_size(decoding)
                .max_encoding_message_size(keys::MAX_ANSWER),
        )
        .service(
            UploadServiceServer::new(signer.clone())
                .accept_compressed(Gzip)
                .max_decoding_message_size(decoding)
                .max_encoding_message_size(encoding.max(uploads::MAX_ANSWER)),
        );
    match &signer.upload_tokens {
        None => server,
        Some(tokens) => server.service(
            UploadTokenServiceServer::new(UploadTokenHandlers::new(
                tokens.clone(),
                signer.clock.clone(),
                signer.audit.clone(),
            ))
            .accept_compressed(Gzip)
            .max_decoding_message_size(decoding)
            .max_encoding_message_size(encoding),
        ),
    }
}
