//! The gRPC handlers: they translate, and call. No cryptography here.
//!
//! # Layout
//! - `sign`, `verify`, `keys`: one file per service
//! - `expiry`: when a URL is to expire
//! - `parameters`: the parameters of an upload
//! - `refusal`: errors of the rooms below, as callers see them

mod expiry;
mod keys;
mod parameters;
mod refusal;
mod sign;
#[cfg(test)]
mod tests;
mod verify;

use safelight_chassis::server::{Limits, Server};
use safelight_proto::signer::v1::{
    key_service_server::KeyServiceServer, signer_service_server::SignerServiceServer,
    verifier_service_server::VerifierServiceServer,
};

use crate::{scheme::cloudflare_images::MAX_URL_BYTES, signer::Signer};

/// Most URLs in a batch.
pub const MAX_BATCH: usize = 256;

/// Largest message to `SignerService`, in bytes: a full batch of the longest URLs (2 MiB), 64 bytes beside each for
/// framing and expiry, and 1 KiB for the rest.
const MAX_SIGNER_REQUEST: usize = MAX_BATCH * (MAX_URL_BYTES + 64) + 1024;

/// Largest answer of `SignerService`, in bytes: a full batch, each URL three times as long because every byte of it
/// had to be percent-encoded, and 512 bytes beside each for `exp`, `sig` and framing.
const MAX_SIGNER_ANSWER: usize = MAX_BATCH * (3 * MAX_URL_BYTES + 512);

/// Adds the services to a server.
pub(crate) fn add(signer: &Signer, server: Server) -> Server {
    // 64 KiB in: a URL, or the fields of a form. 256 KiB out.
    let Limits { max_decoding_message_size: decoding, max_encoding_message_size: encoding, .. } =
        crate::limits();
    server
        .service(
            SignerServiceServer::new(signer.clone())
                .max_decoding_message_size(MAX_SIGNER_REQUEST)
                .max_encoding_message_size(MAX_SIGNER_ANSWER),
        )
        .service(
            VerifierServiceServer::new(signer.clone())
                .max_decoding_message_size(decoding)
                .max_encoding_message_size(encoding),
        )
        .service(
            KeyServiceServer::new(signer.clone())
                .max_decoding_message_size(decoding)
                .max_encoding_message_size(keys::MAX_ANSWER),
        )
}
