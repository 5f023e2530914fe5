//! Lanes that are paused.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::pause::{LanePause, Pauses};
use super::super::rules::pauses::{self, part_text};
use super::super::rules::webhook_items::Fact;
use super::SqliteStore;
use super::batch::{Binds, Tuples, execute, fetch, no_lead};
use super::row::{Cells, instant};
use super::webhook_items;
use crate::domain::device::ProviderKind;
use crate::domain::id::AppId;

const ALL: &str = "SELECT app, provider, environment, part, credential, reason FROM lane_pause";
const ADD: Tuples = Tuples {
    head: "INSERT INTO lane_pause (app, provider, environment, part, credential, reason, paused_at) VALUES ",
    width: 7,
    tail: " ON CONFLICT DO NOTHING RETURNING app, provider, environment, part, credential, reason",
};
const END: &str = "DELETE FROM lane_pause WHERE app = ?1 AND provider = ?2";

#[async_trait]
impl Pauses for SqliteStore {
    async fn lane_pauses(&self) -> Result<Vec<LanePause>> {
        let mut tx = self.read().await?;
        fetch(&mut tx, ALL, no_lead).await?.iter().map(read).collect()
    }

    async fn pause_lanes(&self, pauses: &[LanePause]) -> Result<()> {
        let pauses = pauses.to_vec();
        self.write(move |mut tx| {
            Box::pin(async move {
                let now = tx.now;
                let add = |binds: &mut Binds, pause: &LanePause| {
                    binds.push(pause.app.0).push(pause.provider.as_str()).push(pause.environment.as_str());
                    binds.push(part_text(pause.part)).push(pause.credential.to_vec()).push(pause.reason.clone()).push(now);
                };
                let rows = ADD.fetch(tx.conn, &pauses, no_lead, add).await?;
                let new: Vec<LanePause> = rows.iter().map(read).collect::<Result<_>>()?;
                let at = instant(now).unwrap_or_default();
                let news: Vec<Fact<'_>> = new.iter().map(|pause| Fact::Lane { pause, at }).collect();
                webhook_items::tell(&mut tx, &news).await
            })
        })
        .await
    }

    async fn resume_lanes(&self, app: AppId, provider: ProviderKind) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let end = execute(tx.conn, END, |binds| {
                    binds.push(app.0).push(provider.as_str());
                });
                end.await?;
                Ok(())
            })
        })
        .await
    }
}

fn read(row: &SqliteRow) -> Result<LanePause> {
    let cells = Cells::new(row, "lane_pause", 0);
    let lane = pauses::lane(cells.get(1, "provider")?, cells.get(2, "environment")?, cells.get(3, "part")?);
    let (provider, environment, part) = lane.map_err(|column| cells.unreadable(column))?;
    let credential: &[u8] = cells.get(4, "credential")?;
    let credential = credential.try_into().map_err(|_| cells.unreadable("credential"))?;
    Ok(LanePause { app: AppId(cells.get(0, "app")?), provider, environment, part, credential, reason: cells.get(5, "reason")? })
}
