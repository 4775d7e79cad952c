//! Pictures: from encoded bytes to encoded bytes. Pure computation: no threads, no clock but a deadline, no I/O.
//!
//! A caller sniffs and [probes](probe::probe) the bytes, makes a geometric [plan](plan::plan) for each output and of all of them a
//! [`RenderPlan`](render::RenderPlan), asks what that [costs](render::RenderPlan::memory), and lets it
//! [run](render::RenderPlan::run). Decoders are mostly other people's code and may panic on input made to hurt them: run it where
//! an unwind is caught.
//!
//! ```text
//! file → codec → rows → (profile of a table) → light → halves … → resampler → sRGB → steps → encoder → file
//!                   └─ copied outputs ───────────────────────────────────────────┘
//! ```
//!
//! # Layout
//! - [`size`], [`color`], [`options`]: what is asked for, as values and as text
//! - [`accept`]: the output format, from options, an Accept header and the pixels
//! - [`sniff`], [`limits`], [`probe`]: which format some bytes are, how large a picture may be, what its header says
//! - [`plan`]: the geometry of an output; `view`: what is decoded for it
//! - [`render`]: the plan of all outputs, its memory, and how it runs; [`pipeline`]: its types; [`cancel`]: stopping it
//! - `codec`: one folder for each format, and one list of them
//! - `light`, `colour`: samples as stored, as light, and as sRGB; `resample`: rows made smaller or larger
//! - `step`: what is done to rows after resizing, one file for each ([`orient`] has the turns); `pixels`: rows in memory
//! - [`preview`]: a blurred preview in a few bytes
//! - [`strip`]: files without their metadata, not decoded
//! - [`error`]: why a picture could not be made

/// Which bytes the same source and the same options make. To be raised with every change that makes other ones: stored
/// results and entity tags of the versions before are then not used any more.
pub const ENGINE: u32 = 3;

pub mod accept;
pub mod cancel;
mod codec;
pub mod color;
mod colour;
pub mod error;
mod light;
pub mod limits;
pub mod options;
pub mod orient;
pub mod pipeline;
mod pixels;
pub mod plan;
pub mod preview;
pub mod probe;
pub mod render;
mod resample;
pub mod size;
pub mod sniff;
mod step;
pub mod strip;
mod view;

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "test pictures of known sizes"
)]
mod sample;
