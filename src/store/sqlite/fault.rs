//! What the library says went wrong, in the words of the store.

use sqlx::error::ErrorKind;

use super::super::Error;

/// `SQLite`'s primary result codes for what may pass: busy, locked, I/O, full, cannot open.
const PASSING: [i32; 5] = [5, 6, 10, 13, 14];

/// An error of the library as one of the store.
pub(super) fn fault(error: sqlx::Error) -> Error {
    if passes(&error) { Error::Unavailable(Box::new(error)) } else { Error::Refused(Box::new(error)) }
}

fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(inner) => {
            let code = inner.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
            PASSING.contains(&(code & 0xff))
        }
        _ => false,
    }
}

/// Whether a row of the same key was there.
pub(super) fn is_conflict(error: &Error) -> bool {
    let Error::Refused(source) = error else { return false };
    source
        .downcast_ref::<sqlx::Error>()
        .and_then(sqlx::Error::as_database_error)
        .is_some_and(|inner| matches!(inner.kind(), ErrorKind::UniqueViolation))
}

/// The store's tasks have ended.
#[derive(Debug, thiserror::Error)]
#[error("the store is closed")]
pub(super) struct Closed;

/// The commit that a write was part of failed.
#[derive(Debug, thiserror::Error)]
#[error("the commit failed")]
pub(super) struct CommitFailed(#[source] pub(super) std::sync::Arc<Error>);

/// Names vanished as fast as they were made.
#[derive(Debug, thiserror::Error)]
#[error("names of the batch were deleted while it was read")]
pub(super) struct Unsettled;

/// A row that this very transaction wrote is not there.
#[derive(Debug, thiserror::Error)]
#[error("a row that was just written is gone")]
pub(super) struct Gone;
