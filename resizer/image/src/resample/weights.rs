//! The weights of a filter along one axis, as integers.

use crate::{light, options::Kernel};

/// The sum of an output sample's weights.
const SUM: i32 = 1 << light::BITS;

/// Weights come in groups of so many; the last group is filled up with zeros.
pub(super) const GROUP: usize = 16;

/// One axis of a picture that is resampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axis {
    /// Samples that there are.
    pub(crate) length: u32,
    /// Where the part begins that is resampled, in samples.
    pub(crate) from: f64,
    /// How long the part is, in samples.
    pub(crate) span: f64,
    /// Samples that it becomes.
    pub(crate) count: u32,
    /// How many samples of the full size one of these is the mean of.
    pub(crate) boxed: u32,
}

/// The weights of each output sample of an axis: as many groups for each.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    windows: Vec<Window>,
    groups: Vec<[i16; GROUP]>,
    /// Groups of each window.
    each: usize,
}

/// The input samples that an output sample is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first of them.
    pub(crate) first: usize,
    /// How many.
    pub(crate) length: usize,
}

impl Window {
    /// The one behind the last.
    pub(crate) const fn end(&self) -> usize {
        self.first + self.length
    }
}

impl Weights {
    /// Computes the weights of a filter. Groups may reach over the end of the axis by less than a [`GROUP`].
    pub(crate) fn new(kernel: Kernel, axis: &Axis) -> Self {
        let (mut windows, mut all) = (Vec::new(), Vec::new());
        let mut exact = Vec::new();
        for index in 0..axis.count {
            let first = weigh(kernel, axis, index, &mut exact);
            windows.push(rounded(first, &exact, &mut all));
        }
        let longest = windows.iter().map(|window: &Window| window.length).max().unwrap_or(0);
        let each = longest.div_ceil(GROUP).max(1);
        let mut groups = vec![[0; GROUP]; each * windows.len()];
        let room =
            (usize::try_from(axis.length).unwrap_or(usize::MAX).saturating_add(GROUP - 1) / GROUP).max(each);
        let mut rest = all.as_slice();
        for (window, groups) in windows.iter_mut().zip(groups.chunks_exact_mut(each)) {
            let (weights, behind) = rest.split_at(window.length.min(rest.len()));
            rest = behind;
            // Not beyond what is there to be read: rather from before.
            let first = window.first.min((room - each) * GROUP);
            let zeros = window.first - first;
            let targets = groups.as_flattened_mut().iter_mut().skip(zeros);
            targets.zip(weights).for_each(|(target, weight)| *target = *weight);
            *window = Window { first, length: window.length + zeros };
        }
        Self { windows, groups, each }
    }

    /// The window of an output sample.
    pub(crate) fn window(&self, index: usize) -> Option<Window> {
        self.windows.get(index).copied()
    }

    /// Every window, in order.
    pub(crate) fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Groups of each window.
    pub(crate) const fn each(&self) -> usize {
        self.each
    }

    /// The weights of every window, one after another.
    pub(crate) fn groups(&self) -> &[[i16; GROUP]] {
        &self.groups
    }

    /// The weights of a window.
    pub(crate) fn of(&self, index: usize) -> &[[i16; GROUP]] {
        self.groups.chunks_exact(self.each).nth(index).unwrap_or_default()
    }

    /// The longest window.
    pub(crate) fn longest(&self) -> usize {
        self.windows.iter().map(|window| window.length).max().unwrap_or(0)
    }

    /// The most input samples that an output sample is made of.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a picture's side")]
    pub(crate) fn taps(kernel: Kernel, axis: &Axis) -> u64 {
        let scale = (axis.span / f64::from(axis.count.max(1))).max(1.0);
        (2.0 * (reach(kernel) * scale + 2.0)).ceil().min(f64::from(axis.length)) as u64
    }

    /// Bytes that the weights of an axis take at most.
    pub(crate) fn memory(kernel: Kernel, axis: &Axis) -> u64 {
        let taps = Self::taps(kernel, axis);
        let each = taps.next_multiple_of(GROUP as u64) * 2 + size_of::<Window>() as u64;
        // Lists that grow are held twice for a moment.
        u64::from(axis.count) * each * 4 + taps * 32
    }
}

/// Adds rounded weights whose sum is exact to `all`, without the zeros at the ends.
#[expect(clippy::cast_possible_truncation, reason = "weights of a filter are below 2")]
fn rounded(first: usize, exact: &[f64], all: &mut Vec<i16>) -> Window {
    let sum: f64 = exact.iter().sum();
    let scale = f64::from(SUM) / if sum.abs() < 1e-9 { 1.0 } else { sum };
    let mut rounded: Vec<i32> = exact.iter().map(|weight| (weight * scale).round() as i32).collect();
    let missing = SUM - rounded.iter().sum::<i32>();
    if let Some(largest) = rounded.iter_mut().max_by_key(|weight| **weight) {
        *largest += missing;
    }
    let start = rounded.iter().position(|weight| *weight != 0).unwrap_or(0);
    let end = rounded.iter().rposition(|weight| *weight != 0).map_or(start, |last| last + 1);
    let kept = rounded.get(start..end).unwrap_or_default();
    all.extend(kept.iter().map(|weight| (*weight).clamp(i16::MIN.into(), i16::MAX.into()) as i16));
    Window { first: first + start, length: kept.len() }
}

/// How far from its center a filter reaches, in output samples when it reduces and in input samples when it enlarges.
pub(crate) const fn reach(kernel: Kernel) -> f64 {
    match kernel {
        Kernel::Lanczos3 => 3.0,
        Kernel::Mitchell | Kernel::CatmullRom => 2.0,
        Kernel::Bilinear => 1.0,
        Kernel::Box | Kernel::Nearest => 0.5,
    }
}

/// The weights of an output sample, not normalised, and the first input sample.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the axis before")]
fn weigh(kernel: Kernel, axis: &Axis, index: u32, weights: &mut Vec<f64>) -> usize {
    weights.clear();
    let step = axis.span / f64::from(axis.count.max(1));
    let center = axis.from + (f64::from(index) + 0.5) * step;
    let last = f64::from(axis.length.saturating_sub(1));
    if kernel == Kernel::Nearest {
        weights.push(1.0);
        return center.floor().clamp(0.0, last) as usize;
    }
    let scale = step.max(1.0);
    let far = reach(kernel) * scale + 1.0;
    let first = (center - far).floor().clamp(0.0, last);
    let end = (center + far).ceil().clamp(first + 1.0, last + 1.0);
    let (first, end) = (first as usize, end as usize);
    let at = |sample: usize| {
        #[expect(clippy::cast_precision_loss, reason = "a picture's side")]
        let distance = (sample as f64 + 0.5 - center) / scale;
        value(kernel, distance)
    };
    weights.extend((first..end).map(at));
    if weights.iter().all(|weight| weight.abs() < 1e-9) {
        // A box between two samples.
        let nearest = (center.floor().clamp(0.0, last) as usize).saturating_sub(first);
        if let Some(weight) = weights.get_mut(nearest) {
            *weight = 1.0;
        }
    }
    sharpen(kernel, axis.boxed, weights);
    first
}

/// Makes up for what was lost when samples became means of `boxed` ones.
///
/// A mean of n samples weakens a wave of f periods a mean by 1 − (1 − 1/n²)π²f²/6 for small f. The filter −a, 1 + 2a, −a
/// strengthens it by 1 + 4aπ²f², so a = (1 − 1/n²)/24.
fn sharpen(kernel: Kernel, boxed: u32, weights: &mut [f64]) {
    if boxed <= 1 || matches!(kernel, Kernel::Box | Kernel::Nearest) {
        return;
    }
    let boxed = f64::from(boxed);
    let a = (1.0 - 1.0 / (boxed * boxed)) / 24.0;
    let mut before = 0.0;
    for index in 0..weights.len() {
        let after = weights.get(index + 1).copied().unwrap_or(0.0);
        if let Some(weight) = weights.get_mut(index) {
            let here = *weight;
            *weight = here * (1.0 + 2.0 * a) - (before + after) * a;
            before = here;
        }
    }
}

/// A filter's value so far from its center.
fn value(kernel: Kernel, x: f64) -> f64 {
    let distance = x.abs();
    match kernel {
        Kernel::Lanczos3 if distance < 3.0 => sinc(distance) * sinc(distance / 3.0),
        Kernel::Mitchell => cubic(1.0 / 3.0, 1.0 / 3.0, distance),
        Kernel::CatmullRom => cubic(0.0, 0.5, distance),
        Kernel::Bilinear if distance < 1.0 => 1.0 - distance,
        // A sample on the edge of two boxes belongs to the one on its right.
        Kernel::Box if (-0.5..0.5).contains(&x) => 1.0,
        _ => 0.0,
    }
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x < 1e-9 { 1.0 } else { x.sin() / x }
}

/// The family of Mitchell and Netravali (1988), equation 8.
fn cubic(b: f64, c: f64, x: f64) -> f64 {
    let sixfold = if x < 1.0 {
        ((12.0 - 9.0 * b - 6.0 * c) * x + (-18.0 + 12.0 * b + 6.0 * c)) * x * x + 6.0 - 2.0 * b
    } else if x < 2.0 {
        (((-b - 6.0 * c) * x + 6.0 * b + 30.0 * c) * x - 12.0 * b - 48.0 * c) * x + 8.0 * b + 24.0 * c
    } else {
        0.0
    };
    sixfold / 6.0
}
