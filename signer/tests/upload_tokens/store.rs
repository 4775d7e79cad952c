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

fn reserve(at: u64, request_id: &str, lease: u64) -> Event {
    event("acme", at, EventKind::Reserve { request_id: request_id.to_owned(), lease })
}

fn release(at: u64, request_id: &str) -> Event {
    event("acme", at, EventKind::Release { request_id: request_id.to_owned() })
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
        for number in 1..=4 {
            store.insert(id(number), pending.clone()).await.unwrap();
        }
        store.apply(id(2), redeem(NOW + 1, "r")).await.unwrap().unwrap();
        store.apply(id(3), cancel(NOW + 2)).await.unwrap().unwrap();
        store.apply(id(4), reserve(NOW + 3, "r", 300)).await.unwrap().unwrap();
        let redeemed = State::Redeemed { at: NOW + 1, request_id: "r".to_owned() };
        let reserved = State::Reserved { request_id: "r".to_owned(), until: NOW + 303 };
        for _ in 0..2 {
            let store = place_reopened(&place, &store);
            assert_eq!(store.get(id(1)).await.unwrap(), Some(pending.clone()), "{name}");
            let kept = store.get(id(2)).await.unwrap().unwrap();
            assert_eq!(kept, Record { state: redeemed.clone(), ..pending.clone() }, "{name}");
            assert_eq!(store.get(id(3)).await.unwrap().unwrap().state, State::Cancelled { at: NOW + 2 });
            let kept = store.get(id(4)).await.unwrap().unwrap();
            assert_eq!(kept, Record { state: reserved.clone(), ..pending.clone() }, "{name}");
        }
        drop(store);
        let store = place.open();
        assert_eq!(store.get(id(2)).await.unwrap().unwrap().state, redeemed, "{name}");
        assert_eq!(store.get(id(4)).await.unwrap().unwrap().state, reserved, "{name}");
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
        // A lease that ends before the token's expiry, and one that ends after it.
        let (short, long) = (30, 900);
        let held = |until| Err(Refusal::Reserved { until });
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
            // Reserve: pending and not expired.
            (vec![], reserve(NOW, "r", short), Ok(false)),
            (vec![], reserve(expires - 1, "r", long), Ok(false)),
            (vec![], reserve(expires, "r", short), Err(Refusal::Expired)),
            (vec![redeem(NOW, "r")], reserve(NOW, "s", short), Err(Refusal::AlreadyRedeemed)),
            (vec![redeem(NOW, "r")], reserve(NOW, "r", short), Err(Refusal::AlreadyRedeemed)),
            (vec![redeem(NOW, "r")], reserve(expires, "r", short), Err(Refusal::AlreadyRedeemed)),
            (vec![cancel(NOW)], reserve(NOW, "r", short), Err(Refusal::Cancelled)),
            (vec![cancel(NOW)], reserve(expires, "r", short), Err(Refusal::Cancelled)),
            // The lease holds to its last second, whatever the token's expiry; only its own request renews it.
            (vec![reserve(NOW, "r", short)], reserve(NOW + 29, "s", short), held(NOW + 30)),
            (vec![reserve(NOW, "r", short)], reserve(NOW + 30, "s", short), Ok(false)),
            (vec![reserve(NOW, "r", long)], reserve(expires + 9, "s", short), held(NOW + 900)),
            (vec![reserve(NOW, "r", long)], reserve(NOW + 900, "s", short), Err(Refusal::Expired)),
            (vec![reserve(NOW, "r", short)], reserve(NOW + 29, "r", short), Ok(true)),
            (vec![reserve(NOW, "r", long)], reserve(expires + 9, "r", long), Ok(true)),
            (
                vec![reserve(NOW, "r", short), reserve(NOW + 29, "r", short)],
                reserve(NOW + 58, "s", short),
                held(NOW + 59),
            ),
            // Once it has ended, the token is as it was before, for the request that held it too.
            (vec![reserve(NOW, "r", short)], reserve(NOW + 30, "r", short), Ok(false)),
            (vec![reserve(NOW, "r", short)], reserve(expires, "r", short), Err(Refusal::Expired)),
            // Redeem by the request that holds it: at any time, as long as no other has changed it.
            (vec![reserve(NOW, "r", short)], redeem(NOW + 1, "r"), Ok(false)),
            (vec![reserve(NOW, "r", short)], redeem(NOW + 30, "r"), Ok(false)),
            (vec![reserve(NOW, "r", short)], redeem(expires, "r"), Ok(false)),
            (vec![reserve(NOW, "r", long)], redeem(expires + 9, "r"), Ok(false)),
            (vec![reserve(NOW, "r", long)], redeem(NOW + 90_000, "r"), Ok(false)),
            (vec![reserve(NOW, "r", short)], redeem(NOW - 50, "r"), Ok(false)),
            (vec![reserve(NOW, "r", short), redeem(NOW + 1, "r")], redeem(NOW + 2, "r"), Ok(true)),
            (
                vec![reserve(NOW, "r", short), redeem(NOW + 1, "r")],
                redeem(NOW + 2, "s"),
                Err(Refusal::AlreadyRedeemed),
            ),
            (
                vec![reserve(NOW, "r", short), reserve(NOW + 30, "s", short)],
                redeem(NOW + 31, "r"),
                held(NOW + 60),
            ),
            (
                vec![reserve(NOW, "r", short), redeem(NOW + 30, "s")],
                redeem(NOW + 31, "r"),
                Err(Refusal::AlreadyRedeemed),
            ),
            // The same after the clock has stepped back into the first lease.
            (
                vec![reserve(NOW, "r", short), redeem(NOW + 30, "s")],
                redeem(NOW + 1, "r"),
                Err(Refusal::AlreadyRedeemed),
            ),
            (vec![reserve(NOW, "r", short), cancel(NOW + 30)], redeem(NOW + 1, "r"), Err(Refusal::Cancelled)),
            // Redeem by another one.
            (vec![reserve(NOW, "r", short)], redeem(NOW + 29, "s"), held(NOW + 30)),
            (vec![reserve(NOW, "r", short)], redeem(NOW + 29, ""), held(NOW + 30)),
            (vec![reserve(NOW, "r", long)], redeem(expires, "s"), held(NOW + 900)),
            (vec![reserve(NOW, "r", short)], redeem(NOW + 30, "s"), Ok(false)),
            (vec![reserve(NOW, "r", short)], redeem(NOW + 30, ""), Ok(false)),
            (vec![reserve(NOW, "r", short)], redeem(expires, "s"), Err(Refusal::Expired)),
            // Release: what the request has not reserved stays as it is.
            (vec![reserve(NOW, "r", short)], release(NOW + 1, "r"), Ok(false)),
            (vec![reserve(NOW, "r", short)], release(NOW + 30, "r"), Ok(false)),
            (vec![reserve(NOW, "r", short)], release(NOW + 1, "s"), Ok(true)),
            (vec![reserve(NOW, "r", short), release(NOW + 1, "r")], release(NOW + 2, "r"), Ok(true)),
            (vec![reserve(NOW, "r", short), reserve(NOW + 30, "s", short)], release(NOW + 31, "r"), Ok(true)),
            (vec![], release(NOW, "r"), Ok(true)),
            (vec![], release(expires, "r"), Ok(true)),
            (vec![cancel(NOW)], release(NOW, "r"), Ok(true)),
            (vec![redeem(NOW, "s")], release(NOW, "r"), Ok(true)),
            (vec![redeem(NOW, "")], release(NOW, "r"), Ok(true)),
            (vec![redeem(NOW, "r")], release(NOW, "r"), Err(Refusal::AlreadyRedeemed)),
            // Released, it is pending: for others at once, and not for longer than before.
            (vec![reserve(NOW, "r", long), release(NOW + 1, "r")], reserve(NOW + 1, "s", short), Ok(false)),
            (vec![reserve(NOW, "r", long), release(NOW + 1, "r")], redeem(NOW + 1, "s"), Ok(false)),
            (
                vec![reserve(NOW, "r", long), release(NOW + 1, "r")],
                redeem(expires, "r"),
                Err(Refusal::Expired),
            ),
            // Cancel: not while the lease lives.
            (vec![reserve(NOW, "r", short)], cancel(NOW + 29), held(NOW + 30)),
            (vec![reserve(NOW, "r", long)], cancel(expires + 9), held(NOW + 900)),
            (vec![reserve(NOW, "r", short)], cancel(NOW + 30), Ok(false)),
            (vec![reserve(NOW, "r", short), release(NOW + 1, "r")], cancel(NOW + 1), Ok(false)),
            // Of another account.
            (
                vec![],
                event("other", NOW, EventKind::Reserve { request_id: "r".to_owned(), lease: 1 }),
                Err(Refusal::NotFound),
            ),
            (
                vec![reserve(NOW, "r", short)],
                event("other", NOW, EventKind::Release { request_id: "r".to_owned() }),
                Err(Refusal::NotFound),
            ),
            (
                vec![reserve(NOW, "r", short)],
                event("other", NOW, EventKind::Redeem { request_id: "r".to_owned() }),
                Err(Refusal::NotFound),
            ),
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
                    let renewed = replayed && matches!(event.kind, EventKind::Reserve { .. });
                    assert_eq!(replayed && !renewed, before == after, "{name}: {history:?} {event:?}");
                }
                Err(_) => assert_eq!(before, after),
            }
        }
        assert_eq!(store.apply(id(199), redeem(NOW, "r")).await.unwrap(), Err(Refusal::NotFound));
        assert_eq!(store.apply(id(199), cancel(NOW)).await.unwrap(), Err(Refusal::NotFound));
        assert_eq!(store.apply(id(199), reserve(NOW, "r", 9)).await.unwrap(), Err(Refusal::NotFound));
        assert_eq!(store.apply(id(199), release(NOW, "r")).await.unwrap(), Err(Refusal::NotFound));
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

/// Of 64 requests one reserves; then it commits while the others try to redeem, to release and to cancel.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_reserves_and_it_alone_commits() {
    for (name, place) in Place::all() {
        let first = place.open();
        let stores = [Arc::clone(&first), place_reopened(&place, &first)];
        for number in 1..=8 {
            first.insert(id(number), record(NOW + 120)).await.unwrap();
            let mut calls = JoinSet::new();
            for call in 0..64_usize {
                let store = Arc::clone(&stores[call % 2]);
                calls.spawn(async move {
                    let told = store.apply(id(number), reserve(NOW, &call.to_string(), 60)).await.unwrap();
                    (call, told)
                });
            }
            let told = calls.join_all().await;
            let refused = told.iter().filter(|(_, told)| *told == Err(Refusal::Reserved { until: NOW + 60 }));
            assert_eq!(refused.count(), 63, "{name}");
            let holder = told.iter().find(|(_, told)| told.is_ok()).unwrap().0;
            // The others try to commit, to give up and to cancel; the holder commits among them.
            let mut calls = JoinSet::new();
            for call in 0..64_usize {
                let store = Arc::clone(&stores[call % 2]);
                let event = match call % 3 {
                    _ if call == holder => redeem(NOW + 1, &call.to_string()),
                    0 => release(NOW + 1, &call.to_string()),
                    1 => cancel(NOW + 1),
                    _ => redeem(NOW + 1, &call.to_string()),
                };
                calls.spawn(async move { (call, store.apply(id(number), event).await.unwrap()) });
            }
            for (call, told) in calls.join_all().await {
                match told {
                    Ok(Outcome { replayed: false, .. }) => assert_eq!(call, holder, "{name}"),
                    Ok(Outcome { replayed: true, .. }) => assert_eq!(call % 3, 0, "{name}"),
                    Err(why) => {
                        let refused = [Refusal::AlreadyRedeemed, Refusal::Reserved { until: NOW + 60 }];
                        assert!(call != holder && refused.contains(&why), "{name}: {call} {why:?}");
                    }
                }
            }
            let redeemed = State::Redeemed { at: NOW + 1, request_id: holder.to_string() };
            assert_eq!(first.get(id(number)).await.unwrap().unwrap().state, redeemed, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_leaves_what_a_lease_or_a_late_commit_needs() {
    for (name, place) in Place::all() {
        let store = place.open();
        for number in 1..=5 {
            store.insert(id(number), record(NOW + 10)).await.unwrap();
        }
        store.apply(id(1), reserve(NOW, "r", 900)).await.unwrap().unwrap();
        store.apply(id(2), reserve(NOW, "r", 900)).await.unwrap().unwrap();
        store.apply(id(2), redeem(NOW + 500, "r")).await.unwrap().unwrap();
        store.apply(id(3), reserve(NOW, "r", 900)).await.unwrap().unwrap();
        store.apply(id(3), release(NOW + 500, "r")).await.unwrap().unwrap();
        store.apply(id(4), redeem(NOW + 1, "r")).await.unwrap().unwrap();
        store.apply(id(5), reserve(NOW, "r", 5)).await.unwrap().unwrap();
        let left = async || {
            let mut left = Vec::new();
            for number in 1..=5 {
                if store.get(id(number)).await.unwrap().is_some() {
                    left.push(number);
                }
            }
            left
        };
        assert_eq!(store.sweep(NOW + 9, 100).await.unwrap(), 0, "{name}");
        // Two of those that expired first are kept, and do not count.
        assert_eq!(store.sweep(NOW + 10, 2).await.unwrap(), 2, "{name}");
        assert_eq!(store.sweep(NOW + 10, 2).await.unwrap(), 1, "{name}");
        assert_eq!(left().await, [1, 2], "{name}: as early as today, and no more");
        assert_eq!(store.sweep(NOW + 499, 100).await.unwrap(), 0, "{name}");
        assert!(store.apply(id(2), redeem(NOW + 501, "r")).await.unwrap().unwrap().replayed, "{name}");
        assert_eq!(store.sweep(NOW + 500, 100).await.unwrap(), 1, "{name}");
        assert_eq!(store.sweep(NOW + 899, 100).await.unwrap(), 0, "{name}");
        assert_eq!(left().await, [1], "{name}");
        store.apply(id(1), reserve(NOW + 899, "r", 100)).await.unwrap().unwrap();
        assert_eq!(store.sweep(NOW + 998, 100).await.unwrap(), 0, "{name}: renewed");
        assert_eq!(store.sweep(NOW + 999, 100).await.unwrap(), 1, "{name}");
    }
}

/// The table of signers that knew no reservations gets its columns, while such a signer uses it.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_an_earlier_signer_is_used_as_it_is() {
    let Some(place) = Place::postgres() else { return };
    let (database, connection) =
        tokio_postgres::connect(&place.postgres.as_ref().unwrap().url(), tokio_postgres::NoTls)
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    database
        .batch_execute(
            "CREATE TABLE safelight_upload_tokens (id bytea PRIMARY KEY, account text NOT NULL, \
             expires bigint NOT NULL, ended bigint, request_id text, details bytea NOT NULL); \
             CREATE INDEX safelight_upload_tokens_expires ON safelight_upload_tokens (expires)",
        )
        .await
        .unwrap();
    let insert = "INSERT INTO safelight_upload_tokens (id, account, expires, ended, request_id, details) \
        VALUES ($1, 'acme', $2, $3, $4, '')";
    let insert = database.prepare(insert).await.unwrap();
    let (expires, ended) = ((NOW + 120).cast_signed(), (NOW + 1).cast_signed());
    for (number, ended, request_id) in [(1, None, None), (2, Some(ended), Some("r")), (3, Some(ended), None)]
    {
        let key = id(number).0;
        database.execute(&insert, &[&key.as_slice(), &expires, &ended, &request_id]).await.unwrap();
    }
    // Signers that start together.
    let stores: Vec<_> = (0..4).map(|_| place.open()).collect();
    let mut opening = JoinSet::new();
    for store in stores.clone() {
        opening.spawn(async move { store.get(id(1)).await.unwrap().unwrap().state });
    }
    assert!(opening.join_all().await.iter().all(|state| *state == State::Pending));
    let store = &stores[0];
    assert!(store.apply(id(2), redeem(NOW + 2, "r")).await.unwrap().unwrap().replayed);
    assert_eq!(store.apply(id(3), redeem(NOW + 2, "r")).await.unwrap(), Err(Refusal::Cancelled));
    store.apply(id(1), reserve(NOW + 2, "r", 60)).await.unwrap().unwrap();
    // The earlier signer still makes tokens, and its statements still fit.
    let more = id(4).0;
    database.execute(&insert, &[&more.as_slice(), &expires, &None::<i64>, &None::<&str>]).await.unwrap();
    store.apply(id(4), reserve(NOW + 2, "r", 60)).await.unwrap().unwrap();
    let cancel = "UPDATE safelight_upload_tokens SET ended = $2 WHERE id = $1 AND ended IS NULL";
    assert_eq!(database.execute(cancel, &[&more.as_slice(), &ended]).await.unwrap(), 1);
    assert_eq!(store.apply(id(4), redeem(NOW + 3, "r")).await.unwrap(), Err(Refusal::Cancelled));
    assert!(!stores[3].apply(id(1), redeem(NOW + 3, "r")).await.unwrap().unwrap().replayed);
    connection.abort();
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
