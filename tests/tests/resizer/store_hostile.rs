//! Uploads that are made to do harm, by a generator with a seed: afterwards the bucket has what was accepted and nothing else.
//!
//! `SAFELIGHT_HOSTILE_UPLOADS` sets their number, `SAFELIGHT_SEED` the seed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use image::ImageFormat;
use safelight_proto::{
    reason::Reason,
    resizer::v1::{ObjectWish, StoreOpen, UploadFinish, UploadToken, store_open::Authority},
    signer::v1::{CancelUploadTokenRequest, cancel_upload_token_request::Selector},
};
use tokio::task::JoinSet;

use crate::{
    harness::PATIENCE,
    pictures::{hollow_png, noise_file},
    store_site::{ACCOUNT, Clients, Random, Site, Token, Told, messages, messages_with, number, open},
};

const CLIENTS: usize = 16;
const UPLOADS: u64 = 2000;

const HTML: &[u8] = b"<!doctype html><html><script>alert(document.domain)</script></html>";
const SVG: &[u8] =
    b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0a";

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Attack {
    Good,
    Garbage,
    Html,
    Svg,
    Truncated,
    Damaged,
    Bomb,
    TextBefore,
    TextAfter,
    WrongLength,
    WrongChecksum,
    ShortBody,
    BrokenForm,
    OtherAccount,
    UnknownToken,
    CancelledToken,
    BadId,
    BadPath,
    Replay,
}

const ATTACKS: [Attack; 19] = [
    Attack::Good,
    Attack::Garbage,
    Attack::Html,
    Attack::Svg,
    Attack::Truncated,
    Attack::Damaged,
    Attack::Bomb,
    Attack::TextBefore,
    Attack::TextAfter,
    Attack::WrongLength,
    Attack::WrongChecksum,
    Attack::ShortBody,
    Attack::BrokenForm,
    Attack::OtherAccount,
    Attack::UnknownToken,
    Attack::CancelledToken,
    Attack::BadId,
    Attack::BadPath,
    Attack::Replay,
];

impl Attack {
    /// Whether it must be refused, whatever its bytes are.
    const fn must_fail(self) -> bool {
        // Bytes after a picture and damage within one can still be a picture; a changed form can still be a form.
        !matches!(self, Self::Good | Self::Damaged | Self::TextAfter | Self::BrokenForm | Self::Replay)
    }
}

/// Where a client's token is, and what its answers came to.
struct Client {
    clients: Clients,
    random: Random,
    token: Token,
    spent: Option<Token>,
    accepted: Arc<Mutex<HashMap<String, String>>>,
    number: usize,
}

/// A picture of a random kind and size.
fn picture(random: &mut Random) -> Vec<u8> {
    let format = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP][random.below(4)];
    let mut side = || u32::try_from(1 + random.below(40)).unwrap();
    noise_file(side(), side(), format)
}

fn form(bytes: &[u8]) -> Vec<u8> {
    let mut form = b"--limit\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n--limit\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
        .to_vec();
    form.extend_from_slice(bytes);
    form.extend_from_slice(b"\r\n--limit--\r\n");
    form
}

/// Changes, removes, doubles or inserts something, several times.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    const TOKENS: [&[u8]; 8] =
        [b"\r\n", b"--limit\r\n", b"--limit--\r\n", b"\"", b"\0", b"name=\"file\"", b"\r\n\r\n", b"; "];
    for _ in 0..=random.below(4) {
        // Mostly in the heads of the parts.
        let end = if random.below(3) == 0 { bytes.len() } else { bytes.len().min(200) };
        let at = random.below(end);
        let until = (at + 1 + random.below(30)).min(bytes.len());
        match random.below(5) {
            0 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[3],
            1 => drop(bytes.drain(at..until)),
            2 => {
                let copy = bytes[at..until].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            3 => drop(bytes.splice(at..at, TOKENS[random.below(TOKENS.len())].iter().copied())),
            _ => bytes.truncate(at.max(1)),
        }
    }
}

impl Client {
    fn id(&mut self) -> String {
        format!("{:016x}", self.random.next())
    }

    async fn post(&self, target: &str, length: usize, body: &[u8]) -> Told {
        let mut request = format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\
             Content-Type: multipart/form-data; boundary=limit\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.clients.exchange(&request, PATIENCE).await
    }

    /// The bytes by any of the doors.
    async fn send(&mut self, bytes: &[u8]) -> Told {
        let (id, token) = (self.id(), self.token.token.clone());
        match self.random.below(3) {
            0 => self.clients.put(&token, &id, bytes, PATIENCE).await,
            1 => {
                let body = form(bytes);
                self.post(&format!("/upload/{ACCOUNT}/{token}"), body.len(), &body).await
            }
            _ => self.clients.store(messages(open(&token, &id), bytes), PATIENCE).await,
        }
    }

    async fn store(&mut self, open: StoreOpen, bytes: &[u8]) -> Told {
        self.clients.store(messages(open, bytes), PATIENCE).await
    }

    async fn attack(&mut self, attack: Attack) -> Told {
        let mut bytes = picture(&mut self.random);
        let token = self.token.token.clone();
        match attack {
            Attack::Good => {}
            Attack::Garbage => {
                let length = 1 + self.random.below(3000);
                bytes = self.random.bytes(length);
            }
            Attack::Html => bytes = HTML.repeat(1 + self.random.below(20)),
            Attack::Svg => bytes = SVG.to_vec(),
            Attack::Truncated => {
                // Far enough from the end that pixels are missing.
                let length = 1 + self.random.below(bytes.len() / 2);
                bytes.truncate(length);
            }
            Attack::Damaged => {
                for _ in 0..=self.random.below(8) {
                    let at = self.random.below(bytes.len());
                    bytes[at] ^= 1 << self.random.below(8);
                }
            }
            Attack::Bomb => {
                let mut side = || u32::try_from(20_000 + self.random.below(60_000)).unwrap();
                bytes = hollow_png(side(), side());
            }
            Attack::TextBefore => {
                let text = [HTML, SVG, ZIP, b"\xef\xbb\xbf", b"\n"][self.random.below(5)];
                bytes.splice(0..0, text.iter().copied());
            }
            Attack::TextAfter => bytes.extend_from_slice([HTML, SVG, ZIP][self.random.below(3)]),
            Attack::WrongLength | Attack::WrongChecksum => {
                let mut open = open(&token, &self.id());
                let mut finish = UploadFinish { length: bytes.len() as u64, crc32c: None };
                if attack == Attack::WrongChecksum {
                    finish.crc32c = Some(crc32c::crc32c(&bytes) ^ (1 << self.random.below(32)));
                } else if self.random.below(2) == 0 {
                    finish.length = finish.length.wrapping_add_signed(if self.random.below(2) == 0 {
                        -1
                    } else {
                        1 + i64::try_from(self.random.below(1000)).unwrap()
                    });
                } else {
                    open.declared_length = Some(self.random.next() >> self.random.below(63));
                    if open.declared_length == Some(bytes.len() as u64) {
                        open.declared_length = Some(0);
                    }
                }
                return self.clients.store(messages_with(open, &bytes, finish), PATIENCE).await;
            }
            Attack::ShortBody => {
                // The body ends before its length is there.
                let form = form(&bytes);
                let sent = self.random.below(form.len() - 20);
                let target = format!("/upload/{ACCOUNT}/{token}");
                return self.post(&target, sent, &form[..sent]).await;
            }
            Attack::BrokenForm => {
                let mut form = form(&bytes);
                mutate(&mut self.random, &mut form);
                return self.post(&format!("/upload/{ACCOUNT}/{token}"), form.len(), &form).await;
            }
            Attack::OtherAccount => {
                let account = ["other", "ACME", "acme ", "acme/", "аcme", ""][self.random.below(6)];
                let authority = UploadToken { account: account.into(), token };
                let authority = Some(Authority::Token(authority));
                return self.store(StoreOpen { authority, ..open("", "o") }, &bytes).await;
            }
            Attack::UnknownToken => {
                let mut changed = token.into_bytes();
                let at = self.random.below(changed.len());
                changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
                self.token.token = String::from_utf8(changed).unwrap();
                let told = self.send(&bytes).await;
                self.token = self.clients.token().await;
                return told;
            }
            Attack::CancelledToken => {
                let selector = Some(Selector::Token(token));
                let cancel = CancelUploadTokenRequest { account: ACCOUNT.into(), selector };
                self.clients.tokens.cancel_upload_token(cancel).await.unwrap();
                let told = self.send(&bytes).await;
                self.token = self.clients.token().await;
                return told;
            }
            Attack::BadId => {
                const IDS: [&str; 14] = [
                    "../a",
                    "a/../b",
                    "a/..",
                    "./a",
                    "a/./b",
                    "a//b",
                    "/a",
                    "a/",
                    "a\\..\\b",
                    "a\nb",
                    "a\0b",
                    "a\u{202e}gpj",
                    "a\u{2215}b",
                    "a\u{ff0f}..\u{ff0f}b",
                ];
                let image_id = IDS[self.random.below(IDS.len())].to_owned();
                let wish = ObjectWish { account: ACCOUNT.into(), image_id, ..Default::default() };
                let authority = Some(Authority::Object(wish));
                let open = StoreOpen { upload: "services".into(), authority, ..Default::default() };
                return self.store(open, &bytes).await;
            }
            Attack::BadPath => {
                const PATHS: [&str; 8] = [
                    "/upload/acme/../acme/{}",
                    "/upload//acme/{}",
                    "/upload/acme/{}/",
                    "/upload/%2e%2e/{}",
                    "/upload/acme%2f{}",
                    "/upload/acme/{}%00",
                    "/upload/acme/%2e%2e%2f{}",
                    "/upload/acme/{}/../../x",
                ];
                let target = PATHS[self.random.below(PATHS.len())].replace("{}", &token);
                let form = form(&bytes);
                return self.post(&target, form.len(), &form).await;
            }
            Attack::Replay => {
                let Some(spent) = self.spent.clone() else { return self.send(&bytes).await };
                // The same token with another file.
                let id = self.id();
                let told = self.store(open(&spent.token, &id), &bytes).await;
                assert!(told.is(Reason::TokenAlreadyRedeemed), "{told:?}");
                return told;
            }
        }
        self.send(&bytes).await
    }

    async fn one(&mut self) -> (Attack, Told) {
        let attack = ATTACKS[self.random.below(ATTACKS.len())];
        let told = self.attack(attack).await;
        let what = format!("client {}: {attack:?} {:?}: {told:?}", self.number, self.token);
        if let Told::Stored { key, sha256, replayed } = &told {
            assert!(!attack.must_fail() && !replayed && *key == self.token.key, "{what}");
            let before = self.accepted.lock().unwrap().insert(key.clone(), sha256.clone());
            assert_eq!(before, None, "{what}");
            let next = self.clients.token().await;
            self.spent = Some(std::mem::replace(&mut self.token, next));
        } else {
            assert_ne!(attack, Attack::Good, "{what}");
        }
        // Every upload has an answer, and none is our own fault.
        assert!(told != Told::Lost || attack == Attack::BadPath, "{what}");
        assert!(!told.is(Reason::Internal) && !told.is(Reason::UploadUnknown), "{what}");
        (attack, told)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bucket_has_what_was_accepted_and_nothing_else() {
    let began = Instant::now();
    let seed = number("SAFELIGHT_SEED", 12);
    let uploads = usize::try_from(number("SAFELIGHT_HOSTILE_UPLOADS", UPLOADS)).unwrap();
    let site = Site::start().await;
    let before = site.resizer.peak_memory();
    let accepted: Arc<Mutex<HashMap<String, String>>> = Arc::default();
    let table: Arc<Mutex<BTreeMap<(Attack, String), usize>>> = Arc::default();
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for number in 0..CLIENTS {
        let mut clients = site.clients();
        let (accepted, table, next) = (Arc::clone(&accepted), Arc::clone(&table), Arc::clone(&next));
        workers.spawn(async move {
            let token = clients.token().await;
            let random = Random::new(seed + number as u64);
            let mut client = Client { clients, random, token, spent: None, accepted, number };
            while next.fetch_add(1, Ordering::Relaxed) < uploads {
                let (attack, told) = client.one().await;
                let told = match told {
                    Told::Stored { .. } => "stored".to_owned(),
                    Told::Refused(reason) => reason,
                    Told::Lost => "no JSON".to_owned(),
                };
                *table.lock().unwrap().entry((attack, told)).or_default() += 1;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    let accepted = accepted.lock().unwrap().clone();
    let (objects, stricter) = site.audit(&accepted).await;
    for ((attack, told), count) in &*table.lock().unwrap() {
        println!("{attack:?}: {told} × {count}");
    }
    println!(
        "seed {seed}: {uploads} uploads by {CLIENTS} clients, {objects} objects, all as accepted ({stricter} that another decoder refuses); resizer's peak memory {} MiB \
         (at the start {} MiB), signer's {} MiB; {:.1?}",
        site.resizer.peak_memory() >> 20,
        before >> 20,
        site.signer.peak_memory() >> 20,
        began.elapsed()
    );
}
