//! The signer over real sockets, and the programs of other makers that must agree with it.
//!
//! # Layout
//! - `harness`: a stack with keys of every kind, and what an error must look like
//! - `sign_url`, `batch`, `sign_upload`, `sign_origin`: `SignerService`
//! - `verify_url`, `verify_upload`, `verify_notification`: `VerifierService`
//! - `scopes`, `cookies`: both, where a signature is good for more than one URL, or for less than anybody
//! - `envoy`: Envoy's `Authorization`; `envoy_schemes`: the same over every scheme; `envoy_proxy`: a real Envoy with the configuration that `deploy/envoy` ships
//! - `balance`: our own client, where there is more than one signer
//! - `deliveries`: both in one call
//! - `storing`: `UploadService` and `SignPostPolicy`, and the embedded S3 server that says what they are good for
//! - `keys`: `KeyService`
//! - `rotation`: a key from its old secret to its new one
//! - `messages`: what is refused before a handler sees it
//! - `examples`: the configuration that `deploy/k8s` ships
//! - `secrets`: what neither a log nor an error may show
//! - `schemes`: keys of every scheme that signs URLs
//! - `languages`: clients in Go, Python and Node, of generated code
//! - `cloudflare`, `cloudinary`, `botocore`, `s3_counterpart`, `grpcurl`: counterparts
//! - `sdks`: those of the other image CDNs; `sdk_cases`: what they are given to sign
//! - `reflection`: version v1alpha of it, which grpcurl no longer speaks first
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests and what they share")]

mod balance;
mod batch;
mod botocore;
mod cloudflare;
mod cloudinary;
mod cookies;
mod deliveries;
mod envoy;
mod envoy_proxy;
mod envoy_schemes;
mod examples;
mod grpcurl;
mod harness;
mod keys;
mod languages;
mod messages;
mod reflection;
mod rotation;
mod s3_counterpart;
mod schemes;
mod scopes;
mod sdk_cases;
mod sdks;
mod secrets;
mod sign_origin;
mod sign_upload;
mod sign_url;
mod storing;
mod verify_notification;
mod verify_upload;
mod verify_url;
