//! `safelight-signer`: the signer as a process.

use std::process::ExitCode;

use clap::Parser;
use safelight_chassis::{
    Process,
    cli::{self, ServeArgs},
    server::Server,
};
use safelight_signer::{Clock, Config, DEFAULT_LISTEN, Signer, limits};

/// Holds the keys: signs and verifies URLs, uploads and requests to private origins, over gRPC.
#[derive(Parser)]
#[command(name = "safelight-signer", version)]
struct Args {
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    let args: Args = cli::parse();
    // One worker for each core: handlers compute, and wait for nothing but the store of upload tokens, without a thread.
    let process = Process { name: "safelight-signer", listen: DEFAULT_LISTEN, workers: None };
    process.run(&args.serve, Config::load, |config| async {
        let server = Server::new(limits()).reflection(safelight_proto::FILE_DESCRIPTOR_SET);
        let server = Signer::open(config, Clock::system())?.add_to(server);
        server.health().ready().await;
        Ok(server)
    })
}
