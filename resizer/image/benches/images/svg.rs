//! Plots of lines with points, as SVG.

use std::fmt::Write as _;

/// Points that belong together.
pub(crate) struct Series {
    pub(crate) name: String,
    /// Horizontal and vertical value.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A plot with a legend.
pub(crate) struct Plot {
    pub(crate) title: String,
    /// What the points of a line are.
    pub(crate) subtitle: String,
    /// Labels with units.
    pub(crate) x: String,
    pub(crate) y: String,
    /// Whether the horizontal axis is logarithmic.
    pub(crate) log: bool,
    pub(crate) series: Vec<Series>,
}

/// The whole picture, in pixels.
const SIZE: (f64, f64) = (900.0, 540.0);
/// The corners of the plot's area: left, top, right, bottom. The legend is on the right of it.
const AREA: [f64; 4] = [76.0, 70.0, 650.0, 478.0];
/// Colors that differ for people who see no red or no green (Okabe and Ito), without the yellow.
const COLORS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00"];

/// An axis.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<f64>,
}

impl Axis {
    /// Holds all values, and its ticks are round.
    fn new(values: impl Iterator<Item = f64>, log: bool) -> Self {
        let finite = values.filter(|value| value.is_finite() && (!log || *value > 0.0));
        let (low, high) = finite
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low < high { (low, high) } else { (low.min(1.0), low.max(1.0) + 1.0) };
        if log {
            let steps: &[f64] = match high / low {
                ..6.0 => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
                ..30.0 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
                _ => &[1.0, 2.0, 5.0],
            };
            let ticks: Vec<f64> = (-3..6)
                .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
                .filter(|tick| (low / 1.15..=high * 1.15).contains(tick))
                .collect();
            return Self { low: low / 1.15, high: high * 1.15, log, ticks };
        }
        let rough = (high - low) / 6.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let (first, last) = ((low / step).floor() as i64, (high / step).ceil() as i64);
        let ticks = (first..=last).map(|tick| tick as f64 * step).collect();
        Self { low: first as f64 * step, high: last as f64 * step, log, ticks }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let of = |value: f64| if self.log { value.ln() } else { value };
        (of(value) - of(self.low)) / (of(self.high) - of(self.low))
    }
}

impl Plot {
    /// The file.
    pub(crate) fn svg(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let [left, top, right, bottom] = AREA;
        let points = || self.series.iter().flat_map(|series| &series.points);
        let across = Axis::new(points().map(|point| point.0), self.log);
        let down = Axis::new(points().map(|point| point.1), false);
        let x = |value: f64| left + across.place(value) * (right - left);
        let y = |value: f64| bottom - down.place(value) * (bottom - top);
        let (width, height) = SIZE;

        writeln!(
            text,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">"##
        )?;
        writeln!(text, r##"<rect width="{width}" height="{height}" fill="#fff"/>"##)?;
        let title = escape(&self.title);
        writeln!(text, r##"<text x="{left}" y="30" font-size="17" font-weight="bold">{title}</text>"##)?;
        let subtitle = escape(&self.subtitle);
        writeln!(text, r##"<text x="{left}" y="52" fill="#555">{subtitle}</text>"##)?;
        for tick in &across.ticks {
            let (place, below, label) = (x(*tick), bottom + 19.0, label(*tick));
            writeln!(text, r##"<path d="M{place:.1} {top}V{bottom}" stroke="#e4e4e4"/>"##)?;
            writeln!(text, r##"<text x="{place:.1}" y="{below}" text-anchor="middle">{label}</text>"##)?;
        }
        for tick in &down.ticks {
            let (place, before, label) = (y(*tick), left - 8.0, label(*tick));
            writeln!(text, r##"<path d="M{left} {place:.1}H{right}" stroke="#e4e4e4"/>"##)?;
            let base = place + 4.5;
            writeln!(text, r##"<text x="{before}" y="{base:.1}" text-anchor="end">{label}</text>"##)?;
        }
        writeln!(text, r##"<path d="M{left} {top}V{bottom}H{right}" stroke="#555" fill="none"/>"##)?;
        let (middle, below, label) = (f64::midpoint(left, right), bottom + 44.0, escape(&self.x));
        writeln!(text, r##"<text x="{middle}" y="{below}" text-anchor="middle">{label}</text>"##)?;
        let (middle, label) = (f64::midpoint(top, bottom), escape(&self.y));
        writeln!(
            text,
            r##"<text x="20" y="{middle}" text-anchor="middle" transform="rotate(-90 20 {middle})">{label}</text>"##
        )?;

        for (index, (series, color)) in self.series.iter().zip(COLORS.iter().cycle()).enumerate() {
            let places: Vec<(f64, f64)> =
                series.points.iter().map(|point| (x(point.0), y(point.1))).collect();
            let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
            let path = path.join("L");
            writeln!(text, r##"<path d="M{path}" stroke="{color}" stroke-width="2" fill="none"/>"##)?;
            for (x, y) in &places {
                writeln!(text, "{}", marker(index, *x, *y, color))?;
            }
            let line = top + 14.0 + index as f64 * 24.0;
            let (from, to, name) = (right + 20.0, right + 46.0, right + 54.0);
            writeln!(text, r##"<path d="M{from} {line}H{to}" stroke="{color}" stroke-width="2"/>"##)?;
            writeln!(text, "{}", marker(index, f64::midpoint(from, to), line, color))?;
            let (base, words) = (line + 4.5, escape(&series.name));
            writeln!(text, r##"<text x="{name}" y="{base}">{words}</text>"##)?;
        }
        writeln!(text, "</svg>")
    }
}

/// A shape for each series, for print without color.
fn marker(index: usize, x: f64, y: f64, color: &str) -> String {
    let shape = match index % 4 {
        0 => "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
        1 => "m-4.2 -4.2h8.4v8.4h-8.4z",
        2 => "m0 -5.5l5 9h-10z",
        _ => "m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
    };
    format!(r##"<path d="M{x:.1} {y:.1}{shape}" fill="{color}" stroke="#fff" stroke-width="0.8"/>"##)
}

fn label(value: f64) -> String {
    let rounded = (value * 1e3).round() / 1e3;
    format!("{rounded}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
