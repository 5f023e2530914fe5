//! Connecting.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::seal::{Locked, SEALING_SINCE, Seal};
use super::door::{ACQUIRE, Door};
use super::migrations::{self, Condition};
use super::partitions::Partitions;
use super::{PostgresStore, sealing, upkeep};
use crate::domain::clock::Clock;

/// Statement texts that stay prepared on each connection.
const STATEMENTS: usize = 256;
/// Shards of the counts; as many again are for receipts.
pub(super) const SHARDS: i32 = 32;

/// What each connection is told when it begins.
///
/// * Rows are found key by key, whatever the planner thinks of tables that were empty a moment ago.
/// * A statement, a lock or a caller that stands still does not hold others up for much longer than anybody would wait.
/// * What the server remarks and nobody can do anything about is not logged.
pub(super) const SESSION: [(&str, &str); 14] = [
    ("timezone", "UTC"),
    ("client_min_messages", "error"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_material", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("statement_timeout", "10s"),
    ("lock_timeout", "8s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("tcp_user_timeout", "15s"),
];

/// Where the database is, and how much of it a node takes.
#[derive(Clone, Debug)]
pub struct Options {
    connect: PgConnectOptions,
    /// Connections of this node, at most.
    pub connections: u32,
    /// For how long notifications and deliveries are kept after their day; `None`: for ever.
    pub retention: Option<Duration>,
    /// The keys with which values are sealed at rest.
    pub seal: Seal,
}

impl Options {
    /// The database that a URL names, with as many connections as suit a node on a few cores.
    ///
    /// `postgres://user@host/database`, with `sslmode` and `sslrootcert` as libpq knows them; a password that it does not hold is
    /// looked for in `PGPASSWORD` and `PGPASSFILE`.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        let connect: PgConnectOptions = url.parse().map_err(|_| OpenError::Url)?;
        Ok(Self::new(connect))
    }

    /// The database that these options of the library name.
    pub(super) fn new(connect: PgConnectOptions) -> Self {
        Self { connect, connections: 16, retention: None, seal: Seal::default() }
    }

    /// Where it is, without anything secret.
    pub fn place(&self) -> String {
        let connect = &self.connect;
        format!("{}:{}/{}", connect.get_host(), connect.get_port(), connect.get_database().unwrap_or_else(|| connect.get_username()))
    }

    pub(super) fn plain(&self) -> PgConnectOptions {
        let name = concat!("herald ", env!("CARGO_PKG_VERSION"));
        self.connect.clone().application_name(name).statement_cache_capacity(STATEMENTS).disable_statement_logging()
    }
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL cannot be read. It is not shown: it may hold a password.
    #[error("the URL of the database cannot be read")]
    Url,
    /// The server cannot be reached, or refuses.
    #[error("the database at {place} cannot be reached")]
    Unreachable {
        /// Host, port and database.
        place: String,
        /// What the library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer version of Herald took something away that this one needs.
    #[error(
        "the database has schema version {version}, and this herald, which knows versions up to {known}, cannot work with it any more: use the newer herald"
    )]
    Newer {
        /// The version it has.
        version: i64,
        /// The newest version that this binary knows.
        known: i64,
    },
    /// A step of the schema failed, or was changed after it was applied.
    #[error("the schema of the database cannot be brought up to date")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its values are sealed, and none of the keys given opens them.
    #[error("the database cannot be used")]
    Locked(#[from] Locked),
}

/// See [`PostgresStore::open`].
pub(super) async fn open(options: &Options, clock: Option<Arc<dyn Clock>>, tasks: &TaskTracker) -> Result<Arc<PostgresStore>, OpenError> {
    migrate(options).await?;
    let mut conn = connect(options).await?;
    let admitted = sealing::admit(&mut conn, &options.seal).await;
    admitted.map_err(|error| OpenError::Unreachable { place: options.place(), source: Box::new(error) })??;
    conn.close().await.map_err(|error| unreachable(options, error))?;
    let connect = options.plain().options(SESSION);
    let connections = options.connections.max(2);
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        // each transaction finds out for itself, in the round trip with which it begins
        .test_before_acquire(false)
        .connect_with(connect)
        .await
        .map_err(|error| unreachable(options, error))?;
    let ended = CancellationToken::new();
    tasks.spawn(upkeep::run(pool.clone(), ended.clone()));
    let shard = rand::random_range(0..SHARDS);
    let (engine, callers) = (Door::engine(pool.clone(), clock.clone()), Door::callers(pool, connections, clock));
    let (partitions, retention, seal) = (Partitions::default(), options.retention, options.seal.clone());
    Ok(Arc::new(PostgresStore { engine, callers, partitions, shard, retention, seal, _ended: ended.drop_guard() }))
}

/// See [`PostgresStore::migrate`].
pub(super) async fn migrate(options: &Options) -> Result<i64, OpenError> {
    let mut conn = connect(options).await?;
    let version = migrations::migrate(&mut conn).await?;
    conn.close().await.map_err(|error| unreachable(options, error))?;
    Ok(version)
}

/// See [`PostgresStore::inspect`].
pub(super) async fn inspect(options: &Options) -> Result<Condition, OpenError> {
    let mut conn = connect(options).await?;
    let condition = migrations::condition(&mut conn).await?;
    if !matches!(condition, Condition::Older { version: ..SEALING_SINCE, .. }) {
        let refused = |error| OpenError::Unreachable { place: options.place(), source: Box::new(error) };
        sealing::check(&mut conn, &options.seal).await.map_err(refused)??;
    }
    conn.close().await.map_err(|error| unreachable(options, error))?;
    Ok(condition)
}

async fn connect(options: &Options) -> Result<PgConnection, OpenError> {
    let plain = options.plain();
    let connecting = tokio::time::timeout(ACQUIRE, plain.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    connecting.map_err(|error| unreachable(options, error))
}

fn unreachable(options: &Options, error: sqlx::Error) -> OpenError {
    OpenError::Unreachable { place: options.place(), source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_no_password() {
        let options = Options::parse("postgres://herald:hush@db.example:5433/push?sslmode=require").unwrap();
        assert_eq!(options.place(), "db.example:5433/push");
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_shown() {
        let error = Options::parse("postgres://herald:hush@[::1/x").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hush"));
    }
}
