//! A PostgreSQL server of the test's own: Debian's, in a temporary folder, reached by a Unix socket.

use std::{
    env, fs,
    io::Write as _,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Where PostgreSQL's programs are, if not in Debian's folder.
const BIN: &str = "SAFELIGHT_POSTGRES_BIN";

/// In the names of sockets; and not one that the system gives to connections, so that there is no race for it.
pub(crate) const PORT: u16 = 15_432;

/// A running server. Dropped, it is stopped at once.
pub(crate) struct Postgres {
    bin: PathBuf,
    // Before its folder, for it is dropped first.
    server: Server,
    dir: TempDir,
    owner: Option<(u32, u32)>,
    settings: Vec<String>,
}

impl Postgres {
    /// A new server, or `None` and a line on stderr where there is no PostgreSQL.
    ///
    /// # Panics
    /// In CI, where there is none.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[], vec!["listen_addresses=".to_owned()])
    }

    /// The same with files in its data folder, and with settings.
    pub(crate) fn start_with(files: &[(&str, &str)], settings: Vec<String>) -> Option<Self> {
        let Some(bin) = programs() else {
            let line = format!(
                "NOT TESTED: PostgreSQL is neither in ${BIN} nor in /usr/lib/postgresql (apt: postgresql)"
            );
            assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{line}");
            // Not `eprintln!`: the test harness swallows that of a test that passes.
            drop(writeln!(std::io::stderr(), "{line}"));
            return None;
        };
        let dir = tempfile::Builder::new().prefix("safelight-pg-").tempdir().unwrap();
        // The server refuses to be root.
        let owner = is_root().then(|| (id("-u"), id("-g")));
        if let Some((user, group)) = owner {
            chown(dir.path(), Some(user), Some(group)).unwrap();
        }
        make(&bin, &dir.path().join("data"), owner);
        for (name, content) in files {
            let path = dir.path().join("data").join(name);
            fs::write(&path, content).unwrap();
            // It takes no key that others may read.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            if let Some((user, group)) = owner {
                chown(&path, Some(user), Some(group)).unwrap();
            }
        }
        let server = serve(&bin, dir.path(), owner, &settings);
        Some(Self { bin, server, dir, owner, settings })
    }

    /// What `url_file` is to hold.
    pub(crate) fn url(&self) -> String {
        format!("host={} port={PORT} user=safelight dbname=postgres", self.dir.path().display())
    }

    /// The same with spaces where a secret file has none.
    pub(crate) fn file_url(&self) -> String {
        let socket = self.dir.path().display().to_string().replace('/', "%2F");
        format!("postgres://safelight@{socket}:{PORT}/postgres")
    }

    /// Stops it without a checkpoint, as a crash would.
    pub(crate) fn crash(&mut self) {
        self.server.quit();
    }

    /// Starts it again; it recovers.
    pub(crate) fn recover(&mut self) {
        self.server = serve(&self.bin, self.dir.path(), self.owner, &self.settings);
    }
}

/// Its process, stopped when dropped.
struct Server(Child);

impl Server {
    /// "Immediate shutdown": the server and all its processes end without writing anything more.
    fn quit(&mut self) {
        if self.0.try_wait().unwrap().is_none() {
            let sent = Command::new("kill").args(["-QUIT", &self.0.id().to_string()]).status().unwrap();
            assert!(sent.success());
            self.0.wait().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.quit();
    }
}

/// Makes a server's data: by `initdb` the first time, which takes seconds, then as a copy of what that made.
fn make(bin: &Path, data: &Path, owner: Option<(u32, u32)>) {
    static MAKING: Mutex<()> = Mutex::new(());

    // A test that fails while it holds the lock leaves nothing half done: the template gets its name last.
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let version = bin.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("postgresql-{version}"));
    let copy = |from: &Path, to: &Path| {
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    };
    if template.exists() {
        copy(&template, data);
        return;
    }
    let made = command(bin, "initdb", owner)
        .args(["--auth=trust", "--username=safelight", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
        .arg(data)
        .output()
        .unwrap();
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    let unnamed = template.with_extension(std::process::id().to_string());
    copy(data, &unnamed);
    // Another run of the tests may have been faster.
    drop(fs::rename(&unnamed, &template));
}

fn programs() -> Option<PathBuf> {
    let is_there = |bin: &PathBuf| bin.join("postgres").is_file() && bin.join("initdb").is_file();
    if let Some(bin) = env::var_os(BIN) {
        return Some(PathBuf::from(bin)).filter(is_there);
    }
    let mut found: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(is_there)
        .collect();
    found.sort();
    found.pop()
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

/// The number of Debian's user for PostgreSQL.
fn id(which: &str) -> u32 {
    let output = Command::new("id").args([which, "postgres"]).output().unwrap();
    assert!(output.status.success(), "as root, PostgreSQL's tests need a user `postgres`");
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn command(bin: &Path, program: &str, owner: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(bin.join(program));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}

fn serve(bin: &Path, dir: &Path, owner: Option<(u32, u32)>, settings: &[String]) -> Server {
    let mut server = command(bin, "postgres", owner)
        .arg("-D")
        .arg(dir.join("data"))
        .args(["-p", &PORT.to_string()])
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .arg("-c")
        .arg(format!("unix_socket_directories={}", dir.display()))
        .args(["-c", "max_connections=64", "-c", "shared_buffers=16MB", "-c", "log_min_messages=fatal"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Server)
        .unwrap();
    let began = Instant::now();
    loop {
        let ready = command(bin, "pg_isready", owner)
            .arg("-qh")
            .arg(dir)
            .args(["-p", &PORT.to_string(), "-U", "safelight", "-d", "postgres"])
            .status()
            .unwrap();
        if ready.success() {
            return server;
        }
        let ended = server.0.try_wait().unwrap();
        assert!(ended.is_none() && began.elapsed() < Duration::from_secs(30), "PostgreSQL does not start");
        thread::sleep(Duration::from_millis(20));
    }
}
