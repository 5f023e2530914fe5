//! Statements and their values. A batch is a few arrays, one per column: `unnest($1::bigint[], $2::text[])`.

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, PgConnection, Postgres, Type};
use tokio::time::timeout;

use super::super::{Error, Result};
use super::fault::{Silent, fault};

/// How long the server may take for one statement: a little longer than it is told itself, so that its own word comes first.
pub(super) const ANSWER: Duration = Duration::from_secs(12);

/// The values of one statement, in order.
#[derive(Default)]
pub(super) struct Binds {
    arguments: PgArguments,
    fault: Option<sqlx::error::BoxDynError>,
}

impl Binds {
    /// Adds one.
    pub(super) fn push<'t, T: Encode<'t, Postgres> + Type<Postgres>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.fault = Some(error);
        }
        self
    }

    fn finish(self) -> Result<PgArguments> {
        self.fault.map_or(Ok(self.arguments), |error| Err(Error::Refused(error)))
    }
}

/// Waits for the server, but not for ever.
pub(super) async fn answered<T>(answer: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    timeout(ANSWER, answer).await.map_err(|_| Error::Unavailable(Box::new(Silent)))?.map_err(fault)
}

/// Runs a statement; how many rows it changed.
pub(super) async fn execute(conn: &mut PgConnection, text: &'static str, bind: impl FnOnce(&mut Binds) + Send) -> Result<u64> {
    let mut binds = Binds::default();
    bind(&mut binds);
    Ok(answered(sqlx::query_with(text, binds.finish()?).execute(conn)).await?.rows_affected())
}

/// Runs a statement and answers its rows.
pub(super) async fn fetch(conn: &mut PgConnection, text: &'static str, bind: impl FnOnce(&mut Binds) + Send) -> Result<Vec<PgRow>> {
    let mut binds = Binds::default();
    bind(&mut binds);
    answered(sqlx::query_with(text, binds.finish()?).fetch_all(conn)).await
}

/// Runs a statement whose text was made for this once, of constants and places, and answers its rows. It is not kept prepared.
pub(super) async fn fetch_made(conn: &mut PgConnection, text: String, bind: impl FnOnce(&mut Binds) + Send) -> Result<Vec<PgRow>> {
    let mut binds = Binds::default();
    bind(&mut binds);
    answered(sqlx::query_with(AssertSqlSafe(text), binds.finish()?).persistent(false).fetch_all(conn)).await
}

/// Runs a statement and answers its first row, if there is one.
pub(super) async fn fetch_one(conn: &mut PgConnection, text: &'static str, bind: impl FnOnce(&mut Binds) + Send) -> Result<Option<PgRow>> {
    let mut binds = Binds::default();
    bind(&mut binds);
    answered(sqlx::query_with(text, binds.finish()?).fetch_optional(conn)).await
}

/// A statement without values.
pub(super) fn nothing(_: &mut Binds) {}

/// A length as the store keeps it.
pub(super) fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
