//! The scenarios of the vectors (`tests/vectors/key_ring.json`). Where they call an API that changes keys, here a file is
//! edited and read again; what such an API would refuse, here does not load.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

use serde_json::Value as Json;

use crate::{
    config::Config,
    keyring::{KeyError, Keyring},
    scheme::url::{Presented, Refusal, Wanted},
};

/// Scenarios that no file can express, and where their subject is tested.
const ELSEWHERE: [(&str, &str); 2] = [
    ("key_ring.scenario.006", "no request can name a version to sign with: the contract has no field for it"),
    ("key_ring.scenario.007", "who may verify is not the ring's to say: see access/tests.rs"),
];

const NOW: u64 = 1_700_000_000;

struct World {
    directory: tempfile::TempDir,
    /// The states of the versions, as the file has them.
    versions: BTreeMap<u64, &'static str>,
    ring: Option<Keyring>,
    signed: BTreeMap<String, String>,
}

impl World {
    fn file(&self, id: u64) -> std::path::PathBuf {
        self.directory.path().join(id.to_string())
    }

    fn add(&mut self, id: u64) {
        let path = self.file(id);
        fs::write(&path, format!("fake-secret-{id}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        self.versions.insert(id, "primary");
    }

    /// Reads the edited file. One that does not load changes nothing.
    fn load(&mut self, edited: BTreeMap<u64, &'static str>) -> bool {
        let versions = edited.iter().map(|(id, state)| {
            format!("{{ id = {id}, state = '{state}', secret_file = '{}' }}", self.file(*id).display())
        });
        let versions: Vec<_> = versions.collect();
        let text = format!(
            "[[keys]]\nname = 'k'\nscheme = 'cloudflare-images'\nversions = [{}]",
            versions.join(", ")
        );
        match Config::read_keys(&text) {
            Ok(ring) => {
                (self.ring, self.versions) = (Some(ring), edited);
                true
            }
            Err(_) => false,
        }
    }

    fn ring(&self) -> &Keyring {
        self.ring.as_ref().unwrap()
    }

    fn step(&mut self, step: &Json) -> Json {
        let mut edited = self.versions.clone();
        let version = step["version"].as_u64().unwrap_or_default();
        let refused = serde_json::json!({ "status": "FAILED_PRECONDITION" });
        match step["call"].as_str().unwrap() {
            "CreateSigningKey" | "RotateSigningKey" => {
                edited.values_mut().for_each(|state| *state = "verify-only");
                let id = edited.keys().last().copied().unwrap_or_default() + 1;
                self.add(id);
                edited.insert(id, "primary");
                assert!(self.load(edited));
                serde_json::json!({ "version": id })
            }
            call @ ("DisableSigningKeyVersion" | "EnableSigningKeyVersion") => {
                let state = if call.starts_with('D') { "disabled" } else { "verify-only" };
                edited.insert(version, state);
                if !self.load(edited) {
                    return refused;
                }
                serde_json::json!({ "state": state.to_uppercase().replace('-', "_") })
            }
            "DestroySigningKeyVersion" => {
                edited.remove(&version);
                if !self.load(edited) {
                    return refused;
                }
                fs::remove_file(self.file(version)).unwrap();
                serde_json::json!({ "state": "DESTROYED" })
            }
            "RESTART" => {
                assert!(self.load(edited));
                serde_json::json!({})
            }
            "Sign" if step["scheme"].is_string() => {
                // A URL key is used for uploads: no request can name another scheme for URLs.
                assert_eq!(self.ring().cloudinary_upload("k").err(), Some(KeyError::SchemeMismatch));
                serde_json::json!({ "status": "FAILED_PRECONDITION", "reason": "KEY_SCHEME_MISMATCH" })
            }
            "Sign" => {
                let key = self.ring().url("k").unwrap();
                let wanted = Wanted::plain("https://h/a", Some(NOW + 60));
                let (signed, id) = key.versions.sign(&key.policy, &wanted, NOW).unwrap();
                self.signed.insert(step["as"].as_str().unwrap().to_owned(), signed.url);
                serde_json::json!({ "version": id })
            }
            "Verify" => {
                let key = self.ring().url("k").unwrap();
                let url = &self.signed[step["of"].as_str().unwrap()];
                let presented = Presented::target(url.strip_prefix("https://h").unwrap(), NOW);
                match key.versions.verify(&key.policy, &presented) {
                    Ok((_, id)) => serde_json::json!({ "valid": true, "version": id }),
                    Err(refusal) => {
                        assert_eq!(refusal, Refusal::SignatureMismatch);
                        serde_json::json!({ "valid": false, "reason": "SIGNATURE_MISMATCH" })
                    }
                }
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn pitfall_18_every_scenario() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/key_ring.json");
    let cases: Vec<Json> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut ran = 0;
    for case in &cases {
        let id = case["id"].as_str().unwrap();
        if ELSEWHERE.iter().any(|(elsewhere, _)| *elsewhere == id) {
            continue;
        }
        let mut world = World {
            directory: tempfile::tempdir().unwrap(),
            versions: BTreeMap::new(),
            ring: None,
            signed: BTreeMap::new(),
        };
        let results = case["expected"]["results"].as_array().unwrap();
        for (step, expected) in case["inputs"]["steps"].as_array().unwrap().iter().zip(results) {
            let found = world.step(step);
            for (name, value) in expected.as_object().unwrap() {
                assert_eq!(&found[name], value, "{id}: {step}: {found}");
            }
        }
        ran += 1;
    }
    assert_eq!((cases.len(), ran), (8, 6));
}
