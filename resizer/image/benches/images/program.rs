//! A peer that is a program which takes orders from a pipe, one picture at a time.
//!
//! Orders are lines: `load LENGTH` and so many bytes, or `make WIDTH HEIGHT FORMAT QUALITY` (a height of 0: none, else the
//! size is filled by cropping). The program says its name and version first, and answers what it makes with a line
//! of CPU time in microseconds (user and system, all threads) and length, and the file.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::{cases::Want, peers::Peer, pictures::Picture};

/// The running process.
pub(crate) struct Program {
    name: String,
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Whether it can fill a size by cropping.
    covers: bool,
    /// The picture that it holds, by name.
    loaded: String,
}

impl Program {
    /// Starts it. `None`: it does not start.
    pub(crate) fn start(command: &mut Command, covers: bool) -> Option<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let (orders, mut answers) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut name = String::new();
        let length = answers.read_line(&mut name).unwrap_or(0);
        let name = name.trim().to_owned();
        let program = Self { name, child, orders, answers, covers, loaded: String::new() };
        (length > 0).then_some(program)
    }
}

impl Peer for Program {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&mut self, picture: &Picture, want: &Want) -> Option<(f64, Vec<u8>)> {
        if want.cover.is_some() && !self.covers {
            return None;
        }
        if self.loaded != picture.name {
            writeln!(self.orders, "load {}", picture.file.len()).expect("a peer that listens");
            self.orders.write_all(&picture.file).expect("a peer that listens");
            self.loaded.clone_from(&picture.name);
        }
        let (width, height) = (want.width, want.cover.unwrap_or(0));
        writeln!(self.orders, "make {width} {height} {} {}", want.format.short(), want.quality)
            .expect("a peer that listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("an answer");
        let (cpu, bytes) = answer.trim().split_once(' ').expect("a time and a length");
        let mut file = vec![0; bytes.parse().expect("a length")];
        self.answers.read_exact(&mut file).expect("a file");
        Some((cpu.parse::<f64>().expect("a time") / 1e3, file))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A process that is gone already cannot be ended, nor need it be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
