//! Lanes that are paused.

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::pause::{LanePause, Pauses};
use super::super::rules::pauses::{self, part_text};
use super::super::rules::webhook_items::Fact;
use super::PostgresStore;
use super::batch::{Binds, execute, fetch, nothing};
use super::row::Cells;
use super::tx::{Tx, reading, transaction};
use super::webhook_items;
use crate::domain::device::ProviderKind;
use crate::domain::id::AppId;

const ALL: &str = "SELECT app, provider, environment, part, credential, reason FROM lane_pause";
const ADD: &str = "INSERT INTO lane_pause (app, provider, environment, part, credential, reason, paused_at) \
                   SELECT new.app, new.provider, new.environment, new.part, new.credential, new.reason, now() \
                   FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[]) \
                   AS new (app, provider, environment, part, credential, reason) \
                   ORDER BY 1, 2, 3, 4, 5 ON CONFLICT DO NOTHING RETURNING app, provider, environment, part, credential, reason";
const END: &str = "DELETE FROM lane_pause WHERE app = $1 AND provider = $2";

#[async_trait]
impl Pauses for PostgresStore {
    async fn lane_pauses(&self) -> Result<Vec<LanePause>> {
        let rows = reading!(self.engine, conn => fetch(&mut conn, ALL, nothing));
        rows?.iter().map(read).collect()
    }

    async fn pause_lanes(&self, pauses: &[LanePause]) -> Result<()> {
        transaction!(self.engine, tx => pause(&mut tx, pauses))
    }

    async fn resume_lanes(&self, app: AppId, provider: ProviderKind) -> Result<()> {
        transaction!(self.callers, tx => execute(&mut tx, END, |binds| {
            binds.push(app.0).push(provider.as_str());
        }))?;
        Ok(())
    }
}

async fn pause(tx: &mut Tx, pauses: &[LanePause]) -> Result<()> {
    let bind = |binds: &mut Binds| {
        binds.push(pauses.iter().map(|pause| pause.app.0).collect::<Vec<i64>>());
        binds.push(pauses.iter().map(|pause| pause.provider.as_str()).collect::<Vec<&str>>());
        binds.push(pauses.iter().map(|pause| pause.environment.as_str()).collect::<Vec<&str>>());
        binds.push(pauses.iter().map(|pause| part_text(pause.part)).collect::<Vec<&str>>());
        binds.push(pauses.iter().map(|pause| pause.credential.as_slice()).collect::<Vec<&[u8]>>());
        binds.push(pauses.iter().map(|pause| pause.reason.as_str()).collect::<Vec<&str>>());
    };
    let rows = fetch(tx, ADD, bind).await?;
    let new: Vec<LanePause> = rows.iter().map(read).collect::<Result<_>>()?;
    let at = tx.now;
    let news: Vec<Fact<'_>> = new.iter().map(|pause| Fact::Lane { pause, at }).collect();
    webhook_items::tell(tx, &news).await
}

fn read(row: &PgRow) -> Result<LanePause> {
    let cells = Cells::new(row, "lane_pause", 0);
    let lane = pauses::lane(cells.get(1, "provider")?, cells.get(2, "environment")?, cells.get(3, "part")?);
    let (provider, environment, part) = lane.map_err(|column| cells.unreadable(column))?;
    let credential: &[u8] = cells.get(4, "credential")?;
    let credential = credential.try_into().map_err(|_| cells.unreadable("credential"))?;
    Ok(LanePause { app: AppId(cells.get(0, "app")?), provider, environment, part, credential, reason: cells.get(5, "reason")? })
}
