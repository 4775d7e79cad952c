//! `seal`: a secret, encrypted for one use.

use std::path::PathBuf;

use super::{CommandError, file, refused};
use crate::keyring::{Algorithm, Scheme, algorithms, sealed::Use};

/// Arguments of `seal`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File with the key-encryption key: 64 hexadecimal digits
    #[arg(long)]
    key_encryption_key_file: PathBuf,

    /// Name of the key that will use the secret
    #[arg(long)]
    name: String,

    /// Id of the version
    #[arg(long)]
    version: u32,

    /// Scheme of the key
    #[arg(long, value_parser = super::scheme)]
    scheme: Scheme,

    /// Algorithm of the key; default: the first that the scheme has
    #[arg(long, value_parser = super::algorithm)]
    algorithm: Option<Algorithm>,

    /// Option that will name the sealed file
    #[arg(long, default_value = "secret_file")]
    option: String,

    /// The secret
    #[arg(long)]
    secret_file: PathBuf,

    /// The new file
    #[arg(long)]
    output: PathBuf,
}

/// Writes the sealed file and answers what was done.
pub(super) fn run(args: &Args) -> Result<String, CommandError> {
    let Some(algorithm) = args.algorithm.or_else(|| algorithms(args.scheme).first().copied()) else {
        return refused("the scheme has no algorithm");
    };
    let key = file::key_encryption_key(Some(&args.key_encryption_key_file))?;
    let secret = file::read(&args.secret_file)?;
    let used =
        Use { key: &args.name, version: args.version, scheme: args.scheme, algorithm, option: &args.option };
    file::create_secret(&args.output, &secret, key.as_ref(), &used)?;
    Ok(format!(
        "{} opens for {} of version {} of key {} ({}, {}), and nothing else\n",
        args.output.display(),
        args.option,
        args.version,
        args.name,
        args.scheme.name(),
        algorithm.name(),
    ))
}
