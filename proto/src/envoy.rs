//! `envoy.service.auth.v3` and what it stands on: the few messages of Envoy's API that the signer speaks.
//!
//! The modules are Envoy's packages, since generated code finds its neighbours by them.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated"
)]

/// `google.rpc.Status`, in which Envoy wants the verdict.
pub use tonic_types::pb::Status as RpcStatus;

pub mod config {
    pub mod core {
        pub mod v3 {
            include!("generated/envoy.config.core.v3.rs");
        }
    }
}

pub mod service {
    pub mod auth {
        pub mod v3 {
            include!("generated/envoy.service.auth.v3.rs");
        }
    }
}

pub mod r#type {
    pub mod v3 {
        include!("generated/envoy.r#type.v3.rs");
    }
}
