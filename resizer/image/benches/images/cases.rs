//! What is made of each picture, and how we make it.

use std::num::NonZeroU32;

use safelight_image::{
    accept::Accepts,
    cancel::Cancel,
    limits::Limits,
    options::{Fit, FormatChoice, Light, Options, QualityProfile},
    pipeline::{Job, process},
    plan::{self, CropBox},
    probe::probe,
    size::Size,
};

use crate::{
    clock::thread_cpu,
    pictures::{Picture, Pictures},
    reference,
};

/// The quality that everyone writes JPEG at.
const JPEG_QUALITY: u8 = 80;
/// The quality that everyone writes WebP at.
const WEBP_QUALITY: u8 = 75;

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
    Webp,
}

/// One output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Want {
    /// In pixels; never enlarged to.
    pub(crate) width: u32,
    /// In pixels: filled by cropping. Unset: what follows from the width.
    pub(crate) cover: Option<u32>,
    pub(crate) format: Format,
    /// Of JPEG and WebP, 1 to 100.
    pub(crate) quality: u8,
}

/// Outputs of one picture in one call.
pub(crate) struct Case<'p> {
    pub(crate) name: String,
    pub(crate) picture: &'p Picture,
    pub(crate) wants: Vec<Want>,
}

/// How we make it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Manner {
    pub(crate) profile: QualityProfile,
    pub(crate) light: reference::Light,
}

/// What came of a call of ours.
pub(crate) struct Made {
    /// Milliseconds of the thread's CPU time.
    pub(crate) cpu: f64,
    /// The output that was finished first, and the milliseconds until then.
    pub(crate) first: (usize, f64),
    /// In the order of the wants.
    pub(crate) files: Vec<Vec<u8>>,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
        }
    }

    /// As the peers call it.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
        }
    }
}

impl Want {
    /// So wide, as high as follows.
    pub(crate) fn wide(width: u32, format: Format) -> Self {
        let quality = if format == Format::Webp { WEBP_QUALITY } else { JPEG_QUALITY };
        Self { width, cover: None, format, quality }
    }

    fn options(&self, manner: Manner) -> Options {
        Options {
            width: NonZeroU32::new(self.width),
            height: self.cover.and_then(NonZeroU32::new),
            fit: if self.cover.is_some() { Fit::Cover } else { Fit::ScaleDown },
            quality: self.quality,
            format: match self.format {
                Format::Jpeg => FormatChoice::Jpeg,
                Format::Png => FormatChoice::Png,
                Format::Webp => FormatChoice::Webp,
            },
            quality_profile: manner.profile,
            light: match manner.light {
                reference::Light::Linear => Light::Linear,
                reference::Light::Srgb => Light::Srgb,
            },
            ..Options::default()
        }
    }
}

/// What the service does with a picture that has arrived.
pub(crate) fn make(picture: &Picture, wants: &[Want], manner: Manner) -> Made {
    let start = thread_cpu();
    let limits = Limits::default();
    let info = probe(&picture.file, &limits).expect("a picture");
    let job = |want: &Want| {
        let options = want.options(manner);
        let plan = plan::plan(info.size(), &options, &[], &limits).expect("a plan");
        Job { options, plan, accepts: Accepts::CLASSIC }
    };
    let jobs: Vec<Job> = wants.iter().map(job).collect();
    let mut files = vec![Vec::new(); jobs.len()];
    let mut first = None;
    process(&picture.file, &info, &jobs, &Cancel::new(), |index, output| {
        first.get_or_insert_with(|| (index, thread_cpu() - start));
        files[index] = output.bytes;
    })
    .expect("every output");
    Made { cpu: thread_cpu() - start, first: first.expect("an output"), files }
}

/// What part of a picture becomes an output, and its size: what the reference is made by.
pub(crate) fn geometry(picture: &Picture, want: &Want) -> (CropBox, Size) {
    let manner = Manner { profile: QualityProfile::Balanced, light: reference::Light::Linear };
    let limits = Limits::default();
    let info = probe(&picture.file, &limits).expect("a picture");
    let plan = plan::plan(info.size(), &want.options(manner), &[], &limits).expect("a plan");
    (plan.crop, plan.canvas)
}

/// Every case.
pub(crate) fn all(pictures: &Pictures) -> Vec<Case<'_>> {
    use Format::{Jpeg, Png, Webp};
    let mut cases = Vec::new();
    let mut add = |picture, width, format| cases.push(single(picture, Want::wide(width, format)));
    let Pictures { large, progressive, jpeg, png, alpha, webp, webp_lossless } = pictures;
    for width in [800, 512, 1600] {
        add(large, width, Jpeg);
    }
    for picture in jpeg {
        add(picture, 800, Jpeg);
        add(picture, 512, Jpeg);
    }
    add(progressive, 800, Jpeg);
    for picture in png {
        add(picture, 800, Jpeg);
        add(picture, 512, Png);
    }
    add(alpha, 720, Png);
    add(alpha, 512, Png);
    for picture in [large, &png[0]] {
        add(picture, 800, Webp);
        add(picture, 512, Webp);
    }
    for picture in webp {
        add(picture, 800, Jpeg);
        add(picture, 512, Webp);
    }
    add(webp_lossless, 512, Webp);
    add(webp_lossless, 800, Jpeg);
    let cover = Want { cover: Some(200), ..Want::wide(200, Jpeg) };
    cases.insert(2, single(large, cover));
    let wants = (1..=8).map(|step| Want::wide(step * 320, Jpeg)).collect();
    let name = format!("{} → 320, 640 … 2560 JPEG, one call", large.name);
    cases.push(Case { name, picture: large, wants });
    cases
}

fn single<'p>(picture: &'p Picture, want: Want) -> Case<'p> {
    let height = want.cover.map_or(String::new(), |height| format!("×{height} cover"));
    let name = format!("{} → {}{height} {}", picture.name, want.width, want.format.name());
    Case { name, picture, wants: vec![want] }
}
