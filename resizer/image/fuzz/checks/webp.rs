//! What the fuzz target `webp` checks, as a plain function: `tests/fuzzed_webp` runs it too.

use std::num::NonZeroU32;

use safelight_image::{
    accept::Accepts,
    cancel::Cancel,
    error::ImageError,
    limits::Limits,
    options::{Fit, FormatChoice, Options},
    pipeline::{Job, process},
    plan::plan,
    probe::{Info, probe},
    sniff::{Format, sniff},
};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The header is refused, or it is no WebP.
    Header,
    /// The picture is refused.
    Picture,
    /// There are pictures of all sizes.
    Decoded,
}

/// Decodes any bytes that say they are a WebP: whole, so small that every scale is taken, and parts of it. Either all sizes
/// are made, each as large as planned, or none.
pub fn check(file: &[u8]) -> End {
    let limits = Limits { max_source_pixels: 1 << 18, ..Limits::default() };
    if sniff(file) != Ok(Format::Webp) {
        return End::Header;
    }
    let Ok(info) = probe(file, &limits) else { return End::Header };
    assert_eq!(info.format, Format::Webp);
    let size = info.size();
    let mut ends = Vec::new();
    for (fit, divisor) in
        [(Fit::ScaleDown, 1), (Fit::ScaleDown, 3), (Fit::ScaleDown, 7), (Fit::ScaleDown, 20), (Fit::Cover, 3)]
    {
        let width = NonZeroU32::new((size.width / divisor).max(1));
        // A square cut out, so that only a part is decoded.
        let height = width.filter(|_| fit == Fit::Cover);
        ends.push(one(
            file,
            &info,
            Options { width, height, fit, format: FormatChoice::Png, ..Options::default() },
        ));
    }
    let first = ends.first().cloned().flatten();
    for end in ends {
        assert_eq!(end, first, "some sizes and not others");
    }
    if first.is_none() { End::Decoded } else { End::Picture }
}

/// Makes one output, and gives the error that came instead.
fn one(file: &[u8], info: &Info, options: Options) -> Option<ImageError> {
    let limits = Limits::default();
    let plan = plan(info.size(), &options, &[], &limits).expect("a plan");
    let planned = plan.resized;
    let jobs = [Job { options, plan, accepts: Accepts::CLASSIC }];
    let mut made = 0;
    let done = process(file, info, &jobs, &Cancel::new(), |_, output| {
        assert_eq!(output.size, planned);
        made += 1;
    });
    match done {
        Ok(_) => {
            assert_eq!(made, 1, "an output");
            None
        }
        Err(error) => {
            assert!(matches!(error, ImageError::Corrupt(_) | ImageError::Unsupported(_)), "{error:?}");
            Some(error)
        }
    }
}
