//! `cargo bench -p safelight-signer --bench constant_time [-- SAMPLES [WORD]]`: whether the time of a refusal tells how much
//! of a forged signature was right.
//!
//! The method is dudect's (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017). Two classes of input, a
//! signature whose first byte is wrong and one whose last byte is, are verified in random order, each call timed. Welch's t
//! compares the classes' means, over all samples and over those below some percentiles, which leaves out interrupts.
//! |t| above 4.5 says that the classes differ. That a comparison byte by byte is caught is shown beside it, in the same way.

#![expect(clippy::print_stdout, reason = "a command")]
#![expect(clippy::expect_used, reason = "a command for developers, not a library")]
#![expect(clippy::cast_possible_truncation, reason = "statistics")]

use std::{hint::black_box, process::ExitCode, time::Instant};

use base64::{
    Engine,
    engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use safelight_signer::scheme::{
    akamai_edgeauth, bunny, cloudflare_images, cloudinary_auth_token, cloudinary_delivery,
    cloudinary_upload::{self, Algorithm, Notification, Response, Version},
    fastly, google_cloud_cdn, imgix, imgproxy, thumbor,
    url::{Policy, Presented, UrlScheme, Wanted},
};
use sha2::Sha256;

const SECRET: &str = "fa4efa4efa4efa4efa4efa4efa4efa4e";
const NOW: u64 = 1_700_000_000;
const POLICY: Policy = Policy { require_expiry: false, clock_skew: 0, max_target_bytes: 8192 };
/// Calls of each case.
const SAMPLES: usize = 1_000_000;
/// How often each case is measured, of which the one in the middle counts: in about one of thirty a state of the machine
/// that lasts falls in with where things lie in memory, and differs the next time. What leaks does so every time.
const MEASUREMENTS: usize = 3;
/// Above this, the classes differ.
const THRESHOLD: f64 = 4.5;
/// The parts of the fastest samples over which t is computed, in percent.
const CROPS: [usize; 4] = [50, 80, 95, 100];

/// How a signature is written.
enum Written {
    Hexadecimal,
    Base64(&'static GeneralPurpose),
}

impl Written {
    /// The signature with one bit wrong in the byte at `place`. In hexadecimal, a digit stays a digit and a letter a letter:
    /// reading the caller's own text may take what time it likes.
    fn wrong_at(&self, signature: &str, place: impl Fn(usize) -> usize) -> String {
        let mut bytes = match self {
            Self::Hexadecimal => hex::decode(signature).expect("hexadecimal"),
            Self::Base64(engine) => engine.decode(signature).expect("base64"),
        };
        let place = place(bytes.len());
        bytes[place] ^= 1;
        match self {
            Self::Hexadecimal => hex::encode(bytes),
            Self::Base64(engine) => engine.encode(bytes),
        }
    }
}

/// What is measured.
struct Case {
    name: &'static str,
    /// What is presented, with a signature that is right.
    text: String,
    signature: String,
    written: Written,
    /// Whether it is accepted.
    accepts: Box<dyn Fn(&str) -> bool>,
    leaks: bool,
}

fn url_case<K: UrlScheme>(name: &'static str, key: K, url: &str, mark: &str, written: Written) -> Case {
    let signed = [None, Some(NOW + 60)]
        .into_iter()
        .find_map(|expires| key.sign(&POLICY, &Wanted::plain(url, expires)).ok())
        .expect("a URL that can be signed");
    let target = signed.url["https://h".len()..].to_owned();
    let start = target.find(mark).expect("where the signature starts") + mark.len();
    let end = target[start..].find(['/', '&']).map_or(target.len(), |at| start + at);
    let signature = target[start..end].trim_end_matches("--").to_owned();
    let accepts = move |target: &str| {
        let presented = Presented { origin: Some("https://h"), ..Presented::target(target, NOW) };
        K::verify([&key], &POLICY, &presented).is_ok()
    };
    Case { name, text: target, signature, written, accepts: Box::new(accepts), leaks: false }
}

fn cases() -> Vec<Case> {
    let url = "https://h/photos/a.jpg?w=1";
    let path = "https://h/photos/a.jpg";
    let delivery = "https://h/demo/image/upload/a.jpg";
    let unpadded = || Written::Base64(&URL_SAFE_NO_PAD);
    let padded = || Written::Base64(&URL_SAFE);
    let secret = SECRET.as_bytes();
    let mut cases = vec![
        url_case("cloudflare-images", cloudflare_images::Key::new(secret), url, "sig=", Written::Hexadecimal),
        url_case("imgproxy", imgproxy::Key::new(secret, b"5a17", 32).expect("a key"), path, "/", unpadded()),
        url_case("thumbor", thumbor::Key::new(secret).expect("a key"), path, "/", padded()),
        url_case("imgix", imgix::Key::new(secret).expect("a key"), url, "&s=", Written::Hexadecimal),
        url_case(
            "fastly",
            fastly::Key::new(secret).expect("a key"),
            url,
            "token=1700000060_",
            Written::Hexadecimal,
        ),
        url_case("bunny", bunny::Key::new(secret).expect("a key"), path, "token=HS256-", unpadded()),
        url_case(
            "google-cloud-cdn",
            google_cloud_cdn::Key::new(STANDARD.encode([7; 16]).as_bytes(), "k").expect("a key"),
            url,
            "Signature=",
            padded(),
        ),
        url_case(
            "akamai-edgeauth",
            akamai_edgeauth::Key::new(secret, &akamai_edgeauth::Settings::default()).expect("a key"),
            url,
            "~hmac=",
            Written::Hexadecimal,
        ),
        url_case(
            "cloudinary-auth-token",
            cloudinary_auth_token::Key::new(secret, "t").expect("a key"),
            url,
            "~hmac=",
            Written::Hexadecimal,
        ),
        url_case(
            "cloudinary-delivery, long",
            cloudinary_delivery::Key::new(secret, cloudinary_delivery::Signatures::Long).expect("a key"),
            delivery,
            "s--",
            unpadded(),
        ),
        url_case(
            "cloudinary-delivery, short",
            cloudinary_delivery::Key::new(secret, cloudinary_delivery::Signatures::Short(Algorithm::Sha256))
                .expect("a key"),
            delivery,
            "s--",
            unpadded(),
        ),
    ];
    cases.extend(cloudinary());
    cases.push(leaky());
    cases
}

/// Uploads, answers and webhooks: the text is the signature alone.
fn cloudinary() -> [Case; 3] {
    let key = || cloudinary_upload::Key::new(SECRET.as_bytes());
    let case = |name, signature: String, accepts: Box<dyn Fn(&str) -> bool>| Case {
        name,
        text: signature.clone(),
        signature,
        written: Written::Hexadecimal,
        accepts,
        leaks: false,
    };
    let algorithm = Algorithm::Sha256;
    let params = [("folder", "u/1"), ("timestamp", "1700000000")];
    let upload = {
        let key = key();
        let policy = cloudinary_upload::Policy { algorithm, accept_v1: false };
        let signature = cloudinary_upload::sign(&key, algorithm, Version::V2, params);
        let accepts = move |signature: &str| {
            let fields = [params[0], params[1], ("signature", signature)];
            cloudinary_upload::verify([&key], &fields, NOW, &policy).is_ok()
        };
        case("cloudinary upload", signature, Box::new(accepts))
    };
    let answer = {
        let key = key();
        let signature = cloudinary_upload::sign_response(&key, algorithm, "a", 1);
        let accepts = move |signature: &str| {
            let answer = Response { public_id: "a", version: "1", signature };
            cloudinary_upload::verify_response([&key], &[algorithm], &answer).is_ok()
        };
        case("cloudinary answer", signature, Box::new(accepts))
    };
    let webhook = {
        use sha2::Digest;

        let key = key();
        let (body, timestamp) = ("[1]", "1700000000");
        let signature = hex::encode(Sha256::digest(format!("{body}{timestamp}{SECRET}")));
        let accepts = move |signature: &str| {
            let webhook = Notification { body: body.as_bytes(), timestamp, signature };
            cloudinary_upload::verify_notification([&key], &[algorithm], &webhook, 7200, NOW).is_ok()
        };
        case("cloudinary webhook", signature, Box::new(accepts))
    };
    [upload, answer, webhook]
}

/// What must be caught: the same HMAC, compared byte by byte until two differ.
fn leaky() -> Case {
    let hmac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    let made = move || {
        let mut mac = hmac.clone();
        mac.update(b"/photos/a.jpg?w=1");
        #[expect(clippy::disallowed_methods, reason = "so that it can leak")]
        mac.finalize().into_bytes()
    };
    let signature = hex::encode(made());
    let accepts = move |signature: &str| {
        let presented = hex::decode(signature).expect("hexadecimal");
        made().iter().zip(&presented).all(|(made, presented)| black_box(made) == black_box(presented))
    };
    Case {
        name: "byte by byte, to be caught",
        text: signature.clone(),
        signature,
        written: Written::Hexadecimal,
        accepts: Box::new(accepts),
        leaks: true,
    }
}

/// Random numbers (splitmix64; Steele, Lea, Flood 2014): which class comes next.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Nanoseconds of every call, with its class.
fn measure(case: &Case, samples: usize, random: &mut Random) -> Vec<(u32, bool)> {
    let wrong = |place: fn(usize) -> usize| {
        case.text.replace(&case.signature, &case.written.wrong_at(&case.signature, place))
    };
    let classes = [wrong(|_| 0), wrong(|length| length - 1)];
    assert!((case.accepts)(&case.text), "{}: the right signature is refused", case.name);
    assert!(
        classes.iter().all(|text| text.len() == case.text.len() && !(case.accepts)(text)),
        "{}",
        case.name
    );
    // One place in memory for both, and both are read for each: where one of them lies must not be what is measured.
    let [first, last] = classes.map(String::into_bytes);
    let mut text = first.clone();
    let mut taken = Vec::with_capacity(samples);
    for _ in 0..samples + samples / 100 {
        let class = random.next() & 1 == 1;
        let mask = black_box(if class { 0xff } else { 0 });
        for ((byte, first), last) in text.iter_mut().zip(&first).zip(&last) {
            *byte = first ^ ((first ^ last) & mask);
        }
        let text = str::from_utf8(&text).expect("text");
        let start = Instant::now();
        black_box((case.accepts)(black_box(text)));
        taken.push((start.elapsed().as_nanos().min(u128::from(u32::MAX)) as u32, class));
    }
    // The first are slow, for they are the first.
    taken.split_off(samples / 100)
}

/// Welch's t between the classes.
fn welch<'s>(samples: impl Iterator<Item = &'s (u32, bool)>) -> f64 {
    let mut classes = [(0.0, 0.0, 0.0); 2];
    for (taken, class) in samples {
        // Welford's way: no difference of large sums.
        let (count, mean, squares) = &mut classes[usize::from(*class)];
        let taken = f64::from(*taken);
        *count += 1.0;
        let before = taken - *mean;
        *mean += before / *count;
        *squares += before * (taken - *mean);
    }
    let [(n, mean, squares), (other_n, other_mean, other_squares)] = classes;
    let variance = squares / (n - 1.0) / n + other_squares / (other_n - 1.0) / other_n;
    if variance == 0.0 { 0.0 } else { (mean - other_mean) / variance.sqrt() }
}

/// t of every crop.
fn statistics(samples: &[(u32, bool)]) -> [f64; CROPS.len()] {
    let mut times: Vec<_> = samples.iter().map(|(taken, _)| *taken).collect();
    times.sort_unstable();
    CROPS.map(|percent| {
        let limit = times[(times.len() * percent / 100).min(times.len() - 1)];
        welch(samples.iter().filter(|(taken, _)| *taken <= limit))
    })
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let samples = args.next().map_or(SAMPLES, |text| text.parse().expect("a number of samples"));
    let word = args.next().unwrap_or_default();
    println!(
        "{samples} calls each, {MEASUREMENTS} times; t of the fastest {CROPS:?} % of them; |t| above {THRESHOLD} is a difference"
    );
    println!("{:<28} {:>8} {:>8} {:>8} {:>8} {:>8}  verdict", "", "ns", "t 50", "t 80", "t 95", "t 100");
    let mut as_expected = true;
    // One for all: no two measurements have the same classes in the same order.
    let mut random = Random(0x5afe_1197);
    for case in cases().iter().filter(|case| case.name.contains(&word)) {
        let mut measured: Vec<_> = (0..MEASUREMENTS)
            .map(|_| {
                let taken = measure(case, samples, &mut random);
                let mut times: Vec<_> = taken.iter().map(|(taken, _)| *taken).collect();
                let (_, median, _) = times.select_nth_unstable(samples / 2);
                let t = statistics(&taken);
                (t.iter().fold(0.0_f64, |most, t| most.max(t.abs())), *median, t)
            })
            .collect();
        measured.sort_by(|(most, ..), (other, ..)| most.total_cmp(other));
        let (most, median, [a, b, c, d]) = measured[MEASUREMENTS / 2];
        let leaks = most > THRESHOLD;
        as_expected &= leaks == case.leaks;
        let verdict = if leaks { "LEAKS" } else { "no difference" };
        println!("{:<28} {median:>8} {a:>8.2} {b:>8.2} {c:>8.2} {d:>8.2}  {verdict}", case.name);
    }
    if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
