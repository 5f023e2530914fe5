//! API keys.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::Result;
use super::super::key::{ApiKey, Keys, Rotated, Rotation, Scope};
use super::PostgresStore;
use super::batch::{execute, fetch, fetch_one, nothing};
use super::row::Cells;
use super::tx::{Tx, reading, transaction};
use crate::domain::Timestamp;
use crate::domain::id::AppId;

macro_rules! columns {
    ($rest:literal) => {
        concat!("SELECT id, app, name, scopes, expires_at, created_at, last_used_at, rotated_to, hash FROM api_key ", $rest)
    };
}
const ADD: &str =
    "INSERT INTO api_key (id, app, name, hash, scopes, expires_at, created_at, keyed) VALUES ($1, $2, $3, $4, $5, $6, $7, true)";
const BY_ID: &str = columns!("WHERE id = $1 AND keyed");
const BY_HASH: &str = columns!("WHERE hash = $1 AND keyed");
const BY_APP: &str = columns!("WHERE app = $1 ORDER BY created_at DESC, id DESC");
const LOCKED: &str = columns!("WHERE app = $1 AND id = $2 FOR UPDATE");
const END: &str = "UPDATE api_key SET expires_at = least(expires_at, $2), rotated_to = $3 WHERE id = $1";
/// Another node may have noted a later one.
const USED: &str = "UPDATE api_key k SET last_used_at = greatest(k.last_used_at, used.at) \
                    FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, at) WHERE k.id = used.id";
const DELETE: &str = "DELETE FROM api_key WHERE app = $1 AND id = $2";
const PLAIN: &str = "SELECT id, hash FROM api_key WHERE NOT keyed";
const KEY_HASH: &str = "UPDATE api_key SET hash = $3, keyed = true WHERE id = $1 AND hash = $2 AND NOT keyed";

async fn add(tx: &mut Tx, key: &ApiKey, hash: [u8; 32]) -> Result<()> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| word(*scope)).collect();
    let add = execute(tx, ADD, |binds| {
        binds.push(key.id).push(key.app.0).push(&key.name).push(hash.as_slice()).push(&scopes).push(key.expires_at).push(key.created_at);
    });
    add.await?;
    Ok(())
}

async fn rotate(tx: &mut Tx, app: AppId, id: Uuid, rotation: &Rotation) -> Result<Rotated> {
    let row = fetch_one(tx, LOCKED, |binds| {
        binds.push(app.0).push(id);
    });
    let old = row.await?.as_ref().map(read).transpose()?;
    let new = match old.map(|old| old.successor(rotation)) {
        None => return Ok(Rotated::Unknown),
        Some(Err(refused)) => return Ok(refused),
        Some(Ok(new)) => new,
    };
    add(tx, &new, rotation.hash).await?;
    let end = execute(tx, END, |binds| {
        binds.push(id).push(rotation.until).push(rotation.id);
    });
    end.await?;
    Ok(Rotated::To(Box::new(new)))
}

#[async_trait]
impl Keys for PostgresStore {
    async fn create_key(&self, key: &ApiKey, hash: [u8; 32]) -> Result<()> {
        transaction!(self.callers, tx => add(&mut tx, key, hash))
    }

    async fn key_by_id(&self, id: Uuid) -> Result<Option<(ApiKey, [u8; 32])>> {
        let row = reading!(self.callers, conn => fetch_one(&mut conn, BY_ID, |binds| {
            binds.push(id);
        }));
        row?.map(|row| Ok((read(&row)?, Cells::new(&row, "api_key", 0).hash(8, "hash")?))).transpose()
    }

    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<ApiKey>> {
        let row = reading!(self.callers, conn => fetch_one(&mut conn, BY_HASH, |binds| {
            binds.push(hash.as_slice());
        }));
        row?.as_ref().map(read).transpose()
    }

    async fn keys(&self, app: AppId) -> Result<Vec<ApiKey>> {
        let rows = reading!(self.callers, conn => fetch(&mut conn, BY_APP, |binds| {
            binds.push(app.0);
        }));
        rows?.iter().map(read).collect()
    }

    async fn rotate_key(&self, app: AppId, id: Uuid, rotation: &Rotation) -> Result<Rotated> {
        transaction!(self.callers, tx => rotate(&mut tx, app, id, rotation))
    }

    async fn keys_used(&self, uses: &[(Uuid, Timestamp)]) -> Result<()> {
        // in one order, so that nodes do not wait for each other in a circle
        let mut uses = uses.to_vec();
        uses.sort_unstable();
        let (ids, instants): (Vec<Uuid>, Vec<Timestamp>) = uses.into_iter().unzip();
        transaction!(self.callers, tx => execute(&mut tx, USED, |binds| {
            binds.push(&ids).push(&instants);
        }))?;
        Ok(())
    }

    async fn delete_key(&self, app: AppId, id: Uuid) -> Result<bool> {
        let deleted = transaction!(self.callers, tx => execute(&mut tx, DELETE, |binds| {
            binds.push(app.0).push(id);
        }));
        Ok(deleted? > 0)
    }

    async fn plain_keys(&self) -> Result<Vec<(Uuid, [u8; 32])>> {
        let rows = reading!(self.callers, conn => fetch(&mut conn, PLAIN, nothing))?;
        let plain = |row: &PgRow| {
            let cells = Cells::new(row, "api_key", 0);
            Ok((cells.get(0, "id")?, cells.hash(1, "hash")?))
        };
        rows.iter().map(plain).collect()
    }

    async fn key_hash(&self, id: Uuid, plain: [u8; 32], keyed: [u8; 32]) -> Result<()> {
        transaction!(self.callers, tx => execute(&mut tx, KEY_HASH, |binds| {
            binds.push(id).push(plain.as_slice()).push(keyed.as_slice());
        }))?;
        Ok(())
    }
}

fn read(row: &PgRow) -> Result<ApiKey> {
    let cells = Cells::new(row, "api_key", 0);
    let words: Vec<String> = cells.get(3, "scopes")?;
    Ok(ApiKey {
        id: cells.get(0, "id")?,
        app: AppId(cells.get(1, "app")?),
        name: cells.get(2, "name")?,
        scopes: words.iter().map(|word| scope(word).ok_or_else(|| cells.unreadable("scopes"))).collect::<Result<_>>()?,
        expires_at: cells.maybe_instant(4, "expires_at")?,
        created_at: cells.instant(5, "created_at")?,
        last_used_at: cells.maybe_instant(6, "last_used_at")?,
        rotated_to: cells.get(7, "rotated_to")?,
    })
}

fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Send => "send",
        Scope::Manage => "manage",
        Scope::Read => "read",
        Scope::Critical => "critical",
    }
}

fn scope(text: &str) -> Option<Scope> {
    [Scope::Send, Scope::Manage, Scope::Read, Scope::Critical].into_iter().find(|scope| word(*scope) == text)
}
