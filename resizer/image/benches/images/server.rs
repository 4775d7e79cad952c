//! A peer that is an HTTP server: its own process on this machine, which reads the pictures from a folder.

use std::{
    collections::HashSet,
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use crate::{cases::Want, clock::process_cpu, peers::Peer, pictures::Picture};

/// How often, and how long apart, a server that starts is looked for.
const STARTING: (usize, Duration) = (200, Duration::from_millis(50));
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// After an answer, until its process has done what remains.
const SETTLING: Duration = Duration::from_millis(3);

/// Sets the environment of a server by its address and the folder of pictures.
type Settings<'a> = &'a dyn Fn(SocketAddr, &OsStr, &mut Command);
/// The target that asks for an output of a file, if there is one.
type Target = fn(&Want, &str) -> Option<String>;

/// The running process.
pub(crate) struct Server {
    name: String,
    child: Child,
    folder: PathBuf,
    /// Names of pictures that are in the folder.
    written: HashSet<String>,
    address: SocketAddr,
    connection: BufReader<TcpStream>,
    target: Target,
}

impl Server {
    /// Starts a program. `None`: it is not there, or does not answer, or this system does not tell its CPU time.
    pub(crate) fn start(
        program: &Path,
        version: &str,
        settings: Settings<'_>,
        target: Target,
    ) -> Option<Self> {
        let output = Command::new(program).arg(version).stdin(Stdio::null()).output().ok()?;
        let stem = program.file_stem()?.to_str()?.to_owned();
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let name = if said.starts_with(&stem) { said } else { format!("{stem} {said}") };

        let folder = std::env::temp_dir().join(format!("safelight-bench-{}-{stem}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for pictures");
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).ok()?;
        let mut command = Command::new(program);
        settings(address, folder.as_os_str(), &mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let connection = (0..STARTING.0).find_map(|_| {
            sleep(STARTING.1);
            connect(address).ok()
        });
        let Some(connection) = connection.filter(|_| process_cpu(child.id()).is_some()) else {
            let _ = child.kill();
            let _ = child.wait();
            let _ = std::fs::remove_dir_all(&folder);
            return None;
        };
        Some(Self { name, child, folder, written: HashSet::new(), address, connection, target })
    }

    fn cpu(&self) -> f64 {
        process_cpu(self.child.id()).expect("a process that runs")
    }

    /// The body of an answer, on a connection that stays.
    fn get(&mut self, target: &str) -> std::io::Result<Vec<u8>> {
        let bad = |words: String| std::io::Error::other(words);
        let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nAccept: image/*\r\n\r\n", self.address);
        self.connection.get_mut().write_all(request.as_bytes())?;
        let mut line = || {
            let mut line = String::new();
            let length = self.connection.read_line(&mut line)?;
            if length == 0 { Err(bad("the connection ended".to_owned())) } else { Ok(line.trim().to_owned()) }
        };
        let status = line()?;
        let (mut length, mut chunked) = (None, false);
        loop {
            let header = line()?.to_ascii_lowercase();
            match header.split_once(':') {
                None if header.is_empty() => break,
                Some(("content-length", value)) => length = value.trim().parse::<usize>().ok(),
                Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
                _ => {}
            }
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let mut size = String::new();
                self.connection.read_line(&mut size)?;
                let size = usize::from_str_radix(size.trim(), 16).map_err(|error| bad(error.to_string()))?;
                let start = body.len();
                body.resize(start + size + 2, 0);
                self.connection.read_exact(&mut body[start..])?;
                body.truncate(start + size);
                if size == 0 {
                    break;
                }
            }
        } else {
            body.resize(length.ok_or_else(|| bad(format!("{status}: no length")))?, 0);
            self.connection.read_exact(&mut body)?;
        }
        if status.contains(" 200 ") || status.ends_with(" 200") {
            Ok(body)
        } else {
            Err(bad(format!("{target}: {status}: {}", String::from_utf8_lossy(&body))))
        }
    }
}

impl Peer for Server {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&mut self, picture: &Picture, want: &Want) -> Option<(f64, Vec<u8>)> {
        let file = format!("{}.{}", picture.name, picture.extension);
        let target = (self.target)(want, &file)?;
        if self.written.insert(file.clone()) {
            std::fs::write(self.folder.join(&file), &picture.file).expect("a file");
        }
        let start = self.cpu();
        let body = self.get(&target).or_else(|_| {
            // A connection may have been idle for too long.
            self.connection = connect(self.address)?;
            self.get(&target)
        });
        sleep(SETTLING);
        let cpu = self.cpu() - start;
        match body {
            Ok(body) => Some((cpu, body)),
            Err(error) => {
                eprintln!("{}: {error}", self.name);
                self.connection = connect(self.address).expect("a server that listens");
                None
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that is gone already cannot be ended, nor need it be; the folder is one for temporary files.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn connect(address: SocketAddr) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}
