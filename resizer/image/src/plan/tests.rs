use std::num::{NonZeroU32, NonZeroU64};

use proptest::prelude::*;

use super::*;
use crate::options::{Fit, FocalMode, Gravity};

/// No limit on outputs, for the geometry alone.
const UNLIMITED: Limits = Limits {
    max_source_bytes: u64::MAX,
    max_source_pixels: u64::MAX,
    max_source_side: u32::MAX,
    max_output_side: u32::MAX,
    max_output_pixels: u64::MAX,
};

fn options(fit: Fit, width: u32, height: u32) -> Options {
    Options { width: NonZeroU32::new(width), height: NonZeroU32::new(height), fit, ..Options::default() }
}

fn planned(source: (u32, u32), options: &Options) -> Plan {
    plan(Size::new(source.0, source.1), options, &[], &Limits::default()).unwrap()
}

/// The output size, for a target in which 0 stands for "not given".
fn output(source: (u32, u32), fit: Fit, width: u32, height: u32) -> (u32, u32) {
    let canvas = planned(source, &options(fit, width, height)).canvas;
    (canvas.width, canvas.height)
}

/// The size of the whole source when it is scaled so that the crop box becomes the output.
fn scaled_source(plan: &Plan) -> (f64, f64) {
    (
        f64::from(plan.source.width) * f64::from(plan.resized.width) / plan.crop.width,
        f64::from(plan.source.height) * f64::from(plan.resized.height) / plan.crop.height,
    )
}

/// The crop offset in scaled pixels.
fn scaled_offset(plan: &Plan) -> (f64, f64) {
    let (width, height) = scaled_source(plan);
    (
        plan.crop.left * width / f64::from(plan.source.width),
        plan.crop.top * height / f64::from(plan.source.height),
    )
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

/// image-options.md, section 1: the examples of Cloudflare's documentation.
#[test]
fn documented_sizes() {
    for (source, fit, target, expected) in [
        ((1080, 720), Fit::ScaleDown, (500, 500), (500, 333)),
        ((1080, 720), Fit::ScaleDown, (2000, 2000), (1080, 720)),
        ((1080, 720), Fit::Cover, (500, 500), (500, 500)),
        ((1080, 720), Fit::Crop, (1296, 1296), (1080, 720)),
        ((612, 613), Fit::AspectCrop, (1920, 1120), (612, 357)),
        ((1080, 720), Fit::Pad, (1080, 1080), (1080, 1080)),
        ((1080, 720), Fit::Squeeze, (1080, 540), (1080, 540)),
        ((1080, 1080), Fit::Squeeze, (1080, 540), (1080, 540)),
    ] {
        assert_eq!(output(source, fit, target.0, target.1), expected, "{source:?} {fit:?} {target:?}");
    }
    let cover = planned((1080, 720), &options(Fit::Cover, 500, 500));
    let (width, height) = scaled_source(&cover);
    assert!(near(width, 750.0) && near(height, 500.0), "{width}x{height}");
    let pad = planned((1080, 720), &options(Fit::Pad, 1080, 1080));
    assert_eq!((pad.resized, pad.offset), (Size::new(1080, 720), (0, 180)));
}

/// image-options.md, section 3: gravity, again Cloudflare's examples.
#[test]
fn documented_gravity() {
    let bottom = Options { gravity: Gravity::Bottom, ..options(Fit::Cover, 1080, 400) };
    let plan = planned((1080, 720), &bottom);
    assert_eq!(plan.crop, CropBox { left: 0.0, top: 320.0, width: 1080.0, height: 400.0 });
    assert!(plan.is_copy());

    let point = Gravity::Point { x: 0.33, y: 0.5, mode: FocalMode::Remainder };
    let plan = planned((900, 900), &Options { gravity: point, ..options(Fit::Cover, 300, 900) });
    assert_eq!(plan.crop, CropBox { left: 198.0, top: 0.0, width: 300.0, height: 900.0 });
}

#[test]
fn gravity_keeps_its_side() {
    for (gravity, expected) in [
        (Gravity::Center, (50.0, 0.0)),
        (Gravity::Left, (0.0, 0.0)),
        (Gravity::Right, (100.0, 0.0)),
        // The free axis of a vertical side is centred.
        (Gravity::Top, (50.0, 0.0)),
        (Gravity::Bottom, (50.0, 0.0)),
        (Gravity::Point { x: 1.0, y: 1.0, mode: FocalMode::Remainder }, (100.0, 0.0)),
        (Gravity::Point { x: 0.5, y: 0.0, mode: FocalMode::BoxCenter }, (50.0, 0.0)),
        // Centred on x = 60 of 200: 60 - 50 = 10; near an edge the box moves inside.
        (Gravity::Point { x: 0.3, y: 0.0, mode: FocalMode::BoxCenter }, (10.0, 0.0)),
        (Gravity::Point { x: 0.1, y: 0.0, mode: FocalMode::BoxCenter }, (0.0, 0.0)),
        (Gravity::Point { x: 0.9, y: 0.0, mode: FocalMode::BoxCenter }, (100.0, 0.0)),
    ] {
        // 400x200 is scaled to 200x100, of which 100x100 is kept.
        let plan = planned((400, 200), &Options { gravity, ..options(Fit::Cover, 100, 100) });
        assert_eq!(scaled_offset(&plan), expected, "{gravity:?}");
    }
}

/// image-options.md, section 12, choices 1 to 7.
#[test]
fn our_choices() {
    // 1: half up, at least one pixel. 5 * 1 / 2 = 2.5; 1000 * 1 / 3000 = 0.33.
    assert_eq!(output((2, 5), Fit::ScaleDown, 1, 0), (1, 3));
    assert_eq!(output((3000, 10), Fit::ScaleDown, 100, 0), (100, 1));
    // 1: an odd crop remainder of 1 is cut on the left: (in - out + 1) / 2.
    let odd = planned((101, 100), &options(Fit::Cover, 100, 100));
    assert_eq!(odd.crop.left, 1.0);
    // 2 and 3: one side smaller than the target.
    assert_eq!(output((1080, 720), Fit::Crop, 500, 1296), (500, 720));
    assert_eq!(output((1080, 720), Fit::AspectCrop, 500, 1296), (278, 720));
    // 4: one side given, the other follows in every mode that changes the size.
    for fit in [Fit::ScaleDown, Fit::Contain, Fit::Cover, Fit::Crop, Fit::AspectCrop, Fit::Pad, Fit::Squeeze]
    {
        assert_eq!(output((1080, 720), fit, 540, 0), (540, 360), "{fit:?}");
        assert_eq!(output((1080, 720), fit, 0, 360), (540, 360), "{fit:?}");
    }
    assert_eq!(output((1080, 720), Fit::ScaleUp, 540, 0), (1080, 720));
    assert_eq!(output((1080, 720), Fit::ScaleUp, 2160, 0), (2160, 1440));
    for fit in [Fit::ScaleDown, Fit::Crop, Fit::AspectCrop] {
        assert_eq!(output((1080, 720), fit, 2160, 0), (1080, 720), "{fit:?}");
    }
    for fit in [Fit::Contain, Fit::Cover, Fit::Pad, Fit::Squeeze] {
        assert_eq!(output((1080, 720), fit, 2160, 0), (2160, 1440), "{fit:?}");
    }
    // 5: neither side: nothing happens, and dpr has no effect.
    for fit in Fit::ALL {
        let plan = planned((1080, 720), &Options { dpr: 2.0, ..options(fit, 0, 0) });
        assert_eq!((plan.canvas, plan.is_copy()), (Size::new(1080, 720), true), "{fit:?}");
    }
    // 6: centred in the padding, gravity or not; an odd spare pixel to the right or bottom.
    let pad = planned((100, 100), &Options { gravity: Gravity::Right, ..options(Fit::Pad, 205, 100) });
    assert_eq!((pad.resized, pad.offset), (Size::new(100, 100), (52, 0)));
    // 7: remainder by default is `documented_gravity`, box-center is `gravity_keeps_its_side`.
}

#[test]
fn scale_up_never_shrinks() {
    assert_eq!(output((1080, 720), Fit::ScaleUp, 500, 500), (1080, 720));
    assert_eq!(output((1080, 720), Fit::ScaleUp, 2000, 500), (1080, 720));
    assert_eq!(output((1080, 720), Fit::ScaleUp, 2160, 2000), (2160, 1440));
    assert_eq!(output((1080, 720), Fit::ScaleUp, 1080, 720), (1080, 720));
}

#[test]
fn one_side_is_met_exactly() {
    // The derived height rounds to 1, which must not pull the width back.
    assert_eq!(output((1000, 10), Fit::Contain, 149, 0), (149, 1));
    assert_eq!(output((1000, 10), Fit::ScaleDown, 149, 0), (149, 1));
}

#[test]
fn dpr_multiplies_the_target() {
    let retina = Options { dpr: 1.5, ..options(Fit::Cover, 101, 100) };
    // 151.5 rounds half up.
    assert_eq!(planned((1080, 720), &retina).canvas, Size::new(152, 150));
}

#[test]
fn limits_refuse_what_is_too_large() {
    let limits = Limits { max_output_side: 2000, max_output_pixels: 1_000_000, ..Limits::default() };
    let source = Size::new(1080, 720);
    for (fit, width, height, result) in [
        (Fit::Squeeze, 2001, 1, Err(PlanError::OutputTooLarge)),
        (Fit::Squeeze, 2000, 500, Ok(())),
        (Fit::Squeeze, 2000, 501, Err(PlanError::OutputTooLarge)),
        (Fit::Cover, u32::MAX, u32::MAX, Err(PlanError::OutputTooLarge)),
        (Fit::ScaleDown, u32::MAX, u32::MAX, Ok(())),
    ] {
        let options = Options { dpr: 1.0, ..options(fit, width, height) };
        assert_eq!(plan(source, &options, &[], &limits).map(|_| ()), result, "{fit:?} {width}x{height}");
    }
    let double = Options { dpr: 2.0, ..options(Fit::Cover, u32::MAX, u32::MAX) };
    assert_eq!(plan(source, &double, &[], &UNLIMITED), Err(PlanError::OutputTooLarge));
    assert_eq!(plan(Size::new(0, 1), &double, &[], &UNLIMITED), Err(PlanError::EmptySource));
}

fn bounds(width: u32, height: u32, area: u64, on_exceed: OnExceed) -> OutputBounds {
    OutputBounds {
        max_width: NonZeroU32::new(width),
        max_height: NonZeroU32::new(height),
        max_area: NonZeroU64::new(area),
        on_exceed,
    }
}

#[test]
fn one_of_the_bounds_that_are_alternatives_must_hold() {
    let (source, full, limits) = (Size::new(1080, 720), Options::default(), Limits::default());
    let plan_in = |bounds: &[OutputBounds]| plan(source, &full, bounds, &limits).map(|plan| plan.canvas);
    let any_of = |width, height| bounds(width, height, 0, OnExceed::AnyOf);
    assert_eq!(plan_in(&[any_of(10, 0), any_of(2000, 0)]), Ok(source));
    assert_eq!(plan_in(&[any_of(2000, 10), any_of(10, 2000)]), Err(PlanError::BoundsExceeded));
    // After what the route has made of it.
    let route = bounds(300, 0, 0, OnExceed::Clamp);
    assert_eq!(plan_in(&[any_of(10, 0), any_of(300, 0), route]), Ok(Size::new(300, 200)));
    assert_eq!(plan_in(&[any_of(10, 0), any_of(299, 0), route]), Err(PlanError::BoundsExceeded));
}

#[test]
fn bounds_refuse_or_clamp() {
    let source = Size::new(1080, 720);
    let limits = Limits::default();
    let plan_in = |options: &Options, bounds: OutputBounds| plan(source, options, &[bounds], &limits);

    // The original at full size, through a place that gives out 300x300 at most.
    let full = Options::default();
    assert_eq!(plan_in(&full, bounds(300, 300, 0, OnExceed::Refuse)), Err(PlanError::BoundsExceeded));
    let clamped = plan_in(&full, bounds(300, 300, 0, OnExceed::Clamp)).unwrap();
    assert_eq!((clamped.canvas, clamped.crop.width), (Size::new(300, 200), 1080.0));
    let scale_up = options(Fit::ScaleUp, 10, 10);
    assert_eq!(plan_in(&scale_up, bounds(300, 0, 0, OnExceed::Clamp)).unwrap().canvas, Size::new(300, 200));
    assert_eq!(plan_in(&scale_up, bounds(300, 0, 0, OnExceed::Refuse)), Err(PlanError::BoundsExceeded));

    // Within the bounds nothing changes.
    let small = options(Fit::Cover, 300, 300);
    let kept = plan_in(&small, bounds(300, 300, 90_000, OnExceed::Refuse)).unwrap();
    assert_eq!(kept, planned((1080, 720), &small));

    // The crop stays what was asked for, only smaller.
    let square = options(Fit::Cover, 1000, 1000);
    let clamped = plan_in(&square, bounds(0, 0, 250_000, OnExceed::Clamp)).unwrap();
    assert_eq!(clamped.canvas, Size::new(500, 500));
    assert!(near(clamped.crop.width, 720.0));

    // Bars stay bars.
    let pad = plan_in(&options(Fit::Pad, 1080, 1080), bounds(540, 0, 0, OnExceed::Clamp)).unwrap();
    assert_eq!((pad.canvas, pad.resized, pad.offset), (Size::new(540, 540), Size::new(540, 360), (0, 90)));

    // A target far beyond the limits is fine where the place clamps it.
    let huge = options(Fit::Contain, u32::MAX, u32::MAX);
    assert_eq!(plan_in(&huge, bounds(900, 0, 0, OnExceed::Clamp)).unwrap().canvas, Size::new(900, 600));
}

#[test]
fn area_bounds_hold_for_extreme_shapes() {
    for (width, height) in [(1, 60_000), (60_000, 1), (3, 40_000), (40_000, 3)] {
        let within = bounds(0, 0, 100, OnExceed::Clamp);
        let plan = plan(Size::new(width, height), &Options::default(), &[within], &UNLIMITED).unwrap();
        assert!(plan.canvas.area() <= 100 && plan.canvas.area() > 50, "{}", plan.canvas);
    }
}

fn any_side() -> impl Strategy<Value = u32> {
    prop_oneof![1..=4u32, 1..=5000u32, 1..=u32::MAX, Just(u32::MAX)]
}

fn any_gravity() -> impl Strategy<Value = Gravity> {
    let mode = prop_oneof![Just(FocalMode::Remainder), Just(FocalMode::BoxCenter)];
    prop_oneof![
        Just(Gravity::Center),
        Just(Gravity::Left),
        Just(Gravity::Right),
        Just(Gravity::Top),
        Just(Gravity::Bottom),
        (0.0..=1.0f64, 0.0..=1.0f64, mode).prop_map(|(x, y, mode)| Gravity::Point { x, y, mode }),
    ]
}

fn any_options(side: impl Strategy<Value = u32> + 'static) -> impl Strategy<Value = Options> {
    let side = side.boxed();
    let side = || proptest::option::of(side.clone());
    (side(), side(), proptest::sample::select(&Fit::ALL[..]), any_gravity(), 0.001..=2.0f64).prop_map(
        |(width, height, fit, gravity, dpr)| Options {
            width: width.and_then(NonZeroU32::new),
            height: height.and_then(NonZeroU32::new),
            fit,
            gravity,
            dpr,
            ..Options::default()
        },
    )
}

fn any_bounds() -> impl Strategy<Value = OutputBounds> {
    let on_exceed = prop_oneof![Just(OnExceed::Refuse), Just(OnExceed::Clamp)];
    (0..3000u32, 0..3000u32, prop_oneof![Just(0), 1..5_000_000u64, Just(u64::MAX)], on_exceed)
        .prop_map(|(width, height, area, on_exceed)| bounds(width, height, area, on_exceed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever is asked for: no panic, no empty picture, nothing over a limit, no box outside the source.
    #[test]
    fn plans_are_sound(
        width in any_side(), height in any_side(),
        options in any_options(any_side()),
        bounds in proptest::option::of(any_bounds()),
        limits in prop_oneof![Just(UNLIMITED), Just(Limits::default())],
    ) {
        let Ok(plan) = plan(Size::new(width, height), &options, bounds.as_slice(), &limits) else { return Ok(()) };
        prop_assert!(plan.canvas.area() > 0 && plan.resized.area() > 0);
        prop_assert!(plan.canvas.longest() <= limits.max_output_side);
        prop_assert!(plan.canvas.area() <= limits.max_output_pixels);
        prop_assert!(plan.offset.0 + plan.resized.width <= plan.canvas.width);
        prop_assert!(plan.offset.1 + plan.resized.height <= plan.canvas.height);
        let CropBox { left, top, width: w, height: h } = plan.crop;
        prop_assert!(left >= 0.0 && w > 0.0 && left + w <= f64::from(width), "{:?}", plan.crop);
        prop_assert!(top >= 0.0 && h > 0.0 && top + h <= f64::from(height), "{:?}", plan.crop);
        if let Some(bounds) = bounds {
            prop_assert!(bounds.max_width.is_none_or(|max| plan.canvas.width <= max.get()));
            prop_assert!(bounds.max_height.is_none_or(|max| plan.canvas.height <= max.get()));
            prop_assert!(bounds.max_area.is_none_or(|max| plan.canvas.area() <= max.get()));
        }
    }

    /// The promises of each fit mode, for sizes of real pictures.
    #[test]
    fn fit_modes_keep_their_promises(
        width in 1..=5000u32, height in 1..=5000u32, options in any_options(1..=5000u32),
    ) {
        let Ok(plan) = plan(Size::new(width, height), &options, &[], &UNLIMITED) else { return Ok(()) };
        let target = |side: Option<NonZeroU32>| {
            side.map(|side| ((f64::from(side.get()) * options.dpr + 0.5).floor() as u32).max(1))
        };
        let (target_width, target_height) = (target(options.width), target(options.height));
        let whole = plan.crop == CropBox { left: 0.0, top: 0.0, width: width.into(), height: height.into() };

        match options.fit {
            Fit::ScaleDown => prop_assert!(plan.canvas.width <= width && plan.canvas.height <= height),
            Fit::Crop | Fit::AspectCrop => {
                prop_assert!(plan.canvas.width <= width && plan.canvas.height <= height);
            }
            Fit::ScaleUp => prop_assert!(plan.canvas.width >= width && plan.canvas.height >= height),
            _ => {}
        }
        match options.fit {
            Fit::ScaleDown | Fit::Contain => {
                prop_assert!(target_width.is_none_or(|target| plan.canvas.width <= target));
                prop_assert!(target_height.is_none_or(|target| plan.canvas.height <= target));
            }
            Fit::Cover | Fit::Pad | Fit::Squeeze => {
                prop_assert!(target_width.is_none_or(|target| plan.canvas.width == target));
                prop_assert!(target_height.is_none_or(|target| plan.canvas.height == target));
            }
            _ => {}
        }
        if !matches!(options.fit, Fit::Cover | Fit::Crop | Fit::AspectCrop) {
            prop_assert!(whole);
        }
        if options.fit != Fit::Squeeze {
            // The shape is kept: what is resized has the crop box's ratio, but for rounding by half a pixel
            // (and for sides that would be less than one pixel).
            let scale_x = f64::from(plan.resized.width) / plan.crop.width;
            let scale_y = f64::from(plan.resized.height) / plan.crop.height;
            let off = ((plan.crop.height * scale_x) - f64::from(plan.resized.height))
                .abs()
                .min((plan.crop.width * scale_y - f64::from(plan.resized.width)).abs());
            prop_assert!(off <= 0.5 + 1e-6 || plan.resized.width == 1 || plan.resized.height == 1, "{off}");
        }
        // No mode both enlarges one axis and shrinks the other by more than rounding, but squeeze.
        if plan.is_copy() {
            prop_assert!(plan.crop.width == f64::from(plan.resized.width));
        }
    }

    /// Clamping changes the size and nothing else, and not more than it must.
    #[test]
    fn clamping_is_the_least_change(
        width in 1..=5000u32, height in 1..=5000u32, options in any_options(1..=5000u32), bounds in any_bounds(),
    ) {
        let bounds = OutputBounds { on_exceed: OnExceed::Clamp, ..bounds };
        let source = Size::new(width, height);
        let free = plan(source, &options, &[], &UNLIMITED);
        let held = plan(source, &options, &[bounds], &UNLIMITED);
        let (Ok(free), Ok(held)) = (free, held) else { return Ok(()) };
        prop_assert_eq!(free.crop, held.crop);
        prop_assert!(held.canvas.width <= free.canvas.width && held.canvas.height <= free.canvas.height);
        let refused = plan(source, &options, &[OutputBounds { on_exceed: OnExceed::Refuse, ..bounds }], &UNLIMITED);
        prop_assert_eq!(refused.is_ok(), held.canvas == free.canvas);
    }
}
