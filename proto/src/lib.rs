//! Safelight's contract in Rust.
//!
//! # Layout
//! - [`image`], [`signer`], [`resizer`]: generated messages, clients and servers
//! - [`envoy`]: what Envoy asks the signer
//! - [`delivery`]: which object a delivery URL names: what routes and deliveries are written in
//! - [`upload`]: what may be stored, and as what: what both `[[uploads]]` share
//! - [`codec`]: how messages are written and read
//! - [`digest`]: digests of lists of texts
//! - `fields`: the fields of transform options as text
//! - [`framing`]: uploads cut into chunks, answers put together
//! - [`page`]: pages of lists
//! - [`reason`]: the stable reasons that errors carry, and the statuses made from them
//! - `redact`: `Debug` without credentials and signatures
//!
//! The protos in `proto/safelight/` are the source, and their comments are the manual. Those in `signer/proto/` are the few
//! messages of others that we speak, and not ours to name. `src/generated/` is made of both: see its README.

pub mod codec;
pub mod delivery;
pub mod digest;
pub mod envoy;
mod fields;
pub mod framing;
pub mod page;
pub mod reason;
mod redact;
pub mod upload;

/// Generated code: its lints are not ours.
macro_rules! generated {
    ($name:ident, $package:literal, $doc:literal) => {
        #[doc = $doc]
        #[allow(
            missing_docs,
            unreachable_pub,
            unused_qualifications,
            clippy::all,
            clippy::pedantic,
            clippy::restriction,
            reason = "generated"
        )]
        pub mod $name {
            /// Version 1.
            pub mod v1 {
                include!(concat!("generated/", $package, ".rs"));
            }
        }
    };
}

generated!(image, "safelight.image.v1", "`safelight.image.v1`: transform options and shared values.");
generated!(signer, "safelight.signer.v1", "`safelight.signer.v1`: signing, verification, keys.");
generated!(resizer, "safelight.resizer.v1", "`safelight.resizer.v1`: pictures.");

/// The encoded `FileDescriptorSet` of the contract with its imports and comments, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/safelight.fds");

/// Longest chunk of image bytes in one message, in bytes.
pub const CHUNK_SIZE: usize = 64 * 1024;
