//! API keys.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::Result;
use super::super::key::{ApiKey, Keys, Rotated, Rotation};
use super::SqliteStore;
use super::batch::{Binds, execute, fetch, fetch_one};
use super::row::{Cells, micros, to_document};
use super::writer::Tx;
use crate::domain::Timestamp;
use crate::domain::id::AppId;

macro_rules! columns {
    ($rest:literal) => {
        concat!("SELECT id, app, name, scopes, expires_at, created_at, last_used_at, rotated_to, hash FROM api_key ", $rest)
    };
}
const ADD: &str = "INSERT INTO api_key (id, app, name, hash, scopes, expires_at, created_at, keyed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1)";
const BY_ID: &str = columns!("WHERE id = ?1 AND keyed = 1");
const BY_HASH: &str = columns!("WHERE hash = ?1 AND keyed = 1");
const BY_APP: &str = columns!("WHERE app = ?1 ORDER BY created_at DESC, id DESC");
const ONE: &str = columns!("WHERE app = ?1 AND id = ?2");
const END: &str = "UPDATE api_key SET expires_at = min(coalesce(expires_at, ?2), ?2), rotated_to = ?3 WHERE id = ?1";
const USED: &str = "UPDATE api_key SET last_used_at = max(coalesce(last_used_at, ?2), ?2) WHERE id = ?1";
const DELETE: &str = "DELETE FROM api_key WHERE app = ?1 AND id = ?2";
const PLAIN: &str = "SELECT id, hash FROM api_key WHERE keyed = 0";
const KEY_HASH: &str = "UPDATE api_key SET hash = ?3, keyed = 1 WHERE id = ?1 AND hash = ?2 AND keyed = 0";

async fn add(tx: &mut Tx<'_>, key: &ApiKey, hash: [u8; 32]) -> Result<()> {
    let scopes = to_document(&key.scopes)?;
    let add = execute(tx.conn, ADD, |binds| {
        binds.push(key.id.as_bytes().as_slice()).push(key.app.0).push(&key.name).push(hash.as_slice());
        binds.push(&scopes).push(key.expires_at.map(micros)).push(micros(key.created_at));
    });
    add.await?;
    Ok(())
}

async fn rotate(mut tx: Tx<'_>, app: AppId, id: Uuid, rotation: Rotation) -> Result<Rotated> {
    let row = fetch_one(tx.conn, ONE, named(app, id));
    let old = row.await?.as_ref().map(read).transpose()?;
    let new = match old.map(|old| old.successor(&rotation)) {
        None => return Ok(Rotated::Unknown),
        Some(Err(refused)) => return Ok(refused),
        Some(Ok(new)) => new,
    };
    add(&mut tx, &new, rotation.hash).await?;
    let end = execute(tx.conn, END, |binds| {
        binds.push(id.as_bytes().as_slice()).push(micros(rotation.until)).push(rotation.id.as_bytes().as_slice());
    });
    end.await?;
    Ok(Rotated::To(Box::new(new)))
}

fn named(app: AppId, id: Uuid) -> impl Fn(&mut Binds) + Send {
    move |binds| {
        binds.push(app.0).push(id.as_bytes().as_slice());
    }
}

#[async_trait]
impl Keys for SqliteStore {
    async fn create_key(&self, key: &ApiKey, hash: [u8; 32]) -> Result<()> {
        let key = key.clone();
        self.write(move |mut tx| Box::pin(async move { add(&mut tx, &key, hash).await })).await
    }

    async fn key_by_id(&self, id: Uuid) -> Result<Option<(ApiKey, [u8; 32])>> {
        let mut tx = self.read().await?;
        let row = fetch_one(&mut tx, BY_ID, |binds| {
            binds.push(id.as_bytes().as_slice());
        });
        row.await?.map(|row| Ok((read(&row)?, Cells::new(&row, "api_key", 0).hash(8, "hash")?))).transpose()
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

    async fn rotate_key(&self, app: AppId, id: Uuid, rotation: &Rotation) -> Result<Rotated> {
        let rotation = *rotation;
        self.write(move |tx| Box::pin(rotate(tx, app, id, rotation))).await
    }

    async fn keys_used(&self, uses: &[(Uuid, Timestamp)]) -> Result<()> {
        let uses = uses.to_vec();
        self.write(move |tx| {
            Box::pin(async move {
                for (id, at) in uses {
                    let note = execute(tx.conn, USED, |binds| {
                        binds.push(id.as_bytes().as_slice()).push(micros(at));
                    });
                    note.await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn delete_key(&self, app: AppId, id: Uuid) -> Result<bool> {
        self.write(move |tx| Box::pin(async move { Ok(execute(tx.conn, DELETE, named(app, id)).await? > 0) })).await
    }

    async fn plain_keys(&self) -> Result<Vec<(Uuid, [u8; 32])>> {
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, PLAIN, |_| {}).await?;
        let plain = |row: &SqliteRow| {
            let cells = Cells::new(row, "api_key", 0);
            Ok((cells.id(0, "id")?, cells.hash(1, "hash")?))
        };
        rows.iter().map(plain).collect()
    }

    async fn key_hash(&self, id: Uuid, plain: [u8; 32], keyed: [u8; 32]) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let change = execute(tx.conn, KEY_HASH, |binds| {
                    binds.push(id.as_bytes().as_slice()).push(plain.as_slice()).push(keyed.as_slice());
                });
                change.await?;
                Ok(())
            })
        })
        .await
    }
}

fn read(row: &SqliteRow) -> Result<ApiKey> {
    let cells = Cells::new(row, "api_key", 0);
    Ok(ApiKey {
        id: cells.id(0, "id")?,
        app: AppId(cells.get(1, "app")?),
        name: cells.get(2, "name")?,
        scopes: cells.document(3, "scopes")?,
        expires_at: cells.maybe_instant(4, "expires_at")?,
        created_at: cells.instant(5, "created_at")?,
        last_used_at: cells.maybe_instant(6, "last_used_at")?,
        rotated_to: cells.maybe_id(7, "rotated_to")?,
    })
}
