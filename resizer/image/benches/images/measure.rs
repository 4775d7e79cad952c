//! CPU time, medians, and the two forms of the result.

use std::{
    fmt,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// How long one case may take, by the wall clock.
const BUDGET: Duration = Duration::from_secs(4);
/// Rounds, at least and at most.
const ROUNDS: (usize, usize) = (7, 60);

/// As many rounds as fit the budget.
pub(crate) fn rounds() -> impl Iterator<Item = usize> {
    let begin = Instant::now();
    (0..ROUNDS.1).take_while(move |&round| round < ROUNDS.0 || begin.elapsed() < BUDGET)
}

/// What this thread has used of CPU time, user and system, in milliseconds.
pub(crate) fn thread_cpu() -> f64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "a program that runs for minutes")]
    let milliseconds = tv_sec as f64 * 1e3 + tv_nsec as f64 / 1e6;
    milliseconds
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What one program made of a case.
pub(crate) struct Result {
    /// Milliseconds of CPU time, the median.
    pub(crate) cpu: f64,
    pub(crate) bytes: usize,
    /// SSIMULACRA2; none where the size is another.
    pub(crate) score: Option<f64>,
}

/// One line of the result.
pub(crate) struct Line {
    pub(crate) case: String,
    pub(crate) ours: Result,
    pub(crate) before: Result,
    /// Name and result of the other program, if it is there.
    pub(crate) peer: Option<(String, Result)>,
}

impl Line {
    /// What stands above the table.
    pub(crate) fn header(peer: Option<&str>) -> String {
        let peer = peer.unwrap_or("no sharp");
        format!(
            "{:<46} | {:>31} | {peer:>31} | {:>31}\n{:<46} |{}",
            "CPU ms, SSIMULACRA2, bytes",
            "ours",
            "before (zune-jpeg, jpeg-encoder)",
            "",
            [" "; 3].map(|_| format!("{:>10} {:>10} {:>10} ", "ms", "score", "bytes")).join("|")
        )
    }

    /// The line as an object; its `ratio` is of times, ours by theirs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let mut object = serde_json::json!({
            "case": self.case, "unit": "ms CPU", "ours": round(self.ours.cpu),
            "score": self.ours.score.map(round), "bytes": self.ours.bytes,
            "before": round(self.before.cpu), "before_score": self.before.score.map(round),
            "before_bytes": self.before.bytes,
        });
        if let Some((name, theirs)) = &self.peer {
            object["peer"] = name.as_str().into();
            object["theirs"] = round(theirs.cpu).into();
            object["ratio"] = round(self.ours.cpu / theirs.cpu).into();
            object["their_score"] = theirs.score.map(round).into();
            object["their_bytes"] = theirs.bytes.into();
        }
        object
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = |result: &Result| {
            let score = result.score.map_or_else(|| "size".to_owned(), |score| format!("{score:.2}"));
            format!("{:>10.2} {score:>10} {:>10}", result.cpu, result.bytes)
        };
        let peer = self.peer.as_ref().map_or(String::new(), |(_, result)| columns(result));
        write!(f, "{:<46} | {} | {peer:>32} | {}", self.case, columns(&self.ours), columns(&self.before))?;
        match &self.peer {
            Some((_, theirs)) => write!(f, " | {:.2}× sharp", theirs.cpu / self.ours.cpu),
            None => Ok(()),
        }
    }
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
