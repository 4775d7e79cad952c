//! AWS credentials of origins: from files, or from a provider that issues them for a limited time.
//!
//! What a provider issued is held, and replaced well before it expires by a task in the background. A call takes what is
//! held at that moment and waits for nothing: as long as it is valid, no failure of the provider is noticed.
//!
//! # Layout
//! - [`Source`]: where the credentials of a version come from
//! - [`Settings`]: what the configuration says of a provider
//! - `refresh`: the task, and when it asks again
//! - `load`: asks a provider, with the crate `aws-config`: not in a build without the feature `aws-credentials`
//! - `failure`: why it did not answer, in words that may be logged

mod failure;
#[cfg(feature = "aws-credentials")]
mod load;
mod refresh;
mod settings;

use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::{runtime::Handle, task::AbortHandle};

pub(crate) use settings::Settings;

use crate::{clock::Clock, scheme::aws_sigv4::Credentials};

/// Credentials and their end. Hold secrets: have neither `Debug` nor `Clone`.
pub struct Issued {
    /// Sign with these.
    pub credentials: Credentials,
    /// From when on AWS refuses them, in Unix seconds; `None` if that is not known.
    pub expires: Option<u64>,
}

/// There are no valid credentials: the provider has not issued any yet, or could not in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key's temporary credentials have expired, or none were obtained yet")]
pub struct Unavailable;

/// Where the credentials of a version come from.
pub enum Source {
    /// Secret files: they stay what they are until the files change.
    Files(Arc<Issued>),
    /// A provider.
    Provider(Arc<Provider>),
}

impl Issued {
    /// How long AWS accepts them from `now` on, in seconds, at most `longest`.
    #[must_use]
    pub fn at_most(&self, longest: u64, now: u64) -> u64 {
        self.expires.map_or(longest, |expires| longest.min(expires.saturating_sub(now)))
    }

    fn is_valid(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

impl Source {
    /// Whether a provider issues them.
    #[must_use]
    pub const fn is_provider(&self) -> bool {
        matches!(self, Self::Provider(_))
    }

    /// The credentials that are valid at `now` (Unix seconds). Never waits.
    ///
    /// # Errors
    /// There are none.
    pub fn at(&self, now: u64) -> Result<Arc<Issued>, Unavailable> {
        match self {
            Self::Files(issued) => Ok(Arc::clone(issued)),
            Self::Provider(provider) => {
                provider.held.issued.load_full().filter(|issued| issued.is_valid(now)).ok_or(Unavailable)
            }
        }
    }
}

/// A provider, and what it issued last. Ends its task when it is dropped.
pub struct Provider {
    settings: Settings,
    held: Arc<Held>,
    task: OnceLock<AbortHandle>,
}

/// What a provider and its task share.
#[derive(Default)]
struct Held {
    issued: ArcSwapOption<Issued>,
    /// Names of the keys that sign with it, for the log.
    keys: ArcSwap<String>,
}

impl Provider {
    /// Does not ask for anything until [`start_all`].
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, held: Arc::default(), task: OnceLock::new() }
    }

    fn start(&self, tasks: &Tasks) {
        self.task.get_or_init(|| {
            let (settings, held) = (self.settings.clone(), Arc::clone(&self.held));
            tasks.runtime.spawn(refresh::run(settings, held, tasks.clock.clone())).abort_handle()
        });
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// Where the tasks of providers run, and the clock that they go by.
#[derive(Clone)]
pub(crate) struct Tasks {
    pub(crate) runtime: Handle,
    pub(crate) clock: Clock,
}

/// Starts the providers of `sources`, each with the name of its key: one for all that have the same settings. One that is
/// among `running` goes on with what it holds.
pub(crate) fn start_all<'a>(
    sources: impl Iterator<Item = (&'a str, &'a mut Source)>,
    running: Vec<Arc<Provider>>,
    tasks: &Tasks,
) {
    let mut providers: Vec<_> = running.into_iter().map(|provider| (provider, Vec::new())).collect();
    for (key, source) in sources {
        let Source::Provider(provider) = source else { continue };
        let same = providers.iter_mut().find(|(other, _)| other.settings == provider.settings);
        if let Some((same, keys)) = same {
            *provider = Arc::clone(same);
            keys.push(key);
        } else {
            providers.push((Arc::clone(provider), vec![key]));
        }
    }
    // One without a key ends with the ring that it is from.
    for (provider, mut keys) in providers.into_iter().filter(|(_, keys)| !keys.is_empty()) {
        keys.dedup();
        provider.held.keys.store(Arc::new(keys.join(", ")));
        provider.start(tasks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(id: &str, expires: Option<u64>) -> Issued {
        Issued { credentials: Credentials::new(id, "fake", None), expires }
    }

    #[test]
    fn what_is_held_serves_until_it_expires() {
        let provider = Provider::new(Settings::Container);
        let held = Arc::clone(&provider.held);
        let source = Source::Provider(Arc::new(provider));
        assert_eq!(source.at(0).err(), Some(Unavailable));
        held.issued.store(Some(Arc::new(issued("A", Some(100)))));
        let taken = source.at(99).unwrap();
        assert_eq!((taken.at_most(900, 99), taken.at_most(900, 40), taken.at_most(30, 40)), (1, 60, 30));
        assert_eq!(source.at(100).err(), Some(Unavailable));
        held.issued.store(Some(Arc::new(issued("B", None))));
        assert_eq!(source.at(u64::MAX).unwrap().at_most(900, u64::MAX), 900);
        assert_eq!(taken.credentials.access_key_id(), "A", "a call finishes with what it took");
    }

    #[tokio::test]
    async fn equal_settings_share_a_provider_and_one_that_is_dropped_ends_its_task() {
        let tasks = Tasks { runtime: Handle::current(), clock: Clock::system() };
        let source = || Source::Provider(Arc::new(Provider::new(Settings::Environment)));
        let provider = |source: &Source| match source {
            Source::Provider(provider) => Arc::clone(provider),
            Source::Files(_) => unreachable!(),
        };
        let mut first = [source(), source(), source()];
        start_all(["a", "a", "b"].into_iter().zip(&mut first), Vec::new(), &tasks);
        let running = provider(&first[0]);
        assert!(Arc::ptr_eq(&running, &provider(&first[1])) && Arc::ptr_eq(&running, &provider(&first[2])));
        assert_eq!(**running.held.keys.load(), "a, b");

        // A reload.
        let mut second = [source(), Source::Provider(Arc::new(Provider::new(Settings::Container)))];
        start_all(["b", "c"].into_iter().zip(&mut second), vec![running], &tasks);
        assert!(Arc::ptr_eq(&provider(&first[0]), &provider(&second[0])));
        assert_eq!(**provider(&second[0]).held.keys.load(), "b");
        let task = provider(&second[1]).task.get().unwrap().clone();
        drop(second);
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(!provider(&first[0]).task.get().unwrap().is_finished() || first[0].at(0).is_ok());
    }
}
