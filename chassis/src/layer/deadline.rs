//! Deadlines: `grpc-timeout`, a default when it is absent, and a cap, over the head and the body of the answer.
//!
//! tonic's own timeout covers the head alone and answers CANCELLED; the header is taken out before it sees it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use http::{HeaderName, Request, Response};
use safelight_proto::reason::{CallError, Reason};
use tokio::time::{Sleep, sleep_until};

use super::around::{Hooks, Layer, refusal};
use crate::server::stream;

const HEADER: HeaderName = HeaderName::from_static("grpc-timeout");

/// Made to be left open; bounded by the caller's own deadline only.
const UNBOUNDED: &str = "/grpc.health.v1.Health/Watch";

/// When the answer must be complete; in the extensions of every request that is ours to bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline at that instant.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The instant.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// The time left; zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn is_past(self) -> bool {
        self.remaining().is_zero()
    }
}

/// `grpc-timeout`: one to eight digits and a unit.
fn parse(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

fn exceeded() -> CallError {
    Reason::DeadlineExceeded.error("the deadline passed before the answer was complete")
}

#[derive(Debug, Clone)]
pub(crate) struct Deadlines {
    default: Duration,
    max: Duration,
}

impl Deadlines {
    pub(crate) const fn new(default: Duration, max: Duration) -> Self {
        Self { default, max }
    }

    fn of<B>(&self, request: &mut Request<B>) -> Result<Option<Deadline>, CallError> {
        let asked = match request.headers_mut().remove(HEADER) {
            None => None,
            Some(value) => Some(parse(value.as_bytes()).ok_or_else(|| {
                CallError::field("grpc-timeout", "expected one to eight digits and one of H, M, S, m, u, n")
            })?),
        };
        let bounded = request.uri().path() != UNBOUNDED;
        let timeout = if bounded { Some(asked.unwrap_or(self.default).min(self.max)) } else { asked };
        Ok(timeout.and_then(|timeout| Instant::now().checked_add(timeout)).map(Deadline))
    }
}

impl Layer for Deadlines {
    type Hooks = Timed;

    fn begin<B>(&self, request: &mut Request<B>) -> Result<Timed, Response<()>> {
        let deadline = self.of(request).map_err(refusal)?;
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        Ok(Timed { timer: deadline.map(Timer::new) })
    }
}

/// A deadline to wait for. The clock is read on every look; the timer wheel is used only by who must wait.
#[derive(Debug)]
struct Timer {
    deadline: Deadline,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    const fn new(deadline: Deadline) -> Self {
        Self { deadline, sleep: None }
    }

    /// Wakes the task at the deadline.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.deadline.0;
        self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at.into()))).as_mut().poll(cx)
    }
}

/// What a deadline ends.
#[derive(Debug)]
pub(crate) struct Timed {
    timer: Option<Timer>,
}

impl Hooks for Timed {
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        inner: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, CallError>> {
        let Some(timer) = &mut self.timer else { return inner(cx).map(Ok) };
        // First the clock: a handler is not even started, and a body that is always ready must end too.
        if !timer.deadline.is_past() {
            if let Poll::Ready(done) = inner(cx) {
                return Poll::Ready(Ok(done));
            }
            ready!(timer.poll(cx));
        }
        Poll::Ready(Err(exceeded()))
    }

    fn head<B>(&mut self, _: &mut Response<B>) {
        if let Some(timer) = &self.timer {
            stream::cut_after(timer.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_parsed_by_the_letter_of_the_protocol() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("0S", Some(Duration::ZERO)),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("100000000S", None),
            ("S", None),
            ("1", None),
            ("", None),
            ("1s", None),
            ("-1S", None),
            ("+1S", None),
            ("1.5S", None),
            (" 1S", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
        }
    }
}
