//! The two ways to the server: that of the engine, and that of callers, whom the engine never waits for.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::super::seal::Seal;
use super::super::{Error, Result};
use super::batch::answered;
use super::fault::fault;
use super::tx::{STALE, Tx, is_stale};
use crate::domain::Timestamp;
use crate::domain::clock::Clock;

/// How long a caller waits for a connection, in which the server may be coming back.
pub(super) const ACQUIRE: Duration = Duration::from_secs(3);

/// How a transaction begins, with the clock.
const WRITE: &str = "BEGIN; SELECT now()";
/// The same for what had better be done later than wait for a lock.
const IMPATIENT: &str = "BEGIN; SET LOCAL lock_timeout = '100ms'; SELECT now()";
/// All its statements see the same.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT now()";

/// A way to the server.
pub(super) struct Door {
    pool: PgPool,
    /// How many may be inside at once, where that is bounded.
    places: Option<Arc<Semaphore>>,
    /// Time in place of the server's, for tests.
    clock: Option<Arc<dyn Clock>>,
    seal: Seal,
}

/// All other callers wait for a lock or for a slow statement.
#[derive(Debug, thiserror::Error)]
#[error("all connections that callers may use are in use")]
struct Crowded;

impl Door {
    /// The engine's: any connection of the pool.
    pub(super) fn engine(pool: PgPool, clock: Option<Arc<dyn Clock>>, seal: Seal) -> Self {
        Self { pool, places: None, clock, seal }
    }

    /// The callers': three quarters of the pool's `connections`. Leases must not lapse because callers wait for each other.
    pub(super) fn callers(pool: PgPool, connections: u32, clock: Option<Arc<dyn Clock>>, seal: Seal) -> Self {
        let kept = (connections / 4).max(2).min(connections - 1);
        let places = usize::try_from(connections - kept).unwrap_or(1);
        Self { pool, places: Some(Arc::new(Semaphore::new(places))), clock, seal }
    }

    /// The clock that stands for the server's, where there is one.
    pub(super) fn clock(&self) -> Option<Timestamp> {
        self.clock.as_ref().map(|clock| clock.now())
    }

    /// Begins a transaction that may write.
    pub(super) async fn begin(&self) -> Result<Tx> {
        self.begin_with(WRITE).await
    }

    /// Begins a transaction that may write, and fails as busy where it has to wait for a lock for longer than a tenth of a second.
    pub(super) async fn begin_impatiently(&self) -> Result<Tx> {
        self.begin_with(IMPATIENT).await
    }

    /// Begins a transaction that only reads, from one snapshot.
    pub(super) async fn snapshot(&self) -> Result<Tx> {
        self.begin_with(SNAPSHOT).await
    }

    /// A connection for statements that each see what is there when they begin. Without a transaction its clock is not read.
    pub(super) async fn reader(&self) -> Result<Tx> {
        let place = self.place().await?;
        Ok(Tx::new(answered(self.pool.acquire()).await?, self.seal.clone(), place))
    }

    async fn begin_with(&self, text: &'static str) -> Result<Tx> {
        let mut stale = 0;
        loop {
            let mut tx = self.reader().await?;
            match tx.start(text).await {
                Ok(row) => {
                    tx.now = self.instant(&row)?;
                    return Ok(tx);
                }
                Err(error) if stale < STALE && is_stale(&error) => stale += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn place(&self) -> Result<Option<OwnedSemaphorePermit>> {
        let Some(places) = &self.places else { return Ok(None) };
        let place = timeout(ACQUIRE, Arc::clone(places).acquire_owned()).await;
        let place = place.map_err(|_| Error::Busy(Box::new(Crowded)))?;
        place.map(Some).map_err(|closed| Error::Unavailable(Box::new(closed)))
    }

    fn instant(&self, row: &PgRow) -> Result<Timestamp> {
        self.clock().map_or_else(|| row.try_get(0).map_err(fault), Ok)
    }
}
