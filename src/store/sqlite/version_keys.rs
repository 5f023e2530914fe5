//! The keys of versions that were registered before there were any: made once, when a daemon first opens the database with this schema.

use sqlx::{Connection, SqliteConnection};

use super::super::Result;
use super::super::rules::version_key::{PART, version_key};
use super::batch::{execute, fetch};
use super::fault::fault;
use super::row::Cells;
use super::work::count;

const WITHOUT: &str = "SELECT pk, app_version, os_version FROM device WHERE (app_version IS NOT NULL AND app_version_key IS NULL) \
                                  OR (os_version IS NOT NULL AND os_version_key IS NULL) ORDER BY pk LIMIT ?1";
const FILL: &str = "UPDATE device SET app_version_key = ?2, os_version_key = ?3 WHERE pk = ?1";

/// Makes them, part by part; nobody else has the database.
pub(super) async fn fill(conn: &mut SqliteConnection) -> Result<()> {
    loop {
        let mut tx = conn.begin().await.map_err(fault)?;
        let rows = fetch(&mut tx, WITHOUT, |binds| {
            binds.push(count(PART));
        })
        .await?;
        for row in &rows {
            let cells = Cells::new(row, "device", 0);
            let pk: i64 = cells.get(0, "pk")?;
            let (app, os) = (version_key(cells.get(1, "app_version")?), version_key(cells.get(2, "os_version")?));
            let write = execute(&mut tx, FILL, |binds| {
                binds.push(pk).push(app.as_deref()).push(os.as_deref());
            });
            write.await?;
        }
        tx.commit().await.map_err(fault)?;
        if rows.len() < PART {
            return Ok(());
        }
    }
}
