//! One call's task.
//!
//! hyper asks a body for more only when the client's window has room, so a client that stops reading keeps
//! the body, and whatever it holds, from ever seeing its deadline. The task around it sees it instead.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use hyper::rt::Executor;
use tokio::time::{Sleep, sleep_until};

use super::census::Place;
use crate::layer::deadline::Deadline;

/// How long after its deadline an answer that nobody reads is cut off (RST_STREAM). Until then one that is
/// read ends with DEADLINE_EXCEEDED, which says more.
const STALLED: Duration = Duration::from_secs(1);

tokio::task_local! {
    static CUT: Cell<Option<Instant>>;
}

/// Cuts the current call's task off some time after `deadline`.
pub(crate) fn cut_after(deadline: Deadline) {
    cut_at(deadline.instant().checked_add(STALLED));
}

/// Cuts the current call's task off then, and no more when it was told before.
pub(crate) fn cut_at(instant: Option<Instant>) {
    // Outside such a task there is nothing to cut.
    _ = CUT.try_with(|cut| cut.set(instant));
}

/// Runs hyper's tasks, one for each call of a connection.
#[derive(Debug, Clone)]
pub(super) struct Calls(pub(super) Arc<Place>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Calls {
    fn execute(&self, call: F) {
        let busy = self.0.busy();
        tokio::spawn(CUT.scope(Cell::new(None), async move {
            bounded(call).await;
            drop(busy);
        }));
    }
}

async fn bounded(call: impl Future<Output = ()>) {
    let mut call = pin!(call);
    let mut sleep: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if call.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match CUT.with(Cell::get) {
            Some(at) => {
                let at = at.into();
                let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
                if sleep.deadline() != at {
                    sleep.as_mut().reset(at);
                }
                sleep.as_mut().poll(cx)
            }
            None => Poll::Pending,
        }
    })
    .await;
}
