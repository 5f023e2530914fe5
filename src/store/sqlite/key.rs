//! API keys.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::Result;
use super::super::key::{ApiKey, Keys};
use super::SqliteStore;
use super::batch::{execute, fetch, fetch_one};
use super::row::{Cells, micros, to_document};
use crate::domain::id::AppId;

const ADD: &str = "INSERT INTO api_key (id, app, name, hash, scopes, expires_at, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const BY_HASH: &str = "SELECT id, app, name, scopes, expires_at, created_at FROM api_key WHERE hash = ?1";
const BY_APP: &str = "SELECT id, app, name, scopes, expires_at, created_at FROM api_key WHERE app = ?1 ORDER BY created_at DESC, id DESC";
const DELETE: &str = "DELETE FROM api_key WHERE app = ?1 AND id = ?2";

#[async_trait]
impl Keys for SqliteStore {
    async fn create_key(&self, key: &ApiKey, hash: [u8; 32]) -> Result<()> {
        let (key, scopes) = (key.clone(), to_document(&key.scopes)?);
        self.write(move |tx| {
            Box::pin(async move {
                let add = execute(tx.conn, ADD, |binds| {
                    binds.push(key.id.as_bytes().as_slice()).push(key.app.0).push(&key.name).push(hash.as_slice());
                    binds.push(&scopes).push(key.expires_at.map(micros)).push(micros(key.created_at));
                });
                add.await?;
                Ok(())
            })
        })
        .await
    }

    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<ApiKey>> {
        let mut tx = self.read().await?;
        let row = fetch_one(&mut tx, BY_HASH, |binds| {
            binds.push(hash.as_slice());
        });
        row.await?.as_ref().map(read).transpose()
    }

    async fn keys(&self, app: AppId) -> Result<Vec<ApiKey>> {
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, BY_APP, |binds| {
            binds.push(app.0);
        });
        rows.await?.iter().map(read).collect()
    }

    async fn delete_key(&self, app: AppId, id: Uuid) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                let delete = execute(tx.conn, DELETE, |binds| {
                    binds.push(app.0).push(id.as_bytes().as_slice());
                });
                Ok(delete.await? > 0)
            })
        })
        .await
    }
}

fn read(row: &SqliteRow) -> Result<ApiKey> {
    let cells = Cells::new(row, "api_key", 0);
    let id: &[u8] = cells.get(0, "id")?;
    Ok(ApiKey {
        id: Uuid::from_slice(id).map_err(|_| cells.unreadable("id"))?,
        app: AppId(cells.get(1, "app")?),
        name: cells.get(2, "name")?,
        scopes: cells.document(3, "scopes")?,
        expires_at: cells.maybe_instant(4, "expires_at")?,
        created_at: cells.instant(5, "created_at")?,
    })
}
