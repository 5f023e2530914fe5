//! Statements over many rows. The number of rows in one text comes from a short ladder, so that the texts are few and stay prepared.

use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Row, Sqlite, SqliteConnection, Type};

use super::super::{Error, Result};
use super::fault::fault;

/// How many rows one statement takes.
const LADDER: [usize; 13] = [256, 224, 192, 160, 128, 96, 64, 32, 16, 8, 4, 2, 1];

/// The values of one statement, in order.
#[derive(Default)]
pub(super) struct Binds {
    arguments: SqliteArguments,
    fault: Option<sqlx::error::BoxDynError>,
}

impl Binds {
    /// Adds one.
    pub(super) fn push<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.fault = Some(error);
        }
        self
    }

    fn finish(self) -> Result<SqliteArguments> {
        self.fault.map_or(Ok(self.arguments), |error| Err(Error::Refused(error)))
    }
}

/// A statement with a list of tuples: `head (?, …), (?, …) tail`.
#[derive(Clone, Copy)]
pub(super) struct Tuples {
    /// What stands before the list.
    pub(super) head: &'static str,
    /// How many values each tuple has.
    pub(super) width: usize,
    /// What stands after the list.
    pub(super) tail: &'static str,
}

impl Tuples {
    pub(super) fn text(&self, rows: usize) -> String {
        let mut text = String::with_capacity(self.head.len() + self.tail.len() + rows * (self.width * 2 + 2));
        text.push_str(self.head);
        for row in 0..rows {
            text.push_str(if row == 0 { "(?" } else { ",(?" });
            for _ in 1..self.width {
                text.push_str(",?");
            }
            text.push(')');
        }
        text.push_str(self.tail);
        text
    }

    /// Runs it over `rows`; how many rows it changed. `lead` binds what the head needs, `bind` a tuple.
    pub(super) async fn execute<T>(
        &self,
        conn: &mut SqliteConnection,
        rows: &[T],
        lead: impl Fn(&mut Binds) + Send,
        bind: impl Fn(&mut Binds, &T) + Send,
    ) -> Result<u64>
    where
        T: Sync,
    {
        let mut changed = 0;
        for part in Parts(rows) {
            let mut binds = Binds::default();
            lead(&mut binds);
            for row in part {
                bind(&mut binds, row);
            }
            let query = sqlx::query_with(AssertSqlSafe(self.text(part.len())), binds.finish()?);
            changed += query.execute(&mut *conn).await.map_err(fault)?.rows_affected();
        }
        Ok(changed)
    }

    /// Runs it over `rows` where it answers one JSON array each time; all items, in no order.
    pub(super) async fn fetch_list<T: Sync, U: DeserializeOwned>(
        &self,
        conn: &mut SqliteConnection,
        (rows, table): (&[T], &'static str),
        lead: impl Fn(&mut Binds) + Send,
        bind: impl Fn(&mut Binds, &T) + Send,
    ) -> Result<Vec<U>> {
        let mut found = Vec::with_capacity(rows.len());
        for row in self.fetch(conn, rows, lead, bind).await? {
            found.append(&mut items(&row, table)?);
        }
        Ok(found)
    }

    /// Runs it over `rows` and answers what it returns, in no order.
    pub(super) async fn fetch<T>(
        &self,
        conn: &mut SqliteConnection,
        rows: &[T],
        lead: impl Fn(&mut Binds) + Send,
        bind: impl Fn(&mut Binds, &T) + Send,
    ) -> Result<Vec<SqliteRow>>
    where
        T: Sync,
    {
        let mut found = Vec::with_capacity(rows.len());
        for part in Parts(rows) {
            let mut binds = Binds::default();
            lead(&mut binds);
            for row in part {
                bind(&mut binds, row);
            }
            let query = sqlx::query_with(AssertSqlSafe(self.text(part.len())), binds.finish()?);
            found.append(&mut query.fetch_all(&mut *conn).await.map_err(fault)?);
        }
        Ok(found)
    }
}

/// A list in parts whose lengths are steps of the ladder.
struct Parts<'a, T>(&'a [T]);

impl<'a, T> Iterator for Parts<'a, T> {
    type Item = &'a [T];

    fn next(&mut self) -> Option<&'a [T]> {
        let step = LADDER.into_iter().find(|step| *step <= self.0.len())?;
        let (part, rest) = self.0.split_at_checked(step)?;
        self.0 = rest;
        Some(part)
    }
}

/// Runs one statement with a fixed text; how many rows it changed.
pub(super) async fn execute(conn: &mut SqliteConnection, text: &'static str, bind: impl Fn(&mut Binds) + Send) -> Result<u64> {
    let mut binds = Binds::default();
    bind(&mut binds);
    Ok(sqlx::query_with(text, binds.finish()?).execute(conn).await.map_err(fault)?.rows_affected())
}

/// Runs one statement with a fixed text and answers its rows.
pub(super) async fn fetch(conn: &mut SqliteConnection, text: &'static str, bind: impl Fn(&mut Binds) + Send) -> Result<Vec<SqliteRow>> {
    let mut binds = Binds::default();
    bind(&mut binds);
    sqlx::query_with(text, binds.finish()?).fetch_all(conn).await.map_err(fault)
}

/// Runs one statement with a fixed text and answers its only row, if there is one.
pub(super) async fn fetch_one(
    conn: &mut SqliteConnection,
    text: &'static str,
    bind: impl Fn(&mut Binds) + Send,
) -> Result<Option<SqliteRow>> {
    let mut binds = Binds::default();
    bind(&mut binds);
    sqlx::query_with(text, binds.finish()?).fetch_optional(conn).await.map_err(fault)
}

/// Runs a statement whose one row is a JSON array, and reads its items. Rows that come one by one each cost a change of threads.
pub(super) async fn fetch_list<T: DeserializeOwned>(
    conn: &mut SqliteConnection,
    text: &'static str,
    table: &'static str,
    bind: impl Fn(&mut Binds) + Send,
) -> Result<Vec<T>> {
    fetch_one(conn, text, bind).await?.map_or(Ok(Vec::new()), |row| items(&row, table))
}

/// The same with a text that was made for this once, of constants and places. It is not kept prepared.
pub(super) async fn fetch_list_made<T: DeserializeOwned>(
    conn: &mut SqliteConnection,
    text: String,
    table: &'static str,
    bind: impl FnOnce(&mut Binds) + Send,
) -> Result<Vec<T>> {
    let mut binds = Binds::default();
    bind(&mut binds);
    let query = sqlx::query_with(AssertSqlSafe(text), binds.finish()?).persistent(false);
    query.fetch_optional(conn).await.map_err(fault)?.map_or(Ok(Vec::new()), |row| items(&row, table))
}

/// The items of a row that is a JSON array.
fn items<T: DeserializeOwned>(row: &SqliteRow, table: &'static str) -> Result<Vec<T>> {
    let text: &str = row.try_get(0).map_err(fault)?;
    serde_json::from_str(text).map_err(|_| Error::Unreadable { table, column: "*", row: String::new() })
}

/// Nothing stands before the list.
pub(super) fn no_lead(_: &mut Binds) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_along_the_ladder() {
        let rows = vec![(); 346];
        let lengths: Vec<usize> = Parts(&rows).map(<[()]>::len).collect();
        assert_eq!(lengths, [256, 64, 16, 8, 2]);
    }

    #[test]
    fn a_text_holds_as_many_tuples_as_rows() {
        let tuples = Tuples { head: "VALUES ", width: 2, tail: " RETURNING 1" };
        assert_eq!(tuples.text(2), "VALUES (?,?),(?,?) RETURNING 1");
    }
}
