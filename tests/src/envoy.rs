//! A real Envoy with a configuration that `deploy/envoy` ships, but for ports and what a test replaces.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::counterpart;

/// How long Envoy may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Envoy. Dropping it ends it.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    listeners: BTreeMap<String, SocketAddr>,
    _dir: TempDir,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Envoy {
    /// Starts it with `deploy/envoy/FILE`: its listeners on ports of the loopback interface that are free, the texts of
    /// `replaced` by others, each of which stands there once. `None` without an Envoy on the `PATH`.
    ///
    /// # Errors
    /// It ends, or does not listen.
    ///
    /// # Panics
    /// A text is not there, or more than once; in CI, when there is no Envoy.
    pub async fn start(file: &str, replaced: &[(&str, &str)]) -> io::Result<Option<Self>> {
        let Some(program) = counterpart::program("envoy") else { return Ok(None) };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/envoy").join(file);
        let mut text = fs::read_to_string(shipped)?;
        for (shipped, here) in replaced {
            assert_eq!(text.matches(shipped).count(), 1, "{shipped}");
            text = text.replace(shipped, here);
        }
        for (shipped, here) in [
            ("address: 127.0.0.1, port_value: 9901", "address: 127.0.0.1, port_value: 0"),
            ("address: 0.0.0.0, port_value: 10000", "address: 127.0.0.1, port_value: 0"),
            ("address: 0.0.0.0, port_value: 10001", "address: 127.0.0.1, port_value: 0"),
        ] {
            text = text.replace(shipped, here);
        }
        let dir = tempfile::tempdir()?;
        let (config, admin) = (dir.path().join("envoy.yaml"), dir.path().join("admin"));
        fs::write(&config, text)?;
        let child = Command::new(program)
            .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"])
            .arg("--config-path")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin)
            .stdout(Stdio::null())
            .spawn()?;
        let mut envoy = Self { child, listeners: BTreeMap::new(), _dir: dir };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(listeners) = listeners(&admin).await {
                envoy.listeners = listeners;
                return Ok(Some(envoy));
            }
            if let Some(status) = envoy.child.try_wait()? {
                return Err(io::Error::other(format!("Envoy ended: {status}")));
            }
            if Instant::now() >= deadline {
                return Err(io::Error::other("Envoy does not listen"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where the listener of this name is.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn address(&self, listener: &str) -> SocketAddr {
        assert!(self.listeners.contains_key(listener), "{listener}: {:?}", self.listeners);
        self.listeners[listener]
    }
}

/// Envoy's listeners, once it is ready.
async fn listeners(admin: &Path) -> Option<BTreeMap<String, SocketAddr>> {
    let admin = fs::read_to_string(admin).ok()?;
    let ask = async |path: &str| {
        let answer = reqwest::get(format!("http://{}{path}", admin.trim())).await.ok()?;
        if answer.status() == 200 { answer.text().await.ok() } else { None }
    };
    ask("/ready").await?;
    let listeners: Json = serde_json::from_str(&ask("/listeners?format=json").await?).ok()?;
    let one = |listener: &Json| {
        let socket = &listener["local_address"]["socket_address"];
        let address = format!("{}:{}", socket["address"].as_str()?, socket["port_value"]).parse().ok()?;
        Some((listener["name"].as_str()?.to_owned(), address))
    };
    listeners["listener_statuses"].as_array()?.iter().map(one).collect()
}
