//! `rotate`: the next version of a key, and the plan of its rotation.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use toml::{Table, Value};

use super::{CommandError, file, generate::generate, refused};
use crate::{
    config::Config,
    keyring::{Key, MAX_ELIGIBLE_VERSIONS, Scheme, State, algorithms, sealed::Use},
    scheme::{cloudinary_upload, url::Expiry},
};

/// Arguments of `rotate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The signer's configuration
    #[arg(long)]
    config: PathBuf,

    /// Name of the key
    #[arg(long)]
    key: String,

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

    /// How long every signer has to get the new files before the first one signs with them; clocks may differ by less
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    lead: Duration,

    /// Write the new configuration to this new file instead of printing it
    #[arg(long)]
    output: Option<PathBuf>,
}

/// Shortest lead: the reload interval and some difference between clocks must fit.
const MIN_LEAD: u64 = 60;

/// What happens when.
struct Plan {
    old: u32,
    new: u32,
    primary_from: u64,
    verify_until: Option<u64>,
    life: Option<u64>,
    lead: u64,
    files: Vec<String>,
}

/// Writes `DIRECTORY/NAME-ID` and answers the plan, as comments, above the configuration.
pub(super) fn run(args: &Args, now: u64) -> Result<String, CommandError> {
    let lead = args.lead.as_secs();
    if lead < MIN_LEAD {
        return refused("--lead: expected at least 60s");
    }
    let config = Config::load(&args.config)?;
    let Some(key) = config.keyring.get(&args.key) else {
        return refused(format!("the configuration has no key {:?}", args.key));
    };
    let text = fs::read_to_string(&args.config)
        .map_err(|error| CommandError::File(args.config.clone(), error.kind().to_string()))?;
    let Ok(mut document) = text.parse::<Table>() else { return refused("the configuration has changed") };
    let states: Vec<_> = key.states(now).into_iter().map(|(info, state)| (info.id, state)).collect();
    let (old, new) = next(&states)?;
    let life = life(key);
    // To the full minute, which people can read and compare.
    let primary_from = (now + lead).next_multiple_of(60);
    let verify_until = life.map(|life| primary_from + life + lead);

    let (scheme, algorithm) = names(key);
    let secrets = match &args.secret_file {
        Some(_) => Vec::new(),
        None => generate(scheme, algorithm)?,
    };
    let mut version = Table::new();
    version.insert("id".to_owned(), Value::Integer(new.into()));
    version.insert("state".to_owned(), "pending".into());
    version.insert("primary_from".to_owned(), moment(primary_from)?);
    super::identify(&mut version, scheme, args.identifier.as_deref())?;
    if let Some(path) = &args.secret_file {
        version.insert("secret_file".to_owned(), path.display().to_string().into());
    }
    let mut files: Vec<String> = args.secret_file.iter().map(|path| path.display().to_string()).collect();
    let mut written = Vec::new();
    for (option, ending, secret) in secrets {
        let path = args.directory.join(format!("{}-{new}{ending}", args.key));
        version.insert(option.to_owned(), path.display().to_string().into());
        files.push(path.display().to_string());
        written.push((option, path, secret));
    }
    let sealing = document.get("key_encryption_key_file").and_then(Value::as_str).map(PathBuf::from);
    let sealing = file::key_encryption_key(sealing.as_deref())?;
    let versions = versions_of(&mut document, &args.key)?;
    for version in versions.iter_mut().filter_map(Value::as_table_mut) {
        settle(version, &states, (old, verify_until))?;
    }
    versions.push(version.into());
    let text = toml::to_string(&document).map_err(|error| CommandError::Refused(error.to_string()))?;

    for (option, path, secret) in &written {
        let used = Use { key: &args.key, version: new, scheme, algorithm, option };
        file::create_secret(path, secret.as_bytes(), sealing.as_ref(), &used)?;
    }
    // What is handed out is what a signer starts with.
    Config::read(&text)?;
    let plan = Plan { old, new, primary_from, verify_until, life, lead, files }.text(&args.key);
    let text = format!("{plan}{text}");
    match &args.output {
        None => Ok(text),
        Some(path) => {
            file::create(path, text.as_bytes())?;
            Ok(format!("{plan}# The configuration is in {}.\n", path.display()))
        }
    }
}

/// The ids of the primary version and of the next one.
fn next(states: &[(u32, State)]) -> Result<(u32, u32), CommandError> {
    if let Some((id, _)) = states.iter().find(|(_, state)| *state == State::Pending) {
        return refused(format!("a rotation is under way: version {id} is pending"));
    }
    let verifying = states.iter().filter(|(_, state)| *state != State::Disabled).count();
    if verifying >= MAX_ELIGIBLE_VERSIONS {
        return refused("8 versions verify already: disable one first");
    }
    let last = states.iter().map(|(id, _)| *id).max().unwrap_or_default();
    let old = states.iter().find(|(_, state)| *state == State::Primary).map(|(id, _)| *id);
    match (old, last.checked_add(1)) {
        (Some(old), Some(new)) => Ok((old, new)),
        _ => refused("there is no id for another version"),
    }
}

/// For how many seconds after signing what was signed may be presented; `None` for ever.
fn life(key: &Key) -> Option<u64> {
    match key {
        Key::Url(key) if key.versions.expiry() == Expiry::Never => None,
        Key::Url(key) if !key.policy.require_expiry => None,
        Key::Url(key) => key.max_ttl.map(|ttl| ttl + key.policy.clock_skew),
        Key::CloudinaryUpload(_) => Some(cloudinary_upload::MAX_AGE + cloudinary_upload::MAX_AHEAD),
        Key::AwsSigv4(_) => None,
    }
}

fn names(key: &Key) -> (Scheme, crate::keyring::Algorithm) {
    use crate::keyring::Algorithm::{HmacSha256, Sha1Suffix, Sha256Suffix};

    match key {
        Key::Url(key) => (key.scheme, key.algorithm),
        Key::CloudinaryUpload(key) => {
            let legacy = key.policy.algorithm == cloudinary_upload::Algorithm::Sha1;
            (Scheme::CloudinaryUpload, if legacy { Sha1Suffix } else { Sha256Suffix })
        }
        Key::AwsSigv4(_) => {
            (Scheme::AwsSigv4, algorithms(Scheme::AwsSigv4).first().copied().unwrap_or(HmacSha256))
        }
    }
}

fn versions_of<'d>(document: &'d mut Table, key: &str) -> Result<&'d mut Vec<Value>, CommandError> {
    let keys = document.get_mut("keys").and_then(Value::as_array_mut).into_iter().flatten();
    let found = keys
        .filter_map(Value::as_table_mut)
        .find(|table| table.get("name").and_then(Value::as_str) == Some(key))
        .and_then(|table| table.get_mut("versions"))
        .and_then(Value::as_array_mut);
    match found {
        Some(versions) => Ok(versions),
        None => refused("the configuration has changed"),
    }
}

/// Writes into a version what time has made of it by now, and until when the old primary verifies.
fn settle(
    version: &mut Table,
    states: &[(u32, State)],
    (old, verify_until): (u32, Option<u64>),
) -> Result<(), CommandError> {
    let id = version.get("id").and_then(Value::as_integer).and_then(|id| u32::try_from(id).ok());
    let state = states.iter().find(|(other, _)| Some(*other) == id).map(|(_, state)| *state);
    version.remove("primary_from");
    let name = match state {
        Some(State::Primary) => "primary",
        Some(State::VerifyOnly) => "verify-only",
        _ => {
            version.retain(|option, _| option == "id");
            "disabled"
        }
    };
    version.insert("state".to_owned(), name.into());
    if id == Some(old) {
        version.remove("verify_until");
        if let Some(until) = verify_until {
            version.insert("verify_until".to_owned(), moment(until)?);
        }
    }
    Ok(())
}

fn show(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

fn span(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

fn moment(seconds: u64) -> Result<Value, CommandError> {
    match show(seconds).parse() {
        Ok(time) => Ok(Value::Datetime(time)),
        Err(_) => refused("the time is past the year 9999"),
    }
}

impl Plan {
    /// In words, each line a comment of TOML.
    fn text(&self, key: &str) -> String {
        let Self { old, new, primary_from, verify_until, life, lead, files } = self;
        let (from, lead) = (show(*primary_from), span(*lead));
        let mut lines = vec![
            format!("Rotation of key {key:?}: version {new} follows version {old}."),
            format!("1. Before {from}: give every signer {} and this configuration.", files.join(" and ")),
            format!("   Version {new} is pending: it verifies, and does not sign yet."),
            format!("2. At {from}: every signer begins to sign with version {new}, by its own clock."),
            format!("   Nothing is refused as long as clocks differ by less than {lead}."),
        ];
        match (verify_until, life) {
            (Some(until), Some(life)) => {
                lines.push(format!(
                    "3. Until {}: version {old} goes on verifying. That is the longest life",
                    show(*until)
                ));
                lines.push(format!("   of what it signed ({}), and {lead} for clocks.", span(*life)));
                lines.push(format!("4. Then version {old} is disabled by itself. Its entry and its secret file can go; version {new}"));
                lines.push("   can then be written as the primary.".to_owned());
            }
            _ => {
                lines.push(format!(
                    "3. Version {old} goes on verifying: what it signed has no longest life (max_ttl)."
                ));
                lines.push("   Disable it when nothing that it signed is needed any more.".to_owned());
            }
        }
        lines.into_iter().map(|line| format!("# {line}\n")).collect()
    }
}
