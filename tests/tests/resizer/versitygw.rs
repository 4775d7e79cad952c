//! An S3 server that is not ours, versitygw: it verifies what the signer signs for the resizer.

use std::{
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
};

use safelight_local::{Settings, picture::sample};
use safelight_proto::reason::Reason;
use safelight_tests::counterpart;
use tempfile::TempDir;

use crate::harness::*;

pub(crate) const ACCESS_KEY_ID: &str = "AKIAVERSITY";
pub(crate) const SECRET: &str = "made-up-secret-of-versitygw";
pub(crate) const REGION: &str = "eu-central-1";
const KEYS: [&str; 5] =
    ["plain.png", "dir/a b+c.png", "ü/写真 🖼.png", "a%20b=c&d.png", "a:b@c;d,e$f!*'().png"];

/// A running server, over the files of a folder. Ends when dropped.
pub(crate) struct Versitygw {
    child: Child,
    pub(crate) port: u16,
    dir: TempDir,
}

impl Drop for Versitygw {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Versitygw {
    pub(crate) async fn start() -> Option<Self> {
        let program = counterpart::program("versitygw")?;
        let dir = tempfile::tempdir().unwrap();
        for (width, key) in (1..).zip(KEYS) {
            let file = dir.path().join("my.photos").join(key);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, sample::png(width, 1).unwrap()).unwrap();
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .env_clear()
            .args(["--quiet", "--port", &format!("127.0.0.1:{port}"), "--region", REGION])
            .args(["--access", ACCESS_KEY_ID, "--secret", SECRET, "posix"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, port, dir };
        eventually("versitygw listens", async || {
            assert_eq!(server.child.try_wait().unwrap(), None, "versitygw ended");
            tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()
        })
        .await;
        Some(server)
    }

    /// A file below the folder of a bucket.
    pub(crate) fn file(&self, key: &str) -> std::path::PathBuf {
        self.dir.path().join("my.photos").join(key)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn origin(&self, name: &str, region: &str, key: &str) -> String {
        let port = self.port;
        format!(
            "[origins.{name}]\nkind = 's3'\nbucket = 'my.photos'\nregion = '{region}'\nsigning_key = '{key}'\n\
             endpoint = 'http://127.0.0.1:{port}'\nallow_private_network = true\n"
        )
    }
}

#[tokio::test]
async fn an_independent_server_takes_our_signatures() {
    let Some(server) = Versitygw::start().await else { return };
    let secrets = tempfile::tempdir().unwrap();
    let mut signer_toml = format!(
        "[[grants]]\ncaller = 'resizer'\nmethods = ['SignOriginRequest']\nkeys = ['*']\n\
         url_prefixes = ['http://127.0.0.1:{}/']\n",
        server.port
    );
    for (name, secret) in [("versity", SECRET), ("wrong", "another-secret")] {
        let file = secrets.path().join(name);
        std::fs::write(&file, secret).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
        signer_toml += &format!(
            "[[keys]]\nname = '{name}'\nscheme = 'aws-sigv4'\n[[keys.versions]]\nid = 1\nstate = 'primary'\n\
             access_key_id = '{ACCESS_KEY_ID}'\nsecret_file = '{}'\n",
            file.display()
        );
    }
    let resizer_toml = server.origin("right", REGION, "versity")
        + &server.origin("elsewhere", "us-east-1", "versity")
        + &server.origin("wrong", REGION, "wrong");
    let local = start(Settings { signer_toml, resizer_toml, ..Settings::default() }).await;

    for (width, key) in (1..).zip(KEYS) {
        let made = local.resize_object(object_of("right", key)).await;
        assert_eq!(size(&made.unwrap_or_else(|status| panic!("{key}: {status}"))), (width, 1), "{key}");
    }
    refused(local.resize_object(object_of("right", "missing.png")).await, Reason::OriginNotFound);
    for origin in ["wrong", "elsewhere"] {
        refused(local.resize_object(object_of(origin, KEYS[0])).await, Reason::OriginDenied);
    }
}
