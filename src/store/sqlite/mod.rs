//! The embedded store: one `SQLite` file, one writer, a few readers.
//!
//! Every write goes through the writer's task, which lets the writes that wait share a commit; callers read on connections
//! of their own, each from a snapshot. Checkpoints run beside the writer. A lock file beside the database admits one process.

mod accept;
mod allot;
mod analytics;
mod app;
mod audit;
mod batch;
mod campaign;
mod campaign_run;
mod campaign_stats;
mod cancel;
mod cap;
mod category;
mod checkpoint;
mod claim;
mod client_token;
mod corrections;
mod counts;
mod dead_letter;
mod deaths;
mod definition;
mod delivery_list;
mod device;
mod device_preferences;
mod device_row;
mod device_token;
mod engine;
mod enroll;
mod erase;
mod expand;
mod fact_reading;
mod facts;
mod fault;
mod history;
mod hot;
mod idempotency;
mod inspect;
mod json;
mod key;
mod lane_pause;
mod lock;
mod migrations;
mod naming;
mod notification;
mod open;
mod paced;
mod pause;
mod person;
#[cfg(test)]
mod plans;
mod predicate;
mod prune;
mod receipt;
mod recipients;
mod record;
mod register;
mod release;
mod retention;
mod row;
mod schedule;
mod sealing;
mod select;
mod sighting;
mod stale;
mod tally;
mod targets;
mod template;
mod topic;
mod user_deliveries;
mod vault;
mod version_keys;
mod waiting;
mod webhook;
mod webhook_erase;
mod webhook_items;
mod webhook_message;
mod webhook_replay;
mod work;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{Sqlite, SqlitePool};
use tokio_util::task::TaskTracker;

use self::fault::fault;
use self::hot::Hot;
use self::lock::Lock;
use self::retention::Retention;
use self::row::micros;
use self::writer::{Tx, Writer};
use super::Result;
use super::seal::{Locked, Seal};
use super::sealing::Inspected;
use crate::domain::clock::Clock;

pub use self::inspect::Condition;

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database's file; made where there is none.
    pub path: PathBuf,
    /// Connections that read at the same time.
    pub readers: u32,
    /// The keys with which values are sealed at rest.
    pub seal: Seal,
    /// For how long deliveries and notifications are kept after the end of their day; `None`: for ever.
    pub retention: Option<Duration>,
}

impl Options {
    /// The file at `path`, with as many readers as suit a small machine.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers: 4, seal: Seal::default(), retention: None }
    }
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the database is in use by another herald process, which holds {}", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be made.
    #[error("{} cannot be written", path.display())]
    Folder {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A newer version of Herald wrote it.
    #[error("the database has schema version {version}, this herald knows versions up to {known}: use the newer herald")]
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
    /// It cannot be opened, or is no database.
    #[error("the database {} cannot be opened", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What the library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The embedded store.
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
    hot: Hot,
    clock: Arc<dyn Clock>,
    seal: Seal,
    retention: Retention,
    _lock: Arc<Lock>,
}

impl SqliteStore {
    /// Opens the store: takes its lock, brings the schema up to date, voids every lease and starts the writer in `tasks`.
    ///
    /// The tasks end by themselves once the last handle is dropped; wait for `tasks` before the file is opened again.
    pub async fn open(options: &Options, clock: Arc<dyn Clock>, tasks: &TaskTracker) -> Result<Arc<Self>, OpenError> {
        open::open(options, clock, tasks).await
    }

    /// Brings the schema up to date and answers its version, without starting anything.
    pub async fn migrate(path: &Path) -> Result<i64, OpenError> {
        open::migrate(path).await
    }

    /// Looks whether the store could be opened, without changing anything; a daemon may have it open.
    pub async fn inspect(options: &Options) -> Result<Inspected<Condition>, OpenError> {
        inspect::inspect(options).await
    }

    /// Hands a write to the writer and waits for its commit.
    async fn write<T: Send + 'static>(&self, write: impl for<'c> FnOnce(Tx<'c>) -> BoxFuture<'c, Result<T>> + Send + 'static) -> Result<T> {
        self.writer.write(write).await
    }

    /// A snapshot to read from.
    async fn read(&self) -> Result<sqlx::Transaction<'static, Sqlite>> {
        self.readers.begin().await.map_err(fault)
    }

    /// Microseconds since 1970.
    fn now(&self) -> i64 {
        micros(self.clock.now())
    }
}
