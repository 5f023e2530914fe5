//! Categories.

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::category::{Declaration, Declared};
use super::super::{Categories, Error, Result};
use super::PostgresStore;
use super::batch::{Binds, execute, fetch, fetch_one};
use super::fault::Unsettled;
use super::row::{Cells, to_document};
use super::tx::{Tx, reading, transaction};
use crate::domain::category::Category;
use crate::domain::id::AppId;

macro_rules! columns {
    () => {
        "SELECT app, name, definition::text, version, created_at FROM category "
    };
}
/// As the alphabet of the bytes has it, whatever the database's own is.
const ALL: &str = concat!(columns!(), r#"WHERE app = $1 ORDER BY name COLLATE "C""#);
const NEWEST: &str = concat!(columns!(), r#"WHERE app = $1 ORDER BY created_at DESC, name COLLATE "C" DESC"#);
const ONE: &str = concat!(columns!(), "WHERE app = $1 AND name = $2");
const LOCKED: &str = concat!(columns!(), "WHERE app = $1 AND name = $2 FOR UPDATE");
const ADD: &str = "INSERT INTO category (app, name, definition, version, created_at) VALUES ($1, $2, $3::json, $4, $5) \
                   ON CONFLICT (app, name) DO NOTHING";
const CHANGE: &str = "UPDATE category SET definition = $3::json, version = $4 WHERE app = $1 AND name = $2";
const DELETE: &str = "DELETE FROM category WHERE app = $1 AND name = $2";

/// How often one that others declare and take back all the while is looked at.
const ROUNDS: usize = 8;

fn read(row: &PgRow) -> Result<Declared> {
    let cells = Cells::new(row, "category", 0);
    Ok(Declared {
        name: cells.get(1, "name")?,
        category: cells.document(2, "definition")?,
        version: cells.get(3, "version")?,
        created_at: cells.instant(4, "created_at")?,
    })
}

fn named(app: AppId, name: &str) -> impl FnOnce(&mut Binds) + Send + '_ {
    move |binds| {
        binds.push(app.0).push(name);
    }
}

async fn one(conn: &mut PgConnection, text: &'static str, app: AppId, name: &str) -> Result<Option<Declared>> {
    fetch_one(conn, text, named(app, name)).await?.as_ref().map(read).transpose()
}

async fn put(tx: &mut Tx, app: AppId, name: &str, category: &Category, if_match: Option<i64>) -> Result<Declaration> {
    let definition = to_document(category)?;
    let now = tx.now;
    for _ in 0..ROUNDS {
        let before = one(tx, LOCKED, app, name).await?;
        if if_match.is_some_and(|version| before.as_ref().is_none_or(|before| before.version != version)) {
            return Ok(Declaration::Stale);
        }
        let (created_at, floor) = before.as_ref().map_or((now, i64::MIN), |before| (before.created_at, before.version + 1));
        let version = now.timestamp_micros().max(floor);
        let put = execute(tx, if before.is_some() { CHANGE } else { ADD }, |binds| {
            named(app, name)(binds);
            binds.push(&definition).push(version);
            if before.is_none() {
                binds.push(created_at);
            }
        });
        // another node may have declared it since it was looked for
        if put.await? > 0 {
            let after = Declared { name: name.to_owned(), category: category.clone(), version, created_at };
            return Ok(if before.is_some() { Declaration::Updated(after) } else { Declaration::Created(after) });
        }
    }
    Err(Error::Unavailable(Box::new(Unsettled)))
}

#[async_trait]
impl Categories for PostgresStore {
    async fn categories(&self, app: AppId) -> Result<Vec<(String, Category)>> {
        let rows = reading!(self.callers, conn => fetch(&mut conn, ALL, |binds| {
            binds.push(app.0);
        }));
        rows?.iter().map(|row| read(row).map(|declared| (declared.name, declared.category))).collect()
    }

    async fn declared(&self, app: AppId) -> Result<Vec<Declared>> {
        let rows = reading!(self.callers, conn => fetch(&mut conn, NEWEST, |binds| {
            binds.push(app.0);
        }));
        rows?.iter().map(read).collect()
    }

    async fn category(&self, app: AppId, name: &str) -> Result<Option<Declared>> {
        reading!(self.callers, conn => one(&mut conn, ONE, app, name))
    }

    async fn put_category(&self, app: AppId, name: &str, category: &Category, if_match: Option<i64>) -> Result<Declaration> {
        transaction!(self.callers, tx => put(&mut tx, app, name, category, if_match))
    }

    async fn delete_category(&self, app: AppId, name: &str) -> Result<bool> {
        let deleted = transaction!(self.callers, tx => execute(&mut tx, DELETE, named(app, name)));
        Ok(deleted? > 0)
    }
}
