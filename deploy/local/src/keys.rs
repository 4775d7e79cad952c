//! Made-up secrets, as the files that a signer reads them from.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Bytes of randomness in a secret.
const SECRET_BYTES: usize = 32;

/// Writes a fresh random secret to `dir/name`, readable by its owner alone; answers path and secret.
///
/// # Errors
/// The file cannot be written, or the system gives no randomness.
pub fn write_fresh(dir: &Path, name: &str) -> io::Result<(PathBuf, String)> {
    let mut random = [0; SECRET_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let secret = hex::encode(random);
    Ok((write(dir, name, &secret)?, secret))
}

/// Writes a given secret to `dir/name`, readable by its owner alone.
///
/// # Errors
/// The file cannot be written.
pub fn write(dir: &Path, name: &str, secret: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let path = dir.join(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    file.write_all(secret.as_bytes())?;
    Ok(path)
}
