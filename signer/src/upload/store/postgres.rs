//! Records in PostgreSQL, shared by several signers.
//!
//! An event is a compare and swap: the row is read, [`machine::apply`] says what it becomes, and one conditional `UPDATE`
//! writes that if its state is still the one that was read. The row's lock decides between replicas, and the transaction is
//! durable before the answer comes. Where the row has changed in between, it is read again.
//!
//! # Layout
//! - `session`: a connection with its statements prepared
//! - `tls`: rustls as tokio-postgres wants it
//! - `url`: where to connect, and whether it is encrypted

mod session;
mod tls;
mod url;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use prost::Message;
use rustls::ClientConfig;
use tokio::sync::Mutex;
use tokio_postgres::{Config, Row, types::ToSql};

pub use self::url::UrlError;
use self::{session::Session, tls::Tls};
use super::{Store, StoreError};
use crate::upload::{
    Event, Outcome, Record, Refusal, State, TokenId,
    journal::{Entry, Facts, Kept, Taking},
    machine,
    record::Details,
};

/// Connections, unless the configuration says otherwise. As many commits share an fsync of PostgreSQL's.
pub const DEFAULT_CONNECTIONS: usize = 8;
/// Most connections.
pub const MAX_CONNECTIONS: usize = 64;
/// How long a connection may take to be made, its statements prepared.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a statement may take, before its connection is given up: less than any call's deadline.
const STATEMENT_TIMEOUT: Duration = Duration::from_millis(1500);
/// How often an event is tried on a row that another request changes between the two queries. As a rule the second time
/// refuses it.
const ATTEMPTS: usize = 4;

/// A store in a PostgreSQL database. Connects when it is first asked, and again whenever that is needed.
pub struct PostgresStore {
    config: Config,
    tls: Option<Tls>,
    sessions: Vec<Mutex<Option<Arc<Session>>>>,
    next: AtomicUsize,
}

impl PostgresStore {
    /// A store behind a connection URL (or libpq's `key=value` form), with so many connections at most. `tls` is for a URL
    /// that asks for TLS (see [`safelight_chassis::tls::client`]).
    ///
    /// # Errors
    /// [`UrlError`]. That nobody answers is none: a signer starts without its database.
    pub fn new(url: &str, connections: usize, tls: Option<Arc<ClientConfig>>) -> Result<Self, UrlError> {
        let mut config = url::read(url, tls.is_some())?;
        config.connect_timeout(CONNECT_TIMEOUT);
        if config.get_application_name().is_none() {
            config.application_name("safelight-signer");
        }
        let sessions = (0..connections.clamp(1, MAX_CONNECTIONS)).map(|_| Mutex::new(None)).collect();
        Ok(Self { config, tls: tls.map(Tls), sessions, next: AtomicUsize::new(0) })
    }

    /// A living connection. Statements of several callers share one, in turn.
    async fn session(&self) -> Result<Arc<Session>, StoreError> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(slot) = self.sessions.get(next % self.sessions.len()) else {
            return Err(StoreError("no connections".to_owned()));
        };
        let mut slot = slot.lock().await;
        if let Some(session) = slot.as_ref().filter(|session| session.is_alive()) {
            return Ok(Arc::clone(session));
        }
        let connecting =
            tokio::time::timeout(CONNECT_TIMEOUT, Session::connect(&self.config, self.tls.as_ref()));
        let session = connecting.await.map_err(|_| StoreError("no connection in time".to_owned()))??;
        Ok(Arc::clone(slot.insert(Arc::new(session))))
    }

    async fn read(session: &Session, id: TokenId) -> Result<Option<Record>, StoreError> {
        session.row(|s| &s.get, &[&id.0.as_slice()]).await?.as_ref().map(record).transpose()
    }

    /// Writes a state in the place of another. Whether that one was still there.
    async fn swap(session: &Session, id: TokenId, before: &State, after: &State) -> Result<bool, StoreError> {
        let (before, after) = (Columns::of(before), Columns::of(after));
        let swapped = session
            .execute(
                |s| &s.swap,
                &[
                    &id.0.as_slice(),
                    &before.ended,
                    &before.request_id,
                    &before.reserved_by,
                    &before.reserved_until,
                    &after.ended,
                    &after.request_id,
                    &after.reserved_by,
                    &after.reserved_until,
                ],
            )
            .await?;
        Ok(swapped == 1)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn insert(&self, id: TokenId, record: Record) -> Result<(), StoreError> {
        let session = self.session().await?;
        let (expires, details) = (bigint(record.expires), record.details.encode_to_vec());
        let inserted =
            session.execute(|s| &s.insert, &[&id.0.as_slice(), &record.account, &expires, &details]).await?;
        if inserted == 1 { Ok(()) } else { Err(StoreError("the row was not inserted".to_owned())) }
    }

    async fn get(&self, id: TokenId) -> Result<Option<Record>, StoreError> {
        let session = self.session().await?;
        Self::read(&session, id).await
    }

    async fn apply(&self, id: TokenId, event: Event) -> Result<Result<Outcome, Refusal>, StoreError> {
        let session = self.session().await?;
        for _ in 0..ATTEMPTS {
            let before = Self::read(&session, id).await?;
            let outcome = machine::apply(before.as_ref(), &event);
            if let (Some(before), Ok(Outcome { record, .. })) = (&before, &outcome)
                && before.state != record.state
                && !Self::swap(&session, id, &before.state, &record.state).await?
            {
                continue;
            }
            return Ok(outcome);
        }
        Err(StoreError("the row changes all the time".to_owned()))
    }

    async fn sweep(&self, until: u64, limit: usize) -> Result<usize, StoreError> {
        let session = self.session().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let removed = session.execute(|s| &s.sweep, &[&bigint(until), &limit]).await?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }

    async fn keep_entry(&self, kept: Kept) -> Result<(), StoreError> {
        let session = self.session().await?;
        let Kept { id, revision, entry: Entry { rule, due, attempts, facts } } = kept;
        let (due, revision, attempts) = (bigint(due), bigint(revision), i64::from(attempts));
        let facts = facts.encode_to_vec();
        session.execute(|s| &s.keep_entry, &[&id, &rule, &due, &revision, &attempts, &facts]).await?;
        Ok(())
    }

    async fn entry(&self, id: String) -> Result<Option<Kept>, StoreError> {
        let session = self.session().await?;
        session.row(|s| &s.entry, &[&id]).await?.as_ref().map(kept).transpose()
    }

    async fn take_entries(&self, taking: Taking) -> Result<Vec<Kept>, StoreError> {
        let session = self.session().await?;
        let Taking { rules, now, until, limit, revision } = taking;
        let (now, until, revision) = (bigint(now), bigint(until), bigint(revision));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = session.rows(|s| &s.take_entries, &[&rules, &now, &until, &limit, &revision]).await?;
        rows.iter().map(kept).collect()
    }

    async fn change_entry(&self, id: String, revision: u64, after: Option<Kept>) -> Result<bool, StoreError> {
        let session = self.session().await?;
        let before = bigint(revision);
        let changed = match after {
            None => session.execute(|s| &s.remove_changed, &[&id, &before]).await?,
            Some(Kept { revision, entry: Entry { rule, due, attempts, facts }, .. }) => {
                let (due, revision, attempts) = (bigint(due), bigint(revision), i64::from(attempts));
                let facts = facts.encode_to_vec();
                let values: &[&(dyn ToSql + Sync)] =
                    &[&id, &before, &rule, &due, &revision, &attempts, &facts];
                session.execute(|s| &s.change_entry, values).await?
            }
        };
        Ok(changed == 1)
    }

    async fn remove_entry(&self, id: String) -> Result<(), StoreError> {
        let session = self.session().await?;
        session.execute(|s| &s.remove_entry, &[&id]).await?;
        Ok(())
    }

    async fn sweep_entries(&self, until: u64, limit: usize) -> Result<usize, StoreError> {
        let session = self.session().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let removed = session.execute(|s| &s.sweep_entries, &[&bigint(until), &limit]).await?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }
}

/// Seconds as PostgreSQL's bigint. Nothing that the rules let through is beyond it.
fn bigint(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// A state as columns of a row.
#[derive(Default)]
struct Columns<'a> {
    ended: Option<i64>,
    /// Not null once it was redeemed, and only then.
    request_id: Option<&'a str>,
    reserved_by: Option<&'a str>,
    reserved_until: Option<i64>,
}

impl<'a> Columns<'a> {
    fn of(state: &'a State) -> Self {
        match state {
            State::Pending => Self::default(),
            State::Reserved { request_id, until } => Self {
                reserved_by: Some(request_id),
                reserved_until: Some(bigint(*until)),
                ..Self::default()
            },
            State::Redeemed { at, request_id } => {
                Self { ended: Some(bigint(*at)), request_id: Some(request_id), ..Self::default() }
            }
            State::Cancelled { at } => Self { ended: Some(bigint(*at)), ..Self::default() },
        }
    }
}

/// An entry from the columns of [`session`]'s queries, in their order.
fn kept(row: &Row) -> Result<Kept, StoreError> {
    let failed = |error: tokio_postgres::Error| StoreError(error.to_string());
    let number = |column| row.try_get(column).map(i64::cast_unsigned).map_err(failed);
    let facts = Facts::decode(row.try_get::<_, &[u8]>(5).map_err(failed)?)
        .map_err(|_| StoreError("an entry cannot be decoded".to_owned()))?;
    Ok(Kept {
        id: row.try_get(0).map_err(failed)?,
        revision: number(3)?,
        entry: Entry {
            rule: row.try_get(1).map_err(failed)?,
            due: number(2)?,
            attempts: u32::try_from(number(4)?).unwrap_or(u32::MAX),
            facts,
        },
    })
}

/// A record from the columns of [`session`]'s query, in their order.
fn record(row: &Row) -> Result<Record, StoreError> {
    let failed = |error: tokio_postgres::Error| StoreError(error.to_string());
    let ended: Option<i64> = row.try_get(2).map_err(failed)?;
    let request_id: Option<String> = row.try_get(3).map_err(failed)?;
    let reserved_by: Option<String> = row.try_get(5).map_err(failed)?;
    let reserved_until: Option<i64> = row.try_get(6).map_err(failed)?;
    let state = match (ended, request_id, reserved_by.zip(reserved_until)) {
        (None, _, None) => State::Pending,
        (None, _, Some((request_id, until))) => State::Reserved { request_id, until: until.cast_unsigned() },
        (Some(at), Some(request_id), _) => State::Redeemed { at: at.cast_unsigned(), request_id },
        (Some(at), None, _) => State::Cancelled { at: at.cast_unsigned() },
    };
    let expires: i64 = row.try_get(1).map_err(failed)?;
    let details = Details::decode(row.try_get::<_, &[u8]>(4).map_err(failed)?)
        .map_err(|_| StoreError("a record cannot be decoded".to_owned()))?;
    Ok(Record { account: row.try_get(0).map_err(failed)?, expires: expires.cast_unsigned(), state, details })
}
