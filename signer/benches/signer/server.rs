//! The signer's server with one method more, in a runtime of one worker.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, LazyLock},
    time::Duration,
};

use http::Extensions;
use safelight_chassis::{
    access::{Authorise, Caller, Method, Methods},
    config,
    server::Server,
    shutdown::Shutdown,
};
use safelight_signer::{
    Clock, Config, Signer,
    access::{Grants, METHODS},
    limits,
};
use tokio::runtime::Runtime;

use crate::empty::{self, BenchServer};

const GRANTS: &str = "[[grants]]\ncaller = 'anonymous'\nmethods = ['*']\nkeys = ['*']\n";

/// The signer's grants, and one for the empty method.
#[derive(Debug)]
struct Access(Grants);

/// The signer's methods, and the empty one.
static ALL: LazyLock<Methods> = LazyLock::new(|| {
    let (service, name) = empty::PATH[1..].split_once('/').expect("a service and a method");
    let all = METHODS.iter().copied().chain([Method::new(service, name)]);
    Methods::new(all.collect::<Vec<_>>().leak())
});

impl Authorise for Access {
    fn methods(&self) -> Methods {
        *ALL
    }

    fn authorise(&self, caller: &Caller, method: &'static Method, extensions: &mut Extensions) -> bool {
        // The empty method passes the same look-ups.
        let asked = METHODS.of_name(method.name).unwrap_or(&METHODS[0]);
        self.0.granted(caller, asked).map(|granted| extensions.insert(granted)).is_some()
    }
}

/// The name of its one worker thread.
const THREAD: &str = "server";

/// A server that serves for as long as this lives.
pub struct Running {
    pub addr: SocketAddr,
    _runtime: Runtime,
    _secret: tempfile::TempDir,
}

impl Running {
    pub fn start() -> Self {
        let secret = tempfile::tempdir().expect("a directory");
        let file = secret.path().join("web-1");
        fs::write(&file, "fake-secret-of-the-benchmark").expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).expect("a mode");
        let text = format!(
            "{GRANTS}[[keys]]\nname = 'web'\nscheme = 'cloudflare-images'\nmax_ttl = '24h'\n\
             versions = [{{ id = 1, state = 'primary', secret_file = '{file}' }}]\n\
             [[keys]]\nname = 's3'\nscheme = 'aws-sigv4'\n\
             versions = [{{ id = 1, state = 'primary', access_key_id = 'AKIAFAKE', secret_file = '{file}' }}]\n\
             [[deliveries]]\nname = 'web'\npath = '/{{account}}/{{key...}}/{{variant}}'\n\
             object_key = 'originals/{{account}}/{{key}}'\nurl_key = 'web'\nsigning_key = 's3'\n\
             region = 'eu-west-1'\nbase_url = 'https://photos.s3.eu-west-1.amazonaws.com/'\n",
            file = file.display()
        );
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(THREAD)
            .enable_all()
            .build()
            .expect("a runtime");
        let addr = runtime.block_on(async {
            let config = Config::read(&text).expect("a configuration");
            let signer = Signer::new(config, Clock::system());
            let grants = config::read(GRANTS, Grants::read).expect("grants");
            let server = signer
                .add_to(Server::new(limits()))
                .service(BenchServer::new())
                .authorise(Arc::new(Access(grants)));
            let bound = server.bind(([127, 0, 0, 1], 0).into(), false).await.expect("a port");
            let addr = bound.local_addr();
            tokio::spawn(bound.serve(Shutdown::new()));
            addr
        });
        Self { addr, _runtime: runtime, _secret: secret }
    }

    /// CPU time that its worker has taken so far, the system's part included. Zero where the system does not tell.
    pub fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten().map(|task| task.path());
        let worker = tasks
            .into_iter()
            .find(|task| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == THREAD));
        let stat = worker.and_then(|task| fs::read_to_string(task.join("schedstat")).ok());
        let nanoseconds = stat.and_then(|stat| stat.split(' ').next()?.parse().ok());
        Duration::from_nanos(nanoseconds.unwrap_or(0))
    }
}
