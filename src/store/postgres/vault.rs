//! Secrets by name.

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::super::rules::secret::{to_text, to_value};
use super::super::seal::{Place, Seal};
use super::super::vault::{Secret, Vault};
use super::super::{Error, Result};
use super::PostgresStore;
use super::batch::{execute, fetch, fetch_one};
use super::fault::Unsettled;
use super::row::Cells;
use super::tx::{Tx, reading, transaction};

/// Waits for another that keeps one of the same name, and then sees it.
const KEEP: &str = "INSERT INTO secret (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
const ONE: &str = "SELECT name, value, created_at FROM secret WHERE name = $1";
pub(super) const LIST: &str = "SELECT name, value, created_at FROM secret WHERE starts_with(name, $1) ORDER BY created_at, name";
const FORGET: &str = "DELETE FROM secret WHERE name = $1";

#[async_trait]
impl Vault for PostgresStore {
    async fn keep_secret(&self, name: &str, value: &[u8]) -> Result<Secret> {
        let text = self.seal.seal(Place::Secret(name), to_text(value))?;
        transaction!(self.callers, tx => keep(&mut tx, (name, &text), &self.seal))
    }

    async fn secrets(&self, prefix: &str) -> Result<Vec<Secret>> {
        let rows = reading!(self.callers, conn => fetch(&mut conn, LIST, |binds| {
            binds.push(prefix);
        }));
        rows?.iter().map(|row| read(row, &self.seal)).collect()
    }

    async fn forget_secret(&self, name: &str) -> Result<bool> {
        let forgotten = transaction!(self.callers, tx => execute(&mut tx, FORGET, |binds| {
            binds.push(name);
        }));
        Ok(forgotten? > 0)
    }
}

async fn keep(tx: &mut Tx, (name, text): (&str, &str), seal: &Seal) -> Result<Secret> {
    let now = tx.now;
    execute(tx, KEEP, |binds| {
        binds.push(name).push(text).push(now);
    })
    .await?;
    let row = fetch_one(tx, ONE, |binds| {
        binds.push(name);
    });
    // another may have forgotten it in between
    read(&row.await?.ok_or_else(|| Error::Unavailable(Box::new(Unsettled)))?, seal)
}

fn read(row: &PgRow, seal: &Seal) -> Result<Secret> {
    let cells = Cells::new(row, "secret", 0);
    let name: String = cells.get(0, "name")?;
    let value = to_value(seal.open(Place::Secret(&name), cells.get(1, "value")?)).ok_or_else(|| cells.unreadable("value"))?;
    Ok(Secret { name, value, created_at: cells.instant(2, "created_at")? })
}
