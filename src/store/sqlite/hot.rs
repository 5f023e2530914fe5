//! The connections that workers read with. They are handed from caller to caller without the library's pool: its transaction
//! and its check of each connection on the return cost as much as the read itself. Each statement sees a snapshot of its own.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::{Error, Result};
use super::fault::{Closed, fault};

/// A few connections, opened when they are first needed.
pub(super) struct Hot {
    options: SqliteConnectOptions,
    idle: Arc<Mutex<Vec<SqliteConnection>>>,
    permits: Arc<Semaphore>,
}

/// A connection in a caller's hands. It is closed unless the caller says that it is done with it.
pub(super) struct Reader {
    conn: SqliteConnection,
    idle: Arc<Mutex<Vec<SqliteConnection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Hot {
    /// At most `connections` at the same time.
    pub(super) fn new(options: SqliteConnectOptions, connections: u32) -> Self {
        let permits = Arc::new(Semaphore::new(connections.max(1) as usize));
        Self { options, idle: Arc::default(), permits }
    }

    /// A connection, as soon as one is free.
    pub(super) async fn reader(&self) -> Result<Reader> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Unavailable(Box::new(Closed)))?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => self.options.connect().await.map_err(fault)?,
        };
        Ok(Reader { conn, idle: Arc::clone(&self.idle), _permit: permit })
    }
}

impl Reader {
    /// Hands the connection on.
    pub(super) fn done(self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.conn);
    }
}

impl Deref for Reader {
    type Target = SqliteConnection;

    fn deref(&self) -> &Self::Target {
        &self.conn
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.conn
    }
}
