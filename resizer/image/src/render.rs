//! What is to be done for a request, decided once: admission asks it for its memory, and it then runs.
//!
//! # Layout
//! - `cost`: the memory that a plan takes
//! - `source`: the decoder's rows, made smaller and handed to the outputs
//! - `output`: one output's rows, from the resampler to the encoder

use std::time::Instant;

use super::{
    cancel::Cancel,
    codec,
    error::ImageError,
    options::{Kernel, QualityProfile},
    pipeline::{Encoded, Job, Report},
    plan::CropBox,
    probe::Info,
    resample::weights::Axis,
    size::Size,
    view::View,
};

mod cost;
mod output;
mod source;

pub use cost::memory_at_source_size;

/// What is done to a source, for all its outputs.
#[derive(Clone, Debug)]
pub struct RenderPlan {
    info: Info,
    /// What is decoded.
    view: View,
    outputs: Vec<Output>,
}

/// One output.
#[derive(Clone, Debug)]
struct Output {
    job: Job,
    way: Way,
}

/// How an output's pixels come out of the decoded ones.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// They are some of them: from this column and row on.
    Copy { left: u32, top: u32, size: Size },
    /// They are resampled from the picture that was halved so often.
    Resample { level: u32, kernel: Kernel, columns: Axis, rows: Axis },
}

/// How many pixels of a reduced picture there are at least for each output pixel, in both directions: with what is left the
/// filter decides how the output looks.
pub(crate) const fn left_to_filter(profile: QualityProfile) -> f64 {
    match profile {
        QualityProfile::Fast => 1.2,
        QualityProfile::Balanced => 1.98,
        QualityProfile::Best => 3.98,
    }
}

impl RenderPlan {
    /// Plans every output of a source. `info` is what [`probe`](super::probe::probe) said of it.
    ///
    /// # Errors
    /// [`ImageError::Internal`]: a job was planned for a source of another size.
    pub fn new(info: &Info, jobs: &[Job]) -> Result<Self, ImageError> {
        if jobs.iter().any(|job| job.plan.source != info.size()) {
            return Err(ImageError::Internal("plan of another source"));
        }
        let view = View::of(info, jobs);
        let outputs = jobs.iter().map(|job| Output { job: job.clone(), way: Way::of(info, &view, job) });
        Ok(Self { info: info.clone(), view, outputs: outputs.collect() })
    }

    /// Makes the outputs.
    ///
    /// `emit` gets each output with its index as soon as it is finished, which is not always in their order.
    ///
    /// `cancel` is looked at while rows are decoded and encoded. An output's bytes depend on the source, the job and this program
    /// alone, not on the processor; and not on the other jobs, but for formats that are decoded smaller than they are: once, as
    /// small as all outputs allow.
    ///
    /// # Errors
    /// The first failure ends the work; outputs emitted before are good.
    pub fn run(
        &self,
        bytes: &[u8],
        cancel: &Cancel,
        mut emit: impl FnMut(usize, Encoded),
    ) -> Result<Report, ImageError> {
        cancel.check()?;
        let start = Instant::now();
        let mut source = source::Source::new(self, cancel);
        codec::of(self.info.format).decoder.decode_rows(
            bytes,
            &self.info,
            &self.view,
            cancel,
            &mut source,
        )?;
        source.finish()?;
        let total = start.elapsed();
        let mut report = source.report();
        report.decode = total.saturating_sub(report.resize + report.encode);
        source.encode(&mut report, &mut emit)?;
        Ok(report)
    }
}

impl Way {
    fn of(info: &Info, view: &View, job: &Job) -> Self {
        let plan = &job.plan;
        let crop = view.place(info.orientation.stored_box(plan.source, plan.crop));
        let size = info.orientation.turn(plan.resized);
        if plan.is_copy() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "within a picture's sides"
            )]
            let (left, top) = (crop.left as u32, crop.top as u32);
            return Self::Copy { left, top, size };
        }
        let kernel = job.options.kernel.unwrap_or_default();
        let level = level(job, crop, size);
        let by = f64::from(1_u32 << level);
        let axis = |from: f64, span: f64, length: u32, count| Axis {
            length: length.div_ceil(1 << level),
            from: from / by,
            span: span / by,
            count,
            boxed: view.scale.divisor() << level,
        };
        Self::Resample {
            level,
            kernel,
            columns: axis(crop.left, crop.width, view.size.width, size.width),
            rows: axis(crop.top, crop.height, view.size.height, size.height),
        }
    }
}

/// How often the decoded picture is halved for an output.
fn level(job: &Job, crop: CropBox, size: Size) -> u32 {
    if job.options.kernel == Some(Kernel::Nearest) {
        return 0;
    }
    let mut left = (crop.width / f64::from(size.width)).min(crop.height / f64::from(size.height)) / 2.0;
    let mut level = 0;
    while left >= left_to_filter(job.options.quality_profile) {
        left /= 2.0;
        level += 1;
    }
    level
}
