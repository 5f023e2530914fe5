//! A device's other addresses: registered, looked up, forgotten.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::device_token::{Addressed, DeviceTokens, TokenChange};
use super::super::engine::{Answer, Ask, Correction, Death};
use super::super::rules::device_tokens::{Address, changed, crowded_out, readdress, to_readdress};
use super::super::rules::kept::{address_text, address_token};
use super::super::rules::words::environment;
use super::super::seal::Seal;
use super::super::{Error, Result};
use super::SqliteStore;
use super::batch::{execute, fetch, fetch_list, fetch_one};
use super::device::BY_NAME;
use super::device_row;
use super::json::List;
use super::row::{Cells, instant, micros};
use super::writer::Tx;
use crate::domain::device::{Device, Environment, TokenHash};
use crate::domain::id::{AppId, DevicePk};
use crate::domain::principal::Principal;
use crate::domain::token_kind::{DeviceToken, TokenKind};

pub(super) const OF_DEVICE: &str =
    "SELECT device_pk, kind, token_hash, environment, seen_at FROM device_token WHERE device_pk = ?1 ORDER BY kind";
pub(super) const OF_NAME: &str = "SELECT k.device_pk, k.kind, k.token_hash, k.environment, k.seen_at FROM device d CROSS JOIN device_token k \
                                  ON k.device_pk = d.pk WHERE d.app = ?1 AND d.name = ?2 ORDER BY k.kind";
const PUT: &str = "INSERT INTO device_token (device_pk, kind, app, token, token_hash, environment, seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                   ON CONFLICT (device_pk, kind) DO UPDATE SET token = excluded.token, token_hash = excluded.token_hash, \
                   environment = excluded.environment, seen_at = excluded.seen_at";
/// Devices that lose an address are changed, as many times as they lose one.
pub(super) const LOSERS: &str = "UPDATE device SET updated_at = ?4, version = version + (SELECT count(*) FROM device_token k \
                                 WHERE k.device_pk = device.pk AND k.token_hash = ?2) \
                                 WHERE pk IN (SELECT device_pk FROM device_token WHERE app = ?1 AND token_hash = ?2 AND device_pk <> ?3)";
pub(super) const MOVE: &str = "DELETE FROM device_token WHERE app = ?1 AND token_hash = ?2 AND device_pk <> ?3";
const SEEN: &str = "UPDATE device SET updated_at = ?2, last_seen_at = max(last_seen_at, ?2), version = version + 1 WHERE pk = ?1";
const CHANGED: &str = "UPDATE device SET updated_at = ?2, version = version + 1 WHERE pk = ?1";
const FORGET: &str = "DELETE FROM device_token WHERE device_pk = ?1 AND kind = ?2";
const FORGET_ALL: &str = "DELETE FROM device_token WHERE device_pk = ?1";
const FORGET_DEAD: &str = "DELETE FROM device_token WHERE device_pk = ?1 AND kind = ?2 AND token_hash = ?3 AND seen_at <= ?4";
const CORRECT: &str =
    "UPDATE device_token SET environment = ?4 WHERE device_pk = ?1 AND kind = ?2 AND token_hash = ?3 AND environment <> ?4";
pub(super) const ADDRESSES: &str = "SELECT json_group_array(json_array(k.device_pk, k.kind, k.token, hex(k.token_hash), k.environment)) \
                                    FROM json_each(?1) j CROSS JOIN device_token k ON k.device_pk = j.value ->> 0 AND k.kind = j.value ->> 1";

#[async_trait]
impl DeviceTokens for SqliteStore {
    async fn put_token(&self, app: AppId, device: &str, kind: &TokenKind, change: TokenChange, if_match: Option<i64>) -> Result<Addressed> {
        let (device, kind) = (device.to_owned(), kind.clone());
        let put = async move |mut tx: Tx<'_>| put(&mut tx, (app, &device), (&kind, &change), if_match).await;
        self.write(move |tx| Box::pin(async move { put(tx).await })).await
    }

    async fn delete_token(&self, app: AppId, device: &str, kind: &TokenKind, by: &Principal) -> Result<bool> {
        let (device, kind, by) = (device.to_owned(), kind.clone(), by.clone());
        let delete = async move |mut tx: Tx<'_>| delete(&mut tx, (app, &device), &kind, &by).await;
        self.write(move |tx| Box::pin(async move { delete(tx).await })).await
    }

    async fn tokens(&self, app: AppId, device: &str) -> Result<Vec<DeviceToken>> {
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, OF_NAME, |binds| {
            binds.push(app.0).push(device);
        });
        rows.await?.iter().map(read).collect()
    }
}

async fn one(tx: &mut Tx<'_>, app: AppId, name: &str) -> Result<Option<Device>> {
    let row = fetch_one(tx.conn, BY_NAME, |binds| {
        binds.push(app.0).push(name);
    });
    row.await?.as_ref().map_or(Ok(None), |row| device_row::read(row, tx.seal))
}

fn read(row: &SqliteRow) -> Result<DeviceToken> {
    let cells = Cells::new(row, "device_token", 0);
    Ok(DeviceToken {
        kind: cells.word(1, "kind", |text| TokenKind::parse(text).ok())?,
        token_hash: TokenHash(cells.hash(2, "token_hash")?),
        environment: cells.word(3, "environment", environment)?,
        seen_at: cells.instant(4, "seen_at")?,
    })
}

async fn put(
    tx: &mut Tx<'_>,
    (app, name): (AppId, &str),
    (kind, change): (&TokenKind, &TokenChange),
    if_match: Option<i64>,
) -> Result<Addressed> {
    let device = one(tx, app, name).await?.filter(|device| change.by.owns(device));
    let Some(device) = device else { return Ok(Addressed::NoDevice) };
    if if_match.is_some_and(|version| version != device.version) {
        return Ok(Addressed::Stale);
    }
    if change.token.provider() != device.provider {
        return Ok(Addressed::TokenOfOtherProvider);
    }
    let rows = fetch(tx.conn, OF_DEVICE, |binds| {
        binds.push(device.pk.0);
    });
    let held: Vec<DeviceToken> = rows.await?.iter().map(read).collect::<Result<_>>()?;
    let now = instant(tx.now).unwrap_or_default();
    let new = changed(&device, &held, (kind, change), now);
    take(tx, app, &device, &new).await?;
    for kind in crowded_out(&held, kind) {
        forget(tx, device.pk, &kind).await?;
    }
    let text = address_text(tx.seal, (device.pk, kind), &change.token)?;
    execute(tx.conn, PUT, |binds| {
        binds.push(device.pk.0).push(kind.to_string()).push(app.0).push(&text).push(new.token_hash.0.as_slice());
        binds.push(new.environment.as_str()).push(tx.now);
    })
    .await?;
    execute(tx.conn, SEEN, |binds| {
        binds.push(device.pk.0).push(tx.now);
    })
    .await?;
    let device = Device { updated_at: now, last_seen_at: device.last_seen_at.max(now), version: device.version + 1, ..device };
    let known = held.iter().any(|token| token.kind == *kind);
    Ok(if known { Addressed::Updated(Box::new(device), new) } else { Addressed::Created(Box::new(device), new) })
}

async fn delete(tx: &mut Tx<'_>, (app, name): (AppId, &str), kind: &TokenKind, by: &Principal) -> Result<bool> {
    let Some(device) = one(tx, app, name).await?.filter(|device| by.owns(device)) else { return Ok(false) };
    if !forget(tx, device.pk, kind).await? {
        return Ok(false);
    }
    touch(tx, device.pk).await?;
    Ok(true)
}

/// Takes an address from other devices that have it.
async fn take(tx: &mut Tx<'_>, app: AppId, device: &Device, new: &DeviceToken) -> Result<()> {
    execute(tx.conn, LOSERS, |binds| {
        binds.push(app.0).push(new.token_hash.0.as_slice()).push(device.pk.0).push(tx.now);
    })
    .await?;
    execute(tx.conn, MOVE, |binds| {
        binds.push(app.0).push(new.token_hash.0.as_slice()).push(device.pk.0);
    })
    .await?;
    Ok(())
}

async fn forget(tx: &mut Tx<'_>, device: DevicePk, kind: &TokenKind) -> Result<bool> {
    let forgotten = execute(tx.conn, FORGET, |binds| {
        binds.push(device.0).push(kind.to_string());
    });
    Ok(forgotten.await? > 0)
}

/// Forgets all of a device's: it is another's now.
pub(super) async fn forget_all(tx: &mut Tx<'_>, device: DevicePk) -> Result<()> {
    execute(tx.conn, FORGET_ALL, |binds| {
        binds.push(device.0);
    })
    .await?;
    Ok(())
}

async fn touch(tx: &mut Tx<'_>, device: DevicePk) -> Result<()> {
    execute(tx.conn, CHANGED, |binds| {
        binds.push(device.0).push(tx.now);
    })
    .await?;
    Ok(())
}

/// Forgets the address that a verdict is about, unless it was registered anew since.
pub(super) async fn forget_dead(tx: &mut Tx<'_>, (device, kind): (DevicePk, &TokenKind), death: &Death) -> Result<()> {
    let forgotten = execute(tx.conn, FORGET_DEAD, |binds| {
        binds.push(device.0).push(kind.to_string()).push(death.token_hash.0.as_slice()).push(micros(death.since));
    });
    if forgotten.await? > 0 { touch(tx, device).await } else { Ok(()) }
}

/// Sets an address right that Apple's other service knows.
pub(super) async fn correct(tx: &mut Tx<'_>, kind: &TokenKind, correction: &Correction) -> Result<()> {
    let corrected = execute(tx.conn, CORRECT, |binds| {
        binds.push(correction.device.0).push(kind.to_string()).push(correction.token_hash.0.as_slice());
        binds.push(correction.environment.as_str());
    });
    if corrected.await? > 0 { touch(tx, correction.device).await } else { Ok(()) }
}

/// Fills in the addresses that work is for, where it is not for the ordinary ones. That is the one statement more that such work costs.
pub(super) async fn fill_in(conn: &mut SqliteConnection, seal: &Seal, asks: &[Ask], answers: &mut [Answer]) -> Result<()> {
    let found = addresses(conn, seal, &to_readdress(asks, answers)).await?;
    readdress(asks, answers, &found);
    Ok(())
}

/// Addresses by device and kind. Devices that have none of a kind are absent.
pub(super) async fn addresses(
    conn: &mut SqliteConnection,
    seal: &Seal,
    wanted: &[(DevicePk, TokenKind)],
) -> Result<HashMap<(DevicePk, TokenKind), Address>> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let list = List::of(wanted.iter().map(|(device, kind)| format!("[{},\"{kind}\"]", device.0)));
    let rows = fetch_list::<(i64, String, String, String, Environment)>(conn, ADDRESSES, "device_token", |binds| {
        binds.push(&list);
    });
    let read = |(device, kind, text, hash, environment): (i64, String, String, String, Environment)| {
        let unreadable = |column| Error::Unreadable { table: "device_token", column, row: device.to_string() };
        let kind = TokenKind::parse(&kind).map_err(|_| unreadable("kind"))?;
        let hash = hex::decode(hash).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| unreadable("token_hash"))?;
        let token = address_token(seal, (DevicePk(device), &kind), &text).ok_or_else(|| unreadable("token"))?;
        Ok(((DevicePk(device), kind), Address { token, token_hash: TokenHash(hash), environment }))
    };
    rows.await?.into_iter().map(read).collect()
}
