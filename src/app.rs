//! The composition root: settings become store, queue, providers, router and workers. The only file that names a concrete adapter.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::config::Settings;
use crate::lifecycle::Lifecycle;
use crate::store::Store;

/// What `herald dev` adds to a daemon.
#[derive(Default)]
pub struct Extras {
    /// An app and an API key to it with every scope, held in memory only: it is never in the store.
    pub api_key: Option<(String, String)>,
    /// Routes beside the daemon's own, with full paths: the simulator's control view.
    pub routes: Option<axum::Router>,
}

/// A daemon that serves.
pub struct Daemon {
    address: SocketAddr,
}

impl Daemon {
    /// Opens the store, binds the listener and starts every task in the life's set; answers once it serves.
    pub async fn start(settings: Settings, life: &Lifecycle, extras: Extras) -> anyhow::Result<Self> {
        todo!("{settings:?} {life:?} {:?}", extras.routes)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the life has ended and everything is handed back and closed.
    pub async fn stopped(self) -> anyhow::Result<()> {
        todo!()
    }
}

/// Opens the store of a configuration without a daemon, migrated to this version; its tasks run in this set.
pub async fn open_store(settings: &Settings, tasks: &TaskTracker) -> anyhow::Result<Arc<dyn Store>> {
    todo!("{settings:?} {tasks:?}")
}

/// Migrates the store of a configuration to this version; answers which it is.
pub async fn migrate(settings: &Settings) -> anyhow::Result<i64> {
    todo!("{settings:?}")
}

/// Something that `herald check` looked at.
#[derive(Debug)]
pub struct Finding {
    /// What: `store`, `queue`, `apps.demo.apns`.
    pub what: String,
    /// What is wrong with it; `None`: nothing.
    pub fault: Option<String>,
}

/// Looks at the store, the queue and each credential of a configuration, without serving or sending.
pub async fn check(settings: &Settings) -> Vec<Finding> {
    todo!("{settings:?}")
}
