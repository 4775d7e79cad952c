//! What `[[keys.versions]]` says, with the files that it names.

use std::{collections::HashSet, num::NonZeroU32, path::PathBuf};

use safelight_chassis::config::Section;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::{
    files::Files,
    options::{take_strangers, text_or_file},
    schemes::VERSION_OPTIONS,
};
use crate::{
    credentials::{Provider, Settings},
    keyring::{
        Algorithm, Schedule, Scheme, State, Version, VersionInfo, Versions,
        fingerprint::{Fingerprint, Fingerprints},
        schedule, sealed,
        secret::{self, SecretError},
    },
    scheme::material::KeyFormatError,
};

/// Most versions of a key that verify: each is tried for every signature.
pub const MAX_ELIGIBLE_VERSIONS: usize = 8;

/// Most versions of a key, disabled ones included.
pub const MAX_VERSIONS: usize = 64;

/// What a version with a provider of credentials does not have.
const INSTEAD_OF_A_PROVIDER: [&str; 4] =
    ["access_key_id", "access_key_id_file", "secret_file", "session_token_file"];

/// What the versions of a key have in common.
#[derive(Clone, Copy)]
pub(super) struct Common<'a> {
    /// Its name; empty if that is bad.
    pub(super) key: &'a str,
    pub(super) scheme: Scheme,
    /// The default of the scheme, if what the key says is bad.
    pub(super) algorithm: Algorithm,
}

/// A version that is being read, for a scheme to make its key of.
pub(super) struct VersionReader<'a> {
    section: &'a mut Section,
    files: &'a Files<'a>,
    common: Common<'a>,
    id: u32,
    identifier: Option<String>,
    public_key: Option<String>,
    fingerprint: Option<Fingerprint>,
}

impl VersionReader<'_> {
    /// The algorithm of the key.
    pub(super) const fn algorithm(&self) -> Algorithm {
        self.common.algorithm
    }

    /// A secret, byte for byte.
    pub(super) fn secret(&mut self, option: &str) -> Option<Zeroizing<Vec<u8>>> {
        let secret = self.optional_secret(option)?;
        if secret.is_none() {
            self.section.error(option, "missing");
        }
        secret
    }

    /// The same, which may be absent: the outer `None` is an error.
    #[expect(clippy::option_option, reason = "absent and unreadable are two things")]
    pub(super) fn optional_secret(&mut self, option: &str) -> Option<Option<Zeroizing<Vec<u8>>>> {
        let Some(path) = self.section.optional::<PathBuf>(option) else { return Some(None) };
        let Common { key, scheme, algorithm } = self.common;
        let used = sealed::Use { key, version: self.id, scheme, algorithm, option };
        let secret = self.take(option, self.files.secret(&path, Some(&used)))?;
        if let Some(fingerprint) = &mut self.fingerprint {
            fingerprint.add(&secret);
        }
        Some(Some(secret))
    }

    /// A secret as text that can go into HTTP headers.
    pub(super) fn text(&mut self, option: &str, secret: &[u8]) -> Option<Zeroizing<String>> {
        self.take(option, secret::text(secret))
    }

    /// The public half of the credential, in place or in a file. It is shown to operators.
    pub(super) fn identifier(&mut self, option: &str) -> Option<String> {
        let identifier = text_or_file(self.section, self.files, option);
        if identifier.is_none() {
            self.section.error(option, format!("missing (or {option}_file)"));
        }
        self.identifier.clone_from(&identifier);
        identifier
    }

    /// The provider that `credentials` names, if there is one: nothing of the version is read from files then.
    #[expect(clippy::option_option, reason = "absent and bad are two things")]
    pub(super) fn provider(&mut self) -> Option<Option<Provider>> {
        let environment = |name: &str| std::env::var(name).ok();
        let Some(settings) =
            self.section.table("credentials", |section| Settings::read(section, &environment))
        else {
            return Some(None);
        };
        for option in INSTEAD_OF_A_PROVIDER {
            if self.section.optional::<IgnoredAny>(option).is_some() {
                self.section.error(option, "either this or credentials, not both");
            }
        }
        self.fingerprint = None;
        Some(Some(Provider::new(settings?)))
    }

    /// The public key, for operators to give to the CDN.
    pub(super) fn set_public_key(&mut self, key: String) {
        self.public_key = Some(key);
    }

    /// What a scheme made of a secret; its complaint is recorded.
    pub(super) fn made<M>(&mut self, made: Result<M, KeyFormatError>) -> Option<M> {
        made.map_err(|error| self.section.error("secret_file", error.to_string())).ok()
    }

    fn take<T>(&mut self, option: &str, result: Result<T, SecretError>) -> Option<T> {
        // Without the path: it may be the secret itself, pasted where its file was to be named.
        result.map_err(|error| self.section.error(option, error.to_string())).ok()
    }
}

/// What stands in `[[keys.versions]]`, its secret read.
struct Loaded<M> {
    info: VersionInfo,
    material: Option<M>,
}

/// What a scheme makes of a version, and what the versions of the key have in common. Errors are recorded in the
/// reader's section.
pub(super) type Build<'b, M> = (Common<'b>, &'b dyn Fn(&mut VersionReader<'_>) -> Option<M>);

/// Reads the versions of a key; `build` is `None` where the scheme is not known.
pub(super) fn read_versions<M>(
    section: &mut Section,
    files: &Files<'_>,
    build: Option<Build<'_, M>>,
) -> Option<Versions<M>> {
    let mut ids = HashSet::new();
    let versions = section.tables("versions", |section| {
        let version = read_version(section, files, build)?;
        if !ids.insert(version.info.id) {
            section.error("id", "another version has this id");
        }
        Some(version)
    });
    // With one version unreadable, its state is not known: what follows would be guesswork.
    let versions: Vec<_> = versions.into_iter().collect::<Option<_>>()?;
    check(section, &versions);
    arrange(versions)
}

fn read_version<M>(
    section: &mut Section,
    files: &Files<'_>,
    build: Option<Build<'_, M>>,
) -> Option<Loaded<M>> {
    let id = section.required::<Option<NonZeroU32>>("id");
    let state = section.required::<Option<State>>("state");
    let primary_from = section.time("primary_from");
    let verify_until = section.time("verify_until");
    let mut info = VersionInfo {
        id: id.map_or(0, NonZeroU32::get),
        schedule: Schedule { state: state.unwrap_or(State::Disabled), primary_from, verify_until },
        identifier: None,
        public_key: None,
        fingerprint: String::new(),
    };
    let material = match build {
        // The secret of a disabled version is not read: it need not even be there any more.
        Some((common, build)) if state != Some(State::Disabled) => {
            let fingerprint = files.fingerprints.as_ref().map(Fingerprints::start);
            let mut reader = VersionReader {
                section,
                files,
                common,
                id: info.id,
                identifier: None,
                public_key: None,
                fingerprint,
            };
            let material = build(&mut reader);
            info.identifier = reader.identifier;
            info.public_key = reader.public_key;
            info.fingerprint = reader.fingerprint.map(Fingerprint::finish).unwrap_or_default();
            take_strangers(section, VERSION_OPTIONS, true);
            material
        }
        _ => {
            take_strangers(section, VERSION_OPTIONS, false);
            None
        }
    };
    (id.is_some() && state.is_some()).then_some(Loaded { info, material })
}

/// Checks the versions together.
fn check<M>(section: &mut Section, versions: &[Loaded<M>]) {
    let schedules: Vec<_> = versions.iter().map(|version| version.info.schedule).collect();
    match schedules.iter().filter(|schedule| schedule.state == State::Primary).count() {
        1 => {}
        0 => section.error("versions", "exactly one version must be primary, and none is"),
        _ => section.error("versions", "exactly one version must be primary, and several are"),
    }
    for (place, option, problem) in schedule::problems(&schedules) {
        if let Some(version) = versions.get(place) {
            section.error("versions", format!("version {}: {option}: {problem}", version.info.id));
        }
    }
    if schedules.iter().filter(|schedule| schedule.state != State::Disabled).count() > MAX_ELIGIBLE_VERSIONS {
        section.error("versions", "at most 8 versions may be other than disabled");
    }
    if versions.len() > MAX_VERSIONS {
        section.error("versions", "at most 64 versions");
    }
}

fn arrange<M>(versions: Vec<Loaded<M>>) -> Option<Versions<M>> {
    let mut first = None;
    let mut others = Vec::new();
    let mut disabled = Vec::new();
    for Loaded { info, material } in versions {
        let state = info.schedule.state;
        if state == State::Disabled {
            disabled.push(info);
            continue;
        }
        let version = Version { info, material: material? };
        if state == State::Primary { first = Some(version) } else { others.push(version) }
    }
    Some(Versions::new(first?, others, disabled))
}
