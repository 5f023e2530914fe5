//! Preferences of a device on which nobody is signed in.

use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::person::{DevicePreferencesPut, Versioned};
use super::super::rules::versions;
use super::batch::{execute, fetch_one};
use super::client_token::held_device;
use super::row::{Cells, to_document};
use super::tx::Tx;
use crate::domain::id::{AppId, DevicePk};
use crate::domain::preferences::Preferences;

pub(super) const GET: &str = "SELECT person_pk, preferences::text, preferences_version FROM device WHERE app = $1 AND name = $2";
const HELD: &str = "SELECT person_pk, preferences::text, preferences_version FROM device WHERE pk = $1";
const PUT: &str = "UPDATE device SET preferences = $2::json, preferences_version = $3 WHERE pk = $1";

/// What they are; `None`: somebody is signed in on it.
pub(super) async fn get(conn: &mut PgConnection, app: AppId, device: &str) -> Result<Option<Versioned<Preferences>>> {
    let row = fetch_one(conn, GET, |binds| {
        binds.push(app.0).push(device);
    });
    own(row.await?.as_ref())
}

fn own(row: Option<&PgRow>) -> Result<Option<Versioned<Preferences>>> {
    let Some(row) = row else { return Ok(Some(Versioned { value: Preferences::default(), version: 0 })) };
    let cells = Cells::new(row, "device", 0);
    if !cells.is_null(0) {
        return Ok(None);
    }
    let value = cells.maybe_document(1, "preferences")?.unwrap_or_default();
    Ok(Some(Versioned { value, version: cells.get(2, "preferences_version")? }))
}

/// Writes them; the row of the device is locked, and made where there is none.
pub(super) async fn put(
    tx: &mut Tx,
    (app, device): (AppId, &str),
    value: &Preferences,
    if_match: Option<i64>,
) -> Result<DevicePreferencesPut> {
    let DevicePk(pk) = held_device(tx, app, device).await?;
    let row = fetch_one(tx, HELD, |binds| {
        binds.push(pk);
    });
    let Some(old) = own(row.await?.as_ref())? else { return Ok(DevicePreferencesPut::SignedIn) };
    if if_match.is_some_and(|version| version != old.version) {
        return Ok(DevicePreferencesPut::Stale);
    }
    let (text, version) = (to_document(value)?, versions::after(old.version, tx.now.timestamp_micros()));
    execute(tx, PUT, |binds| {
        binds.push(pk).push(&text).push(version);
    })
    .await?;
    Ok(DevicePreferencesPut::Written(Versioned { value: value.clone(), version }))
}
