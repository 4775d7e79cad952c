//! Programs of other makers that some tests run our services against: found, or missed loudly.
//!
//! A developer without Node still gets a green run, and a line that says what was not tested. In CI (`CI=true`) a
//! missing counterpart is a failure: a test that nobody ever runs proves nothing.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The Python that has the counterparts' packages (`boto3`, `cloudinary`, …), for instance of a virtual environment.
pub const PYTHON: &str = "SAFELIGHT_PYTHON";
/// The `node_modules` folder that has the counterparts' packages (`cloudinary`, …).
pub const NODE_MODULES: &str = "SAFELIGHT_NODE_PATH";

/// The interpreter that [`PYTHON`] names.
///
/// # Panics
/// In CI, when it is not there.
pub fn python() -> Option<PathBuf> {
    or_miss(named(std::env::var_os(PYTHON), Path::is_file), PYTHON, in_ci())
}

/// The folder that [`NODE_MODULES`] names.
///
/// # Panics
/// In CI, when it is not there.
pub fn node_modules() -> Option<PathBuf> {
    or_miss(named(std::env::var_os(NODE_MODULES), Path::is_dir), NODE_MODULES, in_ci())
}

/// A program on the `PATH`, such as `grpcurl` or `node`.
///
/// # Panics
/// In CI, when it is not there.
pub fn program(name: &str) -> Option<PathBuf> {
    or_miss(on_path(name, &std::env::var_os("PATH").unwrap_or_default()), name, in_ci())
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

fn named(value: Option<OsString>, is_there: fn(&Path) -> bool) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| is_there(path))
}

fn on_path(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

fn or_miss(found: Option<PathBuf>, name: &str, in_ci: bool) -> Option<PathBuf> {
    if found.is_none() {
        let line =
            format!("NOT TESTED: the counterpart {name} is not there (see tests/counterparts/README.md)");
        assert!(!in_ci, "{line}");
        // Not `eprintln!`: the test harness swallows that of a test that passes.
        drop(writeln!(std::io::stderr(), "{line}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("tool");
        std::fs::write(&tool, "").unwrap();
        let path = std::env::join_paths([Path::new("/nowhere"), folder.path()]).unwrap();
        assert_eq!(on_path("tool", &path), Some(tool.clone()));
        assert_eq!(on_path("other", &path), None);
        assert_eq!(named(Some(tool.clone().into()), Path::is_file), Some(tool.clone()));
        assert_eq!(named(Some(tool.into()), Path::is_dir), None);
        assert_eq!(named(None, Path::is_file), None);
    }

    #[test]
    fn missing_is_none_on_a_desk() {
        assert_eq!(or_miss(None, "(none: this tests the line itself)", false), None);
    }

    #[test]
    #[should_panic(expected = "NOT TESTED: the counterpart tool is not there")]
    fn missing_fails_in_ci() {
        or_miss(None, "tool", true);
    }
}
