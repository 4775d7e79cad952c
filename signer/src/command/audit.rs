//! `safelight-signer audit verify FILE`: whether an audit file holds.

use std::path::PathBuf;

use clap::Subcommand;

use super::CommandError;
use crate::{audit::verify, keyring::read_secret};

/// What can be done with an audit file.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check that no record was cut out, put in, moved or edited
    Verify(Args),
}

/// Which file, and under which key.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The audit file
    file: PathBuf,

    /// The audit key: `key_file` of `[audit]`
    #[arg(long, value_name = "PATH")]
    key_file: PathBuf,

    /// A hash that an earlier check printed: it must still be in the chain, so that nothing was cut off at the end
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
}

/// Does it; answers what is to be printed.
pub(super) fn run(command: &Command) -> Result<String, CommandError> {
    let Command::Verify(Args { file, key_file, head }) = command;
    let key = read_secret(key_file).map_err(|why| CommandError::File(key_file.clone(), why))?;
    let report = verify::verify(file, &key, head.as_deref())
        .map_err(|fault| CommandError::File(file.clone(), fault.to_string()))?;
    let end = if report.closed {
        "the signer that wrote it has stopped in order"
    } else {
        "a signer is writing it, or was killed, or records were cut off at the end: compare with a head that you noted"
    };
    Ok(format!("{} records hold; {end}\nhead {}\n", report.records, report.head))
}
