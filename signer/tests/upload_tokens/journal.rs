//! What every store must do with the journal.

use std::{collections::HashSet, sync::Arc};

use safelight_signer::upload::{
    Store,
    journal::{Entry, Facts, Kept, Taking},
};
use tokio::task::JoinSet;

use crate::place::Place;

const NOW: u64 = 1_700_000_000;

fn kept(id: &str, rule: &str, due: u64, revision: u64) -> Kept {
    let facts = Facts {
        created: NOW,
        request_id: "r".to_owned(),
        object_key: "日本/😍".to_owned(),
        metadata: "{\"a\":\"é\"}".to_owned(),
        length: u64::MAX,
        refused: Some(String::new()),
        ..Facts::default()
    };
    Kept { id: id.to_owned(), revision, entry: Entry { rule: rule.to_owned(), due, attempts: 0, facts } }
}

fn taking(rules: &[&str], now: u64, limit: usize, revision: u64) -> Taking {
    let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
    Taking { rules, now, until: now + 60, limit, revision }
}

fn ids(taken: &[Kept]) -> Vec<&str> {
    let mut ids: Vec<_> = taken.iter().map(|kept| kept.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_kept_as_they_are_and_outlive_the_store() {
    for (name, place) in Place::all() {
        let store = place.open();
        let first = kept("a", "one", NOW, 1);
        store.keep_entry(first.clone()).await.unwrap();
        store.keep_entry(kept("b", "one", NOW, u64::MAX >> 1)).await.unwrap();
        // In its place.
        store.keep_entry(kept("b", "two", NOW + 5, 3)).await.unwrap();
        drop(store);
        let store = place.open();
        assert_eq!(store.entry("a".to_owned()).await.unwrap(), Some(first), "{name}");
        assert_eq!(store.entry("b".to_owned()).await.unwrap(), Some(kept("b", "two", NOW + 5, 3)), "{name}");
        assert_eq!(store.entry("c".to_owned()).await.unwrap(), None, "{name}");
        store.remove_entry("a".to_owned()).await.unwrap();
        store.remove_entry("a".to_owned()).await.unwrap();
        assert_eq!(store.entry("a".to_owned()).await.unwrap(), None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_taken_in_order_and_comes_again() {
    for (name, place) in Place::all() {
        let store = place.open();
        for (id, rule, due) in [
            ("a", "one", NOW + 2),
            ("b", "one", NOW + 1),
            ("c", "two", NOW),
            ("d", "one", NOW + 3),
            ("e", "one", NOW + 4),
        ] {
            store.keep_entry(kept(id, rule, due, 1)).await.unwrap();
        }
        let take = async |rules: &[&str], now, limit, revision| {
            store.take_entries(taking(rules, now, limit, revision)).await.unwrap()
        };
        assert_eq!(take(&["one"], NOW, 9, 2).await, [], "{name}");
        assert_eq!(take(&[], NOW + 9, 9, 2).await, [], "{name}");
        assert_eq!(ids(&take(&["one", "three"], NOW + 3, 2, 2).await), ["a", "b"], "{name}");
        let taken = take(&["one", "two"], NOW + 3, 9, 3).await;
        assert_eq!(ids(&taken), ["c", "d"], "{name}");
        for taken in taken {
            let due = NOW + 63;
            assert_eq!((taken.revision, taken.entry.due, taken.entry.attempts), (3, due, 1), "{name}");
            assert_eq!(store.entry(taken.id.clone()).await.unwrap(), Some(taken), "{name}");
        }
        let again = take(&["one"], NOW + 63, 9, 4).await;
        assert_eq!(ids(&again), ["a", "b", "d", "e"], "{name}");
        assert_eq!(again.iter().filter(|kept| kept.entry.attempts == 2).count(), 3, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_changed_by_who_knows_it_as_it_is() {
    for (name, place) in Place::all() {
        let store = place.open();
        let id = || "a".to_owned();
        store.keep_entry(kept("a", "one", NOW, 1)).await.unwrap();
        assert!(!store.change_entry(id(), 2, None).await.unwrap(), "{name}");
        let next = kept("a", "one", NOW + 7, 2);
        assert!(store.change_entry(id(), 1, Some(next.clone())).await.unwrap(), "{name}");
        assert!(!store.change_entry(id(), 1, Some(kept("a", "one", NOW, 9))).await.unwrap(), "{name}");
        assert_eq!(store.entry(id()).await.unwrap(), Some(next), "{name}");
        assert!(store.change_entry(id(), 2, None).await.unwrap(), "{name}");
        assert!(!store.change_entry(id(), 2, Some(kept("a", "one", NOW, 9))).await.unwrap(), "{name}");
        assert_eq!(store.entry(id()).await.unwrap(), None, "{name}");
        assert_eq!(store.take_entries(taking(&["one"], NOW + 99, 9, 3)).await.unwrap(), [], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_is_given_to_one_of_many() {
    for (name, place) in Place::all() {
        let store: Arc<dyn Store> = place.open();
        for number in 0..100 {
            store.keep_entry(kept(&format!("{number:03}"), "one", NOW, 1)).await.unwrap();
        }
        let mut taking_all = JoinSet::new();
        for revision in 2..10 {
            let store = Arc::clone(&store);
            taking_all.spawn(async move {
                let mut all = Vec::new();
                loop {
                    let taken = store.take_entries(taking(&["one"], NOW, 3, revision)).await.unwrap();
                    if taken.is_empty() {
                        return all;
                    }
                    all.extend(taken.into_iter().map(|kept| kept.id));
                }
            });
        }
        let all: Vec<String> = taking_all.join_all().await.into_iter().flatten().collect();
        assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (100, 100), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_swept() {
    for (name, place) in Place::all() {
        let store = place.open();
        for (id, due) in [("a", NOW), ("b", NOW + 1), ("c", NOW + 2)] {
            store.keep_entry(kept(id, "one", due, 1)).await.unwrap();
        }
        assert_eq!(store.sweep_entries(NOW - 1, 9).await.unwrap(), 0, "{name}");
        assert_eq!(store.sweep_entries(NOW + 1, 1).await.unwrap(), 1, "{name}");
        assert_eq!(store.sweep_entries(NOW + 1, 9).await.unwrap(), 1, "{name}");
        assert_eq!(ids(&store.take_entries(taking(&["one"], NOW + 9, 9, 2)).await.unwrap()), ["c"], "{name}");
    }
}
