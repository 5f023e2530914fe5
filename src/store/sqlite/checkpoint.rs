//! Checkpoints, on a connection of their own: inside the writer one commit in a hundred would wait for them.

use std::sync::Arc;

use sqlx::Row;
use sqlx::SqliteConnection;
use tokio::sync::Notify;

use super::super::Result;
use super::fault::fault;

/// Pages from which on the log is cut as well (64 MiB), which stops the writer for as long as the last few pages take.
const CUT_FROM: i64 = 16_000;
/// Commits between two looks at the log.
const COMMITS: u32 = 64;

/// Copies the log into the database after so many commits, until the writer has ended.
pub(super) async fn run(mut conn: SqliteConnection, committed: Arc<Notify>, ended: tokio_util::sync::CancellationToken) {
    let mut commits = 0;
    loop {
        tokio::select! {
            biased;
            () = committed.notified() => {}
            () = ended.cancelled() => break,
        }
        commits += 1;
        if commits >= COMMITS {
            commits = 0;
            log_failure(copy(&mut conn).await);
        }
    }
    log_failure(pragma(&mut conn, "PRAGMA wal_checkpoint(TRUNCATE)").await);
}

async fn copy(conn: &mut SqliteConnection) -> Result<i64> {
    let pages = pragma(conn, "PRAGMA wal_checkpoint(PASSIVE)").await?;
    if pages >= CUT_FROM { pragma(conn, "PRAGMA wal_checkpoint(TRUNCATE)").await } else { Ok(pages) }
}

/// The log's length in pages after the checkpoint.
async fn pragma(conn: &mut SqliteConnection, text: &'static str) -> Result<i64> {
    let row = sqlx::query(text).fetch_one(conn).await.map_err(fault)?;
    row.try_get(1).map_err(fault)
}

fn log_failure(outcome: Result<i64>) {
    if let Err(error) = outcome {
        tracing::warn!(error = &error as &dyn std::error::Error, "a checkpoint of the store failed; the next one makes up for it");
    }
}
