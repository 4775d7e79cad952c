//! Schemes alone, without a server: nanoseconds beside the bare HMAC-SHA256 of the same message.

use std::{hint::black_box, time::Instant};

use hmac::{Hmac, KeyInit, Mac};
use safelight_signer::scheme::{
    cloudflare_images,
    url::{Policy, Presented, UrlScheme, Wanted},
};
use sha2::Sha256;

use crate::median;

const SECRET: &[u8] = b"fake-secret-of-the-benchmark";
const URL: &str =
    "https://img.example.com/cheeW4oKsx5ljh8e8BoL2A/bc27a117-9509-446b-8c69-c81bfeac0a01/mobile";
const NOW: u64 = 1_700_000_000;
/// Calls between two looks at the clock.
const TIMES: u32 = 2_000;
const ROUNDS: usize = 31;

pub fn run(json: bool, wanted: impl Fn(&str) -> bool) {
    let policy = Policy { require_expiry: true, clock_skew: 0, max_target_bytes: 8192 };
    let key = cloudflare_images::Key::new(SECRET);
    let wish = Wanted::plain(URL, Some(NOW + 60));
    let signed = key.sign(&policy, &wish).expect("a signature").url;
    let target = signed.trim_start_matches("https://img.example.com");
    let presented = Presented::target(target, NOW);
    let bare = Hmac::<Sha256>::new_from_slice(SECRET).expect("a key");
    let hmac = || {
        let mut mac = bare.clone();
        mac.update(black_box(target.as_bytes()));
        black_box(mac.finalize());
    };
    let sign = || {
        black_box(key.sign(&policy, black_box(&wish)).is_ok());
    };
    let verify = || {
        black_box(cloudflare_images::Key::verify([&key], &policy, black_box(&presented)).is_ok());
    };
    if !json {
        println!("{:<28} {:>12} {:>12} {:>7}", "schemes", "ours, ns", "HMAC, ns", "ratio");
    }
    let cases: [(&str, &dyn Fn()); 2] =
        [("cloudflare-images sign", &sign), ("cloudflare-images verify", &verify)];
    for (case, ours) in cases.into_iter().filter(|(case, _)| wanted(case)) {
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            mine.push(time(ours));
            theirs.push(time(&hmac));
        }
        let (ours, theirs) = (median(mine), median(theirs));
        if json {
            let line = serde_json::json!({
                "case": case, "unit": "ns", "ours": ours.round(), "peer": "HMAC-SHA256 alone",
                "theirs": theirs.round(), "ratio": (ours / theirs * 1e4).round() / 1e4,
            });
            println!("{line}");
        } else {
            println!("{case:<28} {ours:>12.0} {theirs:>12.0} {:>7.2}", ours / theirs);
        }
    }
}

/// Nanoseconds of one call.
fn time(call: &dyn Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..TIMES {
        call();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
}
