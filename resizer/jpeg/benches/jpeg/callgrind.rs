//! Instructions instead of time: the program starts itself under valgrind, once for each side of a case, and callgrind
//! counts inside [`counted`]. What else the machine does changes nothing.

use crate::measure::Line;
use std::process::{Command, Stdio};

/// The first argument of such a start; side, file of the input and the case follow.
pub const FLAG: &str = "--counted";

/// The two sides.
const SIDES: [&str; 2] = ["ours", "theirs"];

/// Whether valgrind is installed.
pub fn available() -> bool {
    Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Counts both sides of a case, which `words` describe to the started program.
pub fn line(case: String, input: &[u8], words: &[&str]) -> Line {
    let path = std::env::temp_dir().join(format!("safelight-bench-jpeg-{}", std::process::id()));
    std::fs::write(&path, input).expect("a temporary file");
    let [ours, theirs] = SIDES.map(|side| {
        let output = Command::new("valgrind")
            .args([
                "--tool=callgrind",
                "--callgrind-out-file=/dev/null",
                "--toggle-collect=*callgrind::counted*",
            ])
            .arg(std::env::current_exe().expect("this program"))
            .args([FLAG, side])
            .arg(&path)
            .args(words)
            .output()
            .expect("valgrind runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let count =
            said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse::<f64>().ok());
        count.expect("a count")
    });
    std::fs::remove_file(&path).expect("the temporary file");
    Line { case, unit: "instructions", ours, theirs }
}

/// In the started program: runs one side, once before the count, so that what is set up lazily is not in it.
pub fn run(side: &str, ours: &mut dyn FnMut(), theirs: &mut dyn FnMut()) {
    let mut chosen = || if side == SIDES[0] { ours() } else { theirs() };
    chosen();
    counted(&mut chosen);
}

#[inline(never)]
fn counted(run: &mut dyn FnMut()) {
    run();
    // Not a tail call, which would leave this function first.
    std::hint::black_box(());
}
