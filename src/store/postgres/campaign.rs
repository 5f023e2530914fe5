//! Campaigns. One is locked before its runs, and those, in the order of their ids, before their work.

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::campaign::{CampaignRun, CampaignStats, Campaigns, Definition, Made, NewRun, Remember, StoredCampaign, Turned};
use super::super::engine::IdempotencyKey;
use super::super::rules::campaigns::{Change, resumed};
use super::super::rules::cursor::{from_text, to_text};
use super::super::rules::webhook_items::Fact;
use super::super::{Error, Page, PageRequest, Result};
use super::batch::{Binds, count, execute, fetch, fetch_one};
use super::campaign_run::{self, Firing};
use super::campaign_stats;
use super::fault::Gone;
use super::row::{Cells, to_document};
use super::tx::{Tx, reading, transaction};
use super::webhook_items;
use super::{PostgresStore, accept, cancel, idempotency};
use crate::domain::Timestamp;
use crate::domain::campaign::CampaignStatus;
use crate::domain::id::{AppId, CampaignId, RunId};
use crate::domain::webhook::EventType;

macro_rules! columns {
    () => {
        "id, app, name, definition::text, plan, status, reason, next_fire, version, created_at, updated_at"
    };
}
const ADD: &str = concat!(
    "INSERT INTO campaign (app, id, name, definition, plan, status, version, created_at, updated_at) \
     VALUES ($1, $2, $3, $4::json, $5, 'draft', 1, $6, $6) RETURNING ",
    columns!()
);
pub(super) const ONE: &str = concat!("SELECT ", columns!(), " FROM campaign WHERE id = $2 AND app = $1");
pub(super) const LOCKED: &str = concat!("SELECT ", columns!(), " FROM campaign WHERE id = $2 AND app = $1 FOR UPDATE");
pub(super) const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM campaign WHERE app = $1 AND id < $2 AND ($3::text IS NULL OR status = $3) ORDER BY id DESC LIMIT $4"
);
pub(super) const DUE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM campaign WHERE status IN ('scheduled', 'running') AND next_fire IS NOT NULL AND next_fire <= $1 AND app = ANY($3::bigint[]) ORDER BY next_fire, id LIMIT $2"
);
/// A draft has no run to come.
pub(super) const PUT: &str = concat!(
    "UPDATE campaign SET name = $3, definition = $4::json, plan = $5, \
     next_fire = CASE status WHEN 'scheduled' THEN coalesce($6, next_fire) END, version = version + 1, updated_at = $7 \
     WHERE id = $2 AND app = $1 RETURNING ",
    columns!()
);
pub(super) const TURN: &str = concat!(
    "UPDATE campaign SET status = $3, next_fire = $4, reason = NULL, version = version + 1, updated_at = $5 WHERE id = $2 AND app = $1 RETURNING ",
    columns!()
);
pub(super) const DELETE: &str = "DELETE FROM campaign WHERE id = $2 AND app = $1";
pub(super) const STOP: &str = "UPDATE campaign SET status = 'paused', reason = $4, version = version + 1, updated_at = $5 \
                               WHERE id = $2 AND app = $1 AND version = $3 AND next_fire IS NOT NULL AND status IN ('scheduled', 'running')";
pub(super) const SETTLE: &str = "UPDATE campaign SET status = 'done', version = version + 1, updated_at = $1 FROM \
                                 (SELECT c.id FROM campaign c WHERE c.status = 'running' AND c.next_fire IS NULL AND NOT EXISTS \
                                 (SELECT 1 FROM run r WHERE r.campaign = c.id AND r.open) FOR UPDATE SKIP LOCKED) over WHERE campaign.id = over.id RETURNING campaign.id, campaign.app";

fn read(row: &PgRow) -> Result<StoredCampaign> {
    let cells = Cells::new(row, "campaign", 0);
    let plan: Vec<u8> = cells.get(4, "plan")?;
    Ok(StoredCampaign {
        id: CampaignId(cells.get(0, "id")?),
        definition: Definition { name: cells.get(2, "name")?, given: cells.document(3, "definition")?, plan: plan.into() },
        status: cells.word(5, "status", CampaignStatus::parse)?,
        reason: cells.get(6, "reason")?,
        next_fire: cells.maybe_instant(7, "next_fire")?,
        version: cells.get(8, "version")?,
        created_at: cells.instant(9, "created_at")?,
        updated_at: cells.instant(10, "updated_at")?,
    })
}

/// Binds which campaign is meant.
pub(super) fn named(app: AppId, id: CampaignId) -> impl FnOnce(&mut Binds) + Send {
    move |binds| {
        binds.push(app.0).push(id.0);
    }
}

/// One of them.
pub(super) async fn one(conn: &mut PgConnection, app: AppId, id: CampaignId) -> Result<Option<StoredCampaign>> {
    fetch_one(conn, ONE, named(app, id)).await?.as_ref().map(read).transpose()
}

/// Locks a campaign for a change; else what the change comes to.
async fn locked(tx: &mut Tx, app: AppId, id: CampaignId, change: Change) -> Result<Result<StoredCampaign, Turned>> {
    let campaign = fetch_one(tx, LOCKED, named(app, id)).await?.as_ref().map(read).transpose()?;
    Ok(change.judge(campaign))
}

/// What a statement made of the campaign that it named.
async fn written(tx: &mut Tx, text: &'static str, bind: impl FnOnce(&mut Binds) + Send) -> Result<StoredCampaign> {
    let row = fetch_one(tx, text, bind).await?.ok_or_else(|| Error::Refused(Box::new(Gone)))?;
    read(&row)
}

async fn turn(tx: &mut Tx, app: AppId, id: CampaignId, (status, next_fire): (CampaignStatus, Option<Timestamp>)) -> Result<Turned> {
    let now = tx.now;
    let campaign = written(tx, TURN, |binds| {
        named(app, id)(binds);
        binds.push(status.as_str()).push(next_fire).push(now);
    });
    Ok(Turned::Done(Box::new(campaign.await?)))
}

async fn create(tx: &mut Tx, (app, id): (AppId, CampaignId), definition: &Definition, remember: Option<&Remember>) -> Result<Made> {
    let (given, now) = (to_document(&definition.given)?, tx.now);
    let asked: Vec<&IdempotencyKey> = remember.iter().map(|remember| &remember.key).collect();
    let mut keys = idempotency::find(tx, now, &asked).await?;
    if let Some(made) = keys.judge_campaign(remember) {
        return Ok(made);
    }
    let campaign = written(tx, ADD, |binds| {
        named(app, id)(binds);
        binds.push(&definition.name).push(given).push(definition.plan.as_ref()).push(now);
    });
    let campaign = campaign.await?;
    keys.made(&campaign, remember);
    idempotency::remember(tx, &keys).await?;
    Ok(Made::New(Box::new(campaign)))
}

async fn put(
    tx: &mut Tx,
    (app, id): (AppId, CampaignId),
    definition: &Definition,
    next_fire: Option<Timestamp>,
    if_match: Option<i64>,
) -> Result<Turned> {
    if let Err(turned) = locked(tx, app, id, Change::Put { if_match }).await? {
        return Ok(turned);
    }
    let (given, now) = (to_document(&definition.given)?, tx.now);
    let campaign = written(tx, PUT, |binds| {
        named(app, id)(binds);
        binds.push(&definition.name).push(given).push(definition.plan.as_ref()).push(next_fire).push(now);
    });
    Ok(Turned::Done(Box::new(campaign.await?)))
}

async fn delete(tx: &mut Tx, app: AppId, id: CampaignId) -> Result<Turned> {
    let campaign = match locked(tx, app, id, Change::Delete).await? {
        Ok(campaign) => campaign,
        Err(turned) => return Ok(turned),
    };
    execute(tx, DELETE, named(app, id)).await?;
    Ok(Turned::Done(Box::new(campaign)))
}

async fn start(tx: &mut Tx, app: AppId, id: CampaignId, (version, next_fire): (i64, Timestamp)) -> Result<Turned> {
    match locked(tx, app, id, Change::Start { version }).await? {
        Ok(_) => turn(tx, app, id, (CampaignStatus::Scheduled, Some(next_fire))).await,
        Err(turned) => Ok(turned),
    }
}

async fn pause(tx: &mut Tx, app: AppId, id: CampaignId) -> Result<Turned> {
    let campaign = match locked(tx, app, id, Change::Pause).await? {
        Ok(campaign) => campaign,
        Err(turned) => return Ok(turned),
    };
    campaign_run::pause_open(tx, app, id).await?;
    let turned = turn(tx, app, id, (CampaignStatus::Paused, campaign.next_fire)).await?;
    campaign_run::tell_paused(tx, (app, id), None).await?;
    Ok(turned)
}

async fn resume(tx: &mut Tx, app: AppId, id: CampaignId) -> Result<Turned> {
    let campaign = match locked(tx, app, id, Change::Resume).await? {
        Ok(campaign) => campaign,
        Err(turned) => return Ok(turned),
    };
    for run in campaign_run::open(tx, id).await? {
        cancel::resume(tx, app, run).await?;
    }
    let has_run = !campaign_run::before(tx, id, Uuid::max(), 1).await?.is_empty();
    turn(tx, app, id, (resumed(has_run), campaign.next_fire)).await
}

async fn give_up(tx: &mut Tx, app: AppId, id: CampaignId) -> Result<Turned> {
    if let Err(turned) = locked(tx, app, id, Change::Cancel).await? {
        return Ok(turned);
    }
    for run in campaign_run::open(tx, id).await? {
        cancel::cancel(tx, app, run).await?;
    }
    turn(tx, app, id, (CampaignStatus::Cancelled, None)).await
}

async fn list(conn: &mut PgConnection, app: AppId, status: Option<CampaignStatus>, page: &PageRequest) -> Result<Page<StoredCampaign>> {
    let before = page.after.as_deref().map_or(Ok(Uuid::max()), from_text::<Uuid>)?;
    let rows = fetch(conn, LIST, |binds| {
        binds.push(app.0).push(before).push(status.map(CampaignStatus::as_str)).push(count(page.limit + 1));
    });
    let mut items: Vec<StoredCampaign> = rows.await?.iter().map(read).collect::<Result<_>>()?;
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = items.last().filter(|_| more).map(|last| to_text(&last.id.0)).transpose()?;
    Ok(Page { items, next })
}

async fn due(tx: &mut Tx, apps: &[AppId], limit: usize) -> Result<Vec<(AppId, StoredCampaign)>> {
    let now = tx.now;
    let rows = fetch(tx, DUE, |binds| {
        binds.push(now).push(count(limit)).push(apps.iter().map(|app| app.0).collect::<Vec<i64>>());
    });
    rows.await?.iter().map(|row| Ok((AppId(Cells::new(row, "campaign", 0).get(1, "app")?), read(row)?))).collect()
}

async fn stop(tx: &mut Tx, (app, id): (AppId, CampaignId), version: i64, reason: &str) -> Result<bool> {
    let now = tx.now;
    let stopped = execute(tx, STOP, |binds| {
        named(app, id)(binds);
        binds.push(version).push(reason).push(now);
    });
    let stopped = stopped.await? > 0;
    if stopped {
        campaign_run::pause_open(tx, app, id).await?;
        campaign_run::tell_paused(tx, (app, id), Some(reason)).await?;
    }
    Ok(stopped)
}

async fn settle(tx: &mut Tx) -> Result<usize> {
    let now = tx.now;
    let settled = fetch(tx, SETTLE, |binds| {
        binds.push(now);
    });
    let done = |row| {
        let cells = Cells::new(row, "campaign", 0);
        let (campaign, app) = (CampaignId(cells.get(0, "id")?), AppId(cells.get(1, "app")?));
        Ok(Fact::Campaign { app, event: EventType::CampaignDone, campaign, run: None, reason: None, at: now })
    };
    let news: Vec<Fact<'_>> = settled.await?.iter().map(done).collect::<Result<_>>()?;
    webhook_items::tell(tx, &news).await?;
    Ok(news.len())
}

#[async_trait]
impl Campaigns for PostgresStore {
    async fn create_campaign(&self, app: AppId, id: CampaignId, definition: &Definition, remember: Option<Remember>) -> Result<Made> {
        let create = async || transaction!(self.callers, tx => create(&mut tx, (app, id), definition, remember.as_ref()));
        match create().await {
            // somebody remembered the key meanwhile: what was answered is there now
            Err(error) if accept::is_raced(&error) => create().await,
            made => made,
        }
    }

    async fn campaign(&self, app: AppId, id: CampaignId) -> Result<Option<StoredCampaign>> {
        reading!(self.callers, conn => one(&mut conn, app, id))
    }

    async fn campaigns(&self, app: AppId, status: Option<CampaignStatus>, page: &PageRequest) -> Result<Page<StoredCampaign>> {
        reading!(self.callers, conn => list(&mut conn, app, status, page))
    }

    async fn put_campaign(
        &self,
        app: AppId,
        id: CampaignId,
        definition: &Definition,
        next_fire: Option<Timestamp>,
        if_match: Option<i64>,
    ) -> Result<Turned> {
        transaction!(self.callers, tx => put(&mut tx, (app, id), definition, next_fire, if_match))
    }

    async fn delete_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        transaction!(self.callers, tx => delete(&mut tx, app, id))
    }

    async fn start_campaign(&self, app: AppId, id: CampaignId, version: i64, next_fire: Timestamp) -> Result<Turned> {
        transaction!(self.callers, tx => start(&mut tx, app, id, (version, next_fire)))
    }

    async fn pause_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        transaction!(self.callers, tx => pause(&mut tx, app, id))
    }

    async fn resume_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        transaction!(self.callers, tx => resume(&mut tx, app, id))
    }

    async fn cancel_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        transaction!(self.callers, tx => give_up(&mut tx, app, id))
    }

    async fn due_campaigns(&self, apps: &[AppId], limit: usize) -> Result<Vec<(AppId, StoredCampaign)>> {
        let mut tx = self.engine.snapshot().await?;
        let due = due(&mut tx, apps, limit).await;
        tx.end(due).await
    }

    async fn fire_campaign(&self, app: AppId, id: CampaignId, version: i64, runs: Vec<NewRun>, next: Option<Timestamp>) -> Result<bool> {
        campaign_run::fire(self, &Firing { app, id, version, runs, next }).await
    }

    async fn stop_campaign(&self, app: AppId, id: CampaignId, version: i64, reason: &str) -> Result<bool> {
        transaction!(self.engine, tx => stop(&mut tx, (app, id), version, reason))
    }

    async fn settle_campaigns(&self) -> Result<usize> {
        transaction!(self.engine, tx => settle(&mut tx))
    }

    async fn campaign_runs(&self, app: AppId, id: CampaignId, page: &PageRequest) -> Result<Option<Page<CampaignRun>>> {
        reading!(self.callers, conn => campaign_run::list(&mut conn, app, id, page))
    }

    async fn campaign_stats(&self, app: AppId, id: CampaignId, run: Option<RunId>) -> Result<Option<CampaignStats>> {
        let mut tx = self.callers.snapshot().await?;
        let stats = campaign_stats::stats(&mut tx, app, id, run).await;
        tx.end(stats).await
    }
}
