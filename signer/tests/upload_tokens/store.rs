//! What every store must do.

use std::{sync::Arc, time::Instant};

use safelight_signer::upload::{
    Event, Outcome, Record, Refusal, State, Store, TokenId,
    machine::EventKind,
    record::Details,
    store::{
        embedded::{EmbeddedStore, OpenError},
        postgres::PostgresStore,
    },
};
use tokio::task::JoinSet;

use crate::place::Place;

const NOW: u64 = 1_700_000_000;

fn id(number: u8) -> TokenId {
    TokenId([number; 32])
}

fn record(expires: u64) -> Record {
    Record {
        account: "acme".to_owned(),
        expires,
        state: State::Pending,
        details: Details {
            created: NOW,
            image_id: "日本/😍".to_owned(),
            creator: "who's \"who\" \\".to_owned(),
            metadata: (0..=255).collect(),
            require_signed_urls: true,
            max_bytes: u64::MAX,
            allowed_content_types: vec!["image/jpeg".to_owned(), "image/*".to_owned()],
        },
    }
}

fn event(account: &str, at: u64, kind: EventKind) -> Event {
    Event { account: account.to_owned(), at, kind }
}

fn redeem(at: u64, request_id: &str) -> Event {
    event("acme", at, EventKind::Redeem { request_id: request_id.to_owned() })
}

fn cancel(at: u64) -> Event {
    event("acme", at, EventKind::Cancel)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_kept_as_they_are_and_outlive_the_store() {
    for (name, place) in Place::all() {
        let store = place.open();
        assert_eq!(store.get(id(1)).await.unwrap(), None, "{name}");
        let pending = record(NOW + 120);
        for number in 1..=3 {
            store.insert(id(number), pending.clone()).await.unwrap();
        }
        store.apply(id(2), redeem(NOW + 1, "r")).await.unwrap().unwrap();
        store.apply(id(3), cancel(NOW + 2)).await.unwrap().unwrap();
        let redeemed = State::Redeemed { at: NOW + 1, request_id: "r".to_owned() };
        for _ in 0..2 {
            let store = place_reopened(&place, &store);
            assert_eq!(store.get(id(1)).await.unwrap(), Some(pending.clone()), "{name}");
            let kept = store.get(id(2)).await.unwrap().unwrap();
            assert_eq!(kept, Record { state: redeemed.clone(), ..pending.clone() }, "{name}");
            assert_eq!(store.get(id(3)).await.unwrap().unwrap().state, State::Cancelled { at: NOW + 2 });
        }
        drop(store);
        let store = place.open();
        assert_eq!(store.get(id(2)).await.unwrap().unwrap().state, redeemed, "{name}");
    }
}

/// PostgreSQL's stores share; a file has one.
fn place_reopened(place: &Place, store: &Arc<dyn Store>) -> Arc<dyn Store> {
    if place.postgres.is_some() { place.open() } else { Arc::clone(store) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_a_token() {
    for (name, place) in Place::all() {
        let store = place.open();
        let expires = NOW + 120;
        let mut number = 0;
        for (history, event, expected) in [
            (vec![], redeem(NOW, ""), Ok(false)),
            (vec![], redeem(expires - 1, "r"), Ok(false)),
            (vec![], redeem(expires, "r"), Err(Refusal::Expired)),
            (vec![], redeem(u64::MAX / 2, "r"), Err(Refusal::Expired)),
            (vec![], cancel(NOW), Ok(false)),
            (vec![], cancel(expires + 5), Ok(false)),
            (vec![redeem(NOW, "r")], redeem(NOW + 1, "r"), Ok(true)),
            // What has happened counts before the clock: forwards, and backwards.
            (vec![redeem(NOW, "r")], redeem(expires + 9, "r"), Ok(true)),
            (vec![redeem(NOW + 100, "r")], redeem(NOW - 50, ""), Err(Refusal::AlreadyRedeemed)),
            (vec![redeem(NOW, "r")], redeem(NOW, "s"), Err(Refusal::AlreadyRedeemed)),
            (vec![redeem(NOW, "r")], redeem(expires + 9, "s"), Err(Refusal::AlreadyRedeemed)),
            (vec![redeem(NOW, "")], redeem(NOW, ""), Err(Refusal::AlreadyRedeemed)),
            (vec![redeem(NOW, "")], redeem(NOW, "r"), Err(Refusal::AlreadyRedeemed)),
            (vec![redeem(NOW, "r")], cancel(NOW), Err(Refusal::AlreadyRedeemed)),
            (vec![cancel(NOW)], redeem(NOW, "r"), Err(Refusal::Cancelled)),
            (vec![cancel(NOW)], redeem(expires, "r"), Err(Refusal::Cancelled)),
            (vec![cancel(NOW)], cancel(NOW + 1), Ok(true)),
            (vec![], event("other", NOW, EventKind::Cancel), Err(Refusal::NotFound)),
            (
                vec![redeem(NOW, "r")],
                event("other", NOW, EventKind::Redeem { request_id: "r".to_owned() }),
                Err(Refusal::NotFound),
            ),
        ] {
            number += 1;
            store.insert(id(number), record(expires)).await.unwrap();
            for earlier in &history {
                store.apply(id(number), earlier.clone()).await.unwrap().unwrap();
            }
            let before = store.get(id(number)).await.unwrap().unwrap();
            let told = store.apply(id(number), event.clone()).await.unwrap();
            assert_eq!(
                told.as_ref().map(|outcome| outcome.replayed).map_err(|why| *why),
                expected,
                "{name}: {history:?} {event:?}"
            );
            let after = store.get(id(number)).await.unwrap().unwrap();
            match told {
                Ok(Outcome { record, replayed }) => {
                    assert_eq!(record, after);
                    assert_eq!(replayed, before == after, "{name}: {history:?} {event:?}");
                }
                Err(_) => assert_eq!(before, after),
            }
        }
        assert_eq!(store.apply(id(99), redeem(NOW, "r")).await.unwrap(), Err(Refusal::NotFound));
        assert_eq!(store.apply(id(99), cancel(NOW)).await.unwrap(), Err(Refusal::NotFound));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_redeems() {
    for (name, place) in Place::all() {
        let first = place.open();
        // Two replicas, where the store can be shared.
        let stores = [Arc::clone(&first), place_reopened(&place, &first)];
        for number in 1..=8 {
            first.insert(id(number), record(NOW + 120)).await.unwrap();
            let mut calls = JoinSet::new();
            for call in 0..64_usize {
                let store = Arc::clone(&stores[call % 2]);
                calls.spawn(
                    async move { store.apply(id(number), redeem(NOW, &call.to_string())).await.unwrap() },
                );
            }
            let told = calls.join_all().await;
            assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1, "{name}");
            let refused = told.iter().filter(|told| **told == Err(Refusal::AlreadyRedeemed)).count();
            assert_eq!(refused, 63, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_takes_the_oldest_and_no_more_than_it_may() {
    for (name, place) in Place::all() {
        let store = place.open();
        for number in 1..=10 {
            store.insert(id(number), record(NOW + u64::from(number))).await.unwrap();
        }
        store.apply(id(2), redeem(NOW, "r")).await.unwrap().unwrap();
        store.apply(id(9), cancel(NOW)).await.unwrap().unwrap();
        let left = async || {
            let mut left = Vec::new();
            for number in 1..=10 {
                if store.get(id(number)).await.unwrap().is_some() {
                    left.push(number);
                }
            }
            left
        };
        assert_eq!(store.sweep(NOW, 100).await.unwrap(), 0, "{name}");
        assert_eq!(store.sweep(NOW + 5, 3).await.unwrap(), 3, "{name}");
        assert_eq!(left().await, [4, 5, 6, 7, 8, 9, 10], "{name}");
        assert_eq!(store.sweep(NOW + 5, 3).await.unwrap(), 2, "{name}");
        assert_eq!(left().await, [6, 7, 8, 9, 10], "{name}: the last that is over is at its time");
        assert_eq!(store.sweep(NOW + 5, 3).await.unwrap(), 0, "{name}");
        // What is gone cannot be redeemed.
        assert_eq!(store.apply(id(1), redeem(NOW, "r")).await.unwrap(), Err(Refusal::NotFound), "{name}");
        assert_eq!(store.sweep(u64::MAX, 100).await.unwrap(), 5, "{name}");
        assert_eq!(left().await, Vec::<u8>::new(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_the_answer_does_not_undo_the_work() {
    let place = Place::embedded();
    let store = place.open();
    store.insert(id(1), record(NOW + 120)).await.unwrap();
    {
        let mut call = store.apply(id(1), redeem(NOW, "r"));
        // Asked once, so that it has begun.
        drop(std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx))).await);
    }
    let told = store.apply(id(1), redeem(NOW, "r")).await.unwrap().unwrap();
    assert!(told.replayed);
}

#[tokio::test]
async fn a_file_has_one_store() {
    let place = Place::embedded();
    let store = place.open();
    assert!(matches!(EmbeddedStore::open(&place.path()), Err(OpenError::Locked)));
    drop(store);
    drop(place.open());
    std::fs::write(place.path(), "not a database, and not empty either").unwrap();
    assert!(matches!(EmbeddedStore::open(&place.path()), Err(OpenError::Failed(_))));
    let nowhere = place.path().join("no/such/folder");
    assert!(matches!(EmbeddedStore::open(&nowhere), Err(OpenError::Failed(_))));
}

#[test]
fn others_cannot_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::embedded();
    drop(place.open());
    assert_eq!(std::fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_may_come_and_go() {
    let Some(mut place) = Place::postgres() else { return };
    let store = place.open();
    store.insert(id(1), record(NOW + 120)).await.unwrap();
    store.apply(id(1), redeem(NOW, "r")).await.unwrap().unwrap();
    place.postgres.as_mut().unwrap().crash();
    let began = Instant::now();
    for _ in 0..8 {
        store.apply(id(1), redeem(NOW, "s")).await.unwrap_err();
    }
    assert!(began.elapsed().as_secs() < 2, "a database that is gone is told at once");
    place.postgres.as_mut().unwrap().recover();
    // Each of its connections finds out by itself, before anything is sent.
    for _ in 0..8 {
        assert_eq!(store.apply(id(1), redeem(NOW, "s")).await.unwrap(), Err(Refusal::AlreadyRedeemed));
    }
}

#[tokio::test]
async fn a_database_that_was_never_there() {
    let store = PostgresStore::new("host=/nonexistent user=nobody dbname=none", 2, None).unwrap();
    let error = store.get(id(1)).await.unwrap_err();
    assert!(!error.to_string().is_empty());
}
