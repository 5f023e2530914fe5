//! Definitions under their names.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::definition::{Put, Stored};
use super::super::rules::versions;
use super::batch::{execute, fetch, fetch_one};
use super::row::{Cells, instant, micros, to_document};
use super::writer::Tx;
use crate::domain::id::AppId;

/// A table of definitions: its name and its statements.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) newest: &'static str,
    pub(super) one: &'static str,
    pub(super) put: &'static str,
    pub(super) delete: &'static str,
}

/// The table of this name.
macro_rules! table {
    ($name:literal) => {
        $crate::store::sqlite::definition::Table {
            name: $name,
            newest: concat!(
                "SELECT app, name, definition, version, created_at FROM ",
                $name,
                " WHERE app = ?1 ORDER BY created_at DESC, name DESC"
            ),
            one: concat!("SELECT app, name, definition, version, created_at FROM ", $name, " WHERE app = ?1 AND name = ?2"),
            put: concat!(
                "INSERT INTO ",
                $name,
                " (app, name, definition, version, created_at) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (app, name) DO UPDATE SET definition = excluded.definition, version = excluded.version"
            ),
            delete: concat!("DELETE FROM ", $name, " WHERE app = ?1 AND name = ?2"),
        }
    };
}
pub(super) use table;

impl Table {
    fn read<T: DeserializeOwned>(&self, row: &SqliteRow) -> Result<Stored<T>> {
        let cells = Cells::new(row, self.name, 0);
        Ok(Stored {
            name: cells.get(1, "name")?,
            definition: cells.document(2, "definition")?,
            version: cells.get(3, "version")?,
            created_at: cells.instant(4, "created_at")?,
        })
    }

    /// All of an app's, newest first.
    pub(super) async fn newest<T: DeserializeOwned>(&self, conn: &mut SqliteConnection, app: AppId) -> Result<Vec<Stored<T>>> {
        let rows = fetch(conn, self.newest, |binds| {
            binds.push(app.0);
        });
        rows.await?.iter().map(|row| self.read(row)).collect()
    }

    /// One of them.
    pub(super) async fn one<T: DeserializeOwned>(&self, conn: &mut SqliteConnection, app: AppId, name: &str) -> Result<Option<Stored<T>>> {
        let row = fetch_one(conn, self.one, |binds| {
            binds.push(app.0).push(name);
        });
        row.await?.map(|row| self.read(&row)).transpose()
    }

    /// Stores one, or stores it anew.
    pub(super) async fn put<T: Serialize + DeserializeOwned + Send + Sync>(
        &self,
        tx: Tx<'_>,
        app: AppId,
        (name, definition): (String, T),
        if_match: Option<i64>,
    ) -> Result<Put<T>> {
        let before: Option<Stored<T>> = self.one(tx.conn, app, &name).await?;
        if if_match.is_some_and(|version| before.as_ref().is_none_or(|before| before.version != version)) {
            return Ok(Put::Stale);
        }
        let (created_at, version) =
            before.as_ref().map_or((tx.now, tx.now), |before| (micros(before.created_at), versions::after(before.version, tx.now)));
        let document = to_document(&definition)?;
        let put = execute(tx.conn, self.put, |binds| {
            binds.push(app.0).push(&name).push(&document).push(version).push(created_at);
        });
        put.await?;
        let after = Stored { name, definition, version, created_at: instant(created_at).unwrap_or_default() };
        Ok(if before.is_none() { Put::Created(after) } else { Put::Updated(after) })
    }

    /// Deletes one; whether there was one.
    pub(super) async fn delete(&self, tx: Tx<'_>, app: AppId, name: String) -> Result<bool> {
        let deleted = execute(tx.conn, self.delete, |binds| {
            binds.push(app.0).push(&name);
        });
        Ok(deleted.await? > 0)
    }
}
