//! `check-config FILE [--connect]`: what a start with this file would say, without serving.
//!
//! Findings are printed a line each, those that are problems to standard error. The exit code is [`exit::USAGE`] for a
//! wrong file, and [`exit::UNAVAILABLE`] when what it names is not as it should be, or does not answer so.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::{
    BoxError,
    cli::{LogFormat, LogLevel},
    config::ConfigErrors,
    exit, telemetry,
};

/// The subcommand, for services that have no other.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Check a configuration file: say everything that is wrong with it, and serve nothing
    CheckConfig(CheckArgs),
}

/// What is to be checked.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Configuration file, TOML
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Also ask what the file names, as it would be asked when serving
    #[arg(long)]
    pub connect: bool,
}

/// What was found, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether requests will fail for it.
    pub is_problem: bool,
    /// For the operator: what it is, and what to do. Holds no secret.
    pub text: String,
}

impl Finding {
    /// As it should be.
    pub fn fine(text: impl Into<String>) -> Self {
        Self { is_problem: false, text: text.into() }
    }

    /// Requests will fail for it.
    pub fn problem(text: impl Into<String>) -> Self {
        Self { is_problem: true, text: text.into() }
    }
}

/// Reads the file with `load`, prints what `summarise` says of it, the problems that `inspect` finds without asking, and
/// with `--connect` all that `inspect` and `ask` find.
pub fn run<C, F>(
    args: &CheckArgs,
    load: impl FnOnce(&Path) -> Result<C, ConfigErrors>,
    summarise: impl FnOnce(&C) -> String,
    inspect: impl FnOnce(&C) -> Vec<Finding>,
    ask: impl FnOnce(C) -> F,
) -> ExitCode
where
    F: Future<Output = Result<Vec<Finding>, BoxError>>,
{
    let file = args.file.display();
    let config = match load(&args.file) {
        Ok(config) => config,
        Err(errors) => {
            for error in &errors.errors {
                // An error of the file as a whole names it already.
                let names_it = args.file.as_os_str() == error.path.as_str();
                let text = if names_it { error.to_string() } else { format!("{file}: {error}") };
                print(&Finding::problem(text));
            }
            return ExitCode::from(exit::USAGE);
        }
    };
    let seen = inspect(&config);
    let is_fine = !seen.iter().any(|finding| finding.is_problem);
    if is_fine {
        print(&Finding::fine(format!("ok: {file}: {}", summarise(&config))));
    }
    seen.iter().filter(|finding| args.connect || finding.is_problem).for_each(print);
    if !args.connect {
        return if is_fine { ExitCode::SUCCESS } else { ExitCode::from(exit::UNAVAILABLE) };
    }
    // What only the log of a running service says, such as why a provider of credentials did not answer.
    // A peer that does not answer is among the findings.
    let level =
        Targets::new().with_default(LevelFilter::WARN).with_target("safelight_client", LevelFilter::ERROR);
    let level = LogLevel(level);
    telemetry::init(&level, LogFormat::Pretty, telemetry::Output::Stdout);
    let asked = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match asked.map_err(BoxError::from).and_then(|runtime| runtime.block_on(ask(config))) {
        Ok(findings) => {
            findings.iter().for_each(print);
            let failed = findings.iter().any(|finding| finding.is_problem);
            if failed || !is_fine { ExitCode::from(exit::UNAVAILABLE) } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            print(&Finding::problem(format!("{file}: {error}")));
            ExitCode::from(exit::USAGE)
        }
    }
}

/// Nothing is left to do when even this cannot be written.
fn print(finding: &Finding) {
    _ = if finding.is_problem {
        writeln!(io::stderr(), "problem: {}", finding.text)
    } else {
        writeln!(io::stdout(), "{}", finding.text)
    };
}
