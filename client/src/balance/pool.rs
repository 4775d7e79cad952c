//! What is known of the addresses, and the choice among them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::random;
use crate::connection::Wire;

/// A failure is news for this long: a call that comes later has the address tried again.
const FRESH: Duration = Duration::from_millis(100);
/// A call that waited for less says nothing about the connection.
const SILENCE: Duration = Duration::from_millis(500);

/// The addresses of the signer.
#[derive(Default)]
pub(super) struct Pool {
    members: Vec<(SocketAddr, State)>,
    /// Why the name could not be resolved, if the last attempt failed, and when.
    unresolved: Option<(Instant, Arc<str>)>,
}

/// How an address does.
pub(super) enum State {
    /// A connection is on its way.
    Connecting,
    /// There is one.
    Ready(Wire, Arc<Signs>),
    /// There is none.
    Down {
        /// Since when.
        at: Instant,
        /// Why.
        cause: Arc<str>,
    },
}

/// What a call may hope for.
pub(super) enum Outlook {
    /// This connection.
    Ready(Picked),
    /// One will be there or fail soon: wait.
    Soon,
    /// None, but the attempts are of some time ago: have them repeated.
    Stale,
    /// None, and they failed just now.
    Failed(Arc<str>),
}

impl Pool {
    /// Takes the addresses of the last answer; whether anything changed.
    pub(super) fn resolved(&mut self, found: &[SocketAddr]) -> bool {
        let before = self.members.len();
        self.members.retain(|(address, _)| found.contains(address));
        let mut changed = self.unresolved.take().is_some() || self.members.len() != before;
        for &address in found {
            if !self.members.iter().any(|(known, _)| *known == address) {
                self.members.push((address, State::Connecting));
                changed = true;
            }
        }
        changed
    }

    /// There was no answer: the addresses of before stay.
    pub(super) fn unresolved(&mut self, cause: Arc<str>) {
        self.unresolved = Some((Instant::now(), cause));
    }

    /// Whether the address is still one of them.
    pub(super) fn set(&mut self, address: SocketAddr, state: State) -> bool {
        let member = self.members.iter_mut().find(|(known, _)| *known == address);
        member.map(|(_, current)| *current = state).is_some()
    }

    /// What a call may hope for that came when it was `asked`.
    pub(super) fn outlook(&self, avoid: Option<SocketAddr>, asked: Instant) -> Outlook {
        if let Some(picked) = self.choose(|address| Some(address) != avoid).or_else(|| self.choose(|_| true))
        {
            return Outlook::Ready(picked);
        }
        let fresh = |at: Instant| at + FRESH >= asked;
        if self.members.is_empty() {
            return match &self.unresolved {
                None => Outlook::Soon,
                Some((at, cause)) if fresh(*at) => Outlook::Failed(Arc::clone(cause)),
                Some(_) => Outlook::Stale,
            };
        }
        let mut failed = None;
        for (_, state) in &self.members {
            match state {
                State::Connecting | State::Ready(..) => return Outlook::Soon,
                State::Down { at, .. } if !fresh(*at) => return Outlook::Stale,
                State::Down { cause, .. } => failed = Some(Arc::clone(cause)),
            }
        }
        failed.map_or(Outlook::Soon, Outlook::Failed)
    }

    /// Why the first address that failed did, or the name.
    pub(super) fn cause(&self) -> Option<Arc<str>> {
        let down = self.members.iter().find_map(|(_, state)| match state {
            State::Down { cause, .. } => Some(cause),
            State::Connecting | State::Ready(..) => None,
        });
        down.or_else(|| self.unresolved.as_ref().map(|(_, cause)| cause)).cloned()
    }

    /// Of two connections drawn at random the one with fewer calls.
    fn choose(&self, suits: impl Fn(SocketAddr) -> bool) -> Option<Picked> {
        let ready = || {
            self.members.iter().filter_map(|(address, state)| match state {
                State::Ready(wire, signs) if suits(*address) => Some((*address, wire, signs)),
                _ => None,
            })
        };
        let draw = |of: usize| usize::try_from(random() >> 32).unwrap_or_default() % of;
        let count = ready().count();
        let first = if count > 1 { draw(count) } else { 0 };
        let mut chosen = ready().nth(first)?;
        if count > 1 {
            let second = (first + 1 + draw(count - 1)) % count;
            chosen = ready().nth(second).filter(|other| other.2.calls() < chosen.2.calls()).unwrap_or(chosen);
        }
        let (address, wire, signs) = chosen;
        Some(Picked::new(address, wire.clone(), Arc::clone(signs)))
    }
}

/// Signs of life of one connection.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    calls: AtomicUsize,
    answers: AtomicU64,
    silent: Notify,
}

impl Signs {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Until a call waited in vain while nothing else came either.
    pub(super) async fn silent(&self) {
        self.silent.notified().await;
    }
}

/// A connection for one call.
pub(crate) struct Picked {
    pub(crate) address: SocketAddr,
    pub(crate) wire: Wire,
    signs: Arc<Signs>,
    began: Instant,
    /// How many answers had come before.
    before: u64,
}

impl Picked {
    fn new(address: SocketAddr, wire: Wire, signs: Arc<Signs>) -> Self {
        signs.calls.fetch_add(1, Ordering::Relaxed);
        let before = signs.answers.load(Ordering::Relaxed);
        Self { address, wire, signs, began: Instant::now(), before }
    }

    /// An answer came, whatever it says.
    pub(crate) fn answered(&self) {
        self.signs.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// None came in time. If that holds for all that waited on it, the connection is given up for another.
    pub(crate) fn unanswered(&self) {
        if self.began.elapsed() >= SILENCE && self.signs.answers.load(Ordering::Relaxed) == self.before {
            self.signs.silent.notify_one();
        }
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        self.signs.calls.fetch_sub(1, Ordering::Relaxed);
    }
}
