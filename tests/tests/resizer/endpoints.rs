//! Where buckets are: AWS's own client, botocore, is asked the same.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use safelight_resizer::{Config, origin::s3::partition};
use safelight_tests::counterpart;
use serde_json::{Value as Json, json};

/// Settings of an origin.
#[derive(Debug, Clone, Copy)]
struct Place {
    bucket: &'static str,
    region: &'static str,
    endpoint: &'static str,
    path_style: bool,
    dual_stack: bool,
    fips: bool,
    accelerate: bool,
}

const BUCKETS: [&str; 19] = [
    "photos",
    "my-photos-123",
    "MyPhotos",
    "my_photos",
    "my.photos.example.com",
    "My.Photos",
    "ab",
    "-photos",
    "photos-",
    "123",
    "a..b",
    "a-bucket-name-of-more-than-sixty-three-characters-as-they-once-were",
    "arn:aws:s3:us-west-2:123456789012:accesspoint/ap",
    "arn:aws:s3:us-west-2:123456789012:accesspoint:ap-2",
    "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/ap",
    "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint/ap",
    "arn:aws:s3:us-west-2:123456789012:accesspoint/ap/sub",
    "arn:aws:s3:us-west-2:123456789012:accesspoint/a_p",
    "arn:aws:sns:us-west-2:123456789012:accesspoint/ap",
];
/// One of each partition, and one that is in none.
const REGIONS: [&str; 11] = [
    "us-east-1",
    "eu-west-1",
    "cn-north-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "eu-isoe-west-1",
    "us-isof-south-1",
    "eusc-de-east-1",
    "mx-central-1",
    "nowhere",
];
const ENDPOINTS: [&str; 6] = [
    "",
    "https://s3.example.com",
    "http://s3.example.com:9000",
    "https://s3.example.com/storage/v1/s3",
    "http://127.0.0.1:9000/storage/",
    "http://[2001:db8::1]:9000",
];

fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for bucket in BUCKETS {
        for region in REGIONS {
            for endpoint in ENDPOINTS {
                for flags in 0..16 {
                    let [path_style, dual_stack, fips, accelerate] = [1, 2, 4, 8].map(|bit| flags & bit != 0);
                    places.push(Place { bucket, region, endpoint, path_style, dual_stack, fips, accelerate });
                }
            }
        }
    }
    places
}

/// What we make of it: base without its closing slash, and the region to sign for.
fn ours(place: Place) -> Result<(String, String), String> {
    let Place { bucket, region, endpoint, path_style, dual_stack, fips, accelerate } = place;
    let endpoint = if endpoint.is_empty() { String::new() } else { format!("endpoint = '{endpoint}'\n") };
    let text = format!(
        "[origins.o]\nkind = 's3'\nallow_private_network = true\nbucket = '{bucket}'\nregion = '{region}'\n{endpoint}\
         path_style = {path_style}\ndual_stack = {dual_stack}\nfips = {fips}\naccelerate = {accelerate}\n"
    );
    let config = Config::read(&text).map_err(|errors| errors.to_string())?;
    let origin = &config.origins["o"];
    Ok((origin.base.trim_end_matches('/').to_owned(), origin.region().to_owned()))
}

/// botocore puts access points and names with dots before an address too, which makes a host that no client can ask.
fn is_theirs_unusable(place: Place) -> bool {
    let is_address = place.endpoint.contains("//127.") || place.endpoint.contains('[');
    place.bucket.contains("..")
        || is_address
            && !place.path_style
            && place.bucket.contains(if place.bucket.starts_with("arn:") { ':' } else { '.' })
}

#[test]
fn botocore_finds_every_bucket_where_we_do() {
    let Some(python) = counterpart::python() else { return };
    let places = places();
    let question: Vec<Json> = places
        .iter()
        .map(|place| {
            json!({ "bucket": place.bucket, "region": place.region, "endpoint": place.endpoint,
                "path_style": place.path_style, "dual_stack": place.dual_stack, "fips": place.fips,
                "accelerate": place.accelerate })
        })
        .collect();
    let answer = ask(&python, &json!({ "places": question }));

    let (mut found, mut refused) = (0, 0);
    for (place, theirs) in places.into_iter().zip(answer["places"].as_array().unwrap()) {
        if is_theirs_unusable(place) {
            continue;
        }
        match (ours(place), theirs["error"].as_str()) {
            (Ok((base, region)), None) => {
                let url = theirs["url"].as_str().unwrap().trim_end_matches('/');
                assert_eq!(
                    (base.as_str(), Some(region.as_str())),
                    (url, theirs["region"].as_str()),
                    "{place:?}"
                );
                found += 1;
            }
            (Err(_), Some(_)) => refused += 1,
            (ours, theirs) => panic!("{place:?}: {ours:?}, and botocore: {theirs:?}"),
        }
    }
    assert!(found > 2000 && refused > 10_000, "{found} found, {refused} refused");

    // The table of partitions.
    let theirs = answer["partitions"].as_array().unwrap();
    assert_eq!(theirs.len(), partition::PARTITIONS.len());
    for theirs in theirs {
        for region in theirs["regions"].as_array().unwrap() {
            let ours = partition::of(region.as_str().unwrap());
            assert_eq!(
                (Some(ours.id), Some(ours.dns_suffix)),
                (theirs["id"].as_str(), theirs["dns_suffix"].as_str())
            );
        }
    }
}

fn ask(python: &Path, question: &Json) -> Json {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("counterparts/botocore_endpoints.py");
    let mut command = Command::new(python);
    command.env_clear().arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
