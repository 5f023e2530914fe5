//! The keys that values are sealed with: whoever opens the store must have them.

use sqlx::{Connection, PgConnection};

use super::super::Result;
use super::super::seal::{Locked, Seal};
use super::batch::{execute, fetch, nothing};
use super::fault::fault;
use super::row::Cells;

/// Nodes that open it at the same time come one after the other.
const LOCK: &str = "SELECT key FROM sealing WHERE one = 1 FOR UPDATE";
const KEYS: &str = "SELECT id, proof FROM seal_key ORDER BY id";
const ADD_KEY: &str = "INSERT INTO seal_key (id, proof) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
/// Whoever opens it last decides which key is the newest.
const BEGIN: &str = "UPDATE sealing SET key = $1, part = 'device', cursor = 0, changed = 0 WHERE one = 1 AND key <> $1";

/// Whether all that is sealed can be opened; then what is written from now on is sealed with the first of these keys.
pub(super) async fn admit(conn: &mut PgConnection, seal: &Seal) -> Result<Result<(), Locked>> {
    let mut tx = conn.begin().await.map_err(fault)?;
    fetch(&mut tx, LOCK, nothing).await?;
    if let Err(locked) = check(&mut tx, seal).await? {
        return Ok(Err(locked));
    }
    if !seal.is_empty() {
        add_key(&mut tx, seal).await?;
        execute(&mut tx, BEGIN, |binds| {
            binds.push(seal.id());
        })
        .await?;
    }
    tx.commit().await.map_err(fault)?;
    Ok(Ok(()))
}

/// Whether all that is sealed can be opened.
pub(super) async fn check(conn: &mut PgConnection, seal: &Seal) -> Result<Result<(), Locked>> {
    for row in &fetch(conn, KEYS, nothing).await? {
        let cells = Cells::new(row, "seal_key", 0);
        if let Err(locked) = seal.check(cells.get(0, "id")?, cells.get(1, "proof")?) {
            return Ok(Err(locked));
        }
    }
    Ok(Ok(()))
}

async fn add_key(conn: &mut PgConnection, seal: &Seal) -> Result<()> {
    let Some(proof) = seal.proof()? else { return Ok(()) };
    execute(conn, ADD_KEY, |binds| {
        binds.push(seal.id()).push(&proof);
    })
    .await?;
    Ok(())
}
