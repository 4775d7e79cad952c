//! The backend in Node that does the same, as a child process.

use std::{
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Command, Stdio},
};

use safelight_local::{s3::REGION, stack::BUCKET};

use crate::site::{Process, Site};

/// The program that node runs.
const SCRIPT: &str = include_str!("../uploads_peer.js");
/// Packages that it needs.
const PACKAGES: &str = "sharp express busboy @aws-sdk/client-s3";

/// The running backend.
pub(crate) struct Peer {
    /// With versions.
    pub(crate) name: String,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Peer {
    /// Starts it, on the site's S3 server; says so where it is not there.
    pub(crate) fn start(site: &Site) -> Option<Self> {
        let folder = std::env::var_os("SAFELIGHT_SHARP").map_or_else(
            || {
                PathBuf::from(std::env::var_os("HOME").unwrap_or_default())
                    .join(".cache/safelight-bench/node_modules")
            },
            PathBuf::from,
        );
        let (id, secret) = site.s3_credentials();
        let started = Command::new("node")
            .args(["-e", SCRIPT])
            .env("NODE_PATH", &folder)
            .env("NODE_ENV", "production")
            .env("S3_ENDPOINT", site.s3.endpoint())
            .env("S3_REGION", REGION)
            .env("S3_BUCKET", BUCKET)
            .env("S3_KEY_ID", id)
            .env("S3_SECRET", secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let peer = started.ok().and_then(|mut child| {
            let mut line = String::new();
            BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
            let process = Process::new(child);
            let said: serde_json::Value = serde_json::from_str(&line).ok()?;
            let port = u16::try_from(said["port"].as_u64()?).ok()?;
            let name = said["name"].as_str()?.to_owned();
            Some(Self { name, process, address: (Ipv4Addr::LOCALHOST, port).into() })
        });
        if peer.is_none() {
            eprintln!(
                "SKIPPED: the backend in Node does not start with the packages in {}: \
                 npm install --prefix ~/.cache/safelight-bench {PACKAGES}",
                folder.display()
            );
        }
        peer
    }

    /// Its name, with what it does to check a file.
    pub(crate) fn checking(&self, check: &str) -> String {
        let what = match check {
            "variants" => "3 variants made",
            "decode" => "decoded",
            _ => "header read",
        };
        format!("{}: {what}", self.name)
    }
}
