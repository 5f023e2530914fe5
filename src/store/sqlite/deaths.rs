//! Verdicts over tokens: a device that has another token by now was not meant.

use std::collections::HashMap;

use super::super::Result;
use super::super::engine::Death;
use super::super::rules::counted::Counted;
use super::super::rules::webhook_items::Fact;
use super::super::rules::words::inactive_reason_text;
use super::batch::{execute, fetch};
use super::device_token;
use super::facts::{self, Care};
use super::json::List;
use super::row::{Cells, instant, micros};
use super::writer::Tx;
use crate::domain::delivery::Delivery;
use crate::domain::device::TokenHash;
use crate::domain::id::{DevicePk, NotificationId, Target};
use crate::domain::token_kind::TokenKind;

pub(super) const TOKENS: &str =
    "SELECT d.pk, d.token_hash FROM json_each(?1) j CROSS JOIN device d ON d.pk = j.value WHERE d.token IS NOT NULL";
const DEACTIVATE: &str = "UPDATE device SET status = 'inactive', inactive_reason = ?4, updated_at = ?5, version = version + 1 \
                          WHERE pk = ?1 AND token_hash = ?2 AND token_seen_at <= ?3 AND status = 'active'";
/// What the verdicts came to.
#[derive(Default)]
pub(super) struct Done {
    /// Deliveries that were new.
    pub(super) inserted: usize,
    /// Devices that were deactivated.
    pub(super) deactivated: usize,
    /// These, as webhooks may want to be told of them.
    pub(super) news: Vec<Fact<'static>>,
    /// Targets whose device has another token by now.
    pub(super) outlived: Vec<(NotificationId, Target)>,
}

/// Writes the verdicts: a delivery where the token is still the device's, nothing elsewhere.
pub(super) async fn write<'d>(tx: &mut Tx<'_>, deaths: &'d [Death], care: Care, counted: &mut Counted<'d>) -> Result<Done> {
    if deaths.is_empty() {
        return Ok(Done::default());
    }
    let tokens = tokens(tx, deaths).await?;
    let others = device_token::addresses(tx.conn, tx.seal, &others(deaths)).await?;
    let outlived = |death: &&Death| {
        let Some(device) = death.delivery.target.as_device() else { return false };
        let present = match &death.token_kind {
            None => tokens.get(&device).copied(),
            Some(kind) => others.get(&(device, kind.clone())).map(|address| address.token_hash),
        };
        present.is_some_and(|hash| hash != death.token_hash)
    };
    let (again, meant): (Vec<&Death>, Vec<&Death>) = deaths.iter().partition(outlived);
    let deliveries: Vec<&Delivery> = meant.iter().map(|death| &death.delivery).collect();
    let inserted = facts::insert(tx, &deliveries, care, counted).await?;
    let mut news = Vec::new();
    for death in meant {
        news.extend(deactivate(tx, death).await?);
    }
    let outlived = again.iter().map(|death| (death.delivery.notification, death.delivery.target)).collect();
    Ok(Done { inserted, deactivated: news.len(), news, outlived })
}

/// The addresses that are judged and are no ordinary ones.
fn others(deaths: &[Death]) -> Vec<(DevicePk, TokenKind)> {
    deaths.iter().filter_map(|death| Some((death.delivery.target.as_device()?, death.token_kind.clone()?))).collect()
}

async fn tokens(tx: &mut Tx<'_>, deaths: &[Death]) -> Result<HashMap<DevicePk, TokenHash>> {
    let list = List::of(deaths.iter().filter_map(|death| death.delivery.target.as_device()).map(|pk| pk.0));
    let rows = fetch(tx.conn, TOKENS, |binds| {
        binds.push(&list);
    });
    let read = |row| {
        let cells = Cells::new(row, "device", 0);
        Ok((DevicePk(cells.get(0, "pk")?), TokenHash(cells.hash(1, "token_hash")?)))
    };
    rows.await?.iter().map(read).collect()
}

async fn deactivate(tx: &mut Tx<'_>, death: &Death) -> Result<Option<Fact<'static>>> {
    let (Some(reason), Some(device)) = (death.deactivate, death.delivery.target.as_device()) else { return Ok(None) };
    if let Some(kind) = &death.token_kind {
        device_token::forget_dead(tx, (device, kind), death).await?;
        return Ok(None);
    }
    let changed = execute(tx.conn, DEACTIVATE, |binds| {
        binds.push(device.0).push(death.token_hash.0.as_slice()).push(micros(death.since));
        binds.push(inactive_reason_text(reason)).push(tx.now);
    });
    let news = Fact::Deactivated { app: death.delivery.cohort.app, device, reason, at: instant(tx.now).unwrap_or_default() };
    Ok((changed.await? > 0).then_some(news))
}
