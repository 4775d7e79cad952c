//! `safelight-signer`: the signer as a process.

use std::{
    alloc::System,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use safelight_chassis::{
    Process,
    check::{self, CheckArgs},
    cli::{self, ServeArgs},
    exit,
    server::Server,
};
use safelight_signer::{Clock, Command, Config, DEFAULT_LISTEN, Signer, limits};
use zeroizing_alloc::ZeroAlloc;

/// Wipes what is freed: of a secret, many a crate makes a copy on its way, and none is left behind.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// Holds the keys: signs and verifies URLs, uploads and requests to private origins, over gRPC.
#[derive(Parser)]
#[command(
    name = "safelight-signer",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Args {
    #[command(subcommand)]
    command: Option<Beside>,

    #[command(flatten)]
    serve: Option<ServeArgs>,
}

/// What it does beside serving.
#[derive(Subcommand)]
enum Beside {
    /// Check a configuration file and the secret files that it names: say everything that is wrong, and serve nothing
    CheckConfig(CheckArgs),
    #[command(flatten)]
    Keys(Command),
}

fn main() -> ExitCode {
    match cli::parse() {
        Args { command: Some(Beside::CheckConfig(args)), .. } => {
            check::run(&args, Config::load, Config::summary, Config::findings, async |config| {
                Ok(config.check(Clock::system()).await)
            })
        }
        Args { command: Some(Beside::Keys(command)), .. } => run(&command),
        Args { serve: Some(args), .. } => serve(&args),
        // The parser asks for one of them.
        Args { command: None, serve: None } => ExitCode::from(exit::USAGE),
    }
}

fn run(command: &Command) -> ExitCode {
    let (text, is_ok) = match command.run(Clock::system().now()) {
        Ok(text) => (text, true),
        Err(error) => (format!("{error}\n"), false),
    };
    let written =
        if is_ok { io::stdout().write_all(text.as_bytes()) } else { io::stderr().write_all(text.as_bytes()) };
    if is_ok && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(exit::USAGE) }
}

fn serve(args: &ServeArgs) -> ExitCode {
    // One worker for each core: handlers compute, and wait for nothing but the store of upload tokens, without a thread.
    let process = Process { name: "safelight-signer", listen: DEFAULT_LISTEN, workers: None };
    let path = args.config.clone();
    process.run(args, Config::load, |config| async {
        let server = Server::new(limits()).reflection(safelight_proto::FILE_DESCRIPTOR_SET);
        let signer = Signer::open(config, Clock::system())?;
        signer.reload_from(path)?;
        let server = signer.add_to(server);
        // Keys are there. Not ready without credentials that have to be asked for: what is said of that is in the log, and the
        // pods that have theirs go on. Once there were some, the rest of the signer is worth more than to be taken away.
        if signer.has_credentials() {
            server.health().ready().await;
        } else {
            let (credentials, health) = (signer.credentials(), server.health().clone());
            tokio::spawn(async move {
                credentials.await;
                health.ready().await;
            });
        }
        Ok(server)
    })
}
