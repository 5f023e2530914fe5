//! When phones were last seen, beside their registrations.

use super::super::Result;
use super::super::device::SEEN_EVERY;
use super::SqliteStore;
use super::batch::{execute, fetch_one};
use super::row::{Cells, micros};
use super::writer::Tx;
use crate::domain::Timestamp;
use crate::domain::id::AppId;

pub(super) const LAST: &str = "SELECT pk FROM device WHERE app = ?1 AND name = ?2 AND token IS NOT NULL AND last_seen_at <= ?3";
const NOTE: &str = "UPDATE device SET last_seen_at = ?2 WHERE pk = ?1 AND last_seen_at <= ?3";

/// Notes that a device was seen, unless that was noted lately.
pub(super) async fn note(store: &SqliteStore, app: AppId, name: &str, at: Timestamp) -> Result<()> {
    let at = micros(at).min(store.now());
    let lately = at - SEEN_EVERY.num_microseconds().unwrap_or_default();
    let row = {
        let mut tx = store.read().await?;
        let row = fetch_one(&mut tx, LAST, |binds| {
            binds.push(app.0).push(name).push(lately);
        });
        row.await?
    };
    let Some(row) = row else { return Ok(()) };
    let device: i64 = Cells::new(&row, "device", 0).get(0, "pk")?;
    let note = async move |tx: Tx<'_>| {
        execute(tx.conn, NOTE, |binds| {
            binds.push(device).push(at).push(lately);
        })
        .await
    };
    store.write(move |tx| Box::pin(async move { note(tx).await })).await?;
    Ok(())
}
