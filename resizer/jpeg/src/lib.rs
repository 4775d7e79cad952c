//! JPEG for resizing.

mod common;

pub mod decode;
pub mod encode;
