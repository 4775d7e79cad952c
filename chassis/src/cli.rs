//! The flags that every service has, each with its environment variable.
//!
//! What differs from pod to pod is set here; everything else stands in the configuration file.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, Parser, ValueEnum, builder::BoolishValueParser};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::exit;

/// How a service is started. Flatten it into the arguments of a binary.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Configuration file, TOML
    #[arg(long, env = "SAFELIGHT_CONFIG", value_name = "PATH", hide_env_values = true)]
    pub config: PathBuf,

    /// Address to listen on; port 0 picks a free one
    #[arg(long, env = "SAFELIGHT_LISTEN", value_name = "ADDR", hide_env_values = true)]
    pub listen: Option<SocketAddr>,

    /// Address of the admin port: /livez, /readyz and /metrics in plaintext, for the pod's network; none unless given
    #[arg(long, env = "SAFELIGHT_ADMIN_LISTEN", value_name = "ADDR", hide_env_values = true)]
    pub admin_listen: Option<SocketAddr>,

    /// Listen on an address that others can reach although there is no TLS
    #[arg(long, env = "SAFELIGHT_PLAINTEXT", value_parser = BoolishValueParser::new(), hide_env_values = true)]
    pub plaintext: bool,

    /// What to log: a level, and levels for parts of the program, such as info,h2=warn
    #[arg(long, env = "SAFELIGHT_LOG_LEVEL", default_value = "info", hide_env_values = true)]
    pub log_level: LogLevel,

    /// How to log, to standard output
    #[arg(long, env = "SAFELIGHT_LOG_FORMAT", value_enum, default_value = "json", hide_env_values = true)]
    pub log_format: LogFormat,

    /// Whether to answer gRPC server reflection (grpcurl uses it)
    #[arg(long, env = "SAFELIGHT_REFLECTION", value_enum, default_value = "on", hide_env_values = true)]
    pub reflection: Switch,

    /// How long to go on serving after SIGTERM, not ready, until load balancers have noticed
    #[arg(long, env = "SAFELIGHT_LAME_DUCK", value_name = "DURATION", default_value = "5s",
          value_parser = humantime::parse_duration, hide_env_values = true)]
    pub lame_duck: Duration,

    /// How long calls in flight may take to finish after that
    #[arg(long, env = "SAFELIGHT_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "40s",
          value_parser = humantime::parse_duration, hide_env_values = true)]
    pub drain_timeout: Duration,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// What to log: `info`, or `info,h2=warn`.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLevel(pub Targets);

const EXPECTED_LEVEL: &str =
    "expected a level (off, error, warn, info, debug, trace) or TARGET=LEVEL, separated by commas";

impl FromStr for LogLevel {
    type Err = String;

    /// Stricter than [`Targets`], which takes a misspelt level for the name of a target and logs all of it.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut targets = Targets::new();
        for directive in text.split(',') {
            let (target, level) = match directive.split_once('=') {
                Some((target, level)) => (Some(target.trim()), level),
                None => (None, directive),
            };
            let level = match level.trim() {
                // An empty level would parse, as `error`.
                "" => return Err(EXPECTED_LEVEL.to_owned()),
                level => level.parse::<LevelFilter>().map_err(|_| EXPECTED_LEVEL)?,
            };
            targets = match target {
                None => targets.with_default(level),
                Some("") => return Err("expected the name of a target before =".to_owned()),
                Some(target) => targets.with_target(target, level),
            };
        }
        Ok(Self(targets))
    }
}

/// Parses the process's arguments; on bad ones says why and exits with [`exit::USAGE`].
pub fn parse<C: Parser>() -> C {
    parse_from(std::env::args_os()).unwrap_or_else(|error| {
        // Nothing is left to do when even this cannot be written.
        _ = error.print();
        std::process::exit(if error.use_stderr() { i32::from(exit::USAGE) } else { 0 })
    })
}

/// Parses the given arguments, the first being the program's name.
///
/// # Errors
/// They are not what `C` takes; also for `--help` and `--version`.
pub fn parse_from<C: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<C, clap::Error> {
    C::try_parse_from(args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn parse(args: &[&str]) -> Result<ServeArgs, clap::Error> {
        parse_from::<Program>(["program"].iter().chain(args).map(Into::into)).map(|program| program.serve)
    }

    #[test]
    fn defaults() {
        let args = parse(&["--config", "x.toml"]).unwrap();
        assert_eq!(args.config, PathBuf::from("x.toml"));
        assert_eq!((args.listen, args.plaintext), (None, false));
        assert_eq!((args.log_format, args.reflection), (LogFormat::Json, Switch::On));
        assert_eq!(args.log_level, LogLevel(Targets::new().with_default(LevelFilter::INFO)));
        assert_eq!((args.lame_duck, args.drain_timeout), (Duration::from_secs(5), Duration::from_secs(40)));
    }

    #[test]
    fn flags() {
        let args = parse(&[
            "--config=x",
            "--listen=[::]:50051",
            "--plaintext",
            "--log-level=warn,h2=off",
            "--log-format=pretty",
            "--reflection=off",
            "--lame-duck=0s",
            "--drain-timeout=1m",
        ])
        .unwrap();
        assert_eq!(args.listen, Some("[::]:50051".parse().unwrap()));
        assert!(args.plaintext);
        let level = Targets::new().with_default(LevelFilter::WARN).with_target("h2", LevelFilter::OFF);
        assert_eq!(args.log_level, LogLevel(level));
        assert_eq!((args.log_format, args.reflection), (LogFormat::Pretty, Switch::Off));
        assert_eq!((args.lame_duck, args.drain_timeout), (Duration::ZERO, Duration::from_secs(60)));
    }

    #[test]
    fn bad_flags_are_refused() {
        for bad in [
            "--log-level=inof",
            "--log-level==info",
            "--log-level=",
            "--listen=here",
            "--lame-duck=5",
            "--nope",
        ] {
            assert!(parse(&["--config=x", bad]).is_err(), "{bad}");
        }
        assert!(parse(&[]).is_err(), "the configuration file is needed");
    }
}
