//! What happens to a token: reserve, redeem (the commit), release, cancel. Pure: stores apply this to the record as it is
//! when they write.

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
    /// To reserve it.
    Reserve {
        /// For this request; not empty.
        request_id: String,
        /// For so many seconds.
        lease: u64,
    },
    /// To give up a reservation.
    Release {
        /// Of this request; not empty.
        request_id: String,
    },
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
    /// Whether it had been done before, or there was nothing to do. Nothing is to be written then, a lease that is renewed
    /// apart.
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
    /// Another request has it reserved.
    #[error("another request has reserved the upload token")]
    Reserved {
        /// When the lease ends, in Unix seconds.
        until: u64,
    },
    /// Its time has passed.
    #[error("the upload token has expired")]
    Expired,
    /// Cancelled before.
    #[error("the upload token has been cancelled")]
    Cancelled,
    /// This request has no reservation of it.
    #[error("the upload token is not reserved by this request")]
    NotReserved,
}

/// How a request holds a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It has reserved it.
    Reserved {
        /// When the lease ends, in Unix seconds.
        until: u64,
    },
    /// It has redeemed it.
    Redeemed,
}

/// Does to a token what is asked: the record as it is to be written where it is another than before, or why nothing is.
///
/// What has happened counts before what time it is: a clock that steps back makes nothing redeemable again, and one that
/// has gone on takes no answer back from a request that is repeated. A reservation is the request's that made it until
/// another request changes the token: the end of its lease only lets others do so.
///
/// # Errors
/// Nothing is to be written.
pub fn apply(record: Option<&Record>, event: &Event) -> Result<Outcome, Refusal> {
    let record = record.filter(|record| record.account == event.account).ok_or(Refusal::NotFound)?;
    let (state, replayed) = match &event.kind {
        EventKind::Reserve { request_id, lease } => reserve(record, request_id, *lease, event.at),
        EventKind::Redeem { request_id } => redeem(record, request_id, event.at),
        EventKind::Release { request_id } => release(record, request_id),
        EventKind::Cancel => cancel(record, event.at),
    }?;
    Ok(Outcome { record: Record { state, ..record.clone() }, replayed })
}

/// How a request, named by an id that is not empty, holds a token at this moment. A reservation whose lease has ended does not
/// count.
///
/// # Errors
/// It does not hold it.
pub fn held(record: &Record, request_id: &str, at: u64) -> Result<Held, Refusal> {
    match &record.state {
        State::Reserved { request_id: holder, until } if holder == request_id && *until > at => {
            Ok(Held::Reserved { until: *until })
        }
        State::Redeemed { request_id: first, .. } if first == request_id => Ok(Held::Redeemed),
        _ => Err(Refusal::NotReserved),
    }
}

type Next = Result<(State, bool), Refusal>;

fn reserve(record: &Record, request_id: &str, lease: u64, at: u64) -> Next {
    let reserved = State::Reserved { request_id: request_id.to_owned(), until: at.saturating_add(lease) };
    match &record.state {
        State::Redeemed { .. } => Err(Refusal::AlreadyRedeemed),
        State::Cancelled { .. } => Err(Refusal::Cancelled),
        State::Reserved { request_id: holder, until } if *until > at => {
            if holder == request_id {
                Ok((reserved, true))
            } else {
                Err(Refusal::Reserved { until: *until })
            }
        }
        State::Pending | State::Reserved { .. } if record.expires <= at => Err(Refusal::Expired),
        State::Pending | State::Reserved { .. } => Ok((reserved, false)),
    }
}

fn redeem(record: &Record, request_id: &str, at: u64) -> Next {
    let redeemed = || State::Redeemed { at, request_id: request_id.to_owned() };
    match &record.state {
        State::Redeemed { request_id: first, .. } => {
            if first.is_empty() || first != request_id {
                return Err(Refusal::AlreadyRedeemed);
            }
            Ok((record.state.clone(), true))
        }
        State::Cancelled { .. } => Err(Refusal::Cancelled),
        State::Reserved { request_id: holder, .. } if holder == request_id => Ok((redeemed(), false)),
        State::Reserved { until, .. } if *until > at => Err(Refusal::Reserved { until: *until }),
        State::Pending | State::Reserved { .. } if record.expires <= at => Err(Refusal::Expired),
        State::Pending | State::Reserved { .. } => Ok((redeemed(), false)),
    }
}

fn release(record: &Record, request_id: &str) -> Next {
    match &record.state {
        State::Reserved { request_id: holder, .. } if holder == request_id => Ok((State::Pending, false)),
        State::Redeemed { request_id: first, .. } if first == request_id => Err(Refusal::AlreadyRedeemed),
        other => Ok((other.clone(), true)),
    }
}

fn cancel(record: &Record, at: u64) -> Next {
    match &record.state {
        State::Redeemed { .. } => Err(Refusal::AlreadyRedeemed),
        State::Cancelled { .. } => Ok((record.state.clone(), true)),
        State::Reserved { until, .. } if *until > at => Err(Refusal::Reserved { until: *until }),
        State::Pending | State::Reserved { .. } => Ok((State::Cancelled { at }, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::record::Details;

    #[test]
    fn who_holds_a_token() {
        let of = |state| Record { account: "a".to_owned(), expires: 100, state, details: Details::default() };
        let r = || "r".to_owned();
        for (state, request_id, at, expected) in [
            (State::Pending, "r", 1, Err(Refusal::NotReserved)),
            (State::Reserved { request_id: r(), until: 10 }, "r", 9, Ok(Held::Reserved { until: 10 })),
            (State::Reserved { request_id: r(), until: 200 }, "r", 150, Ok(Held::Reserved { until: 200 })),
            (State::Reserved { request_id: r(), until: 10 }, "r", 10, Err(Refusal::NotReserved)),
            (State::Reserved { request_id: r(), until: 10 }, "s", 9, Err(Refusal::NotReserved)),
            (State::Redeemed { at: 5, request_id: r() }, "r", 900, Ok(Held::Redeemed)),
            (State::Redeemed { at: 5, request_id: r() }, "s", 6, Err(Refusal::NotReserved)),
            (State::Redeemed { at: 5, request_id: String::new() }, "r", 6, Err(Refusal::NotReserved)),
            (State::Cancelled { at: 5 }, "r", 6, Err(Refusal::NotReserved)),
        ] {
            assert_eq!(held(&of(state.clone()), request_id, at), expected, "{state:?}");
        }
    }
}
