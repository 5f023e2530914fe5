//! Campaigns.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::campaign::{CampaignRun, CampaignStats, Campaigns, Definition, Made, NewRun, Remember, StoredCampaign, Turned};
use super::super::engine::IdempotencyKey;
use super::super::rules::campaigns::{Change, resumed};
use super::super::rules::cursor::{from_text, to_text};
use super::super::rules::webhook_items::Fact;
use super::super::{Error, Page, PageRequest, Result};
use super::SqliteStore;
use super::batch::{Binds, execute, fetch, fetch_one};
use super::campaign_run::{self, Firing};
use super::campaign_stats;
use super::fault::Gone;
use super::row::{Cells, instant, micros, to_document};
use super::webhook_items;
use super::work::count;
use super::writer::Tx;
use super::{cancel, idempotency, pause};
use crate::domain::Timestamp;
use crate::domain::campaign::CampaignStatus;
use crate::domain::id::{AppId, CampaignId, RunId};
use crate::domain::webhook::EventType;

macro_rules! columns {
    () => {
        "id, app, name, definition, plan, status, reason, next_fire, version, created_at, updated_at"
    };
}
const ADD: &str = concat!(
    "INSERT INTO campaign (app, id, name, definition, plan, status, version, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, 'draft', 1, ?6, ?6) RETURNING ",
    columns!()
);
pub(super) const ONE: &str = concat!("SELECT ", columns!(), " FROM campaign WHERE id = ?2 AND app = ?1");
pub(super) const LIST: &str =
    concat!("SELECT ", columns!(), " FROM campaign WHERE app = ?1 AND id < ?2 AND (?3 IS NULL OR status = ?3) ORDER BY id DESC LIMIT ?4");
pub(super) const DUE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM campaign WHERE status IN ('scheduled', 'running') AND next_fire IS NOT NULL AND next_fire <= ?1 AND app IN (SELECT value FROM json_each(?3)) ORDER BY next_fire, id LIMIT ?2"
);
/// A draft has no run to come.
pub(super) const PUT: &str = concat!(
    "UPDATE campaign SET name = ?3, definition = ?4, plan = ?5, \
     next_fire = CASE status WHEN 'scheduled' THEN coalesce(?6, next_fire) END, version = version + 1, updated_at = ?7 \
     WHERE id = ?2 AND app = ?1 RETURNING ",
    columns!()
);
pub(super) const TURN: &str = concat!(
    "UPDATE campaign SET status = ?3, next_fire = ?4, reason = NULL, version = version + 1, updated_at = ?5 WHERE id = ?2 AND app = ?1 RETURNING ",
    columns!()
);
pub(super) const DELETE: &str = "DELETE FROM campaign WHERE id = ?2 AND app = ?1";
pub(super) const STOP: &str = "UPDATE campaign SET status = 'paused', reason = ?4, version = version + 1, updated_at = ?5 \
                               WHERE id = ?2 AND app = ?1 AND version = ?3 AND next_fire IS NOT NULL AND status IN ('scheduled', 'running')";
pub(super) const SETTLE: &str = "UPDATE campaign SET status = 'done', version = version + 1, updated_at = ?1 \
                                 WHERE status = 'running' AND next_fire IS NULL AND NOT EXISTS \
                                 (SELECT 1 FROM run r WHERE r.campaign = campaign.id AND r.open = 1) RETURNING id, app";

/// Greater than every id.
pub(super) const BEYOND: [u8; 17] = [0xff; 17];

fn read(row: &SqliteRow) -> Result<StoredCampaign> {
    let cells = Cells::new(row, "campaign", 0);
    let plan: Vec<u8> = cells.get(4, "plan")?;
    Ok(StoredCampaign {
        id: CampaignId(cells.id(0, "id")?),
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
pub(super) fn named(app: AppId, id: CampaignId) -> impl Fn(&mut Binds) + Send + Sync {
    move |binds| {
        binds.push(app.0).push(id.0.as_bytes().as_slice());
    }
}

/// One of them.
pub(super) async fn one(conn: &mut SqliteConnection, app: AppId, id: CampaignId) -> Result<Option<StoredCampaign>> {
    fetch_one(conn, ONE, named(app, id)).await?.as_ref().map(read).transpose()
}

/// A campaign that can be changed so; else what the change comes to.
async fn judged(tx: &mut Tx<'_>, app: AppId, id: CampaignId, change: Change) -> Result<Result<StoredCampaign, Turned>> {
    Ok(change.judge(one(tx.conn, app, id).await?))
}

/// What a statement made of the campaign that it named.
async fn written(tx: &mut Tx<'_>, text: &'static str, bind: impl Fn(&mut Binds) + Send) -> Result<StoredCampaign> {
    let row = fetch_one(tx.conn, text, bind).await?.ok_or_else(|| Error::Refused(Box::new(Gone)))?;
    read(&row)
}

async fn turn(tx: &mut Tx<'_>, (app, id): (AppId, CampaignId), status: CampaignStatus, next_fire: Option<Timestamp>) -> Result<Turned> {
    let now = tx.now;
    let campaign = written(tx, TURN, |binds| {
        named(app, id)(binds);
        binds.push(status.as_str()).push(next_fire.map(micros)).push(now);
    });
    Ok(Turned::Done(Box::new(campaign.await?)))
}

async fn create(mut tx: Tx<'_>, (app, id): (AppId, CampaignId), definition: Definition, remember: Option<Remember>) -> Result<Made> {
    let (given, now, remember) = (to_document(&definition.given)?, tx.now, remember.as_ref());
    let asked: Vec<&IdempotencyKey> = remember.iter().map(|remember| &remember.key).collect();
    let mut keys = idempotency::find(tx.conn, now, &asked).await?;
    if let Some(made) = keys.judge_campaign(remember) {
        return Ok(made);
    }
    let campaign = written(&mut tx, ADD, |binds| {
        named(app, id)(binds);
        binds.push(&definition.name).push(&given).push(definition.plan.as_ref()).push(now);
    });
    let campaign = campaign.await?;
    keys.made(&campaign, remember);
    idempotency::remember(&mut tx, &keys).await?;
    Ok(Made::New(Box::new(campaign)))
}

async fn put(
    mut tx: Tx<'_>,
    (app, id): (AppId, CampaignId),
    definition: Definition,
    next_fire: Option<Timestamp>,
    if_match: Option<i64>,
) -> Result<Turned> {
    if let Err(turned) = judged(&mut tx, app, id, Change::Put { if_match }).await? {
        return Ok(turned);
    }
    let (given, now) = (to_document(&definition.given)?, tx.now);
    let campaign = written(&mut tx, PUT, |binds| {
        named(app, id)(binds);
        binds.push(&definition.name).push(&given).push(definition.plan.as_ref()).push(next_fire.map(micros)).push(now);
    });
    Ok(Turned::Done(Box::new(campaign.await?)))
}

async fn delete(mut tx: Tx<'_>, app: AppId, id: CampaignId) -> Result<Turned> {
    let campaign = match judged(&mut tx, app, id, Change::Delete).await? {
        Ok(campaign) => campaign,
        Err(turned) => return Ok(turned),
    };
    execute(tx.conn, DELETE, named(app, id)).await?;
    Ok(Turned::Done(Box::new(campaign)))
}

async fn start(mut tx: Tx<'_>, app: AppId, id: CampaignId, (version, next_fire): (i64, Timestamp)) -> Result<Turned> {
    match judged(&mut tx, app, id, Change::Start { version }).await? {
        Ok(_) => turn(&mut tx, (app, id), CampaignStatus::Scheduled, Some(next_fire)).await,
        Err(turned) => Ok(turned),
    }
}

async fn hold(mut tx: Tx<'_>, app: AppId, id: CampaignId) -> Result<Turned> {
    let campaign = match judged(&mut tx, app, id, Change::Pause).await? {
        Ok(campaign) => campaign,
        Err(turned) => return Ok(turned),
    };
    campaign_run::pause_open(&mut tx, app, id).await?;
    let turned = turn(&mut tx, (app, id), CampaignStatus::Paused, campaign.next_fire).await?;
    campaign_run::tell_paused(&mut tx, (app, id), None).await?;
    Ok(turned)
}

async fn resume(mut tx: Tx<'_>, app: AppId, id: CampaignId) -> Result<Turned> {
    let campaign = match judged(&mut tx, app, id, Change::Resume).await? {
        Ok(campaign) => campaign,
        Err(turned) => return Ok(turned),
    };
    for run in campaign_run::open(&mut tx, id).await? {
        pause::resume(&mut tx, app, run).await?;
    }
    let has_run = !campaign_run::before(tx.conn, id, &BEYOND, 1).await?.is_empty();
    turn(&mut tx, (app, id), resumed(has_run), campaign.next_fire).await
}

async fn give_up(mut tx: Tx<'_>, app: AppId, id: CampaignId) -> Result<Turned> {
    if let Err(turned) = judged(&mut tx, app, id, Change::Cancel).await? {
        return Ok(turned);
    }
    for run in campaign_run::open(&mut tx, id).await? {
        cancel::cancel(&mut tx, app, run).await?;
    }
    turn(&mut tx, (app, id), CampaignStatus::Cancelled, None).await
}

async fn stop(mut tx: Tx<'_>, (app, id): (AppId, CampaignId), version: i64, reason: String) -> Result<bool> {
    let stopped = execute(tx.conn, STOP, |binds| {
        named(app, id)(binds);
        binds.push(version).push(&reason).push(tx.now);
    });
    let stopped = stopped.await? > 0;
    if stopped {
        campaign_run::pause_open(&mut tx, app, id).await?;
        campaign_run::tell_paused(&mut tx, (app, id), Some(&reason)).await?;
    }
    Ok(stopped)
}

async fn settle(mut tx: Tx<'_>) -> Result<usize> {
    let settled = fetch(tx.conn, SETTLE, |binds| {
        binds.push(tx.now);
    });
    let at = instant(tx.now).unwrap_or_default();
    let done = |row| {
        let cells = Cells::new(row, "campaign", 0);
        let (campaign, app) = (CampaignId(cells.id(0, "id")?), AppId(cells.get(1, "app")?));
        Ok(Fact::Campaign { app, event: EventType::CampaignDone, campaign, run: None, reason: None, at })
    };
    let news: Vec<Fact<'_>> = settled.await?.iter().map(done).collect::<Result<_>>()?;
    webhook_items::tell(&mut tx, &news).await?;
    Ok(news.len())
}

#[async_trait]
impl Campaigns for SqliteStore {
    async fn create_campaign(&self, app: AppId, id: CampaignId, definition: &Definition, remember: Option<Remember>) -> Result<Made> {
        let definition = definition.clone();
        self.write(move |tx| Box::pin(create(tx, (app, id), definition, remember))).await
    }

    async fn campaign(&self, app: AppId, id: CampaignId) -> Result<Option<StoredCampaign>> {
        one(&mut *self.read().await?, app, id).await
    }

    async fn campaigns(&self, app: AppId, status: Option<CampaignStatus>, page: &PageRequest) -> Result<Page<StoredCampaign>> {
        let before = page.after.as_deref().map_or(Ok(BEYOND.to_vec()), from_text::<Vec<u8>>)?;
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, LIST, |binds| {
            binds.push(app.0).push(before.as_slice()).push(status.map(CampaignStatus::as_str)).push(count(page.limit + 1));
        });
        let mut items: Vec<StoredCampaign> = rows.await?.iter().map(read).collect::<Result<_>>()?;
        let more = items.len() > page.limit;
        items.truncate(page.limit);
        let next = items.last().filter(|_| more).map(|last| to_text(last.id.0.as_bytes())).transpose()?;
        Ok(Page { items, next })
    }

    async fn put_campaign(
        &self,
        app: AppId,
        id: CampaignId,
        definition: &Definition,
        next_fire: Option<Timestamp>,
        if_match: Option<i64>,
    ) -> Result<Turned> {
        let definition = definition.clone();
        self.write(move |tx| Box::pin(put(tx, (app, id), definition, next_fire, if_match))).await
    }

    async fn delete_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        self.write(move |tx| Box::pin(delete(tx, app, id))).await
    }

    async fn start_campaign(&self, app: AppId, id: CampaignId, version: i64, next_fire: Timestamp) -> Result<Turned> {
        self.write(move |tx| Box::pin(start(tx, app, id, (version, next_fire)))).await
    }

    async fn pause_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        self.write(move |tx| Box::pin(hold(tx, app, id))).await
    }

    async fn resume_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        self.write(move |tx| Box::pin(resume(tx, app, id))).await
    }

    async fn cancel_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        self.write(move |tx| Box::pin(give_up(tx, app, id))).await
    }

    async fn due_campaigns(&self, apps: &[AppId], limit: usize) -> Result<Vec<(AppId, StoredCampaign)>> {
        let apps = to_document(&apps.iter().map(|app| app.0).collect::<Vec<i64>>())?;
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, DUE, |binds| {
            binds.push(self.now()).push(count(limit)).push(&apps);
        });
        rows.await?.iter().map(|row| Ok((AppId(Cells::new(row, "campaign", 0).get(1, "app")?), read(row)?))).collect()
    }

    async fn fire_campaign(&self, app: AppId, id: CampaignId, version: i64, runs: Vec<NewRun>, next: Option<Timestamp>) -> Result<bool> {
        let firing = Firing { app, id, version, runs, next };
        self.write(move |tx| Box::pin(campaign_run::fire(tx, firing))).await
    }

    async fn stop_campaign(&self, app: AppId, id: CampaignId, version: i64, reason: &str) -> Result<bool> {
        let reason = reason.to_owned();
        self.write(move |tx| Box::pin(stop(tx, (app, id), version, reason))).await
    }

    async fn settle_campaigns(&self) -> Result<usize> {
        self.write(move |tx| Box::pin(settle(tx))).await
    }

    async fn campaign_runs(&self, app: AppId, id: CampaignId, page: &PageRequest) -> Result<Option<Page<CampaignRun>>> {
        campaign_run::list(&mut *self.read().await?, app, id, page).await
    }

    async fn campaign_stats(&self, app: AppId, id: CampaignId, run: Option<RunId>) -> Result<Option<CampaignStats>> {
        campaign_stats::stats(&mut *self.read().await?, (app, id), run, self.now()).await
    }
}
