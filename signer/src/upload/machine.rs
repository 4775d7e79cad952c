//! What redeeming and cancelling do to a token. Pure: stores apply this to the record they have locked.

use super::{Record, State};

/// Something that is asked of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// On behalf of which tenant.
    pub account: String,
    /// When, in Unix seconds.
    pub at: u64,
    /// What.
    pub kind: EventKind,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// To redeem it.
    Redeem {
        /// Names the request, so that it may be repeated; empty for one that may not.
        request_id: String,
    },
    /// To make sure that it is never redeemed.
    Cancel,
}

/// A token after what was asked was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The token.
    pub record: Record,
    /// Whether it had been done before, so that nothing was written.
    pub replayed: bool,
}

/// Why it was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The tenant has no such token.
    #[error("the account has no such upload token")]
    NotFound,
    /// Redeemed before.
    #[error("the upload token has already been redeemed")]
    AlreadyRedeemed,
    /// Its time has passed.
    #[error("the upload token has expired")]
    Expired,
    /// Cancelled before.
    #[error("the upload token has been cancelled")]
    Cancelled,
}

/// Does to a token what is asked: what is to be written where `replayed` is false, or why nothing is.
///
/// What has happened counts before what time it is: a clock that steps back makes nothing redeemable again, and one that
/// has gone on takes no answer back from a request that is repeated.
///
/// # Errors
/// Nothing is to be written.
pub fn apply(record: Option<Record>, event: &Event) -> Result<Outcome, Refusal> {
    let mut record = record.filter(|record| record.account == event.account).ok_or(Refusal::NotFound)?;
    let replayed = match (&record.state, &event.kind) {
        (State::Redeemed { request_id: first, .. }, EventKind::Redeem { request_id }) => {
            if first.is_empty() || first != request_id {
                return Err(Refusal::AlreadyRedeemed);
            }
            true
        }
        (State::Redeemed { .. }, EventKind::Cancel) => return Err(Refusal::AlreadyRedeemed),
        (State::Cancelled { .. }, EventKind::Redeem { .. }) => return Err(Refusal::Cancelled),
        (State::Cancelled { .. }, EventKind::Cancel) => true,
        (State::Pending, EventKind::Redeem { .. }) if record.expires <= event.at => {
            return Err(Refusal::Expired);
        }
        (State::Pending, EventKind::Redeem { request_id }) => {
            record.state = State::Redeemed { at: event.at, request_id: request_id.clone() };
            false
        }
        (State::Pending, EventKind::Cancel) => {
            record.state = State::Cancelled { at: event.at };
            false
        }
    };
    Ok(Outcome { record, replayed })
}
