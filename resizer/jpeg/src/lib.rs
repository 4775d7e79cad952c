//! JPEG for resizing.

mod common;
pub mod decode;
