//! A device's other addresses: registered, looked up, forgotten. Whoever writes one has locked its device
//! before; only one that moves is taken from another device by its hash, under the lock of that token.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::device_token::{Addressed, DeviceTokens, TokenChange};
use super::super::engine::{Answer, Ask, Correction, Death};
use super::super::rules::device_tokens::{Address, changed, crowded_out, readdress, to_readdress};
use super::super::rules::kept::{address_text, address_token};
use super::super::rules::words::environment;
use super::super::seal::Seal;
use super::PostgresStore;
use super::batch::{Binds, execute, fetch};
use super::register::{hold_token, locked_device};
use super::row::Cells;
use super::tx::{Tx, reading, transaction};
use crate::domain::Timestamp;
use crate::domain::device::{Device, TokenHash};
use crate::domain::id::{AppId, DevicePk};
use crate::domain::principal::Principal;
use crate::domain::token_kind::{DeviceToken, TokenKind};

pub(super) const OF_DEVICE: &str =
    "SELECT device_pk, kind, token_hash, environment, seen_at FROM device_token WHERE device_pk = $1 ORDER BY kind COLLATE \"C\"";
pub(super) const OF_NAME: &str = "SELECT t.device_pk, t.kind, t.token_hash, t.environment, t.seen_at \
                                  FROM (SELECT pk FROM device WHERE app = $1 AND name = $2 LIMIT 1) d \
                                  CROSS JOIN LATERAL (SELECT * FROM device_token t WHERE t.device_pk = d.pk) t ORDER BY t.kind COLLATE \"C\"";
const PUT: &str = "INSERT INTO device_token (device_pk, kind, app, token, token_hash, environment, seen_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                   ON CONFLICT (device_pk, kind) DO UPDATE SET token = excluded.token, token_hash = excluded.token_hash, \
                   environment = excluded.environment, seen_at = excluded.seen_at";
/// Devices that lose an address are changed, as many times as they lose one.
pub(super) const TAKE: &str = "WITH lost AS (DELETE FROM device_token WHERE app = $2 AND token_hash = $3 AND device_pk <> $4 RETURNING device_pk) \
                               UPDATE device d SET updated_at = $1, version = d.version + loser.n \
                               FROM (SELECT device_pk, count(*) AS n FROM lost GROUP BY device_pk) loser WHERE d.pk = loser.device_pk";
pub(super) const SEEN: &str =
    "UPDATE device SET updated_at = $2, last_seen_at = greatest(last_seen_at, $2), version = version + 1 WHERE pk = $1";
pub(super) const CHANGED: &str = "UPDATE device SET updated_at = $2, version = version + 1 WHERE pk = $1";
pub(super) const FORGET: &str = "DELETE FROM device_token WHERE device_pk = $1 AND kind = $2";
pub(super) const FORGET_ALL: &str = "DELETE FROM device_token WHERE device_pk = $1";
pub(super) const FORGET_DEAD: &str = "WITH dead AS (DELETE FROM device_token t USING unnest($2::bigint[], $3::text[], $4::bytea[], $5::timestamptz[]) \
                                      AS dead (pk, kind, hash, since) WHERE t.device_pk = dead.pk AND t.kind = dead.kind AND t.token_hash = dead.hash \
                                      AND t.seen_at <= dead.since RETURNING t.device_pk) \
                                      UPDATE device d SET updated_at = $1, version = d.version + loser.n \
                                      FROM (SELECT device_pk, count(*) AS n FROM dead GROUP BY device_pk) loser WHERE d.pk = loser.device_pk";
pub(super) const CORRECT: &str = "WITH fixed AS (UPDATE device_token t SET environment = fix.environment FROM unnest($2::bigint[], $3::text[], $4::bytea[], \
                                  $5::text[]) AS fix (pk, kind, hash, environment) WHERE t.device_pk = fix.pk AND t.kind = fix.kind \
                                  AND t.token_hash = fix.hash AND t.environment <> fix.environment RETURNING t.device_pk) \
                                  UPDATE device d SET updated_at = $1, version = d.version + fixed.n \
                                  FROM (SELECT device_pk, count(*) AS n FROM fixed GROUP BY device_pk) fixed WHERE d.pk = fixed.device_pk";
pub(super) const ADDRESSES: &str = "SELECT t.device_pk, t.kind, t.token, t.token_hash, t.environment FROM unnest($1::bigint[], $2::text[]) AS ask (pk, kind) \
                                    CROSS JOIN LATERAL (SELECT * FROM device_token t WHERE t.device_pk = ask.pk AND t.kind = ask.kind LIMIT 1) t";

#[async_trait]
impl DeviceTokens for PostgresStore {
    async fn put_token(&self, app: AppId, device: &str, kind: &TokenKind, change: TokenChange, if_match: Option<i64>) -> Result<Addressed> {
        transaction!(self.callers, tx => put(&mut tx, (app, device), (kind, &change), if_match))
    }

    async fn delete_token(&self, app: AppId, device: &str, kind: &TokenKind, by: &Principal) -> Result<bool> {
        transaction!(self.callers, tx => delete(&mut tx, (app, device), kind, by))
    }

    async fn tokens(&self, app: AppId, device: &str) -> Result<Vec<DeviceToken>> {
        let rows = reading!(self.callers, conn => fetch(&mut conn, OF_NAME, |binds| {
            binds.push(app.0).push(device);
        }));
        rows?.iter().map(read).collect()
    }
}

fn read(row: &PgRow) -> Result<DeviceToken> {
    let cells = Cells::new(row, "device_token", 0);
    Ok(DeviceToken {
        kind: cells.word(1, "kind", |text| TokenKind::parse(text).ok())?,
        token_hash: TokenHash(cells.hash(2, "token_hash")?),
        environment: cells.word(3, "environment", environment)?,
        seen_at: cells.instant(4, "seen_at")?,
    })
}

async fn put(
    tx: &mut Tx,
    (app, name): (AppId, &str),
    (kind, change): (&TokenKind, &TokenChange),
    if_match: Option<i64>,
) -> Result<Addressed> {
    let device = locked_device(tx, app, name).await?.filter(|device| change.by.owns(device));
    let Some(device) = device else { return Ok(Addressed::NoDevice) };
    if if_match.is_some_and(|version| version != device.version) {
        return Ok(Addressed::Stale);
    }
    if change.token.provider() != device.provider {
        return Ok(Addressed::TokenOfOtherProvider);
    }
    let (now, pk) = (tx.now, device.pk);
    let rows = fetch(tx, OF_DEVICE, |binds| {
        binds.push(pk.0);
    });
    let held: Vec<DeviceToken> = rows.await?.iter().map(read).collect::<Result<_>>()?;
    let new = changed(&device, &held, (kind, change), now);
    hold_token(tx, &new.token_hash).await?;
    execute(tx, TAKE, |binds| {
        binds.push(now).push(app.0).push(new.token_hash.0.as_slice()).push(pk.0);
    })
    .await?;
    for kind in crowded_out(&held, kind) {
        forget(tx, pk, &kind).await?;
    }
    let text = address_text(&tx.seal, (pk, kind), &change.token)?;
    execute(tx, PUT, |binds| {
        binds.push(pk.0).push(kind.to_string()).push(app.0).push(&text).push(new.token_hash.0.as_slice());
        binds.push(new.environment.as_str()).push(now);
    })
    .await?;
    execute(tx, SEEN, |binds| {
        binds.push(pk.0).push(now);
    })
    .await?;
    let device = Device { updated_at: now, last_seen_at: device.last_seen_at.max(now), version: device.version + 1, ..device };
    let known = held.iter().any(|token| token.kind == *kind);
    Ok(if known { Addressed::Updated(Box::new(device), new) } else { Addressed::Created(Box::new(device), new) })
}

async fn delete(tx: &mut Tx, (app, name): (AppId, &str), kind: &TokenKind, by: &Principal) -> Result<bool> {
    let Some(device) = locked_device(tx, app, name).await?.filter(|device| by.owns(device)) else { return Ok(false) };
    if !forget(tx, device.pk, kind).await? {
        return Ok(false);
    }
    let now = tx.now;
    execute(tx, CHANGED, |binds| {
        binds.push(device.pk.0).push(now);
    })
    .await?;
    Ok(true)
}

async fn forget(tx: &mut Tx, device: DevicePk, kind: &TokenKind) -> Result<bool> {
    let forgotten = execute(tx, FORGET, |binds| {
        binds.push(device.0).push(kind.to_string());
    });
    Ok(forgotten.await? > 0)
}

/// Forgets all of a device's: it is gone, or another's now.
pub(super) async fn forget_all(tx: &mut Tx, device: DevicePk) -> Result<()> {
    execute(tx, FORGET_ALL, |binds| {
        binds.push(device.0);
    })
    .await?;
    Ok(())
}

/// Forgets addresses that verdicts are about, unless they were registered anew since. Verdicts over ordinary addresses are passed over.
pub(super) async fn forget_dead(tx: &mut Tx, meant: &[&Death]) -> Result<()> {
    let dead = |death: &&Death| {
        let (kind, device) = (death.token_kind.as_ref()?, death.delivery.target.as_device()?);
        death.deactivate.map(|_| (device.0, kind.to_string(), death.token_hash, death.since))
    };
    let dead: Vec<(i64, String, TokenHash, Timestamp)> = meant.iter().filter_map(dead).collect();
    if dead.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    let bind = |binds: &mut Binds| {
        binds.push(now).push(dead.iter().map(|(device, ..)| *device).collect::<Vec<i64>>());
        binds.push(dead.iter().map(|(_, kind, ..)| kind.as_str()).collect::<Vec<&str>>());
        binds.push(dead.iter().map(|(.., hash, _)| hash.0.as_slice()).collect::<Vec<&[u8]>>());
        binds.push(dead.iter().map(|(.., since)| *since).collect::<Vec<Timestamp>>());
    };
    execute(tx, FORGET_DEAD, bind).await?;
    Ok(())
}

/// Sets addresses right that Apple's other service knows. Corrections of ordinary addresses are passed over.
pub(super) async fn correct(tx: &mut Tx, corrections: &[Correction]) -> Result<()> {
    // of several for one address the last counts
    let latest: HashMap<(DevicePk, String), &Correction> =
        corrections.iter().filter_map(|one| Some(((one.device, one.token_kind.as_ref()?.to_string()), one))).collect();
    if latest.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    let bind = |binds: &mut Binds| {
        binds.push(now).push(latest.keys().map(|(device, _)| device.0).collect::<Vec<i64>>());
        binds.push(latest.keys().map(|(_, kind)| kind.as_str()).collect::<Vec<&str>>());
        binds.push(latest.values().map(|one| one.token_hash.0.as_slice()).collect::<Vec<&[u8]>>());
        binds.push(latest.values().map(|one| one.environment.as_str()).collect::<Vec<&str>>());
    };
    execute(tx, CORRECT, bind).await?;
    Ok(())
}

/// Fills in the addresses that work is for, where it is not for the ordinary ones. That is the one statement more that such work costs.
pub(super) async fn fill_in(conn: &mut PgConnection, seal: &Seal, asks: &[Ask], answers: &mut [Answer]) -> Result<()> {
    let found = addresses(conn, seal, &to_readdress(asks, answers)).await?;
    readdress(asks, answers, &found);
    Ok(())
}

/// Addresses by device and kind. Devices that have none of a kind are absent.
pub(super) async fn addresses(
    conn: &mut PgConnection,
    seal: &Seal,
    wanted: &[(DevicePk, TokenKind)],
) -> Result<HashMap<(DevicePk, TokenKind), Address>> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = fetch(conn, ADDRESSES, |binds| {
        binds.push(wanted.iter().map(|(device, _)| device.0).collect::<Vec<i64>>());
        binds.push(wanted.iter().map(|(_, kind)| kind.to_string()).collect::<Vec<String>>());
    });
    let read = |row| {
        let cells = Cells::new(row, "device_token", 0);
        let (device, kind) = (DevicePk(cells.get(0, "device_pk")?), cells.word(1, "kind", |text| TokenKind::parse(text).ok())?);
        let token = address_token(seal, (device, &kind), cells.get(2, "token")?).ok_or_else(|| cells.unreadable("token"))?;
        let token_hash = TokenHash(cells.hash(3, "token_hash")?);
        Ok(((device, kind), Address { token, token_hash, environment: cells.word(4, "environment", environment)? }))
    };
    rows.await?.iter().map(read).collect()
}
