//! `cargo local`: the whole of Safelight in one process, doing its main job once, then serving.
#![expect(clippy::print_stdout, reason = "this program talks to a person")]

mod demo;
mod grpcurl;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use safelight_chassis::{
    BoxError,
    cli::{self, LogFormat, LogLevel},
    server::BindError,
    shutdown::Shutdown,
    telemetry,
};
use safelight_local::{Settings, Stack, StackError, keys, picture};

/// The audit trail, in the stack's directory.
const AUDIT_FILE: &str = "audit.jsonl";
/// The file of its key, among the secrets.
const AUDIT_KEY: &str = "audit";

/// Runs an S3 origin, a signer and a resizer with made-up keys; shows the main job once, then serves
#[derive(Debug, Parser)]
#[command(name = "cargo local")]
struct Args {
    /// Do the job once and exit; 0 only if every step did what it says
    #[arg(long)]
    once: bool,

    /// A picture of yours instead of the generated one
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,

    /// Port of the signer; another one is picked if it is taken
    #[arg(long, default_value_t = 50051)]
    signer_port: u16,

    /// Port of the resizer; another one is picked if it is taken
    #[arg(long, default_value_t = 50052)]
    resizer_port: u16,

    /// Port of the resizer for HTTP; another one is picked if it is taken
    #[arg(long, default_value_t = 8080)]
    http_port: u16,

    /// What to log besides: a level, and levels for parts of the program
    // The embedded S3 server logs each refusal as an error, and refusals are part of the show.
    #[arg(long, default_value = "warn,s3s=off,s3s_fs=off")]
    log_level: LogLevel,
}

fn main() -> ExitCode {
    let args: Args = cli::parse();
    telemetry::init(&args.log_level, LogFormat::Pretty);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            println!("the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nFAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), BoxError> {
    let (name, bytes) = match &args.image {
        None => ("lighthouse.jpg".to_owned(), picture::demo_jpeg()?),
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let name =
                path.file_name().map_or_else(|| "picture".into(), |name| name.to_string_lossy().into_owned());
            (name, bytes)
        }
    };
    // Kept, so that the outputs can be looked at.
    let dir = tempfile::Builder::new().prefix("safelight-").tempdir()?.keep();
    let stack = start(&args, &dir).await?;

    println!("Safelight, in one process, with keys made up just now:");
    println!("  origin   {} (S3, refuses what is not signed right)", stack.s3.endpoint());
    println!("  signer   {}", stack.signer.address());
    println!("  resizer  {}", stack.resizer.address());
    if let Some(http) = stack.resizer.http() {
        println!("  http     {http}");
    }
    println!("  files    {}", dir.display());
    let shown = demo::run(&stack, &name, bytes.into()).await?;
    println!("\nEvery step did what it says.");
    if args.once {
        return Ok(());
    }
    grpcurl::print(&stack, &shown);
    println!("\nServing until Ctrl-C.");
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    shutdown.triggered().await;
    stack.resizer.stop().await?;
    stack.signer.stop().await?;
    Ok(())
}

/// Starts on the ports asked for, or on others if these are taken: somebody else's may be running.
async fn start(args: &Args, dir: &Path) -> Result<Stack, StackError> {
    let settings = Settings {
        signer_port: args.signer_port,
        resizer_port: args.resizer_port,
        http_port: args.http_port,
        signer_toml: kept(dir)?,
        ..Settings::default()
    };
    match Stack::start(dir, settings).await {
        Err(StackError::Bind(BindError::Listen { source, .. }))
            if source.kind() == io::ErrorKind::AddrInUse =>
        {
            println!("A port is taken; using others.");
            let dir = dir.join("second");
            let signer_toml = kept(&dir)?;
            Stack::start(&dir, Settings { signer_toml, ..Settings::default() }).await
        }
        result => result,
    }
}

/// What this signer keeps in files, which a test has no use for: upload tokens and an audit trail.
fn kept(dir: &Path) -> io::Result<String> {
    keys::write_fresh(&dir.join("secrets"), AUDIT_KEY)?;
    let dir = dir.display();
    Ok(format!(
        r#"[upload_tokens]
path = "{dir}/upload-tokens.redb"

[audit]
sink = "file"
path = "{dir}/{AUDIT_FILE}"
key_file = "{dir}/secrets/{AUDIT_KEY}"

"#
    ))
}
