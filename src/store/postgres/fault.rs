//! What the server or the library says went wrong, in the words of the store.

use sqlx::error::ErrorKind;

use super::super::Error;

/// Classes and codes (PostgreSQL's appendix A) of what may pass: connections, resources, operators and timeouts, a server that is
/// starting, stopping or a standby.
const PASSING: [&str; 6] = ["08", "53", "57", "58", "25006", "25P03"];
/// Of what may pass what says that the server works: a transaction that was undone for others' sake, a lock or a statement that took too long.
const PRESSED: [&str; 3] = ["40", "55P03", "57014"];
/// A serialisation failure and a deadlock: the same transaction can be tried again at once.
const CONTENDED: [&str; 2] = ["40001", "40P01"];
/// A lock that was not to be had in time, and a statement that took too long.
const BUSY: [&str; 2] = ["55P03", "57014"];
/// A write in a transaction that may only read.
const READ_ONLY: &str = "25006";
/// No partition was there for a row.
const NO_PARTITION: &str = "23514";

/// An error of the library as one of the store.
pub(super) fn fault(error: sqlx::Error) -> Error {
    if is_pressed(&error) {
        Error::Busy(Box::new(error))
    } else if passes(&error) {
        Error::Unavailable(Box::new(error))
    } else {
        Error::Refused(Box::new(error))
    }
}

fn is_pressed(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(inner) = error else { return false };
    inner.code().is_some_and(|code| PRESSED.iter().any(|class| code.starts_with(class)))
}

fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(inner) => inner.code().is_some_and(|code| PASSING.iter().any(|class| code.starts_with(class))),
        _ => is_broken(error),
    }
}

/// Whether the connection cannot be used any more.
pub(super) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(inner) => inner.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08")),
        _ => false,
    }
}

fn database(error: &Error) -> Option<&dyn sqlx::error::DatabaseError> {
    let (Error::Refused(source) | Error::Unavailable(source) | Error::Busy(source)) = error else { return None };
    source.downcast_ref::<sqlx::Error>()?.as_database_error()
}

/// Whether a row of the same key was there.
pub(super) fn is_conflict(error: &Error) -> bool {
    database(error).is_some_and(|inner| matches!(inner.kind(), ErrorKind::UniqueViolation))
}

/// Whether the transaction stood in another's way and can be tried again at once.
pub(super) fn is_contended(error: &Error) -> bool {
    database(error).and_then(sqlx::error::DatabaseError::code).is_some_and(|code| CONTENDED.contains(&&*code))
}

/// Whether what is needed is in use, or takes longer than anybody is to wait.
pub(super) fn is_busy(error: &Error) -> bool {
    database(error).and_then(sqlx::error::DatabaseError::code).is_some_and(|code| BUSY.contains(&&*code))
}

/// Whether the server has become one that only reads: another has taken its place.
pub(super) fn is_read_only(error: &Error) -> bool {
    database(error).and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == READ_ONLY)
}

/// Whether the partition of a row was dropped by another node.
pub(super) fn is_without_partition(error: &Error) -> bool {
    database(error).and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == NO_PARTITION)
}

/// The server gave no answer in time.
#[derive(Debug, thiserror::Error)]
#[error("the database gave no answer in time")]
pub(super) struct Silent;

/// Names vanished as fast as they were made.
#[derive(Debug, thiserror::Error)]
#[error("names of the batch were deleted while it was read")]
pub(super) struct Unsettled;

/// A row that this very transaction wrote is not there.
#[derive(Debug, thiserror::Error)]
#[error("a row that was just written is gone")]
pub(super) struct Gone;
