//! Metadata goes, pictures stay: files with marked bytes in every place that can hold some, read again by the `image` crate.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which may panic")]
#![expect(unreachable_pub, reason = "the checks are a fuzz target's module too")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers")]

#[path = "../../fuzz/checks/strip.rs"]
mod checks;
mod corpus;
mod damaged;
mod exif;
mod formats;
mod made;
mod metadata;
mod seen;
