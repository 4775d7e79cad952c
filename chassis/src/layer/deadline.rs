//! Deadlines: `grpc-timeout`, a default when it is absent, and a cap, over the head and the body of the answer.
//!
//! tonic's own timeout covers the head alone and answers CANCELLED; the header is taken out before it sees it.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use safelight_proto::reason::{CallError, Reason};
use tokio::time::{Sleep, sleep_until};
use tonic::Status;
use tower_service::Service;

use super::reason;
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
pub(crate) struct Deadlines<S> {
    inner: S,
    default: Duration,
    max: Duration,
}

impl<S> Deadlines<S> {
    pub(crate) const fn new(inner: S, default: Duration, max: Duration) -> Self {
        Self { inner, default, max }
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

impl<S, B, R> Service<Request<B>> for Deadlines<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    type Response = Response<Timed<R>>;
    type Error = Infallible;
    type Future = TimedCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.of(&mut request) {
            Err(error) => TimedCall { inner: None, timer: None, refusal: Some(error) },
            Ok(None) => TimedCall { inner: Some(self.inner.call(request)), timer: None, refusal: None },
            Ok(Some(deadline)) => {
                request.extensions_mut().insert(deadline);
                TimedCall {
                    inner: Some(self.inner.call(request)),
                    timer: Some(Timer::new(deadline)),
                    refusal: Some(exceeded()),
                }
            }
        }
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

pin_project! {
    pub(crate) struct TimedCall<F> {
        #[pin]
        inner: Option<F>,
        timer: Option<Timer>,
        // The answer when there is none from `inner`.
        refusal: Option<CallError>,
    }
}

impl<F, R> Future for TimedCall<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
{
    type Output = Result<Response<Timed<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(inner) = this.inner.as_mut().as_pin_mut() {
            // Already past: the handler is not even started.
            let expired = this.timer.as_ref().is_some_and(|timer| timer.deadline.is_past());
            if !expired {
                if let Poll::Ready(Ok(response)) = inner.poll(cx) {
                    let timer = this.timer.take();
                    if let Some(timer) = &timer {
                        stream::cut_after(timer.deadline);
                    }
                    return Poll::Ready(Ok(response.map(|inner| Timed { inner: Some(inner), timer })));
                }
                if this.timer.as_mut().is_none_or(|timer| timer.poll(cx).is_pending()) {
                    return Poll::Pending;
                }
            }
        }
        // Frees what the handler holds.
        this.inner.set(None);
        let status = Status::from(this.refusal.take().unwrap_or_else(exceeded));
        Poll::Ready(Ok(status.into_http::<()>().map(|()| Timed { inner: None, timer: None })))
    }
}

pin_project! {
    pub(crate) struct Timed<B> {
        // None: ended by the deadline.
        #[pin]
        inner: Option<B>,
        timer: Option<Timer>,
    }
}

impl<B: Body<Data = Bytes>> Body for Timed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        // First the clock: a body that is always ready must end too.
        if !this.timer.as_ref().is_some_and(|timer| timer.deadline.is_past()) {
            if let Poll::Ready(frame) = inner.poll_frame(cx) {
                return Poll::Ready(frame);
            }
            if this.timer.as_mut().is_none_or(|timer| timer.poll(cx).is_pending()) {
                return Poll::Pending;
            }
        }
        // Frees what the body holds: permits, an origin's connection.
        this.inner.set(None);
        Poll::Ready(Some(Ok(Frame::trailers(reason::trailers(exceeded())))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
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
