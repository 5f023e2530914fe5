//! What a store keeps its rows in, and how a process opens it. One per store.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use herald::domain::clock::Clock;
use herald::store::Store;
use herald::store::seal::Seal;
use herald::store::sqlite::{Options, SqliteStore};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use crate::memory::{MemoryStore, Rows};

/// Rows that outlive the process that has them.
#[async_trait]
pub trait Backing: Send + Sync {
    /// Opens them as a new process does; else why not.
    async fn open(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, String>;

    /// The keys that whoever opens them from now on seals values with.
    fn seal_with(&self, _: Seal) {}

    /// For how long whoever opens them from now on keeps days.
    fn keep(&self, retention: Duration);

    /// Everything as it lies there, for whoever has a copy.
    async fn copy(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Runs a statement beside the store.
    async fn run(&self, _: &'static str) {}

    /// Waits until the process that had them is wholly gone; every handle was dropped before.
    async fn close(&self);

    /// Only one process can have them at a time, so that whoever opens them knows that nobody holds a lease.
    fn is_embedded(&self) -> bool;

    /// The folder of a store that is a file.
    fn folder(&self) -> Option<&Path> {
        None
    }
}

/// An error with all that caused it.
pub fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The embedded store, in a folder of its own.
pub struct Sqlite {
    folder: TempDir,
    tasks: TaskTracker,
    seal: Mutex<Seal>,
    retention: Mutex<Option<Duration>>,
}

impl Sqlite {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), tasks: TaskTracker::new(), seal: Mutex::default(), retention: Mutex::default() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("herald.db")
    }
}

#[async_trait]
impl Backing for Sqlite {
    async fn open(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, String> {
        let (seal, retention) = (self.seal.lock().unwrap().clone(), *self.retention.lock().unwrap());
        let options = Options { seal, retention, ..Options::new(self.path()) };
        Ok(SqliteStore::open(&options, clock, &self.tasks).await.map_err(|error| told(&error))?)
    }

    fn seal_with(&self, seal: Seal) {
        *self.seal.lock().unwrap() = seal;
    }

    fn keep(&self, retention: Duration) {
        *self.retention.lock().unwrap() = Some(retention);
    }

    async fn copy(&self) -> Vec<u8> {
        // what the library removes meanwhile is nobody's to copy
        let read = |file: PathBuf| match std::fs::read(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            read => read.unwrap(),
        };
        std::fs::read_dir(self.folder.path()).unwrap().flat_map(|file| read(file.unwrap().path())).collect()
    }

    async fn run(&self, text: &'static str) {
        let mut conn = SqliteConnectOptions::new().filename(self.path()).connect().await.unwrap();
        sqlx::query(text).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }

    async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
        if !self.seal.lock().unwrap().is_empty() {
            // readers may still be closing, and keep a log that holds rows as they were
            self.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
        }
    }

    fn is_embedded(&self) -> bool {
        true
    }

    fn folder(&self) -> Option<&Path> {
        Some(self.folder.path())
    }
}

/// The store in memory: rows that any number of processes share.
#[derive(Default)]
pub struct Memory {
    rows: Rows,
    retention: Mutex<Option<Duration>>,
}

#[async_trait]
impl Backing for Memory {
    async fn open(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, String> {
        Ok(Arc::new(MemoryStore::new(Arc::clone(&self.rows), clock, *self.retention.lock().unwrap())))
    }

    fn keep(&self, retention: Duration) {
        *self.retention.lock().unwrap() = Some(retention);
    }

    async fn close(&self) {}

    fn is_embedded(&self) -> bool {
        false
    }
}
