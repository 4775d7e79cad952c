//! The directions in which crates and folders may depend on each other, read from `use` lines and manifests.
#![expect(clippy::unwrap_used, reason = "tests")]

mod directions;
