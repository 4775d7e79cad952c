//! What is done to a picture's rows between resizing and encoding: one file for each kind, and one list of them.

mod background;
mod blur;
mod turn;

use crate::{
    error::ImageError,
    orient::Orientation,
    pipeline::Job,
    pixels::{Layout, Pixels},
    size::Size,
};

pub(crate) use self::background::blend;

/// Size and kind of the picture whose rows a step gets or gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) size: Size,
    pub(crate) layout: Layout,
}

impl Shape {
    /// Bytes of the whole picture.
    pub(crate) const fn bytes(self) -> u64 {
        self.size.area().saturating_mul(self.layout.channels() as u64)
    }
}

/// Changes a picture band by band: a band is one or more whole rows, from the top.
pub(crate) trait Step {
    /// The picture that comes out.
    fn output(&self, input: Shape) -> Shape;

    /// Bytes that are held from one band to the next, at most. All of the input: the step waits for the last row.
    fn memory(&self, input: Shape) -> u64;

    /// Takes the next band, and gives what is ready.
    fn run(&mut self, band: Pixels) -> Result<Option<Pixels>, ImageError>;

    /// Gives what is left after the last band.
    fn finish(&mut self) -> Result<Option<Pixels>, ImageError> {
        Ok(None)
    }
}

/// The steps of an output whose resized rows have this shape, in order.
pub(crate) fn list(job: &Job, orientation: Orientation, shape: Shape) -> Vec<Box<dyn Step + Send>> {
    let mut steps: Vec<Box<dyn Step + Send>> = Vec::new();
    if orientation != Orientation::Upright {
        steps.push(Box::new(turn::Turn::new(orientation, shape)));
    }
    if job.options.blur > 0.0 {
        let turned = Shape { size: orientation.turn(shape.size), ..shape };
        steps.push(Box::new(blur::Blur::new(job.options.blur, turned)));
    }
    if let Some(color) = job.options.background {
        steps.push(Box::new(background::Blend(color)));
    }
    if job.plan.has_bars() {
        steps.push(Box::new(background::Pad::new(&job.plan, job.options.background)));
    }
    steps
}
