//! What is known of originals, for a while.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Most originals that are remembered, in each of two generations. With keys of the longest kind that is some 20 MB.
const GENERATION: usize = 8192;

/// Origin and key.
type Name = (String, String);

/// A bounded memory. When one generation is full the one before it is forgotten: what is asked for stays.
#[derive(Debug)]
pub struct Memory<T> {
    ttl: Duration,
    inner: Mutex<Generations<T>>,
}

#[derive(Debug)]
struct Generations<T> {
    young: HashMap<Name, (Instant, T)>,
    old: HashMap<Name, (Instant, T)>,
    /// How often something was forgotten on purpose.
    purges: u64,
}

impl<T: Clone> Memory<T> {
    /// An empty one, that trusts what it holds for this long.
    #[must_use]
    pub fn new(ttl: Duration) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new(), purges: 0 };
        Self { ttl, inner: Mutex::new(generations) }
    }

    /// What is known of an original.
    #[must_use]
    pub fn get(&self, origin: &str, key: &str) -> Option<T> {
        self.get_at(origin, key, Instant::now())
    }

    fn get_at(&self, origin: &str, key: &str, now: Instant) -> Option<T> {
        let name = (origin.to_owned(), key.to_owned());
        let mut all = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < self.ttl;
        if let Some((at, value)) = all.young.get(&name) {
            return is_fresh(*at).then(|| value.clone());
        }
        let (at, value) = all.old.remove(&name).filter(|(at, _)| is_fresh(*at))?;
        all.keep(name, at, value.clone());
        Some(value)
    }

    /// How often something was forgotten so far: to be asked before one begins to find out what [`Self::put`] keeps.
    #[must_use]
    pub fn purges(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).purges
    }

    /// Keeps what was found out, unless something was forgotten since `purges` was asked: it may have been this.
    pub fn put(&self, origin: &str, key: &str, value: T, purges: u64) {
        let mut all = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if all.purges == purges {
            all.keep((origin.to_owned(), key.to_owned()), Instant::now(), value);
        }
    }

    /// Forgets an original.
    pub fn forget(&self, origin: &str, key: &str) {
        let name = (origin.to_owned(), key.to_owned());
        let mut all = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        all.young.remove(&name);
        all.old.remove(&name);
        all.purges += 1;
    }
}

impl<T> Generations<T> {
    fn keep(&mut self, name: Name, at: Instant, value: T) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&name) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(name, (at, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    #[test]
    fn it_is_trusted_for_its_time_and_no_longer() {
        let memory = Memory::new(TTL);
        memory.put("o", "k", 1, memory.purges());
        assert_eq!(memory.get("o", "k"), Some(1));
        assert_eq!(memory.get("ok", ""), None);
        assert_eq!(memory.get_at("o", "k", Instant::now() + TTL), None);
        let none = Memory::new(Duration::ZERO);
        none.put("o", "k", 1, none.purges());
        assert_eq!(none.get("o", "k"), None);
    }

    #[test]
    fn what_was_found_out_before_a_purge_is_not_kept_after_it() {
        let memory = Memory::new(TTL);
        let before = memory.purges();
        memory.forget("o", "k");
        memory.put("o", "k", 1, before);
        assert_eq!(memory.get("o", "k"), None);
        memory.put("o", "k", 2, memory.purges());
        assert_eq!(memory.get("o", "k"), Some(2));
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_asked_for() {
        let memory = Memory::new(TTL);
        for number in 0..5 * GENERATION {
            memory.put("o", &number.to_string(), number, 0);
            if number % 100 == 0 {
                assert_eq!(memory.get("o", "0"), Some(0), "{number}");
            }
        }
        let all = memory.inner.lock().unwrap();
        assert!(all.young.len() <= GENERATION && all.old.len() <= GENERATION);
    }
}
