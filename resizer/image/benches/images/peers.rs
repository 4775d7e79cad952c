//! The other programs: where they are, and how one is asked for one picture.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{cases::Want, pictures::Picture, program::Program, reference::Light, server::Server};

/// What node runs.
const SHARP: &str = include_str!("sharp.cjs");
/// What oximg's own server sets for glibc, where nobody else does.
const TUNABLES: &str =
    "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864:glibc.malloc.arena_max=2";

/// Another program, running, in one process of its own.
pub(crate) trait Peer {
    /// With its version.
    fn name(&self) -> &str;

    /// Makes one output: milliseconds of CPU time of the whole process, user and system, and the file. `None`: it has no
    /// such output.
    fn run(&mut self, picture: &Picture, want: &Want) -> Option<(f64, Vec<u8>)>;
}

/// Starts a peer that is in a folder, for a light.
type Start = fn(&Path, Light) -> Option<Box<dyn Peer>>;

/// Starts those that are there (and in `only`, if that is given), and says which are not and how they are installed.
pub(crate) fn start(only: Option<&str>, light: Light) -> Vec<Box<dyn Peer>> {
    let folder = std::env::var_os("SAFELIGHT_BENCH").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/safelight-bench"),
        PathBuf::from,
    );
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    let starts: [(&str, Start); 3] = [("sharp", sharp), ("oximg", oximg), ("imgproxy", imgproxy)];
    for (name, start) in starts {
        if only.is_none_or(|only| only.split(',').any(|word| word == name)) {
            match start(&folder, light) {
                Some(peer) => peers.push(peer),
                None => eprintln!(
                    "SKIPPED: {name} is not in {}: sh resizer/image/benches/peers.sh {name}",
                    folder.display()
                ),
            }
        }
    }
    peers
}

/// sharp's module in node: one thread, nothing cached, everything else as it is.
fn sharp(folder: &Path, _: Light) -> Option<Box<dyn Peer>> {
    let modules =
        std::env::var_os("SAFELIGHT_SHARP").map_or_else(|| folder.join("node_modules"), PathBuf::from);
    let program = Program::start(Command::new("node").args(["-e", SHARP]).env("NODE_PATH", modules), true)?;
    Some(Box::new(program))
}

/// The crate's pipeline with its defaults, in a small program. It fits, and does not crop.
fn oximg(folder: &Path, light: Light) -> Option<Box<dyn Peer>> {
    let resize = if light == Light::Linear { "linear" } else { "srgb" };
    let mut command = Command::new(folder.join("bin/oximg"));
    command.env("OXIMG_RESIZE", resize).env("GLIBC_TUNABLES", TUNABLES);
    Some(Box::new(Program::start(&mut command, false)?))
}

/// The server with its defaults, over HTTP on this machine.
fn imgproxy(folder: &Path, _: Light) -> Option<Box<dyn Peer>> {
    let server = Server::start(
        &folder.join("bin/imgproxy"),
        "version",
        &|address, pictures, command| {
            command
                .env("IMGPROXY_BIND", address.to_string())
                .env("IMGPROXY_LOCAL_FILESYSTEM_ROOT", pictures)
                .env("IMGPROXY_LOG_LEVEL", "error");
        },
        |want, file| {
            let size = want.cover.map_or_else(
                || format!("rs:fit:{}:0", want.width),
                |height| format!("rs:fill:{}:{height}", want.width),
            );
            let format = want.format.short();
            Some(format!("/insecure/{size}/q:{}/plain/local:///{file}@{format}", want.quality))
        },
    )?;
    Some(Box::new(server))
}
