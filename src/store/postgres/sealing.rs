//! The keys that values are sealed with: whoever opens the store must have them, and brings what is there under the first of them.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection};

use super::super::Result;
use super::super::rules::kept::{quoted, unquoted};
use super::super::rules::resealing::{Gone, Part, Stand};
use super::super::seal::{Locked, Place, Seal};
use super::super::sealing::{SealedAnew, Sealing};
use super::PostgresStore;
use super::batch::{Binds, count, execute, fetch, fetch_one, nothing};
use super::fault::fault;
use super::row::Cells;
use super::tx::{Tx, transaction};
use crate::domain::id::{AppId, DevicePk, PersonPk};

/// Nodes that open it at the same time come one after the other.
const LOCK: &str = "SELECT key FROM sealing WHERE one = 1 FOR UPDATE";
const KEYS: &str = "SELECT id, proof FROM seal_key ORDER BY id";
const ADD_KEY: &str = "INSERT INTO seal_key (id, proof) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
/// Whoever opens it last decides which key is the newest. A node that sealed nothing until now may have left something behind: where it is over it is
/// gone through once more, and where it is under way it ends with one way more.
const BEGIN: &str = "UPDATE sealing SET key = $1, part = CASE WHEN key <> $1 OR part = 'over' THEN 'device' ELSE part END, \
                     cursor = CASE WHEN key <> $1 OR part = 'over' THEN 0 ELSE cursor END, \
                     changed = CASE WHEN key <> $1 OR part = 'over' THEN 0 ELSE changed + 1 END WHERE one = 1";
const STAND: &str = "SELECT key, part, cursor, changed FROM sealing WHERE one = 1";
/// The locked row is the whole coordination.
const TURN: &str = "SELECT key, part, cursor, changed FROM sealing WHERE one = 1 FOR UPDATE SKIP LOCKED";
const MOVE: &str = "UPDATE sealing SET part = $1, cursor = $2, changed = $3 WHERE one = 1";
const OTHERS: &str = "SELECT 1 FROM seal_key WHERE id <> $1 LIMIT 1";
const FORGET_OTHERS: &str = "DELETE FROM seal_key WHERE id <> $1";
pub(super) const DEVICES: &str = "SELECT pk, app, name, token FROM device WHERE pk > $1 ORDER BY pk LIMIT $2";
pub(super) const ADDRESSES: &str = "SELECT device_pk, kind, token FROM device_token WHERE device_pk > $1 AND device_pk <= $2";
pub(super) const PEOPLE: &str = "SELECT pk, contacts::text FROM person WHERE pk > $1 ORDER BY pk LIMIT $2";
const SECRETS: &str = "SELECT name, value FROM secret";
const WEBHOOKS: &str = "SELECT id, secret, previous_secret FROM webhook FOR NO KEY UPDATE SKIP LOCKED";
/// Rows that someone else is just writing, or has written, are left to the next way through: nobody waits for anybody.
pub(super) const DEVICE: &str = "WITH free AS MATERIALIZED (SELECT d.pk, new.token FROM unnest($1::bigint[], $2::text[], $3::text[]) AS new (pk, old, token) \
                                 CROSS JOIN LATERAL (SELECT pk FROM device WHERE pk = new.pk AND token = new.old LIMIT 1 FOR UPDATE SKIP LOCKED) d) \
                                 UPDATE device d SET token = free.token FROM free WHERE d.pk = free.pk";
pub(super) const ADDRESS: &str = "WITH free AS MATERIALIZED (SELECT t.device_pk, t.kind, new.token \
                                  FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS new (pk, old, token, kind) \
                                  CROSS JOIN LATERAL (SELECT device_pk, kind FROM device_token WHERE device_pk = new.pk AND kind = new.kind AND token = new.old \
                                  LIMIT 1 FOR UPDATE SKIP LOCKED) t) \
                                  UPDATE device_token t SET token = free.token FROM free WHERE t.device_pk = free.device_pk AND t.kind = free.kind";
pub(super) const PERSON: &str = "WITH free AS MATERIALIZED (SELECT p.pk, new.text FROM unnest($1::bigint[], $2::text[], $3::text[]) AS new (pk, old, text) \
                                 CROSS JOIN LATERAL (SELECT pk FROM person WHERE pk = new.pk AND contacts::text = new.old LIMIT 1 FOR UPDATE SKIP LOCKED) p) \
                                 UPDATE person p SET contacts = free.text::json FROM free WHERE p.pk = free.pk";
const SECRET: &str = "UPDATE secret SET value = $2 WHERE name = $1";
const WEBHOOK: &str = "UPDATE webhook SET secret = $2, previous_secret = $3 WHERE id = $1";
const COUNT: &str = "SELECT count(*) FROM webhook";
/// What does not begin as it is to.
const BEHIND: &str = "SELECT (SELECT count(*) FROM device WHERE token IS NOT NULL AND starts_with(token, $1) <> $2) \
                      + (SELECT count(*) FROM device_token WHERE starts_with(token, $1) <> $2) \
                      + (SELECT count(*) FROM person WHERE contacts IS NOT NULL AND starts_with(ltrim(contacts::text, '\"'), $1) <> $2) \
                      + (SELECT count(*) FROM secret WHERE starts_with(value, $1) <> $2) \
                      + (SELECT count(*) FROM webhook WHERE starts_with(secret, $1) <> $2) \
                      + (SELECT count(*) FROM webhook WHERE previous_secret IS NOT NULL AND starts_with(previous_secret, $1) <> $2)";

/// Whether all that is sealed can be opened; then what is written from now on is sealed with the first of these keys.
pub(super) async fn admit(conn: &mut PgConnection, seal: &Seal) -> Result<Result<(), Locked>> {
    let mut tx = conn.begin().await.map_err(fault)?;
    fetch(&mut tx, LOCK, nothing).await?;
    if let Err(locked) = check(&mut tx, seal).await? {
        tx.rollback().await.map_err(fault)?;
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

/// How many values are not as these keys would have them. Only where that is not known to be none: it reads whole tables.
pub(super) async fn behind(conn: &mut PgConnection, seal: &Seal) -> Result<u64> {
    let stand = fetch_one(conn, STAND, nothing).await?.as_ref().map(read).transpose()?;
    if seal.is_empty() || stand.is_some_and(|(key, stand)| key == seal.id() && stand.part == Part::Over) {
        return Ok(0);
    }
    let (beginning, is_sealed) = seal.beginning();
    let row = fetch_one(conn, BEHIND, |binds| {
        binds.push(beginning).push(is_sealed);
    });
    row.await?.map_or(Ok(0), |row| Cells::new(&row, "sealing", 0).count(0, "one"))
}

#[async_trait]
impl Sealing for PostgresStore {
    async fn seal_anew(&self, limit: usize) -> Result<SealedAnew> {
        if self.seal.is_empty() {
            return Ok(SealedAnew::Nothing);
        }
        transaction!(self.callers, tx => seal_anew(&mut tx, limit))
    }
}

fn read(row: &PgRow) -> Result<(String, Stand)> {
    let cells = Cells::new(row, "sealing", 0);
    let stand = Stand { part: cells.word(1, "part", Part::parse)?, cursor: cells.get(2, "cursor")?, changed: cells.count(3, "changed")? };
    Ok((cells.get(0, "key")?, stand))
}

async fn seal_anew(tx: &mut Tx, limit: usize) -> Result<SealedAnew> {
    let seal = tx.seal.clone();
    let Some(row) = fetch_one(tx, TURN, nothing).await? else { return Ok(SealedAnew::Nothing) };
    let (key, mut stand) = read(&row)?;
    // as long as this node runs it seals with its key, though others may have gone on to another
    add_key(tx, &seal).await?;
    if key != seal.id() {
        return Ok(SealedAnew::Nothing);
    }
    if stand.part == Part::Over {
        let others = fetch_one(tx, OTHERS, |binds| {
            binds.push(seal.id());
        });
        if others.await?.is_none() {
            return Ok(SealedAnew::Nothing);
        }
        stand = Stand::BEGIN;
    }
    let gone = match stand.part {
        Part::Device => devices(tx, &seal, stand.cursor, limit).await?,
        Part::Person => people(tx, &seal, stand.cursor, limit).await?,
        Part::Secret | Part::Over => secrets(tx, &seal).await?,
    };
    let stand = stand.after(gone);
    execute(tx, MOVE, |binds| {
        binds.push(stand.part.as_str()).push(stand.cursor).push(i64::try_from(stand.changed).unwrap_or(i64::MAX));
    })
    .await?;
    if stand.part != Part::Over {
        return Ok(SealedAnew::Part(gone.changed));
    }
    execute(tx, FORGET_OTHERS, |binds| {
        binds.push(seal.id());
    })
    .await?;
    Ok(SealedAnew::Over)
}

/// Rows whose text is to be another: number, the text they have, the one they get.
#[derive(Default)]
struct Changes {
    pks: Vec<i64>,
    old: Vec<String>,
    new: Vec<String>,
}

impl Changes {
    fn add(&mut self, pk: i64, old: &str, new: String) {
        self.pks.push(pk);
        self.old.push(old.to_owned());
        self.new.push(new);
    }

    /// How many there are, whether or not all of them can be written now.
    fn count(&self) -> u64 {
        u64::try_from(self.pks.len()).unwrap_or(u64::MAX)
    }

    fn bind(self, binds: &mut Binds) -> &mut Binds {
        binds.push(self.pks).push(self.old).push(self.new)
    }
}

async fn devices(tx: &mut Tx, seal: &Seal, after: i64, limit: usize) -> Result<Gone> {
    let rows = fetch(tx, DEVICES, |binds| {
        binds.push(after).push(count(limit));
    });
    let rows = rows.await?;
    let (mut changes, mut last) = (Changes::default(), None);
    for row in &rows {
        let cells = Cells::new(row, "device", 0);
        let pk: i64 = cells.get(0, "pk")?;
        last = Some(pk);
        let Some(kept) = cells.get::<Option<&str>>(3, "token")? else { continue };
        let place = Place::Device(AppId(cells.get(1, "app")?), cells.get(2, "name")?);
        if let Some(text) = seal.anew(place, kept)? {
            changes.add(pk, kept, text);
        }
    }
    let last = last.filter(|_| rows.len() == limit);
    let changed = changes.count() + addresses(tx, seal, after, last.unwrap_or(i64::MAX)).await?;
    if !changes.pks.is_empty() {
        execute(tx, DEVICE, |binds| {
            changes.bind(binds);
        })
        .await?;
    }
    Ok(Gone { changed, last })
}

/// Other addresses of devices beyond one and up to another.
async fn addresses(tx: &mut Tx, seal: &Seal, after: i64, last: i64) -> Result<u64> {
    let rows = fetch(tx, ADDRESSES, |binds| {
        binds.push(after).push(last);
    });
    let (mut changes, mut kinds) = (Changes::default(), Vec::new());
    for row in &rows.await? {
        let cells = Cells::new(row, "device_token", 0);
        let (device, kind, kept): (i64, &str, &str) = (cells.get(0, "device_pk")?, cells.get(1, "kind")?, cells.get(2, "token")?);
        if let Some(text) = seal.anew(Place::Address(DevicePk(device), kind), kept)? {
            changes.add(device, kept, text);
            kinds.push(kind.to_owned());
        }
    }
    let changed = changes.count();
    if changed > 0 {
        execute(tx, ADDRESS, |binds| {
            changes.bind(binds).push(kinds);
        })
        .await?;
    }
    Ok(changed)
}

async fn people(tx: &mut Tx, seal: &Seal, after: i64, limit: usize) -> Result<Gone> {
    let rows = fetch(tx, PEOPLE, |binds| {
        binds.push(after).push(count(limit));
    });
    let rows = rows.await?;
    let (mut changes, mut last) = (Changes::default(), None);
    for row in &rows {
        let cells = Cells::new(row, "person", 0);
        let pk: i64 = cells.get(0, "pk")?;
        last = Some(pk);
        let Some(kept) = cells.get::<Option<&str>>(1, "contacts")? else { continue };
        if let Some(text) = seal.anew(Place::Contacts(PersonPk(pk)), unquoted(kept))?.map(quoted) {
            changes.add(pk, kept, text);
        }
    }
    let changed = changes.count();
    if changed > 0 {
        execute(tx, PERSON, |binds| {
            changes.bind(binds);
        })
        .await?;
    }
    Ok(Gone { changed, last: last.filter(|_| rows.len() == limit) })
}

async fn secrets(tx: &mut Tx, seal: &Seal) -> Result<Gone> {
    let mut changed = 0;
    for row in &fetch(tx, SECRETS, nothing).await? {
        let cells = Cells::new(row, "secret", 0);
        let name: &str = cells.get(0, "name")?;
        if let Some(text) = seal.anew(Place::Secret(name), cells.get(1, "value")?)? {
            changed += execute(tx, SECRET, |binds| {
                binds.push(name).push(text);
            })
            .await?;
        }
    }
    changed += webhooks(tx, seal).await?;
    Ok(Gone { changed, last: None })
}

/// One that is locked counts as changed: it is looked at on the next way through.
async fn webhooks(tx: &mut Tx, seal: &Seal) -> Result<u64> {
    let all = fetch_one(tx, COUNT, nothing).await?.map_or(Ok(0), |row| Cells::new(&row, "webhook", 0).count(0, "id"))?;
    let rows = fetch(tx, WEBHOOKS, nothing).await?;
    let mut changed = u64::saturating_sub(all, u64::try_from(rows.len()).unwrap_or(u64::MAX));
    for row in &rows {
        let cells = Cells::new(row, "webhook", 0);
        let id = cells.get(0, "id")?;
        let (secret, previous): (&str, Option<&str>) = (cells.get(1, "secret")?, cells.get(2, "previous_secret")?);
        let new = seal.anew(Place::Webhook(id), secret)?;
        let new_previous = previous.map(|kept| seal.anew(Place::Webhook(id), kept)).transpose()?.flatten();
        let found = u64::from(new.is_some()) + u64::from(new_previous.is_some());
        if found > 0 {
            execute(tx, WEBHOOK, |binds| {
                binds.push(id).push(new.as_deref().unwrap_or(secret)).push(new_previous.as_deref().or(previous));
            })
            .await?;
        }
        changed += found;
    }
    Ok(changed)
}
