//! Subcommands beside serving: `keygen`, `rotate`, `seal`, `audit`. They write new files and overwrite none.
//!
//! # Layout
//! - `keygen`: a new key
//! - `rotate`: the next version of a key, and the plan of its rotation
//! - `seal`: a secret, encrypted for one use
//! - `audit`: checks an audit file
//! - `generate`: fresh secrets, as each scheme writes them
//! - `file`: new files

mod audit;
mod file;
mod generate;
mod keygen;
mod rotate;
mod seal;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::Subcommand;
use safelight_chassis::config::ConfigErrors;

use toml::Table;

use crate::keyring::{Algorithm, Scheme, identifier_option};

/// What `safelight-signer` does beside serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a new secret and print the table of `keys` that uses it
    Keygen(keygen::Args),
    /// Write the next secret of a key; print the configuration with it, and the plan of the rotation
    Rotate(rotate::Args),
    /// Encrypt a secret file under a key-encryption key, for one version of one key
    Seal(seal::Args),
    /// Check an audit file
    #[command(subcommand)]
    Audit(audit::Command),
}

impl Command {
    /// Does it; answers what is to be printed. `now` is in Unix seconds.
    ///
    /// # Errors
    /// Arguments, configuration or files do not allow it. No error shows a secret.
    pub fn run(&self, now: u64) -> Result<String, CommandError> {
        match self {
            Self::Keygen(args) => keygen::run(args),
            Self::Rotate(args) => rotate::run(args, now),
            Self::Seal(args) => seal::run(args),
            Self::Audit(command) => audit::run(command),
        }
    }
}

/// Why a subcommand did nothing, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration is not one that a signer would start with.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// A file cannot be read, or written anew.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, String),
    /// The request cannot be met.
    #[error("{0}")]
    Refused(String),
}

fn refused<T>(why: impl Into<String>) -> Result<T, CommandError> {
    Err(CommandError::Refused(why.into()))
}

/// Writes the public half of the credential into a version.
fn identify(version: &mut Table, scheme: Scheme, identifier: Option<&str>) -> Result<(), CommandError> {
    match (identifier_option(scheme), identifier) {
        (Some(option), Some(identifier)) => {
            version.insert(option.to_owned(), identifier.into());
            Ok(())
        }
        (None, None) => Ok(()),
        (Some(option), None) => refused(format!("--identifier is needed: the {option} of {}", scheme.name())),
        (None, Some(_)) => refused(format!("--identifier means nothing to {}", scheme.name())),
    }
}

/// For `--scheme`.
fn scheme(text: &str) -> Result<Scheme, String> {
    let names = || Scheme::ALL.iter().map(|scheme| scheme.name()).collect::<Vec<_>>().join(", ");
    let found = Scheme::ALL.iter().copied().find(|scheme| scheme.name() == text);
    found.ok_or_else(|| format!("expected one of {}", names()))
}

/// For `--algorithm`.
fn algorithm(text: &str) -> Result<Algorithm, String> {
    let names = || Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ");
    let found = Algorithm::ALL.iter().copied().find(|algorithm| algorithm.name() == text);
    found.ok_or_else(|| format!("expected one of {}", names()))
}

/// An RSA key in PEM.
#[cfg(test)]
pub(crate) fn private_key_for_tests() -> String {
    let secrets = generate::generate(Scheme::Cloudfront, Algorithm::RsaSha256).unwrap_or_default();
    secrets.first().map(|(_, _, pem)| pem.to_string()).unwrap_or_default()
}
