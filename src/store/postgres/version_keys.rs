//! The keys of versions that were registered before there were any: made once, when a daemon first opens the database with this schema.

use sqlx::{Connection, PgConnection};

use super::super::Result;
use super::super::rules::version_key::{PART, version_key};
use super::batch::{count, execute, fetch};
use super::fault::fault;
use super::row::Cells;

/// Locked, so that a phone that registers meanwhile is not overwritten.
pub(super) const WITHOUT: &str = "SELECT pk, app_version, os_version FROM device WHERE pk > $2 AND ((app_version IS NOT NULL AND app_version_key IS NULL) \
                                  OR (os_version IS NOT NULL AND os_version_key IS NULL)) ORDER BY pk LIMIT $1 FOR UPDATE";
pub(super) const FILL: &str = "UPDATE device d SET app_version_key = new.app, os_version_key = new.os \
                               FROM unnest($1::bigint[], $2::text[], $3::text[]) AS new (pk, app, os) WHERE d.pk = new.pk";

/// Makes them, part by part. Several nodes may do so at the same time.
pub(super) async fn fill(conn: &mut PgConnection) -> Result<()> {
    let mut after = 0;
    loop {
        let mut tx = conn.begin().await.map_err(fault)?;
        let rows = fetch(&mut tx, WITHOUT, |binds| {
            binds.push(count(PART)).push(after);
        })
        .await?;
        let Some(last) = rows.last() else {
            if after == 0 {
                return Ok(());
            }
            // what another node was just at is done by now, or left to this one
            after = 0;
            continue;
        };
        after = Cells::new(last, "device", 0).get(0, "pk")?;
        let (mut pks, mut apps, mut systems) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let cells = Cells::new(row, "device", 0);
            pks.push(cells.get::<i64>(0, "pk")?);
            apps.push(version_key(cells.get(1, "app_version")?));
            systems.push(version_key(cells.get(2, "os_version")?));
        }
        execute(&mut tx, FILL, |binds| {
            binds.push(pks).push(apps).push(systems);
        })
        .await?;
        tx.commit().await.map_err(fault)?;
    }
}
