//! The signer as a process: reloading, its memory, the audit trail, credentials, deliveries, uploads, signals, `check-config`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[cfg(test)]
mod audit;
mod check;
mod credentials;
mod deliveries;
mod memory;
mod reload;
mod uploads;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// How long anything may take: far more than it does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Signer {
    process: Child,
    pub(crate) address: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Signer {
    pub(crate) fn start(config: &Path) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_safelight-signer")).env_clear(), config)
    }

    /// One with these variables in its environment, and no others.
    pub(crate) fn start_with(config: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_safelight-signer"));
        Self::spawn(command.env_clear().envs(environment.iter().copied()), config)
    }

    /// One that can write files of this many bytes (in blocks of 1,024), as on a disk that is full.
    pub(crate) fn start_with_little_disk(config: &Path, blocks: u32) -> Self {
        let script = format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$0\" \"$@\"");
        let program = env!("CARGO_BIN_EXE_safelight-signer");
        Self::spawn(Command::new("bash").args(["-c", &script, program]), config)
    }

    fn spawn(command: &mut Command, config: &Path) -> Self {
        let mut process = command
            .args(["--config", config.to_str().unwrap(), "--listen", "127.0.0.1:0", "--lame-duck", "0s"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                written.lock().unwrap().push(line);
            }
        });
        let mut signer = Self { process, address: String::new(), log };
        let listening = signer.logged("\"listening\"", 1);
        let json: serde_json::Value = serde_json::from_str(&listening).unwrap();
        let text = json.to_string();
        let at = text.find("127.0.0.1:").unwrap();
        let end = text[at..].find('"').unwrap();
        signer.address = format!("http://{}", &text[at..at + end]);
        signer
    }

    /// The `count`th line with this text, once it is there.
    pub(crate) fn logged(&self, text: &str, count: usize) -> String {
        let since = Instant::now();
        loop {
            let log = self.log.lock().unwrap();
            if let Some(line) = log.iter().filter(|line| line.contains(text)).nth(count - 1) {
                return line.clone();
            }
            assert!(since.elapsed() < PATIENCE, "{text:?} is not logged: {log:#?}");
            drop(log);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// As the system knows it.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn hangup(&self) {
        self.kill("-HUP");
    }

    fn kill(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Asks it to stop, and waits until it has. The runtime goes on meanwhile: the signer drains until its clients, which
    /// live there, have closed their connections.
    pub(crate) async fn stop(mut self) {
        self.kill("-TERM");
        let status = loop {
            match self.process.try_wait().unwrap() {
                Some(status) => break status,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        assert!(status.success());
    }

    /// As `kill -9`.
    pub(crate) fn crash(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn whole_log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
        // Part of the test's output, in which CI looks for secrets.
        println!("{}", self.whole_log());
    }
}

pub(crate) fn write(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// As editors do: another file, renamed.
pub(crate) fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    write(&new, content);
    fs::rename(new, path).unwrap();
}
