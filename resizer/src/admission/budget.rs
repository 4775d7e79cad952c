//! Memory that is taken before it is used.

use std::{sync::Arc, time::Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Rejected, Resource};

/// Size of one unit in bytes. tokio's semaphore takes at most `u32::MAX` permits at once.
const UNIT: u64 = 64 * 1024;
/// Largest budget in bytes: some way below `u32::MAX` units.
pub const MAX_BYTES: u64 = 1 << 44;

/// A number of bytes to share out.
#[derive(Debug, Clone)]
pub struct Budget {
    resource: Resource,
    units: Arc<Semaphore>,
    total: u64,
}

/// Bytes taken from a budget; given back when dropped.
#[derive(Debug)]
pub struct Reserved {
    budget: Budget,
    units: u32,
    permit: Option<OwnedSemaphorePermit>,
    /// The same bytes of a second budget.
    also: Option<Box<Reserved>>,
}

impl Budget {
    /// A budget of `total` bytes, rounded down to units.
    ///
    /// A `total` above [`MAX_BYTES`] counts as that.
    #[must_use]
    pub fn new(resource: Resource, total: u64) -> Self {
        let units = total.min(MAX_BYTES) / UNIT;
        let permits = usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS);
        Self { resource, units: Arc::new(Semaphore::new(permits)), total: units * UNIT }
    }

    /// Nothing yet, to be grown.
    #[must_use]
    pub fn empty(&self) -> Reserved {
        Reserved { budget: self.clone(), units: 0, permit: None, also: None }
    }

    /// All of it, in bytes.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// What is taken, in bytes.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.total.saturating_sub(self.units.available_permits() as u64 * UNIT)
    }

    /// Waits until `bytes` are free. First come, first served: a large request is not starved by small ones.
    ///
    /// # Errors
    /// [`Rejected::TooLarge`] at once, [`Rejected::Deadline`].
    pub async fn acquire(&self, bytes: u64, deadline: Instant) -> Result<Reserved, Rejected> {
        let units = self.units_for(bytes)?;
        let acquired = Arc::clone(&self.units).acquire_many_owned(units);
        match tokio::time::timeout_at(deadline.into(), acquired).await {
            Ok(Ok(permit)) => Ok(Reserved { budget: self.clone(), units, permit: Some(permit), also: None }),
            Ok(Err(_)) => Err(Rejected::Busy(self.resource)), // closed: it never is
            Err(_) => Err(Rejected::Deadline(self.resource)),
        }
    }

    fn units_for(&self, bytes: u64) -> Result<u32, Rejected> {
        let too_large = Rejected::TooLarge { needed: bytes, total: self.total };
        if bytes > self.total {
            return Err(too_large);
        }
        u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| too_large)
    }
}

impl Reserved {
    /// Takes every byte of a second budget too.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        Self { also: Some(Box::new(other)), ..self }
    }

    /// Grows the reservation to `bytes`, or refuses at once. Shrinks never.
    ///
    /// # Errors
    /// [`Rejected::TooLarge`], [`Rejected::Busy`]; what was reserved stays.
    pub fn grow_to(&mut self, bytes: u64) -> Result<(), Rejected> {
        if let Some(also) = &mut self.also {
            also.grow_to(bytes)?;
        }
        let units = self.budget.units_for(bytes)?;
        let Some(more) = units.checked_sub(self.units).filter(|more| *more > 0) else { return Ok(()) };
        let permit = Arc::clone(&self.budget.units)
            .try_acquire_many_owned(more)
            .map_err(|_| Rejected::Busy(self.budget.resource))?;
        match &mut self.permit {
            Some(own) => own.merge(permit),
            None => self.permit = Some(permit),
        }
        self.units = units;
        Ok(())
    }

    /// Gives back all but `bytes`. Grows never.
    pub fn shrink_to(&mut self, bytes: u64) {
        if let Some(also) = &mut self.also {
            also.shrink_to(bytes);
        }
        let Ok(units) = self.budget.units_for(bytes) else { return };
        let Some(less) = self.units.checked_sub(units).filter(|less| *less > 0) else { return };
        if let Some(permit) = &mut self.permit {
            drop(usize::try_from(less).ok().and_then(|less| permit.split(less)));
            self.units = units;
        }
    }

    /// Bytes reserved, rounded up to units.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::from(self.units) * UNIT
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[tokio::test]
    async fn what_is_taken_is_not_given_twice_and_comes_back() {
        let budget = Budget::new(Resource::Pixels, 10 * UNIT);
        let mut first = budget.acquire(6 * UNIT, soon()).await.unwrap();
        assert_eq!(budget.acquire(5 * UNIT, soon()).await.err(), Some(Rejected::Deadline(Resource::Pixels)));
        let mut second = budget.empty();
        assert_eq!(second.grow_to(5 * UNIT), Err(Rejected::Busy(Resource::Pixels)));
        assert_eq!(second.bytes(), 0);
        first.shrink_to(UNIT + 1);
        assert_eq!(first.bytes(), 2 * UNIT);
        second.grow_to(5 * UNIT).unwrap();
        second.grow_to(8 * UNIT).unwrap();
        assert!(budget.empty().grow_to(1).is_err());
        drop((first, second));
        assert_eq!(budget.acquire(10 * UNIT, soon()).await.unwrap().bytes(), 10 * UNIT);
    }

    #[tokio::test]
    async fn more_than_all_of_it_is_refused_at_once() {
        let budget = Budget::new(Resource::Upload, 10 * UNIT);
        let far = Instant::now() + Duration::from_secs(3600);
        let expected = Rejected::TooLarge { needed: 10 * UNIT + 1, total: 10 * UNIT };
        assert_eq!(budget.acquire(10 * UNIT + 1, far).await.err(), Some(expected));
        assert_eq!(budget.empty().grow_to(10 * UNIT + 1), Err(expected));
    }

    #[tokio::test]
    async fn a_waiting_large_request_is_served_before_later_small_ones() {
        let budget = Budget::new(Resource::Pixels, 10 * UNIT);
        let held = budget.acquire(5 * UNIT, soon()).await.unwrap();
        let far = Instant::now() + Duration::from_secs(10);
        let large = tokio::spawn({
            let budget = budget.clone();
            async move { budget.acquire(10 * UNIT, far).await.map(|r| r.bytes()) }
        });
        tokio::task::yield_now().await;
        assert!(budget.acquire(UNIT, soon()).await.is_err(), "small request overtook");
        drop(held);
        assert_eq!(large.await.unwrap(), Ok(10 * UNIT));
    }
}
