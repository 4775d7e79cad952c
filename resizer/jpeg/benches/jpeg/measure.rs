//! Interleaved rounds, medians, and the two forms of the result.

use std::time::{Duration, Instant};

/// How long one case may take.
const BUDGET: Duration = Duration::from_millis(1500);
/// Rounds, at least and at most.
const ROUNDS: (usize, usize) = (11, 400);

/// One line of the result.
pub struct Line {
    pub case: String,
    /// `ms` or `instructions`.
    pub unit: &'static str,
    pub ours: f64,
    pub theirs: f64,
}

/// Medians of both in milliseconds, from rounds of one each in turn.
pub fn compare(case: String, mut ours: impl FnMut(), mut theirs: impl FnMut()) -> Line {
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e3
    };
    let begin = Instant::now();
    time(&mut ours);
    time(&mut theirs);
    let once = begin.elapsed().as_secs_f64().max(1e-6);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rounds")]
    let rounds = ((BUDGET.as_secs_f64() / once) as usize).clamp(ROUNDS.0, ROUNDS.1);
    let (mut left, mut right) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for round in 0..rounds {
        if round % 2 == 0 {
            left.push(time(&mut ours));
            right.push(time(&mut theirs));
        } else {
            right.push(time(&mut theirs));
            left.push(time(&mut ours));
        }
    }
    Line { case, unit: "ms", ours: median(left), theirs: median(right) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Line {
    /// How many times as fast we are.
    pub fn speedup(&self) -> f64 {
        self.theirs / self.ours
    }

    /// The line as an object; its `ratio` is ours by theirs.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "case": self.case, "unit": self.unit, "ours": round(self.ours), "peer": "libjpeg-turbo",
            "theirs": round(self.theirs), "ratio": round(self.ours / self.theirs),
        })
    }

    /// The line as a row of the table; instructions in millions.
    pub fn row(&self) -> String {
        let unit = if self.unit == "ms" { 1.0 } else { 1e6 };
        let (ours, theirs) = (self.ours / unit, self.theirs / unit);
        format!("{:<44} {ours:>9.3} {theirs:>9.3} {:>6.2}×", self.case, self.speedup())
    }

    /// Prints it, as JSON or as a row of the table.
    pub fn print(&self, json: bool) {
        if json { println!("{}", self.json()) } else { println!("{}", self.row()) }
    }
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
