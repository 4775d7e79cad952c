//! `keygen`: a new key.

use std::path::PathBuf;

use toml::{Table, Value};

use super::{CommandError, file, generate::generate, refused};
use crate::{
    config::Config,
    keyring::{Algorithm, Scheme, algorithms, sealed::Use},
};

/// Arguments of `keygen`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the key
    #[arg(long)]
    name: String,

    /// What it signs, such as cloudflare-images
    #[arg(long, value_parser = super::scheme)]
    scheme: Scheme,

    /// How it signs; default: the first that the scheme has
    #[arg(long, value_parser = super::algorithm)]
    algorithm: Option<Algorithm>,

    /// Folder of the new secret file, as the signer will see it
    #[arg(long)]
    directory: PathBuf,

    /// The public half of the credential, where the scheme has one (Google's key name, CloudFront's key pair id). CloudFront
    /// makes it up once it has the public key: give any letters until then
    #[arg(long)]
    identifier: Option<String>,

    /// A secret that the vendor made, instead of a new one
    #[arg(long)]
    secret_file: Option<PathBuf>,

    /// Seal the secret under this key-encryption key
    #[arg(long)]
    key_encryption_key_file: Option<PathBuf>,
}

/// Writes `DIRECTORY/NAME-1` and answers the `[[keys]]` table that uses it.
pub(super) fn run(args: &Args) -> Result<String, CommandError> {
    let Some(algorithm) = args.algorithm.or_else(|| algorithms(args.scheme).first().copied()) else {
        return refused("the scheme has no algorithm");
    };
    let sealing = file::key_encryption_key(args.key_encryption_key_file.as_deref())?;
    let mut version = Table::new();
    version.insert("id".to_owned(), Value::Integer(1));
    version.insert("state".to_owned(), "primary".into());
    super::identify(&mut version, args.scheme, args.identifier.as_deref())?;
    let mut files = Vec::new();
    match &args.secret_file {
        Some(path) => {
            version.insert("secret_file".to_owned(), path.display().to_string().into());
        }
        None => {
            for (option, ending, secret) in generate(args.scheme, algorithm)? {
                let path = args.directory.join(format!("{}-1{ending}", args.name));
                version.insert(option.to_owned(), path.display().to_string().into());
                files.push((option, path, secret));
            }
        }
    }
    let mut key = Table::new();
    key.insert("name".to_owned(), args.name.clone().into());
    key.insert("scheme".to_owned(), args.scheme.name().into());
    if args.algorithm.is_some() {
        key.insert("algorithm".to_owned(), algorithm.name().into());
    }
    if algorithm.is_legacy() {
        key.insert("allow_legacy".to_owned(), true.into());
    }
    key.insert("versions".to_owned(), Value::Array(vec![version.into()]));
    let mut config = Table::new();
    config.insert("keys".to_owned(), Value::Array(vec![key.into()]));
    let text = toml::to_string(&config).map_err(|error| CommandError::Refused(error.to_string()))?;

    for (option, path, secret) in &files {
        let used = Use { key: &args.name, version: 1, scheme: args.scheme, algorithm, option };
        file::create_secret(path, secret.as_bytes(), sealing.as_ref(), &used)?;
    }
    // What is printed are keys that a signer starts with.
    let sealed = args.key_encryption_key_file.as_ref();
    let mut whole = config;
    if let Some(path) = sealed {
        whole.insert("key_encryption_key_file".to_owned(), path.display().to_string().into());
    }
    let whole = toml::to_string(&whole).map_err(|error| CommandError::Refused(error.to_string()))?;
    let ring = Config::read_keys(&whole)?;
    let public_keys = ring.get(&args.name).map(|key| key.states(0)).unwrap_or_default();
    let public_keys = public_keys.into_iter().filter_map(|(info, _)| info.public_key.clone());
    let comments: String = public_keys
        .flat_map(|pem| pem.lines().map(|line| format!("# {line}\n")).collect::<Vec<_>>())
        .collect();
    let comments = if comments.is_empty() { comments } else { format!("# The public key:\n{comments}") };
    Ok(format!("{comments}{text}"))
}
