//! When phones were last seen, beside their registrations.

use super::super::Result;
use super::super::device::SEEN_EVERY;
use super::PostgresStore;
use super::batch::{execute, fetch_one};
use super::row::Cells;
use super::tx::{reading, transaction};
use crate::domain::Timestamp;
use crate::domain::id::AppId;

pub(super) const LAST: &str = "SELECT pk FROM device WHERE app = $1 AND name = $2 AND token IS NOT NULL AND last_seen_at <= $3";
pub(super) const NOTE: &str = "UPDATE device SET last_seen_at = $2 WHERE pk = $1 AND last_seen_at <= $3";

/// Notes that a device was seen, unless that was noted lately.
pub(super) async fn note(store: &PostgresStore, app: AppId, name: &str, at: Timestamp) -> Result<()> {
    let row = reading!(store.callers, conn => fetch_one(&mut conn, LAST, |binds| {
        binds.push(app.0).push(name).push(at - SEEN_EVERY);
    }));
    let Some(row) = row? else { return Ok(()) };
    let device: i64 = Cells::new(&row, "device", 0).get(0, "pk")?;
    transaction!(store.callers, tx => async {
        let at = at.min(tx.now);
        execute(&mut tx, NOTE, |binds| {
            binds.push(device).push(at).push(at - SEEN_EVERY);
        })
        .await
    })?;
    Ok(())
}
