//! The stores against a model, by random histories: with restarts between, and a clock that goes both ways.

use std::{collections::BTreeMap, sync::Arc};

use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, prop_oneof},
    test_runner::{RngSeed, TestRunner},
};
use safelight_signer::upload::{
    Event, Record, Refusal, State, Store, TokenId, machine::EventKind, record::Details,
};
use tokio::runtime::Runtime;

use crate::place::Place;

const NOW: u64 = 1_700_000_000;
const TOKENS: u8 = 3;

#[derive(Clone, Debug)]
enum Step {
    Insert { token: u8, ttl: u64 },
    Reserve { token: u8, account: &'static str, request_id: &'static str, lease: u64, at: u64 },
    Redeem { token: u8, account: &'static str, request_id: &'static str, at: u64 },
    Release { token: u8, account: &'static str, request_id: &'static str, at: u64 },
    Cancel { token: u8, account: &'static str, at: u64 },
    Sweep { until: u64, limit: usize },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let token = || 0..TOKENS;
    let account = || prop_oneof![4 => Just("a"), 1 => Just("b")];
    let attempt = || prop_oneof![Just("r"), Just("s")];
    let step = prop_oneof![
        4 => (token(), 0_u64..20).prop_map(|(token, ttl)| Step::Insert { token, ttl }),
        8 => (token(), account(), prop_oneof![Just(""), Just("r"), Just("s")], 0_u64..25)
            .prop_map(|(token, account, request_id, at)| Step::Redeem { token, account, request_id, at }),
        8 => (token(), account(), attempt(), 1_u64..15, 0_u64..25).prop_map(
            |(token, account, request_id, lease, at)| Step::Reserve { token, account, request_id, lease, at }
        ),
        2 => (token(), account(), attempt(), 0_u64..25)
            .prop_map(|(token, account, request_id, at)| Step::Release { token, account, request_id, at }),
        2 => (token(), account(), 0_u64..25).prop_map(|(token, account, at)| Step::Cancel { token, account, at }),
        1 => (0_u64..25, 0_usize..4).prop_map(|(until, limit)| Step::Sweep { until, limit }),
        1 => Just(Step::Reopen),
    ];
    vec(step, 1..40)
}

/// What is known of a token: how long it lives, which request has reserved it until when, and what ended it when.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    expires: u64,
    reserved: Option<(&'static str, u64)>,
    end: Option<(End, u64)>,
}

impl Known {
    fn over(&self) -> u64 {
        let reserved = self.reserved.map_or(0, |(_, until)| until);
        let ended = self.end.as_ref().map_or(0, |(_, at)| *at);
        self.expires.max(reserved).max(ended)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum End {
    Redeemed(&'static str),
    Cancelled,
}

/// Written as the specification's table is, row by row, and not as the code is.
fn reserve(
    known: Option<&mut Known>,
    account: &str,
    request_id: &'static str,
    lease: u64,
    at: u64,
) -> Result<bool, Refusal> {
    let Some(known) = known.filter(|_| account == "a") else { return Err(Refusal::NotFound) };
    match known.end {
        Some((End::Cancelled, _)) => return Err(Refusal::Cancelled),
        Some((End::Redeemed(_), _)) => return Err(Refusal::AlreadyRedeemed),
        None => {}
    }
    let live = known.reserved.filter(|(_, until)| at < *until);
    if let Some((holder, until)) = live {
        if holder != request_id {
            return Err(Refusal::Reserved { until });
        }
    } else if at >= known.expires {
        return Err(Refusal::Expired);
    }
    known.reserved = Some((request_id, at + lease));
    Ok(live.is_some())
}

fn redeem(
    known: Option<&mut Known>,
    account: &str,
    request_id: &'static str,
    at: u64,
) -> Result<bool, Refusal> {
    let Some(known) = known.filter(|_| account == "a") else { return Err(Refusal::NotFound) };
    match known.end {
        Some((End::Cancelled, _)) => return Err(Refusal::Cancelled),
        Some((End::Redeemed(first), _)) if request_id == first && !first.is_empty() => return Ok(true),
        Some((End::Redeemed(_), _)) => return Err(Refusal::AlreadyRedeemed),
        None => {}
    }
    let is_holder = known.reserved.is_some_and(|(holder, _)| holder == request_id);
    if !is_holder {
        if let Some((_, until)) = known.reserved.filter(|(_, until)| at < *until) {
            return Err(Refusal::Reserved { until });
        }
        if at >= known.expires {
            return Err(Refusal::Expired);
        }
    }
    known.reserved = None;
    known.end = Some((End::Redeemed(request_id), at));
    Ok(false)
}

fn release(known: Option<&mut Known>, account: &str, request_id: &'static str) -> Result<bool, Refusal> {
    let Some(known) = known.filter(|_| account == "a") else { return Err(Refusal::NotFound) };
    if known.end.as_ref().is_some_and(|(end, _)| *end == End::Redeemed(request_id)) {
        return Err(Refusal::AlreadyRedeemed);
    }
    Ok(known.reserved.take_if(|(holder, _)| *holder == request_id).is_none())
}

fn cancel(known: Option<&mut Known>, account: &str, at: u64) -> Result<bool, Refusal> {
    let Some(known) = known.filter(|_| account == "a") else { return Err(Refusal::NotFound) };
    match known.end {
        Some((End::Redeemed(_), _)) => return Err(Refusal::AlreadyRedeemed),
        Some((End::Cancelled, _)) => return Ok(true),
        None => {}
    }
    if let Some((_, until)) = known.reserved.filter(|(_, until)| at < *until) {
        return Err(Refusal::Reserved { until });
    }
    known.reserved = None;
    known.end = Some((End::Cancelled, at));
    Ok(false)
}

async fn check(place: &Place, steps: &[Step]) {
    let mut store: Arc<dyn Store> = place.open();
    // What the history before this one left.
    store.sweep(u64::MAX, usize::MAX).await.unwrap();
    // Every token of the history: the one that a number stands for is the last that was made.
    let mut made: BTreeMap<u8, Known> = BTreeMap::new();
    let mut serial = [0_u8; TOKENS as usize];
    for (index, step) in steps.iter().enumerate() {
        let id = |token: u8, serial: u8| {
            let mut bytes = [serial; 32];
            bytes[0] = token;
            TokenId(bytes)
        };
        let told = match *step {
            Step::Insert { token, ttl } => {
                serial[usize::from(token)] += 1;
                let record = Record {
                    account: "a".to_owned(),
                    expires: NOW + ttl,
                    state: State::Pending,
                    details: Details { created: NOW, ..Details::default() },
                };
                store.insert(id(token, serial[usize::from(token)]), record).await.unwrap();
                // The one before cannot be asked for any more; it is swept at once, lest it count in a sweep.
                let key = token * 64 + serial[usize::from(token)];
                made.insert(key, Known { expires: NOW + ttl, reserved: None, end: None });
                continue;
            }
            Step::Reserve { token, account, request_id, lease, at } => {
                let kind = EventKind::Reserve { request_id: request_id.to_owned(), lease };
                let event = Event { account: account.to_owned(), at: NOW + at, kind };
                let serial = serial[usize::from(token)];
                let told = store.apply(id(token, serial), event).await.unwrap();
                let known = made.get_mut(&(token * 64 + serial));
                (told, reserve(known, account, request_id, lease, NOW + at))
            }
            Step::Redeem { token, account, request_id, at } => {
                let kind = EventKind::Redeem { request_id: request_id.to_owned() };
                let event = Event { account: account.to_owned(), at: NOW + at, kind };
                let serial = serial[usize::from(token)];
                let told = store.apply(id(token, serial), event).await.unwrap();
                (told, redeem(made.get_mut(&(token * 64 + serial)), account, request_id, NOW + at))
            }
            Step::Release { token, account, request_id, at } => {
                let kind = EventKind::Release { request_id: request_id.to_owned() };
                let event = Event { account: account.to_owned(), at: NOW + at, kind };
                let serial = serial[usize::from(token)];
                let told = store.apply(id(token, serial), event).await.unwrap();
                (told, release(made.get_mut(&(token * 64 + serial)), account, request_id))
            }
            Step::Cancel { token, account, at } => {
                let event = Event { account: account.to_owned(), at: NOW + at, kind: EventKind::Cancel };
                let serial = serial[usize::from(token)];
                let told = store.apply(id(token, serial), event).await.unwrap();
                (told, cancel(made.get_mut(&(token * 64 + serial)), account, NOW + at))
            }
            Step::Sweep { until, limit } => {
                let removed = store.sweep(NOW + until, limit).await.unwrap();
                let over = made.values().filter(|known| known.over() <= NOW + until).count();
                assert_eq!(removed, over.min(limit), "{index}");
                // Which of those that expire at the same time is not said: the model takes over what is gone.
                let mut gone = Vec::new();
                for key in made.keys() {
                    if store.get(id(key / 64, key % 64)).await.unwrap().is_none() {
                        gone.push(*key);
                    }
                }
                assert_eq!(gone.len(), removed, "{index}");
                let gone: Vec<_> = gone.iter().filter_map(|key| made.remove(key)).collect();
                assert!(gone.iter().all(|known| known.over() <= NOW + until), "{index}");
                let newest = gone.iter().map(|known| known.expires).max();
                let left = made.values().filter(|known| known.over() <= NOW + until);
                let oldest_left = left.map(|known| known.expires).min();
                assert!(
                    newest.is_none() || oldest_left.is_none() || newest <= oldest_left,
                    "{index}: oldest first"
                );
                continue;
            }
            Step::Reopen => {
                drop(store);
                store = place.open();
                continue;
            }
        };
        let (told, expected) = told;
        assert_eq!(told.map(|outcome| outcome.replayed), expected, "step {index} of {steps:?}");
    }
    for (key, known) in &made {
        let kept = store.get(TokenId({
            let mut bytes = [key % 64; 32];
            bytes[0] = key / 64;
            bytes
        }));
        let expected = match (&known.end, known.reserved) {
            (Some((End::Redeemed(request_id), at)), _) => {
                State::Redeemed { at: *at, request_id: (*request_id).to_owned() }
            }
            (Some((End::Cancelled, at)), _) => State::Cancelled { at: *at },
            (None, Some((holder, until))) => State::Reserved { request_id: holder.to_owned(), until },
            (None, None) => State::Pending,
        };
        assert_eq!(kept.await.unwrap().unwrap().state, expected, "{steps:?}");
    }
}

fn histories(place: &Place, cases: u32) {
    let runtime = Runtime::new().unwrap();
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            runtime.block_on(check(place, &steps));
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_embedded_store_is_the_model() {
    histories(&Place::embedded(), 160);
}

#[test]
fn a_postgres_store_is_the_model() {
    if let Some(place) = Place::postgres() {
        histories(&place, 96);
    }
}
