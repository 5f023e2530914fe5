//! API keys.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::Result;
use super::super::key::{ApiKey, Keys, Scope};
use super::PostgresStore;
use super::batch::{execute, fetch, fetch_one};
use super::row::Cells;
use super::tx::{reading, transaction};
use crate::domain::id::AppId;

const ADD: &str = "INSERT INTO api_key (id, app, name, hash, scopes, expires_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const BY_HASH: &str = "SELECT id, app, name, scopes, expires_at, created_at FROM api_key WHERE hash = $1";
const BY_APP: &str = "SELECT id, app, name, scopes, expires_at, created_at FROM api_key WHERE app = $1 ORDER BY created_at DESC, id DESC";
const DELETE: &str = "DELETE FROM api_key WHERE app = $1 AND id = $2";

#[async_trait]
impl Keys for PostgresStore {
    async fn create_key(&self, key: &ApiKey, hash: [u8; 32]) -> Result<()> {
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| word(*scope)).collect();
        transaction!(self.callers, tx => execute(&mut tx, ADD, |binds| {
            binds.push(key.id).push(key.app.0).push(&key.name).push(hash.as_slice()).push(&scopes).push(key.expires_at).push(key.created_at);
        }))?;
        Ok(())
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

    async fn delete_key(&self, app: AppId, id: Uuid) -> Result<bool> {
        let deleted = transaction!(self.callers, tx => execute(&mut tx, DELETE, |binds| {
            binds.push(app.0).push(id);
        }));
        Ok(deleted? > 0)
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
