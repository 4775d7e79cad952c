//! The `main` of a service, in order: logs, configuration, runtime, listener, serve, drain.

use std::{net::SocketAddr, path::Path, process::ExitCode, time::Duration};

use tracing::field;

use crate::{
    BoxError,
    admin::Admin,
    cli::{ServeArgs, Switch},
    config::ConfigErrors,
    exit,
    server::{BindError, Server},
    shutdown::{Drain, Shutdown},
    telemetry,
};

/// How long tasks that are left may take once the server has stopped.
const RUNTIME_SHUTDOWN: Duration = Duration::from_secs(2);

/// A service as a process.
///
/// ```no_run
/// # use std::{net::{IpAddr, Ipv4Addr, SocketAddr}, process::ExitCode};
/// # use clap::Parser;
/// use safelight_chassis::{Process, cli, config, server::{Limits, Server}};
///
/// #[derive(Parser)]
/// struct Args {
///     #[command(flatten)]
///     serve: cli::ServeArgs,
/// }
///
/// fn main() -> ExitCode {
///     let args: Args = cli::parse();
///     let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50051);
///     Process { name: "echo", listen, workers: None }.run(
///         &args.serve,
///         |path| config::load(path, |section| section.required::<String>("greeting")),
///         |greeting| async move {
///             let server = Server::new(Limits::DEFAULT); // .service(EchoServer::new(Echo { greeting }))
///             server.health().ready().await;
///             Ok(server)
///         },
///     )
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Its name in the log.
    pub name: &'static str,
    /// Where it listens unless `--listen` says otherwise.
    pub listen: SocketAddr,
    /// Threads that run handlers; one for each core when `None`.
    pub workers: Option<usize>,
}

impl Process {
    /// Runs the service until SIGTERM or SIGINT.
    ///
    /// `configure` reads the configuration file; its errors, or [`ConfigErrors`] from `build`, are all logged
    /// and end the process with [`exit::USAGE`]. `build` puts the server together inside the runtime, and
    /// calls [`Health::ready`](crate::server::Health::ready), or has it called once all is there.
    pub fn run<C, F>(
        self,
        args: &ServeArgs,
        configure: impl FnOnce(&Path) -> Result<C, ConfigErrors>,
        build: impl FnOnce(C) -> F,
    ) -> ExitCode
    where
        F: Future<Output = Result<Server, BoxError>>,
    {
        telemetry::init(&args.log_level, args.log_format, telemetry::Output::Stdout);
        match self.start(args, configure, build) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => report(&*error),
        }
    }

    fn start<C, F>(
        self,
        args: &ServeArgs,
        configure: impl FnOnce(&Path) -> Result<C, ConfigErrors>,
        build: impl FnOnce(C) -> F,
    ) -> Result<(), BoxError>
    where
        F: Future<Output = Result<Server, BoxError>>,
    {
        let config = configure(&args.config)?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        if let Some(workers) = self.workers {
            runtime.worker_threads(workers);
        }
        let runtime = runtime.enable_all().thread_name(self.name).build()?;
        let end = runtime.block_on(self.serve(args, build(config)));
        runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
        end
    }

    async fn serve(
        self,
        args: &ServeArgs,
        build: impl Future<Output = Result<Server, BoxError>>,
    ) -> Result<(), BoxError> {
        let shutdown = Shutdown::new();
        shutdown.on_signals()?;
        let admin = args.admin_listen.map(Admin::bind).transpose()?;
        if let Some(admin) = &admin {
            tracing::info!(service = self.name, admin.addr = %admin.addr(), "admin port");
        }
        let server = tokio::select! {
            server = build => server?,
            () = shutdown.triggered() => return Ok(()),
        };
        let server = match args.reflection {
            Switch::On => server,
            Switch::Off => server.without_reflection(),
        };
        if let Some(admin) = &admin {
            admin.show(&server);
        }
        let bound = server.bind(args.listen.unwrap_or(self.listen), args.plaintext).await?;
        tracing::info!(service = self.name, version = env!("CARGO_PKG_VERSION"), listen.addr = %bound.local_addr(), http.addr = bound.http_addr().map(field::display), "listening");
        let drain = Drain { lame_duck: args.lame_duck, timeout: args.drain_timeout };
        match bound.drain(drain).serve(shutdown).await {
            Ok(()) => tracing::info!("drained"),
            Err(undrained) => tracing::warn!("{undrained}"),
        }
        Ok(())
    }
}

/// Logs why the process cannot run, and says so in its exit code.
fn report(error: &(dyn std::error::Error + Send + Sync + 'static)) -> ExitCode {
    if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
        for error in &errors.errors {
            tracing::error!(config.path = error.path, "configuration: {error}");
        }
        return ExitCode::from(exit::USAGE);
    }
    tracing::error!("{error}");
    ExitCode::from(match error.downcast_ref::<BindError>() {
        Some(BindError::Plaintext(_)) => exit::USAGE,
        Some(BindError::Listen { .. }) => exit::UNAVAILABLE,
        _ => exit::SOFTWARE,
    })
}
