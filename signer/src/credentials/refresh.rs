//! The task that keeps credentials fresh.
//!
//! It asks again once about six tenths of their life are over, an hour's after 36 to 42 minutes: that leaves a third of it
//! to get over failures, and works for lives of any length. A provider that hands out the same ones until shortly before
//! they expire, as the metadata service does, is asked ever more often then.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Held, Issued, Settings, failure::Failure};
use crate::clock::Clock;

#[cfg(feature = "aws-credentials")]
use super::load::load;

/// Never asked: [`Settings::read`] refuses every provider.
#[cfg(not(feature = "aws-credentials"))]
async fn load(_: Settings) -> Result<Issued, Failure> {
    Err(Failure::NotBuilt)
}

/// Longest pause after a failure, in seconds.
const LONGEST_PAUSE: u64 = 32;

/// Longest sleep in one go: the clock may be set, and for sleepers time stands still while a machine is suspended.
const NAP: Duration = Duration::from_secs(2);

/// Asks for credentials, now and whenever it is time to, until there are some that do not expire.
pub(super) async fn run(settings: Settings, held: Arc<Held>, clock: Clock) {
    let (provider, role) = (settings.name(), settings.role_arn());
    let mut failures = 0_u32;
    loop {
        let loaded = load(settings.clone()).await;
        let keys = held.keys.load_full();
        let keys = keys.as_str();
        let now = clock.now();
        let valid = |issued: Issued| if issued.is_valid(now) { Ok(issued) } else { Err(Failure::Expired) };
        let pause = match loaded.and_then(valid) {
            Ok(issued) => {
                failures = 0;
                let left = issued.expires.map(|expires| expires - now);
                held.issued.store(Some(Arc::new(issued)));
                tracing::info!(keys, provider, role, expires_in = left, "credentials obtained");
                let Some(left) = left else { return };
                until_next(left, random())
            }
            Err(failure) => {
                failures = failures.saturating_add(1);
                let left = held.issued.load().as_ref().map_or(0, |issued| issued.at_most(u64::MAX, now));
                if left > 0 {
                    tracing::warn!(
                        keys,
                        provider,
                        role,
                        failures,
                        expires_in = left,
                        "credentials not refreshed: {failure}"
                    );
                } else {
                    tracing::error!(keys, provider, role, failures, "no valid credentials: {failure}");
                }
                after_failure(failures, random())
            }
        };
        wait(pause, &clock, NAP).await;
    }
}

/// How long to wait with credentials that are valid for `left` more seconds: 60 to 70 % of that, at least a second.
fn until_next(left: u64, random: u32) -> u64 {
    (share(left, 6, 10) + part(share(left, 1, 10), random)).max(1)
}

/// How long to wait after that many failures in a row: 1 to 2 s, then twice as long each time, to 16 to 32 s.
fn after_failure(failures: u32, random: u32) -> u64 {
    let longest = (1_u64 << failures.min(6)).min(LONGEST_PAUSE);
    longest / 2 + part(longest / 2, random)
}

/// `whole` × `numerator` / `denominator`, rounded down.
const fn share(whole: u64, numerator: u64, denominator: u64) -> u64 {
    whole / denominator * numerator + whole % denominator * numerator / denominator
}

/// 0 to `whole`, evenly by `random`: signers that started together do not ask together.
fn part(whole: u64, random: u32) -> u64 {
    let whole = u128::from(whole) + 1;
    u64::try_from((whole * u128::from(random)) >> 32).unwrap_or(0)
}

/// Without random numbers they ask together, which does no harm that would be worth an error.
fn random() -> u32 {
    getrandom::u32().unwrap_or_default()
}

/// Waits until so many seconds have passed by the clock, or in fact: one that was set back must not hold up anything.
async fn wait(seconds: u64, clock: &Clock, nap: Duration) {
    let (since, due) = (Instant::now(), clock.now().saturating_add(seconds));
    loop {
        let by_clock = due.saturating_sub(clock.now());
        let left =
            Duration::from_secs(by_clock).min(Duration::from_secs(seconds).saturating_sub(since.elapsed()));
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(nap)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_refreshed_with_a_third_of_it_left() {
        for (left, earliest, latest) in
            [(3600, 2160, 2520), (21_600, 12_960, 15_120), (900, 540, 630), (6, 3, 3), (1, 1, 1), (0, 1, 1)]
        {
            assert_eq!((until_next(left, 0), until_next(left, u32::MAX)), (earliest, latest), "{left}");
        }
        assert!(until_next(u64::MAX, u32::MAX) < u64::MAX);
    }

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let pauses: Vec<_> =
            [1, 2, 3, 4, 5, 6, u32::MAX].map(|n| (after_failure(n, 0), after_failure(n, u32::MAX))).into();
        assert_eq!(pauses, [(1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (16, 32), (16, 32)]);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_holds_up_nobody() {
        let clock = Clock::fixed(5000);
        let sleeping = tokio::spawn({
            let clock = clock.clone();
            async move { wait(1, &clock, Duration::from_millis(10)).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        clock.set(1000);
        tokio::time::timeout(Duration::from_secs(20), sleeping).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_clock_that_is_set_wakes_the_sleeper() {
        let clock = Clock::fixed(1000);
        let sleeping = tokio::spawn({
            let clock = clock.clone();
            async move { wait(4000, &clock, Duration::from_millis(10)).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!sleeping.is_finished());
        clock.set(5000);
        tokio::time::timeout(Duration::from_secs(20), sleeping).await.unwrap().unwrap();
    }
}
