//! What is told to a person.

use std::fmt::Display;

/// Whether a person is told anything: with `--json` standard output is for a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    /// On standard output.
    Lines,
    /// Not at all.
    Nothing,
}

impl Say {
    /// A line.
    #[expect(clippy::print_stdout, reason = "this program talks to a person")]
    pub(crate) fn line(self, text: impl Display) {
        if self == Self::Lines {
            println!("{text}");
        }
    }

    /// What was done, and what came of it.
    pub(crate) fn step(self, what: &str, text: impl Display) {
        self.line(format_args!("   {what:<28} {text}"));
    }
}
