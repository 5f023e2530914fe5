//! Transactions. Each begins with one round trip that also reads the server's clock, and what was left open by a caller that went
//! away is undone by closing its connection.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{Executor, PgConnection, Postgres};
use tokio::sync::OwnedSemaphorePermit;

use super::super::seal::Seal;
use super::super::{Error, Result};
use super::batch::answered;
use super::fault::{is_broken, is_conflict, is_contended, is_read_only};
use crate::domain::Timestamp;

/// How often a transaction that stood in another's way is tried.
const TRIES: u32 = 4;
/// Connections of the pool that may prove broken, after a restart of the server, before a caller hears of it.
pub(super) const STALE: u32 = 40;

/// A transaction, and the instant at which it began by the store's clock.
pub(super) struct Tx {
    conn: PoolConnection<Postgres>,
    /// The store's clock; the same for all of the transaction.
    pub(super) now: Timestamp,
    /// The keys for what is sealed.
    pub(super) seal: Seal,
    open: bool,
    /// Given back after the connection.
    _place: Option<OwnedSemaphorePermit>,
}

impl Deref for Tx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if self.open {
            self.conn.close_on_drop();
        }
    }
}

impl Tx {
    /// A connection on which nothing has begun.
    pub(super) fn new(conn: PoolConnection<Postgres>, seal: Seal, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { conn, now: Timestamp::default(), seal, open: true, _place: place }
    }

    /// Begins with these statements, the last of which answers the row.
    pub(super) async fn start(&mut self, text: &'static str) -> Result<PgRow> {
        answered(self.conn.fetch_one(sqlx::raw_sql(text))).await
    }

    /// Commits what went well, undoes what did not.
    pub(super) async fn end<T>(mut self, done: Result<T>) -> Result<T> {
        match done {
            Ok(value) => {
                self.say("COMMIT").await?;
                self.open = false;
                Ok(value)
            }
            Err(error) => {
                // a connection that cannot even do this is closed, as is one to a server that another has taken the place of
                self.open = self.say("ROLLBACK").await.is_err() || is_read_only(&error);
                Err(error)
            }
        }
    }

    /// Undoes what was written so far; the caller may go on and write something else, at the same instant.
    pub(super) async fn start_over(&mut self) -> Result<()> {
        self.say("ROLLBACK; BEGIN").await
    }

    /// Hands back a connection that was only read from, unless reading failed.
    pub(super) fn done<T>(&mut self, read: &Result<T>) {
        self.open = read.is_err();
    }

    async fn say(&mut self, text: &'static str) -> Result<()> {
        answered(self.conn.execute(sqlx::raw_sql(text))).await.map(drop)
    }
}

/// Whether a connection that had been idle turned out to be broken.
pub(super) fn is_stale(error: &Error) -> bool {
    let Error::Unavailable(source) = error else { return false };
    source.downcast_ref::<sqlx::Error>().is_some_and(|error| is_broken(error) && !matches!(error, sqlx::Error::PoolTimedOut))
}

/// Counts how often a transaction is tried.
#[derive(Default)]
pub(super) struct Tries(u32);

impl Tries {
    /// Whether it is to be tried again after this: it stood in another's way, or a row came beside it that the next try will see.
    pub(super) fn again(&mut self, error: &Error) -> bool {
        self.0 += 1;
        self.0 < TRIES && (is_contended(error) || is_conflict(error))
    }
}

/// Runs a body in a transaction `tx` and commits it; again where it stood in another's way or met a row that was not there before.
macro_rules! transaction {
    ($door:expr, $tx:ident => $body:expr) => {{
        let mut tries = $crate::store::postgres::tx::Tries::default();
        loop {
            let mut $tx = $door.begin().await?;
            let done = $body.await;
            match $tx.end(done).await {
                Err(error) if tries.again(&error) => {}
                ended => break ended,
            }
        }
    }};
}

/// Runs a body that only reads on a connection; again where the connection had been broken while it was idle.
macro_rules! reading {
    ($door:expr, $conn:ident => $body:expr) => {{
        let mut tries = 0..$crate::store::postgres::tx::STALE;
        loop {
            let mut $conn = $door.reader().await?;
            match $body.await {
                Err(error) if $crate::store::postgres::tx::is_stale(&error) && tries.next().is_some() => {}
                read => {
                    $conn.done(&read);
                    break read;
                }
            }
        }
    }};
}
pub(super) use {reading, transaction};
