//! Rounds, medians, and the two forms of the result.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// How long the rounds of one case may take, by the wall clock.
const BUDGET: Duration = Duration::from_secs(4);
/// Rounds, at least and at most.
const ROUNDS: (usize, usize) = (7, 60);

/// As many rounds as fit the budget.
pub(crate) fn rounds() -> impl Iterator<Item = usize> {
    let begin = Instant::now();
    (0..ROUNDS.1).take_while(move |&round| round < ROUNDS.0 || begin.elapsed() < BUDGET)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What one program made of a case.
pub(crate) struct Outcome {
    pub(crate) program: String,
    /// Milliseconds of CPU time, the median.
    pub(crate) cpu: f64,
    pub(crate) bytes: usize,
    /// SSIMULACRA2, of several outputs the mean; none where a size is another, or it was not asked for.
    pub(crate) score: Option<f64>,
}

/// A case's result: ours, and each peer's that has such an output.
pub(crate) struct Result {
    pub(crate) case: String,
    pub(crate) rounds: usize,
    pub(crate) ours: Outcome,
    pub(crate) peers: Vec<Outcome>,
}

impl Result {
    /// One object for each peer, or one without a peer. `ratio` is of times, ours by theirs.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        let object = serde_json::json!({
            "case": self.case, "unit": "ms CPU", "program": self.ours.program, "rounds": self.rounds,
            "ours": round(self.ours.cpu), "score": self.ours.score.map(round), "bytes": self.ours.bytes,
        });
        if self.peers.is_empty() {
            return vec![object];
        }
        let with = |theirs: &Outcome| {
            let mut object = object.clone();
            object["peer"] = theirs.program.as_str().into();
            object["theirs"] = round(theirs.cpu).into();
            object["ratio"] = round(self.ours.cpu / theirs.cpu).into();
            object["their_score"] = theirs.score.map(round).into();
            object["their_bytes"] = theirs.bytes.into();
            object
        };
        self.peers.iter().map(with).collect()
    }
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} rounds)", self.case, self.rounds)?;
        for outcome in std::iter::once(&self.ours).chain(&self.peers) {
            let Outcome { program, cpu, bytes, score } = outcome;
            let score = score.map_or_else(|| "-".to_owned(), |score| format!("{score:.2}"));
            write!(f, "\n    {program:<32} {cpu:>9.2} ms {score:>8} {bytes:>10}")?;
            if !std::ptr::eq(outcome, &raw const self.ours) {
                write!(f, "   {:.2}", self.ours.cpu / cpu)?;
            }
        }
        Ok(())
    }
}

/// To 4 decimals.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
