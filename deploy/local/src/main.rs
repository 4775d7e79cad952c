//! `cargo local`: the whole of Safelight in one process, doing its main job once, then serving.

mod application;
mod client;
mod demo;
mod gallery;
mod lines;
mod say;
mod summary;

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;
use safelight_chassis::{
    BoxError,
    cli::{self, LogFormat, LogLevel},
    shutdown::Shutdown,
    telemetry::{self, Output},
};
use safelight_local::{Settings, Stack, keys, picture};

use crate::{
    application::Application,
    gallery::{Backend, Gallery},
    say::Say,
};

/// The audit trail, in the stack's directory.
const AUDIT_FILE: &str = "audit.jsonl";
/// The file of its key, among the secrets.
const AUDIT_KEY: &str = "audit";

/// What the route says besides: an uploaded picture that is marked as private is so in every variant, and a picture that a
/// variant makes larger than the route allows is made smaller.
const ROUTE: &str = "privacy = \"object\"\non_exceed = \"clamp\"\n";
/// What the resizer needs for that: URLs of public variants that are signed nevertheless are verified by themselves.
const ROUTE_GRANT: &str = "[[grants]]\ncaller = \"resizer\"\nmethods = [\"VerifyUrl\"]\nkeys = [\"web\"]\n\n";

/// Runs an S3 origin, a signer and a resizer with made-up keys; shows the main job once, then serves
#[derive(Debug, Parser)]
#[command(name = "cargo local", args_override_self = true)]
struct Args {
    /// Do the job once and exit; 0 only if every step did what it says
    #[arg(long)]
    once: bool,

    /// Print one JSON object on one line, and nothing else, to standard output once every step did what it says;
    /// then serve (or exit, with --once). Its keys: signer, resizer (gRPC), http, admin, origin (HTTP), each an address as
    /// host:port; files, a folder; keys, a list of {name, scheme}; signed_url and public_url, which a plain GET
    /// answers; upload_url, a fresh URL that takes one POST of a multipart form with a picture as its part "file";
    /// gallery, the URL of a page that uploads pictures and shows them; env, the variables that a backend needs (those of
    /// examples/), by name. Logs and failures go to standard error
    #[arg(long)]
    json: bool,

    /// A picture of yours instead of the generated one
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,

    /// Port of the signer (gRPC) [default: 50051]. A port that is named here must be free; of those that are not, another
    /// one is used if the default is taken
    #[arg(long, value_name = "PORT")]
    signer_port: Option<u16>,

    /// Port of the resizer (gRPC) [default: 50052]
    #[arg(long, value_name = "PORT")]
    resizer_port: Option<u16>,

    /// Port on which the resizer answers URLs (HTTP) [default: 8080]
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,

    /// Port of the resizer's /livez, /readyz and /metrics (HTTP) [default: 9090]
    #[arg(long, value_name = "PORT")]
    admin_port: Option<u16>,

    /// Port of the gallery, a page that uploads pictures and shows them (HTTP) [default: 8090]
    #[arg(long, value_name = "PORT")]
    gallery_port: Option<u16>,

    /// What to log besides: a level, and levels for parts of the program
    // The embedded S3 server logs each refusal as an error, and refusals are part of the show.
    #[arg(long, default_value = "warn,s3s=off,s3s_fs=off")]
    log_level: LogLevel,
}

#[expect(clippy::print_stderr, reason = "this program talks to a person")]
fn main() -> ExitCode {
    let args: Args = cli::parse();
    let output = if args.json { Output::Stderr } else { Output::Stdout };
    telemetry::init(&args.log_level, LogFormat::Pretty, output);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nFAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), BoxError> {
    let say = if args.json { Say::Nothing } else { Say::Lines };
    let (name, bytes) = match &args.image {
        None => ("lighthouse.jpg".to_owned(), picture::demo_jpeg()?),
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let name =
                path.file_name().map_or_else(|| "picture".into(), |name| name.to_string_lossy().into_owned());
            (name, bytes)
        }
    };
    // Before anything is served: a signal that comes early must end the program as well.
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let mut settings = Settings {
        signer_port: port("--signer-port", args.signer_port, 50051, say)?,
        resizer_port: port("--resizer-port", args.resizer_port, 50052, say)?,
        http_port: port("--http-port", args.http_port, 8080, say)?,
        admin_port: port("--admin-port", args.admin_port, 9090, say)?,
        route: ROUTE.into(),
        ..Settings::default()
    };
    let gallery_port = port("--gallery-port", args.gallery_port, 8090, say)?;
    // Kept, so that the outputs can be looked at.
    let dir = tempfile::Builder::new().prefix("safelight-").tempdir()?.keep();
    let (application, caller) = Application::make(&dir.join("secrets"))?;
    settings.signer_toml = kept(&dir)? + ROUTE_GRANT + &caller;
    let shown = async {
        let stack = Stack::start(&dir, settings).await?;
        let backend = Arc::new(Backend::new(&stack).await?);
        let gallery = Gallery::start(Arc::clone(&backend), gallery_port).await?;
        lines::addresses(&stack, &gallery, say);
        let shown = demo::run(&stack, &backend, &name, bytes.into(), say).await?;
        let env = application.env(&stack, backend.resizer());
        env.write(stack.dir())?;
        Ok::<_, BoxError>((stack, backend, gallery, shown, env))
    };
    let (stack, backend, gallery, shown, env) = tokio::select! {
        shown = shown => shown?,
        () = shutdown.triggered() => return Ok(()),
    };
    say.line("\nEvery step did what it says.");
    if args.json {
        let mut line = summary::of(&stack, &backend, &gallery, &shown, &env).await?.to_string();
        line.push('\n');
        let mut stdout = io::stdout().lock();
        stdout.write_all(line.as_bytes())?;
        stdout.flush()?;
    }
    if args.once {
        return Ok(());
    }
    lines::session(&stack, &gallery, &shown, say);
    say.line("\nServing until Ctrl-C.");
    shutdown.triggered().await;
    drop((gallery, backend));
    stack.resizer.stop().await?;
    stack.signer.stop().await?;
    Ok(())
}

/// A port to listen on: the one that was asked for, or else the usual one, or 0 for any if the usual one is taken (by
/// another stack, for instance).
///
/// # Errors
/// The one that was asked for is taken. It is not replaced: a script would go on with whatever else listens there.
fn port(option: &str, asked: Option<u16>, usual: u16, say: Say) -> Result<u16, BoxError> {
    let wanted = asked.unwrap_or(usual);
    match (TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)), asked) {
        (Err(error), Some(_)) => {
            Err(format!("{option}: port {wanted} of 127.0.0.1 cannot be listened on: {error}").into())
        }
        (Err(error), None) if error.kind() == io::ErrorKind::AddrInUse => {
            say.line(format_args!("Port {wanted} is taken; using another."));
            Ok(0)
        }
        // What else is wrong shows when it is listened on.
        _ => Ok(wanted),
    }
}

/// What this signer keeps in files, which a test has no use for: an audit trail.
fn kept(dir: &Path) -> io::Result<String> {
    keys::write_fresh(&dir.join("secrets"), AUDIT_KEY)?;
    let dir = dir.display();
    Ok(format!(
        r#"[audit]
sink = "file"
path = "{dir}/{AUDIT_FILE}"
key_file = "{dir}/secrets/{AUDIT_KEY}"

"#
    ))
}
