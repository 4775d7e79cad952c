//! A connection to PostgreSQL, its statements prepared.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_postgres::{Client, Config, NoTls, Row, Socket, Statement, tls::MakeTlsConnect, types::ToSql};

use super::{STATEMENT_TIMEOUT, tls::Tls};
use crate::upload::StoreError;

/// What a session sets for itself. A commit that is lost when the server crashes would be a token redeemed twice: where the
/// server's default is not to wait for the disk, this does.
const SETTINGS: &str = "
SET statement_timeout = '1400ms';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';";

/// Whether there is the table that came last, and the columns that came last of the one before it.
const IS_CURRENT: &str = "SELECT to_regclass('safelight_upload_journal') IS NOT NULL AND EXISTS (SELECT FROM pg_attribute \
     WHERE attrelid = to_regclass('safelight_upload_tokens') AND attname = 'reserved_until' AND NOT attisdropped)";

/// Run where a table is not there, or of an earlier signer, so that a role without the right to make or alter tables can
/// use those that were made for it. Columns are added, and never changed: signers of both kinds can share the table. The lock
/// is for signers that start together; its number is arbitrary.
const SCHEMA: &str = "
BEGIN;
SELECT pg_advisory_xact_lock(5405193746151);
CREATE TABLE IF NOT EXISTS safelight_upload_tokens (
    id bytea PRIMARY KEY,
    account text NOT NULL,
    expires bigint NOT NULL,
    ended bigint,
    request_id text,
    details bytea NOT NULL
);
ALTER TABLE safelight_upload_tokens
    ADD COLUMN IF NOT EXISTS reserved_by text,
    ADD COLUMN IF NOT EXISTS reserved_until bigint;
CREATE INDEX IF NOT EXISTS safelight_upload_tokens_expires ON safelight_upload_tokens (expires);
CREATE TABLE IF NOT EXISTS safelight_upload_journal (
    id text PRIMARY KEY,
    rule text NOT NULL,
    due bigint NOT NULL,
    revision bigint NOT NULL,
    attempts bigint NOT NULL,
    facts bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS safelight_upload_journal_due ON safelight_upload_journal (due);
CREATE INDEX IF NOT EXISTS safelight_upload_journal_rule ON safelight_upload_journal (rule, due);
COMMIT;";

const INSERT: &str =
    "INSERT INTO safelight_upload_tokens (id, account, expires, details) VALUES ($1, $2, $3, $4)";
const GET: &str = "SELECT account, expires, ended, request_id, details, reserved_by, reserved_until \
     FROM safelight_upload_tokens WHERE id = $1";
/// One state in the place of another; what never changes is not compared.
const SWAP: &str = "UPDATE safelight_upload_tokens \
     SET ended = $6, request_id = $7, reserved_by = $8, reserved_until = $9 \
     WHERE id = $1 AND (ended, request_id, reserved_by, reserved_until) IS NOT DISTINCT FROM ($2, $3, $4, $5)";
/// Rows that another signer is about to remove are left to it.
const SWEEP: &str = "DELETE FROM safelight_upload_tokens WHERE id = ANY(ARRAY(SELECT id FROM safelight_upload_tokens \
     WHERE expires <= $1 AND greatest(expires, ended, reserved_until) <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED))";

const KEEP_ENTRY: &str = "INSERT INTO safelight_upload_journal (id, rule, due, revision, attempts, facts) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE \
     SET rule = excluded.rule, due = excluded.due, revision = excluded.revision, attempts = excluded.attempts, \
     facts = excluded.facts";
const ENTRY: &str =
    "SELECT id, rule, due, revision, attempts, facts FROM safelight_upload_journal WHERE id = $1";
/// Rows that another signer is about to take are left to it.
const TAKE_ENTRIES: &str = "UPDATE safelight_upload_journal SET due = $3, revision = $5, attempts = attempts + 1 \
     WHERE id = ANY(ARRAY(SELECT id FROM safelight_upload_journal \
     WHERE due <= $2 AND rule = ANY($1) ORDER BY due LIMIT $4 FOR UPDATE SKIP LOCKED)) \
     RETURNING id, rule, due, revision, attempts, facts";
const CHANGE_ENTRY: &str = "UPDATE safelight_upload_journal \
     SET rule = $3, due = $4, revision = $5, attempts = $6, facts = $7 WHERE id = $1 AND revision = $2";
const REMOVE_CHANGED: &str = "DELETE FROM safelight_upload_journal WHERE id = $1 AND revision = $2";
const REMOVE_ENTRY: &str = "DELETE FROM safelight_upload_journal WHERE id = $1";
const SWEEP_ENTRIES: &str = "DELETE FROM safelight_upload_journal WHERE id = ANY(ARRAY(SELECT id \
     FROM safelight_upload_journal WHERE due <= $1 ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// A connection to PostgreSQL.
pub(super) struct Session {
    client: Client,
    statements: Statements,
    /// A statement got no answer in time: what else is asked would wait behind it.
    given_up: AtomicBool,
}

pub(super) struct Statements {
    pub(super) insert: Statement,
    pub(super) get: Statement,
    pub(super) swap: Statement,
    pub(super) sweep: Statement,
    pub(super) keep_entry: Statement,
    pub(super) entry: Statement,
    pub(super) take_entries: Statement,
    pub(super) change_entry: Statement,
    pub(super) remove_changed: Statement,
    pub(super) remove_entry: Statement,
    pub(super) sweep_entries: Statement,
}

impl Session {
    /// Connects, makes the table if there is none or adds what it has not, prepares the statements.
    pub(super) async fn connect(config: &Config, tls: Option<&Tls>) -> Result<Self, StoreError> {
        let client = match tls {
            Some(tls) => open(config, tls.clone()).await,
            None => open(config, NoTls).await,
        };
        let client = client.map_err(failed)?;
        client.batch_execute(SETTINGS).await.map_err(failed)?;
        let is_current: bool =
            client.query_one(IS_CURRENT, &[]).await.and_then(|row| row.try_get(0)).map_err(failed)?;
        if !is_current {
            client.batch_execute(SCHEMA).await.map_err(failed)?;
        }
        let statements = Statements {
            insert: client.prepare(INSERT).await.map_err(failed)?,
            get: client.prepare(GET).await.map_err(failed)?,
            swap: client.prepare(SWAP).await.map_err(failed)?,
            sweep: client.prepare(SWEEP).await.map_err(failed)?,
            keep_entry: client.prepare(KEEP_ENTRY).await.map_err(failed)?,
            entry: client.prepare(ENTRY).await.map_err(failed)?,
            take_entries: client.prepare(TAKE_ENTRIES).await.map_err(failed)?,
            change_entry: client.prepare(CHANGE_ENTRY).await.map_err(failed)?,
            remove_changed: client.prepare(REMOVE_CHANGED).await.map_err(failed)?,
            remove_entry: client.prepare(REMOVE_ENTRY).await.map_err(failed)?,
            sweep_entries: client.prepare(SWEEP_ENTRIES).await.map_err(failed)?,
        };
        Ok(Self { client, statements, given_up: AtomicBool::new(false) })
    }

    /// Whether it can still be asked.
    pub(super) fn is_alive(&self) -> bool {
        !self.client.is_closed() && !self.given_up.load(Ordering::Relaxed)
    }

    /// The one row that a statement answers, if it does.
    pub(super) async fn row(
        &self,
        statement: impl Fn(&Statements) -> &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, StoreError> {
        self.timed(self.client.query_opt(statement(&self.statements), parameters)).await
    }

    /// The rows that a statement answers.
    pub(super) async fn rows(
        &self,
        statement: impl Fn(&Statements) -> &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.timed(self.client.query(statement(&self.statements), parameters)).await
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(
        &self,
        statement: impl Fn(&Statements) -> &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        self.timed(self.client.execute(statement(&self.statements), parameters)).await
    }

    async fn timed<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(STATEMENT_TIMEOUT, statement).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => {
                self.given_up.store(true, Ordering::Relaxed);
                Err(StoreError("no answer from PostgreSQL in time".to_owned()))
            }
        }
    }
}

/// Connects. What drives the connection ends with the client, or when the server does.
async fn open<T>(config: &Config, tls: T) -> Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket, Stream: Send + 'static>,
{
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = %text(&error), "the connection to PostgreSQL has ended");
        }
    });
    Ok(client)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: tokio_postgres::Error) -> StoreError {
    StoreError(text(&error))
}

/// What the server said, without details, which can hold values of the row.
fn text(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(server) => format!("PostgreSQL: {} ({})", server.message(), server.code().code()),
        None => std::error::Error::source(error)
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}
