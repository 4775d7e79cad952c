//! Randomness that no security rests on: jitter and request ids.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// 64 random bits, from the standard library's hash seeds: unlike the system's generator it cannot fail.
#[must_use]
pub fn bits() -> u64 {
    RandomState::new().hash_one(())
}

/// `duration` ±10 %, as gRFC A9 asks for connection ages, so that clients do not all come back at once.
#[must_use]
pub fn jittered(duration: Duration) -> Duration {
    let permille = 900 + u32::try_from(bits() % 201).unwrap_or_default();
    duration / 1000 * permille
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_tenth_and_varies() {
        let drawn: Vec<Duration> = (0..200).map(|_| jittered(Duration::from_secs(300))).collect();
        assert!(drawn.iter().all(|d| (270..=330).contains(&d.as_secs())), "{drawn:?}");
        assert!(drawn.iter().any(|d| d.as_secs() < 290) && drawn.iter().any(|d| d.as_secs() > 310));
    }
}
