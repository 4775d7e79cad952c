//! Logs: one JSON object a line or for people.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    Layer, Registry,
    fmt::{self, writer::BoxMakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::cli::{LogFormat, LogLevel};

/// Where log lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output, which container platforms collect.
    Stdout,
    /// Standard error: the program's standard output is for something else.
    Stderr,
}

/// Starts logging for the whole process, panics included. Only the first call has an effect.
///
/// What is wrong with the flags is said on standard error before this is called.
pub fn init(level: &LogLevel, format: LogFormat, output: Output) {
    let (writer, is_terminal) = match output {
        Output::Stdout => (BoxMakeWriter::new(io::stdout), io::stdout().is_terminal()),
        Output::Stderr => (BoxMakeWriter::new(io::stderr), io::stderr().is_terminal()),
    };
    let lines = fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
        LogFormat::Pretty => lines.with_ansi(is_terminal).boxed(),
    };
    let started = tracing_subscriber::registry().with(lines.with_filter(level.0.clone())).try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// A panic is logged where it happens: inside the span of the call, so that its request id stands beside it.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let text = panic.payload_as_str().unwrap_or("not a text");
    let backtrace = std::backtrace::Backtrace::capture();
    tracing::error!(panic.location = location, panic.text = text, panic.backtrace = %backtrace, "panicked");
}
