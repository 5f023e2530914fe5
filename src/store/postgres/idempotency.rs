//! Idempotency keys: what came before under a key, and what to answer next time.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use sqlx::PgConnection;

use super::super::engine::IdempotencyKey;
use super::super::idempotency::{Before, Replays};
use super::super::rules::keys::Keys;
use super::super::{Error, Result};
use super::PostgresStore;
use super::batch::{Binds, execute, fetch};
use super::row::Cells;
use super::tx::Tx;
use crate::domain::Timestamp;

/// For how long a key is remembered.
pub(super) const KEY_LIFE: TimeDelta = TimeDelta::hours(24);

pub(super) const FIND: &str = "SELECT i.app, i.route, i.key, i.body_hash, i.answer \
                    FROM unnest($2::bigint[], $3::text[], $4::text[]) AS ask (app, route, key) CROSS JOIN LATERAL \
                    (SELECT * FROM idempotency i WHERE i.app = ask.app AND i.route = ask.route AND i.key = ask.key LIMIT 1) i WHERE i.at > $1";
/// What another node remembers already is left alone, unless it is too old; waits for one that is about to.
pub(super) const REMEMBER: &str = "INSERT INTO idempotency AS i (app, route, key, body_hash, answer, at) \
                        SELECT new.*, $2 FROM unnest($3::bigint[], $4::text[], $5::text[], $6::bytea[], $7::bytea[]) AS new \
                        ON CONFLICT (app, route, key) DO UPDATE SET body_hash = excluded.body_hash, answer = excluded.answer, at = excluded.at \
                        WHERE i.at <= $1";

/// Another node remembered one of the keys in the meantime: what is to be answered changes.
#[derive(Debug, thiserror::Error)]
#[error("a request with the same idempotency key was accepted at the same time")]
pub(super) struct Raced;

/// Reads what is known of `keys`; what is older than its life is not.
pub(super) async fn find(conn: &mut PgConnection, now: Timestamp, keys: &[&IdempotencyKey]) -> Result<Keys> {
    if keys.is_empty() {
        return Ok(Keys::default());
    }
    let rows = fetch(conn, FIND, |binds| {
        binds.push(now - KEY_LIFE);
        names(binds, keys);
    });
    let mut known = HashMap::new();
    for row in &rows.await? {
        let cells = Cells::new(row, "idempotency", 0);
        let answer: Vec<u8> = cells.get(4, "answer")?;
        let key = (cells.get(0, "app")?, cells.get(1, "route")?, cells.get(2, "key")?);
        known.insert(key, (cells.hash(3, "body_hash")?, Bytes::from(answer)));
    }
    Ok(Keys::new(known))
}

/// Writes what is to be remembered, all or nothing.
pub(super) async fn remember(tx: &mut Tx, keys: &Keys) -> Result<()> {
    if keys.added().is_empty() {
        return Ok(());
    }
    let mut added: Vec<&(IdempotencyKey, Bytes)> = keys.added().iter().collect();
    // whoever writes several does so in this order, so that nobody waits for one who waits for him
    added.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let keys: Vec<&IdempotencyKey> = added.iter().map(|(key, _)| key).collect();
    let now = tx.now;
    let written = execute(tx, REMEMBER, |binds| {
        binds.push(now - KEY_LIFE).push(now);
        names(binds, &keys);
        binds.push(added.iter().map(|(key, _)| key.body_hash.as_slice()).collect::<Vec<&[u8]>>());
        binds.push(added.iter().map(|(_, answer)| answer.as_ref()).collect::<Vec<&[u8]>>());
    });
    if written.await? < added.len() as u64 { Err(Error::Busy(Box::new(Raced))) } else { Ok(()) }
}

fn names(binds: &mut Binds, keys: &[&IdempotencyKey]) {
    binds.push(keys.iter().map(|key| key.app.0).collect::<Vec<i64>>());
    binds.push(keys.iter().map(|key| key.route).collect::<Vec<&str>>());
    binds.push(keys.iter().map(|key| key.key.as_str()).collect::<Vec<&str>>());
}

#[async_trait]
impl Replays for PostgresStore {
    async fn before(&self, keys: &[IdempotencyKey]) -> Result<Vec<Before>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<&IdempotencyKey> = keys.iter().collect();
        let mut tx = self.callers.begin().await?;
        let now = tx.now;
        let known = find(&mut tx, now, &asked).await;
        let known = tx.end(known).await?;
        Ok(keys.iter().map(|key| known.before(Some(key))).collect())
    }
}
