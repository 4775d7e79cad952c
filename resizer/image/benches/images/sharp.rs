//! sharp (npm) in a process of its own, one run at a time.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use safelight_image::options::Fit;

use crate::cases::{Case, QUALITY};

/// The program that node runs.
const SCRIPT: &str = include_str!("sharp.cjs");

/// The running process.
pub(crate) struct Sharp {
    /// With its version and libvips's.
    pub(crate) name: String,
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// The picture that it holds, by name.
    loaded: String,
}

impl Sharp {
    /// Starts it; says so where it is not there.
    pub(crate) fn start() -> Option<Self> {
        let folder = std::env::var_os("SAFELIGHT_SHARP").map_or_else(
            || {
                PathBuf::from(std::env::var_os("HOME").unwrap_or_default())
                    .join(".cache/safelight-bench/node_modules")
            },
            PathBuf::from,
        );
        let started = Command::new("node")
            .args(["-e", SCRIPT])
            .env("NODE_PATH", &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let named = started.ok().and_then(|mut child| {
            let (orders, mut answers) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
            let mut name = String::new();
            let length = answers.read_line(&mut name).unwrap_or(0);
            let name = name.trim().to_owned();
            let sharp = Self { name, child, orders, answers, loaded: String::new() };
            (length > 0).then_some(sharp)
        });
        if named.is_none() {
            eprintln!(
                "SKIPPED: node does not find sharp in {}: npm install --prefix ~/.cache/safelight-bench sharp",
                folder.display()
            );
        }
        named
    }

    /// Makes a case's output: milliseconds of CPU time of the whole process, and the file.
    pub(crate) fn run(&mut self, case: &Case<'_>) -> (f64, Vec<u8>) {
        if self.loaded != case.picture.name {
            let length = case.picture.file.len();
            self.order(&serde_json::json!({ "load": length }));
            self.orders.write_all(&case.picture.file).expect("sharp listens");
            self.loaded.clone_from(&case.picture.name);
        }
        let fit = if case.options.fit == Fit::Cover { "cover" } else { "inside" };
        let (width, height) = (case.options.width, case.options.height);
        self.order(&serde_json::json!({ "width": width, "height": height, "fit": fit, "quality": QUALITY }));
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("sharp answers");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("an answer in JSON");
        let number = |field: &str| answer[field].as_u64().expect("a number");
        let mut file = vec![0; usize::try_from(number("bytes")).expect("a length")];
        self.answers.read_exact(&mut file).expect("sharp's file");
        #[expect(clippy::cast_precision_loss, reason = "microseconds of one run")]
        let milliseconds = number("cpu") as f64 / 1e3;
        (milliseconds, file)
    }

    fn order(&mut self, order: &serde_json::Value) {
        writeln!(self.orders, "{order}").expect("sharp listens");
    }
}

impl Drop for Sharp {
    fn drop(&mut self) {
        // A process that is gone already cannot be ended, nor need it be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
