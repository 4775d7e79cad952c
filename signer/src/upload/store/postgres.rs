//! Records in PostgreSQL, shared by several signers.
//!
//! A redemption is one conditional `UPDATE … RETURNING`: the row's lock decides between replicas, and its transaction is
//! durable before the answer comes. Only where no row was changed does a second query tell why.
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
use tokio_postgres::{Config, Row};

pub use self::url::UrlError;
use self::{session::Session, tls::Tls};
use super::{Store, StoreError};
use crate::upload::{
    Event, Outcome, Record, Refusal, State, TokenId, machine, machine::EventKind, record::Details,
};

/// Connections, unless the configuration says otherwise. As many commits share an fsync of PostgreSQL's.
pub const DEFAULT_CONNECTIONS: usize = 8;
/// Most connections.
pub const MAX_CONNECTIONS: usize = 64;
/// How long a connection may take to be made, its statements prepared.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a statement may take, before its connection is given up: less than any call's deadline.
const STATEMENT_TIMEOUT: Duration = Duration::from_millis(1500);
/// How often an event is tried on a row that somebody else changes between the two queries.
const ATTEMPTS: usize = 3;

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

    /// The row, if the event changed it.
    async fn change(session: &Session, id: TokenId, event: &Event) -> Result<Option<Record>, StoreError> {
        let Event { account, at, kind } = event;
        let at = bigint(*at);
        match kind {
            EventKind::Redeem { request_id } => {
                session.row(|s| &s.redeem, &[&id.0.as_slice(), account, &at, request_id]).await
            }
            EventKind::Cancel => session.row(|s| &s.cancel, &[&id.0.as_slice(), account, &at]).await,
        }?
        .as_ref()
        .map(record)
        .transpose()
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
        session.row(|s| &s.get, &[&id.0.as_slice()]).await?.as_ref().map(record).transpose()
    }

    async fn apply(&self, id: TokenId, event: Event) -> Result<Result<Outcome, Refusal>, StoreError> {
        let session = self.session().await?;
        for _ in 0..ATTEMPTS {
            if let Some(record) = Self::change(&session, id, &event).await? {
                return Ok(Ok(Outcome { record, replayed: false }));
            }
            let found =
                session.row(|s| &s.get, &[&id.0.as_slice()]).await?.as_ref().map(record).transpose()?;
            match machine::apply(found, &event) {
                // It could be done now: the row came to be, or was given back, between the two queries.
                Ok(Outcome { replayed: false, .. }) => {}
                told => return Ok(told),
            }
        }
        Err(StoreError("the row changes all the time".to_owned()))
    }

    async fn sweep(&self, until: u64, limit: usize) -> Result<usize, StoreError> {
        let session = self.session().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let removed = session.execute(|s| &s.sweep, &[&bigint(until), &limit]).await?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }
}

/// Seconds as PostgreSQL's bigint. Nothing that the rules let through is beyond it.
fn bigint(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// A record from the columns that every query answers: account, expires, ended, `request_id`, details.
fn record(row: &Row) -> Result<Record, StoreError> {
    let read = || -> Result<_, tokio_postgres::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?))
    };
    let (account, expires, ended, request_id, details): (String, i64, Option<i64>, Option<String>, &[u8]) =
        read().map_err(|error| StoreError(error.to_string()))?;
    let state = match (ended, request_id) {
        (None, _) => State::Pending,
        (Some(at), Some(request_id)) => State::Redeemed { at: at.cast_unsigned(), request_id },
        (Some(at), None) => State::Cancelled { at: at.cast_unsigned() },
    };
    let details =
        Details::decode(details).map_err(|_| StoreError("a record cannot be decoded".to_owned()))?;
    Ok(Record { account, expires: expires.cast_unsigned(), state, details })
}
