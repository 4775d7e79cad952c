//! What `[[keys.versions]]` says, with the files that it names.

use std::{
    collections::HashSet,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use safelight_chassis::config::Section;
use zeroize::Zeroizing;

use super::{
    Files,
    options::{take_strangers, text_or_file},
    schemes::VERSION_OPTIONS,
};
use crate::keyring::{
    Schedule, State, Version, VersionInfo, Versions, schedule,
    secret::{self, SecretError},
};

/// Most versions of a key that verify: each is tried for every signature.
pub const MAX_ELIGIBLE_VERSIONS: usize = 8;

/// Most versions of a key, disabled ones included.
pub const MAX_VERSIONS: usize = 64;

/// A version that is being read, for a scheme to make its key of.
pub(super) struct VersionReader<'a> {
    section: &'a mut Section,
    files: &'a Files,
    identifier: Option<String>,
    public_key: Option<String>,
}

impl VersionReader<'_> {
    /// The secret, byte for byte.
    pub(super) fn secret(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.required("secret_file", secret::read)
    }

    /// A secret that goes into HTTP headers.
    pub(super) fn secret_text(&mut self, option: &str) -> Option<Zeroizing<String>> {
        self.required(option, secret::read_text)
    }

    /// The same, which may be absent: the outer `None` is an error.
    #[expect(clippy::option_option, reason = "absent and unreadable are two things")]
    pub(super) fn optional_secret_text(&mut self, option: &str) -> Option<Option<Zeroizing<String>>> {
        match self.section.optional::<PathBuf>(option) {
            None => Some(None),
            Some(path) => self.read(option, &path, secret::read_text).map(Some),
        }
    }

    /// The public half of the credential, in place or in a file. It is shown to operators.
    pub(super) fn identifier(&mut self, option: &str) -> Option<String> {
        let identifier = text_or_file(self.section, option);
        if identifier.is_none() {
            self.section.error(option, format!("missing (or {option}_file)"));
        }
        self.identifier.clone_from(&identifier);
        identifier
    }

    fn required<T>(
        &mut self,
        option: &str,
        read: impl FnOnce(&Path, bool) -> Result<T, SecretError>,
    ) -> Option<T> {
        let Some(path) = self.section.optional::<PathBuf>(option) else {
            self.section.error(option, "missing");
            return None;
        };
        self.read(option, &path, read)
    }

    fn read<T>(
        &mut self,
        option: &str,
        path: &Path,
        read: impl FnOnce(&Path, bool) -> Result<T, SecretError>,
    ) -> Option<T> {
        match read(path, self.files.allow_readable) {
            Ok(secret) => Some(secret),
            Err(error) => {
                // Without the path: it may be the secret itself, pasted where its file was to be named.
                self.section.error(option, error.to_string());
                None
            }
        }
    }
}

/// What stands in `[[keys.versions]]`, its secret read.
struct Loaded<M> {
    info: VersionInfo,
    material: Option<M>,
}

/// Makes a version's key of its secret. Errors are recorded in the reader's section.
pub(super) type Build<'b, M> = &'b dyn Fn(&mut VersionReader<'_>) -> Option<M>;

/// Reads the versions of a key; `build` is `None` where the scheme is not known.
pub(super) fn read_versions<M>(
    section: &mut Section,
    files: &Files,
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

fn read_version<M>(section: &mut Section, files: &Files, build: Option<Build<'_, M>>) -> Option<Loaded<M>> {
    let id = section.required::<Option<NonZeroU32>>("id");
    let state = section.required::<Option<State>>("state");
    let primary_from = section.time("primary_from");
    let verify_until = section.time("verify_until");
    let mut reader = VersionReader { section, files, identifier: None, public_key: None };
    // The secret of a disabled version is not read: it need not even be there any more.
    let disabled = state == Some(State::Disabled);
    let material = if disabled { None } else { build.and_then(|build| build(&mut reader)) };
    let VersionReader { section, identifier, public_key, .. } = reader;
    take_strangers(section, &VERSION_OPTIONS, build.is_some() && !disabled);
    let schedule = Schedule { state: state?, primary_from, verify_until };
    let info = VersionInfo { id: id?.get(), schedule, identifier, public_key, fingerprint: String::new() };
    Some(Loaded { info, material })
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
