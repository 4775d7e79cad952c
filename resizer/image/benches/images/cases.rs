//! What is made of each picture.

use std::num::NonZeroU32;

use safelight_image::{
    accept::Accepts,
    cancel::Cancel,
    limits::Limits,
    options::{Fit, FormatChoice, Options},
    pipeline::{Job, process},
    plan::{self, Plan},
    probe::probe,
    size::Size,
};

use crate::pictures::Picture;

/// The quality that everyone writes.
pub(crate) const QUALITY: u8 = 80;

/// One output of one picture.
pub(crate) struct Case<'p> {
    pub(crate) name: String,
    pub(crate) picture: &'p Picture,
    pub(crate) options: Options,
    pub(crate) plan: Plan,
}

impl<'p> Case<'p> {
    /// Every case of a picture.
    pub(crate) fn of(picture: &'p Picture) -> impl Iterator<Item = Self> {
        let jobs = [
            ("→ 800 wide", Fit::ScaleDown, 800, 0),
            ("→ 400 wide", Fit::ScaleDown, 400, 0),
            ("→ 1600 wide", Fit::ScaleDown, 1600, 0),
            ("→ 200×200 cover", Fit::Cover, 200, 200),
        ];
        jobs.into_iter().map(move |(words, fit, width, height)| {
            let options = Options {
                width: NonZeroU32::new(width),
                height: NonZeroU32::new(height),
                fit,
                quality: QUALITY,
                format: FormatChoice::Jpeg,
                ..Options::default()
            };
            let info = probe(&picture.file, &Limits::default()).expect("a JPEG");
            let plan = plan::plan(info.size(), &options, &[], &Limits::default()).expect("a plan");
            Self { name: format!("{} {words}", picture.name), picture, options, plan }
        })
    }

    /// The output's size.
    pub(crate) fn size(&self) -> Size {
        self.plan.canvas
    }

    /// What the service does with a picture that has arrived.
    pub(crate) fn run(&self) -> Vec<u8> {
        let bytes = &self.picture.file;
        let info = probe(bytes, &Limits::default()).expect("a JPEG");
        let plan = plan::plan(info.size(), &self.options, &[], &Limits::default()).expect("a plan");
        let job = Job { options: self.options.clone(), plan, accepts: Accepts::Classic };
        let mut file = Vec::new();
        process(bytes, &info, &[job], &Cancel::new(), |_, output| file = output.bytes).expect("an output");
        file
    }
}
