use std::{
    fs,
    path::{Path, PathBuf},
};

use safelight_chassis::config;

use super::{
    verify::{Fault, Report, verify},
    *,
};

const KEY: &[u8] = b"fake-audit-key";

struct Trail {
    dir: tempfile::TempDir,
}

impl Trail {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit.jsonl")
    }

    fn open(&self) -> Result<Audit, OpenError> {
        Audit::open(&Settings::file(self.path(), KEY))
    }

    /// Writes this many records, and closes.
    async fn write(&self, records: u32) {
        let audit = self.open().unwrap();
        for version in 1..=records {
            audit.write(entry(version)).await.unwrap();
        }
    }
}

fn entry(version: u32) -> Entry {
    Entry {
        caller: "spiffe://prod/backend".to_owned(),
        method: "safelight.signer.v1.SignerService/SignUrl".to_owned(),
        key: "web".to_owned(),
        key_version: Some(version),
        request_id: format!("r-{version}"),
        subject: "https://h/private/holiday.jpg?token=fake-query-value".to_owned(),
        ..Entry::new(Event::Call)
    }
}

fn check(path: &Path) -> Result<Report, Fault> {
    verify(path, KEY, None)
}

#[tokio::test]
async fn a_chain_goes_on_over_restarts() {
    let trail = Trail::new();
    trail.write(3).await;
    let first = check(&trail.path()).unwrap();
    assert_eq!((first.records, first.closed), (5, true));
    trail.write(2).await;
    let second = check(&trail.path()).unwrap();
    assert_eq!((second.records, second.closed), (9, true));
    assert_eq!(verify(&trail.path(), KEY, Some(&first.head)).unwrap(), second);
    assert!(matches!(verify(&trail.path(), KEY, Some(&"0".repeat(64))), Err(Fault::HeadMissing)));
    assert!(verify(&trail.path(), b"another key", None).is_err());

    let text = fs::read_to_string(trail.path()).unwrap();
    assert!(!text.contains("holiday") && !text.contains("fake-query-value"), "{text}");
    let line: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(line["event"], "call");
    assert_eq!(line["caller"], "spiffe://prod/backend");
    assert_eq!(line["key_version"], 1);
    assert_eq!(line["subject"].as_str().unwrap().len(), 64);
    assert_eq!(line["sequence"], 2);
}

#[tokio::test]
async fn pitfall_21_every_cut_and_every_edit_is_found() {
    let trail = Trail::new();
    trail.write(4).await;
    let whole = fs::read(trail.path()).unwrap();
    let changed = trail.dir.path().join("changed");
    let fault = |bytes: &[u8]| {
        fs::write(&changed, bytes).unwrap();
        check(&changed).err().map(|fault| fault.to_string())
    };
    assert_eq!(fault(&whole), None);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert!(fault(&bytes).is_some(), "byte {at} changed");
    }
    let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    for cut in 0..lines.len() - 1 {
        let mut left = lines.clone();
        left.remove(cut);
        assert!(fault(&left.concat()).is_some(), "record {cut} taken out");
        let mut swapped = lines.clone();
        swapped.swap(cut, cut + 1);
        assert!(fault(&swapped.concat()).is_some(), "record {cut} moved");
        let mut twice = lines.clone();
        twice.insert(cut, lines[cut]);
        assert!(fault(&twice.concat()).is_some(), "record {cut} twice");
    }
    // Within the last record; whole records at the end show by the head alone, and by the missing close.
    assert!(fault(&whole[..whole.len() - 1]).is_some());
    let head = check(&trail.path()).unwrap().head;
    fs::write(&changed, lines[..lines.len() - 1].concat()).unwrap();
    assert!(!check(&changed).unwrap().closed);
    assert!(matches!(verify(&changed, KEY, Some(&head)), Err(Fault::HeadMissing)));
}

#[tokio::test]
async fn half_a_record_of_a_crash_is_cut_back() {
    let trail = Trail::new();
    trail.write(2).await;
    let mut bytes = fs::read(trail.path()).unwrap();
    bytes.extend_from_slice(b"{\"time\":\"2026-");
    fs::write(trail.path(), bytes).unwrap();
    trail.write(1).await;
    assert_eq!(check(&trail.path()).unwrap().records, 7);
}

#[tokio::test]
async fn a_file_that_was_edited_or_is_in_use_is_not_continued() {
    let trail = Trail::new();
    trail.write(1).await;
    let text = fs::read_to_string(trail.path()).unwrap();
    fs::write(trail.path(), text.replace("\"close\"", "\"open\"")).unwrap();
    assert!(matches!(trail.open(), Err(OpenError::Broken)));
    fs::write(trail.path(), text).unwrap();
    let other = Audit::open(&Settings::file(trail.path(), b"another key"));
    assert!(matches!(other, Err(OpenError::Broken)));
    let _held = trail.open().unwrap();
    assert!(matches!(trail.open(), Err(OpenError::Locked)));
}

#[tokio::test]
async fn records_that_come_together_are_all_there() {
    let trail = Trail::new();
    let audit = trail.open().unwrap();
    let tasks: Vec<_> = (0..400)
        .map(|n| {
            let audit = audit.clone();
            tokio::spawn(async move { audit.write(entry(n)).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    drop(audit);
    assert_eq!(check(&trail.path()).unwrap().records, 402);
}

#[tokio::test]
async fn a_subject_is_hidden_under_the_key() {
    let (a, b) = (Trail::new(), Trail::new());
    a.write(2).await;
    b.write(1).await;
    let subjects = |trail: &Trail| -> Vec<String> {
        let text = fs::read_to_string(trail.path()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter_map(|line| line["subject"].as_str().map(str::to_owned)).collect()
    };
    let found = subjects(&a);
    assert_eq!(found[0], found[1], "whoever has the key finds a subject's records");
    assert_eq!(found[0], subjects(&b)[0]);
    let plain = hex::encode(<Sha256 as sha2::Digest>::digest(entry(1).subject));
    assert_ne!(found[0], plain);
}

#[test]
fn what_is_wrong_is_said_at_once() {
    for (text, wrong) in [
        ("", vec!["audit.sink"]),
        ("sink = 'stdout'\npath = '/a'", vec!["audit.key_file", "audit.path"]),
        ("sink = 'file'", vec!["audit.key_file", "audit.path"]),
        ("sink = 'file'\npath = '/a'\nmode = 'perhaps'", vec!["audit.key_file", "audit.mode"]),
        (
            "sink = 'file'\npath = '/a'\nkey_file = '/nowhere'\nfile = '/b'",
            vec!["audit.file", "audit.key_file"],
        ),
    ] {
        let errors = config::read(&format!("[audit]\n{text}"), Settings::read).map(|_| ()).unwrap_err();
        let mut paths: Vec<_> = errors.errors.iter().map(|error| error.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, wrong, "{text}");
    }
    assert!(
        config::read("[audit]\nsink = 'stdout'", Settings::read).is_ok_and(|settings| settings.is_some())
    );
}
