//! What keeps the tables small: `work` is emptied and filled so fast that the server's own vacuum, which naps for a minute, comes too late.

use std::time::Duration;

use sqlx::{Executor, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use super::super::Result;
use super::batch::{fetch_one, nothing};
use super::fault::fault;
use super::row::Cells;

/// How often a node looks.
const EVERY: Duration = Duration::from_secs(2);
/// Whether nobody vacuumed it in the last few seconds, and there is something to do.
const IS_DUE: &str = "SELECT coalesce(greatest(last_vacuum, last_autovacuum) < clock_timestamp() - interval '4 s', true) AND n_dead_tup > 500 \
                      FROM pg_stat_user_tables WHERE relid = 'work'::regclass";
/// Not while another node does, and without the lock that giving room back would need.
const VACUUM: &str = "VACUUM (SKIP_LOCKED, TRUNCATE FALSE) work";
/// A large table takes longer than any other statement may.
const PATIENCE: &str = "SET statement_timeout = 0";
const IMPATIENCE: &str = "RESET statement_timeout";

/// Vacuums `work` whenever no other node did, until the store is dropped.
pub(super) async fn run(pool: PgPool, ended: CancellationToken) {
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let Ok(mut conn) = pool.acquire().await else { continue };
        if let Err(error) = vacuum(&mut conn).await {
            tracing::debug!(error = %error, "work cannot be vacuumed now");
            conn.close_on_drop();
        }
    }
}

async fn vacuum(conn: &mut PgConnection) -> Result<()> {
    let row = fetch_one(conn, IS_DUE, nothing).await?;
    let is_due = row.map_or(Ok(false), |row| Cells::new(&row, "work", 0).get(0, "n_dead_tup"))?;
    if is_due {
        for text in [PATIENCE, VACUUM, IMPATIENCE] {
            conn.execute(sqlx::raw_sql(text)).await.map_err(fault)?;
        }
    }
    Ok(())
}
