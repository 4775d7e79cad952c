//! The resizer through its public API: real gRPC on real sockets, a real signer beside it, an S3 origin that
//! verifies signatures and an HTTP origin that misbehaves. One binary, so that there is one to link.
//!
//! # Layout
//! - [`harness`]: a stack, calls as results, colours of pictures
//! - [`pictures`]: sources that are not flat: noise, lying headers
//! - [`resize`], [`options`]: what is made, and what is refused before a byte is taken
//! - [`upload`], [`damaged`]: uploads and pictures that are not as they should be
//! - [`s3_origin`], [`http_origin`], [`encodings`]: originals
//! - [`causes`]: why they could not be fetched, in the log
//! - [`endpoints`], [`versitygw`]: where buckets are, and a server of others that verifies our signatures
//! - [`deliver`], [`policy`], [`cache`]: URLs: who gets what, how large, and for how long
//! - [`path_signatures`]: URLs of schemes that sign in the path
//! - [`results`]: results in the user's bucket; one picture for many who ask at once
//! - [`privacy`]: private objects, and what is told of them
//! - [`http_door`]: URLs over HTTP
//! - [`agreement`]: whether the signer takes a route in one call
//! - [`signer`]: a signer that is away, silent, or has other keys
//! - [`lifecycle`], [`load`]: deadlines, drain, cancellation; more than fits
//! - [`nginx`], [`envoy`]: real proxies in front of the HTTP door, as `deploy` has them
//! - [`logs`]: what is logged, and what never is
//! - [`check`]: `check-config --connect`
//! - [`store`]: uploads, from a token to an object; [`cloudinary`]: Cloudinary's API
//! - [`objects`]: stored objects, changed and deleted
//! - [`callbacks`]: outcomes that are sent, by [`receiver`] received, and variants that are made at once
//! - [`store_site`]: both services as processes, and a proxy before S3 that can fail, for the three below
//! - [`store_kill`], [`store_faults`], [`store_hostile`]: uploads while processes are killed, while S3 or the signer fails, and
//!   uploads that are made to do harm
//! - [`store_parts`]: large pictures, which are stored in parts
//! - [`variants`]: the list of variants
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests and what they share")]

mod access;
mod agreement;
mod cache;
mod callbacks;
mod causes;
mod check;
mod cloudinary;
mod damaged;
mod deliver;
mod encodings;
mod endpoints;
mod envoy;
mod harness;
mod http_door;
mod http_origin;
mod lifecycle;
mod load;
mod logs;
mod nginx;
mod objects;
mod options;
mod path_signatures;
mod pictures;
mod policy;
// The same server as the tests of tokens have.
#[path = "../../../signer/tests/upload_tokens/postgres.rs"]
#[expect(dead_code, reason = "some of it is for those alone")]
mod postgres;
mod privacy;
mod receiver;
mod resize;
mod results;
mod s3_origin;
mod signer;
mod store;
mod store_faults;
mod store_hostile;
mod store_kill;
mod store_parts;
mod store_site;
mod upload;
mod variants;
mod versitygw;
