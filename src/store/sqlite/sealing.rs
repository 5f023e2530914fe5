//! The keys that values are sealed with: whoever opens the store must have them, and brings what is there under the first of them.

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};

use super::super::rules::kept::{quoted, unquoted};
use super::super::rules::resealing::{Gone, Part, Stand};
use super::super::seal::{Locked, Place, Seal};
use super::super::sealing::{SealedAnew, Sealing};
use super::super::{Error, Result};
use super::SqliteStore;
use super::batch::{execute, fetch, fetch_one, no_lead};
use super::fault::{self, fault};
use super::row::Cells;
use super::work::count;
use super::writer::Tx;
use crate::domain::id::{AppId, DevicePk, PersonPk};

const KEYS: &str = "SELECT id, proof FROM seal_key ORDER BY id";
const ADD_KEY: &str = "INSERT INTO seal_key (id, proof) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
/// Whoever opens it last decides which key is the newest.
const BEGIN: &str = "UPDATE sealing SET key = ?1, part = 'device', cursor = 0, changed = 0 WHERE key <> ?1";
const STAND: &str = "SELECT key, part, cursor, changed FROM sealing WHERE one = 1";
const MOVE: &str = "UPDATE sealing SET part = ?1, cursor = ?2, changed = ?3 WHERE one = 1";
const OTHERS: &str = "SELECT 1 FROM seal_key WHERE id <> ?1 LIMIT 1";
const FORGET_OTHERS: &str = "DELETE FROM seal_key WHERE id <> ?1";
const DEVICES: &str = "SELECT pk, app, name, token FROM device WHERE pk > ?1 ORDER BY pk LIMIT ?2";
const ADDRESSES: &str = "SELECT device_pk, kind, token FROM device_token WHERE device_pk > ?1 AND device_pk <= ?2";
const PEOPLE: &str = "SELECT pk, contacts FROM person WHERE pk > ?1 ORDER BY pk LIMIT ?2";
const SECRETS: &str = "SELECT name, value FROM secret";
const WEBHOOKS: &str = "SELECT id, secret, previous_secret FROM webhook";
const DEVICE: &str = "UPDATE device SET token = ?2 WHERE pk = ?1";
const ADDRESS: &str = "UPDATE device_token SET token = ?3 WHERE device_pk = ?1 AND kind = ?2";
const PERSON: &str = "UPDATE person SET contacts = ?2 WHERE pk = ?1";
const SECRET: &str = "UPDATE secret SET value = ?2 WHERE name = ?1";
const WEBHOOK: &str = "UPDATE webhook SET secret = ?2, previous_secret = ?3 WHERE id = ?1";
/// What does not begin as it is to.
const BEHIND: &str = "SELECT (SELECT count(*) FROM device WHERE token IS NOT NULL AND (substr(token, 1, length(?1)) = ?1) <> ?2) \
                      + (SELECT count(*) FROM device_token WHERE (substr(token, 1, length(?1)) = ?1) <> ?2) \
                      + (SELECT count(*) FROM person WHERE contacts IS NOT NULL AND (substr(ltrim(contacts, '\"'), 1, length(?1)) = ?1) <> ?2) \
                      + (SELECT count(*) FROM secret WHERE (substr(value, 1, length(?1)) = ?1) <> ?2) \
                      + (SELECT count(*) FROM webhook WHERE (substr(secret, 1, length(?1)) = ?1) <> ?2) \
                      + (SELECT count(*) FROM webhook WHERE previous_secret IS NOT NULL \
                      AND (substr(previous_secret, 1, length(?1)) = ?1) <> ?2)";

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

/// How many values are not as these keys would have them. Only where that is not known to be none: it reads whole tables.
pub(super) async fn behind(conn: &mut SqliteConnection, seal: &Seal) -> Result<u64> {
    let (key, stand) = stand(conn).await?;
    if seal.is_empty() || (key == seal.id() && stand.part == Part::Over) {
        return Ok(0);
    }
    let (beginning, is_sealed) = seal.beginning();
    let row = fetch_one(conn, BEHIND, |binds| {
        binds.push(&beginning).push(is_sealed);
    });
    row.await?.map_or(Ok(0), |row| Cells::new(&row, "sealing", 0).count(0, "one"))
}

#[async_trait]
impl Sealing for SqliteStore {
    async fn seal_anew(&self, limit: usize) -> Result<SealedAnew> {
        if self.seal.is_empty() {
            return Ok(SealedAnew::Nothing);
        }
        self.write(move |tx| Box::pin(seal_anew(tx, limit))).await
    }
}

async fn stand(conn: &mut SqliteConnection) -> Result<(String, Stand)> {
    let row = fetch_one(conn, STAND, no_lead).await?.ok_or_else(|| Error::Refused(Box::new(fault::Gone)))?;
    let cells = Cells::new(&row, "sealing", 0);
    let stand = Stand { part: cells.word(1, "part", Part::parse)?, cursor: cells.get(2, "cursor")?, changed: cells.count(3, "changed")? };
    Ok((cells.get(0, "key")?, stand))
}

async fn seal_anew(mut tx: Tx<'_>, limit: usize) -> Result<SealedAnew> {
    let (_, mut stand) = stand(tx.conn).await?;
    let id = tx.seal.id();
    if stand.part == Part::Over {
        let others = fetch_one(tx.conn, OTHERS, |binds| {
            binds.push(id);
        });
        if others.await?.is_none() {
            return Ok(SealedAnew::Nothing);
        }
        stand = Stand::BEGIN;
    }
    let gone = match stand.part {
        Part::Device => devices(&mut tx, stand.cursor, limit).await?,
        Part::Person => people(&mut tx, stand.cursor, limit).await?,
        Part::Secret | Part::Over => secrets(&mut tx).await?,
    };
    let stand = stand.after(gone);
    execute(tx.conn, MOVE, |binds| {
        binds.push(stand.part.as_str()).push(stand.cursor).push(i64::try_from(stand.changed).unwrap_or(i64::MAX));
    })
    .await?;
    if stand.part != Part::Over {
        return Ok(SealedAnew::Part(gone.changed));
    }
    execute(tx.conn, FORGET_OTHERS, |binds| {
        binds.push(id);
    })
    .await?;
    Ok(SealedAnew::Over)
}

async fn devices(tx: &mut Tx<'_>, after: i64, limit: usize) -> Result<Gone> {
    let rows = fetch(tx.conn, DEVICES, |binds| {
        binds.push(after).push(count(limit));
    });
    let (mut changed, mut last) = (0, None);
    let rows = rows.await?;
    for row in &rows {
        let cells = Cells::new(row, "device", 0);
        let pk: i64 = cells.get(0, "pk")?;
        last = Some(pk);
        let Some(kept) = cells.get::<Option<&str>>(3, "token")? else { continue };
        let place = Place::Device(AppId(cells.get(1, "app")?), cells.get(2, "name")?);
        if let Some(text) = tx.seal.anew(place, kept)? {
            changed += execute(tx.conn, DEVICE, |binds| {
                binds.push(pk).push(&text);
            })
            .await?;
        }
    }
    let last = last.filter(|_| rows.len() == limit);
    changed += addresses(tx, after, last.unwrap_or(i64::MAX)).await?;
    Ok(Gone { changed, last })
}

/// Other addresses of devices beyond one and up to another.
async fn addresses(tx: &mut Tx<'_>, after: i64, last: i64) -> Result<u64> {
    let rows = fetch(tx.conn, ADDRESSES, |binds| {
        binds.push(after).push(last);
    });
    let mut changed = 0;
    for row in &rows.await? {
        let cells = Cells::new(row, "device_token", 0);
        let (device, kind): (i64, &str) = (cells.get(0, "device_pk")?, cells.get(1, "kind")?);
        if let Some(text) = tx.seal.anew(Place::Address(DevicePk(device), kind), cells.get(2, "token")?)? {
            changed += execute(tx.conn, ADDRESS, |binds| {
                binds.push(device).push(kind).push(&text);
            })
            .await?;
        }
    }
    Ok(changed)
}

async fn people(tx: &mut Tx<'_>, after: i64, limit: usize) -> Result<Gone> {
    let rows = fetch(tx.conn, PEOPLE, |binds| {
        binds.push(after).push(count(limit));
    });
    let (mut changed, mut last) = (0, None);
    let rows = rows.await?;
    for row in &rows {
        let cells = Cells::new(row, "person", 0);
        let pk: i64 = cells.get(0, "pk")?;
        last = Some(pk);
        let Some(kept) = cells.get::<Option<&str>>(1, "contacts")? else { continue };
        if let Some(text) = tx.seal.anew(Place::Contacts(PersonPk(pk)), unquoted(kept))?.map(quoted) {
            changed += execute(tx.conn, PERSON, |binds| {
                binds.push(pk).push(&text);
            })
            .await?;
        }
    }
    Ok(Gone { changed, last: last.filter(|_| rows.len() == limit) })
}

async fn secrets(tx: &mut Tx<'_>) -> Result<Gone> {
    let mut changed = 0;
    for row in &fetch(tx.conn, SECRETS, no_lead).await? {
        let cells = Cells::new(row, "secret", 0);
        let name: &str = cells.get(0, "name")?;
        if let Some(text) = tx.seal.anew(Place::Secret(name), cells.get(1, "value")?)? {
            changed += execute(tx.conn, SECRET, |binds| {
                binds.push(name).push(&text);
            })
            .await?;
        }
    }
    changed += webhooks(tx).await?;
    Ok(Gone { changed, last: None })
}

async fn webhooks(tx: &mut Tx<'_>) -> Result<u64> {
    let mut changed = 0;
    for row in &fetch(tx.conn, WEBHOOKS, no_lead).await? {
        let cells = Cells::new(row, "webhook", 0);
        let id = cells.id(0, "id")?;
        let (secret, previous): (&str, Option<&str>) = (cells.get(1, "secret")?, cells.get(2, "previous_secret")?);
        let new = tx.seal.anew(Place::Webhook(id), secret)?;
        let new_previous = previous.map(|kept| tx.seal.anew(Place::Webhook(id), kept)).transpose()?.flatten();
        let found = u64::from(new.is_some()) + u64::from(new_previous.is_some());
        if found > 0 {
            execute(tx.conn, WEBHOOK, |binds| {
                binds.push(id.as_bytes().as_slice()).push(new.as_deref().unwrap_or(secret)).push(new_previous.as_deref().or(previous));
            })
            .await?;
        }
        changed += found;
    }
    Ok(changed)
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
