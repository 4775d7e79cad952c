//! The decoder against libjpeg-turbo and the `image` crate, on pictures made here.

#[path = "../../fuzz/checks.rs"]
mod checks;
mod damaged;
mod layouts;
mod memory;
mod oddities;
mod support;
