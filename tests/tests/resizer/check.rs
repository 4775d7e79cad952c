//! `check-config --connect` where signer and origins answer: what it finds, in words.

use safelight_chassis::check::Finding;
use safelight_local::Settings;
use safelight_resizer::{Config, Resizer};

use crate::harness::start;

async fn found(toml: &str) -> Vec<Finding> {
    let config = Config::read(toml).unwrap_or_else(|errors| panic!("{errors}"));
    Resizer::new(config).unwrap().check().await
}

fn problems(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|finding| finding.is_problem).map(|finding| finding.text.as_str()).collect()
}

#[tokio::test]
async fn what_is_wrong_is_named_and_what_is_right_is_fine() {
    let local = start(Settings::default()).await;
    let resizer = std::fs::read_to_string(local.stack.dir().join("resizer.toml")).unwrap();
    let findings = found(&resizer).await;
    assert_eq!(problems(&findings), [""; 0], "{findings:?}");
    let texts: Vec<_> = findings.iter().map(|finding| finding.text.as_str()).collect();
    assert!(texts.contains(&"signer: has a delivery for every route that needs one"), "{texts:?}");
    assert!(
        texts.iter().any(|text| text.starts_with("origin photos: ") && text.contains("answers")),
        "{texts:?}"
    );

    for (right, wrong, expected) in [
        ("public = true", "public = false", ["route /", "public_variants"]),
        ("url_key = \"web\"", "url_key = \"uploads\"", ["route /", "url_key"]),
        ("bucket = \"photos\"", "bucket = \"paintings\"", ["route /", "base_url"]),
        ("resizer-token", "web-1", ["signer: ", "CALLER_UNKNOWN"]),
        ("resizer-token", "web-1", ["signer: ", "[[tokens]]"]),
    ] {
        assert!(resizer.contains(right), "{right}");
        let findings = found(&resizer.replace(right, wrong)).await;
        let named = |text: &&str| text.starts_with(expected[0]) && text.contains(expected[1]);
        assert!(problems(&findings).iter().any(named), "{wrong}: {expected:?} not in {findings:?}");
    }
}
