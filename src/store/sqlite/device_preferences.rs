//! Preferences of a device on which nobody is signed in.

use sqlx::SqliteConnection;

use super::super::Result;
use super::super::person::{DevicePreferencesPut, Versioned};
use super::super::rules::versions;
use super::batch::{execute, fetch_one};
use super::register;
use super::row::{Cells, to_document};
use super::writer::Tx;
use crate::domain::id::AppId;
use crate::domain::preferences::Preferences;

pub(super) const GET: &str = "SELECT person_pk, preferences, preferences_version FROM device WHERE app = ?1 AND name = ?2";
const PUT: &str = "UPDATE device SET preferences = ?2, preferences_version = ?3 WHERE pk = ?1";

/// What they are; `None`: somebody is signed in on it.
pub(super) async fn get(conn: &mut SqliteConnection, app: AppId, device: &str) -> Result<Option<Versioned<Preferences>>> {
    let row = fetch_one(conn, GET, |binds| {
        binds.push(app.0).push(device);
    });
    let Some(row) = row.await? else { return Ok(Some(Versioned { value: Preferences::default(), version: 0 })) };
    let cells = Cells::new(&row, "device", 0);
    if !cells.is_null(0) {
        return Ok(None);
    }
    let value = cells.maybe_document(1, "preferences")?.unwrap_or_default();
    Ok(Some(Versioned { value, version: cells.get(2, "preferences_version")? }))
}

/// Writes them; the row of the device is made where there is none.
pub(super) async fn put(
    tx: &mut Tx<'_>,
    (app, device): (AppId, &str),
    value: Preferences,
    if_match: Option<i64>,
) -> Result<DevicePreferencesPut> {
    let Some(old) = get(tx.conn, app, device).await? else { return Ok(DevicePreferencesPut::SignedIn) };
    if if_match.is_some_and(|version| version != old.version) {
        return Ok(DevicePreferencesPut::Stale);
    }
    let (pk, text, version) = (register::ensure(tx, app, device).await?, to_document(&value)?, versions::after(old.version, tx.now));
    execute(tx.conn, PUT, |binds| {
        binds.push(pk.0).push(&text).push(version);
    })
    .await?;
    Ok(DevicePreferencesPut::Written(Versioned { value, version }))
}
