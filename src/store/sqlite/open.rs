//! Opening the store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::batch::execute;
use super::hot::Hot;
use super::lock::Lock;
use super::retention::Retention;
use super::row::micros;
use super::writer::{Writer, WriterParts};
use super::{OpenError, Options, SqliteStore, checkpoint, migrations, sealing};
use crate::domain::clock::Clock;

/// Statement texts that stay prepared on each connection.
const STATEMENTS: usize = 256;
/// Rows that the library reads ahead.
const ROWS_AHEAD: usize = 2_048;

/// After a restart nobody holds a lease and nothing is in the queue: what was taken or published is due.
const VOID_LEASES: &str = "UPDATE work SET due_at = min(?1, expires_at), lease_until = 0, guard_until = 0 \
                           WHERE lease_until > 0 OR guard_until > 0";

fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .statement_cache_capacity(STATEMENTS)
        .row_buffer_size(ROWS_AHEAD)
        .pragma("temp_store", "memory")
        .disable_statement_logging()
}

fn writer_options(path: &Path) -> SqliteConnectOptions {
    connect_options(path).create_if_missing(true).pragma("wal_autocheckpoint", "0").pragma("cache_size", "-65536")
}

fn database(path: &Path) -> impl Fn(sqlx::Error) -> OpenError + '_ {
    |error| OpenError::Database { path: path.to_owned(), source: Box::new(error) }
}

/// See [`SqliteStore::open`].
pub(super) async fn open(options: &Options, clock: Arc<dyn Clock>, tasks: &TaskTracker) -> Result<Arc<SqliteStore>, OpenError> {
    let path = options.path.as_path();
    let lock = Arc::new(Lock::take(path)?);
    // what was kept plain is not to be found in the file any more once it is sealed
    let overwrite = if options.seal.is_empty() { "off" } else { "on" };
    let writing = writer_options(path).pragma("secure_delete", overwrite);
    let mut conn = connect(&writing, path).await?;
    migrations::migrate(&mut conn).await?;
    let refused = |error| OpenError::Database { path: path.to_owned(), source: Box::new(error) };
    sealing::admit(&mut conn, &options.seal).await.map_err(refused)??;
    let now = micros(clock.now());
    let voided = execute(&mut conn, VOID_LEASES, |binds| {
        binds.push(now);
    });
    voided.await.map_err(refused)?;
    let checkpoints = connect(&writing.clone().busy_timeout(Duration::from_millis(50)), path).await?;
    let reading = connect_options(path).read_only(true).pragma("cache_size", "-16384");
    let hot = Hot::new(reading.clone(), options.readers);
    let readers = SqlitePoolOptions::new()
        .max_connections(options.readers.max(1))
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(reading)
        .await
        .map_err(database(path))?;

    let committed = Arc::new(Notify::new());
    let parts = WriterParts {
        conn,
        options: writing,
        clock: Arc::clone(&clock),
        committed: Arc::clone(&committed),
        seal: options.seal.clone(),
        lock: Arc::clone(&lock),
    };
    let (writer, task) = Writer::new(parts);
    let ended = CancellationToken::new();
    let when_over = ended.clone().drop_guard();
    tasks.spawn(async move {
        task.run().await;
        drop(when_over);
    });
    let held = Arc::clone(&lock);
    tasks.spawn(async move {
        checkpoint::run(checkpoints, committed, ended).await;
        drop(held);
    });
    let (seal, retention) = (options.seal.clone(), Retention::new(options.retention));
    Ok(Arc::new(SqliteStore { writer, readers, hot, clock, seal, retention, _lock: lock }))
}

/// See [`SqliteStore::migrate`].
pub(super) async fn migrate(path: &Path) -> Result<i64, OpenError> {
    let _lock = Lock::take(path)?;
    let mut conn = connect(&writer_options(path), path).await?;
    migrations::migrate(&mut conn).await?;
    let version = migrations::version(&mut conn).await?;
    conn.close().await.map_err(database(path))?;
    Ok(version)
}

async fn connect(options: &SqliteConnectOptions, path: &Path) -> Result<SqliteConnection, OpenError> {
    options.connect().await.map_err(database(path))
}
