//! Secrets by name.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::super::rules::secret::{to_text, to_value};
use super::super::seal::{Place, Seal};
use super::super::vault::{Secret, Vault};
use super::super::{Error, Result};
use super::SqliteStore;
use super::batch::{execute, fetch, fetch_one};
use super::fault::Gone;
use super::row::Cells;

const KEEP: &str = "INSERT INTO secret (name, value, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING";
const ONE: &str = "SELECT name, value, created_at FROM secret WHERE name = ?1";
const LIST: &str = "SELECT name, value, created_at FROM secret WHERE substr(name, 1, length(?1)) = ?1 ORDER BY created_at, name";
const FORGET: &str = "DELETE FROM secret WHERE name = ?1";

#[async_trait]
impl Vault for SqliteStore {
    async fn keep_secret(&self, name: &str, value: &[u8]) -> Result<Secret> {
        let text = self.seal.seal(Place::Secret(name), to_text(value))?;
        let (name, seal) = (name.to_owned(), self.seal.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let keep = execute(tx.conn, KEEP, |binds| {
                    binds.push(&name).push(&text).push(tx.now);
                });
                keep.await?;
                let row = fetch_one(tx.conn, ONE, |binds| {
                    binds.push(&name);
                });
                read(&row.await?.ok_or_else(|| Error::Refused(Box::new(Gone)))?, &seal)
            })
        })
        .await
    }

    async fn secrets(&self, prefix: &str) -> Result<Vec<Secret>> {
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, LIST, |binds| {
            binds.push(prefix);
        });
        rows.await?.iter().map(|row| read(row, &self.seal)).collect()
    }

    async fn forget_secret(&self, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.write(move |tx| {
            Box::pin(async move {
                let forget = execute(tx.conn, FORGET, |binds| {
                    binds.push(&name);
                });
                Ok(forget.await? > 0)
            })
        })
        .await
    }
}

fn read(row: &SqliteRow, seal: &Seal) -> Result<Secret> {
    let cells = Cells::new(row, "secret", 0);
    let name: String = cells.get(0, "name")?;
    let value = to_value(seal.open(Place::Secret(&name), cells.get(1, "value")?)).ok_or_else(|| cells.unreadable("value"))?;
    Ok(Secret { name, value, created_at: cells.instant(2, "created_at")? })
}
