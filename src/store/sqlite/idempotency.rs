//! Idempotency keys: what came before under a key, and what to answer next time.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::SqliteConnection;

use super::super::Result;
use super::super::engine::IdempotencyKey;
use super::super::idempotency::{Before, Replays};
use super::super::rules::keys::Keys;
use super::SqliteStore;
use super::batch::{Binds, Tuples, no_lead};
use super::prune::KEY_LIFE;
use super::row::Cells;
use super::writer::Tx;

pub(super) const FIND: Tuples = Tuples {
    head: "SELECT app, route, key, body_hash, answer FROM idempotency WHERE at > ? AND (app, route, key) IN (VALUES ",
    width: 3,
    tail: ")",
};
pub(super) const REMEMBER: Tuples = Tuples {
    head: "INSERT INTO idempotency (app, route, key, body_hash, answer, at) VALUES ",
    width: 6,
    tail: " ON CONFLICT (app, route, key) DO UPDATE SET body_hash = excluded.body_hash, answer = excluded.answer, at = excluded.at",
};

/// Reads what is known of `keys`; what is older than its life is not.
pub(super) async fn find(conn: &mut SqliteConnection, now: i64, keys: &[&IdempotencyKey]) -> Result<Keys> {
    let oldest = now.saturating_sub(KEY_LIFE);
    let lead = |binds: &mut Binds| {
        binds.push(oldest);
    };
    let bind = |binds: &mut Binds, key: &&IdempotencyKey| {
        binds.push(key.app.0).push(key.route).push(&key.key);
    };
    let mut known = HashMap::new();
    for row in FIND.fetch(conn, keys, lead, bind).await? {
        let cells = Cells::new(&row, "idempotency", 0);
        let answer: Vec<u8> = cells.get(4, "answer")?;
        let key = (cells.get(0, "app")?, cells.get(1, "route")?, cells.get(2, "key")?);
        known.insert(key, (cells.hash(3, "body_hash")?, Bytes::from(answer)));
    }
    Ok(Keys::new(known))
}

/// Writes what is to be remembered.
pub(super) async fn remember(tx: &mut Tx<'_>, keys: &Keys) -> Result<()> {
    let now = tx.now;
    let bind = |binds: &mut Binds, (key, answer): &(IdempotencyKey, Bytes)| {
        binds.push(key.app.0).push(key.route).push(&key.key).push(key.body_hash.as_slice()).push(answer.as_ref()).push(now);
    };
    REMEMBER.execute(tx.conn, keys.added(), no_lead, bind).await?;
    Ok(())
}

#[async_trait]
impl Replays for SqliteStore {
    async fn before(&self, keys: &[IdempotencyKey]) -> Result<Vec<Before>> {
        let mut reader = self.hot.reader().await?;
        let asked: Vec<&IdempotencyKey> = keys.iter().collect();
        let known = find(&mut reader, self.now(), &asked).await?;
        reader.done();
        Ok(keys.iter().map(|key| known.before(Some(key))).collect())
    }
}
