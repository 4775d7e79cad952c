//! The decoder against libjpeg-turbo and the `image` crate, on pictures made here.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, which may panic"
)]
#![expect(unreachable_pub, reason = "the checks are a fuzz target's module too")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]
#![expect(clippy::print_stderr, reason = "a skipped check is said aloud")]

mod boxes;
#[path = "../../fuzz/checks/decode.rs"]
mod checks;
mod corpus;
#[path = "../../fuzz/checks/counting.rs"]
mod counting;
mod damaged;
mod edges;
mod layouts;
mod memory;
mod oddities;
mod orientation;
mod scaled;
mod seeds;
mod support;
mod tiny;
