//! Signer and resizer as processes, of the binaries that are deployed, and an S3 server in this process.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use safelight_local::{
    Settings, Stack,
    s3::{EmbeddedS3, REGION},
};
use safelight_proto::{
    resizer::v1::resizer_service_client::ResizerServiceClient,
    signer::v1::{CreateUploadTokenRequest, upload_token_service_client::UploadTokenServiceClient},
};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};

/// The tenant.
pub(crate) const ACCOUNT: &str = "acme";
/// Variants that are made with an upload, by their widths.
pub(crate) const VARIANTS: [&str; 3] = ["w320", "w800", "w1600"];

/// A child process that serves.
pub(crate) struct Process(Child);

impl Process {
    /// Of a command that has been started.
    pub(crate) const fn new(child: Child) -> Self {
        Self(child)
    }

    /// CPU time that all its threads have used, user and system: proc_pid_stat(5), fields 14 and 15.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = self.read("stat");
        let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
        let ticks = fields.skip(11).take(2).map(|field| field.parse::<u64>().expect("clock ticks"));
        Duration::from_millis(ticks.sum::<u64>() * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// Resident bytes now, or the most that there were: `VmRSS` or `VmHWM` of proc_pid_status(5).
    pub(crate) fn memory(&self, which: &str) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("a number of kB") * 1024
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.0.id())).expect("a process that runs")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that is gone already cannot be ended, nor need it be.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Both services and the S3 server.
pub(crate) struct Site {
    pub(crate) resizer: Process,
    pub(crate) s3: EmbeddedS3,
    /// Where the resizer takes uploads over HTTP.
    pub(crate) http: SocketAddr,
    signer: Process,
    tokens: UploadTokenServiceClient<Channel>,
    grpc: SocketAddr,
    binaries: PathBuf,
    dir: PathBuf,
}

impl Site {
    /// Builds the binaries, writes configurations and starts everything. Nothing is changed in the services' defaults but what
    /// uploads need: two rules, of which one has `eager` variants, and the result store.
    pub(crate) async fn start(dir: &Path) -> Self {
        let binaries = build();
        let grant = "[[grants]]\ncaller = 'resizer'\nmethods = ['SignOriginRequest']\nkeys = ['s3-photos']\n\
            url_prefixes = ['{s3}/photos/results/']\nhttp_methods = ['GET', 'PUT']\n";
        let rule = format!(
            "[[uploads]]\nname = 'eager'\nkind = 'one-time'\nmax_bytes = '10MiB'\nsigning_key = 's3-photos'\nregion = '{REGION}'\n\
             content_types = ['image/gif', 'image/jpeg', 'image/png', 'image/webp']\nbase_url = '{{s3}}/photos/'\n"
        );
        let variants = VARIANTS.map(|name| {
            let width = name.trim_start_matches('w');
            format!("[variants.{name}]\nwidth = {width}\nformat = 'jpeg'\npublic = true\n")
        });
        let eager = format!(
            "[[uploads]]\nname = 'eager'\nkind = 'one-time'\nmax_bytes = '10MiB'\norigin = 'photos'\n\
             path = '/eager/{{account}}/{{token}}'\neager = {VARIANTS:?}\n"
        );
        let settings = Settings {
            signer_toml: format!("{grant}{rule}"),
            resizer_toml: format!("[results]\norigin = 'photos'\n{}{eager}", variants.concat()),
            ..Settings::default()
        };
        // The stack writes keys and configurations, and has the S3 server. Its services are not needed.
        let Stack { s3, signer, resizer, .. } = Stack::start(dir, settings).await.expect("a stack");
        let [at, http, grpc] = free();
        let public = format!(
            "public_variants = [\"thumbnail\", {}]",
            VARIANTS.map(|name| format!("{name:?}")).join(", ")
        );
        rewrite(
            dir,
            "signer.toml",
            &[("public_variants = [\"thumbnail\"]", &public), ("upload-tokens.redb", "bench-tokens.redb")],
        );
        rewrite(
            dir,
            "resizer.toml",
            &[
                (&signer.endpoint(), &format!("http://{at}")),
                ("listen = \"127.0.0.1:0\"", &format!("listen = \"{http}\"")),
                // The widest variant is wider than what the stack's route gives out.
                ("max_width = 1200", "max_width = 4000"),
                ("max_height = 1200", "max_height = 4000"),
            ],
        );
        drop((signer, resizer));
        let signer = serve(&binaries, "safelight-signer", &dir.join("signer.toml"), at);
        // The resizer connects at once, and after a failure only some time later.
        listening(at).await;
        let resizer = serve(&binaries, "safelight-resizer", &dir.join("resizer.toml"), grpc);
        listening(http).await;
        let channel = Endpoint::from_shared(format!("http://{at}")).expect("a URL").connect_lazy();
        let tokens = UploadTokenServiceClient::new(channel);
        Self { resizer, s3, http, signer, tokens, grpc, binaries, dir: dir.to_owned() }
    }

    /// Starts the resizer anew, with these `[limits]` in place of the defaults.
    pub(crate) async fn restart_resizer(&mut self, limits: &str) {
        let path = self.dir.join("resizer.toml");
        let text = fs::read_to_string(&path).expect("a configuration");
        let limited = self.dir.join("limited.toml");
        fs::write(&limited, text.replacen("[limits]\n", &format!("[limits]\n{limits}\n"), 1))
            .expect("a file");
        _ = self.resizer.0.kill();
        _ = self.resizer.0.wait();
        self.resizer = serve(&self.binaries, "safelight-resizer", &limited, self.grpc);
        listening(self.http).await;
    }

    /// CPU time of both services.
    pub(crate) fn cpu(&self) -> Duration {
        self.signer.cpu() + self.resizer.cpu()
    }

    /// A fresh upload token.
    pub(crate) async fn token(&self) -> String {
        let request = CreateUploadTokenRequest { account: ACCOUNT.into(), ..Default::default() };
        self.tokens.clone().create_upload_token(request).await.expect("a token").into_inner().token
    }

    /// A client of the resizer with a connection of its own.
    pub(crate) fn client(&self) -> ResizerServiceClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc)).expect("a URL");
        ResizerServiceClient::new(endpoint.connect_lazy())
    }

    /// Key id and secret of the S3 server.
    pub(crate) fn s3_credentials(&self) -> (String, String) {
        let text = fs::read_to_string(self.dir.join("signer.toml")).expect("a configuration");
        let id = text.lines().find_map(|line| line.strip_prefix("access_key_id = "));
        let id = id.expect("a key id").trim_matches('"').to_owned();
        (id, fs::read_to_string(self.dir.join("secrets/s3-photos-1")).expect("a secret"))
    }
}

/// Both binaries, as a release has them: the signer wipes freed memory by an allocator of its own.
fn build() -> PathBuf {
    let deps = std::env::current_exe().expect("a path");
    let target = deps.ancestors().nth(3).expect("the folder of builds").to_owned();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--release",
            "-p",
            "safelight-signer",
            "-p",
            "safelight-resizer",
            "--bins",
        ])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.is_ok_and(|status| status.success()), "the services must build");
    target.join("release")
}

/// Ports that are free now.
fn free() -> [SocketAddr; 3] {
    let ports = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    ports.map(|port| port.local_addr().expect("an address"))
}

fn rewrite(dir: &Path, name: &str, changes: &[(&str, &str)]) {
    let path = dir.join(name);
    let mut text = fs::read_to_string(&path).expect("a configuration");
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    fs::write(path, text).expect("a configuration");
}

fn serve(binaries: &Path, name: &str, config: &Path, listen: SocketAddr) -> Process {
    let mut command = Command::new(binaries.join(name));
    command.env_clear().arg("--config").arg(config).arg("--listen").arg(listen.to_string());
    // The log is written as in production: to where nobody waits for it.
    Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a service"))
}

async fn listening(address: SocketAddr) {
    let looking = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looking).await.expect("a service that listens");
}
