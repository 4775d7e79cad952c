//! Pictures: from encoded bytes to encoded bytes. Pure computation: no threads, no clock but a deadline, no I/O.
//!
//! # Layout
//! - [`size`], [`color`], [`options`]: what is asked for, as values and as text
//! - [`accept`]: the output format, from options, an Accept header and the pixels
//! - [`sniff`], [`limits`]: which format some bytes are, and how large a picture may be
//! - [`plan`]: the geometry of an output
//! - [`error`]: why a picture could not be made

pub mod accept;
pub mod color;
pub mod error;
pub mod limits;
pub mod options;
pub mod plan;
pub mod size;
pub mod sniff;
