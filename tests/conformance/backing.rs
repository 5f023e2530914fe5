//! What a store keeps its rows in, and how a process opens it. One per store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use herald::domain::clock::Clock;
use herald::store::Store;
use herald::store::sqlite::{Options, SqliteStore};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use crate::memory::{MemoryStore, Rows};

/// Rows that outlive the process that has them.
#[async_trait]
pub trait Backing: Send + Sync {
    /// Opens them as a new process does.
    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store>;

    /// Waits until the process that had them is wholly gone; every handle was dropped before.
    async fn close(&self);

    /// Only one process can have them at a time, so that whoever opens them knows that nobody holds a lease.
    fn is_embedded(&self) -> bool;

    /// The folder of a store that is a file.
    fn folder(&self) -> Option<&Path> {
        None
    }
}

/// The embedded store, in a folder of its own.
pub struct Sqlite {
    folder: TempDir,
    tasks: TaskTracker,
}

impl Sqlite {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), tasks: TaskTracker::new() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("herald.db")
    }
}

#[async_trait]
impl Backing for Sqlite {
    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        SqliteStore::open(&Options::new(self.path()), clock, &self.tasks).await.unwrap()
    }

    async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
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
pub struct Memory(Rows);

#[async_trait]
impl Backing for Memory {
    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(Arc::clone(&self.0), clock))
    }

    async fn close(&self) {}

    fn is_embedded(&self) -> bool {
        false
    }
}
