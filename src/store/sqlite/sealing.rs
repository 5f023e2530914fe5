//! The keys that values are sealed with: whoever opens the store must have them.

use sqlx::{Connection, SqliteConnection};

use super::super::Result;
use super::super::seal::{Locked, Seal};
use super::batch::{execute, fetch, no_lead};
use super::fault::fault;
use super::row::Cells;

const KEYS: &str = "SELECT id, proof FROM seal_key ORDER BY id";
const ADD_KEY: &str = "INSERT INTO seal_key (id, proof) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
/// Whoever opens it last decides which key is the newest.
const BEGIN: &str = "UPDATE sealing SET key = ?1, part = 'device', cursor = 0, changed = 0 WHERE key <> ?1";

/// Whether all that is sealed can be opened; then what is written from now on is sealed with the first of these keys.
pub(super) async fn admit(conn: &mut SqliteConnection, seal: &Seal) -> Result<Result<(), Locked>> {
    let mut tx = conn.begin().await.map_err(fault)?;
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
pub(super) async fn check(conn: &mut SqliteConnection, seal: &Seal) -> Result<Result<(), Locked>> {
    for row in &fetch(conn, KEYS, no_lead).await? {
        let cells = Cells::new(row, "seal_key", 0);
        if let Err(locked) = seal.check(cells.get(0, "id")?, cells.get(1, "proof")?) {
            return Ok(Err(locked));
        }
    }
    Ok(Ok(()))
}

async fn add_key(conn: &mut SqliteConnection, seal: &Seal) -> Result<()> {
    let Some(proof) = seal.proof()? else { return Ok(()) };
    execute(conn, ADD_KEY, |binds| {
        binds.push(seal.id()).push(&proof);
    })
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::super::migrations;
    use super::*;

    const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const TWO: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

    #[tokio::test]
    async fn who_lacks_a_key_that_may_have_sealed_something_is_refused() {
        let mut conn = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
        migrations::migrate(&mut conn).await.unwrap();
        let seal = |text: &str| Seal::parse(text).unwrap();
        let (none, one, two) = (Seal::default(), seal(ONE), seal(TWO));
        let other_key = |seal: &Seal| Err(Locked::OtherKey(seal.id().to_owned()));
        assert_eq!(admit(&mut conn, &none).await.unwrap(), Ok(()));
        assert_eq!(admit(&mut conn, &one).await.unwrap(), Ok(()));
        assert_eq!(admit(&mut conn, &two).await.unwrap(), other_key(&one));
        assert_eq!(admit(&mut conn, &none).await.unwrap(), Err(Locked::NoKey(one.id().to_owned())));
        assert_eq!(admit(&mut conn, &seal(&format!("{TWO}\n{ONE}"))).await.unwrap(), Ok(()));
        assert_eq!(admit(&mut conn, &one).await.unwrap(), other_key(&two), "what the other sealed meanwhile");
        assert_eq!(admit(&mut conn, &seal(&format!("plain\n{ONE}\n{TWO}"))).await.unwrap(), Ok(()));
    }
}
