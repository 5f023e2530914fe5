//! Definitions under their names.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::definition::{Put, Stored};
use super::super::rules::versions;
use super::super::{Error, Result};
use super::batch::{Binds, execute, fetch, fetch_one};
use super::fault::Unsettled;
use super::row::{Cells, to_document};
use super::tx::Tx;
use crate::domain::id::AppId;

/// A table of definitions: its name and its statements.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) newest: &'static str,
    pub(super) one: &'static str,
    pub(super) locked: &'static str,
    pub(super) add: &'static str,
    pub(super) change: &'static str,
    pub(super) delete: &'static str,
}

/// The table of this name. Names are in the alphabet of the bytes, whatever the database's own is.
macro_rules! table {
    ($name:literal) => {
        $crate::store::postgres::definition::Table {
            name: $name,
            newest: concat!(
                "SELECT app, name, definition::text, version, created_at FROM ",
                $name,
                " WHERE app = $1 ORDER BY created_at DESC, name COLLATE \"C\" DESC"
            ),
            one: concat!("SELECT app, name, definition::text, version, created_at FROM ", $name, " WHERE app = $1 AND name = $2"),
            locked: concat!(
                "SELECT app, name, definition::text, version, created_at FROM ",
                $name,
                " WHERE app = $1 AND name = $2 FOR UPDATE"
            ),
            add: concat!(
                "INSERT INTO ",
                $name,
                " (app, name, definition, version, created_at) VALUES ($1, $2, $3::json, $4, $5) ON CONFLICT (app, name) DO NOTHING"
            ),
            change: concat!("UPDATE ", $name, " SET definition = $3::json, version = $4 WHERE app = $1 AND name = $2"),
            delete: concat!("DELETE FROM ", $name, " WHERE app = $1 AND name = $2"),
        }
    };
}
pub(super) use table;

/// How often one that others store and delete all the while is looked at.
const ROUNDS: usize = 8;

impl Table {
    pub(super) fn read<T: DeserializeOwned>(&self, row: &PgRow) -> Result<Stored<T>> {
        let cells = Cells::new(row, self.name, 0);
        Ok(Stored {
            name: cells.get(1, "name")?,
            definition: cells.document(2, "definition")?,
            version: cells.get(3, "version")?,
            created_at: cells.instant(4, "created_at")?,
        })
    }

    /// All of an app's, newest first.
    pub(super) async fn newest<T: DeserializeOwned>(&self, conn: &mut PgConnection, app: AppId) -> Result<Vec<Stored<T>>> {
        let rows = fetch(conn, self.newest, |binds| {
            binds.push(app.0);
        });
        rows.await?.iter().map(|row| self.read(row)).collect()
    }

    /// One of them.
    pub(super) async fn one<T: DeserializeOwned>(&self, conn: &mut PgConnection, app: AppId, name: &str) -> Result<Option<Stored<T>>> {
        fetch_one(conn, self.one, named(app, name)).await?.map(|row| self.read(&row)).transpose()
    }

    /// Stores one, or stores it anew.
    pub(super) async fn put<T: Serialize + DeserializeOwned + Clone + Send + Sync>(
        &self,
        tx: &mut Tx,
        app: AppId,
        (name, definition): (&str, &T),
        if_match: Option<i64>,
    ) -> Result<Put<T>> {
        let (document, now) = (to_document(definition)?, tx.now);
        for _ in 0..ROUNDS {
            let before: Option<Stored<T>> = fetch_one(tx, self.locked, named(app, name)).await?.map(|row| self.read(&row)).transpose()?;
            if if_match.is_some_and(|version| before.as_ref().is_none_or(|before| before.version != version)) {
                return Ok(Put::Stale);
            }
            let micros = now.timestamp_micros();
            let (created_at, version) =
                before.as_ref().map_or((now, micros), |before| (before.created_at, versions::after(before.version, micros)));
            let put = execute(tx, if before.is_some() { self.change } else { self.add }, |binds| {
                named(app, name)(binds);
                binds.push(&document).push(version);
                if before.is_none() {
                    binds.push(created_at);
                }
            });
            // another node may have stored it since it was looked for
            if put.await? > 0 {
                let after = Stored { name: name.to_owned(), definition: definition.clone(), version, created_at };
                return Ok(if before.is_some() { Put::Updated(after) } else { Put::Created(after) });
            }
        }
        Err(Error::Unavailable(Box::new(Unsettled)))
    }

    /// Deletes one; whether there was one.
    pub(super) async fn delete(&self, tx: &mut Tx, app: AppId, name: &str) -> Result<bool> {
        Ok(execute(tx, self.delete, named(app, name)).await? > 0)
    }
}

fn named(app: AppId, name: &str) -> impl FnOnce(&mut Binds) + Send + '_ {
    move |binds| {
        binds.push(app.0).push(name);
    }
}
