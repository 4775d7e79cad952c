//! AWS's own client, botocore, against the embedded S3 server: our tests prove something about SigV4 only if the
//! server that they run against verifies what everybody else signs.

use std::path::Path;
use std::process::Command;

use safelight_local::s3::{Credentials, EmbeddedS3, REGION};
use safelight_tests::counterpart;

const BUCKET: &str = "photos";
const SEEDED_KEY: &str = "seeded/été + 100%.txt";
const SEEDED_BODY: &str = "from the process";

#[tokio::test(flavor = "multi_thread")]
async fn botocore_reads_and_writes_and_is_refused() {
    let Some(python) = counterpart::python() else { return };
    let root = tempfile::tempdir().unwrap();
    let credentials = Credentials::new("AKIDLOCAL", "made-up-secret");
    let s3 = EmbeddedS3::start(root.path(), &credentials).await.unwrap();
    s3.create_bucket(BUCKET).await.unwrap();
    s3.put(BUCKET, SEEDED_KEY, SEEDED_BODY).await.unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("counterparts/botocore_s3.py");
    let mut command = Command::new(python);
    command
        .arg(script)
        .args([&s3.endpoint(), &s3.virtual_host_endpoint(), REGION, BUCKET])
        .args([&credentials.access_key_id, &credentials.secret_access_key])
        .args([SEEDED_KEY, SEEDED_BODY])
        // A developer's own AWS configuration and proxies have no say here.
        .env_clear();
    // Blocks this worker; the server runs on another.
    let output = tokio::task::block_in_place(|| command.output()).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.ends_with("all hold\n"), "{text}");
    println!("{text}");
    assert_eq!(s3.refused(), 11, "one for each refusal that the script saw, missing keys apart");
}
