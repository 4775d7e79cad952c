//! The connections of one port: how many there are, how long each has been idle, and which must go.
//!
//! From fifteen sixteenths of the limit on, each new connection ends some that have been idle longest (GOAWAY; a client
//! connects anew with its next call). They have a second to close, and none where new ones have come to the reserve
//! ([`Place::crowded`]). Where all are busy, [`RESERVE`] more are let in, which are told BUSY whatever they
//! ask, health checks apart: a probe is answered however many connections there are. Beyond that a connection is
//! refused at once: in the kernel's backlog it would wait for an answer without end.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::timeout};

use crate::metrics::ports::Connections;

/// Connections above the limit, for health checks.
pub(crate) const RESERVE: usize = 64;

/// How many in a thousand of the limit are ended in one go: looking for them looks at all.
const BATCH: usize = 16;

/// Longest wait for connections that close at once.
const ROOM: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Census {
    port: &'static str,
    limit: usize,
    start: Instant,
    state: Mutex<State>,
    counts: Connections,
    /// The port has become crowded.
    crowded: Notify,
    /// A place was given back.
    left: Notify,
}

#[derive(Debug, Default)]
struct State {
    slots: Vec<Arc<Slot>>,
    /// Of `slots`, those that have been told to go.
    leaving: usize,
    pressure: Pressure,
}

/// What was last said in the log.
#[derive(Debug, Default, PartialEq, Eq)]
enum Pressure {
    #[default]
    None,
    /// Idle ones are ended. Counts at the beginning.
    Evicting { evicted: u64, refused: u64 },
    /// New ones are refused. Counts at the beginning of the former.
    Refusing { evicted: u64, refused: u64 },
}

/// One connection, as its port sees it.
#[derive(Debug)]
struct Slot {
    start: Instant,
    /// Where it stands in `slots`.
    index: AtomicUsize,
    calls: AtomicUsize,
    /// When `calls` last became 0, or left it: milliseconds since `start`.
    since: AtomicU64,
    leaving: AtomicBool,
    told: Notify,
}

/// A connection's place; given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    census: Arc<Census>,
    slot: Arc<Slot>,
    /// Let in although the port was full.
    extra: AtomicBool,
}

/// A call in progress on a connection.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Slot>);

impl Census {
    pub(super) fn new(port: &'static str, limit: usize, counts: Connections) -> Self {
        Self {
            port,
            limit,
            start: Instant::now(),
            state: Mutex::default(),
            counts,
            crowded: Notify::new(),
            left: Notify::new(),
        }
    }

    /// What the port is for.
    pub(super) const fn port(&self) -> &'static str {
        self.port
    }

    /// Room for a connection that was accepted; `None`: refuse it.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.lock();
        if state.live() >= self.limit - self.limit / 16 {
            state.evict((self.limit * BATCH / 1000).max(1), &self.counts);
            self.say(&mut state, false);
        }
        if state.slots.len() >= self.limit + RESERVE {
            self.counts.refused.inc();
            self.say(&mut state, true);
            return None;
        }
        let extra = state.live() >= self.limit;
        let slot = Arc::new(Slot {
            start: self.start,
            index: AtomicUsize::new(state.slots.len()),
            calls: AtomicUsize::new(0),
            since: AtomicU64::new(millis(self.start.elapsed())),
            leaving: AtomicBool::new(false),
            told: Notify::new(),
        });
        state.slots.push(Arc::clone(&slot));
        if self.is_crowded(&state) {
            self.crowded.notify_waiters();
        }
        self.counts.accepted.inc();
        self.counts.open.inc();
        Some(Place { census: Arc::clone(self), slot, extra: AtomicBool::new(extra) })
    }

    /// Whether idle connections that were told to go take places of new ones. They close at once then.
    fn is_crowded(&self, state: &State) -> bool {
        let makes_room = |slot: &Arc<Slot>| slot.leaving.load(Relaxed) && slot.calls.load(Relaxed) == 0;
        state.slots.len() > self.limit && state.leaving > 0 && state.slots.iter().any(makes_room)
    }

    /// Waits until they have: new ones would fill the reserve faster than they go. Not for long, whatever happens.
    pub(super) async fn room(&self) {
        let left = async {
            loop {
                // Before the look: one that leaves in between is not missed.
                let left = self.left.notified();
                if !self.is_crowded(&self.lock()) {
                    return;
                }
                left.await;
            }
        };
        _ = timeout(ROOM, left).await;
    }

    /// Says in the log when there is room again. To be called every second or so.
    pub(super) fn settle(&self) {
        let mut state = self.lock();
        let (Pressure::Evicting { evicted, refused } | Pressure::Refusing { evicted, refused }) =
            state.pressure
        else {
            return;
        };
        if state.live() < self.limit - self.limit / 8 {
            state.pressure = Pressure::None;
            let evicted = self.counts.evicted.get() - evicted;
            let refused = self.counts.refused.get() - refused;
            tracing::info!(
                port = self.port,
                connections = state.slots.len(),
                evicted,
                refused,
                "there is room for connections again"
            );
        }
    }

    /// Says in the log when things begin to be tight, and when they are worse; once each.
    fn say(&self, state: &mut State, refusing: bool) {
        let (port, connections, limit) = (self.port, state.slots.len(), self.limit);
        match (&state.pressure, refusing) {
            (Pressure::None, false) => {
                let evicted = self.counts.evicted.get();
                let refused = self.counts.refused.get();
                state.pressure = Pressure::Evicting { evicted, refused };
                tracing::warn!(
                    port,
                    connections,
                    limit,
                    "near the limit on connections: the longest idle ones are closed; raise max_connections, or have clients share theirs"
                );
            }
            (&Pressure::Evicting { evicted, refused }, true) => {
                state.pressure = Pressure::Refusing { evicted, refused };
                let busy = state.slots.iter().filter(|slot| slot.calls.load(Relaxed) > 0).count();
                tracing::error!(
                    port,
                    connections,
                    busy,
                    limit,
                    "at the limit on connections: new ones are refused; raise max_connections, or run more replicas"
                );
            }
            _ => {}
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Connections that may stay.
    fn live(&self) -> usize {
        self.slots.len() - self.leaving
    }

    /// Tells the `count` that have been idle longest to go, as far as there are any.
    fn evict(&mut self, count: usize, counts: &Connections) {
        let mut idle: Vec<(u64, usize)> = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.calls.load(Relaxed) == 0 && !slot.leaving.load(Relaxed))
            .map(|(index, slot)| (slot.since.load(Relaxed), index))
            .collect();
        let count = count.min(idle.len());
        if count == 0 {
            return;
        }
        idle.select_nth_unstable(count - 1);
        for (_, index) in idle.into_iter().take(count) {
            if let Some(slot) = self.slots.get(index) {
                slot.leaving.store(true, Relaxed);
                slot.told.notify_one();
            }
        }
        self.leaving += count;
        counts.evicted.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

impl Place {
    /// Counts a call in progress.
    pub(super) fn busy(&self) -> Busy {
        if self.slot.calls.fetch_add(1, Relaxed) == 0 {
            self.slot.touch();
        }
        Busy(Arc::clone(&self.slot))
    }

    /// Returns when the connection is to make room.
    pub(super) async fn evicted(&self) {
        self.slot.told.notified().await;
    }

    /// Returns when idle connections that were told to go take places of new ones.
    pub(super) async fn crowded(&self) {
        loop {
            // Before the look: one that becomes so in between is not missed.
            let crowded = self.census.crowded.notified();
            if self.census.is_crowded(&self.census.lock()) {
                return;
            }
            crowded.await;
        }
    }

    /// Whether calls other than health checks must wait for a better time.
    pub(super) fn is_extra(&self) -> bool {
        if !self.extra.load(Relaxed) {
            return false;
        }
        let extra = self.census.lock().live() > self.census.limit;
        self.extra.store(extra, Relaxed);
        extra
    }

    /// Whether a call is in progress, and for how long that has been, or not been, so.
    pub(super) fn state(&self) -> (bool, Duration) {
        let since = Duration::from_millis(self.slot.since.load(Relaxed));
        (self.slot.calls.load(Relaxed) > 0, self.slot.start.elapsed().saturating_sub(since))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.census.lock();
        let index = self.slot.index.load(Relaxed);
        state.slots.swap_remove(index);
        if let Some(moved) = state.slots.get(index) {
            moved.index.store(index, Relaxed);
        }
        if self.slot.leaving.load(Relaxed) {
            state.leaving -= 1;
        }
        self.census.counts.open.dec();
        self.census.left.notify_waiters();
    }
}

impl Slot {
    fn touch(&self) {
        self.since.store(millis(self.start.elapsed()), Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Relaxed) == 1 {
            self.0.touch();
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
