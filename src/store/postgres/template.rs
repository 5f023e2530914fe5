//! Templates.

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::template::{StoredTemplate, TemplatePut, Templates};
use super::super::{Error, Result};
use super::PostgresStore;
use super::batch::{Binds, execute, fetch, fetch_one};
use super::fault::Unsettled;
use super::row::{Cells, to_document};
use super::tx::{Tx, reading, transaction};
use crate::domain::id::AppId;
use crate::domain::template::Template;

macro_rules! columns {
    () => {
        "SELECT app, name, definition::text, version, created_at FROM template "
    };
}
const ALL: &str = concat!(columns!(), r#"WHERE app = $1 ORDER BY created_at DESC, name COLLATE "C" DESC"#);
const ONE: &str = concat!(columns!(), "WHERE app = $1 AND name = $2");
const LOCKED: &str = concat!(columns!(), "WHERE app = $1 AND name = $2 FOR UPDATE");
const ADD: &str = "INSERT INTO template (app, name, definition, version, created_at) VALUES ($1, $2, $3::json, $4, $5) \
                   ON CONFLICT (app, name) DO NOTHING";
const CHANGE: &str = "UPDATE template SET definition = $3::json, version = $4 WHERE app = $1 AND name = $2";
const DELETE: &str = "DELETE FROM template WHERE app = $1 AND name = $2";

/// How often one that others store and delete all the while is looked at.
const ROUNDS: usize = 8;

fn read(row: &PgRow) -> Result<StoredTemplate> {
    let cells = Cells::new(row, "template", 0);
    Ok(StoredTemplate {
        name: cells.get(1, "name")?,
        template: cells.document(2, "definition")?,
        version: cells.get(3, "version")?,
        created_at: cells.instant(4, "created_at")?,
    })
}

fn named(app: AppId, name: &str) -> impl FnOnce(&mut Binds) + Send + '_ {
    move |binds| {
        binds.push(app.0).push(name);
    }
}

async fn one(conn: &mut PgConnection, text: &'static str, app: AppId, name: &str) -> Result<Option<StoredTemplate>> {
    fetch_one(conn, text, named(app, name)).await?.as_ref().map(read).transpose()
}

async fn put(tx: &mut Tx, app: AppId, (name, template): (&str, &Template), if_match: Option<i64>) -> Result<TemplatePut> {
    let definition = to_document(template)?;
    let now = tx.now;
    for _ in 0..ROUNDS {
        let before = one(tx, LOCKED, app, name).await?;
        if if_match.is_some_and(|version| before.as_ref().is_none_or(|before| before.version != version)) {
            return Ok(TemplatePut::Stale);
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
        // another node may have stored it since it was looked for
        if put.await? > 0 {
            let after = StoredTemplate { name: name.to_owned(), template: template.clone(), version, created_at };
            return Ok(if before.is_some() { TemplatePut::Updated(after) } else { TemplatePut::Created(after) });
        }
    }
    Err(Error::Unavailable(Box::new(Unsettled)))
}

#[async_trait]
impl Templates for PostgresStore {
    async fn templates(&self, app: AppId) -> Result<Vec<StoredTemplate>> {
        let rows = reading!(self.callers, conn => fetch(&mut conn, ALL, |binds| {
            binds.push(app.0);
        }));
        rows?.iter().map(read).collect()
    }

    async fn template(&self, app: AppId, name: &str) -> Result<Option<StoredTemplate>> {
        reading!(self.callers, conn => one(&mut conn, ONE, app, name))
    }

    async fn put_template(&self, app: AppId, name: &str, template: &Template, if_match: Option<i64>) -> Result<TemplatePut> {
        transaction!(self.callers, tx => put(&mut tx, app, (name, template), if_match))
    }

    async fn delete_template(&self, app: AppId, name: &str) -> Result<bool> {
        let deleted = transaction!(self.callers, tx => execute(&mut tx, DELETE, named(app, name)));
        Ok(deleted? > 0)
    }
}
