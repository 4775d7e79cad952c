//! The resizer as a process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use clap::Parser;
use safelight_chassis::{
    Process,
    cli::{self, ServeArgs},
    server::Server,
};
use safelight_resizer::{Config, Resizer, limits};

/// Threads for the network: pixels have a pool of their own.
const NETWORK_THREADS: usize = 2;

/// Resizes private images over gRPC. Holds no key.
#[derive(Debug, Parser)]
#[command(name = "safelight-resizer", version)]
struct Args {
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    let args: Args = cli::parse();
    let process = Process {
        name: "safelight-resizer",
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50052)),
        workers: Some(NETWORK_THREADS),
    };
    process.run(&args.serve, Config::load, async |config| {
        let server = Server::new(limits()).reflection(safelight_proto::FILE_DESCRIPTOR_SET);
        let resizer = Resizer::new(config)?;
        resizer.watch_agreement();
        let server = resizer.add_to(server);
        server.health().ready().await;
        Ok(server)
    })
}
