//! Verdicts over tokens: a device that has another token by now was not meant.

use std::collections::{BTreeSet, HashMap};

use super::super::Result;
use super::super::engine::{Death, Record};
use super::super::rules::webhook_items::Fact;
use super::super::rules::words::{inactive_reason, inactive_reason_text};
use super::batch::{Binds, fetch};
use super::device_token;
use super::row::Cells;
use super::tx::Tx;
use crate::domain::Timestamp;
use crate::domain::device::{InactiveReason, TokenHash};
use crate::domain::id::{AppId, DevicePk};
use crate::domain::token_kind::TokenKind;

/// The devices are locked, so that a registration comes wholly before the verdict or wholly after it.
pub(super) const TOKENS: &str = "SELECT d.pk, d.token_hash FROM unnest($1::bigint[]) AS ask (pk) CROSS JOIN LATERAL \
                      (SELECT d.pk, d.token_hash FROM device d WHERE d.pk = ask.pk AND d.token IS NOT NULL LIMIT 1 FOR UPDATE) d";
pub(super) const DEACTIVATE: &str = "UPDATE device d SET status = 'inactive', inactive_reason = dead.reason, updated_at = $1, version = d.version + 1 \
                          FROM unnest($2::bigint[], $3::bytea[], $4::timestamptz[], $5::text[]) AS dead (pk, hash, since, reason) \
                          WHERE d.pk = dead.pk AND d.token_hash = dead.hash AND d.token_seen_at <= dead.since AND coalesce(d.status, '') = 'active' \
                          RETURNING d.pk, d.app, d.inactive_reason";
/// Verdicts that are to be written, in two kinds.
#[derive(Default)]
pub(super) struct Judged<'r> {
    /// The token is still the device's: a fact.
    pub(super) meant: Vec<&'r Death>,
    /// The device has another token by now: no outcome.
    pub(super) again: Vec<&'r Death>,
}

/// Reads and locks all devices that a record judges or corrects, in the order of their keys, and tells the verdicts apart.
pub(super) async fn judge<'r>(tx: &mut Tx, record: &'r Record) -> Result<Judged<'r>> {
    let judged = record.deaths.iter().filter_map(|death| death.delivery.target.as_device());
    let devices: BTreeSet<i64> = judged.chain(record.corrections.iter().map(|correction| correction.device)).map(|pk| pk.0).collect();
    if devices.is_empty() && record.deaths.is_empty() {
        return Ok(Judged::default());
    }
    let tokens = tokens(tx, devices).await?;
    let seal = tx.seal.clone();
    let others = device_token::addresses(tx, &seal, &others(&record.deaths)).await?;
    let outlived = |death: &&Death| {
        let Some(device) = death.delivery.target.as_device() else { return false };
        let present = match &death.token_kind {
            None => tokens.get(&device).copied(),
            Some(kind) => others.get(&(device, kind.clone())).map(|address| address.token_hash),
        };
        present.is_some_and(|hash| hash != death.token_hash)
    };
    let (again, meant) = record.deaths.iter().partition(outlived);
    Ok(Judged { meant, again })
}

/// The addresses that are judged and are no ordinary ones.
fn others(deaths: &[Death]) -> Vec<(DevicePk, TokenKind)> {
    deaths.iter().filter_map(|death| Some((death.delivery.target.as_device()?, death.token_kind.clone()?))).collect()
}

async fn tokens(tx: &mut Tx, devices: BTreeSet<i64>) -> Result<HashMap<DevicePk, TokenHash>> {
    let rows = fetch(tx, TOKENS, |binds| {
        binds.push(devices.into_iter().collect::<Vec<i64>>());
    });
    let read = |row| {
        let cells = Cells::new(row, "device", 0);
        Ok((DevicePk(cells.get(0, "pk")?), TokenHash(cells.hash(1, "token_hash")?)))
    };
    rows.await?.iter().map(read).collect()
}

/// Deactivates devices whose token was not registered anew since; which. Of other addresses only they are forgotten.
pub(super) async fn deactivate(tx: &mut Tx, meant: &[&Death]) -> Result<Vec<Fact<'static>>> {
    device_token::forget_dead(tx, meant).await?;
    // of several verdicts over one token the one that reaches furthest counts
    let mut dead: HashMap<(i64, TokenHash), (Timestamp, InactiveReason)> = HashMap::new();
    for death in meant.iter().filter(|death| death.token_kind.is_none()) {
        let (Some(reason), Some(device)) = (death.deactivate, death.delivery.target.as_device()) else { continue };
        let known = dead.entry((device.0, death.token_hash)).or_insert((death.since, reason));
        if death.since > known.0 {
            *known = (death.since, reason);
        }
    }
    if dead.is_empty() {
        return Ok(Vec::new());
    }
    let now = tx.now;
    let bind = |binds: &mut Binds| {
        binds.push(now);
        binds.push(dead.keys().map(|(device, _)| *device).collect::<Vec<i64>>());
        binds.push(dead.keys().map(|(_, hash)| hash.0.as_slice()).collect::<Vec<&[u8]>>());
        binds.push(dead.values().map(|(since, _)| *since).collect::<Vec<Timestamp>>());
        binds.push(dead.values().map(|(_, reason)| inactive_reason_text(*reason)).collect::<Vec<&str>>());
    };
    let rows = fetch(tx, DEACTIVATE, bind).await?;
    let news = |row| {
        let cells = Cells::new(row, "device", 0);
        let (app, device) = (AppId(cells.get(1, "app")?), DevicePk(cells.get(0, "pk")?));
        Ok(Fact::Deactivated { app, device, reason: cells.word(2, "inactive_reason", inactive_reason)?, at: now })
    };
    rows.iter().map(news).collect()
}
