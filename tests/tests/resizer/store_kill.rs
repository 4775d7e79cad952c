//! Uploads while resizer and signer are killed at random moments: every token ends with one object, or can still be used.
//!
//! `SAFELIGHT_KILL_UPLOADS` sets the number of uploads, `SAFELIGHT_SEED` the seed.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use image::ImageFormat;
use safelight_proto::{reason::Reason, signer::v1::UploadTokenState};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use crate::{
    pictures::noise_file,
    postgres::Postgres,
    receiver::Callback,
    store_site::{Clients, Random, Site, Token, Told, messages, number, open},
};

const CLIENTS: usize = 24;
const UPLOADS: u64 = 400;
/// How long an object may be there and nobody be told: a reservation, and some seconds.
const RECOVERY: Duration = Duration::from_secs(150);
/// How long a client waits for one answer, and for any.
const ATTEMPT: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Default)]
struct Counts {
    attempts: AtomicUsize,
    lost: AtomicUsize,
    refused: AtomicUsize,
    replays: AtomicUsize,
    /// Attempts with a new name, and uploads that were answered that another of their attempts has stored the file.
    renamed: AtomicUsize,
    by_another: AtomicUsize,
    abandoned: AtomicUsize,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Reasons after which an attempt is repeated.
const TRANSIENT: [Reason; 10] = [
    Reason::SignerUnavailable,
    Reason::OriginUnavailable,
    Reason::OriginInterrupted,
    Reason::StoreUnavailable,
    Reason::UploadIncomplete,
    Reason::Busy,
    Reason::DeadlineExceeded,
    Reason::Cancelled,
    Reason::TokenReserved,
    Reason::TokenNotReserved,
];

/// An upload, by one client.
struct Upload {
    token: Token,
    bytes: Vec<u8>,
    /// Names of its attempts.
    ids: Vec<String>,
}

impl Upload {
    fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }

    async fn attempt(&self, clients: &mut Clients, id: &str, over_http: bool) -> Told {
        let Self { token, bytes, .. } = self;
        if over_http {
            clients.put(&token.token, id, bytes, ATTEMPT).await
        } else {
            clients.store(messages(open(&token.token, id), bytes), ATTEMPT).await
        }
    }

    /// Repeats until there is an answer; some clients do not come back after an attempt without one.
    async fn run(
        &mut self,
        clients: &mut Clients,
        random: &mut Random,
        counts: &Counts,
        may_give_up: bool,
    ) -> bool {
        let began = Instant::now();
        let mut id = self.ids[0].clone();
        loop {
            assert!(began.elapsed() < PATIENCE, "no answer: {:?} {:?}", self.token, self.ids);
            count(&counts.attempts);
            let told = self.attempt(clients, &id, random.below(2) == 0).await;
            match told {
                Told::Stored { key, sha256, replayed } => {
                    assert_eq!((&key, &sha256), (&self.token.key, &self.sha256()));
                    if replayed {
                        count(&counts.replays);
                    }
                    return true;
                }
                Told::Refused(reason) if reason == Reason::TokenAlreadyRedeemed.as_str() => {
                    // By an attempt with another name: that one has the answer.
                    assert!(self.ids.len() > 1, "no other client has this token: {:?}", self.token);
                    count(&counts.by_another);
                }
                Told::Refused(reason) => {
                    let known = TRANSIENT.iter().any(|known| known.as_str() == reason);
                    assert!(known, "{reason}: {:?} {:?}", self.token, self.ids);
                    count(&counts.refused);
                }
                Told::Lost => {
                    count(&counts.lost);
                    if may_give_up && random.below(6) == 0 {
                        count(&counts.abandoned);
                        return false;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(20 + random.below(60) as u64)).await;
            // Mostly the same name, sometimes a new one. While the token is reserved, an older one is tried again.
            if random.below(8) == 0 && self.ids.len() < 4 {
                count(&counts.renamed);
                self.ids.push(format!("{}-{}", self.ids[0], self.ids.len()));
                id.clone_from(self.ids.last().unwrap());
            } else {
                id.clone_from(&self.ids[random.below(self.ids.len())]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_services_lose_nothing_and_store_nothing_twice() {
    let uploads = number("SAFELIGHT_KILL_UPLOADS", UPLOADS);
    kill_while_uploading("embedded", uploads, Site::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_services_lose_nothing_on_postgresql() {
    let Some(postgres) = Postgres::start() else { return };
    let uploads = number("SAFELIGHT_KILL_UPLOADS", UPLOADS / 2);
    kill_while_uploading("postgresql", uploads, Site::start_on(Some(postgres)).await).await;
}

#[expect(clippy::print_stdout, reason = "what was counted")]
async fn kill_while_uploading(store: &str, uploads: u64, mut site: Site) {
    let began = Instant::now();
    let seed = number("SAFELIGHT_SEED", 12);
    let uploads = usize::try_from(uploads).unwrap();
    // A file of each size, so that every upload has bytes of its own.
    let mut clients = site.clients();
    let mut waiting = Vec::new();
    for n in 0..uploads {
        let token = clients.token().await;
        let side = u32::try_from(n).unwrap();
        let bytes = noise_file(8 + side % 61, 8 + side / 61 % 61, ImageFormat::Png);
        waiting.push(Upload { token, bytes, ids: vec![format!("upload-{n}")] });
    }
    site.proxy.delay(25, Random::new(seed));

    let (waiting, counts) = (Arc::new(Mutex::new(waiting)), Arc::new(Counts::default()));
    let ended: Arc<Mutex<Vec<(Upload, bool)>>> = Arc::default();
    let mut workers = JoinSet::new();
    for worker in 0..CLIENTS {
        let (mut clients, waiting, counts) = (site.clients(), Arc::clone(&waiting), Arc::clone(&counts));
        let (ended, mut random) = (Arc::clone(&ended), Random::new(seed + 1000 + worker as u64));
        workers.spawn(async move {
            loop {
                let upload = waiting.lock().unwrap().pop();
                let Some(mut upload) = upload else { return };
                let told = upload.run(&mut clients, &mut random, &counts, true).await;
                ended.lock().unwrap().push((upload, told));
            }
        });
    }
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    let killer = tokio::spawn(async move {
        let (mut random, mut kills) = (Random::new(seed), [0, 0]);
        loop {
            tokio::time::sleep(Duration::from_millis(60 + random.below(400) as u64)).await;
            if is_done.load(Ordering::Relaxed) {
                return (site, kills);
            }
            let which = random.below(5);
            if which != 1 {
                site.resizer.kill();
                kills[0] += 1;
            }
            if which <= 1 {
                site.signer.kill();
                kills[1] += 1;
                tokio::time::sleep(Duration::from_millis(random.below(80) as u64)).await;
                site.signer.restart();
            }
            if which != 1 {
                site.resizer.restart();
            }
            // A process that is killed before it listens has nothing to lose.
            site.signer.listening().await;
            site.resizer.listening().await;
        }
    });
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let (site, kills) = killer.await.unwrap();

    // Uploads whose clients did not come back: a resizer looks for their objects, and has them told.
    let mut clients = site.clients();
    let (mut random, mut found, mut usable) = (Random::new(seed + 1), 0, 0);
    let mut ended = std::mem::take(&mut *ended.lock().unwrap());
    assert_eq!(ended.len(), uploads);
    let mut recovered = 0;
    for (upload, _) in ended.iter().filter(|(_, told)| !told) {
        if site.object(&upload.token.key).await.is_none() {
            continue;
        }
        let looking = Instant::now();
        while clients.state(&upload.token.token).await != UploadTokenState::Redeemed {
            assert!(looking.elapsed() < RECOVERY, "an object that nobody was told of: {:?}", upload.token);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        recovered += 1;
    }
    for (upload, told) in &mut ended {
        let object = site.object(&upload.token.key).await;
        let state = clients.state(&upload.token.token).await;
        let is_redeemed = state == UploadTokenState::Redeemed;
        if *told {
            assert!(is_redeemed, "{:?}", upload.token);
        } else {
            assert!(object.is_some() || !is_redeemed, "spent without an object: {:?}", upload.token);
            found += usize::from(object.is_some());
            usable += usize::from(object.is_none());
            assert!(upload.run(&mut clients, &mut random, &counts, false).await);
            assert_eq!(clients.state(&upload.token.token).await, UploadTokenState::Redeemed);
        }
        assert_eq!(site.object(&upload.token.key).await.as_deref(), Some(&upload.bytes[..]));
    }
    let accepted: HashMap<_, _> =
        ended.iter().map(|(upload, _)| (upload.token.key.clone(), upload.sha256())).collect();
    let (objects, _) = site.audit(&accepted).await;
    // Every object was told of, as what it is; some more than once.
    let mut told: HashMap<String, usize> = HashMap::new();
    let telling = Instant::now();
    while told.len() < accepted.len() {
        assert!(telling.elapsed() < RECOVERY, "{} of {} were told", told.len(), accepted.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
        told.clear();
        for said in site.receiver.callbacks().iter().filter(|told| told.is("stored")).map(Callback::json) {
            let key = said["key"].as_str().unwrap();
            assert_eq!(said["sha256"].as_str(), accepted.get(key).map(String::as_str), "{said}");
            *told.entry(key.to_owned()).or_default() += 1;
        }
    }
    let again = told.values().filter(|count| **count > 1).count();
    let puts = site.proxy.puts();
    let adoptions = puts.iter().filter(|put| put.status == 412).count();
    let get = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "{store}, seed {seed}: {uploads} uploads by {CLIENTS} clients, {objects} objects; SIGKILL of the resizer × {}, of the signer × {}; \
         {} attempts, {} without an answer, {} to be repeated, {} with a new name, {} told that another attempt has stored it, \
         {} replays, {adoptions} adoptions (412 and the same file); {} abandoned: {found} with an object, {recovered} of them found by a resizer, {usable} without; {} callbacks of stored \
         objects, {again} more than once; {:.1?}",
        kills[0],
        kills[1],
        get(&counts.attempts),
        get(&counts.lost),
        get(&counts.refused),
        get(&counts.renamed),
        get(&counts.by_another),
        get(&counts.replays),
        get(&counts.abandoned),
        told.len(),
        began.elapsed()
    );
    assert!(kills[0] > 3 && kills[1] > 1 && get(&counts.lost) > 0);
}
