//! Telling running work to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::error::ImageError;

/// A flag that many hold and that any of them can set, and an optional deadline. The pipeline looks at it before each
/// step, so a step that runs is finished first.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Cancel {
    /// Work that is stopped by [`cancel`](Self::cancel) alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same flag, with a time after which no step is begun.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Stops the work of every clone.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether the work may go on.
    ///
    /// # Errors
    /// [`ImageError::Cancelled`] or [`ImageError::DeadlineExceeded`].
    pub fn check(&self) -> Result<(), ImageError> {
        if self.flag.load(Ordering::Relaxed) {
            return Err(ImageError::Cancelled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(ImageError::DeadlineExceeded),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn clones_share_the_flag() {
        let ours = Cancel::new();
        let theirs = ours.clone().with_deadline(Instant::now() + Duration::from_secs(60));
        assert_eq!(theirs.check(), Ok(()));
        ours.cancel();
        assert_eq!(theirs.check(), Err(ImageError::Cancelled));
    }

    #[test]
    fn deadline_passes() {
        assert_eq!(Cancel::new().with_deadline(Instant::now()).check(), Err(ImageError::DeadlineExceeded));
    }
}
