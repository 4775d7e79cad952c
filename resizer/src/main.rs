//! The resizer as a process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::ExitCode,
};

use clap::Parser;
use safelight_chassis::{
    Process,
    check::{self, Command},
    cli::{self, ServeArgs},
    exit,
    server::Server,
};
use safelight_resizer::{Config, Resizer, access::Watch, http, limits};

/// Threads for the network: pixels have a pool of their own.
const NETWORK_THREADS: usize = 2;

/// Resizes private images over gRPC. Holds no key.
#[derive(Debug, Parser)]
#[command(
    name = "safelight-resizer",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serve: Option<ServeArgs>,

    /// Address to answer URLs on over HTTP, in place of that of [http]; port 0 picks a free one
    #[arg(long, env = "SAFELIGHT_HTTP_LISTEN", value_name = "ADDR", hide_env_values = true)]
    http_listen: Option<SocketAddr>,
}

fn main() -> ExitCode {
    match cli::parse() {
        Args { command: Some(Command::CheckConfig(args)), .. } => {
            check::run(&args, Config::load, Config::summary, Config::findings, async |config| {
                Ok(Resizer::new(config)?.check().await)
            })
        }
        Args { serve: Some(args), http_listen, .. } => serve(&args, http_listen),
        // The parser asks for one of them.
        Args { command: None, serve: None, .. } => ExitCode::from(exit::USAGE),
    }
}

fn serve(args: &ServeArgs, http_listen: Option<SocketAddr>) -> ExitCode {
    let process = Process {
        name: "safelight-resizer",
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50052)),
        workers: Some(NETWORK_THREADS),
    };
    let configure = |path: &Path| {
        let mut config = Config::load(path)?;
        if let Some(listen) = http_listen {
            config.http =
                Some(http::Config { listen, ..config.http.unwrap_or_else(|| http::Config::at(listen)) });
        }
        Ok(config)
    };
    let path = args.config.clone();
    process.run(args, configure, async |config| {
        let watch = Watch::new(&config, path);
        let server = Server::new(limits()).reflection(safelight_proto::FILE_DESCRIPTOR_SET);
        let resizer = Resizer::new(config)?;
        resizer.watch_agreement();
        resizer.do_upload_tasks();
        let server = resizer.add_to(server);
        server.metrics().watch_reloads("configuration", watch.start()?);
        server.health().ready().await;
        Ok(server)
    })
}
